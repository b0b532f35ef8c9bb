"""From what was measured of every picture to the effect of a property."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.auditing import statistics
from picasso.auditing.experiment import Measured, Question, Shard
from picasso.auditing.findings import Effect
from picasso.auditing.one_class import classes_that_fall
from picasso.auditing.thresholds import (
    ALPHA,
    CLEAR,
    DROP,
    LEAST_CLEARED,
    LEAST_MEASURED,
    SIZE,
    SURE,
    SURFACE,
    TWO_CLASSES,
)
from picasso.auditing.ties import Ties
from picasso.core.interventions.intervention import Role
from picasso.core.statistics import multiple_tests


@dataclass(frozen=True, eq=False)
class Table:
    """What was measured, of every question, picture and turn; NaN and -1 where nothing was.

    Args:
        margin: float64 (questions, pictures, turns, 2), under the sham and the treatment.
        answer: int64 (questions, pictures, turns, 2).
        change: float64 (questions, pictures, turns).
    """

    margin: NDArray[np.float64]
    answer: NDArray[np.int64]
    change: NDArray[np.float64]

    @classmethod
    def empty(cls, questions: int, pictures: int, turns: int) -> Table:
        """Return a table in which nothing was measured."""
        shape = questions, pictures, turns
        return cls(np.full((*shape, 2), np.nan), np.full((*shape, 2), -1), np.full(shape, np.nan))

    def enter(self, shard: Shard, measured: Measured) -> None:
        """Enter what was measured of a shard."""
        questions, pictures = np.ix_(shard.questions, shard.pictures)
        self.margin[questions, pictures, shard.turn] = measured.margin
        self.answer[questions, pictures, shard.turn] = measured.answer
        self.change[questions, pictures, shard.turn] = measured.change


def effect_of(
    question: Question,
    number: int,
    table: Table,
    ties: Ties,
    labels: NDArray[np.int64],
    classes: int,
    scale: float,
    screened: bool,
) -> Effect:
    """Return the effect of a property, before it is compared with the others.

    Args:
        question: The property and its intervention.
        number: Of the question.
        table: What was measured.
        ties: Of the pictures that it was measured on.
        labels: The class of each picture.
        classes: How many there are.
        scale: Root mean square of the model's margins on the pictures as they are.
        screened: Whether these are the pictures of the screening alone.
    """
    asked = np.asarray(ties.asked, np.int64)
    made = np.asarray(np.isfinite(table.margin[number, asked]).all(axis=2), np.bool_)
    some = np.asarray(made.any(axis=1), np.bool_)
    at, own, counts = asked[some], labels[asked[some]], made[some].sum(axis=1)

    def mean(values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean over the turns in which they were made: every picture counts once."""
        found: NDArray[np.float64] = np.where(made, values, 0)[some].sum(axis=1) / counts
        return found

    margin = np.where(made[..., None], table.margin[number, asked], 0)
    right, fell = margin > 0, (margin[..., 0] - margin[..., 1]) / scale
    erred = right[..., 0].astype(np.float64) - right[..., 1]
    lost, together = mean(erred), ties.inflation(erred, made, labels[asked])
    before, after = table.answer[number, asked, :, 0], table.answer[number, asked, :, 1]
    toward = [float(mean((after == one) & (before != one)).sum()) / max(1, len(at)) for one in range(classes)]
    by_class = [float(lost[own == one].mean()) if (own == one).any() else None for one in range(classes)]
    moved, apart = mean(fell), ties.inflation(fell, made, labels[asked])
    return Effect(
        what=question.what,
        intervention=question.intervention,
        role=question.role,
        pictures=len(at),
        left_out=len(asked) - len(at),
        drop=statistics.mean_drop(lost, together),
        by_class=tuple(by_class),
        toward=tuple(toward),
        margin=statistics.mean(moved, apart),
        sham=float(mean(right[..., 0]).mean()) if len(at) else 0.0,
        p=statistics.paired_p(moved, apart),
        holm=1.0,
        change=float(mean(table.change[number, asked]).mean()) if len(at) else 0.0,
        screened=screened,
        suspect=False,
        falls=classes_that_fall(lost, own, classes, together),
        on_object=question.on_object,
    )


def tested(effect: Effect) -> bool:
    """Say whether enough pictures allow a property to say anything of it."""
    return effect.pictures >= LEAST_MEASURED


def cleared(effect: Effect) -> bool:
    """Say whether less hangs on a property than would make it a reason, over all classes and in each of them."""
    return effect.pictures >= LEAST_CLEARED and effect.drop.high < CLEAR and not effect.falls


def judged(effects: Sequence[Effect]) -> list[Effect]:
    """Correct for everything that was tested, and say on which properties the model relies.

    A property counts when the drop is significant, large, surely not small, and shows in two classes; a part of what
    the object is when, besides, it moves the margin by its share of what the object does. Who was seen not to use the
    object may still go by its size, which was not exchanged with it; its surface was.
    """
    corrected = [1.0] * len(effects)
    family = [place for place, effect in enumerate(effects) if tested(effect)]
    for place, p in zip(family, multiple_tests.holm([effects[place].p for place in family]), strict=True):
        corrected[place] = p
    found = [replace(effect, holm=holm) for effect, holm in zip(effects, corrected, strict=True)]
    relied = [replace(one, suspect=tested(one) and _relied_on(one)) for one in found]
    right = next((one for one in relied if one.role is Role.OBJECT and one.suspect), None)
    asked = any(one.role is Role.OBJECT and tested(one) for one in found)

    def counts(one: Effect) -> bool:
        if right is None:
            return one.role is Role.SIZE and asked
        return one.margin.value >= (least_share(one.role) or 0) * right.margin.value

    return [replace(one, suspect=one.suspect and counts(one)) if one.role.is_part else one for one in relied]


def part_of(effect: Effect, right: Effect | None) -> bool:
    """Say whether an effect is of a part of what the object is, and surely less than its share of what the object does.

    It is told by the margin, not by accuracy: another size leaves most answers as they are, until the object itself is
    in doubt. What surely falls in one class alone is no more: of six things one may be known by its size.

    Args:
        effect: Any effect.
        right: The one of the object, where the model relies on it.
    """
    share = least_share(effect.role)
    return share is not None and right is not None and effect.margin.high < share * right.margin.value


def least_share(role: Role) -> float | None:
    """Return from which share of the object's margin a part of what it is counts; None for what is no part."""
    return {Role.SURFACE: SURFACE, Role.SIZE: SIZE}.get(role)


def plain(effect: Effect, count: int) -> bool:
    """Say whether so much hangs on a property that nothing of it is left to ask.

    Args:
        effect: Before it is compared with the others.
        count: How many properties are tested: as many times the p-value is more than Holm's correction makes of it.
    """
    return effect.drop.low > DROP and _relied_on(replace(effect, holm=count * effect.p))


def in_one_class(effect: Effect) -> bool:
    """Say whether a drop would count if it did not show in one class alone."""
    return _large(effect) and not _in_two_classes(effect)


def _large(effect: Effect) -> bool:
    return effect.holm < ALPHA and effect.drop.value >= DROP and effect.drop.low > SURE


def _relied_on(effect: Effect) -> bool:
    return _large(effect) and _in_two_classes(effect)


def _in_two_classes(effect: Effect) -> bool:
    drops = sorted((one for one in effect.by_class if one is not None), reverse=True)
    return len(drops) > 1 and drops[1] >= TWO_CLASSES
