"""Which of the suspects is named."""

from __future__ import annotations

import pytest

from picasso.auditing.effects import judged
from picasso.auditing.findings import Effect
from picasso.auditing.naming import named_of, parts_of
from picasso.auditing.regions.confirming import Confirmed
from picasso.auditing.thresholds import NAMING, PARTS
from picasso.auditing.verdict import judge
from tests.auditing.counting import CLASSES, CLEAN, GOOD, MASKS, OBJECT, effect


def test_the_smallest_change_that_does_most_of_it_is_named() -> None:
    whole = effect("everything", 100, change=0.4)
    part = effect("corner", 80, change=0.05)
    less = effect("dot", 40, change=0.01)
    named = named_of(judged([whole, part, less, *CLEAN]))
    assert named is not None
    assert named.what.name == "corner"
    assert named_of(judged(CLEAN)) is None


def test_what_is_narrower_and_may_do_as_much_is_named() -> None:
    whole, part = effect("everything", 20, change=0.4), effect("top", 13, change=0.1)
    assert part.drop.value < NAMING * whole.drop.value < part.drop.high
    named = named_of(judged([whole, part, *CLEAN]))
    assert named is not None
    assert named.what.name == "top"


WHOLE = effect("context", 130, change=0.4, box=(0, 0, 1, 1))
UPPER = effect("upper", 85, change=0.2, box=(0, 0, 1 / 2, 1))
TOP = effect("top", 80, change=0.15, box=(0, 0, 1 / 3, 1))
DOT = effect("dot", 30, change=0.01, box=(0, 0.4, 0.1, 0.1))


@pytest.mark.parametrize(
    ("lower", "name"),
    [
        (effect("lower", 1, box=(1 / 2, 0, 1 / 2, 1)), "top"),
        (effect("lower", 60, change=0.2, box=(1 / 2, 0, 1 / 2, 1)), "context"),
        (effect("lower", 20, 15, change=0.2, box=(1 / 2, 0, 1 / 2, 1)), "top"),
        (effect("elsewhere", 1, box=(0, 0.5, 0.5, 0.5)), "context"),
    ],
    ids=["nothing below", "much below", "little below", "nothing known of below"],
)
def test_where_one_half_carries_nothing_the_other_is_searched(lower: Effect, name: str) -> None:
    named = named_of(judged([WHOLE, UPPER, TOP, DOT, lower, *CLEAN]))
    assert named is not None
    assert named.what.name == name


def test_what_looks_like_the_object_is_named_before_rectangles_that_cut_through_it() -> None:
    thing = effect("thing", 80, change=0.1, region=2)
    upper = effect("upper half", 100, change=0.05, box=(0, 0, 1 / 2, 1))
    for other in (effect("blur", 100, change=0.01), effect("corner", 100, change=0.01, box=(0, 0, 1 / 4, 1 / 4))):
        named = named_of(judged([upper, thing, other, *CLEAN]), 2)
        assert named is not None
        assert named.what == other.what
    sky, weak = effect("sky", 90, change=0.3, region=0), effect("ground", 20, change=0.3, region=1)
    found = judged([upper, thing, weak, *CLEAN])
    for likely, name in ((2, "thing"), (1, "upper half"), (None, "upper half")):
        named = named_of(found, likely)
        assert named is not None
        assert named.what.name == name
    both = named_of(judged([upper, thing, sky, *CLEAN]), 2)
    assert both is not None
    assert both.what.name == "upper half"
    verdict = judge(GOOD, 0.5, found, Confirmed(likely=2), 0.06, CLASSES)
    assert verdict.headline == "RELIES ON the thing"
    assert verdict.sentence.endswith("It looks like the object; whether it is, only a person can say.")
    verdict = judge(GOOD, 0.5, found, Confirmed(), 0.06, CLASSES)
    assert verdict.sentence.endswith("the upper half. Whether that is the object, only a person can say.")


def test_where_either_half_suffices_the_whole_is_named() -> None:
    upper, lower = effect("upper", 20, box=(0, 0, 1 / 2, 1)), effect("lower", 3, box=(1 / 2, 0, 1 / 2, 1))
    named = named_of(judged([WHOLE, upper, lower, *CLEAN]))
    assert named is not None
    assert named.what.name == "context"


def test_a_half_that_carries_nothing_says_nothing_of_what_lies_nowhere() -> None:
    lower = effect("lower", 1, box=(1 / 2, 0, 1 / 2, 1))
    tone = effect("tone", 130, change=0.1)
    named = named_of(judged([tone, UPPER, TOP, lower, *CLEAN]))
    assert named is not None
    assert named.what.name == "tone"


def test_what_is_done_to_the_object_is_no_part_of_its_surroundings() -> None:
    size = effect("size", 60, change=0.01, on_object=True)
    ground, around = effect("ground", 55, change=0.1), effect("context", 70, change=0.4)
    assert size.drop.high > NAMING * around.drop.value
    named = named_of(judged([around, size, ground, *CLEAN]))
    assert named is not None
    assert named.what.name == "ground"
    tone = effect("tone", 80, change=0.05, on_object=True)
    found = judged([around, size, tone, ground, *CLEAN])
    named = named_of(found)
    assert named is not None
    assert named.what.name == "size"
    reasons = judge(GOOD, 0.5, found, MASKS, 0.06, CLASSES).reasons
    assert "It also shows in the tone." in reasons
    assert "Besides, there hang 53 points (44 … 61) on the context and 41 points (33 … 50) on the ground." in reasons


BOTTOM = effect("bottom", 120, change=0.1, box=(2 / 3, 0, 1 / 3, 1))
LEFT = effect("left corner", 50, change=0.02, box=(0.7, 0, 0.3, 0.3))
RIGHT = effect("right corner", 55, change=0.02, box=(0.7, 0.7, 0.3, 0.3))


def test_where_a_mark_lies_now_here_now_there_both_places_are_named() -> None:
    cell = effect("right cell", 30, change=0.015, box=(0.75, 0.75, 0.25, 0.25))
    found = judged([OBJECT, BOTTOM, LEFT, cell, RIGHT, *CLEAN])
    named = named_of(found)
    assert named is not None
    assert named.what.name == "bottom"
    assert [one.what.name for one in parts_of(named, found)] == ["right corner", "left corner"]
    verdict = judge(GOOD, 0.5, found, MASKS, 0.06, CLASSES)
    assert verdict.headline == "BOTH: the object, the right corner and the left corner"
    assert [one.name for one in (*verdict.parts, verdict.named)] == ["right corner", "left corner", "bottom"]
    assert verdict.named == BOTTOM.what
    assert verdict.parts == (RIGHT.what, LEFT.what)
    assert "hang on the bottom; they show most in the right corner (41 points) and the left corner (38 points)" in (
        verdict.sentence
    )
    assert "It also shows in the right cell." in verdict.reasons


@pytest.mark.parametrize(
    "others",
    [
        [LEFT],
        [LEFT, effect("right corner", 30, change=0.02, box=(0.7, 0.7, 0.3, 0.3))],
        [LEFT, effect("other corner", 55, change=0.02, box=(0, 0.7, 0.3, 0.3))],
        [LEFT, effect("left cell", 30, change=0.015, box=(0.75, 0, 0.25, 0.25))],
        [LEFT, effect("right corner", 55, change=PARTS * BOTTOM.change, box=(0.7, 0.7, 0.3, 0.3))],
        [LEFT, effect("tone", 55, change=0.02)],
    ],
    ids=["alone", "too little", "outside", "one inside the other", "too large", "lies nowhere"],
)
def test_what_is_no_place_of_its_own_that_does_most_is_no_part(others: list[Effect]) -> None:
    found = judged([BOTTOM, *others, *CLEAN])
    named = named_of(found)
    assert named is not None
    assert named.what.name == "bottom"
    assert parts_of(named, found) == ()


def test_of_places_that_overlap_the_one_that_does_most_for_its_change_is_a_part() -> None:
    wide = effect("wide", 45, change=0.04, box=(0.7, 0, 0.3, 0.3))
    cell = effect("cell", 45, change=0.015, box=(0.7, 0, 0.3, 0.3))
    found = judged([BOTTOM, wide, cell, RIGHT, *CLEAN])
    named = named_of(found)
    assert named is not None
    assert [one.what.name for one in parts_of(named, found)] == ["cell", "right corner"]


def test_places_that_are_many_are_a_pattern_and_those_that_are_not_needed_are_left_out() -> None:
    cells = [effect(f"cell {n}", 25, change=0.005, box=(0.75, n / 4, 0.25, 0.25)) for n in range(4)]
    found = judged([BOTTOM, *cells, *CLEAN])
    named = named_of(found)
    assert named is not None
    assert parts_of(named, found) == ()
    small = effect("middle cell", 12, change=0.001, box=(0.75, 0.4, 0.2, 0.2))
    found = judged([BOTTOM, LEFT, RIGHT, small, *CLEAN])
    assert [one.what.name for one in parts_of(found[0], found)] == ["right corner", "left corner"]
