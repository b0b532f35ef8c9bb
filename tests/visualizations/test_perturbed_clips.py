"""Perturbation methods on a network of clips whose answer is a weighted sum of its numbers: every value is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.errors import NotSupportedError
from picasso.core.model import Model
from picasso.core.pictures.clips import stretches
from picasso.core.preprocessing import Array

FRAMES, SIDE = 6, 12
RANDOM = np.random.default_rng(7)
WEIGHTS = RANDOM.normal(size=(FRAMES, SIDE, SIDE, 3)).astype(np.float32)
CLIP = RANDOM.integers(0, 256, (FRAMES, SIDE, SIDE, 3)).astype(np.uint8)


def linear(weights: Array = WEIGHTS) -> Model:
    def scores(x: Array) -> Array:
        return np.stack([np.einsum("nfhwc,fhwc->n", x, weights), np.zeros(len(x))], axis=1)

    size = picasso.Preprocessing(size=SIDE, scale=1 / 255)
    return picasso.load_model(scores, frames=FRAMES, preprocessing=size, labels=["seen", "nothing"])


def found(name: str, model: Model | None = None, **settings: Any) -> Any:
    return picasso.explain(model or linear(), CLIP, name, target="seen", fill="black", **settings)


EFFECTS = (CLIP / 255 * WEIGHTS).sum(axis=-1)
"""What each pixel adds to the score, against black."""


@pytest.mark.parametrize("regions", ["grid", "slic"])
@pytest.mark.parametrize("name", ["feature-ablation", "kernel-shap", "lime"])
def test_a_region_of_some_frames_gets_what_its_pixels_add(name: str, regions: str) -> None:
    more = {"feature-ablation": {}, "kernel-shap": {"samples": 400}, "lime": {"ridge": 0.0, "samples": 400}}[name]
    result = found(name, regions=regions, count=16, **more)
    labels = result.arrays["regions"]
    assert labels.shape == (FRAMES, SIDE, SIDE)
    place = stretches(FRAMES)
    for frame, other in np.ndindex(FRAMES, FRAMES):  # a region lies in one stretch, and alike in all its frames
        same = place[frame] == place[other]
        assert (labels[frame] == labels[other]).all() == same
        assert np.isin(labels[frame], labels[other]).any() == same
    expected = np.bincount(labels.ravel(), EFFECTS.ravel())
    np.testing.assert_allclose(result.arrays["region_values"][0], expected, atol=1e-3)
    np.testing.assert_allclose(result.attributions[0].values, expected[labels], atol=1e-3)
    native = result.attributions[0].native
    assert (None if native is None else native.shape) == ((4, 2, 2) if regions == "grid" else None)


def test_given_regions_lie_in_all_frames() -> None:
    result = found("feature-ablation", given="0,0,6,6; 6,6,6,11,11,11")
    values = result.attributions[0].values
    assert np.isnan(values[:, 0, 11]).all()
    np.testing.assert_allclose(values[:, 0, 0], EFFECTS[:, :6, :6].sum(), atol=1e-3)


def test_a_region_may_be_filled_with_its_own_mean() -> None:
    result = picasso.explain(linear(), CLIP, "feature-ablation", target="seen", regions="grid", count=16, fill="region")
    labels, x = result.arrays["regions"], CLIP / 255
    for number in range(labels.max() + 1):
        inside = labels == number
        expected = ((x[inside] - x[inside].mean(axis=0)) * WEIGHTS[inside]).sum()
        assert result.arrays["region_values"][0][number] == pytest.approx(expected, abs=1e-3)


def test_rise_tells_where_and_when() -> None:
    weights = np.zeros_like(WEIGHTS)
    weights[2, 3:6, 6:9] = 10  # of the second stretch
    result = found("rise", linear(weights), masks=1500, cells=4)
    values, errors = result.attributions[0].values, result.arrays["standard_errors"][0]
    assert values.shape == errors.shape == (FRAMES, SIDE, SIDE)
    place = stretches(FRAMES)
    frame, row, column = np.unravel_index(values.argmax(), values.shape)
    assert place[frame] == place[2]
    assert 2 <= row < 7
    assert 5 <= column < 10
    elsewhere = place != place[2]
    assert (np.abs(values[elsewhere]) < 5 * errors[elsewhere]).all()  # the masks of other stretches say nothing
    assert values.max() > 10 * errors.max()
    for one in range(FRAMES):
        np.testing.assert_array_equal(values[one], values[np.flatnonzero(place == place[one])[0]])
    assert "4 x 4 cells in each of 4 stretches" in result.attributions[0].notes[0]


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 8, 16, 30])
def test_stretches_are_four_of_like_length_or_as_many_as_there_are_frames(frames: int) -> None:
    lengths = np.bincount(stretches(frames))
    assert len(lengths) == min(4, frames)
    assert np.ptp(lengths) <= 1
    assert (np.diff(stretches(frames)) >= 0).all()


def test_what_has_no_plain_meaning_for_a_clip_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="Sobol indices looks at still pictures only"):
        picasso.explain(linear(), CLIP, "sobol")
