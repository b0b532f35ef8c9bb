"""From effects to the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from picasso.auditing import statistics
from picasso.auditing.effects import cleared, in_one_class, judged
from picasso.auditing.findings import Effect, Interval, Outcome
from picasso.auditing.measuring import _settled
from picasso.auditing.regions.confirming import Confirmed
from picasso.auditing.thresholds import CLEAR, SIZE, SURFACE
from picasso.auditing.verdict import judge
from picasso.core.interventions.intervention import Role
from tests.auditing.counting import CLASSES, CLEAN, GOOD, MASKS, NO_OBJECT, OBJECT, effect


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


def test_nothing_is_both_cleared_and_suspected() -> None:
    for lost in range(60):
        (found,) = judged([effect("x", lost, p=1e-12)])
        assert not (found.suspect and cleared(found))


def test_the_surface_counts_where_it_carries_its_share_of_what_the_object_carries() -> None:
    most, open_, some = (effect("texture", lost, role=Role.SURFACE) for lost in (60, 45, 35))
    assert answer(OBJECT, most, *CLEAN) is Outcome.BOTH
    assert answer(OBJECT, open_, *CLEAN) is Outcome.CANNOT_TELL
    verdict = judge(GOOD, 0.5, judged([OBJECT, most, *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.named == most.what
    assert "45 points (37 … 54) of accuracy hang on the texture" in verdict.sentence
    assert verdict.sentence.endswith("the model knows it by its surface.")
    verdict = judge(GOOD, 0.5, judged([OBJECT, some, *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.outcome is Outcome.RIGHT_REASON
    assert verdict.sentence.endswith(
        "on the object, 26 points (20 … 34) on the texture, and less than 5 on anything else that was tested."
    )
    assert any("less than 50 % of what the object does" in reason for reason in verdict.reasons)


def test_the_size_counts_where_it_carries_a_tenth_of_what_the_object_carries() -> None:
    most, open_, some = (effect("size", lost, role=Role.SIZE) for lost in (12, 9, 3))
    assert open_.margin.value < SIZE * OBJECT.margin.value < most.margin.value
    assert CLEAR < some.margin.high < SIZE * OBJECT.margin.value < open_.margin.high
    assert answer(OBJECT, most, *CLEAN) is Outcome.BOTH
    assert answer(OBJECT, open_, *CLEAN) is Outcome.CANNOT_TELL
    for unsure in (replace(most, p=0.02), replace(most, by_class=(0.3, 0.0))):
        assert answer(OBJECT, unsure, *CLEAN) is Outcome.CANNOT_TELL
    verdict = judge(GOOD, 0.5, judged([OBJECT, some, *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.outcome is Outcome.RIGHT_REASON
    assert "on the object, 2 points (−1 … 6) on the size, and less than 5" in verdict.sentence
    assert any("less than 10 % of what the object does" in reason for reason in verdict.reasons)


@pytest.mark.parametrize(("role", "share"), [(Role.SURFACE, SURFACE), (Role.SIZE, SIZE)])
def test_the_share_of_a_part_is_one_of_the_margin(role: Role, share: float) -> None:
    threshold = share * OBJECT.margin.value
    reason, part = (Interval(k * threshold, k * threshold - 0.01, k * threshold + 0.01) for k in (1.1, 0.8))
    assert answer(OBJECT, effect("part", 8, role=role, margin=reason), *CLEAN) is Outcome.BOTH
    assert answer(OBJECT, effect("part", 60, role=role, margin=part), *CLEAN) is Outcome.RIGHT_REASON


def test_who_does_not_use_the_object_may_go_by_its_size() -> None:
    some = effect("size", 19, role=Role.SIZE)
    assert answer(NO_OBJECT, some, *CLEAN) is Outcome.WRONG_REASON
    assert answer(some, *CLEAN) is Outcome.CANNOT_TELL


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
    small = effect("texture", 35, role=Role.SURFACE, by_class=(0.6, 0.0))
    assert answer(OBJECT, small, *CLEAN) is Outcome.RIGHT_REASON


def test_sentences_have_the_numbers() -> None:
    verdict = judge(GOOD, 0.5, judged([NO_OBJECT, effect("sky", 90), *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.headline == "WRONG REASON: the sky"
    assert verdict.sentence.startswith("68 points (")
    tell = judge(GOOD, 0.5, judged([NO_OBJECT, *CLEAN]), MASKS, 0.06, CLASSES)
    assert "6 points" in tell.sentence


def test_what_shows_in_one_class_alone_is_said_beside_what_is_named() -> None:
    lopsided = effect("tint", 40, by_class=(0.6, 0.0))
    verdict = judge(GOOD, 0.5, judged([NO_OBJECT, effect("sky", 90), lopsided, *CLEAN]), MASKS, 0.06, CLASSES)
    assert verdict.headline == "WRONG REASON: the sky"
    assert any("hang on the tint, but in pictures of one class alone" in reason for reason in verdict.reasons)


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
