"""What is changed of kinds of regions: what they show, their tone, whether they are there."""

import numpy as np
import pytest

from picasso.core.interventions.intervention import Pixels, Seen
from tests.auditing.interventions.scenes import block, intervention, properties, scenes, taken, textured

SIZE = (64, 80)
TOP = block(SIZE, (0, 0, 24, 80))
DEEP = block(SIZE, (0, 0, 36, 80))


def landscape(seed: int, sky: tuple[int, int, int], upper: np.ndarray = TOP) -> Seen:
    """Return a sky, kind 0, over a textured ground, kind 1."""
    view = np.where(upper[..., None], np.array(sky), textured(seed, SIZE, mean=90)).astype(np.uint8)
    return Seen(str(seed), view, 0, None, np.where(upper, 0, 1).astype(np.int64))


def near(view: Pixels, color: tuple[int, int, int]) -> np.ndarray:
    return np.abs(view.astype(int) - color).max(-1) <= 3


@pytest.mark.parametrize("upper", [TOP, DEEP])
def test_all_of_a_region_shows_the_others_and_nothing_else_changes(upper: np.ndarray) -> None:
    gray, blue = landscape(1, (150, 150, 150), upper), landscape(2, (60, 110, 220))
    found = taken("region", gray, blue, 0)
    inner = block(SIZE, (0, 0, int(upper.any(1).sum()) - 2, 80))
    assert near(found, (60, 110, 220))[inner].all()
    ground = ~block(SIZE, (0, 0, int(upper.any(1).sum()) + 2, 80))
    np.testing.assert_array_equal(found[ground], gray.view[ground])


def test_a_region_gets_the_tone_and_keeps_what_it_shows() -> None:
    to, source = scenes()[:2]
    found = taken("region-tone", to, source, 0)
    assert to.regions is not None
    assert source.regions is not None
    sky, other = to.regions == 0, source.regions == 0
    np.testing.assert_allclose(found[sky].mean(0), source.view[other & source.context].mean(0), atol=6)
    assert np.corrcoef(found[sky][:, 1], to.view[sky][:, 1])[0, 1] > 0.9
    ground = to.view[60:] == found[60:]
    assert ground.all()


def test_a_region_that_the_other_lacks_is_removed() -> None:
    pond = block(SIZE, (40, 30, 14, 20))
    here = landscape(1, (150, 150, 150))
    assert here.regions is not None
    view = np.where(pond[..., None], np.array([20, 40, 230]), here.view).astype(np.uint8)
    with_pond = Seen("pond", view, 0, None, np.where(pond, 2, here.regions))
    dry = landscape(2, (150, 150, 150))
    found = taken("co-occurrence", with_pond, dry, 2)
    assert not near(found, (20, 40, 230)).any()
    np.testing.assert_array_equal(found[~pond], view[~pond])
    brought = taken("co-occurrence", dry, with_pond, 2)
    assert near(brought, (20, 40, 230))[pond].all()
    np.testing.assert_array_equal(brought[:36], dry.view[:36])
    # Both have a sky, neither a pond: nothing changes.
    np.testing.assert_array_equal(taken("co-occurrence", with_pond, dry, 0), view)
    np.testing.assert_array_equal(taken("co-occurrence", dry, dry, 2), dry.view)


@pytest.mark.parametrize("name", ["region", "region-tone"])
def test_what_one_of_them_lacks_cannot_be_taken(name: str) -> None:
    here = landscape(1, (150, 150, 150))
    what = properties(name, SIZE)[2]
    assert intervention(name).pair(what, here, here, here, 0) is None


def test_regions_are_named_by_their_phrases() -> None:
    assert properties("region")[0].phrase == "the sky at the top"
    assert properties("region-tone")[0].phrase == "the tone of the sky at the top"
    assert properties("co-occurrence")[0].phrase == "the sky at the top being there"
