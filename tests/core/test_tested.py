"""What is known of a map is said in one way, wherever it is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import picasso
from picasso.core import tested
from picasso.core.pictures.images import read_picture
from picasso.core.tested import Standing
from picasso.scorecard import kept
from picasso.scorecard.comparing import choose_methods
from picasso.scorecard.randomization import Randomization, Shot, randomize
from picasso.scorecard.stages import Stages
from tests.scorecard.making import network, picture

STAYS = Randomization(0.9, 0.0, 1.0, 1.0, ("a",), (0.9,), 1, 0)
FORGETS = Randomization(0.12, 0.5, 1.0, 1.5, ("a",), (0.12,), 1, 0)


@pytest.mark.parametrize(
    ("similarity", "words"),
    [(0.12, "(ρ = .12)"), (-0.055, "(ρ = −.06)"), (-0.001, "(ρ = .00)"), (0.0, "(ρ = .00)"), (1.0, "(ρ = 1.00)")],
)
def test_a_correlation_is_written_as_papers_do(similarity: float, words: str) -> None:
    assert str(tested.Tested(Standing.PASSED, similarity)) == f"passes the randomization test {words}"


def test_a_result_says_at_once_what_was_found_after_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path))
    model = network()
    result = picasso.explain(model, picture(), "saliency-map", top=1)
    (method, other) = choose_methods(model, ["saliency-map", ("saliency-map", {"reduction": "sum"})])
    assert str(result.tested) == result.document()["tested"]["sentence"] == "untested"
    assert "This map is untested." in result._repr_html_()
    kept.write(model, other, STAYS)  # other settings make other maps
    assert result.tested.standing is Standing.UNTESTED
    kept.write(model, method, FORGETS)
    assert str(result.tested) == "passes the randomization test (ρ = .12)"
    assert "This map passes the randomization test" in result._repr_html_()
    kept.write(model, method, STAYS)
    assert result.tested.warned
    assert result.document()["tested"] == {"standing": "warned", "similarity": 0.9, "sentence": tested.WARNING}
    assert "<strong>Warning: this map hardly changes" in result._repr_html_()
    assert picasso.explain(model, picture(), "class-probabilities").tested is None
    layer = next(layer.name for layer in model.layers() if layer.spatial)
    channel = picasso.explain(model, picture(), "saliency-map", channel=f"{layer}:1")
    assert str(channel.tested) == "untested"  # what shuffling did to the maps of classes says nothing of it


def drawn(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_warning_stands_below_the_picture_with_its_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path))
    model = network()
    result = picasso.explain(model, picture(), "saliency-map", top=1)
    before = {path.name: drawn(path).shape for path in result.save(tmp_path / "a") if path.suffix == ".png"}
    (method,) = choose_methods(model, "saliency-map")
    kept.write(model, method, STAYS)
    after = {path.name: path for path in result.save(tmp_path / "b") if path.suffix == ".png"}
    for name, (height, width, _) in before.items():
        pixels = drawn(after[name])
        assert pixels.shape[1] == width
        if not name.endswith(".bar.png"):
            assert pixels.shape[0] == height
            continue
        below = pixels[height:]
        assert len(below) >= 40
        assert below.min() < 100  # letters
        assert (below[:, :4] > 200).all()  # none of which is cut off at the side
        assert (below[:, -4:] > 200).all()


def test_a_real_network_is_warned_of_deconvnet_and_not_of_grad_cam(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from tests.models.squeezenet import SqueezeNet

    monkeypatch.setenv("PICASSO_HOME", str(tmp_path))
    net = SqueezeNet().eval()
    net.load_state_dict(torch.load(shared_data / "squeezenet11/squeezenet11_state_dict.pt", weights_only=True))
    declared = picasso.Preprocessing(size=227, resize="crop", color="bgr", scale=1.0, mean=(104, 117, 123))
    model = picasso.load_model(net, preprocessing=declared, name="SqueezeNet")
    cat = shared_data / "photos/cat.jpg"
    results = {name: picasso.explain(model, cat, name, top=1) for name in ("deconvnet", "grad-cam")}
    sample = model.prepare(read_picture(cat))
    for name, result in results.items():
        assert str(result.tested) == "untested"
        (method,) = choose_methods(model, name)
        shot = Shot(model, sample, result.targets[0], result.attributions[0].flat())
        kept.write(model, method, randomize(method, [shot], 0, Stages(lambda *said: None, 1)))
    assert results["deconvnet"].tested.warned
    assert results["grad-cam"].tested.standing is Standing.PASSED
