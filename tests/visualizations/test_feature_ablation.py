"""Feature ablation against closed forms, brute force, and Captum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation, Occlusion

import picasso
from picasso.core.errors import SettingsError
from picasso.core.maps.baselines import BASELINES, baseline
from picasso.core.maps.regions import divide
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from tests.visualizations.perturbed import (
    PICTURE,
    PLAIN,
    WEIGHTS,
    X,
    attribution,
    curved,
    effects,
    linear,
    network,
    result,
    scores,
    tensor,
)


@pytest.mark.parametrize("division", ["slic", "felzenszwalb", "quickshift", "grid"])
def test_the_drop_of_a_linear_model_is_the_sum_of_its_pixels_effects(division: Any) -> None:
    found = result(linear(), "feature-ablation", regions=division, count=9, fill="black", target="shed")
    labels = found.arrays["regions"]
    expected = np.bincount(labels.ravel(), effects(0, 2).ravel())
    np.testing.assert_allclose(found.arrays["region_values"][0], expected, atol=1e-4)
    np.testing.assert_allclose(found.attributions[0].values, expected[labels], atol=1e-4)
    assert found.attributions[0].units == "change in logit"
    assert found.attributions[0].drops
    assert (found.attributions[0].native is not None) == (division == "grid")


@pytest.mark.parametrize("fill", BASELINES)
def test_every_fill_is_what_it_says(fill: Any) -> None:
    model = linear()
    absent = baseline(model, model.prepare(read_picture(PICTURE)), fill, seed=4)
    found = result(model, "feature-ablation", count=9, fill=fill, target=1, seed=4)
    labels = found.arrays["regions"]
    expected = np.bincount(labels.ravel(), ((X - absent) * WEIGHTS[..., 1]).sum(-1).ravel())
    np.testing.assert_allclose(found.arrays["region_values"][0], expected, atol=1e-4)
    assert found.attributions[0].baseline == fill


def test_a_region_may_be_filled_with_its_own_mean() -> None:
    found = result(linear(), "feature-ablation", count=9, fill="region", target=1)
    labels = found.arrays["regions"]
    for number in range(labels.max() + 1):
        there = labels == number
        expected = ((X[there] - X[there].mean(0)) * WEIGHTS[there][..., 1]).sum()
        assert found.arrays["region_values"][0, number] == pytest.approx(expected, abs=1e-4)
    assert found.attributions[0].baseline == "each region's mean color"


def test_given_regions_are_taken_one_by_one_and_the_rest_stays_unknown() -> None:
    found = attribution(linear(), "feature-ablation", given="2,3,5,6; 10,0,19,0,19,9", fill="black", target=0)
    effect = effects(0, 0)
    box = effect[2:7, 3:9].sum()
    rows, columns = np.indices((20, 30))
    triangle = (rows >= 10) & (columns <= rows - 10)
    np.testing.assert_allclose(found.values[2:7, 3:9], box, atol=1e-4)
    np.testing.assert_allclose(found.values[triangle], effect[triangle].sum(), atol=1e-4)
    covered = triangle.copy()
    covered[2:7, 3:9] = True
    assert (np.isnan(found.values) == ~covered).all()
    with pytest.raises(SettingsError, match="lies over an earlier one"):
        attribution(linear(), "feature-ablation", given="0,0,5,5;3,3,5,5")


@pytest.mark.parametrize("division", ["slic", "grid"])
def test_agrees_with_captum_on_the_same_regions(division: Any) -> None:
    found = result(curved(), "feature-ablation", regions=division, count=12, fill="black", target=3)
    mask = torch.from_numpy(found.arrays["regions"].astype(np.int64))[None, None]
    oracle = FeatureAblation(network()).attribute(tensor(X), target=3, baselines=0, feature_mask=mask)
    expected = oracle[0, 0].detach().numpy()
    np.testing.assert_allclose(found.attributions[0].values, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def wide_model() -> tuple[torch.nn.Module, Model]:
    """Return a network large enough for the engine to follow boxes."""
    torch.manual_seed(3)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(3, 32, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(32, 64, 3, stride=2, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(64, 64, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 3),
    ).eval()
    return layers, picasso.load_model(layers, preprocessing=picasso.Preprocessing(size=64))


def test_rectangles_go_through_the_incremental_engine_and_are_exact() -> None:
    layers, model = wide_model()
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    # 7 x 7 cells of 64 pixels: boxes of two sizes.
    found = picasso.explain(model, picture, "feature-ablation", regions="grid", count=49, fill="black", cache=False)
    assert model.patching.fast
    assert model.patching.windows == 49
    assert found.record["patching"].startswith("Only what each window reaches")
    x = picture / np.float32(255)
    labels = found.arrays["regions"]
    batch = np.stack([x * (labels != number)[..., None] for number in range(49)])
    with torch.no_grad():
        base, without = layers(tensor(x)).numpy(), layers(tensor(batch)).numpy()
    target = found.attributions[0].target.index
    expected = base[0, target] - without[:, target]
    np.testing.assert_allclose(found.arrays["region_values"][0], expected, atol=1e-4 * np.abs(base).max())


def test_probability_is_watched_on_demand() -> None:
    found = attribution(linear(), "feature-ablation", score="probability", target=2, count=9)
    assert found.units == "change in probability"
    assert 0 <= found.score <= 1
    assert (np.abs(found.values) <= 1).all()


def test_the_batch_size_changes_nothing() -> None:
    one, other = (attribution(curved(size), "feature-ablation", target=1).values for size in (3, 64))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_captums_occlusion_paints_a_windows_whole_change_on_each_of_its_pixels() -> None:
    """So its pixels do not add up to what the windows do: the windows are counted once for each pixel.

    Ours paint a region's whole value too, and say so (`laid`); what adds up is kept beside: `arrays["region_values"]`.
    """
    window = 10
    oracle = Occlusion(network()).attribute(tensor(X), (3, window, window), strides=(3, window, window), target=3)
    painted = oracle[0].detach().numpy()
    found = result(curved(), "feature-ablation", regions="grid", count=6, fill="black", target=3)
    one, batch = scores(X[None])[0, 3], []
    for top in (0, 10):
        for left in (0, 10, 20):
            hidden = X.copy()
            hidden[top : top + window, left : left + window] = 0
            batch.append(hidden)
    changes = one - scores(np.stack(batch))[:, 3]
    # Theirs: each of the 3 x 10 x 10 numbers under a window is the window's whole change.
    for number, change in enumerate(changes):
        top, left = 10 * (number // 3), 10 * (number % 3)
        np.testing.assert_allclose(painted[:, top : top + window, left : left + window], change, atol=1e-5)
    assert painted.sum() == pytest.approx(3 * window * window * changes.sum(), rel=1e-3)
    np.testing.assert_allclose(found.arrays["region_values"][0], changes, atol=1e-5)
    assert found.attributions[0].laid.startswith("each pixel: the value of its whole region")


def test_the_regions_are_those_of_what_the_network_sees() -> None:
    found = result(linear(), "feature-ablation", count=15)
    np.testing.assert_array_equal(found.arrays["regions"], divide(PICTURE, "slic", 15).labels)
    assert PLAIN.size == (20, 30)
