"""Hugging Face's vision models from a folder or the Hub's cache, against transformers itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.core.errors import ModelFileError, NotSupportedError, UnsafeModelError
from picasso.core.facts import Task
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.targets import BOX_SCORES, BOXES
from picasso.models.hub.processor import CROPPED, read_processor
from picasso.service.configuration import ModelSpecification
from picasso.testing import check_model
from picasso.testing.common import trial_picture
from tests.models import torchvision_operators
from tests.models.hub_offline import Trap, cut_off, keep

torchvision_operators.declare()

import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

NAMES = {0: "cat", 1: "dog", 2: "owl"}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def vit(**changes: Any) -> Any:
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=32, patch_size=8
    )
    config.update({"id2label": NAMES, "label2id": {name: index for index, name in NAMES.items()}} | changes)
    torch.manual_seed(1)
    return transformers.ViTForImageClassification(config).eval()


def segmenter() -> Any:
    config = transformers.SegformerConfig(
        depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1] * 4, decoder_hidden_size=16, num_labels=4
    )
    return transformers.SegformerForSemanticSegmentation(config).eval()


def detector() -> Any:
    backbone = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, out_features=["stage4"]
    )
    sides = {f"{part}_{what}": 16 if "ffn" in what else 2 for part in ("encoder", "decoder") for what in ("ffn_dim",)}
    heads = {
        f"{part}_{what}": 1 + ("heads" in what)
        for part in ("encoder", "decoder")
        for what in ("layers", "attention_heads")
    }
    config = transformers.DetrConfig(
        use_timm_backbone=False,
        backbone=None,
        backbone_config=backbone,
        d_model=16,
        num_queries=5,
        num_labels=3,
        **sides,
        **heads,
    )
    return transformers.DetrForObjectDetection(config).eval()


def saved(folder: Path, network: Any, processor: dict[str, Any] | None = None) -> Path:
    """Save a network as its users do, with the processor's own JSON beside it."""
    network.save_pretrained(folder)
    if processor is not None:
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


SMALL = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "do_normalize": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("hub") / "my-checkpoint", vit(), SMALL)


def channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


def answer(network: Any, x: np.ndarray) -> Any:
    with torch.no_grad():
        return network(channels_first(x))


def test_a_folder_opens_and_answers_as_in_transformers(folder: Path) -> None:
    network = transformers.AutoModelForImageClassification.from_pretrained(folder)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    picture = trial_picture(1, 50, 40)
    x = processor(picture.pixels.copy(), return_tensors="pt").pixel_values.numpy().transpose(0, 2, 3, 1)
    for source in (f"hf:{folder}", folder):
        model = load_model(source)
        np.testing.assert_allclose(model.predict(x), answer(network, x).logits.numpy(), atol=1e-5)
        assert (model.name, model.labels, model.head) == ("my-checkpoint", tuple(NAMES.values()), Head.SOFTMAX)
        assert model.files == (folder,)
        # The processor at hand works with whole levels of 255, each channel on its own: one of them apart at most.
        assert np.abs(model.prepare(picture).x - x).max() <= 2 / 255 + 1e-6
    assert model.default_layer() is not None


def test_it_keeps_the_contract(folder: Path) -> None:
    check_model(load_model(folder))


PROCESSORS: list[tuple[str, dict[str, Any]]] = [
    ("ViT", {"size": {"height": 32, "width": 48}, "resample": 3}),
    ("ViT", {"size": {"height": 32, "width": 32}, "resample": 0, "do_normalize": False}),
    (
        "ViT",
        {"size": {"height": 32, "width": 32}, "do_rescale": False, "image_mean": [120.0] * 3, "image_std": [60.0] * 3},
    ),
    (
        "Bit",
        {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True, **IMAGENET},
    ),
    ("CLIP", {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}),
    ("ConvNext", {"size": {"shortest_edge": 64}, "crop_pct": 0.875}),
    ("ConvNext", {"size": {"shortest_edge": 384}}),
    ("PoolFormer", {"size": {"shortest_edge": 64}, "crop_pct": 0.875, "crop_size": {"height": 64, "width": 64}}),
    ("Levit", {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}}),
    ("EfficientNet", {"size": {"height": 40, "width": 40}, "rescale_offset": True, "rescale_factor": 1 / 127.5}),
    ("MobileViT", {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}),
    ("Segformer", {"size": {"height": 64, "width": 64}}),
]


@pytest.mark.parametrize(("kind", "fields"), PROCESSORS)
@pytest.mark.parametrize("size", [(120, 160), (97, 64)])
def test_a_picture_becomes_what_its_processor_makes_of_it(
    kind: str, fields: dict[str, Any], size: tuple[int, int]
) -> None:
    own = getattr(transformers, f"{kind}ImageProcessorPil")(**fields)
    preprocessing, notes = read_processor(own.to_dict(), Task.CLASSIFICATION)
    pixels = trial_picture(2, *size).pixels
    theirs = np.asarray(own(pixels, return_tensors="np").pixel_values[0]).transpose(1, 2, 0)
    np.testing.assert_allclose(preprocessing.apply(pixels), theirs, atol=4e-6)
    assert notes == ((CROPPED,) if preprocessing.resize == "crop" else ())


@pytest.mark.parametrize(
    ("fields", "task", "note"),
    [
        ({"size": {"height": 64, "width": 64}, "resample": 1}, Task.CLASSIFICATION, "the filter Lanczos"),
        ({"size": {"shortest_edge": 64}}, Task.SEGMENTATION, "reads the center, 64 x 64"),
        ({"size": {"shortest_edge": 64, "longest_edge": 99}}, Task.DETECTION, "stretches it to 64 x 64"),
        (
            {"size": {"height": 72, "width": 72}, "crop_size": {"height": 64, "width": 64}, "do_center_crop": True},
            Task.CLASSIFICATION,
            "Picasso keeps the aspect",
        ),
        (
            {"size": {"shortest_edge": 48}, "crop_size": {"height": 64, "width": 64}, "do_center_crop": True},
            Task.CLASSIFICATION,
            "pads a short side of 48",
        ),
    ],
)
def test_what_cannot_be_said_exactly_is_noted(fields: dict[str, Any], task: Task, note: str) -> None:
    preprocessing, notes = read_processor(fields, task)
    assert note in " ".join(notes)
    assert preprocessing.shape == (64, 64, 3)


def test_a_processor_without_a_size_is_refused() -> None:
    with pytest.raises(ModelFileError, match="to what size"):
        read_processor({"do_resize": False}, Task.CLASSIFICATION)


def test_a_segmenter(tmp_path: Path) -> None:
    network = segmenter()
    fields = {"image_processor_type": "SegformerImageProcessor", "size": {"height": 64, "width": 64}}
    model = load_model(saved(tmp_path / "seg", network, fields))
    x = model.prepare(trial_picture(1, 64, 64)).x
    (masks,) = model.outputs(x).values()
    np.testing.assert_allclose(masks, answer(network, x).logits.numpy().transpose(0, 2, 3, 1), atol=1e-5)
    assert (model.facts.task, len(model.labels)) == (Task.SEGMENTATION, 4)


def test_a_detector(tmp_path: Path) -> None:
    network = detector()
    fields = {"image_processor_type": "DetrImageProcessor", "size": {"shortest_edge": 64, "longest_edge": 100}}
    model = load_model(saved(tmp_path / "det", network, fields))
    x = model.prepare(trial_picture(1, 64, 64)).x
    outputs, theirs = model.outputs(x), answer(network, x)
    np.testing.assert_allclose(outputs[BOX_SCORES], theirs.logits.numpy(), atol=1e-5)
    centers = outputs[BOXES].reshape(1, -1, 2, 2).mean(axis=2) / 64
    np.testing.assert_allclose(centers, theirs.pred_boxes[..., :2].numpy(), atol=1e-5)
    assert (model.facts.task, model.labels[-1], len(model.labels)) == (Task.DETECTION, "no object", 4)


@pytest.mark.parametrize(
    ("kind", "head"), [("multi_label_classification", Head.SIGMOID), ("regression", Head.NONE), (None, Head.SOFTMAX)]
)
def test_the_head_is_that_of_its_problem(kind: str | None, head: Head, tmp_path: Path) -> None:
    assert load_model(saved(tmp_path / "m", vit(problem_type=kind), SMALL)).head is head


def test_weights_of_seven_classes_for_a_folder(folder: Path, tmp_path: Path) -> None:
    network = vit(num_labels=7)
    save_file(network.state_dict(), tmp_path / "mine.safetensors")
    model = load_model(f"hf:{folder}", weights=tmp_path / "mine.safetensors")
    x = model.prepare(trial_picture(1, 50, 40)).x
    np.testing.assert_allclose(model.predict(x), answer(network, x).logits.numpy(), atol=1e-5)
    assert len(model.labels) == 7
    assert tmp_path / "mine.safetensors" in model.files


def test_untrained(folder: Path) -> None:
    model, again = (load_model(folder, weights="random") for _ in range(2))
    assert model.digest == again.digest != load_model(folder).digest
    assert "untrained" in " ".join(model.facts.notes)


def test_pickled_weights_are_read_and_traps_are_not(tmp_path: Path) -> None:
    network = vit()
    folder = saved(tmp_path / "old", network, SMALL)
    (folder / "model.safetensors").unlink()
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    model = load_model(folder)
    x = model.prepare(trial_picture(1, 50, 40)).x
    np.testing.assert_allclose(model.predict(x), answer(network, x).logits.numpy(), atol=1e-5)
    trap = Trap(tmp_path / "sprung")
    torch.save({"weight": trap}, folder / "pytorch_model.bin")
    with pytest.raises(ModelFileError, match="old could not be opened"):
        load_model(folder)
    assert not trap.file.exists()


def test_a_model_in_the_cache_opens_without_the_net(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(monkeypatch, tmp_path)
    place = keep(tmp_path, "someone/birds-vit", folder)
    model = load_model("hf:someone/birds-vit")
    assert (model.name, model.labels) == ("birds-vit", tuple(NAMES.values()))
    for file in place.glob("model*"):
        file.unlink()
    with pytest.raises(ModelFileError, match="The weights of hf:someone/birds-vit could not be downloaded"):
        load_model("hf:someone/birds-vit")


def test_offline_one_sentence_says_what_where_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(monkeypatch, tmp_path)
    with pytest.raises(ModelFileError) as caught:
        load_model("hf:google/vit-base-patch16-224")
    assert caught.value.message == (
        "The files of hf:google/vit-base-patch16-224 could not be downloaded from huggingface.co/google/"
        "vit-base-patch16-224 (ConnectError: [Errno -2] Name or service not known), "
        f"and the cache {tmp_path / 'hub'} does not hold them."
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelFileError, match="HF_HUB_OFFLINE forbids it"):
        load_model("hf:google/vit-base-patch16-224")


def changed(folder: Path, place: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy a checkpoint with another config.json."""
    place.mkdir()
    for file in folder.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    config = json.loads((place / "config.json").read_text())
    change(config)
    (place / "config.json").write_text(json.dumps(config))
    return place


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"architectures": ["ViTModel"]}, NotSupportedError, "is a ViTModel; Picasso opens ForImageClassification"),
        ({"architectures": []}, NotSupportedError, "does not say what it is"),
        ({"auto_map": {"AutoModel": "net.Net"}, "model_type": "own"}, UnsafeModelError, "Python code of its own"),
        ({"quantization_config": {"bits": 4}}, NotSupportedError, "is quantized"),
        ({"hidden_size": 4096, "intermediate_size": 65536}, ModelFileError, "describes 1[0-9]+ parameters"),
        ({"num_hidden_layers": 3}, ModelFileError, "lack 16 tensors"),
        ({"intermediate_size": 64}, ModelFileError, "in another shape|could not be opened"),
        ({"model_type": "no-such"}, ModelFileError, "could not be opened"),
    ],
)
def test_what_it_does_not_open(
    change: dict[str, Any], kind: type[Exception], message: str, folder: Path, tmp_path: Path
) -> None:
    place = changed(folder, tmp_path / "changed", lambda config: config.update(change))
    with pytest.raises(kind, match=message):
        load_model(f"hf:{place}")


def test_folders_and_names_that_are_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"There is no folder ./nothing"):
        load_model("hf:./nothing")
    with pytest.raises(ModelFileError, match="neither a folder nor a name"):
        load_model("hf:some/where/else")
    with pytest.raises(ModelFileError, match="is a folder, not a model file"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelFileError, match=r"The config.json of .* cannot be read"):
        load_model(f"hf:{tmp_path}")


def test_a_folder_without_processor_or_weights(folder: Path, tmp_path: Path) -> None:
    place = changed(folder, tmp_path / "changed", lambda config: None)
    (place / "preprocessor_config.json").unlink()
    model = load_model(place)
    assert "has no preprocessor_config.json; assumed: stretched to 32" in " ".join(model.facts.notes)
    (place / "model.safetensors").unlink()
    with pytest.raises(ModelFileError, match="holds no weights"):
        load_model(place)


def test_the_server_knows_it_by_its_last_name(folder: Path) -> None:
    listed = ModelSpecification(source="hf:my-checkpoint").beside(folder.parent)
    assert (listed.source, listed.known_as()) == (f"hf:{folder}", "my-checkpoint")
    model: Model = load_model(listed.source, name=listed.known_as())
    assert model.name == "my-checkpoint"
    remote = ModelSpecification(source="hf:google/vit-base").beside(folder.parent)
    assert (remote.source, remote.known_as()) == ("hf:google/vit-base", "vit-base")
