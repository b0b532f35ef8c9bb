"""What an audit gives back: the verdict, what was measured of every property, and the pictures that show it."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from picasso.core.interventions.intervention import Pixels, Property, Role
from picasso.core.result import as_json

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
    """A number with its interval: of accuracies each is in -1..1, and points are hundredths of it.

    Args:
        value: The number.
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
        margin: Mean of (margin under the sham - margin under the treatment), in root mean squares of the model's own
            margins, with its interval: where everything turns around it is 2.
        sham: Accuracy under the sham. Where it is far below the model's own, the change itself does damage.
        p: Of the one-sided paired test that the margin falls; 1 where nothing was measured.
        holm: p corrected for everything that was tested (Holm 1979).
        change: How much of the picture the treatment changes: mean absolute difference, in 0..1.
        screened: Whether it was settled on the pictures of the screening alone.
        suspect: Whether it counts as relied on; see `thresholds`.
        falls: The classes, numbers from 0, in whose own pictures surely more than `DROP` hangs on it, though over all
            classes it may be little. None of them accuses; with one of them it is not cleared.
        on_object: Whether it is a property of the object, and not of what surrounds it.
    """

    what: Property
    intervention: str
    role: Role
    pictures: int
    left_out: int
    drop: Interval
    by_class: tuple[float | None, ...]
    toward: tuple[float, ...]
    margin: Interval
    sham: float
    p: float
    holm: float
    change: float
    screened: bool
    suspect: bool
    falls: tuple[int, ...] = ()
    on_object: bool = False

    @property
    def accused(self) -> bool:
        """Whether it is a suspect, and neither the object nor its absence."""
        return self.suspect and self.role.accuses

    @property
    def efficiency(self) -> float:
        """How much it does for how little it changes: the drop divided by the change."""
        return self.drop.value / max(self.change, 1e-6)


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
        moved: Margin under the sham less margin under the treatment, in root mean squares of all margins; None where
            it could not be made.
        flips: Whether the answer is right as it is and under the sham, and wrong under the treatment, at least half of
            the times that it was asked.
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
        smallest: The smallest drop of accuracy, 0..1, that this audit sees about every other time.
        reasons: How it was reached, one sentence each.
        parts: Places inside of what is named that do together most of what it does and are much smaller: the headline
            has these; empty where there are none.
    """

    outcome: Outcome
    headline: str
    sentence: str
    reliance: Interval | None
    named: Property | None
    smallest: float
    reasons: tuple[str, ...]
    parts: tuple[Property, ...] = ()


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
        pairs: Pictures before and after, the most telling first: of what is named, of its parts, of the other suspects
            by their drops, of the object.
        by_picture: Every picture under the property that is named, what moves most first; empty where none is named.
        untested: What was not tested, and why.
        notes: What a reader should know: pictures left out, labels matched, regions found.
        extras: Further sections by name, each a JSON document: "evidence", "clusters".
        record: Model, data set, seed, versions, thresholds and every choice made. `record["model"]["name"]` and
            `record["dataset"]["name"]` are in the title of the page; `record["dataset"]["contents"]` tells whether
            two audits are of the same pictures.
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
        """Return what the model relies on: what is named first, then what does most for how little it changes.

        Where the headline has parts of what is named, these come before it. After them stands what is of the other
        nature, if anything is: after places how the picture looks, after that a place; one seldom explains the other.
        """
        found = sorted((effect for effect in self.effects if effect.accused), key=lambda one: -one.efficiency)
        said = [*self.verdict.parts, self.verdict.named]
        first = sorted((one for one in found if one.what in said), key=lambda one: said.index(one.what))
        rest = [one for one in found if one.what not in said]
        other = [one for one in rest if first and one.what.is_place != first[0].what.is_place][:1]
        return (*first, *other, *(one for one in rest if one not in other))

    @property
    def to_fix(self) -> tuple[PictureFinding, ...]:
        """Return the pictures whose right answer hangs on the property that is named, what moves most first."""
        return tuple(found for found in self.by_picture if found.flips)

    def effect(self, name: str) -> Effect | None:
        """Return the effect of a property by its name; None where it was not measured."""
        return next((effect for effect in self.effects if effect.what.name == name), None)

    def document(self) -> dict[str, Any]:
        """Return everything but the pixels of the pairs, as JSON; None stands for NaN and infinity."""
        document: dict[str, Any] = {
            "format": FORMAT,
            "verdict": asdict(self.verdict),
            "classes": self.classes,
            "accuracy": asdict(self.accuracy),
            "chance": self.chance,
            "counts": self.counts,
            "confusion": self.confusion,
            "suspects": [effect.what.name for effect in self.suspects],
            "effects": [asdict(effect) for effect in self.effects],
            "clues": [asdict(clue) for clue in self.clues],
            "pairs": [
                {
                    "name": pair.name,
                    "source": pair.source,
                    "label": pair.label,
                    "property": pair.property,
                    "probabilities": pair.probabilities,
                }
                for pair in self.pairs
            ],
            "by_picture": [asdict(found) for found in self.by_picture],
            "untested": [asdict(one) for one in self.untested],
            "notes": self.notes,
            "extras": self.extras,
            "record": self.record,
        }
        plain: dict[str, Any] = as_json(document)
        return plain

    def json(self) -> str:
        """Return `document()` as text."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False, allow_nan=False)

    def npz(self) -> bytes:
        """Return the pictures of the pairs as an NPZ file: `before_<pair>` and `after_<pair>`, uint8 (h, w, 3)."""
        arrays: dict[str, Pixels] = {}
        for number, pair in enumerate(self.pairs):
            arrays |= {f"before_{number}": pair.before, f"after_{number}": pair.after}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    def html(self) -> str:
        """Return a page with everything in it: no other file, no script, no request."""
        from picasso.auditing.report.page import page

        return page(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write everything into a folder; files of the same names are replaced.

        Args:
            folder: Made where it is absent.

        Returns:
            The files: `audit.html`, `audit.json`, `to_fix.csv` (the pictures to fix), `pairs/` (pictures before and
            after).
        """
        from picasso.auditing.report.export import files

        paths = []
        for name, data in files(self).items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            paths.append(path)
        return paths

    def _repr_html_(self) -> str:
        from picasso.auditing.report.page import brief

        return brief(self)

    def __repr__(self) -> str:
        return f"Findings({sum(self.counts)} pictures: {self.verdict.headline})"
