"""Transformations: layers that are known to move along or to stay, and the same scores by SciPy and PyTorch alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError
from picasso.core.panels import Curve, Images
from picasso.testing import check_visualization, small_transformer
from tests.models.networks import Plain, seeded
from tests.visualizations.gradient_networks import PICTURE, SIZE, Flat, X, opened

MEAN, STD = np.array([0.4, 0.5, 0.6]), np.array([0.2, 0.25, 0.3])
INPUT = X[0].permute(1, 2, 0).numpy()


class Convolution(nn.Module):
    """A convolution, a ReLU, global average pooling and classes.

    Args:
        weight: (out, 3, k, k); random where it is not given.
        options: Of the convolution: stride, padding, padding_mode.
    """

    def __init__(self, weight: torch.Tensor | None = None, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(6)
        weight = torch.randn(6, 3, 3, 3) if weight is None else weight
        self.conv = nn.Conv2d(3, len(weight), weight.shape[-1], bias=False, **options)
        self.relu = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flat = nn.Flatten()
        self.fc = nn.Linear(len(weight), 3)
        with torch.no_grad():
            self.conv.weight[:] = weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.flat(self.pool(self.relu(self.conv(x)))))


def shown(network: Any, **choices: Any) -> picasso.Result:
    result = picasso.explain(opened(network), PICTURE, "transformations", cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result


def curve(result: picasso.Result, name: str) -> Curve:
    return next(panel for panel in result.panels if isinstance(panel, Curve) and panel.id == name)


def values(result: picasso.Result, name: str, label: str) -> list[float]:
    line = next(line for line in curve(result, name).lines if line.label == label)
    assert all(value is not None for value in line.values)
    return [float(value) for value in line.values if value is not None]


CIRCULAR: dict[str, Any] = {"padding": 1, "padding_mode": "circular"}


@pytest.mark.parametrize("kind", ["shift-right", "shift-down"])
def test_a_circular_convolution_moves_along_and_its_mean_stays(kind: str) -> None:
    result = shown(Convolution(**CIRCULAR), kind=kind, fill="wrap", layers="relu, flat")
    np.testing.assert_allclose(values(result, "equivariance", "relu"), 1, atol=1e-6)
    np.testing.assert_allclose(values(result, "invariance", "flat"), 1, atol=1e-6)
    assert min(values(result, "invariance", "relu")) < 0.95
    assert [line.label for line in curve(result, "equivariance").lines] == ["relu"]  # a vector has no map to move
    scores = np.array(result.arrays["scores"])
    np.testing.assert_allclose(scores, np.broadcast_to(scores[0], scores.shape), atol=1e-4)


def test_a_convolution_without_padding_moves_along_inside() -> None:
    """The map is smaller than the picture, which is no stride; what comes in from outside is left out."""
    for fill in ("mean", "reflect"):
        result = shown(Convolution(), fill=fill, layers="conv, relu")
        for name in ("conv", "relu"):
            np.testing.assert_allclose(values(result, "equivariance", name), 1, atol=1e-6)
        assert min(values(result, "invariance", "conv")) < 0.95


def test_with_a_stride_whole_cells_move_along() -> None:
    result = shown(Convolution(**CIRCULAR, stride=2), fill="wrap", layers="conv", steps=3)
    assert all(x % 2 == 0 for x in curve(result, "equivariance").x)
    np.testing.assert_allclose(values(result, "equivariance", "conv"), 1, atol=1e-6)
    apart = shown(Convolution(**CIRCULAR, stride=2), fill="wrap", layers="conv", far=3 / 24, steps=3)
    found = dict(zip(curve(apart, "equivariance").x, values(apart, "equivariance", "conv"), strict=True))
    assert set(found) == {-3, -2, -1, 0, 1, 2, 3}
    assert all(abs(found[x] - 1) < 1e-6 for x in (-2, 0, 2))
    assert all(found[x] < 0.99 for x in (-3, -1, 1, 3))
    assert "conv 3" in curve(apart, "equivariance").caption


def symmetric(quarter: bool = False) -> torch.Tensor:
    torch.manual_seed(9)
    weight = torch.randn(5, 3, 3, 3)
    weight = weight + weight.flip(3)
    weight = weight + weight.flip(2)
    return weight + weight.transpose(2, 3) if quarter else weight


def test_a_symmetric_filter_is_flipped_along_and_another_is_not() -> None:
    result = shown(Convolution(symmetric(), padding=1), kind="flip", layers="conv")
    np.testing.assert_allclose(values(result, "equivariance", "conv"), 1, atol=1e-6)
    assert curve(result, "scores").ticks == ("none", "left and right", "top and bottom", "both")
    other = values(shown(Convolution(padding=1), kind="flip", layers="conv"), "equivariance", "conv")
    assert other[0] == pytest.approx(1, abs=1e-9)
    assert max(other[1:]) < 0.9


def test_quarter_turns_of_a_symmetric_filter_move_along() -> None:
    network = Convolution(symmetric(quarter=True), padding=1)
    result = shown(network, kind="rotate", far=180, steps=4, layers="conv, flat")
    found = dict(zip(curve(result, "equivariance").x, values(result, "equivariance", "conv"), strict=True))
    stays = dict(zip(curve(result, "invariance").x, values(result, "invariance", "flat"), strict=True))
    for degrees in (-180, -90, 0, 90, 180):
        assert found[degrees] == pytest.approx(1, abs=1e-6)
        assert stays[degrees] == pytest.approx(1, abs=1e-6)
    assert found[45] < 0.999
    assert "conv 5" in curve(result, "equivariance").caption


def test_a_model_that_never_moves_is_a_flat_line() -> None:
    for kind in ("shift-right", "rotate", "scale", "flip", "brighten", "blur"):
        line = curve(shown(Flat(), kind=kind, score="logit", target=0), "scores").lines[0].values
        assert len(line) >= 4
        assert set(line) == {2.0}


def transformed(kind: str, x: float) -> np.ndarray:
    """The network's input transformed by SciPy alone, the outermost pixels repeated."""
    wide = INPUT.astype(np.float64)
    if kind == "rotate":
        return ndimage.rotate(wide, x, reshape=False, order=1, mode="nearest")
    if kind == "brighten":
        return (np.clip((wide * STD + MEAN) * 2**x, 0, 1) - MEAN) / STD
    if kind == "blur":
        sigma = 24 * x / 100
        return ndimage.gaussian_filter(wide, (sigma, sigma, 0), mode="nearest", truncate=3.0) if x else wide
    if kind == "scale" and x >= 0:
        scale = 2**-x
        middle = np.array([11.5, 11.5, 0])
        matrix = np.diag([scale, scale, 1])
        return ndimage.affine_transform(wide, matrix, middle - matrix @ middle, order=1, mode="nearest")
    assert kind == "shift-down"
    return ndimage.shift(wide, (x, 0, 0), order=1, mode="nearest")


@pytest.mark.parametrize("kind", ["rotate", "brighten", "blur", "scale", "shift-down"])
def test_the_scores_are_those_of_pictures_that_scipy_transforms(kind: str) -> None:
    network = seeded(Plain).eval()
    result = shown(network, kind=kind, fill="edge", score="logit", target=1, steps=5)
    line = curve(result, "scores")
    compared = [(x, value) for x, value in zip(line.x, line.lines[0].values, strict=True) if kind != "scale" or x >= 0]
    assert len(compared) >= 6
    expected = []
    with torch.no_grad():
        for x, _ in compared:
            made = torch.from_numpy(transformed(kind, x).astype(np.float32)).permute(2, 0, 1)[None]
            expected.append(float(network(made)[0, 1]))
    assert np.ptp(expected) > 0.01
    found = [value for _, value in compared]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())  # type: ignore[arg-type]


def test_probabilities_are_those_of_the_kept_scores_and_the_untouched_picture_is_marked() -> None:
    model = opened(seeded(Plain))
    result = picasso.explain(model, PICTURE, "transformations", cache=False, kind="rotate")
    assert isinstance(result, picasso.Result)
    line = curve(result, "scores")
    chances = model.probabilities(result.arrays["scores"])
    for target, found in zip(result.targets, line.lines, strict=True):
        np.testing.assert_allclose(found.values, chances[:, target.index], rtol=1e-6)  # type: ignore[arg-type]
    here = line.x.index(line.mark or 0.0)
    assert line.lines[0].values[here] == pytest.approx(result.predictions[0].probability, rel=1e-5)
    np.testing.assert_array_equal(result.arrays["amounts"], line.x)


def test_features_are_compared_by_their_cosine() -> None:
    network = seeded(Plain).eval()
    result = shown(network, kind="shift-right", fill="wrap", layers="relu2")
    with torch.no_grad():
        layer = nn.Sequential(network.conv1, network.bn, network.relu1, network.conv2, network.relu2)
        start = layer(X).numpy().ravel().astype(np.float64)
        for x, found in zip(curve(result, "invariance").x, values(result, "invariance", "relu2"), strict=True):
            other = layer(torch.roll(X, int(x), 3)).numpy().ravel().astype(np.float64)
            expected = start @ other / np.sqrt((start @ start) * (other @ other))
            assert found == pytest.approx(expected, abs=1e-5)


def test_the_filmstrip_shows_what_the_network_sees() -> None:
    result = shown(seeded(Plain), kind="shift-right", fill="black", steps=2, far=0.5)
    strip = next(panel for panel in result.panels if isinstance(panel, Images))
    amounts = curve(result, "scores").x
    assert len(strip.pictures) == len(amounts)
    for x, pixels, caption in zip(amounts, strip.pictures, strip.captions, strict=True):
        expected = np.roll(result.view, int(x), axis=1)
        if x > 0:
            expected[:, : int(x)] = 0
        if x < 0:
            expected[:, int(x) :] = 0
        np.testing.assert_array_equal(pixels, expected)
        assert caption.startswith(f"{int(x)} px".replace("-", "−"))


def test_the_same_question_has_the_same_answer() -> None:
    first, second = (shown(seeded(Plain), kind="rotate", seed=3) for _ in range(2))
    assert [panel.to_wire()[0] for panel in first.panels] == [panel.to_wire()[0] for panel in second.panels]
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name])


def test_by_default_layers_of_all_depths_are_compared() -> None:
    labels = [line.label for line in curve(shown(seeded(Plain)), "invariance").lines]
    assert labels == ["conv1", "relu1", "relu2"]


def test_the_look_has_no_equivariance() -> None:
    for kind in ("brighten", "blur"):
        ids = [panel.id for panel in shown(seeded(Plain), kind=kind).panels]
        assert ids == ["scores", "pictures", "invariance"]


def test_a_model_without_layers_shows_its_scores() -> None:
    model = picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=SIZE, labels=("a", "b", "c"))
    result = picasso.explain(model, PICTURE, "transformations", cache=False)
    assert isinstance(result, picasso.Result)
    assert [panel.id for panel in result.panels] == ["scores", "pictures"]
    with pytest.raises(NotSupportedError, match="does not show its layers"):
        picasso.explain(model, PICTURE, "transformations", layers="conv")


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(SettingsError, match="far above 0 and at most 1 for shift-right"):
        shown(seeded(Plain), far=30)
    with pytest.raises(SettingsError, match="far above 1 and at most 10 for scale"):
        shown(seeded(Plain), kind="scale", far=0.5)
    with pytest.raises(NotFoundError, match="no such"):
        shown(seeded(Plain), layers="no such")


def test_curves_are_saved_as_drawings(tmp_path: Any) -> None:
    names = {path.name for path in shown(seeded(Plain)).save(tmp_path)}
    assert {"array.transformations.scores.svg", "array.transformations.invariance.svg"} <= names
    text = (tmp_path / "array.transformations.invariance.svg").read_text("utf-8")
    assert all(f">{layer}</text>" in text for layer in ("conv1", "relu1", "relu2"))


def test_the_contract_is_kept_on_a_transformer() -> None:
    check_visualization("transformations", small_transformer())
