"""How a network's own outputs become Picasso's: class scores, masks or boxes; and the way back for derivatives.

An adapter runs the network and hands over everything that it returned, by name, as NumPy arrays. What those arrays
mean is decided here, once for every framework.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from picasso.core.errors import ConfigurationError, ModelOutputError
from picasso.core.facts import Task
from picasso.core.hooks import Head, ModelFile
from picasso.core.preprocessing import Array
from picasso.core.targets import BOX_SCORES, BOXES, MASKS, SCORES
from picasso.models import opened

Raw = Mapping[str, Array]
"""What a network returned, (n, ...) by name, in the network's own order of axes."""
_SCORE_NAMES = ("logits", "scores", "class_logits", "output", "out", "probabilities", "predictions")
_MASK_NAMES = ("out", "logits", "masks", "output")
_BOX_NAMES = ("boxes", "pred_boxes", "bboxes")
_MOST_COLUMNS = 100_000


@dataclass(frozen=True)
class Values:
    """One output whose numbers are logits or probabilities.

    Args:
        name: Its name among the network's outputs.
        head: What turns its scores into probabilities.
        from_probability: Whether its numbers are probabilities already: scores are their logarithms or log odds.
    """

    name: str
    head: Head
    from_probability: bool = False

    def scores(self, answer: Array) -> Array:
        """Return scores from the network's own numbers, of the same shape."""
        if not self.from_probability:
            return answer
        if self.head is Head.SOFTMAX:
            return np.log(np.clip(answer, 1e-30, None)).astype(np.float32)
        safe = np.clip(answer.astype(np.float64), 1e-12, 1 - 1e-12)
        return np.log(safe / (1 - safe)).astype(np.float32)

    def slopes(self, answer: Array, cotangents: Array) -> Array:
        """Return derivatives by the network's own numbers from derivatives by the scores, (k, *answer.shape)."""
        if not self.from_probability:
            return cotangents
        wide = answer.astype(np.float64)
        if self.head is Head.SOFTMAX:
            inside = wide > 1e-30
            return np.asarray(np.where(inside, cotangents / np.where(inside, wide, 1), 0), np.float32)
        inside = (wide > 1e-12) & (wide < 1 - 1e-12)
        spread = np.where(inside, wide * (1 - wide), 1)
        return np.asarray(np.where(inside, cotangents / spread, 0), np.float32)


class Readout(ABC):
    """Reads the network's own outputs.

    Attributes:
        task: What the network does.
        values: The output of its scores.
        columns: Number of columns of its scores: of each picture, pixel or box.
        units: What a score is: "logit", "log probability" or "score".
        note: How that was found, one sentence.
    """

    task: Task
    values: Values
    columns: int
    units: str
    note: str

    @property
    def head(self) -> Head:
        """What turns scores into probabilities."""
        return self.values.head

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs of the network that are read; the others need not be kept."""
        return (self.values.name,)

    @abstractmethod
    def read(self, raw: Raw) -> dict[str, Array]:
        """Return Picasso's outputs by name, float32 (n, ...), channels last."""

    @abstractmethod
    def pull(self, raw: Raw, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        """Take derivatives by Picasso's outputs, (k, n, ...), back to the network's own outputs, (k, n, ...)."""


@dataclass(frozen=True)
class ScoresReadout(Readout):
    """One row of class scores for each picture."""

    values: Values
    columns: int
    units: str
    note: str
    task: Task = Task.CLASSIFICATION

    def read(self, raw: Raw) -> dict[str, Array]:
        answer = raw[self.values.name]
        return {SCORES: self.values.scores(answer.reshape(len(answer), -1))}

    def pull(self, raw: Raw, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        answer, given = raw[self.values.name], cotangents[SCORES]
        slopes = self.values.slopes(answer.reshape(len(answer), -1), given)
        return {self.values.name: slopes.reshape(len(given), *answer.shape)}


@dataclass(frozen=True)
class MasksReadout(Readout):
    """One row of class scores for each pixel of a mask."""

    values: Values
    channels_first: bool
    columns: int
    units: str
    note: str
    task: Task = Task.SEGMENTATION

    def read(self, raw: Raw) -> dict[str, Array]:
        return {MASKS: self.values.scores(self._last(raw[self.values.name]))}

    def pull(self, raw: Raw, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        slopes = self.values.slopes(self._last(raw[self.values.name]), cotangents[MASKS])
        return {self.values.name: np.moveaxis(slopes, -1, 2) if self.channels_first else slopes}

    def _last(self, answer: Array) -> Array:
        return np.moveaxis(answer, 1, -1) if self.channels_first else answer


BoxFormat = Literal["xyxy", "xywh", "cxcywh"]
_TO_CORNERS: dict[str, Array] = {
    "xyxy": np.eye(4, dtype=np.float32),
    "xywh": np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 1]], np.float32),
    "cxcywh": np.array([[1, 0, 1, 0], [0, 1, 0, 1], [-0.5, 0, 0.5, 0], [0, -0.5, 0, 0.5]], np.float32),
}
"""A row (4,) of coordinates times this matrix gives left, top, right, bottom."""


@dataclass(frozen=True)
class BoxesReadout(Readout):
    """Boxes, and one row of class scores for each, before suppression.

    Args:
        boxes: Name of the output of the boxes.
        values: The output of their scores; the same one where the network returns both in one array.
        format: What a box's four numbers are.
        scale: (width, height) by which they are multiplied: (1, 1) for pixels of the input.
        joint: Where both come in one array (n, 4 + classes, boxes), whether its boxes are on the last axis; else None.
    """

    boxes: str
    values: Values
    format: BoxFormat
    scale: tuple[float, float]
    columns: int
    units: str
    note: str
    joint: Literal["last", "first"] | None = None
    task: Task = Task.DETECTION

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.boxes, self.values.name)))

    @property
    def _matrix(self) -> Array:
        return _TO_CORNERS[self.format] * np.array([*self.scale, *self.scale], np.float32)

    def read(self, raw: Raw) -> dict[str, Array]:
        boxes, answer = self._parts(raw)
        return {BOXES: (boxes @ self._matrix).astype(np.float32), BOX_SCORES: self.values.scores(answer)}

    def pull(self, raw: Raw, cotangents: Mapping[str, Array]) -> dict[str, Array]:
        boxes, answer = self._parts(raw)
        given = next(iter(cotangents.values()))
        by_box = cotangents.get(BOXES, np.zeros((len(given), *boxes.shape), np.float32)) @ self._matrix.T
        by_score = cotangents.get(BOX_SCORES, np.zeros((len(given), *answer.shape), np.float32))
        by_score = self.values.slopes(answer, by_score)
        if self.joint is None:
            return {self.boxes: by_box.astype(np.float32), self.values.name: by_score}
        both = np.concatenate([by_box, by_score], axis=-1).astype(np.float32)
        return {self.boxes: np.moveaxis(both, -1, 2) if self.joint == "last" else both}

    def _parts(self, raw: Raw) -> tuple[Array, Array]:
        if self.joint is None:
            return raw[self.boxes], raw[self.values.name]
        whole = np.moveaxis(raw[self.boxes], 1, 2) if self.joint == "last" else raw[self.boxes]
        return whole[..., :4], whole[..., 4:]


def find_readout(
    raw: Raw,
    input_shape: tuple[int, int, int],
    hooks: ModelFile,
    output: str = "",
    inside: Head | None = None,
    channels_first: bool = False,
) -> Readout:
    """Find out what a network's outputs mean, from its answer to `opened.probe`.

    Args:
        raw: Its outputs by name, in its own order. Those that the softmax or sigmoid at its end was taken off from
            are the scores before it.
        input_shape: (height, width, channels) of its input.
        hooks: The user's choices: head, labels, boxes.
        output: The output that the user asked for, by name or place; empty to find it.
        inside: The head that the adapter took off, or None.
        channels_first: Whether the framework's maps have their channels first, where the shape does not tell.

    Raises:
        ModelOutputError: No output is one that can be explained, or several are.
        ConfigurationError: There is no output of the name asked for.
    """
    if not raw:
        raise ModelOutputError("The network returned nothing that is an array of numbers.")
    chosen = Head(hooks.head) if hooks.head else None
    if output:
        raw = {name: raw[name] for name in [_named(raw, output)]}
    rows = {name: answer for name, answer in raw.items() if _is_rows(answer)}
    maps = {name: answer for name, answer in raw.items() if _is_map(answer)}
    boxes = _boxes(raw, input_shape, hooks, chosen)
    if boxes is not None:
        return boxes
    if rows:
        name = _one(rows, _SCORE_NAMES, raw, hooks)
        answer = rows[name].reshape(len(rows[name]), -1)
        opened.check_answer(answer)
        values, units, note = _values(name, answer, chosen, inside)
        return ScoresReadout(values, answer.shape[1], units, note)
    if maps:
        name = _one(maps, _MASK_NAMES, raw, hooks)
        answer = maps[name]
        first = _channels_first(answer, input_shape, channels_first)
        flat = (np.moveaxis(answer, 1, -1) if first else answer).reshape(-1, answer.shape[1 if first else -1])
        values, units, note = _values(name, flat, chosen, inside)
        return MasksReadout(values, first, flat.shape[1], units, f"One row of scores for each pixel. {note}")
    listed = ", ".join(f"{name} {answer.shape[1:]}" for name, answer in raw.items())
    hint = "A classifier returns (n, classes), a segmenter (n, classes, height, width), a detector boxes and scores."
    if len(raw) == 1 and all(answer.ndim == 3 for answer in raw.values()):
        hint += " If these are boxes with their scores, say how a box is written in a model file: boxes = 'cxcywh'."
    raise ModelOutputError(f"No output of the network is one that can be explained: {listed}.", hint)


def _values(name: str, answer: Array, chosen: Head | None, inside: Head | None) -> tuple[Values, str, str]:
    if inside is not None and chosen in (None, inside):
        return Values(name, inside), "logit", f"The network ends in a {inside}; what goes into it is explained."
    head, units, note = opened.find_head(answer, chosen)
    if units != "probability":
        return Values(name, head), units, note
    return Values(name, head, True), "log probability" if head is Head.SOFTMAX else "logit", note


def _is_rows(answer: Array) -> bool:
    """Whether an output is one row for each picture; axes of one entry do not count."""
    sides = [side for side in answer.shape[1:] if side != 1]
    return len(sides) <= 1 and 0 not in sides and (not sides or sides[0] <= _MOST_COLUMNS)


def _is_map(answer: Array) -> bool:
    return answer.ndim == 4 and min(answer.shape[1:]) >= 1 and sum(side > 1 for side in answer.shape[1:]) >= 2


def _channels_first(answer: Array, input_shape: tuple[int, int, int], otherwise: bool) -> bool:
    """Say whether a mask's classes come before its pixels: its pixels have the proportions of the input."""
    height, width, _ = input_shape
    first = answer.shape[2] * width == answer.shape[3] * height
    last = answer.shape[1] * width == answer.shape[2] * height
    return otherwise if first == last else first


def _named(raw: Raw, output: str) -> str:
    if output in raw:
        return output
    if output.isdigit() and int(output) < len(raw):
        return list(raw)[int(output)]
    raise ConfigurationError(f"The network has no output '{output}'.", f"It has {', '.join(raw)}.")


def _one(fitting: Raw, preferred: Sequence[str], raw: Raw, hooks: ModelFile) -> str:
    """Choose among outputs of one kind: the only one, the one that has the labels' number, one of a usual name."""
    if len(fitting) == 1:
        return next(iter(fitting))
    if hooks.labels and not isinstance(hooks.labels, str):
        right = [name for name, answer in fitting.items() if len(hooks.labels) in answer.shape[1:]]
        if len(right) == 1:
            return right[0]
    usual = [name for name in preferred if name in fitting]
    if usual:
        return usual[0]
    # Copies under several names, as of auxiliary heads, are told by their number of columns.
    listed = ", ".join(f"{name} {tuple(answer.shape[1:])}" for name, answer in fitting.items())
    raise ModelOutputError(
        f"The network returns several outputs: {listed}.",
        f"Say which to explain, with --output {next(iter(fitting))} (in Python output=...).",
    )


def _is_joint(answer: Array) -> bool:
    """Say whether an answer (n, 4 + classes, boxes) is what YOLO networks return: places in pixels, probabilities."""
    columns, count = answer.shape[1:]
    if not 5 <= columns < count or not np.isfinite(answer).all():
        return False
    boxes, scores = answer[:, :4], answer[:, 4:]
    likely = bool((scores >= 0).all() and (scores <= 1).all())
    return likely and bool((boxes[:, 2:] >= 0).all()) and float(boxes.max()) > 2


def _boxes(raw: Raw, input_shape: tuple[int, int, int], hooks: ModelFile, chosen: Head | None) -> BoxesReadout | None:
    """Return the readout of a detector, or None where the outputs are not those of one."""
    height, width, _ = input_shape
    lists = {name: answer for name, answer in raw.items() if answer.ndim == 3}
    name = next((n for n in _BOX_NAMES if n in lists and lists[n].shape[2] == 4), None)
    if name is None:
        four = [n for n, answer in lists.items() if answer.shape[2] == 4]
        name = four[0] if len(four) == 1 and len(lists) == 2 else None
    if name is not None:
        count = lists[name].shape[1]
        scored = [n for n, answer in lists.items() if n != name and answer.shape[1] == count]
        if not scored:
            return None
        best = next((n for n in _SCORE_NAMES if n in scored), scored[0])
        answer, boxes, joint = lists[best], lists[name], None
        usual: BoxFormat = "cxcywh" if name == "pred_boxes" else "xyxy"
    elif len(raw) == 1 and len(lists) == 1 and hooks.boxes is not None:
        name, whole = next(iter(lists.items()))
        best, joint = name, "last" if whole.shape[1] < whole.shape[2] else "first"
        whole = np.moveaxis(whole, 1, 2) if joint == "last" else whole
        boxes, answer, usual = whole[..., :4], whole[..., 4:], "cxcywh"
    elif len(raw) == 1 and len(lists) == 1 and chosen in (None, Head.SIGMOID) and _is_joint(next(iter(lists.values()))):
        name, whole = next(iter(lists.items()))
        best, joint, usual = name, "last", "cxcywh"
        whole = np.moveaxis(whole, 1, 2)
        boxes, answer = whole[..., :4], whole[..., 4:]
    else:
        return None
    declared, _, of_one = (hooks.boxes or "").partition("-")
    if declared and (declared not in _TO_CORNERS or of_one not in ("", "normalized")):
        raise ConfigurationError(
            f"boxes must be xyxy, xywh or cxcywh, with -normalized where they lie in 0..1. Got '{hooks.boxes}'."
        )
    normalized = bool(of_one) if declared else bool(np.abs(boxes).max() <= 2)
    values, units, note = _values(best, answer.reshape(-1, answer.shape[2]), chosen, None)
    found: BoxFormat = declared or usual  # type: ignore[assignment]
    scale = (float(width), float(height)) if normalized else (1.0, 1.0)
    said = f"Boxes are read as {found}{' in 0..1' if normalized else ', in pixels of the input'}. {note}"
    return BoxesReadout(name, values, found, scale, answer.shape[2], units, said, joint)  # type: ignore[arg-type]
