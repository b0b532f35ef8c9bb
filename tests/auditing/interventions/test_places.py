"""What is taken from places of the background: all of it, bands, corners, cells, the border."""

import numpy as np
import pytest
from scipy import ndimage

from picasso.core.interventions.intervention import Seen
from tests.auditing.interventions.scenes import properties, scenes, taken, textured


def two_tones(tone: int, other: int, size: tuple[int, int] = (64, 64)) -> Seen:
    view = np.full((*size, 3), tone, np.uint8)
    view[size[0] // 2 :] = other
    return Seen("tones", view, 0)


def test_the_context_keeps_the_sources_tone_and_leaves_the_object_and_its_margin() -> None:
    to, source, *_ = scenes()
    found = taken("context", to, source)
    np.testing.assert_array_equal(found[to.around], to.view[to.around])
    assert source.plate is not None
    far = ndimage.distance_transform_edt(~to.around) > 3
    assert far.mean() > 0.3
    np.testing.assert_array_equal(found[far], source.plate[far])


@pytest.mark.parametrize("name", ["bands", "corners", "grid"])
def test_what_is_taken_lies_in_the_box_and_tiles_keep_to_themselves(name: str) -> None:
    first, second = (Seen(str(seed), textured(seed, (64, 80)), 0) for seed in (1, 2))
    covered = np.zeros((64, 80), int)
    for which, what in enumerate(properties(name, (64, 80))):
        assert what.box is not None
        changed = (taken(name, first, second, which) != first.view).any(-1)
        top, left = round(what.box[0] * 64), round(what.box[1] * 80)
        bottom, right = round((what.box[0] + what.box[2]) * 64), round((what.box[1] + what.box[3]) * 80)
        within = np.zeros((64, 80), bool)
        within[max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = True
        assert not changed[~within].any()
        assert changed[within].mean() > 0.8
        covered += changed
    assert (covered > 0).mean() == pytest.approx({"bands": 1, "grid": 1, "corners": 0.38}[name], abs=0.05)


@pytest.mark.parametrize("name", ["bands", "corners", "grid", "border"])
def test_a_difference_of_the_whole_is_not_taken_for_one_of_the_part(name: str) -> None:
    view = textured(3, (64, 64))
    dim = Seen("dim", np.rint(view * 0.5).astype(np.uint8), 0)
    for which in range(len(properties(name, (64, 64)))):
        found = taken(name, Seen("bright", view, 0), dim, which)
        assert np.abs(found.astype(int) - view).max() <= 2


def test_a_part_that_differs_is_taken() -> None:
    found = taken("bands", two_tones(100, 100), two_tones(50, 150), 0)
    np.testing.assert_array_equal(found[:20], 50)
    np.testing.assert_array_equal(found[24:], 100)


@pytest.mark.parametrize(("which", "wide"), [(0, 5), (1, 13)])
def test_the_border_is_a_frame(which: int, wide: int) -> None:
    to, source = (Seen(str(seed), textured(seed, (100, 100)), 0) for seed in (1, 2))
    changed = (taken("border", to, source, which) != to.view).any(-1)
    assert not changed[wide:-wide, wide:-wide].any()
    assert changed[: wide - 2].mean() > 0.9
    for edge in (changed[0], changed[-1], changed[:, 0], changed[:, -1]):
        assert edge.mean() > 0.9


def test_where_the_sources_object_stood_its_fill_is_taken() -> None:
    view = np.full((64, 64, 3), 120, np.uint8)
    painted = view.copy()
    mask = np.zeros((64, 64), bool)
    mask[20:40, 20:40] = True
    painted[mask] = (255, 0, 0)
    found = taken("bands", Seen("to", view, 0), Seen("source", painted, 1, mask), 1)
    np.testing.assert_array_equal(found, view)
