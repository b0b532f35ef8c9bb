"""RISE against its expectation on a linear model, and a slow re-implementation on the same masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from picasso.core.maps.masking import MASKS_AT_ONCE
from picasso.core.pictures.images import read_picture
from picasso.core.registry import visualization
from picasso.core.runner import run
from picasso.visualizations.rise import RiseSettings, draw_masks
from tests.visualizations.perturbed import PICTURE, X, attribution, curved, effects, linear, result, scores

CELLS, KEPT = 4, 0.5


def enlarged(cells: int, pixels: int) -> np.ndarray:
    """Return how PyTorch's bilinear enlargement weighs the cells of a row, (pixels, cells)."""
    eye = torch.eye(cells)[:, None]
    return torch.nn.functional.interpolate(eye, pixels, mode="linear", align_corners=False)[:, 0].numpy().T


def shifted(side: int) -> np.ndarray:
    """Return the weights (shifts, pixels, cells) of one axis for every shift."""
    cell = -(-side // CELLS)
    rows = enlarged(CELLS, (CELLS + 1) * cell)
    return np.stack([rows[shift : shift + side] for shift in range(cell)])


def test_masks_are_grids_of_zeros_and_ones_enlarged_and_shifted() -> None:
    masks = np.concatenate(list(draw_masks(40, CELLS, KEPT, 20, 30, 3)))
    assert masks.shape == (40, 20, 30)
    assert masks.dtype == np.float32
    assert masks.min() >= 0
    assert masks.max() <= 1 + 1e-6
    assert ((masks > 0.05) & (masks < 0.95)).mean() > 0.2  # floats, not zeros and ones
    down, across = shifted(20), shifted(30)
    for mask in masks[:6]:  # each is the enlargement of some grid at some shift
        misses = []
        for a in down:
            for b in across:
                both = np.einsum("hi,wj->hwij", a, b).reshape(600, -1)
                grid = np.linalg.lstsq(both, mask.ravel(), rcond=None)[0]
                misses.append(np.abs(both @ np.round(np.clip(grid, 0, 1)) - mask.ravel()).max())
        assert min(misses) < 1e-5


def test_masks_come_in_bounded_chunks_and_keep_each_pixel_as_often() -> None:
    chunks = list(draw_masks(4000, CELLS, 0.3, 8, 10, 0))
    assert max(len(chunk) for chunk in chunks) == MASKS_AT_ONCE
    masks = np.concatenate(chunks)
    assert len(masks) == 4000
    np.testing.assert_allclose(masks.mean(axis=0), 0.3, atol=0.04)


def test_the_map_of_a_linear_model_is_its_expectation_within_the_standard_error() -> None:
    """E[map](p) = sum_q effect(q) Cov(m(q), m(p)) / (E m(p) (1 - E m(p))): the effects, smoothed by the masks."""
    found = result(linear(), "rise", masks=6000, cells=CELLS, kept=KEPT, fill="black", target="shed")
    down, across = shifted(20), shifted(30)
    # Cov(m(q), m(p)) is the mean over the shifts of kept (1 - kept) sum over cells of both pixels' weights.
    rows = np.einsum("spi,sqi->pq", down, down) / len(down)
    columns = np.einsum("spi,sqi->pq", across, across) / len(across)
    expected = rows @ effects(0, 2) @ columns
    values, errors = found.attributions[0].values, found.arrays["standard_errors"][0]
    assert np.corrcoef(values.ravel(), expected.ravel())[0, 1] > 0.98
    pulls = (values - expected) / errors
    assert np.abs(pulls).max() < 5
    assert 0.3 < np.sqrt((pulls**2).mean()) < 2


def test_the_standard_error_is_that_over_seeds() -> None:
    runs = [result(linear(), "rise", masks=200, cells=CELLS, target=0, seed=seed) for seed in range(40)]
    values = np.stack([run.attributions[0].values for run in runs])
    errors = np.stack([run.arrays["standard_errors"][0] for run in runs])
    ratio = values.std(axis=0, ddof=1) / np.sqrt((errors**2).mean(axis=0))
    assert np.median(ratio) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("debiased", [True, False])
def test_a_network_gives_the_formula_over_the_same_masks(debiased: bool) -> None:
    found = result(
        curved(), "rise", masks=100, cells=CELLS, kept=0.4, fill="black", target=[3, 1], debiased=debiased, seed=7
    )
    masks = np.concatenate(list(draw_masks(100, CELLS, 0.4, 20, 30, 7))).astype(np.float64)
    f = scores(X * masks[..., None])
    for place, target in enumerate((3, 1)):
        seen = np.einsum("n,nhw->hw", f[:, target], masks)
        if debiased:
            hidden = np.einsum("n,nhw->hw", f[:, target], 1 - masks)
            expected = seen / masks.sum(0) - hidden / (1 - masks).sum(0)
        else:
            expected = seen / (100 * 0.4)
        values = found.attributions[place].values
        np.testing.assert_allclose(values, expected, atol=1e-4 * np.abs(expected).max())


def test_the_papers_sum_carries_the_mean_score_where_nothing_matters_and_ours_does_not() -> None:
    """A constant score: the paper's map is that constant times how often a pixel was kept; ours is zero."""
    import picasso

    model = picasso.load_model(
        lambda x: x.mean(axis=(1, 2)) * 0 + np.array([7.0, 1.0, 0.0]),
        labels=["a", "b", "c"],
        preprocessing=picasso.Preprocessing(size=(20, 30)),
    )
    paper = attribution(model, "rise", masks=500, debiased=False, target=0)
    assert paper.values.mean() == pytest.approx(7, rel=0.05)
    assert paper.values.std() > 0.05  # blotches that mean nothing
    assert "mean score over the masks" in paper.notes[1]
    ours = attribution(model, "rise", masks=500, target=0)
    np.testing.assert_allclose(ours.values, 0, atol=1e-5)
    assert "No value is farther than two standard errors from zero" in ours.notes[0]


def test_probability_and_seed_are_recorded_and_decide_the_masks() -> None:
    one, same, other = (attribution(curved(8), "rise", masks=64, kept=0.6, seed=seed) for seed in (1, 1, 2))
    assert (one.values == same.values).all()
    assert (one.values != other.values).any()
    assert one.notes[0].startswith("64 of 64 masks of 8 x 8 cells, each kept with probability 0.6, seed 1.")
    batched = attribution(curved(5), "rise", masks=64, kept=0.6, seed=1)
    np.testing.assert_allclose(one.values, batched.values, atol=1e-4 * np.abs(one.values).max())


@pytest.mark.parametrize(
    ("name", "choices", "maps"),
    [
        ("rise", {"masks": 640}, 4),
        ("lime", {"samples": 640}, 4),
        ("kernel-shap", {"samples": 640, "count": 20}, 4),
        ("partition-shap", {"evaluations": 640}, 4),
        ("sobol", {"cells": 4, "designs": 32}, 4),
        ("extremal-perturbation", {"iterations": 32}, 4),
    ],
)
def test_rough_maps_are_shown_to_who_watches(name: str, choices: dict[str, int], maps: int) -> None:
    entry, shown = visualization(name), []
    settings = entry.load().settings_type.read(choices)
    run(curved(), read_picture(PICTURE), entry, settings, top=1, show=shown.append)
    found = [panel for panel in shown if panel.id == "map-0"]
    assert len(found) == maps
    alone = run(curved(), read_picture(PICTURE), entry, settings, top=1)
    np.testing.assert_array_equal(
        alone.attributions[0].values,
        run(curved(), read_picture(PICTURE), entry, settings, top=1, show=shown.append).attributions[0].values,
    )
    assert RiseSettings().masks == 2000
