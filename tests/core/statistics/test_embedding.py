"""Codes laid out in a plane: as other libraries do it, also where there is little to lay out."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from picasso.core.errors import NotSupportedError
from picasso.core.statistics.embedding import nearest_neighbors, principal_axes, tsne, umap

RNG = np.random.default_rng(8)


def noise(count: int, numbers: int) -> np.ndarray:
    return (RNG.normal(size=(count, numbers)) * np.arange(1, numbers + 1)).astype(np.float32)


def two_groups(each: int) -> np.ndarray:
    codes = RNG.normal(size=(2 * each, 6)) * 0.1
    codes[:each, 0] += 3
    codes[each:, 1] += 3
    return codes.astype(np.float32)


def quiet(*given: object) -> None:
    return None


@pytest.mark.parametrize("shape", [(40, 5), (6, 30), (10, 10)])
def test_principal_axes_are_those_of_scikit_learn(shape: tuple[int, int]) -> None:
    from sklearn.decomposition import PCA

    codes = noise(*shape)
    points, shares = principal_axes(codes)
    expected = PCA(2).fit(codes)
    turned = np.sign((points * expected.transform(codes)).sum(axis=0))
    np.testing.assert_allclose(points * turned, expected.transform(codes), atol=1e-3)
    np.testing.assert_allclose(shares, expected.explained_variance_ratio_, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 5), (6, 30)])
def test_the_largest_weight_of_each_axis_is_positive(shape: tuple[int, int]) -> None:
    codes = noise(*shape)
    points, _ = principal_axes(codes)
    weights = np.linalg.lstsq(points, codes - codes.mean(axis=0), rcond=None)[0]
    assert (weights[range(2), np.abs(weights).argmax(axis=1)] > 0).all()
    again, _ = principal_axes(codes)
    np.testing.assert_array_equal(again, points)


def test_where_there_is_one_direction_or_none() -> None:
    line = np.array([[0.0], [1.0], [3.0]], np.float32)
    points, shares = principal_axes(line)
    np.testing.assert_allclose(points, [[-4 / 3, 0], [-1 / 3, 0], [5 / 3, 0]], atol=1e-6)
    np.testing.assert_allclose(shares, [1, 0])
    points, shares = principal_axes(np.ones((3, 4), np.float32))
    assert not points.any()
    assert not shares.any()


def test_neighbors_are_those_of_scikit_learn_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.neighbors import NearestNeighbors

    monkeypatch.setattr("picasso.core.statistics.embedding._ROWS", 7)
    codes = noise(30, 6)
    places, cosines = nearest_neighbors(codes, 4)
    distances, expected = NearestNeighbors(n_neighbors=5, metric="cosine").fit(codes).kneighbors(codes)
    np.testing.assert_array_equal(places, expected[:, 1:])
    np.testing.assert_allclose(1 - cosines, distances[:, 1:], atol=1e-5)


def test_neighbors_of_few_of_the_same_and_of_nothing() -> None:
    places, cosines = nearest_neighbors(np.array([[1, 0], [2, 0], [0, 0]], np.float32), 12)
    assert places.tolist() == [[1, 2], [0, 2], [0, 1]]
    assert cosines.tolist() == [[1, 0], [1, 0], [0, 0]]


def test_tsne_keeps_two_groups_apart_also_with_silent_codes_and_shows_its_way() -> None:
    codes = np.concatenate([two_groups(15), np.zeros((2, 6), np.float32)])
    sketches: list[np.ndarray] = []
    reports: list[tuple[int, int]] = []
    points = tsne(codes, 50, 3, lambda done, total: reports.append((done, total)), sketches.append)
    assert np.isfinite(points).all()
    np.testing.assert_array_equal(points, tsne(codes, 50, 3, quiet, quiet))
    assert reports[-1] == (750, 750)
    assert len(sketches) == len(reports) == 30
    apart = np.linalg.norm(points[:30, None] - points[None, :30], axis=2) + np.diag([np.inf] * 30)
    nearest = apart.argsort(axis=1)[:, :3]
    assert ((nearest < 15) == (np.arange(30) < 15)[:, None]).all()


@pytest.mark.parametrize("codes", [np.zeros((9, 4), np.float32), np.arange(1, 10, dtype=np.float32)[:, None]])
def test_codes_without_angles_are_refused(codes: np.ndarray) -> None:
    with pytest.raises(NotSupportedError, match="all codes point the same way"):
        tsne(codes, 5, 0, quiet, quiet)


def test_umap_keeps_two_groups_apart_and_leaves_tensorflow_alone() -> None:
    codes = two_groups(15)
    before = "tensorflow" in sys.modules
    points = umap(codes, 30, 3)
    assert ("tensorflow" in sys.modules) is before
    np.testing.assert_array_equal(points, umap(codes, 30, 3))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + np.diag([np.inf] * 30)
    assert ((apart.argmin(axis=1) < 15) == (np.arange(30) < 15)).all()


@pytest.mark.parametrize(
    ("name", "call"), [("openTSNE", lambda c: tsne(c, 5, 0, quiet, quiet)), ("umap", lambda c: umap(c, 5, 0))]
)
def test_what_is_not_installed_is_named(name: str, call: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotSupportedError, match=r"pip install 'picasso\[embedding\]'"):
        call(two_groups(5))  # type: ignore[operator]
