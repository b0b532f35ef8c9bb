"""The same measures as Quantus takes them, on the same network, picture and maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import read_picture
from picasso.core.preprocessing import Preprocessing
from picasso.scorecard.cells import grid
from picasso.scorecard.fills import Filler
from picasso.scorecard.localization import located
from picasso.scorecard.numerical_contract import max_sensitivity
from picasso.scorecard.randomization import complexity
from picasso.scorecard.relevance_gain import removal_curves, removal_order
from tests.oracle.scene import SIDE, X, network

ARRAYS = Path(__file__).parents[1] / "oracle/arrays/quantus.npz"
INPUT = X[0].transpose(1, 2, 0)


@pytest.fixture(scope="module")
def said() -> Mapping[str, Any]:
    with np.load(ARRAYS) as arrays:
        return {name: arrays[name] for name in arrays}


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(network("plain"), preprocessing=Preprocessing(size=SIDE), name="plain")


@pytest.mark.parametrize("name", ["gradient", "drawn"])
def test_removing_pixels_from_the_most_relevant_is_pixel_flipping(
    said: Mapping[str, Any], model: Model, name: str
) -> None:
    flat = np.full_like(INPUT, 0.25)
    cells = grid(SIDE, SIDE, SIDE)
    order = removal_order(said[f"{name}/map"], cells, seed=0)
    remove = Filler(INPUT, flat, flat)
    curves = removal_curves(model, remove, model.target(2), order, cells, fills=("mean",), steps=16)
    wanted = said[f"{name}/flipping"].ravel()[2::3]  # it takes 64 numbers at a time, three of which are a pixel
    assert np.allclose(curves.most[0, 1:], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["gradient", "drawn"])
def test_its_mean_color_drifts_with_what_is_removed(said: Mapping[str, Any], model: Model, name: str) -> None:
    """Quantus takes the mean of the picture that is partly removed already, over all channels, anew at each step.

    So two maps are filled with two colors, and ours, one color for every map, cannot be the same.
    """
    order = np.argsort(-np.repeat(said[f"{name}/map"].reshape(1, -1), 3, axis=0).reshape(1, -1), axis=1)[0]
    flat, found = X.reshape(-1).copy(), []
    for start in range(0, flat.size, 64):
        flat[order[start : start + 64]] = flat.mean()
        found.append(model.predict(flat.reshape(X.shape).transpose(0, 2, 3, 1))[0, 2])
    wanted = said[f"{name}/flipping/mean"].ravel()
    assert np.allclose(found[2::3], wanted[2::3], rtol=1e-3, atol=1e-4)
    cells, mean = grid(SIDE, SIDE, SIDE), np.broadcast_to(INPUT.mean(axis=(0, 1)), INPUT.shape)
    ranked = removal_order(said[f"{name}/map"], cells, seed=0)
    ours = removal_curves(model, Filler(INPUT, mean, mean), model.target(2), ranked, cells, fills=("mean",), steps=16)
    assert np.abs(ours.most[0, 1:] - wanted[2::3]).max() > 1e-3


@pytest.mark.parametrize("name", ["gradient", "drawn"])
def test_a_mask_is_read_alike(said: Mapping[str, Any], name: str) -> None:
    values, mask = said[f"{name}/map"], said["mask"]
    found = located(values, mask)
    assert found.pointing == float(said[f"{name}/pointing"].item())
    assert found.mass == pytest.approx(float(said[f"{name}/mass"].item()), rel=1e-5)
    rank = float(said[f"{name}/rank"].item())  # the share of the mask that is hit; ours is over the union
    assert found.overlap == pytest.approx(rank / (2 - rank), rel=1e-6)


@pytest.mark.parametrize("name", ["gradient", "drawn"])
def test_complexity_is_alike(said: Mapping[str, Any], name: str) -> None:
    assert complexity(said[f"{name}/map"]) == pytest.approx(float(said[f"{name}/entropy"]), rel=1e-6)


def test_max_sensitivity_is_alike_on_the_same_noise(
    said: Mapping[str, Any], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = replace(model.prepare(read_picture(np.zeros((SIDE, SIDE, 3), np.uint8))), x=INPUT[None])

    class Drawn:
        def __init__(self) -> None:
            self.left = iter(said["noises"])

        def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> Any:
            return next(self.left).transpose(1, 2, 0)[None]

    def gradient(one: Any) -> Any:
        return np.abs(model.pullback(one.x, [model.target(2)]).gradients["input"][0, 0]).sum(axis=-1)

    values = gradient(sample)
    assert np.allclose(values, said["gradient/map"], rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(np.random, "default_rng", lambda seed: Drawn())
    found = max_sensitivity(gradient, sample, values, 0, tries=4)
    assert found == pytest.approx(float(said["gradient/sensitivity"].item()), rel=1e-4)
