"""LIME against closed forms, scikit-learn, Captum, and the lime package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum._utils.models.linear_model import SkLearnRidge
from captum.attr import Lime
from sklearn.linear_model import Ridge

import picasso
from picasso.visualizations.lime import draw_samples, fit_ridge, kernel
from tests.oracle import arrays
from tests.visualizations.perturbed import PLAIN, X, attribution, curved, effects, linear, network, result, tensor


def test_without_a_penalty_a_linear_model_gives_each_region_its_effect() -> None:
    found = result(linear(), "lime", count=12, samples=200, fill="black", ridge=0, target="shed")
    expected = np.bincount(found.arrays["regions"].ravel(), effects(0, 2).ravel())
    np.testing.assert_allclose(found.arrays["region_values"][0], expected, atol=1e-3)
    assert found.attributions[0].notes[0].startswith("R-squared 1.00")
    assert "Standard error of a value" in found.attributions[0].notes[1]


def test_a_missing_region_may_have_its_own_mean_color_as_in_the_lime_package() -> None:
    found = result(linear(), "lime", count=8, samples=200, ridge=0, fill="region", target=0)
    labels = found.arrays["regions"]
    means = np.stack([X[labels == n].mean(0) for n in range(labels.max() + 1)])[labels]
    expected = np.bincount(labels.ravel(), effects(means, 0).ravel())
    np.testing.assert_allclose(found.arrays["region_values"][0], expected, atol=1e-3)
    assert found.attributions[0].baseline == "each region's mean color"


def test_a_regions_own_mean_color_hides_what_a_model_knows_by_color() -> None:
    """A model that looks at brightness alone: filled so, no region matters; filled with black, all do."""
    model = picasso.load_model(
        lambda x: np.stack([x.mean(axis=(1, 2, 3)), -x.mean(axis=(1, 2, 3))], axis=1), preprocessing=PLAIN
    )
    blind, seeing = (attribution(model, "lime", samples=64, fill=fill, target=0) for fill in ("region", "black"))
    assert np.abs(blind.values).max() < 1e-4 < seeing.values.min()


def test_the_fit_is_the_weighted_ridge_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    kept, scores = draw_samples(150, 9, 3), random.normal(size=(150, 2))
    weights = kernel(kept, 0.25)
    fit = fit_ridge(kept, scores, weights, 2.5)
    for target in range(2):
        slow = Ridge(alpha=2.5).fit(kept, scores[:, target], sample_weight=weights)
        np.testing.assert_allclose(fit.weights[target], slow.coef_, rtol=1e-8)
        said = slow.score(kept, scores[:, target], sample_weight=weights)
        assert fit.r_squared[target] == pytest.approx(said, abs=1e-8)


def test_what_is_left_out_is_told_by_the_others() -> None:
    random = np.random.default_rng(0)
    kept = draw_samples(40, 6, 3)
    scores = kept @ random.normal(size=(6, 2)) + random.normal(size=(40, 2))
    weights = kernel(kept, 0.25)
    missed, spread = np.zeros((40, 2)), np.zeros((40, 2))
    for one in range(40):
        others = np.arange(40) != one
        slow = Ridge(alpha=2.5).fit(kept[others], scores[others], sample_weight=weights[others])
        missed[one] = scores[one] - slow.predict(kept[[one]])[0]
        spread[one] = scores[one] - np.average(scores[others], axis=0, weights=weights[others])
    told = 1 - (weights @ missed**2) / (weights @ spread**2)
    np.testing.assert_allclose(fit_ridge(kept, scores, weights, 2.5).left_out, told, atol=1e-8)


def test_fewer_samples_than_regions_tell_nothing() -> None:
    random = np.random.default_rng(2)
    kept = draw_samples(16, 400, 0)
    for ridge in (0.0, 1.0):
        fit = fit_ridge(kept, random.normal(size=(16, 1)), kernel(kept, 0.25), ridge)
        assert fit.r_squared[0] > 0.5
        assert fit.left_out[0] < 0.5


def test_the_kernel_is_that_of_the_cosine_distance() -> None:
    kept = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], bool)
    np.testing.assert_allclose(kernel(kept, 0.25), np.exp(-(np.array([0, 0.5, 1]) ** 2) / 0.25**2 / 2))


def test_the_standard_error_is_that_over_seeds() -> None:
    random = np.random.default_rng(1)
    table, pairs = random.normal(size=8), random.normal(size=(8, 8))
    every = (np.arange(256)[:, None] >> np.arange(8) & 1).astype(bool)

    def scored(z: Any) -> np.ndarray:
        return (z @ table + np.einsum("np,pq,nq->n", z, pairs, z))[:, None]

    truth = fit_ridge(every, scored(every.astype(float)), kernel(every, 0.25), 0).weights
    pulls = []
    for seed in range(150):
        kept = draw_samples(400, 8, seed)
        fit = fit_ridge(kept, scored(kept.astype(float)), kernel(kept, 0.25), 0)
        pulls.append((fit.weights - truth) / fit.errors)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_agrees_with_captum_on_the_same_samples() -> None:
    found = result(curved(), "lime", count=12, samples=200, fill="black", target=3, seed=4)
    labels = found.arrays["regions"]
    kept = draw_samples(200, int(labels.max()) + 1, 4)
    drawn, weights = iter(torch.from_numpy(kept).long()[:, None]), iter(kernel(kept, 0.25))
    oracle = Lime(
        network(),
        interpretable_model=SkLearnRidge(alpha=1.0),
        similarity_func=lambda *_, **__: float(next(weights)),
        perturb_func=lambda *_, **__: next(drawn),
    )
    mask = torch.from_numpy(labels.astype(np.int64))[None, None]
    expected = oracle.attribute(tensor(X), target=3, baselines=0, feature_mask=mask, n_samples=200)[0, 0].numpy()
    np.testing.assert_allclose(found.attributions[0].values, expected, atol=1e-4 * np.abs(expected).max())


def test_agrees_with_the_lime_package_on_the_samples_that_it_drew() -> None:
    oracle = arrays("lime")
    kept, scores = oracle["lime/plain/2/samples"], oracle["lime/plain/2/scores"]
    assert kept[0].all()
    fit = fit_ridge(kept, scores[:, None], kernel(kept, 0.25), 1.0)
    expected = oracle["lime/plain/2/values"]
    np.testing.assert_allclose(fit.weights[0], expected, atol=1e-6 * np.abs(expected).max())
    assert fit.r_squared[0] == pytest.approx(float(oracle["lime/plain/2/r_squared"]), abs=1e-6)


def test_the_seed_seeds_the_sampling_too() -> None:
    """Where the lime package is given `random_seed`, that seeds the segmentation alone, and the samples differ."""
    oracle = arrays("lime")
    assert (oracle["lime/seed/one"] != oracle["lime/seed/other"]).any()
    one, same, other = (result(curved(), "lime", regions="quickshift", samples=64, seed=seed) for seed in (1, 1, 2))
    assert (one.arrays["regions"] == same.arrays["regions"]).all()
    assert (one.arrays["region_values"] == same.arrays["region_values"]).all()
    assert (draw_samples(64, 5, 1) != draw_samples(64, 5, 2)).any()
    assert (
        one.arrays["region_values"].shape != other.arrays["region_values"].shape
        or (one.arrays["region_values"] != other.arrays["region_values"]).any()
    )
    assert "seed 1" in one.attributions[0].notes[1]


def test_a_poor_fit_is_said() -> None:
    note = attribution(curved(), "lime", count=30, samples=32, ridge=1000).notes[0]
    assert note.startswith("R-squared 0.")
    assert "Less than half: this map says little about the network." in note


def test_the_batch_size_changes_nothing() -> None:
    one, other = (attribution(curved(size), "lime", samples=100).values for size in (3, 64))
    np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(one).max())
