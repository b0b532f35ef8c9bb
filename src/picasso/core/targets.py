"""What is explained: one scalar function of the network's outputs, the same for forward and gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from picasso.core.errors import TargetError
from picasso.core.guessing import did_you_mean
from picasso.core.preprocessing import Array

SCORES = "scores"
"""Name of the output that holds a classifier's class scores, (n, columns)."""
MASKS = "masks"
"""Name of the output that holds a segmenter's class scores, (n, rows, columns, classes)."""
BOXES = "boxes"
"""Name of the output that holds a detector's boxes, (n, boxes, 4): left, top, right, bottom in pixels of its input."""
BOX_SCORES = "box_scores"
"""Name of the output that holds the class scores of a detector's boxes, (n, boxes, classes), before suppression."""
_FEW = 6
"""So many classes are all named where none of them was meant."""
LAYER = "layer"
"""Name under which a layer's values, (n, ..., channels), stand where a target is about them and not about outputs."""


@dataclass(frozen=True)
class Target:
    """A class, or the difference of two classes.

    A target is a weighted sum of columns of the network's scores. It knows its value and its derivative by the
    outputs, both in NumPy; an adapter takes the derivative on to the input and the layers.

    Args:
        index: The class, counted from 0.
        label: Its name; "a - b" for a difference.
        terms: Pairs (column, weight) of the network's scores.
        minus: For a difference the class that is subtracted, else None.
    """

    index: int
    label: str
    terms: tuple[tuple[int, float], ...]
    minus: int | None = None

    @property
    def key(self) -> str:
        """What tells it from every other target of the model: labels may repeat, indices do not."""
        return str(self.index) if self.minus is None else f"{self.index}-{self.minus}"

    @property
    def layer(self) -> str:
        """The layer whose values, `outputs[LAYER]`, are read instead of the network's outputs; "" for these."""
        return ""

    def __call__(self, outputs: Mapping[str, Array]) -> Array:
        """Return the target's score for each picture, (n,), from the network's outputs."""
        parts = [outputs[SCORES][:, column] * weight for column, weight in self.terms]
        return np.asarray(np.sum(parts, axis=0, dtype=parts[0].dtype))

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the derivative of the target's score by each output that it depends on, shaped as that output.

        An adapter starts its backward pass with these, so that a target is written once for every framework.
        """
        slopes = np.zeros_like(outputs[SCORES])
        for column, weight in self.terms:
            slopes[:, column] += weight
        return {SCORES: slopes}

    def of_classes(self, values: Any) -> Any:
        """Return the target's value from an array (..., classes) of class scores or probabilities."""
        return values[..., self.index] if self.minus is None else values[..., self.index] - values[..., self.minus]


TargetChoice = int | str | Target
"""What a person says of a target: a class index, a label or "a - b", or the target itself."""


def one_class(target: Target, what: str) -> int:
    """Return the class of a target that must be one class and no difference of two.

    Args:
        target: The target.
        what: What was set to it: "target", "relevant_for".

    Raises:
        TargetError: It is a difference.
    """
    if target.minus is not None:
        raise TargetError(f"{what} must be one class. Got '{target.label}'.", "Name one of the two.")
    return target.index


def class_columns(index: int, columns: int, classes: int) -> tuple[tuple[int, float], ...]:
    """Return which columns of the network's scores make up a class.

    A binary classifier with one column has two classes: class 1 is the column, class 0 its negative. Where one label
    was given for the one column, the only class is that column.
    """
    return ((index, 1.0),) if columns == classes else ((0, 1.0 if index == 1 else -1.0),)


def find_class(target: int | str, labels: Sequence[str]) -> int:
    """Return the index of a class given by index, label, or an index written as text.

    Raises:
        TargetError: There is no such class, or the label stands for several.
    """
    if isinstance(target, bool) or not isinstance(target, Integral | str):
        raise TargetError(f"A target must be a class index or a label. Got {target!r}.")
    if isinstance(target, str) and target in labels:
        if list(labels).count(target) > 1:
            places = [i for i, label in enumerate(labels) if label == target]
            raise TargetError(f"The label '{target}' belongs to several classes: {places}.", "Give the index.")
        return list(labels).index(target)
    folded = [label.casefold() for label in labels]
    if isinstance(target, str) and folded.count(target.strip().casefold()) == 1:
        return folded.index(target.strip().casefold())
    try:
        index = int(target)
    except ValueError:
        raise TargetError(f"'{target}' is no class of this model.", _proposal(str(target), labels)) from None
    if not 0 <= index < len(labels):
        raise TargetError(f"The class index must be in 0..{len(labels) - 1}. Got {index}.")
    return index


def _proposal(word: str, labels: Sequence[str]) -> str:
    """Say which labels a word may have meant, and all of them where they are few. Labels hold commas."""
    guess = did_you_mean(word, labels, separator=" · ")
    if guess and len(labels) > _FEW:
        return f"{guess} It has {len(labels)} classes."
    known = " · ".join(labels[:_FEW]) + (" · ..." if len(labels) > _FEW else "")
    return f"{guess} Its {len(labels)} classes are {known}.".strip()


def make_target(target: int | str | Target, labels: Sequence[str], columns: int) -> Target:
    """Turn what a person wrote (an index, a label, "a - b") into a Target.

    Args:
        target: A class index, a label, or "a - b" for the difference of two classes.
        labels: One label for each class.
        columns: Number of columns of the network's scores.

    Raises:
        TargetError: There is no such class.
    """
    if isinstance(target, Target):
        if max(target.index, target.minus or 0) >= len(labels):
            raise TargetError(
                f"The target '{target.label}' is that of another model: this one has {len(labels)} classes."
            )
        return target
    if isinstance(target, str) and " - " in target and target not in labels:
        cuts, failed = _cuts(target), ""
        for cut in cuts:
            first, second = target[:cut].strip(), target[cut + 3 :].strip()
            try:
                a, b = find_class(first, labels), find_class(second, labels)
            except TargetError as error:
                failed = f" {error}" if len(cuts) == 1 else ""
                continue
            if a == b:
                raise TargetError(f"The difference '{target}' is that of a class with itself.")
            negative = tuple((column, -weight) for column, weight in class_columns(b, columns, len(labels)))
            return Target(a, f"{labels[a]} - {labels[b]}", class_columns(a, columns, len(labels)) + negative, b)
        raise TargetError(
            f"'{target}' is no difference of two classes.", f'Write "a - b" with labels or indices.{failed}'
        )
    index = find_class(target, labels)
    return Target(index, labels[index], class_columns(index, columns, len(labels)))


def _cuts(text: str) -> list[int]:
    return [i for i in range(len(text)) if text.startswith(" - ", i)]


def seeds(targets: Sequence[Target], outputs: Mapping[str, Array]) -> dict[str, Array]:
    """Return the derivatives of several targets by each output that any of them depends on, (targets, n, ...)."""
    rows = [target.cotangents(outputs) for target in targets]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.stack([row.get(name, np.zeros_like(outputs[name])) for row in rows]) for name in names}


def layer_read(targets: Sequence[Target]) -> str:
    """Return the layer that targets read instead of the network's outputs; "" for these. All read the same."""
    return targets[0].layer if targets else ""


def targets_of(target: TargetChoice | Sequence[TargetChoice] | None) -> list[TargetChoice]:
    """Return the chosen targets as a list; empty for the best classes.

    Raises:
        TargetError: It is neither a target nor several.
    """
    if target is None:
        return []
    if isinstance(target, int | str | Target):
        return [target]
    if isinstance(target, Integral):  # NumPy's integers are no int
        return [int(target)]
    try:
        return list(target)
    except TypeError:
        raise TargetError(f"A target must be a class index or a label, or a list of them. Got {target!r}.") from None
