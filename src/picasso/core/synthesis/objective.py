"""What a picture is made for: classes, channels, single units, whole layers, added, subtracted, or one after another.

A person writes it: "zebra", "conv5:37 + 0.5 conv5:40", "zebra -> goldfish", "conv5:0..7".
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from picasso.core.channel import focus_on_channel, read_channel
from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError, TargetError
from picasso.core.facts import Layer, Task
from picasso.core.focus import FocusedTarget, RegionFocus
from picasso.core.hooks import Head, to_probabilities
from picasso.core.preprocessing import Array
from picasso.core.targets import LAYER, MASKS, SCORES, Target, layer_read

if TYPE_CHECKING:
    from picasso.core.facts import Sample
    from picasso.core.model import Model

CLASS, PROBABILITY, CENTER = "class:", "probability:", "@center"
ARROW = " -> "
HINT = (
    'Write a class ("zebra", "class:zebra", "probability:zebra"), a channel ("conv5:37"), several ("conv5:0..7"), a '
    'unit ("conv5:37@3,4", "conv5:37@center") or a layer ("conv5"), joined by " + ", " - ", " -> " or ";".'
)
MOST = 64
"""Objectives that one text may stand for."""
_WEIGHTED = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:\s*\*\s*|\s+)(\S.*)")
_RANGE = re.compile(r"(?P<layer>.+):(?P<first>\d+)\.\.(?P<last>\d+)")


@dataclass(frozen=True)
class Objective:
    """What goes up.

    Args:
        text: What a person would write for it.
        parts: What it is the sum of: weights, and what they weigh.
        index: The class whose score or probability it is; None for everything else.
    """

    text: str
    parts: tuple[tuple[float, Target], ...]
    index: int | None = None

    def joined(self) -> list[Joint]:
        """Return it as targets whose sum it is, one for each place that is read: the outputs, or a layer."""
        places = dict.fromkeys(target.layer for _, target in self.parts)
        return [Joint.of([part for part in self.parts if part[1].layer == place]) for place in places]

    def negative(self) -> Objective:
        """Return what goes up when this goes down."""
        return replace(self, text=f"less {self.text}", parts=tuple((-weight, target) for weight, target in self.parts))


@dataclass(frozen=True, eq=False)
class Joint(Target):
    """A weighted sum of targets that all read the same place."""

    index: int = 0
    label: str = ""
    terms: tuple[tuple[int, float], ...] = ()
    parts: tuple[tuple[float, Target], ...] = ()

    @classmethod
    def of(cls, parts: Sequence[tuple[float, Target]]) -> Joint:
        """Return the sum of targets, each with its weight."""
        return cls(label=" + ".join(target.label for _, target in parts), parts=tuple(parts))

    @property
    def layer(self) -> str:
        return layer_read([target for _, target in self.parts])

    def __call__(self, outputs: Mapping[str, Array]) -> Array:
        return np.asarray(sum(np.float32(weight) * target(outputs) for weight, target in self.parts), np.float32)

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        made: dict[str, Array] = {}
        for weight, target in self.parts:
            for name, slopes in target.cotangents(outputs).items():
                made[name] = made.get(name, 0) + np.float32(weight) * slopes
        return made


@dataclass(frozen=True, eq=False)
class LogProbability(Target):
    """The logarithm of a class's probability: where that is as good as 0 or 1 its own slopes are, too."""

    index: int = 0
    label: str = ""
    terms: tuple[tuple[int, float], ...] = ()
    head: Head = Head.SOFTMAX

    def __call__(self, outputs: Mapping[str, Array]) -> Array:
        own = super().__call__(outputs).astype(np.float64)
        if self.head is Head.SOFTMAX:
            return np.asarray(own - np.logaddexp.reduce(outputs[SCORES].astype(np.float64), axis=1), np.float32)
        return np.asarray(-np.logaddexp(0, -own), np.float32)

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        slopes = super().cotangents(outputs)[SCORES]
        if self.head is Head.SOFTMAX:
            return {SCORES: np.asarray(slopes - to_probabilities(outputs[SCORES], Head.SOFTMAX), np.float32)}
        rest = to_probabilities(-super().__call__(outputs), Head.SIGMOID)
        return {SCORES: np.asarray(slopes * rest[:, None], np.float32)}


@dataclass(frozen=True, eq=False)
class LayerSquare(Target):
    """How much happens in a whole layer: the mean square of its values.

    References:
        Mordvintsev, Olah and Tyka 2015, "Inceptionism" (DeepDream).
    """

    index: int = 0
    label: str = ""
    terms: tuple[tuple[int, float], ...] = ()
    place: str = ""

    @property
    def layer(self) -> str:
        return self.place

    def __call__(self, outputs: Mapping[str, Array]) -> Array:
        values = outputs[LAYER]
        return np.asarray(np.square(values.reshape(len(values), -1), dtype=np.float64).mean(axis=1), np.float32)

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        values = outputs[LAYER]
        return {LAYER: values * np.float32(2 / max(1, values[0].size))}


def read_objectives(model: Model, sample: Sample, text: str, between: int = 5) -> list[Objective]:
    """Read what pictures are to be made for.

    Args:
        model: Whose classes and layers are meant.
        sample: Any picture, by which the layers' shapes are found.
        text: Objectives, each for a picture of its own, separated by semicolons. "a -> b" stands for `between` of
            them, from a to b; "layer:0..7" for eight channels. Each is a sum: "a + 0.5 b - c", with spaces around the
            signs; an "-" before the first takes it away. What is summed is a class by its label or index ("zebra",
            "class:340"), a class's log probability ("probability:zebra"), a channel's mean ("conv5:37"), one of its
            units ("conv5:37@row,column", "conv5:37@center"), or a layer's mean square ("conv5"). A layer's name goes
            before everything else.
        between: How many pictures an interpolation has, both ends included.

    Raises:
        SettingsError: It is not written so.
        NotFoundError, TargetError: There is no such layer, class, channel or place.
        NotSupportedError: The model has no classes of the whole picture, no probabilities, or its gradients do not
            begin at layers.
    """
    reader = _Reader(model, sample)
    found: list[Objective] = []
    for piece in text.split(";"):
        if piece.strip():
            found += reader.strip(piece.strip(), between)
            if len(found) > MOST:
                raise SettingsError(f"objective must stand for at most {MOST} pictures. Got '{text}'.")
    if not found:
        raise SettingsError(f"objective must name what a picture is made for. Got '{text}'. {HINT}")
    return found


class _Reader:
    """Reads objectives by what a model has."""

    def __init__(self, model: Model, sample: Sample) -> None:
        self._model, self._sample = model.whole, sample
        self._layers = {layer.name: layer for layer in self._model.layers()}

    def strip(self, text: str, between: int) -> list[Objective]:
        """Read one objective, a row of channels, or the ends of an interpolation."""
        ranged = None if text in self._layers else _RANGE.fullmatch(text)
        if ranged:
            first, last = int(ranged["first"]), int(ranged["last"])
            if not first <= last < first + MOST:
                raise SettingsError(f"objective must have 1 to {MOST} channels between its dots. Got '{text}'. {HINT}")
            names = [f"{ranged['layer']}:{number}" for number in range(first, last + 1)]
            # Also where a layer has this name: "pool:2..2" is a channel of "pool", whatever "pool:2" is.
            return [Objective(name, ((1.0, self._channel(name)),)) for name in names]
        ends = [self.sum(end.strip()) for end in text.split(ARROW)]
        if len(ends) == 1:
            return ends
        made = [ends[0]]
        for one, other in itertools.pairwise(ends):
            for step in range(1, between - 1):
                share = step / (between - 1)
                parts = [((1 - share) * weight, target) for weight, target in one.parts]
                parts += [(share * weight, target) for weight, target in other.parts]
                made.append(Objective(f"{1 - share:.0%} {one.text}, {share:.0%} {other.text}", tuple(parts)))
            made.append(other)
        return made

    def sum(self, text: str) -> Objective:
        """Read a sum of classes, channels, units and layers."""
        if not text:
            raise SettingsError(f"objective must have something on both sides of each sign. {HINT}")
        if text in self._layers or text in self._model.labels:
            terms = [(1.0, text)]
        else:
            pieces = re.split(r"\s+([+-])\s+", f" + {text}" if not text.startswith("-") else f" - {text[1:].strip()}")
            terms = [_weighed(sign, said) for sign, said in zip(pieces[1::2], pieces[2::2], strict=True)]
        parts, index = [], None
        for weight, said in terms:
            target, index = self._target(said)
            parts.append((weight, target))
        alone = index is not None and len(parts) == 1 and parts[0][0] > 0
        if alone and not terms[0][1].startswith(PROBABILITY) and parts[0][0] == 1:
            text = parts[0][1].label  # of an index, too
        return Objective(text, tuple(parts), index if alone else None)

    def _target(self, said: str) -> tuple[Target, int | None]:
        """Read a class, a channel, a unit or a layer; return the class's index, too."""
        if said in self._layers:
            self._begins_at_layers()
            return LayerSquare(label=said, place=said), None
        for prefix in (CLASS, PROBABILITY):
            if said.startswith(prefix):
                return self._class(said.removeprefix(prefix).strip(), prefix == PROBABILITY)
        try:
            read_channel(said.removesuffix(CENTER))
        except TargetError:
            return self._bare(said)
        return self._channel(said), None

    def _channel(self, said: str) -> Target:
        """Read a channel or one of its units."""
        self._begins_at_layers()
        centered = said.removesuffix(CENTER)
        channel = read_channel(centered)
        if centered != said:
            channel = replace(channel, place=self._middle(channel.layer))
        focus = focus_on_channel(self._model, self._sample, channel)
        return FocusedTarget(label=said, target=Target(0, said, ((0, 1.0),)), focus=focus)

    def _bare(self, said: str) -> tuple[Target, int | None]:
        """Read a class without a word before it."""
        try:
            return self._class(said, log=False)
        except TargetError as error:
            raise NotFoundError(f"There is no layer and no class '{said}': {error}", HINT) from None

    def _class(self, said: str, log: bool) -> tuple[Target, int]:
        model = self._model
        if model.facts.task is Task.DETECTION:
            raise NotSupportedError(
                "A detector has classes only of boxes, which are not there before a picture is.",
                "Make a picture for a layer or a channel.",
            )
        target = model.target(self._label(said))
        if target.minus is not None:
            raise SettingsError(f"objective must subtract classes with their weights. Got '{said}'. {HINT}")
        if model.facts.task is Task.SEGMENTATION:
            if log:
                raise NotSupportedError(
                    "A segmenter has probabilities only of pixels.", f"Write {CLASS}{said} for the mean score."
                )
            return FocusedTarget(label=target.label, target=target, focus=self._everywhere()), target.index
        if not log:
            return target, target.index
        if model.head is Head.NONE:
            raise NotSupportedError("This model has scores and no probabilities.", f"Write {CLASS}{said}.")
        return LogProbability(target.index, target.label, target.terms, head=Head(model.head)), target.index

    def _label(self, said: str) -> str:
        """Return the label of which a word is one of the names: "pineapple" of "pineapple, ananas"."""
        labels, word = self._model.labels, said.casefold()
        if word in (label.casefold() for label in labels):
            return said
        named = [label for label in labels if word in (name.strip().casefold() for name in label.split(","))]
        return named[0] if len(named) == 1 else said

    def _everywhere(self) -> RegionFocus:
        """Return the focus on the whole of a segmenter's masks: a class's mean score over all pixels."""
        masks = self._model.outputs(self._sample.x)[MASKS][0]
        return RegionFocus(
            labels=self._model.labels,
            classes=len(self._model.labels),
            predictions=(),
            about="the whole picture",
            share="score",
            outline=None,
            least=0.0,
            weights=np.full(masks.shape, 1 / (masks.shape[0] * masks.shape[1]), np.float32),
        )

    def _middle(self, name: str) -> tuple[int, int] | None:
        """Return the place in the middle of a layer."""
        layer: Layer | None = self._layers.get(name)
        if layer is None:  # said with what there is, by the focus
            return None
        sides = layer.grid or (layer.shape[:2] if len(layer.shape) == 3 else None)
        if sides is None:
            raise NotSupportedError(f"The output of '{name}' has no rows and columns.", f"Leave {CENTER} out.")
        return sides[0] // 2, sides[1] // 2

    def _begins_at_layers(self) -> None:
        if not self._model.pulls_layers:
            raise NotSupportedError(
                f"Gradients of {self._model.framework} models begin at their scores, not at a layer.",
                "Make a picture for a class.",
            )


def _weighed(sign: str, said: str) -> tuple[float, str]:
    """Read "0.5 zebra" or "0.5 * zebra" after its sign."""
    said = said.strip()
    if not said:
        raise SettingsError(f"objective must have something on both sides of each sign. {HINT}")
    found = _WEIGHTED.fullmatch(said)
    weight, what = (float(found[1]), found[2].strip()) if found else (1.0, said)
    return (weight if sign == "+" else -weight), what
