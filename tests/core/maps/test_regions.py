"""A picture divided into regions."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from picasso.core.errors import SettingsError
from picasso.core.maps.regions import Division, Regions, divide, lay_grid, read_regions

VIEW = np.random.default_rng(1).integers(0, 40, (40, 56, 3)).astype(np.uint8)
VIEW[8:30, 10:26] += 150
VIEW[4:14, 36:50, 2] += 120


@pytest.mark.parametrize("division", get_args(Division))
@pytest.mark.parametrize("count", [1, 12, 400])
def test_every_pixel_is_in_one_region_and_no_region_is_empty(division: Any, count: int) -> None:
    regions = divide(VIEW, division, count)
    assert regions.labels.shape == VIEW.shape[:2]
    assert regions.labels.dtype == np.int64
    assert sorted(np.unique(regions.labels)) == list(range(regions.count))
    assert regions.sizes.sum() == VIEW.shape[0] * VIEW.shape[1]
    assert str(regions.count) in regions.how or regions.grid is not None
    again = divide(VIEW.copy(), division, count)
    assert (again.labels == regions.labels).all()


@pytest.mark.parametrize(("division", "most"), [("slic", 1.5), ("felzenszwalb", 2), ("grid", 1.3)])
def test_there_are_about_as_many_regions_as_asked_for(division: Any, most: float) -> None:
    for count in (4, 12, 40):
        assert 1 <= divide(VIEW, division, count).count <= most * count


@pytest.mark.parametrize("division", ["slic", "felzenszwalb"])
def test_superpixels_follow_the_edges_of_the_picture(division: Any) -> None:
    labels = divide(VIEW, division, 12).labels
    inside, outside = labels[9:29, 11:25], np.concatenate([labels[32:].ravel(), labels[:, :8].ravel()])
    assert not set(inside.ravel()) & set(outside)


def test_ties_of_quickshift_are_broken_by_the_seed_and_the_rest_draws_nothing() -> None:
    even = np.full((64, 64, 3), 90, np.uint8)
    one, same, other = (divide(even, "quickshift", 9, seed).labels for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()
    for division in ("slic", "felzenszwalb", "grid"):
        assert (divide(even, division, 9, 1).labels == divide(even, division, 9, 2).labels).all()  # type: ignore[arg-type]


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 12), st.integers(1, 12))
def test_the_cells_of_a_grid_are_rectangles_of_nearly_equal_size(h: int, w: int, rows: int, columns: int) -> None:
    regions = lay_grid(h, w, rows, columns)
    assert regions.grid == (min(rows, h), min(columns, w))
    assert regions.count == min(rows, h) * min(columns, w)
    boxes = regions.boxes()
    assert boxes is not None
    assert np.ptp(boxes[:, 2]) <= 1
    assert np.ptp(boxes[:, 3]) <= 1
    laid = np.full((h, w), -1)
    for number, (top, left, tall, wide) in enumerate(boxes):
        laid[top : top + tall, left : left + wide] = number
    assert (laid == regions.labels).all()


def test_masks_values_and_means_lie_where_the_regions_are() -> None:
    labels = np.array([[0, 0, 1], [2, -1, 1]])
    regions = Regions(labels, "three")
    masks = regions.masks(np.array([[True, False, True], [False, False, False]]))
    assert masks.dtype == np.float32
    np.testing.assert_array_equal(masks, [[[1, 1, 0], [1, 1, 0]], [[0, 0, 0], [0, 1, 0]]])
    np.testing.assert_array_equal(regions.spread(np.array([5.0, 6, 7])), [[5, 5, 6], [7, np.nan, 6]])
    x = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    means = regions.means(x)
    np.testing.assert_allclose(means[0, 0], x[0, :2].mean(0))
    np.testing.assert_allclose(means[1, 2], (x[0, 2] + x[1, 2]) / 2)
    np.testing.assert_allclose(means[1, 1], x[1, 1])
    np.testing.assert_array_equal(regions.sizes, [2, 2, 1])
    np.testing.assert_array_equal(regions.boxes(), [[0, 0, 1, 2], [0, 2, 2, 1], [1, 0, 1, 1]])
    assert Regions(np.array([[0, 0], [0, 1]]), "two").boxes() is None


def test_given_boxes_and_polygons_are_read() -> None:
    regions = read_regions("1,2,3,4; 6,0, 6,4, 9,4, 9,0;", 10, 12)
    assert regions.count == 2
    assert (regions.labels[1:4, 2:6] == 0).all()
    assert (regions.labels[6:10, 0:5] == 1).all()
    assert (regions.labels >= 0).sum() == 12 + 20
    triangle = read_regions("0,0,9,0,9,9", 10, 10)
    np.testing.assert_array_equal(triangle.labels == 0, np.tri(10, dtype=bool))
    assert read_regions("0,0,9,0,9,9", 10, 10).boxes() is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2,3", "box 'top,left,height,width'.* Got '1,2,3'"),
        ("1,2,3,4,5", "Got '1,2,3,4,5'"),
        ("a,b,c,d", "Got 'a,b,c,d'"),
        ("50,2,3,4", "must lie inside the input of 10 x 12 pixels. Got '50,2,3,4'"),
        ("-1,2,3,4", "must not be negative"),
        ("0,0,3,3;2,2,3,3", "'2,2,3,3' lies over an earlier one"),
        ("50,50,60,60,70,50", "must lie inside"),
    ],
)
def test_regions_that_cannot_be_read_are_named(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_regions(text, 10, 12)
