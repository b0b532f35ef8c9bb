"""The experiment: the pictures of a shard under the sham and the treatment of some properties."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.donors import Donors
from picasso.auditing.gallery import Gallery
from picasso.core.errors import PictureError
from picasso.core.interventions.intervention import Intervention, Pixels, Property, Role
from picasso.core.interventions.pasting import seam
from picasso.core.model import Model
from picasso.core.preprocessing import Array

FORMAT = 2
"""A change of what is measured or how; what was kept before is not found any more."""
SHARD = 8
"""Pictures of a shard: small enough that little is lost with it."""
PATCHED = 0.35
"""Boxes of at most this share of the picture go through `predict_patched`, which computes only what they reach."""
PATCHED_FROM = 8
"""Pairs of a picture from which on that is worth its comparison with the model."""
AT_ONCE = 32
"""Pairs of changed pictures held at a time at most."""


@dataclass(frozen=True)
class Question:
    """A property with the intervention that takes it.

    Args:
        what: The property.
        intervention: Name of the intervention.
        digest: Of the intervention's source and version.
        role: What an effect says.
        on_object: Whether it is a property of the object, and not of what surrounds it.
    """

    what: Property
    intervention: str
    digest: str
    role: Role
    on_object: bool = False


@dataclass(frozen=True)
class Shard:
    """Some pictures and what is asked of them; without questions, how the model answers them as they are.

    Args:
        pictures: Their numbers.
        questions: Numbers of the questions.
        donors: Of each picture, where something is asked.
        turn: Which of several draws of donors these are, from 0.
    """

    pictures: tuple[int, ...]
    questions: tuple[int, ...] = ()
    donors: tuple[Donors, ...] = ()
    turn: int = 0


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a shard.

    Args:
        margin: Score of the picture's class less the best score of the others, float64 (questions, pictures, 2): under
            the sham and the treatment; NaN where they could not be made. Without questions (1, pictures, 1).
        answer: The class with the best score, int64 of the same shape; -1 where there is none.
        change: Mean absolute difference of the treatment from the picture, 0..1, float64 (questions, pictures).
        unreadable: Number of the picture -> why it cannot be read.
    """

    margin: NDArray[np.float64]
    answer: NDArray[np.int64]
    change: NDArray[np.float64]
    unreadable: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Pair:
    """What is asked of one picture under one question.

    Args:
        row: Place of the question.
        views: Under the sham and under the treatment.
        box: top, left, height, width in pixels beyond which both are the picture itself; None where that is not known.
    """

    row: int
    views: tuple[Pixels, Pixels]
    box: tuple[int, int, int, int] | None


class Experiment:
    """A model before the pictures of an audit.

    Args:
        model: The model.
        columns: For each class of the audit, the column of the model's scores.
        gallery: The pictures.
        questions: What is asked.
        interventions: By name.
        seed: Of what interventions draw.
    """

    def __init__(
        self,
        model: Model,
        columns: Sequence[int],
        gallery: Gallery,
        questions: Sequence[Question],
        interventions: Mapping[str, Intervention],
        seed: int,
    ) -> None:
        self.model, self.columns, self.gallery = model, list(columns), gallery
        self.questions, self.interventions, self.seed = tuple(questions), interventions, seed

    def measure(self, shard: Shard) -> Measured:
        """Measure a shard."""
        if not shard.questions:
            return self._as_they_are(shard)
        shape = len(shard.questions), len(shard.pictures)
        margin, answer = np.full((*shape, 2), np.nan), np.full((*shape, 2), -1)
        change = np.full(shape, np.nan)
        for place, (number, donors) in enumerate(zip(shard.pictures, shard.donors, strict=True)):
            view, label = self.gallery.seen(number).view, self.gallery.labels[number]
            for pairs, scores in self._answered(number, shard.questions, donors, shard.turn):
                rows = [pair.row for pair in pairs]
                margin[rows, place], answer[rows, place] = self.read_scores(scores, label)
                change[rows, place] = [np.abs(pair.views[1].astype(np.int16) - view).mean() / 255 for pair in pairs]
        return Measured(margin, answer, change)

    def _as_they_are(self, shard: Shard) -> Measured:
        margin, answer = np.full((1, len(shard.pictures), 1), np.nan), np.full((1, len(shard.pictures), 1), -1)
        unreadable: dict[int, str] = {}
        for place, number in enumerate(shard.pictures):
            try:
                view = self.gallery.seen(number).view
            except PictureError as error:
                unreadable[number] = str(error)
            else:
                scores = self.model.predict(self.gallery.eye.read([view]))[None]
                margin[:, place], answer[:, place] = self.read_scores(scores, self.gallery.labels[number])
        return Measured(margin, answer, np.zeros((1, len(shard.pictures))), unreadable)

    def made(self, number: int, question: Question, donors: Donors, turn: int = 0) -> tuple[int, Pixels, Pixels] | None:
        """Return the donor of the treatment, the sham and the treatment of a picture; None where it cannot be made."""
        seen = self.gallery.seen(number)
        for same, other in zip(donors.same, donors.other, strict=False):
            pair = self.interventions[question.intervention].pair(
                question.what,
                seen,
                self.gallery.seen(same),
                self.gallery.seen(other),
                hash_seed(self.seed, number, turn),
            )
            if pair is not None:
                return other, *pair
        return None

    def read_scores(self, scores: Array, label: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return margins and answers, (...), of scores (..., columns of the model) of pictures of one class."""
        own = scores[..., self.columns].astype(np.float64)
        rest = np.delete(own, label, axis=-1).max(axis=-1)
        return own[..., label] - rest, own.argmax(axis=-1)

    def _answered(
        self, number: int, questions: Sequence[int], donors: Donors, turn: int
    ) -> Iterator[tuple[list[_Pair], Array]]:
        """Yield some of the pairs that can be made, and their scores, (pairs, 2, columns)."""
        small: list[_Pair] = []
        large: list[_Pair] = []
        for row, question in enumerate(questions):
            made = self.made(number, self.questions[question], donors, turn)
            if made is None:
                continue
            pair = _Pair(row, made[1:], self._box(number, self.questions[question].what, made[1:]))
            group = large if pair.box is None else small
            group.append(pair)
            if len(group) == AT_ONCE:
                yield list(group), self._scores(number, group)
                group.clear()
        if len(small) < PATCHED_FROM:
            large, small = large + small, []
        for group in (small, large):
            if group:
                yield group, self._scores(number, group)

    def _box(self, number: int, what: Property, pair: tuple[Pixels, Pixels]) -> tuple[int, int, int, int] | None:
        """Return the box of pixels to which a small change is confined, where the model can make use of it."""
        if what.box is None or self.gallery.eye.hooked or what.box[2] * what.box[3] > PATCHED:
            return None
        box = grown_box(what.box, self.gallery.eye.size)
        inside = np.zeros(self.gallery.eye.size, np.bool_)
        inside[box[0] : box[0] + box[2], box[1] : box[1] + box[3]] = True
        view = self.gallery.seen(number).view
        return box if all((one == view)[~inside].all() for one in pair) else None

    def _scores(self, number: int, pairs: Sequence[_Pair]) -> Array:
        """Return the scores of pairs, (pairs, 2, columns): by what their boxes reach where all have one."""
        views = self.gallery.eye.read([view for pair in pairs for view in pair.views])
        boxes = [pair.box for pair in pairs if pair.box for _ in pair.views]
        if len(boxes) < len(views):
            scores = self.model.predict_whole(views)
        else:
            picture = self.gallery.eye.read([self.gallery.seen(number).view])
            scores = self.model.predict_patched(picture, np.array(boxes, np.int64), views)
        return scores.reshape(len(pairs), 2, -1)


def pixel_box(box: Sequence[float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return (top, left, height, width) in pixels of a box in shares of a picture."""
    (height, width), (top, left, tall, wide) = size, box
    first, second = round(top * height), round(left * width)
    return first, second, round((top + tall) * height) - first, round((left + wide) * width) - second


def grown_box(box: Sequence[float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return `pixel_box` with the seam around it, as far as the picture reaches."""
    (height, width), (top, left, tall, wide), by = size, pixel_box(box, size), seam(size)
    first, second = max(0, top - by), max(0, left - by)
    return first, second, min(height, top + tall + by) - first, min(width, left + wide + by) - second


def hash_seed(seed: int, number: int, turn: int) -> int:
    """Return the seed of what is drawn for one picture in one turn."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{number}:{turn}".encode()).digest()[:8], "little") >> 1


def shard_key(shard: Shard, questions: Sequence[Question], names: Sequence[str], asked: str) -> str:
    """Return under which key a shard is kept: equal exactly when the same numbers must come out.

    Args:
        shard: The shard.
        questions: All questions of the audit.
        names: Digest of each picture.
        asked: Digest of all else: the model, the classes, the parts, the seed.
    """
    content = {
        "format": FORMAT,
        "asked": asked,
        "pictures": [[number, names[number]] for number in shard.pictures],
        "turn": shard.turn,
        "donors": [[names[one] for one in (*donors.same, *donors.other)] for donors in shard.donors],
        "questions": [[questions[number].what.name, questions[number].digest] for number in shard.questions],
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def shards_of(
    pictures: Sequence[int],
    questions: Sequence[int] = (),
    donors: Mapping[int, Donors] | None = None,
    turn: int = 0,
) -> list[Shard]:
    """Divide pictures into shards."""
    parts = [tuple(pictures[start : start + SHARD]) for start in range(0, len(pictures), SHARD)]
    return [
        Shard(part, tuple(questions), tuple(donors[number] for number in part) if donors else (), turn)
        for part in parts
    ]
