"""Class activation maps against pytorch-grad-cam's on the same weights; where they differ, its number is reproduced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from picasso.core.attribution import enlarge
from tests.oracle.scene import X, network
from tests.visualizations.test_activation_maps import INPUT, explained, native, parts

ARRAYS = Path(__file__).parents[1] / "oracle" / "arrays" / "grad_cam.npz"
with np.load(ARRAYS) as _file:
    THEIRS = dict(_file)
WHERE = [tuple(key.split("/")) for key in THEIRS]


def keys(*methods: str) -> list[str]:
    return ["/".join(key) for key in WHERE if key[0] in methods and "in-place" not in key[1]]


def asked(key: str) -> tuple[str, str, str, int]:
    method, place, target = key.split("/")
    kind, _, layer = place.partition(".")
    return method, kind, layer, int(target)


def ours(key: str, **choices: Any) -> np.ndarray:
    method, kind, layer, target = asked(key)
    return native(network(kind), method, layer=layer, target=target, **choices)


def agree(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_every_method_was_asked() -> None:
    assert len(THEIRS) == 8 * 3 * 2 * 2 + 2


@pytest.mark.parametrize("key", keys("grad-cam", "hires-cam", "layer-cam", "xgrad-cam"))
def test_the_maps_are_the_same(key: str) -> None:
    agree(ours(key), THEIRS[key])


@pytest.mark.parametrize("key", keys("grad-cam-plus-plus"))
def test_grad_cam_plus_plus_differs_by_a_number_below_the_line(key: str) -> None:
    """Theirs adds 1e-6 below the line, which squares of small gradients do not outweigh."""
    _, kind, layer, target = asked(key)
    features, gradient = parts(network(kind), layer, target)
    maps = {}
    for added in (0, 1e-6):
        below = 2 * gradient**2 + features.sum(axis=(1, 2), keepdims=True) * gradient**3 + added
        alpha = np.divide(gradient**2, below, out=np.zeros_like(below), where=gradient != 0)
        maps[added] = np.einsum("k,khw->hw", (alpha * gradient.clip(min=0)).sum(axis=(1, 2)), features)
    agree(THEIRS[key], maps[1e-6])
    agree(ours(key), maps[0])


@pytest.mark.parametrize("key", keys("ablation-cam"))
def test_ablation_cam_differs_by_the_score(key: str) -> None:
    """Theirs is divided by the score, and so turned over where that is negative."""
    _, kind, layer, target = asked(key)
    features, _ = parts(network(kind), layer, target)
    assert features.min() == 0  # elsewhere theirs puts a very negative number in the channel's place, not zero
    score = float(network(kind)(INPUT)[0, target])
    agree(ours(key) / score, THEIRS[key], 2e-4)


@pytest.mark.parametrize("key", keys("score-cam"))
def test_score_cam_differs_by_how_maps_are_enlarged(key: str) -> None:
    """Where nothing is enlarged the maps are the same; theirs lays the outermost cells' centers on the edge."""
    _, kind, layer, target = asked(key)
    net = network(kind)
    features, _ = parts(net, layer, target)
    if features.shape[1:] == X.shape[2:]:
        agree(ours(key), THEIRS[key])
        return
    up = torch.nn.functional.interpolate(
        torch.from_numpy(features.astype(np.float32))[None], (32, 32), mode="bilinear", align_corners=True
    )[0]
    low, high = up.amin((1, 2), keepdim=True), up.amax((1, 2), keepdim=True)
    masks = (up - low) / (high - low + 1e-8)
    with torch.no_grad():
        weights = net(INPUT * masks[:, None])[:, target].double().softmax(0).numpy()
    agree(THEIRS[key], np.einsum("k,khw->hw", weights, features))


@pytest.mark.parametrize("key", keys("eigen-cam"))
def test_eigen_cam_is_the_same_where_channels_are_centered_and_the_sign_is_put_right(key: str) -> None:
    """Theirs centers the channels, and takes the sign that the decomposition happens to give."""
    found, theirs = ours(key, center=True), THEIRS[key]
    agree(found * np.sign((found * theirs).sum()), theirs, 2e-4)


def test_fused_layers_differ_by_the_smallest_value() -> None:
    """Theirs takes each map's smallest value off before it divides by the largest, then does the same to the mean."""

    def scaled(values: np.ndarray) -> np.ndarray:
        values = values - values.min()
        return values / (1e-7 + values.max())

    maps = [np.maximum(native(network("plain"), "grad-cam", layer=layer, target=1), 0) for layer in ("relu1", "relu2")]
    fused = scaled(np.mean([enlarge(scaled(values), 32, 32) for values in maps], axis=0))
    agree(THEIRS["fused/plain.relu1,relu2/1"], fused)
    found = explained(network("plain"), "grad-cam", layer="relu1, relu2", target=1).values
    large = [enlarge(values, 32, 32) for values in maps]
    agree(found, np.mean([values / values.max() for values in large], axis=0))


def test_a_relu_in_place_writes_over_their_layer_and_not_over_ours() -> None:
    theirs = THEIRS["grad-cam/in-place.conv2/1"]
    features, gradient = parts(network("plain"), "conv2", 1)
    weights = gradient.mean(axis=(1, 2))
    true, overwritten = (np.einsum("k,khw->hw", weights, values) for values in (features, features.clip(min=0)))
    agree(theirs, overwritten)
    assert np.corrcoef(theirs.ravel(), true.ravel())[0, 1] < 0.95
    net = network("plain")
    net.relu2 = torch.nn.ReLU(inplace=True)
    agree(native(net, "grad-cam", layer="conv2", target=1), true)
