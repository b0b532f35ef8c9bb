"""XRAI against a slow re-implementation and PAIR's package."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import picasso
from picasso.visualizations.xrai import gathered, overlapping_regions
from tests.models.networks import Plain, seeded
from tests.visualizations.gradient_networks import PICTURE, Line, agree, explained, opened

PAIR = Path(__file__).parents[1] / "oracle" / "arrays" / "saliency.npz"


def slowly(attribution: np.ndarray, regions: np.ndarray, least: int) -> np.ndarray:
    found = np.full(attribution.shape, np.nan)
    left = list(regions)
    while True:
        new = [region & np.isnan(found) for region in left]
        left = [region for region, part in zip(left, new, strict=True) if part.sum() >= least]
        new = [part for part in new if part.sum() >= least]
        if not new:
            break
        best = max(new, key=lambda part: attribution[part].mean())
        found[best] = attribution[best].mean()
    rest = np.isnan(found)
    if rest.any():
        found[rest] = attribution[rest].mean()
    return found


def test_regions_are_taken_best_first() -> None:
    with np.load(PAIR) as arrays:
        attribution, masks, expected = arrays["xrai/attribution"], arrays["xrai/masks"], arrays["xrai/map"]
    agree(gathered(attribution, masks, 10), expected, 1e-10)
    agree(gathered(attribution, masks, 10), slowly(attribution, masks, 10), 1e-10)
    agree(gathered(attribution, masks, 1), slowly(attribution, masks, 1), 1e-10)


def large() -> tuple[np.ndarray, np.ndarray]:
    """Return what make_saliency.py drew."""
    rng = np.random.default_rng(5)
    view = rng.integers(0, 256, (7, 7, 3)).repeat(32, 0).repeat(32, 1) // 2 + rng.integers(0, 40, (224, 224, 3))
    view[60:150, 80:180] = (220, 40, 30)
    return view.astype(np.uint8), rng.normal(size=(224, 224)) + (view[..., 0] > 200)


def test_regions_and_all_agree_with_pair() -> None:
    view, attribution = large()
    with np.load(PAIR) as arrays:
        expected = arrays["xrai/large"]
    agree(gathered(attribution, overlapping_regions(view), 50), expected)


def test_the_map_adds_up_to_the_change_in_score() -> None:
    for least in (0.0, 0.001, 0.3, 1.0):
        found = explained(seeded(Plain), "xrai", least=least)
        path = explained(seeded(Plain), "integrated-gradients", baselines="black, white")
        np.testing.assert_allclose(found.values.sum(), path.values.sum(), rtol=1e-4)
        assert found.convergence_error == path.convergence_error


def test_a_region_of_everything_has_the_mean_and_on_a_linear_model_that_is_known() -> None:
    line = Line()
    found = explained(line, "xrai", least=1.0, baselines="black")
    path = explained(line, "integrated-gradients")
    np.testing.assert_allclose(found.values, path.values.mean(), atol=1e-7)


def test_the_largest_channel_as_the_authors_have_it() -> None:
    each = explained(seeded(Plain), "integrated-gradients", baselines="black, white", reduction="none").values
    found = explained(seeded(Plain), "xrai", reduction="max")
    view = opened(seeded(Plain)).prepare(picasso.core.pictures.images.read_picture(PICTURE)).view
    agree(found.values, gathered(each.max(axis=-1).astype(np.float64), overlapping_regions(view), 1))
    assert found.convergence_error is None


def test_every_pixel_lies_in_a_region_of_each_scale() -> None:
    regions = overlapping_regions(PICTURE)
    assert regions.shape[1:] == (40, 40)
    assert regions.any(axis=0).all()
