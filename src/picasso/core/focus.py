"""What is asked of a network that answers for pixels or boxes: about which region, about which box.

A focus turns masks or boxes into one row of scores for each picture, so that every visualization, made for a
classifier, explains a region of a segmentation or one detected box without knowing.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.hooks import Head, Prediction, to_probabilities
from picasso.core.preprocessing import Array
from picasso.core.targets import BOX_SCORES, BOXES, MASKS, Target

MATCH = 0.5
"""Overlap (intersection over union) from which a box of the perturbed picture is taken for the one explained."""
SIDES = ("left", "top", "right", "bottom")
"""Targets that explain where a box lies, in pixels of the network's input."""


@dataclass(frozen=True, eq=False)
class Focus(ABC):
    """A question about a part of the picture.

    Args:
        labels: One for each score: classes, and for a box its sides.
        classes: How many of them are classes.
        predictions: What the network says of the picture as it is, best first.
        about: The question in words: "the region at 10, 20, 64 x 48".
        share: What the numbers of the predictions are: "probability", "share of the picture".
        least: A prediction below this is explained only where it is asked for by name, 0..1.
        outline: Where that is, bool (height, width) in pixels of the network's input; None where every class has a
            region of its own.
    """

    labels: tuple[str, ...]
    classes: int
    predictions: tuple[Prediction, ...]
    about: str
    share: str
    outline: NDArray[np.bool_] | None
    least: float

    @property
    def marked(self) -> NDArray[np.bool_] | None:
        """What is marked of the picture as asked about, bool (height, width) of the network's input, or None."""
        return self.outline

    @property
    def sentence(self) -> str:
        """Say below the marked picture what is asked about."""
        return f"The scores are those of {self.about}."

    @property
    def layer(self) -> str:
        """The layer whose values are read, `outputs[LAYER]`, instead of the network's outputs; "" for these."""
        return ""

    @abstractmethod
    def read(self, outputs: Mapping[str, Array]) -> Array:
        """Return the scores (n, labels) from the network's outputs."""

    @abstractmethod
    def cotangents(self, outputs: Mapping[str, Array], slopes: Array) -> dict[str, Array]:
        """Take derivatives by the scores, (n, labels), back to the network's outputs."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Digest of all that decides the scores."""

    def label(self, said: str) -> str:
        """Return the label that a person's word stands for: the first "tank" where "tank 1" and "tank 2" are there.

        Both sides of a difference are words.
        """
        if said in self.labels:
            return said
        words = [f"{word} 1" if f"{word} 1" in self.labels else word for word in said.split(" - ")]
        return " - ".join(words)

    def probabilities(self, scores: Array, head: Head) -> Array:
        """Turn the scores of classes into probabilities; sides stay in pixels."""
        found = to_probabilities(scores[..., : self.classes], head)
        return np.concatenate([found, scores[..., self.classes :]], axis=-1)


@dataclass(frozen=True, eq=False)
class RegionFocus(Focus):
    """A region of a segmentation: the score of a class is its mean score there.

    Args:
        weights: float32 (rows, columns, classes), summing to 1 over the pixels of the mask for each class.
    """

    weights: Array

    def read(self, outputs: Mapping[str, Array]) -> Array:
        return np.asarray(np.einsum("nrck,rck->nk", outputs[MASKS], self.weights), np.float32)

    def cotangents(self, outputs: Mapping[str, Array], slopes: Array) -> dict[str, Array]:
        return {MASKS: np.asarray(slopes[:, None, None, :] * self.weights, np.float32)}

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.weights.tobytes()).hexdigest()


@dataclass(frozen=True)
class Asked:
    """One number that is asked of a detector.

    Args:
        box: left, top, right, bottom in pixels of the network's input.
        column: The class whose score is meant, or the side (0..3) that is.
        side: Whether a side is meant.
    """

    box: tuple[float, float, float, float]
    column: int
    side: bool = False


@dataclass(frozen=True, eq=False)
class BoxFocus(Focus):
    """Boxes of a detector: each score is that of the best box for it among those that overlap the one asked for.

    Under perturbation boxes move and change their places in the list, so the box is matched anew in every picture:
    the highest score of the class among the boxes that overlap by at least `MATCH`, and where none does, the score of
    the box that overlaps most. Petsiuk et al. 2021, arXiv:2006.03204, match by overlap, too.
    """

    asked: tuple[Asked, ...]

    def read(self, outputs: Mapping[str, Array]) -> Array:
        boxes, scores, rows = outputs[BOXES], outputs[BOX_SCORES], self._rows(outputs)
        pictures = np.arange(len(boxes))
        columns = [
            boxes[pictures, row, one.column] if one.side else scores[pictures, row, one.column]
            for one, row in zip(self.asked, rows, strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def cotangents(self, outputs: Mapping[str, Array], slopes: Array) -> dict[str, Array]:
        by_box, by_score = np.zeros_like(outputs[BOXES]), np.zeros_like(outputs[BOX_SCORES])
        pictures = np.arange(len(by_box))
        for place, (one, row) in enumerate(zip(self.asked, self._rows(outputs), strict=True)):
            # A plain sum will do: each picture has one such box.
            (by_box if one.side else by_score)[pictures, row, one.column] += slopes[:, place]
        return {BOXES: by_box, BOX_SCORES: by_score}

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self.asked).encode()).hexdigest()

    def _rows(self, outputs: Mapping[str, Array]) -> list[NDArray[np.int64]]:
        """Return which box answers each question, (n,) for each."""
        near: dict[tuple[float, ...], Array] = {}
        rows = []
        for one in self.asked:
            if one.box not in near:
                near[one.box] = overlap(outputs[BOXES], np.asarray(one.box, np.float32))
            shared = near[one.box]
            best = shared.argmax(axis=1)
            if not one.side:
                scores = np.where(shared >= MATCH, outputs[BOX_SCORES][:, :, one.column], -np.inf)
                matched = (shared >= MATCH).any(axis=1)
                best = np.where(matched, scores.argmax(axis=1), best)
            rows.append(best)
        return rows


@dataclass(frozen=True)
class FocusedTarget(Target):
    """A target among the scores of a focus, as a function of the network's own outputs."""

    index: int = 0
    label: str = ""
    terms: tuple[tuple[int, float], ...] = ()
    minus: int | None = None
    target: Target | None = None
    focus: Focus | None = None

    @property
    def layer(self) -> str:
        return self.focus.layer if self.focus else ""

    def __call__(self, outputs: Mapping[str, Array]) -> Array:
        assert self.target is not None
        assert self.focus is not None
        return self.target({"scores": self.focus.read(outputs)})

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        assert self.target is not None
        assert self.focus is not None
        slopes = self.target.cotangents({"scores": self.focus.read(outputs)})["scores"]
        return self.focus.cotangents(outputs, slopes)


def overlap(boxes: Array, box: Array) -> Array:
    """Return the intersection over union of boxes (..., 4) with one box (4,): left, top, right, bottom."""
    sides = np.maximum(np.minimum(boxes[..., 2:], box[2:]) - np.maximum(boxes[..., :2], box[:2]), 0)
    shared = sides[..., 0] * sides[..., 1]
    size = np.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    whole = size[..., 0] * size[..., 1] + (box[2] - box[0]) * (box[3] - box[1]) - shared
    return np.asarray(np.where(whole > 0, shared / np.where(whole > 0, whole, 1), 0), np.float32)


def suppress(boxes: Array, scores: Array, most: int) -> list[tuple[int, int]]:
    """Return the detections of one picture, best first: (box, class), each box once, overlapping ones of a class once.

    Args:
        boxes: (boxes, 4).
        scores: (boxes, classes), higher is better.
        most: How many at most.
    """
    best = scores.argmax(axis=1)
    order = np.argsort(-scores.max(axis=1), kind="stable")
    kept: list[tuple[int, int]] = []
    for index in order:
        if len(kept) == most:
            break
        kind = int(best[index])
        rivals = [other for other, known in kept if known == kind]
        if not rivals or overlap(boxes[rivals], boxes[index]).max() < MATCH:
            kept.append((int(index), kind))
    return kept


def mean_over(regions: Sequence[NDArray[np.bool_]]) -> Array:
    """Return the weights of a mean over each class's region, float32 (rows, columns, classes)."""
    stacked = np.stack(regions, axis=-1).astype(np.float64)
    return np.asarray(stacked / stacked.sum(axis=(0, 1)), np.float32)
