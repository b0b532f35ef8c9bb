"""torchvision's networks by name, against torchvision itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.core.errors import ConfigurationError, ModelFileError, NotSupportedError, UnsafeModelError
from picasso.core.facts import Task
from picasso.core.hooks import Head
from picasso.core.opening import load_model
from picasso.core.preprocessing import Preprocessing
from picasso.models.hub import made as hub_made
from picasso.models.hub import torchvision as hub_torchvision
from picasso.testing.common import trial_picture
from tests.models import torchvision_operators
from tests.models.hub_offline import Trap, cut_off

torchvision_operators.declare()

import torch  # noqa: E402
import torchvision  # noqa: E402
from PIL import Image  # noqa: E402

SMALL = "squeezenet1_1"


def weights_file(folder: Path, classes: int, name: str = SMALL, **more: Any) -> tuple[Path, Any]:
    torch.manual_seed(3)
    network = torchvision.models.get_model(name, weights=None, num_classes=classes, **more).eval()
    torch.save(network.state_dict(), folder / "mine.pth")
    return folder / "mine.pth", network


@pytest.mark.parametrize("name", [SMALL, "resnet50", "inception_v3", "efficientnet_b3", "vit_b_16", "swin_v2_t"])
@pytest.mark.parametrize("size", [(480, 640), (333, 301), (57, 90)])
def test_a_picture_becomes_what_torchvision_makes_of_it(name: str, size: tuple[int, int]) -> None:
    transforms = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    preprocessing, notes = hub_torchvision.read_transforms(transforms)
    pixels = trial_picture(1, *size).pixels
    theirs = transforms(Image.fromarray(pixels)).numpy().transpose(1, 2, 0)
    np.testing.assert_allclose(preprocessing.apply(pixels), theirs, atol=2e-6)
    assert notes == ()


def test_weights_of_seven_classes_open_and_answer_as_in_torchvision(tmp_path: Path) -> None:
    file, network = weights_file(tmp_path, 7)
    model = load_model(f"torchvision:{SMALL}", weights=file)
    picture = trial_picture(2, 300, 400)
    x = torchvision.models.get_model_weights(SMALL).DEFAULT.transforms()(Image.fromarray(picture.pixels))
    with torch.no_grad():
        theirs = network(x[None]).numpy()
    np.testing.assert_allclose(model.predict(model.prepare(picture).x), theirs, atol=1e-5)
    assert (model.name, model.head, len(model.labels)) == (f"torchvision:{SMALL}", Head.SOFTMAX, 7)
    assert any("7 classes have no names" in note for note in model.facts.notes)
    assert model.files == (file,)


def test_its_parameters_are_not_read_again_for_its_digest(tmp_path: Path) -> None:
    first = load_model(f"torchvision:{SMALL}", weights="random")
    again = load_model(f"torchvision:{SMALL}", weights="random")
    other = load_model(f"torchvision:{SMALL}", weights=weights_file(tmp_path, 1000)[0])
    assert first.digest == again.digest != other.digest
    assert first.labels[:2] == other.labels[:2] == ("tench", "goldfish")
    assert "untrained" in " ".join(first.facts.notes)
    assert "untrained" not in " ".join(other.facts.notes)
    before = first.digest
    with torch.no_grad():
        next(first.module.parameters()).add_(1)  # type: ignore[attr-defined]
    assert first.digest == before


def test_random_weights_leave_the_random_numbers_of_others_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_model(f"torchvision:{SMALL}", weights="random")
    assert torch.equal(torch.rand(3), expected)


def test_what_the_user_says_goes_first(tmp_path: Path) -> None:
    own = Preprocessing(size=64, resize="stretch", mean=0.5, std=0.25)
    labels = ["a", "b", "c"]
    file, _ = weights_file(tmp_path, 3)
    model = load_model(
        f"torchvision:{SMALL}", weights=file, preprocessing=own, labels=labels, head="sigmoid", name="me"
    )
    assert (model.preprocessing, model.labels, model.head, model.name) == (own, tuple(labels), Head.SIGMOID, "me")


def test_what_the_user_leaves_open_stays_the_library_s() -> None:
    model = load_model(f"torchvision:{SMALL}", weights="random", preprocessing=Preprocessing(size=112))
    assert model.preprocessing is not None
    assert model.preprocessing.mean == (0.485, 0.456, 0.406)
    assert (model.preprocessing.size, model.preprocessing.short_side) == (112, 128)
    assert "Of the preprocessing size was given; the rest is the library's own." in model.facts.notes
    with pytest.raises(ConfigurationError, match="mean must have 1 value") as caught:
        load_model(f"torchvision:{SMALL}", weights="random", preprocessing=Preprocessing(color="grey"))
    assert caught.value.hint == "Correct it; what is not given is the model's own."


def test_a_segmenter(tmp_path: Path) -> None:
    file, network = weights_file(tmp_path, 4, "lraspp_mobilenet_v3_large", weights_backbone=None)
    model = load_model(
        "torchvision:lraspp_mobilenet_v3_large", weights=file, preprocessing=Preprocessing(size=(64, 96), mean=0.5)
    )
    x = model.prepare(trial_picture(1, 64, 96)).x
    with torch.no_grad():
        theirs = network(torch.from_numpy(x.transpose(0, 3, 1, 2)))["out"].numpy().transpose(0, 2, 3, 1)
    (masks,) = model.outputs(x).values()
    np.testing.assert_allclose(masks, theirs, atol=1e-5)
    assert (model.facts.task, model.facts.columns) == (Task.SEGMENTATION, 4)
    assert any("the short side to 520" in note for note in model.facts.notes)


def test_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Suppression is one of the compiled operators that may be absent; here nothing is suppressed.
    keep_all = lambda boxes, scores, labels, threshold: scores.argsort(descending=True)  # noqa: E731
    monkeypatch.setattr(torchvision.ops.boxes, "batched_nms", keep_all)
    name = "ssdlite320_mobilenet_v3_large"
    file, _ = weights_file(tmp_path, 3, name, weights_backbone=None)
    model = load_model(f"torchvision:{name}", weights=file)
    assert (model.facts.task, model.facts.columns, model.input_shape) == (Task.DETECTION, 3, (320, 320, 3))
    assert any("brings the short side to 320" in note for note in model.facts.notes)


def test_what_cannot_be_imported_beside_the_pytorch_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(hub_made.importlib, "import_module", fail)
    with pytest.raises(
        ConfigurationError, match=r"torchvision .* cannot be imported beside PyTorch .*torchvision::nms"
    ):
        load_model("torchvision:resnet18")


def test_published_weights_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(monkeypatch, tmp_path)
    file, _ = weights_file(tmp_path, 1000)
    place = tmp_path / "torch/hub/checkpoints" / Path(torchvision.models.SqueezeNet1_1_Weights.DEFAULT.url).name
    place.parent.mkdir(parents=True)
    place.write_bytes(file.read_bytes())
    model = load_model(f"torchvision:{SMALL}")
    given = load_model(f"torchvision:{SMALL}", weights=file)
    assert model.digest == given.digest
    trap = Trap(tmp_path / "sprung")
    torch.save(trap, place)
    with pytest.raises(ModelFileError, match=r"The weights of torchvision:squeezenet1_1 could not be"):
        load_model(f"torchvision:{SMALL}")
    assert not trap.file.exists()


def test_offline_one_sentence_says_what_where_and_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(monkeypatch, tmp_path)
    with pytest.raises(ModelFileError) as caught:
        load_model("torchvision:resnet18")
    assert caught.value.message == (
        "The weights of torchvision:resnet18 could not be downloaded from https://download.pytorch.org/models/"
        "resnet18-f37072fd.pth (urlopen error [Errno -2] Name or service not known), "
        f"and the cache {tmp_path / 'torch/hub/checkpoints'} does not hold them."
    )
    assert "--weights FILE" in caught.value.hint
    assert "--weights random" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81", "torchvision has no model 'resnet81'. Did you mean torchvision:resnet18"),
        ("resnet50.V7", "torchvision has no weights 'V7' of resnet50. It has IMAGENET1K_V1"),
        ("raft_small", "reads pairs of pictures"),
        ("r3d_18", "reads videos"),
        ("quantized_resnet18", "Try torchvision:resnet18."),
    ],
)
def test_what_it_does_not_open(name: str, message: str) -> None:
    with pytest.raises((ModelFileError, NotSupportedError)) as caught:
        load_model(f"torchvision:{name}", weights="random")
    assert message in str(caught.value)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    file, _ = weights_file(tmp_path, 7)
    with pytest.raises(ModelFileError, match=r"The weights in mine.pth do not fit .* Are they weights of torchvision:"):
        load_model("torchvision:mnasnet0_5", weights=file)
    with pytest.raises(ModelFileError, match="There is no file of weights"):
        load_model(f"torchvision:{SMALL}", weights=tmp_path / "absent.pth")
    torch.save(torch.nn.ReLU(), tmp_path / "whole.pth")
    with pytest.raises(UnsafeModelError, match="pickled"):
        load_model(f"torchvision:{SMALL}", weights=tmp_path / "whole.pth")


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_an_auxiliary_head(name: str, tmp_path: Path) -> None:
    kind = torchvision.models.get_model_builder(name)
    for aux in (True, False):
        torch.manual_seed(0)
        network = kind(weights=None, num_classes=5, aux_logits=aux, init_weights=False)
        torch.save(network.state_dict(), tmp_path / "mine.pth")
        made = hub_torchvision.make(f"torchvision:{name}", str(tmp_path / "mine.pth"))
        assert set(made.network.state_dict()) == set(network.state_dict())
