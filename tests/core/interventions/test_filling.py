"""Holes filled from elsewhere in the picture: nothing of the hole is left, and what fills it is texture, no smear."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picasso.core.interventions.filling import fill
from tests.auditing.interventions.scenes import block, scenes, textured


def test_a_plain_picture_becomes_plain() -> None:
    view = np.full((40, 60, 3), (90, 120, 30), np.uint8)
    hole = block((40, 60), (10, 20, 12, 14))
    marked = view.copy()
    marked[hole] = (255, 0, 0)
    np.testing.assert_array_equal(fill(marked, hole), view)


def test_a_pattern_goes_on_where_it_is_interrupted() -> None:
    stripes = np.where(np.arange(96) // 6 % 2, 200, 60)[None, :, None].repeat(80, 0).repeat(3, 2).astype(np.uint8)
    hole = block((80, 96), (30, 33, 20, 24))
    marked = stripes.copy()
    marked[hole] = (255, 0, 0)
    apart = np.abs(fill(marked, hole).astype(int) - stripes)[34:46, 37:53]
    assert np.median(apart) == 0
    assert (apart < 20).mean() > 0.9


def test_a_slope_goes_on() -> None:
    slope = np.linspace(60, 180, 80)[:, None, None].repeat(96, 1).repeat(3, 2).round().astype(np.uint8)
    hole = block((80, 96), (20, 30, 40, 30))
    marked = slope.copy()
    marked[hole] = (0, 0, 255)
    assert np.abs(fill(marked, hole).astype(int) - slope).max() <= 4


def test_what_fills_the_hole_is_as_rough_as_what_surrounds_it() -> None:
    view = np.random.default_rng(1).normal(120, 20, (90, 90, 3)).clip(0, 255).astype(np.uint8)
    hole = block((90, 90), (25, 25, 36, 36))
    found = fill(view, hole).astype(float)
    assert found[28:58, 28:58].std() == pytest.approx(20, rel=0.15)


def test_an_object_that_takes_more_than_its_surroundings_is_filled_piece_by_piece() -> None:
    view = textured(2, (96, 96), spread=20)
    hole = block((96, 96), (16, 8, 70, 80))
    marked = view.copy()
    marked[hole] = (255, 0, 0)
    found = fill(marked, hole)
    assert not ((found[..., 0].astype(int) - found[..., 1]) > 150).any()
    assert found[hole].std() > 10


def test_only_what_is_known_is_copied() -> None:
    view = np.zeros((40, 60, 3), np.uint8)
    view[:, :30] = (0, 200, 0)
    view[:, 30:] = (200, 0, 0)
    hole = block((40, 60), (10, 40, 12, 12))
    found = fill(view, hole, block((40, 60), (0, 0, 40, 28)))
    inner = found[13:19, 43:49].astype(int)
    assert (inner[..., 1] - inner[..., 0] > 100).all()


def test_nothing_to_fill_and_nothing_to_fill_with() -> None:
    view = textured(1)
    np.testing.assert_array_equal(fill(view, np.zeros(view.shape[:2], bool)), view)
    with pytest.raises(ValueError, match="Nothing of the picture is left"):
        fill(view, np.ones(view.shape[:2], bool))


def test_the_plate_is_made_once_and_leaves_the_context() -> None:
    seen = scenes()[0]
    assert seen.plate is seen.plate
    assert seen.plate is not None
    np.testing.assert_array_equal(seen.plate[seen.context], seen.view[seen.context])


@given(
    size=st.tuples(st.integers(4, 40), st.integers(4, 40)), share=st.floats(0, 0.97), seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_of_any_hole_nothing_is_left(size: tuple[int, int], share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hole = rng.random(size) < share
    if share > 0.5:  # One piece at an edge.
        hole = block(size, (0, 0, size[0], max(1, int(share * size[1]))))
    hole[-1, -1] = False
    view = np.where(hole[..., None], np.array([255, 0, 255]), rng.integers(90, 110, (*size, 3))).astype(np.uint8)
    before = view.copy()
    found = fill(view, hole)
    np.testing.assert_array_equal(view, before)
    np.testing.assert_array_equal(found[~hole], view[~hole])
    # A tone may drift along the seam, but magenta is far from what surrounds it.
    assert (np.abs(found.astype(int) - 100) <= 40).all()
