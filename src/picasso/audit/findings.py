"""What an audit gives back: the verdict, what was measured of every property, and the pictures that show it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from picasso.core.intervention import Pixels, Property, Role

FORMAT = 1
"""Version of the JSON document."""


class Outcome(StrEnum):
    """What an audit finds.

    relies-on: as wrong-reason, but nobody has said yet whether what the model relies on is the object.
    """

    RIGHT_REASON = "right-reason"
    WRONG_REASON = "wrong-reason"
    BOTH = "both"
    RELIES_ON = "relies-on"
    WEAK_MODEL = "weak-model"
    CANNOT_TELL = "cannot-tell"


@dataclass(frozen=True)
class Interval:
    """A share with its interval, each in -1..1; points are hundredths of it.

    Args:
        value: The share.
        low, high: Ends of the two-sided 95 % interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """What taking one property from pictures of another class does, beside taking it from pictures of the same class.

    Args:
        what: The property.
        intervention: Name of the intervention.
        role: What an effect of it says.
        pictures: On how many pictures it was measured.
        left_out: On how many it could not be made.
        drop: Accuracy under the sham less accuracy under the treatment.
        by_class: The same for the pictures of each class; None where there are none.
        toward: For each class, the share of treated pictures whose answer became it though it was not before.
        margin: Mean of (margin under the sham - margin under the treatment), in standard deviations of the margin.
        sham: Accuracy under the sham. Where it is far below the model's own, the change itself does damage.
        p: Of the one-sided paired test that the margin falls; 1 where nothing was measured.
        holm: p corrected for everything that was tested (Holm 1979).
        change: How much of the picture the treatment changes: mean absolute difference, in 0..1.
        screened: Whether it was settled on the pictures of the screening alone.
        suspect: Whether it counts as relied on; see `thresholds`.
    """

    what: Property
    intervention: str
    role: Role
    pictures: int
    left_out: int
    drop: Interval
    by_class: tuple[float | None, ...]
    toward: tuple[float, ...]
    margin: float
    sham: float
    p: float
    holm: float
    change: float
    screened: bool
    suspect: bool


@dataclass(frozen=True, eq=False)
class Pair:
    """A picture before and after one property of it was taken from a picture of another class.

    Args:
        name: Of the picture.
        source: Name of the picture that the property was taken from.
        label: Its class, a number from 0.
        property: Name of the property.
        before, after: uint8 (h, w, 3).
        probabilities: Of every class, before and after.
    """

    name: str
    source: str
    label: int
    property: str
    before: Pixels
    after: Pixels
    probabilities: tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Clue:
    """How far something that the files give away, without any model, tells the classes apart.

    Args:
        name: "file-size".
        title: "Size of the file".
        auc: Area under the ROC curve of a cross-validated probe, mean over the classes; 0.5 is chance.
        low, high: Ends of its 95 % interval.
        telling: Whether the whole interval lies above what chance allows; see `thresholds`.
        sentence: What was found, in plain words.
    """

    name: str
    title: str
    auc: float
    low: float
    high: float
    telling: bool
    sentence: str


@dataclass(frozen=True)
class Untested:
    """Something that was not tested.

    Args:
        title: What.
        reason: Why, one sentence.
    """

    title: str
    reason: str


@dataclass(frozen=True)
class PictureFinding:
    """One picture under the property that the model relies on most.

    Args:
        name: The picture.
        label: Its class.
        answer: The class that the model gives it.
        moved: Margin under the sham less margin under the treatment, in standard deviations of the margin; None where
            it could not be made.
        flips: Whether the answer is right under the sham and wrong under the treatment.
    """

    name: str
    label: int
    answer: int
    moved: float | None
    flips: bool


@dataclass(frozen=True)
class Verdict:
    """The answer.

    Args:
        outcome: One of six.
        headline: "WRONG REASON: the sky". A few words.
        sentence: What that means, in one or two plain sentences, with the numbers.
        reliance: Of the property that is named: the accuracy that hangs on it; None where none is named.
        named: That property, or None.
        smallest: The smallest drop of accuracy, 0..1, that this audit could have seen.
        reasons: How it was reached, one sentence each.
    """

    outcome: Outcome
    headline: str
    sentence: str
    reliance: Interval | None
    named: Property | None
    smallest: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that an audit found.

    Args:
        verdict: The answer.
        classes: Names of the classes.
        accuracy: Of the model on the pictures as they are.
        chance: Accuracy of always saying the most frequent class.
        counts: How many pictures of each class were audited.
        confusion: (true class, answered class) -> number of pictures, as rows.
        effects: Of every property, the largest drop first; those of the object and of erasure among them.
        clues: What the files give away.
        pairs: Pictures before and after, the most telling first, of the suspects in their order.
        by_picture: Every picture under the property that is named, what moves most first; empty where none is named.
        untested: What was not tested, and why.
        notes: What a reader should know: pictures left out, labels matched, regions found.
        extras: Further sections by name, each a JSON document: "evidence", "clusters".
        record: Model, data set, seed, versions, thresholds and every choice made.
    """

    verdict: Verdict
    classes: tuple[str, ...]
    accuracy: Interval
    chance: float
    counts: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]
    effects: tuple[Effect, ...]
    clues: tuple[Clue, ...]
    pairs: tuple[Pair, ...]
    by_picture: tuple[PictureFinding, ...]
    untested: tuple[Untested, ...]
    notes: tuple[str, ...]
    extras: dict[str, Any]
    record: dict[str, Any]

    @property
    def suspects(self) -> tuple[Effect, ...]:
        """Return what the model relies on, the largest drop first."""
        return tuple(effect for effect in self.effects if effect.suspect and effect.role is Role.PROPERTY)
