"""From effects to the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picasso.auditing import statistics
from picasso.auditing.effects import cleared, in_one_class, judged
from picasso.auditing.findings import Effect, Outcome
from picasso.auditing.measuring import _settled
from picasso.auditing.regions.confirming import Confirmed
from picasso.auditing.thresholds import CLEAR, NAMING
from picasso.auditing.verdict import judge, named_of
from picasso.core.intervention import Property, Role

GOOD = statistics.share(190, 200)
MASKS = Confirmed(masks=True)
CLASSES = ("cat", "dog")


def effect(
    name: str,
    lost: int,
    gained: int = 0,
    role: Role = Role.PROPERTY,
    change: float = 0.1,
    p: float | None = None,
    by_class: tuple[float, float] | None = None,
    region: int | None = None,
    pictures: int = 133,
    box: tuple[float, float, float, float] | None = None,
) -> Effect:
    drop = statistics.drop(lost, gained, pictures)
    return Effect(
        Property(name, name.title(), f"the {name}", box, region), "one", role, pictures, 0, drop,
        by_class or (drop.value, drop.value), (0.0, 0.0), 1.0, 0.9,
        p if p is not None else (1e-9 if lost > gained + 5 else 0.5), 1.0, change, False, False,
    )  # fmt: skip


OBJECT = effect("object", 100, role=Role.OBJECT)
NO_OBJECT = effect("object", 1, 1, role=Role.OBJECT)
CLEAN = [effect(f"clean {number}", 1, 1) for number in range(20)]


def answer(*effects: Effect, said: Confirmed = MASKS) -> Outcome:
    return judge(GOOD, 0.5, judged(effects), said, 0.06, CLASSES).outcome


def test_six_answers() -> None:
    sky = effect("sky", 90)
    assert answer(OBJECT, *CLEAN) is Outcome.RIGHT_REASON
    assert answer(NO_OBJECT, sky, *CLEAN) is Outcome.WRONG_REASON
    assert answer(OBJECT, sky, *CLEAN) is Outcome.BOTH
    assert answer(sky, *CLEAN, said=Confirmed()) is Outcome.RELIES_ON
    assert answer(NO_OBJECT, *CLEAN) is Outcome.CANNOT_TELL
    weak = judge(statistics.share(104, 200), 0.5, judged([OBJECT, sky]), MASKS, 0.06, CLASSES)
    assert weak.outcome is Outcome.WEAK_MODEL
    assert weak.named is None


def test_one_property_that_is_not_cleared_forbids_an_acquittal() -> None:
    assert answer(OBJECT, *CLEAN, effect("dim", 4, 2)) is Outcome.CANNOT_TELL
    assert answer(OBJECT, *CLEAN, effect("never made", 0, pictures=0)) is Outcome.RIGHT_REASON


def test_nothing_is_acquitted_where_the_object_is_not_known() -> None:
    assert answer(*CLEAN, said=Confirmed()) is Outcome.CANNOT_TELL


def test_a_region_that_a_person_says_is_not_the_object_convicts() -> None:
    sky = effect("sky", 90, region=2)
    assert answer(sky, *CLEAN, said=Confirmed(other=(2,))) is Outcome.WRONG_REASON
    assert answer(sky, *CLEAN, said=Confirmed(other=(1,))) is Outcome.RELIES_ON


@pytest.mark.parametrize(
    "innocent",
    [
        effect("small", 6, 0),
        effect("noisy", 40, 36),
        effect("not significant", 30, 10, p=0.002),
        effect("one class", 30, 0, by_class=(0.45, 0.0)),
    ],
    ids=lambda one: one.what.name,
)
def test_what_is_small_or_noisy_or_of_one_class_is_no_reason(innocent: Effect) -> None:
    found = judged([innocent, *CLEAN])
    assert not found[0].suspect


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


def test_with_few_pictures_nothing_is_cleared_however_it_moves() -> None:
    still, noisy = effect("still", 0, pictures=73), effect("noisy", 0, 2, pictures=73)
    assert noisy.drop.high < CLEAR
    assert not cleared(still)
    assert not cleared(noisy)
    assert cleared(effect("still", 0, pictures=74))


def test_a_drop_in_two_classes_is_not_said_to_be_in_one() -> None:
    still_open = replace(effect("open", 30, 2, by_class=(0.3, 0.2)), holm=1e-6)
    assert not in_one_class(still_open)
    assert in_one_class(replace(still_open, by_class=(0.5, 0.0)))


def test_what_one_class_of_many_loses_the_screening_does_not_settle() -> None:
    found = effect("mark", 1, pictures=150, by_class=(0.0, 1.0))
    assert cleared(found)
    assert not _settled(found)
    assert _settled(replace(found, by_class=(0.0, 0.02)))


def test_a_half_that_carries_nothing_says_nothing_of_what_lies_nowhere() -> None:
    lower = effect("lower", 1, box=(1 / 2, 0, 1 / 2, 1))
    tone = effect("tone", 130, change=0.1)
    named = named_of(judged([tone, UPPER, TOP, lower, *CLEAN]))
    assert named is not None
    assert named.what.name == "tone"


def test_nothing_is_both_cleared_and_suspected() -> None:
    for lost in range(60):
        (found,) = judged([effect("x", lost, p=1e-12)])
        assert not (found.suspect and cleared(found))


def test_the_surface_counts_where_it_carries_most_of_what_the_object_carries() -> None:
    most, some = (effect("texture", lost, role=Role.SURFACE) for lost in (60, 40))
    assert answer(OBJECT, most, *CLEAN) is Outcome.BOTH
    verdict = judge(GOOD, 0.5, judged([OBJECT, most, *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.named == most.what
    assert "45 points (37 … 54) of accuracy hang on the texture" in verdict.sentence
    assert verdict.sentence.endswith("the model knows it by its surface.")
    verdict = judge(GOOD, 0.5, judged([OBJECT, some, *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.outcome is Outcome.RIGHT_REASON
    assert verdict.sentence.endswith(
        "on the object, 30 points (23 … 38) on the texture alone, and less than 5 on anything else that was tested."
    )
    assert any("less than 50 % of what the object does" in reason for reason in verdict.reasons)


def test_of_a_surface_without_an_object_nobody_is_accused() -> None:
    texture = effect("texture", 60, role=Role.SURFACE)
    for others in (CLEAN, [NO_OBJECT, *CLEAN]):
        assert answer(texture, *others) is Outcome.CANNOT_TELL
        assert judged([texture, *others])[0].suspect is False


def test_a_large_part_that_is_not_sure_or_of_one_class_forbids_an_acquittal() -> None:
    for texture in (
        effect("texture", 60, role=Role.SURFACE, p=0.02),
        effect("texture", 60, role=Role.SURFACE, by_class=(0.9, 0.0)),
    ):
        assert answer(OBJECT, texture, *CLEAN) is Outcome.CANNOT_TELL
    small = effect("texture", 40, role=Role.SURFACE, by_class=(0.6, 0.0))
    assert answer(OBJECT, small, *CLEAN) is Outcome.RIGHT_REASON


def test_sentences_have_the_numbers() -> None:
    verdict = judge(GOOD, 0.5, judged([NO_OBJECT, effect("sky", 90), *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.headline == "WRONG REASON: the sky"
    assert verdict.sentence.startswith("68 points (")
    tell = judge(GOOD, 0.5, judged([NO_OBJECT, *CLEAN]), MASKS, 0.06, CLASSES)
    assert "6 points" in tell.sentence


def test_holm_counts_everything_that_was_tested() -> None:
    one = effect("sky", 60, p=0.004)
    assert judged([one])[0].suspect
    assert not judged([one, *[replace(clean, p=0.5) for clean in CLEAN]])[0].suspect


def test_a_perfect_model_of_rare_classes_is_not_weak() -> None:
    rare = judge(statistics.share(1000, 1000), 0.95, judged([OBJECT, *CLEAN]), MASKS, 0.06, CLASSES)
    assert rare.outcome is Outcome.RIGHT_REASON
    assert (
        judge(statistics.share(955, 1000), 0.95, judged([OBJECT, *CLEAN]), MASKS, 0.06, CLASSES).outcome
        is Outcome.WEAK_MODEL
    )


def test_nothing_is_acquitted_by_the_object_alone() -> None:
    assert answer(OBJECT) is Outcome.CANNOT_TELL


def test_a_drop_in_one_class_alone_is_said_though_nobody_is_accused() -> None:
    sky = effect("sky", 60, by_class=(0.9, 0.0))
    verdict = judge(GOOD, 0.5, judged([OBJECT, sky, *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.outcome is Outcome.CANNOT_TELL
    assert "one class alone" in verdict.sentence


def test_a_part_of_the_properties_acquits_nobody() -> None:
    verdict = judge(GOOD, 0.5, judged([OBJECT, *CLEAN]), MASKS, 0.06, CLASSES, unasked=25)
    assert verdict.outcome is Outcome.CANNOT_TELL
    assert verdict.sentence.startswith("75 points (")
    assert "less than 5 on anything else that was asked for" in verdict.sentence
    assert any("Only 20 of 45 properties were tested" in reason for reason in verdict.reasons)
    assert verdict.named is None


def test_a_part_of_the_properties_accuses_all_the_same() -> None:
    sky = effect("sky", 90)
    for effects, said, outcome in (
        ([NO_OBJECT, sky], MASKS, Outcome.WRONG_REASON),
        ([OBJECT, sky], MASKS, Outcome.BOTH),
        ([sky], Confirmed(), Outcome.RELIES_ON),
    ):
        assert judge(GOOD, 0.5, judged([*effects, *CLEAN]), said, 0.06, CLASSES, unasked=25).outcome is outcome


def test_what_surely_falls_in_one_class_is_open_and_the_class_is_named() -> None:
    mark = replace(effect("mark", 2, by_class=(0.0, 0.8), pictures=200), falls=(1,))
    dot = replace(effect("dot", 1, by_class=(0.3, 0.1), pictures=200), falls=(0,))
    verdict = judge(GOOD, 0.5, judged([OBJECT, dot, mark, *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.outcome is Outcome.CANNOT_TELL
    assert verdict.named is None
    assert verdict.sentence.startswith(
        "80 points of accuracy hang on the mark in the pictures of dog; over all classes 1 point"
    )
    assert verdict.reasons[-2:] == (
        "In the pictures of dog surely more than 5 points hang on the mark.",
        "In the pictures of cat surely more than 5 points hang on the dot.",
    )
    clean = [replace(one, falls=()) for one in (mark, dot)]
    assert answer(OBJECT, *clean, *CLEAN) is Outcome.RIGHT_REASON


def test_what_falls_in_one_class_accuses_nobody() -> None:
    mark = replace(effect("mark", 2, by_class=(0.0, 0.8), p=1e-9, pictures=200), falls=(1,))
    found, *_ = judged([mark, *CLEAN])
    assert not found.suspect
    assert not cleared(found)
    assert not in_one_class(found)
    assert cleared(replace(found, falls=()))
