"""Groups of maps: proposals, until a transplant confirms them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_rand_score

from picasso.auditing.findings import Effect, Interval
from picasso.auditing.maps.clusters import (
    Basis,
    as_property,
    box_of,
    find_clusters,
    place,
    weighted_embeddings,
)
from picasso.auditing.maps.spectral import eigengap, k_means, neighbor_graph, spectral_clusters, spectrum
from picasso.core.interventions.intervention import Role
from tests.scorecard.making import SIDE, linear, network, picture


def blobs(
    count: int, each: int, seed: int = 0, spread: float = 0.3
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    random = np.random.default_rng(seed)
    centers = 6 * np.eye(count, 5)
    kind = np.repeat(np.arange(count), each)
    return centers[kind] + random.normal(0, spread, (count * each, 5)), kind


def pointing(top: int, left: int, size: int, random: np.random.Generator, side: int = 64) -> np.ndarray[Any, Any]:
    """Return a map that points at a square, with some noise."""
    values = random.normal(0, 0.05, (side, side))
    values[top : top + size, left : left + size] += 1 + random.normal(0, 0.1)
    return values.astype(np.float32)


def test_the_graph_links_each_point_with_its_nearest() -> None:
    line = np.array([[0.0], [1.0], [2.5], [10.0]])
    np.testing.assert_array_equal(
        neighbor_graph(line, 1), [[0, 1, 0, 0], [1, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0, 0, 0.5, 0]]
    )


def test_the_spectrum_of_a_complete_graph_is_known() -> None:
    # The normalized Laplacian of n points that are all linked: 0, and n / (n - 1) for all others.
    values, vectors = spectrum(np.ones((5, 5)) - np.eye(5), 5)
    np.testing.assert_allclose(values, [0, 1.25, 1.25, 1.25, 1.25], atol=1e-12)
    np.testing.assert_allclose(np.abs(vectors[:, 0]), np.full(5, 5**-0.5))
    two = np.kron(np.eye(2), np.ones((4, 4)) - np.eye(4))
    values, _ = spectrum(two, 8)
    np.testing.assert_allclose(values, [0, 0] + [4 / 3] * 6, atol=1e-12)
    assert eigengap(values) == 2


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_eigengap_finds_how_many_there_are(count: int) -> None:
    points, kind = blobs(count, 20)
    found = spectral_clusters(points, 0)
    assert len(set(found.tolist())) == count
    assert adjusted_rand_score(kind, found) == 1


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_one_group(seed: int) -> None:
    assert set(spectral_clusters(np.random.default_rng(seed).normal(size=(60, 256)), 0).tolist()) == {0}


@pytest.mark.parametrize("many", [20, 40, 100])
def test_an_object_that_stands_anywhere_is_one_group_and_a_mark_in_the_corner_another(many: int) -> None:
    found, with_mark = [], []
    for seed in range(10):
        random = np.random.default_rng(seed)
        places = zip(random.integers(20, 40, many), random.integers(0, 48, many), strict=True)
        maps = [pointing(top, left, 16, random) for top, left in places]
        marks = [pointing(0, 48, 8, random) for _ in range(many // 2)]
        found.append(len(find_clusters(np.stack(maps), [0] * many)))
        with_mark.append([c.box[0] for c in find_clusters(np.stack(maps + marks), [0] * len(maps + marks))])
    assert found.count(1) >= 8
    assert sum(len(tops) == 2 and tops[1] == 0 for tops in with_mark) >= 9


@pytest.mark.parametrize("seed", range(4))
def test_the_groups_are_scikit_learns(seed: int) -> None:
    points, _ = blobs(4, 15, seed, 1.4)  # they overlap
    affinity = neighbor_graph(points)
    known = SpectralClustering(4, affinity="precomputed", assign_labels="kmeans", random_state=0).fit_predict(affinity)
    assert adjusted_rand_score(known, spectral_clusters(points, 0, 4)) > 0.85


def test_k_means_is_not_lost_where_points_are_equal() -> None:
    points = np.array([[0.0, 0], [0, 0], [0, 0], [1, 1]])
    assert adjusted_rand_score([0, 0, 0, 1], k_means(points, 2, 0)) == 1
    assert k_means(np.zeros((4, 2)), 3, 0).tolist() == [0, 0, 0, 0]


def test_the_largest_group_comes_first() -> None:
    first, second = blobs(2, 12)[0][:12], blobs(2, 30)[0][30:]
    found = spectral_clusters(np.concatenate([first, second]), 0)
    assert found.tolist() == [1] * 12 + [0] * 30


def test_maps_that_point_at_two_places_are_two_groups_with_their_boxes() -> None:
    random = np.random.default_rng(0)
    maps = [pointing(0, 48, 16, random) for _ in range(20)] + [pointing(32, 8, 24, random) for _ in range(30)]
    maps += [pointing(24, 24, 16, random) for _ in range(15)] + [np.full((64, 64), -1, np.float32)] * 5
    found = find_clusters(np.stack(maps), [0] * 50 + [1] * 20)
    assert [(c.label, c.number, c.members) for c in found] == [
        (0, 0, tuple(range(20, 50))),
        (0, 1, tuple(range(20))),
        (1, 0, tuple(range(50, 65))),
    ]
    assert [c.box for c in found] == [(0.5, 0.125, 0.375, 0.375), (0, 0.75, 0.25, 0.25), (0.375, 0.375, 0.25, 0.25)]
    assert [c.share for c in found] == [0.6, 0.4, 0.75]
    assert all(c.mean_map.shape == (16, 16) and c.mean_map.sum() == pytest.approx(1, abs=1e-5) for c in found)
    assert all(c.confirmed is None and c.basis is Basis.MAPS for c in found)
    assert found[1].sentence(("tank", "decoy")) == (
        'Of 40% of the pictures of "tank" the maps point at the top right. Unconfirmed: nothing was transplanted there.'
    )


def test_few_maps_have_no_groups() -> None:
    random = np.random.default_rng(0)
    assert find_clusters(np.stack([pointing(0, 0, 16, random) for _ in range(9)]), [0] * 9) == ()
    assert find_clusters(np.zeros((0, 8, 8), np.float32), []) == ()


def test_a_cluster_is_transplanted_by_its_box_and_says_what_came_of_it() -> None:
    random = np.random.default_rng(0)
    cluster = find_clusters(np.stack([pointing(0, 0, 16, random) for _ in range(12)]), [0] * 12)[0]
    what = as_property(cluster)
    assert (what.name, what.box) == ("cluster-maps-1-1", cluster.box)
    assert what.phrase == "what lies at the top left"
    drop = Interval(0.31, 0.2, 0.4)
    effect = Effect(
        what, "transplant", Role.PROPERTY, 40, 0, drop, (0.3, 0.32), (0.5, 0.5), 1.0, 0.9, 0, 0, 0.1, False, True
    )
    confirmed = cluster.measured(effect)
    assert (confirmed.confirmed, confirmed.drop) == (True, drop)
    assert confirmed.sentence(("tank",)).endswith("Confirmed: 31 points of accuracy hang on what lies there.")
    document = json.loads(json.dumps(confirmed.document(("tank",))))
    assert document["drop"] == {"value": 0.31, "low": 0.2, "high": 0.4}
    assert np.shape(document["mean_map"]) == (16, 16)


def test_a_box_holds_the_strongest_area_alone() -> None:
    values = np.zeros((8, 10))
    values[1:3, 2:6] = 1
    values[1, 2] = 1.5
    values[6, 9] = 1.2  # strong, but elsewhere
    assert box_of(values) == (0.125, 0.2, 0.25, 0.4)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0, 0, 0.2, 0.2), "top left"),
        ((0, 0, 0.3, 1), "top"),
        ((0.4, 0.4, 0.2, 0.2), "middle"),
        ((0.4, 0.8, 0.2, 0.2), "right"),
        ((0, 0, 1, 1), "whole picture"),
    ],
)
def test_a_place_has_a_name(box: tuple[float, float, float, float], words: str) -> None:
    assert place(box) == words


def test_embeddings_are_the_features_where_the_map_points() -> None:
    model = network()
    samples = [model.prepare(picture(number)) for number in range(2)]
    layer = model.default_layer()
    assert layer is not None
    maps = np.zeros((2, SIDE, SIDE), np.float32)
    rows, columns, _ = layer.shape
    maps[0, : SIDE // rows, : SIDE // columns] = 5  # one position of the layer's map
    found = weighted_embeddings(model, samples, maps)
    assert found is not None
    expected = model.activations(samples[0].x, [layer.name])[layer.name][0, 0, 0]
    np.testing.assert_allclose(found[0], expected / np.linalg.norm(expected), rtol=1e-5)
    assert not found[1].any()
    assert weighted_embeddings(linear(), samples, maps) is None


def test_what_is_found_at_one_place_parts_pictures_whose_maps_are_alike() -> None:
    random = np.random.default_rng(1)
    maps = np.stack([pointing(24, 24, 16, random) for _ in range(40)])
    features = np.eye(6)[np.arange(40) % 2] + random.normal(0, 0.05, (40, 6))
    found = find_clusters(maps, [0] * 40, features)
    assert [(c.basis, len(c.members)) for c in found] == [
        (Basis.MAPS, 40), (Basis.EMBEDDINGS, 20), (Basis.EMBEDDINGS, 20),
    ]  # fmt: skip
    assert {number % 2 for number in found[1].members} == {0} or {number % 2 for number in found[1].members} == {1}
    assert len({as_property(c).name for c in found}) == 3
    alike = random.normal(1, 0.05, (40, 6))
    assert [c.basis for c in find_clusters(maps, [0] * 40, alike)] == [Basis.MAPS]
