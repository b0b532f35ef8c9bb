"""Each measure: answers worked out by hand, and slow re-implementations."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import picasso
from picasso.core.attribution import Attribution
from picasso.scorecard.cells import grid
from picasso.scorecard.controls import control_map
from picasso.scorecard.fills import FILLS, diffused, filler
from picasso.scorecard.localization import located
from picasso.scorecard.numerical_contract import completeness_residual, max_sensitivity, repeat_difference
from picasso.scorecard.patch_deletion import patch_correlation, patch_drops
from picasso.scorecard.ranks import figure, spearman
from picasso.scorecard.relevance_gain import disagreement, removal_curves, removal_order
from picasso.scorecard.verdict import MOST_RESIDUAL
from tests.scorecard.making import SIDE, WEIGHTS, linear, network, picture

NUMBERS = st.lists(st.integers(-5, 5), min_size=2, max_size=30)


@given(NUMBERS, st.randoms(use_true_random=False))
def test_spearman_is_that_of_scipy(values: list[int], random: object) -> None:
    other = list(values)
    random.shuffle(other)  # type: ignore[attr-defined]
    if len(set(values)) == 1:
        assert spearman(np.array(values), np.array(other)) == 0
    else:
        wanted = scipy.stats.spearmanr(values, other).statistic
        assert spearman(np.array(values), np.array(other)) == pytest.approx(wanted, abs=1e-12)


def test_an_interval_is_that_of_students_t() -> None:
    values = [1.0, 2.0, 4.0, 4.5]
    found = figure([*values, math.nan])
    low, high = scipy.stats.t.interval(0.95, 3, np.mean(values), scipy.stats.sem(values))
    assert found is not None
    assert (found.mean, found.low, found.high, found.count) == pytest.approx((np.mean(values), low, high, 4))
    assert figure([2.0]) is not None
    assert figure([2.0]).low is None  # type: ignore[union-attr]
    assert figure([]) is None


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20))
def test_cells_cover_each_pixel_once(height: int, width: int, cells: int) -> None:
    made = grid(height, width, cells)
    seen = np.zeros((height, width), int)
    for number, (top, left, tall, wide) in enumerate(made.boxes):
        seen[top : top + tall, left : left + wide] += 1
        assert (made.number[top : top + tall, left : left + wide] == number).all()
    assert (seen == 1).all()
    assert np.ptp(made.boxes[:, 2:], axis=0).max() <= 1


def test_diffusion_gives_back_what_is_harmonic() -> None:
    # x * y and a slope solve Laplace's equation, on the grid of pixels, too.
    rows, columns = np.mgrid[0:20, 0:24].astype(np.float64)
    x = np.stack([rows * columns, 3 * rows - columns], axis=-1).astype(np.float32)
    hole = np.zeros((20, 24), bool)
    hole[3:9, 5:19] = hole[12:15, 2:4] = True
    made = diffused(np.where(hole[..., None], 7, x), hole)
    assert np.allclose(made, x, atol=1e-3)


def test_diffusion_is_what_many_rounds_of_averaging_come_to() -> None:
    random = np.random.default_rng(0)
    x, hole = random.random((9, 11, 3)).astype(np.float32), random.random((9, 11)) < 0.6
    slow = x.astype(np.float64)
    slow[hole] = 0
    for _ in range(4000):
        padded = np.pad(slow, ((1, 1), (1, 1), (0, 0)))
        inside = np.pad(np.ones((9, 11, 1)), ((1, 1), (1, 1), (0, 0)))
        around = [(padded[a, b], inside[a, b]) for a, b in _around()]
        slow[hole] = (sum(v for v, _ in around) / sum(w for _, w in around))[hole]
    assert np.allclose(diffused(x, hole), slow, atol=1e-5)


def _around() -> list[tuple[slice, slice]]:
    middle, before, after = slice(1, -1), slice(None, -2), slice(2, None)
    return [(before, middle), (after, middle), (middle, before), (middle, after)]


def test_diffusion_over_everything_is_the_mean_and_large_pictures_are_close() -> None:
    x = np.random.default_rng(1).random((8, 8, 3)).astype(np.float32)
    assert np.allclose(diffused(x, np.ones((8, 8), bool)), x.mean(axis=(0, 1)))
    rows, columns = np.mgrid[0:200, 0:260] / 200
    large = np.stack([rows + columns, np.sin(3 * rows)], axis=-1).astype(np.float32)
    hole = np.zeros((200, 260), bool)
    hole[40:120, 60:180] = True
    made = diffused(large, hole)
    assert np.array_equal(made[~hole], large[~hole])
    assert np.abs(made[..., 0] - large[..., 0]).max() < 0.02


def test_the_curves_of_a_linear_model_are_known() -> None:
    model = linear()
    sample = model.prepare(picture())
    cells, remove = grid(SIDE, SIDE, 4), filler(model, sample)
    mean = sample.x[0].mean(axis=(0, 1))
    worth = cells.sums((WEIGHTS * (sample.x[0] - mean)).sum(axis=2))
    order = removal_order((WEIGHTS * (sample.x[0] - mean)).sum(axis=2), cells, seed=0)
    assert np.array_equal(order, np.argsort(-worth))
    curves = removal_curves(model, remove, model.target("yes"), order, cells, fills=("mean",), steps=16)
    whole = float(model.predict(sample.x)[0, 0])
    falls = np.concatenate([[0], np.cumsum(np.sort(worth)[::-1])])
    rises = np.concatenate([[0], np.cumsum(np.sort(worth))])
    assert np.allclose(curves.most[0], whole - falls, atol=2e-3)
    assert np.allclose(curves.least[0], whole - rises, atol=2e-3)
    assert curves.gain[0] == pytest.approx(np.trapezoid(falls - rises, dx=1 / 16), abs=2e-3)
    assert curves.gain == pytest.approx(curves.insertion - curves.deletion)


def test_the_curves_are_those_of_a_slow_loop() -> None:
    model = linear(np.random.default_rng(2).normal(size=(13, 18, 3)).astype(np.float32))
    sample = model.prepare(picture(3, 20))
    cells, remove = grid(13, 18, 5), filler(model, sample)
    values = np.random.default_rng(0).random((13, 18)).astype(np.float32)
    order = removal_order(values, cells, seed=0)
    curves = removal_curves(model, remove, model.target("yes - no"), order, cells, steps=6)
    for number, fill in enumerate(FILLS):
        for way, row in ((order, curves.most), (order[::-1], curves.least)):
            for point, share in enumerate(curves.removed):
                gone = np.isin(cells.number, way[: round(share * 25)])
                filled = {
                    "mean": lambda: remove.mean,
                    "blur": lambda: remove.blur,
                    "diffusion": lambda gone=gone: diffused(sample.x[0], gone),
                }[fill]()
                x = np.where(gone[..., None], filled, sample.x[0])[None].astype(np.float32)
                scores = model.predict(x)[0]
                assert row[number, point] == pytest.approx(scores[0] - scores[1], abs=1e-3)


def test_the_best_order_of_a_linear_model_beats_every_other() -> None:
    model = linear()
    sample = model.prepare(picture())
    cells, remove = grid(SIDE, SIDE, 4), filler(model, sample)
    gains = []
    good = (WEIGHTS * (sample.x[0] - sample.x[0].mean(axis=(0, 1)))).sum(axis=2)
    for values in (good, *np.random.default_rng(1).normal(size=(20, SIDE, SIDE)), -good):
        order = removal_order(values, cells, seed=0)
        gains.append(float(removal_curves(model, remove, model.target(0), order, cells, fills=("mean",)).gain[0]))
    assert gains[0] == max(gains)
    assert gains[-1] == min(gains) == pytest.approx(-gains[0], abs=1e-3)


def test_a_flat_map_removes_cells_in_an_order_that_is_drawn() -> None:
    cells = grid(SIDE, SIDE, 8)
    flat = np.zeros((SIDE, SIDE), np.float32)
    first = removal_order(flat, cells, seed=0)
    assert not np.array_equal(first, np.arange(64))
    assert np.array_equal(first, removal_order(flat, cells, seed=0))
    assert not np.array_equal(first, removal_order(flat, cells, seed=1))


def test_fills_disagree_by_the_share_of_pairs_that_turn() -> None:
    assert disagreement(np.array([[1, 2, 3], [1, 2, 3], [1, 2, 3.0]])) == 0
    assert disagreement(np.array([[1, 2, 3], [1, 2, 3], [3, 2, 1.0]])) == pytest.approx(2 / 3)
    assert disagreement(np.ones((3, 1))) is None


def test_single_patches_of_a_linear_model_are_ranked_as_they_fall() -> None:
    model = linear()
    sample = model.prepare(picture())
    patches, remove = grid(SIDE, SIDE, 8), filler(model, sample)
    score = float(model.predict(sample.x)[0, 0])
    drops = patch_drops(model, remove, model.target("yes"), score, patches)
    true = (WEIGHTS * (sample.x[0] - remove.mean)).sum(axis=2)
    assert np.allclose(drops[0], patches.sums(true), atol=1e-3)
    assert patch_correlation(true, drops, patches)[0] == pytest.approx(1)
    assert patch_correlation(-true, drops, patches)[0] == pytest.approx(-1)
    for number in (0, 9, 63):  # a corner, the middle, the last
        filled = diffused(sample.x[0], patches.number == number)
        assert drops[2, number] == pytest.approx(score - float(model.predict(filled[None])[0, 0]), abs=1e-3)


def test_a_map_is_compared_with_a_mask() -> None:
    mask = np.zeros((10, 10), bool)
    mask[2:4, 2:7] = True
    values = np.zeros((10, 10), np.float32)
    values[3, 3], values[8, 8], values[0, 0] = 3, 1, -9
    found = located(values, mask)
    assert (found.pointing, found.mass, found.area) == (1, 0.75, 0.1)
    assert located(mask.astype(np.float32), mask).overlap == 1
    assert located(-mask.astype(np.float32), mask).overlap == 0
    flat = located(np.ones((10, 10), np.float32), mask)
    assert (flat.pointing, flat.mass) == pytest.approx((0.1, 0.1))
    shifted = np.roll(mask, 1, axis=0).astype(np.float32)  # half of it overlaps: 5 of 15
    assert located(shifted, mask).overlap == pytest.approx(5 / 15)


def test_sobel_is_that_of_scikit_image_and_controls_know_no_model() -> None:
    from skimage.filters import sobel_h, sobel_v

    view = picture(0, 32).pixels
    grey = np.pad(view @ np.array([0.299, 0.587, 0.114]), 1, mode="edge")
    wanted = np.hypot(sobel_h(grey), sobel_v(grey))[1:-1, 1:-1]  # per two pixels; ours is per pixel
    assert np.allclose(control_map("sobel", view, 0)[1:-1, 1:-1], wanted[1:-1, 1:-1] / 2, rtol=1e-4)
    middle = control_map("gaussian", view, 0)
    assert np.allclose(middle, middle[::-1, ::-1])
    assert middle.argmax() in (15 * 32 + 15, 15 * 32 + 16, 16 * 32 + 15, 16 * 32 + 16)
    assert np.array_equal(control_map("noise", view, 3), control_map("noise", view, 3))


def test_completeness_is_measured_where_it_is_promised() -> None:
    target = linear().target("yes")
    made = Attribution(np.ones((4, 4), np.float32), target, "logit", "signed", 0.0, convergence_error=0.5, change=-2.0)
    assert completeness_residual(made) == 0.25
    assert completeness_residual(replace(made, change=None)) is None
    assert completeness_residual(replace(made, convergence_error=None)) is None


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("kernel-shap", {"regions": "grid", "count": 4, "score": "probability"}),
        ("partition-shap", {"cells": 4}),
        ("integrated-gradients", {"reduction": "max_abs"}),
        ("xrai", {}),
    ],
)
def test_methods_that_add_up_keep_their_promise(method: str, settings: dict[str, Any]) -> None:
    """Though their pixels need not: a region's have its whole value each, and sizes lose the sign."""
    card = picasso.compare(network(), picture(), [(method, settings)], target=0, randomization=False).cards[0]
    assert card.completeness is not None
    assert card.completeness.mean < MOST_RESIDUAL


def test_sensitivity_of_the_input_itself_is_that_of_the_noise() -> None:
    model = linear()
    sample = model.prepare(picture())

    def reads(one: object) -> np.ndarray:
        return np.asarray(one.x[0].sum(axis=2))  # type: ignore[attr-defined]

    found = max_sensitivity(reads, sample, reads(sample), 7, radius=0.1, tries=3)
    random, reach = np.random.default_rng(7), 0.1 * float(np.ptp(sample.x))
    noises = [random.uniform(-reach, reach, sample.x.shape)[0].sum(axis=2) for _ in range(3)]
    wanted = max(np.linalg.norm(noise) for noise in noises) / np.linalg.norm(reads(sample))
    assert found == pytest.approx(wanted, rel=1e-4)
    assert max_sensitivity(lambda one: np.ones((2, 2)), sample, np.ones((2, 2)), 0) == 0
    assert repeat_difference(np.array([1.0, -4.0]), np.array([1.0, -3.0])) == 0.25
