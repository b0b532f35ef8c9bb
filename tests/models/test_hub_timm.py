"""timm's networks by name, against timm itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.core.errors import ModelFileError, NotSupportedError
from picasso.core.hooks import Head
from picasso.core.opening import load_model
from picasso.models.hub import timm as hub_timm
from picasso.testing import check_model
from picasso.testing.common import trial_picture
from tests.models import torchvision_operators
from tests.models.hub_offline import cut_off, keep

torchvision_operators.declare()

import timm  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from timm.data import create_transform, resolve_model_data_config  # noqa: E402

SMALL = "test_resnet"


def network_of(classes: int, name: str = SMALL) -> Any:
    torch.manual_seed(3)
    return timm.create_model(name, num_classes=classes).eval()


def weights_file(folder: Path, classes: int, name: str = SMALL) -> tuple[Path, Any]:
    network = network_of(classes, name)
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, folder / "m.pth"
    )
    return folder / "m.pth", network


@pytest.mark.parametrize(
    "name", ["test_resnet", "resnet18", "mobilenetv3_small_050", "vit_tiny_patch16_224", "test_efficientnet_gn"]
)
@pytest.mark.parametrize("size", [(480, 640), (333, 301), (57, 90)])
def test_a_picture_becomes_what_timm_makes_of_it(name: str, size: tuple[int, int]) -> None:
    config = timm.data.resolve_data_config({}, pretrained_cfg=timm.get_pretrained_cfg(name).to_dict())
    preprocessing, notes = hub_timm.read_config(config)
    pixels = trial_picture(1, *size).pixels
    theirs = create_transform(**config, is_training=False)(Image.fromarray(pixels)).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(preprocessing.apply(pixels), theirs, atol=2e-6)
    assert notes == ()


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"crop_mode": "squash", "crop_pct": 0.9}, "timm stretches to 248 x 248"),
        ({"crop_mode": "border"}, "pads with the mean color"),
        ({"interpolation": "lanczos"}, "the filter lanczos"),
        ({"input_size": (3, 224, 160)}, "no square"),
    ],
)
def test_what_cannot_be_said_exactly_is_noted(changes: dict[str, Any], note: str) -> None:
    config = {"input_size": (3, 224, 224), "mean": (0.5,) * 3, "std": (0.5,) * 3, "crop_pct": 1.0}
    preprocessing, notes = hub_timm.read_config(config | changes)
    assert note in " ".join(notes)
    assert preprocessing.shape[2] == 3


def test_a_squashed_picture_is_stretched_exactly() -> None:
    config = {"input_size": (3, 64, 96), "mean": (0.5,) * 3, "std": (0.5,) * 3, "crop_pct": 1.0, "crop_mode": "squash"}
    preprocessing, notes = hub_timm.read_config(config)
    pixels = trial_picture(1, 200, 300).pixels
    theirs = create_transform(**config, interpolation="bicubic")(Image.fromarray(pixels)).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(preprocessing.apply(pixels), theirs, atol=2e-6)
    assert notes == ()


def test_many_channels_are_refused() -> None:
    with pytest.raises(NotSupportedError, match="4 channels"):
        hub_timm.read_config({"input_size": (4, 224, 224), "mean": (0.5,) * 4, "std": (0.5,) * 4})


def test_weights_of_seven_classes_open_and_answer_as_in_timm(tmp_path: Path) -> None:
    file, network = weights_file(tmp_path, 7)
    model = load_model(f"timm:{SMALL}", weights=file)
    picture = trial_picture(2, 300, 400)
    x = create_transform(**resolve_model_data_config(network), is_training=False)(Image.fromarray(picture.pixels))
    with torch.no_grad():
        theirs = network(x[None]).numpy()
    np.testing.assert_allclose(model.predict(model.prepare(picture).x), theirs, atol=1e-5)
    assert (model.name, model.head, len(model.labels)) == (f"timm:{SMALL}", Head.SOFTMAX, 7)


def test_a_network_of_features_that_was_trained_to_classify(tmp_path: Path) -> None:
    name = "convnextv2_atto.fcmae"
    assert timm.get_pretrained_cfg(name).num_classes == 0
    file, network = weights_file(tmp_path, 7, name)
    model = load_model(f"timm:{name}", weights=file)
    x = np.random.default_rng(1).normal(size=(2, *model.input_shape)).astype(np.float32)
    with torch.no_grad():
        theirs = network(torch.from_numpy(x.transpose(0, 3, 1, 2))).numpy()
    np.testing.assert_allclose(model.predict(x), theirs, atol=1e-5)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_they_keep_the_contract(name: str, tmp_path: Path) -> None:
    file, _ = weights_file(tmp_path, 5, name)
    check_model(load_model(f"timm:{name}", weights=file))


def test_an_untrained_network_says_so_and_has_the_labels_of_imagenet() -> None:
    model = load_model(f"timm:{SMALL}", weights="random")
    assert model.labels[1] == "goldfish, Carassius auratus"
    assert "untrained" in " ".join(model.facts.notes)
    assert model.digest == load_model(f"timm:{SMALL}", weights="random").digest


def test_published_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = tmp_path / "saved"
    network = network_of(1000)
    timm.models.save_for_hf(network, saved)
    cut_off(monkeypatch, tmp_path)
    keep(tmp_path, timm.get_pretrained_cfg(SMALL).hf_hub_id, saved)
    x = torch.rand(1, 3, 160, 160)
    with torch.no_grad():
        theirs = network(x).numpy()
    # By timm's name, from timm's place on the Hub by either scheme, and the folder itself.
    place = timm.get_pretrained_cfg(SMALL).hf_hub_id
    names = []
    for source in (f"timm:{SMALL}", f"hf:{place}", f"timm:hf-hub:{place}", f"hf:{saved}", str(saved)):
        model = load_model(source)
        np.testing.assert_allclose(model.predict(x.numpy().transpose(0, 2, 3, 1)), theirs, atol=1e-5)
        names.append(model.name)
    last = place.rpartition("/")[2]
    assert names == [f"timm:{SMALL}", last, last, "saved", "saved"]


def test_offline_one_sentence_says_what_where_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(monkeypatch, tmp_path)
    for source in ("timm:resnet18", "timm:hf-hub:someone/net"):
        with pytest.raises(ModelFileError) as caught:
            load_model(source)
        assert f"of {source} could not be downloaded from huggingface.co/" in caught.value.message
        assert f"the cache {tmp_path / 'hub'} does not hold them" in caught.value.message
        assert caught.value.hint.startswith("Try again online, or open ")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet1x8", "timm has no model 'resnet1x8'. Did you mean timm:resnet18"),
        ("resnet18.zz", "timm has no weights 'zz' of resnet18. It has a1_in1k"),
    ],
)
def test_what_it_does_not_open(name: str, message: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        load_model(f"timm:{name}", weights="random")
    assert message in str(caught.value)


def test_a_network_of_features_alone(tmp_path: Path) -> None:
    timm.models.save_for_hf(network_of(0), tmp_path / "features")
    with pytest.raises(NotSupportedError, match="gives features and no class scores"):
        load_model(tmp_path / "features")


def test_a_network_without_published_weights() -> None:
    bare = next(name for name in timm.list_models("*resnet*") if not timm.get_pretrained_cfg(name).has_weights)
    with pytest.raises(ModelFileError, match=f"timm publishes no weights of timm:{bare}"):
        load_model(f"timm:{bare}")


def test_a_folder_without_weights(tmp_path: Path) -> None:
    timm.models.save_for_hf(network_of(5), tmp_path / "saved")
    for file in (tmp_path / "saved").glob("*model*"):
        file.unlink()
    with pytest.raises(ModelFileError, match="holds no weights"):
        load_model(f"hf:{tmp_path / 'saved'}")


def test_the_labels_of_a_checkpoint(tmp_path: Path) -> None:
    network = network_of(3)
    timm.models.save_for_hf(network, tmp_path / "birds", model_config={"label_names": ["wren", "robin", "owl"]})
    assert load_model(tmp_path / "birds").labels == ("wren", "robin", "owl")
