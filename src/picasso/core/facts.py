"""What is known of a network, and what its passes give: the words of the Model contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from picasso.core.hooks import Head
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array, Frame

INPUT = "input"
"""The name of the network's input wherever a layer's name is expected."""


class Task(StrEnum):
    """What a network answers: scores for the picture, for each pixel, or boxes with scores."""

    CLASSIFICATION = "classification"
    SEGMENTATION = "segmentation"
    DETECTION = "detection"


class Capability(StrEnum):
    """What a model can do, and what a visualization needs."""

    PREDICT = "predict"
    ACTIVATIONS = "activations"
    GRADIENTS = "gradients"
    RELU_RULES = "relu-rules"
    INTERVENTIONS = "interventions"
    RELEVANCE = "relevance"
    ATTENTION = "attention"
    PARAMETERS = "parameters"
    SEGMENTATION = "segmentation"
    DETECTION = "detection"


class ReluRule(StrEnum):
    """How a gradient passes a ReLU.

    standard: where the input was positive. deconvnet: where the gradient is positive (Zeiler and Fergus 2014,
    arXiv:1311.2901). guided: where both are (Springenberg et al. 2015, arXiv:1412.6806).
    """

    STANDARD = "standard"
    DECONVNET = "deconvnet"
    GUIDED = "guided"


@dataclass(frozen=True)
class Rules:
    """How gradients pass the network's nonlinearities."""

    relu: ReluRule = ReluRule.STANDARD


PLAIN = Rules()
"""The true gradient."""


@dataclass(frozen=True)
class Layer:
    """A layer in the order of execution.

    Args:
        name: Its name in the user's model; "name:2" where the same layer runs a second time.
        kind: Its class, as the framework names it.
        shape: Shape of its output without the batch, channels last.
        grid: For tokens, (tokens, channels): the (rows, columns) of the picture's patches; class and register tokens
            come before them. None for everything else.
        positions: Whether its positions are places of the picture: not so what attention weighs, (tokens, tokens,
            heads), or windows. None where that is judged by the shape. True for a layer with frames, (frames, rows,
            columns, channels): it has a map for each.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    grid: tuple[int, int] | None = None
    positions: bool | None = None

    @property
    def spatial(self) -> bool:
        """Whether the output has more than one position in the picture."""
        if self.positions is False:
            return False
        if self.grid is not None:
            return self.grid[0] * self.grid[1] > 1
        if len(self.shape) == 4:
            return self.positions is True and self.shape[1] * self.shape[2] > 1
        return len(self.shape) == 3 and self.shape[0] * self.shape[1] > 1


@dataclass(frozen=True)
class Pullback:
    """One forward pass and the gradients of the targets.

    Args:
        outputs: The network's outputs by name.
        values: The values at each place asked for, (n, ...), channels last.
        gradients: The gradients of each target there, (targets, n, ...), channels last.
        ruled: How many ReLUs a rule was applied to; None where the adapter does not count them.
    """

    outputs: Mapping[str, Array]
    values: Mapping[str, Array]
    gradients: Mapping[str, Array]
    ruled: int | None = None


@dataclass(frozen=True)
class Observed:
    """What one forward pass shows.

    Args:
        outputs: The network's outputs by name.
        values: The outputs of layers by name, (n, ...), channels last.
    """

    outputs: Mapping[str, Array]
    values: Mapping[str, Array]


class Quality(StrEnum):
    """How true the scores of pictures with a box replaced must be.

    exact: those of the network. approximate: what a box changes at the margins of its reach is left out. preview: as
    exact, in half precision (bfloat16).
    """

    EXACT = "exact"
    APPROXIMATE = "approximate"
    PREVIEW = "preview"


WORTHWHILE = 1.25
"""By what factor there must be fewer multiplications for windows not to be said to reach nearly everything."""


@dataclass(frozen=True)
class Patching:
    """How the scores of a picture with one box after another replaced were found.

    Args:
        windows: Number of boxes.
        followed: For how many of them only what they reach was computed again; for the others whole pictures were
            run, which is exact always.
        reason: Why whole pictures were run, one sentence; "" where nothing else was tried.
        gain: Of those that were followed: by what factor fewer multiplications were done than for whole pictures.
        error: The largest difference between a class score that was found so and the network's own, over the boxes
            that were run both ways.
        checked: How many those were.
        quality: How true the scores were asked to be.
    """

    windows: int = 0
    followed: int = 0
    reason: str = ""
    gain: float = 1.0
    error: float = 0.0
    checked: int = 0
    quality: Quality = Quality.EXACT

    @property
    def fast(self) -> bool:
        """Whether windows were followed."""
        return self.followed > 0

    def __add__(self, other: Patching) -> Patching:
        """Return how the windows of two calls were found."""
        if not self.windows or not other.windows:
            return self if self.windows else other
        followed = self.followed + other.followed
        return Patching(
            windows=self.windows + other.windows,
            followed=followed,
            reason=self.reason or other.reason,
            gain=followed / (self.followed / self.gain + other.followed / other.gain) if followed else 1.0,
            error=max(self.error, other.error),
            checked=self.checked + other.checked,
            quality=self.quality if self.quality is not Quality.EXACT else other.quality,
        )

    def __str__(self) -> str:
        if not self.followed:
            return f"Whole pictures were run, one for each window. {self.reason}".strip()
        if self.gain < WORTHWHILE:
            done = f"The windows reach nearly all of it, so that little was left out: {self.gain:.2f} times fewer"
        else:
            done = f"Only what each window reaches was computed again: {self.gain:.1f} times fewer"
        done += " multiplications."
        both = f"{self.checked} of {self.followed} windows that the network itself ran, too"
        if self.quality is Quality.EXACT:
            return f"{done} The largest difference from {both}: {self.error:.0e}."
        how = "without the margins" if self.quality is Quality.APPROXIMATE else "in half precision"
        return f"Approximate, {how}. {done} The largest error over {both}: {self.error:.2g}."


@dataclass(frozen=True)
class Facts:
    """What was found out about a network when it was opened.

    Args:
        input_shape: (height, width, channels) of the input, or of each frame of it.
        columns: Number of columns of its scores.
        head: What turns the scores into probabilities.
        units: What a score is: "logit", "log probability" or "score".
        origin: Digest of the network: of its file or its parameters.
        size: Number of parameters.
        notes: How the facts were found, one sentence each.
        fixed_batch: The only number of pictures that the network takes at a time, or None.
        task: What it answers. `columns` are those of each picture, pixel or box.
        frames: How many frames it reads, where it reads clips; else None.
    """

    input_shape: tuple[int, int, int]
    columns: int
    head: Head
    units: str
    origin: str
    size: int
    notes: tuple[str, ...] = ()
    fixed_batch: int | None = None
    task: Task = Task.CLASSIFICATION
    frames: int | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """One picture or clip, ready for one model.

    Args:
        picture: The picture.
        x: What the network reads, float32 (1, h, w, c), of a clip (1, frames, h, w, c).
        view: What the network sees, as a picture of the input's size: uint8 (h, w, 3). Maps are laid over it. Of a
            clip the middle frame.
        frame: Which part of the picture that is; None where a user's `preprocess` hook made the input, or the input
            itself was given.
        colors: Whether x is made of 8-bit colors. Else it is made of the file's own values, or was given and cannot
            have been made of colors; then a color means nothing to the network.
        views: Of a clip what the network sees in every frame, uint8 (frames, h, w, 3); else None.
    """

    picture: Picture
    x: Array
    view: NDArray[np.uint8]
    frame: Frame | None
    colors: bool = True
    views: NDArray[np.uint8] | None = None

    @property
    def shown(self) -> tuple[slice, slice]:
        """The part of the input that shows the picture, without the bars that padding adds: rows and columns."""
        height, width = self.x.shape[-3:-1]
        frame, picture = self.frame, self.picture
        if frame is None:
            return slice(0, height), slice(0, width)

        def part(start: float, length: float, side: int, pixels: int) -> slice:
            return slice(round(max(0.0, -start) / length * side), round(min(1.0, (pixels - start) / length) * side))

        rows = part(frame.top, frame.height, height, picture.height)
        return rows, part(frame.left, frame.width, width, picture.width)


Progress = Callable[[int, int], None]
"""Called with what is done and the total after each chunk; it may raise CanceledError."""
