"""Every registered intervention keeps the contract: on drawn scenes, and on any pictures and masks at all."""

import ast
import re
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from picasso.core import registry
from picasso.core.interventions.intervention import Need, Role, Seen
from tests.auditing.interventions.scenes import NAMES, REGIONS, SIDE, any_seen, intervention, properties, scenes

PHOTOGRAPHIC = {
    "blur", "color-cast", "contrast", "jpeg-grid", "light-gradient", "luminance", "noise", "orientation", "saturation",
    "vignette",
}  # fmt: skip
"""What befalls a picture as a whole; measured beside the object, given to all of it."""
BATTERY = PHOTOGRAPHIC | {
    "bands", "border", "co-occurrence", "context", "corners", "erasure", "fine-detail", "grid", "object-position",
    "object-scale", "object-swap", "object-texture", "object-tone", "region", "region-tone",
}  # fmt: skip
REPLACING = {"object-position", "object-scale", "object-swap"}
"""These lay the object anew: its margin shows what stood behind."""


def test_the_battery_is_whole() -> None:
    assert set(NAMES) >= BATTERY
    assert {name for name in NAMES if intervention(name).role is Role.OBJECT} == {"object-swap"}
    assert {name for name in NAMES if intervention(name).role is Role.SURFACE} == {"object-texture"}
    assert {name for name in NAMES if intervention(name).role is Role.SIZE} == {"object-scale"}
    assert {name for name in NAMES if intervention(name).role is Role.ERASURE} == {"erasure"}
    on_object = {name for name in BATTERY if name.startswith("object-")} | {"erasure"}
    assert {name for name in NAMES if intervention(name).on_object} == on_object
    places = {name for name in NAMES if all(what.is_place for what in properties(name))}
    assert places == {
        "bands", "border", "context", "corners", "grid", "co-occurrence", "region", "region-tone"
    }  # fmt: skip
    assert not any(what.is_place for name in set(NAMES) - places for what in properties(name))


@pytest.mark.parametrize("name", NAMES)
def test_it_says_in_plain_words_what_it_takes(name: str) -> None:
    found = intervention(name)
    assert found.title
    assert type(found).__doc__
    assert found.properties((SIDE, SIDE), REGIONS) == found.properties((SIDE, SIDE), REGIONS)
    for what in properties(name):
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", what.name)
        assert what.title[0].isupper()
        assert what.phrase[0].islower()
        assert not what.phrase.endswith(".")
        assert (what.region is not None) == (Need.REGIONS in found.needs)
        if what.box is not None:
            top, left, height, width = what.box
            assert 0 <= top < top + height <= 1 + 1e-9
            assert 0 <= left < left + width <= 1 + 1e-9


def test_no_two_properties_have_one_name_or_phrase() -> None:
    everything = [what for name in NAMES for what in properties(name)]
    assert len({what.name for what in everything}) == len(everything)
    assert len({what.phrase for what in everything}) == len(everything)


@pytest.mark.parametrize("name", [name for name in NAMES if Need.REGIONS in intervention(name).needs])
def test_without_regions_there_is_nothing_to_take_from_them(name: str) -> None:
    assert intervention(name).properties((SIDE, SIDE), ()) == ()
    first, second = scenes()[:2]
    bare = Seen("bare", first.view, 0, first.object)
    for what in properties(name):
        assert intervention(name).pair(what, bare, second, second, 0) is None
        assert intervention(name).pair(what, second, bare, second, 0) is None


@pytest.mark.parametrize("name", NAMES)
def test_it_sees_no_more_of_picasso_than_a_users_own_file(name: str) -> None:
    tree = ast.parse(registry.intervention(name, []).path.read_text("utf-8"))
    for node in ast.walk(tree):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for module in modules:
            assert module == "picasso.plugin" or module.partition(".")[0] in {
                "numpy", "scipy", "PIL", *sys.stdlib_module_names,
            }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_sham_and_treatment_hang_on_the_seed_alone_and_leave_the_pictures(name: str) -> None:
    first, second, third, _ = scenes()
    before = [seen.view.copy() for seen in scenes()]
    for what in properties(name):
        once = intervention(name).pair(what, first, third, second, 7)
        again = intervention(name).pair(what, first, third, second, 7)
        assert once is not None
        assert again is not None
        for one, other in zip(once, again, strict=True):
            assert (one.dtype, one.shape) == (np.uint8, first.view.shape)
            np.testing.assert_array_equal(one, other)
            assert not np.shares_memory(one, first.view)
    for seen, view in zip(scenes(), before, strict=True):
        np.testing.assert_array_equal(seen.view, view)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "erasure"])
def test_a_picture_that_gives_to_itself_stays_as_it_is(name: str) -> None:
    for seen in scenes()[:2]:
        for what in properties(name):
            found = intervention(name).take(what, seen, seen, np.random.default_rng(0))
            assert found is not None
            apart = np.abs(found.astype(int) - seen.view).max(-1)
            if name in REPLACING:
                assert seen.object is not None
                assert apart[seen.object | seen.context].max() <= 1
            else:
                assert apart.max() <= 1


@pytest.mark.parametrize(
    "name", [n for n in NAMES if n not in PHOTOGRAPHIC and Need.OBJECT not in intervention(n).needs]
)
def test_what_is_taken_from_the_background_leaves_the_object(name: str) -> None:
    first, second, third, fourth = scenes()
    for to, source in ((first, second), (second, third), (third, fourth)):
        for what in properties(name):
            found = intervention(name).take(what, to, source, np.random.default_rng(0))
            if found is not None:
                np.testing.assert_array_equal(found[to.around], to.view[to.around])


@pytest.mark.parametrize("name", [n for n in NAMES if Need.OBJECT in intervention(n).needs or n == "context"])
def test_what_needs_an_object_is_not_made_without_one(name: str) -> None:
    first, second, third, _ = scenes()
    for mask in (None, np.zeros(first.size, np.bool_)):
        bare = Seen("bare", first.view, 0, mask)
        assert intervention(name).pair(properties(name)[0], bare, third, second, 0) is None


@pytest.mark.parametrize("name", [n for n in NAMES if not intervention(n).needs and n != "context"])
def test_where_no_object_is_known_the_whole_picture_is_used(name: str) -> None:
    bare = [Seen("bare", seen.view, seen.label) for seen in scenes()]
    for what in properties(name):
        assert intervention(name).pair(what, bare[0], bare[2], bare[1], 0) is not None


@given(seens=any_seen(), name=st.sampled_from(NAMES), draw=st.data(), seed=st.integers(0, 9))
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_pictures_and_masks_give_a_picture_or_none(
    seens: tuple[Seen, Seen], name: str, draw: st.DataObject, seed: int
) -> None:
    to, source = seens
    found = intervention(name)
    what = draw.draw(st.sampled_from(found.properties(to.size, REGIONS)))
    before = to.view.copy(), source.view.copy()
    pair = found.pair(what, to, source, source, seed)
    np.testing.assert_array_equal(to.view, before[0])
    np.testing.assert_array_equal(source.view, before[1])
    if pair is not None:
        for view in pair:
            assert (view.dtype, view.shape) == (np.uint8, to.view.shape)
        if name != "erasure":  # The same source twice: the treatment is the sham.
            np.testing.assert_array_equal(*pair)
