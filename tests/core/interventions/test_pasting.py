"""Soft seams, cutouts and where they stand."""

import numpy as np
import pytest

from picasso.core.interventions.intervention import Seen
from picasso.core.interventions.pasting import blend, cut_out, grown, matte, outside, scaled, seam, softened, stand
from tests.auditing.interventions.scenes import block, scenes, textured, with_object


def test_a_soft_mask_is_one_inside_falls_at_its_edge_and_is_zero_beyond() -> None:
    mask = block((20, 24), (6, 8, 5, 7))
    soft = softened(mask)
    assert (soft[mask] > 1 - 1e-6).all()
    assert not soft[~grown(mask, 2)].any()
    np.testing.assert_allclose(soft[8, 15:19], [2 / 3, 1 / 3, 0, 0], atol=1e-6)
    assert not softened(np.zeros((9, 9), bool)).any()
    assert softened(np.ones((9, 9), bool)).min() > 1 - 1e-6


@pytest.mark.parametrize(("side", "by"), [(32, 1), (224, 1), (384, 2), (640, 2), (1024, 4)])
def test_seams_grow_with_the_picture(side: int, by: int) -> None:
    assert seam((side, side // 2)) == by


def test_blending_is_between_both() -> None:
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    found = blend(black, white, np.array([[0, 1], [0.5, 0.25]], np.float32))
    np.testing.assert_array_equal(found[..., 0], [[0, 255], [128, 64]])


def test_a_picture_is_asked_once_and_each_picture_for_itself() -> None:
    asked: list[str] = []

    def name(seen: Seen) -> str:
        asked.append(seen.name)
        return seen.name

    first, second = (Seen(name, np.zeros((4, 4, 3), np.uint8), 0) for name in ("first", "second"))
    assert [seen.once(name) for seen in (first, second, first, first)] == ["first", "second", "first", "first"]
    assert asked == ["first", "second"]
    assert outside(first) is outside(first)
    assert outside(first) is not outside(second)


def test_the_object_and_its_margin_are_outside_of_what_may_change() -> None:
    seen = scenes()[0]
    assert outside(seen)[seen.around].max() < 1e-6
    alpha = matte(seen)
    assert alpha is not None
    assert not alpha[seen.context].any()
    assert matte(Seen("bare", seen.view, 0)) is None
    assert cut_out(Seen("bare", seen.view, 0, np.zeros(seen.size, bool))) is None


def test_an_object_cut_out_and_put_back_is_where_it_was() -> None:
    seen = with_object(textured(1), (10, 12, 14, 20))
    cutout = cut_out(seen)
    assert cutout is not None
    assert seen.plate is not None
    assert cutout.area == 14 * 20
    assert cutout.foot == (24, 22)
    assert scaled(cutout, 14 * 20) is cutout
    found = stand(seen.plate, cutout, cutout.foot)
    np.testing.assert_array_equal(found[seen.object], seen.view[seen.object])
    np.testing.assert_array_equal(found[seen.context], seen.view[seen.context])


@pytest.mark.parametrize("foot", [(-50.0, -50.0), (500.0, 500.0), (0.0, 500.0)])
def test_an_object_is_put_inside_wherever_it_is_sent(foot: tuple[float, float]) -> None:
    seen = with_object(np.full((40, 60, 3), 120, np.uint8), (10, 12, 14, 20), (200, 0, 0))
    cutout = cut_out(seen)
    assert cutout is not None
    assert (stand(np.full((40, 60, 3), 120, np.uint8), cutout, foot)[..., 0] == 200).sum() == 14 * 20


def test_an_object_larger_than_the_picture_is_cut() -> None:
    seen = with_object(np.full((40, 60, 3), 120, np.uint8), (10, 12, 14, 20), (200, 0, 0))
    cutout = cut_out(seen)
    assert cutout is not None
    found = stand(np.full((40, 60, 3), 120, np.uint8), scaled(cutout, 90 * 120), (20.0, 30.0))
    assert found.shape == (40, 60, 3)
    assert (found[..., 0] > 150).mean() > 0.65
