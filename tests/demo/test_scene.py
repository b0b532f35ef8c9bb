"""The drawn scenes: one random stream per component, so that one thing changes at a time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import get_args

import numpy as np
import pytest

from picasso.demo.scene import SIZE, Kind, Scene, render

KINDS: tuple[Kind, ...] = get_args(Kind)
SEEDS = (0, 4096)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [*KINDS, None])
def test_only_the_sky_changes_with_the_cloudiness(seed: int, kind: Kind | None) -> None:
    sunny, cloudy = render(Scene(seed, kind, 0.0)), render(Scene(seed, kind, 1.0))
    assert np.array_equal(sunny.sky_mask, cloudy.sky_mask)
    assert np.array_equal(sunny.object_mask, cloudy.object_mask)
    land = ~sunny.sky_mask
    assert np.array_equal(sunny.pixels[land], cloudy.pixels[land])
    changed = (sunny.pixels != cloudy.pixels).any(-1)
    assert changed[sunny.sky_mask].mean() > 0.95


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_erasing_changes_only_the_object_and_its_shadow(seed: int, kind: Kind) -> None:
    scene = Scene(seed, kind, 0.4)
    whole, erased = render(scene), render(replace(scene, kind=None))
    touched = whole.object_mask | whole.shadow_mask
    assert np.array_equal(whole.pixels[~touched], erased.pixels[~touched])
    assert (whole.pixels != erased.pixels).any(-1)[whole.object_mask].mean() > 0.9
    assert not erased.object_mask.any()
    assert not erased.shadow_mask.any()


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_matched_in_size_and_stay_in_the_picture(kind: Kind) -> None:
    shares = []
    for seed in range(4):
        mask = render(Scene(seed, kind, 0.0)).object_mask
        shares.append(mask.mean())
        assert not mask[:, [0, -1]].any()
        assert not mask[0].any()
    assert 0.16 < np.mean(shares) < 0.23


def test_kinds_share_everything_but_the_object() -> None:
    first, second = render(Scene(5, "tank", 0.7)), render(Scene(5, "shed", 0.7))
    touched = first.object_mask | first.shadow_mask | second.object_mask | second.shadow_mask
    assert np.array_equal(first.pixels[~touched], second.pixels[~touched])


def test_rendering_is_deterministic() -> None:
    first, second = render(Scene(11, "truck", 0.3)), render(Scene(11, "truck", 0.3))
    assert np.array_equal(first.pixels, second.pixels)
    assert first.pixels.shape == (SIZE, SIZE, 3)
    assert first.pixels.dtype == np.uint8
    assert not np.array_equal(first.pixels, render(Scene(12, "truck", 0.3)).pixels)


def test_the_slider_moves_smoothly() -> None:
    frames = [render(Scene(3, None, step / 25)).pixels.astype(float) for step in range(26)]
    steps = [np.abs(b - a).mean() for a, b in pairwise(frames)]
    whole = np.abs(frames[-1] - frames[0]).mean()
    assert max(steps) < whole / 4


@pytest.mark.parametrize("cloudiness", [-0.1, 1.01])
def test_cloudiness_is_bounded(cloudiness: float) -> None:
    with pytest.raises(ValueError, match=r"cloudiness must be in \[0, 1\]"):
        Scene(0, "tank", cloudiness)
