"""The Model contract: what Picasso asks of a network, whatever framework it comes from.

At every boundary arrays are NumPy float32, channels last: (n, height, width, channels), and for a network of clips
(n, frames, height, width, channels). An adapter in `models/` implements the few abstract methods; everything else is
built on them here, once.
"""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from picasso.core import clips
from picasso.core import labels as label_files
from picasso.core.errors import (
    ModelFailedError,
    ModelOutputError,
    NotSupportedError,
    OutOfMemoryError,
    PicassoError,
    TargetError,
)
from picasso.core.focus import Focus, FocusedTarget
from picasso.core.hooks import Head, ModelFile, Prediction, number_labels, to_probabilities
from picasso.core.images import Picture
from picasso.core.preprocessing import Array, Frame, Preprocessing
from picasso.core.targets import SCORES, Target, make_target
from picasso.core.tokens import last_heard, with_grids

INPUT = "input"
"""The name of the network's input wherever a layer's name is expected."""
DEFAULT_BATCH = 32
"""Pictures for one forward pass; halved when the device's memory does not suffice."""


T = TypeVar("T")


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
    SEGMENTATION = "segmentation"
    DETECTION = "detection"


_OF_TASKS = frozenset({Capability.SEGMENTATION, Capability.DETECTION})


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


def _nothing(done: int, total: int) -> None:
    """Ignore progress."""


Progress = Callable[[int, int], None]
"""Called with what is done and the total after each chunk; it may raise CanceledError."""


class Model(ABC):
    """A network with its preprocessing, labels and head.

    Args:
        facts: What the adapter found out.
        hooks: The user's own choices and overrides; unset ones are filled in here.
        name: What to call the model.
        batch_size: Pictures for one forward pass at most.

    Attributes:
        files: The files that it was opened from; when one changes, the model must be opened again.
        focus: For a segmenter or detector the part of the picture that it is asked about; see `focused`.

    Class attributes:
        framework: What people call it: "PyTorch".
        packages: The packages whose versions go into every record.

    Raises:
        LabelsError: The labels cannot be read, or their number is not that of the classes.
    """

    framework: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    capabilities: frozenset[Capability] = frozenset({Capability.PREDICT})

    def __init__(self, facts: Facts, hooks: ModelFile, name: str, batch_size: int | None = None) -> None:
        self.facts = facts
        self.hooks = hooks
        self.name = name
        self.batch_size = batch_size or max(1, DEFAULT_BATCH // (facts.frames or 1))
        self.head = facts.head
        self.binary = facts.task is Task.CLASSIFICATION and facts.columns == 1 and facts.head is Head.SIGMOID
        self.labels = self._bind_labels()
        self.kept_results: dict[str, Any] = {}
        self._default: tuple[tuple[str, ...], Layer | None] | None = None
        self.files: tuple[Path, ...] = ()
        self.focus: Focus | None = None
        self._whole: Model | None = None
        own = {Capability(facts.task)} if facts.task is not Task.CLASSIFICATION else set()
        self.capabilities = (self.capabilities - _OF_TASKS) | own
        hooks.labels, hooks.head = self.labels, self.head

    # --- the three hooks -------------------------------------------------------------------------------------

    def prepare(self, picture: Picture) -> Sample:
        """Turn a picture into what the network reads and what it sees.

        Raises:
            PictureError: The picture has not as many channels as the network reads.
            ModelFailedError: The user's `preprocess` hook raised.
            ModelOutputError: It returned another shape than (1, h, w, c), or numbers that are not finite.
        """
        if self.facts.frames is not None:
            return self._prepare_clip(picture, self.facts.frames)
        own_hook = type(self.hooks).preprocess is not ModelFile.preprocess
        if picture.x is not None:
            colors = not own_hook and self.preprocessing.undo(picture.x) is not None
            return Sample(picture, picture.x[None], picture.pixels, None, colors)
        if not own_hook:
            x, view, frame = self.preprocessing.read(picture)
            self.check_input(x[None], 1)
            return Sample(picture, x[None], view, frame, self.preprocessing.color != "values")
        with self.running("The preprocess hook"):
            # A copy: a hook may draw into what it gets, and the picture is shown and explained again.
            x = np.asarray(self.hooks.preprocess([picture.pixels.copy()]), dtype=np.float32)
        self.check_input(x, 1)
        return Sample(picture, x, as_view(x[0]), None)

    def _prepare_clip(self, picture: Picture, count: int) -> Sample:
        """Turn a clip, or a still picture that is repeated, into what a network of clips reads, frame by frame."""
        frames, notes = clips.frames_of(picture)
        own_hook = type(self.hooks).preprocess is not ModelFile.preprocess
        if picture.x is not None:
            colors = not own_hook and self.preprocessing.undo(picture.x) is not None
            return Sample(picture, picture.x[None], frames[count // 2], None, colors, frames)
        places = clips.chosen(len(frames), count)
        picture = clips.noted(replace(picture, notes=(*picture.notes, *notes)), len(frames), count)
        if own_hook:
            x = self.preprocess([frames[places]])
            views = as_view(x[0])
            return Sample(picture, x, views[count // 2], None, views=views)
        # Each frame once: a still picture is all of them.
        still = picture.clip is None
        shots = {place: picture if still else replace(picture, pixels=frames[place], values=None) for place in places}
        read = {place: self.preprocessing.read(shot) for place, shot in shots.items()}
        x = np.stack([read[place][0] for place in places])[None]
        self.check_input(x, 1)
        views = np.stack([read[place][1] for place in places])
        return Sample(
            picture, x, views[count // 2], read[0][2], colors=self.preprocessing.color != "values", views=views
        )

    def preprocess(self, pictures: Sequence[NDArray[Any]]) -> Array:
        """Turn pictures into the network's input, float32 (n, h, w, c); clips into (n, frames, h, w, c).

        Args:
            pictures: uint8 (h, w, 3) RGB; for a network that reads a file's own values, those, (h, w, channels). For
                a network of clips also (frames, h, w, 3).
        """
        count = self.facts.frames
        shots = list(pictures)
        if count is not None:
            stacks = [shot if shot.ndim == 4 else shot[None] for shot in shots]
            # Copies, as a hook may draw into what it gets.
            shots = [stack[place].copy() for stack in stacks for place in clips.chosen(len(stack), count)]
        with self.running("The preprocess hook"):
            x = np.asarray(self.hooks.preprocess(shots), dtype=np.float32)
        if count is not None and x.ndim == 4 and len(x) == len(shots):
            x = x.reshape(len(pictures), count, *x.shape[1:])
        self.check_input(x, len(pictures))
        return x

    def plain(self, sample: Sample, shade: int) -> Array:
        """Return what the network reads where the picture has one shade, (h, w, c); of a clip (frames, h, w, c).

        Args:
            sample: The picture whose place it takes.
            shade: 0 black, 128 grey, 255 white. Where the network reads no colors it lies between the smallest and
                the largest value that the picture has in each channel: black is the smallest, white the largest.
        """
        x: Array = sample.x[0]
        if sample.colors:
            x = self.preprocess([np.full_like(sample.picture.pixels, shade)])[0]
            return x
        low, high = x.min(axis=tuple(range(x.ndim - 1))), x.max(axis=tuple(range(x.ndim - 1)))
        return np.broadcast_to(low + (high - low) * np.float32(shade / 255), x.shape)

    def postprocess(self, activation: Array) -> Array:
        """Lay an activation (n, ...) out as an image, (n, h, w, channels), through the user's hook.

        What a network of clips has for each frame becomes (n, frames, h, w, channels).

        Raises:
            ModelOutputError: The result has no two axes of space.
        """
        if type(self.hooks).postprocess is ModelFile.postprocess:
            return self._laid_out(activation)
        with self.running("The postprocess hook"):
            image = np.asarray(self.hooks.postprocess(activation), dtype=np.float32)
        if image.ndim != 4 and not (image.ndim == 5 and self.facts.frames):
            raise ModelOutputError(
                f"The layer's activation has shape {image.shape}; a map needs (n, height, width, channels).",
                "Choose a layer with space, or override postprocess() in a model file.",
            )
        return image

    def _laid_out(self, activation: Array) -> Array:
        """Lay tokens (n, tokens, channels) out on the grid of the picture's patches; maps stay as they are."""
        if activation.ndim == 4 or (activation.ndim == 5 and self.facts.frames):
            return activation
        grids = {layer.shape[0]: layer.grid for layer in self.layers() if layer.grid is not None}
        grid = grids.get(activation.shape[1]) if activation.ndim == 3 else None
        if grid is None:
            raise ModelOutputError(
                f"The layer's activation has shape {activation.shape}; a map needs (n, height, width, channels).",
                "Choose a layer with space, or override postprocess() in a model file.",
            )
        patches = activation[:, activation.shape[1] - grid[0] * grid[1] :]
        return patches.reshape(len(activation), *grid, activation.shape[2])

    def decode_prob(self, scores: Array) -> list[list[Prediction]]:
        """Turn class scores (n, classes) into labelled probabilities, best first.

        Raises:
            ModelOutputError: The user's hook returned something else.
        """
        if self.focus is not None:
            return [list(self.focus.predictions) for _ in scores]
        with self.running("The decode_prob hook"):
            found = [list(row) for row in self.hooks.decode_prob(scores)]
        if len(found) != len(scores) or not all(row and all(isinstance(p, Prediction) for p in row) for row in found):
            raise ModelOutputError(
                "The decode_prob hook must return one list of Predictions, best first, for each picture.",
                "Return [[Prediction(index, label, probability), ...], ...].",
            )
        return found

    # --- the network -----------------------------------------------------------------------------------------

    # An adapter implements these for one batch, float32 (n, h, w, c) or for clips (n, frames, h, w, c); the public
    # methods below split and join.

    @abstractmethod
    def _outputs(self, x: Array) -> dict[str, Array]:
        """Return the outputs by name: `SCORES`, or for another task `MASKS`, or `BOXES` and `BOX_SCORES`."""

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Return the outputs of layers, (n, ...), channels last, by name."""
        raise NotSupportedError(f"{self.framework} models do not show their layers.")

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        """Run forward once, and backward for all targets; backward stops at `wrt`.

        Backward starts with `targets.seeds(targets, outputs)`.
        """
        raise NotSupportedError(f"{self.framework} models give no gradients.")

    def _layers(self) -> tuple[Layer, ...]:
        """Return the layers in the order of execution; token grids are found by the caller."""
        return ()

    def layers(self) -> tuple[Layer, ...]:
        """Return the layers in the order of execution."""
        # The tokens of clips lie in time, too.
        return self._layers() if self.facts.frames else with_grids(self._layers(), self.input_shape)

    def activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        """Return the outputs of layers, (n, ...), channels last, by name.

        Raises:
            NotFoundError: There is no such layer.
        """
        parts = list(self._in_batches(x, lambda batch: self._activations(batch, layers)))
        return {name: np.concatenate([part[name] for part in parts])[: len(x)] for name in layers}

    def pullback(
        self, x: Array, targets: Sequence[Target], wrt: Sequence[str] = (INPUT,), rules: Rules = Rules()
    ) -> Pullback:
        """Run forward once and pull the targets back to the input or to layers.

        Args:
            x: float32 (n, h, w, c).
            targets: What is differentiated, summed over the pictures (each picture's own gradient results).
            wrt: Names of layers, or `INPUT`. Backward stops there.
            rules: How gradients pass ReLUs.

        Raises:
            NotFoundError: There is no such layer.
        """

        def checked(batch: Array) -> Pullback:
            focus = self.focus
            asked = targets if focus is None else [FocusedTarget(target=target, focus=focus) for target in targets]
            pullback = self._pullback(batch, asked, wrt, rules)
            self._check_outputs(pullback.outputs, len(batch))
            return pullback if focus is None else replace(pullback, outputs={SCORES: focus.read(pullback.outputs)})

        parts = list(self._in_batches(x, checked))
        join: dict[str, Any] = {
            "outputs": {k: np.concatenate([p.outputs[k] for p in parts])[: len(x)] for k in parts[0].outputs},
            "values": {k: np.concatenate([p.values[k] for p in parts])[: len(x)] for k in wrt},
            "gradients": {k: np.concatenate([p.gradients[k] for p in parts], axis=1)[:, : len(x)] for k in wrt},
        }
        return Pullback(**join, ruled=parts[0].ruled)

    def close(self) -> None:  # noqa: B027 - most adapters hold nothing that needs releasing
        """Release what the model holds. The model must not be used afterwards."""

    # --- built on it, once -----------------------------------------------------------------------------------

    @property
    def preprocessing(self) -> Preprocessing:
        """The declared preprocessing."""
        if self.hooks.preprocessing is None:
            raise ModelOutputError("This model declares no preprocessing.", "Set it, or override preprocess().")
        return self.hooks.preprocessing

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the network's input, or of each frame of it."""
        return self.facts.input_shape

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Shape of what the network reads of one picture: `input_shape`, behind the number of frames for clips."""
        return self.input_shape if self.facts.frames is None else (self.facts.frames, *self.input_shape)

    @property
    def digest(self) -> str:
        """Digest of everything that decides what the model answers: network, hooks, preprocessing, labels, head."""
        declared = self.hooks.preprocessing.model_dump_json() if self.hooks.preprocessing else ""
        parts = (
            self.origin(),
            declared,
            "\0".join(self.labels),
            self.head,
            self.facts.units,
            self.hooks.source_digest,
        )
        return hashlib.sha256("\1".join(parts).encode()).hexdigest()

    @property
    def whole(self) -> Model:
        """The model without a focus: its outputs are the masks or boxes themselves."""
        return self._whole or self

    def focused(self, focus: Focus) -> Self:
        """Return the same network as it answers about one part of a picture: its scores are those of the focus.

        Everything is shared with this model; nothing is opened again.
        """
        view = copy.copy(self)
        view.focus, view._whole = focus, self.whole
        view.labels = focus.labels
        view.binary = False
        view.facts = replace(self.facts, columns=len(focus.labels))
        return view

    def origin(self) -> str:
        """Digest of the network as it is now; adapters of live objects hash the parameters again."""
        return self.facts.origin

    def outputs(self, x: Array) -> dict[str, Array]:
        """Return what the network really returns, by name, for a batch of any size.

        Raises:
            ModelFailedError: The network raised.
            ModelOutputError: The scores are not finite.
            OutOfMemoryError: Not even one picture fits.
        """
        if not len(x):
            return {SCORES: np.zeros((0, self.facts.columns), np.float32)}

        def checked(batch: Array) -> dict[str, Array]:
            outputs = self._outputs(batch)
            self._check_outputs(outputs, len(batch))
            return outputs if self.focus is None else {SCORES: self.focus.read(outputs)}

        parts = list(self._in_batches(x, checked))
        return {name: np.concatenate([part[name] for part in parts])[: len(x)] for name in parts[0]}

    def predict(self, x: Array) -> Array:
        """Return class scores (n, classes): logits, or what `facts.units` says.

        Raises:
            NotSupportedError: The network answers for pixels or boxes, and was not asked about one part.
        """
        if self.facts.task is not Task.CLASSIFICATION and self.focus is None:
            raise NotSupportedError(
                f"A network of {self.facts.task} has no class scores of the whole picture.",
                "Use explain(), which asks about a region or a box, or outputs().",
            )
        return self.class_scores(self.outputs(x))

    def class_scores(self, outputs: Mapping[str, Array]) -> Array:
        """Return scores by class (n, classes) from the network's outputs (n, columns)."""
        scores = outputs[SCORES]
        return np.concatenate([-scores, scores], axis=1) if self.binary and len(self.labels) == 2 else scores

    def probabilities(self, scores: Array) -> Array:
        """Turn class scores (..., classes) into probabilities."""
        if self.focus is not None:
            return self.focus.probabilities(scores, self.head)
        return to_probabilities(scores, self.head)

    def predict_patched(
        self,
        x: Array,
        boxes: NDArray[np.int64],
        contents: Array,
        progress: Progress = _nothing,
    ) -> Array:
        """Return the class scores of the picture with each box replaced, one at a time.

        Args:
            x: One picture, float32 (1, h, w, c), or clip, (1, frames, h, w, c).
            boxes: int (m, 4): top, left, height, width in pixels of the input, inside the picture; in all frames of
                a clip. Or int (m, 6) for a part of a clip: first frame and number of frames before these four.
            contents: (h, w, c), from which each box takes what lies there; or (m, height, width, c), one content
                for each box, boxes of equal size. With the frames before the height for a clip.
            progress: Called after each batch with (done, m).

        Returns:
            float32 (m, classes).
        """
        if not len(boxes):
            return np.zeros((0, len(self.labels)), np.float32)
        rows: list[Array] = []
        start = 0
        progress(0, len(boxes))
        while start < len(boxes):
            stop = min(start + self.batch_size, len(boxes))
            batch = np.repeat(x, stop - start, axis=0)
            for row, index in enumerate(range(start, stop)):
                place = clips.place_of(boxes[index])
                batch[row][place] = contents[place] if contents.ndim == x.ndim - 1 else contents[index]
            rows.append(self.predict(batch))
            start = stop
            progress(start, len(boxes))
        return np.concatenate(rows)

    def target(self, target: int | str | Target) -> Target:
        """Turn an index, a label or "a - b" into a Target.

        Raises:
            TargetError: There is no such class, or a detector found nothing of it.
        """
        if self.focus is not None and isinstance(target, str):
            target = self.focus.label(target)
            if target in self.whole.labels and target not in self.labels:
                raise TargetError(
                    f"No '{target}' was found in this picture.", "Draw a box where it should have been found (at=...)."
                )
        return make_target(target, self.labels, self.facts.columns)

    def top_targets(self, scores: Array, count: int) -> list[Target]:
        """Return the targets of the best classes of one picture's scores (classes,), best first."""
        if count < 1:
            raise TargetError(f"top must be at least 1. Got {count}.")
        if self.focus is not None:
            found = self.focus.predictions
            sure = [prediction for prediction in found if prediction.probability >= self.focus.least] or found[:1]
            return [self.target(prediction.index) for prediction in sure[:count]]
        best = np.argsort(-scores, kind="stable")[:count]
        return [self.target(int(index)) for index in best]

    def default_layer(self) -> Layer | None:
        """Return the layer that class activation maps use: the last with space from which the answer takes anything.

        Found by tracing: what runs after the last attention of a vision transformer still has a token for each
        patch, but only the class token goes on.
        """
        spatial = [layer for layer in self.layers() if layer.spatial]
        if self.facts.task is Task.CLASSIFICATION and not any(layer.grid for layer in spatial):
            return spatial[-1] if spatial else None
        names = tuple(layer.name for layer in spatial)
        if self._default is None or self._default[0] != names:
            self._default = names, last_heard(self, spatial)
        return self._default[1]

    def check_input(self, x: Array, count: int) -> None:
        """Refuse an input of the wrong shape or with numbers that are not finite."""
        leading = (count,) if self.facts.frames is None else (count, self.facts.frames)
        if x.ndim != len(leading) + 3 or x.shape[: len(leading)] != leading or not x.size:
            axes = ", ".join(map(str, leading))
            raise ModelOutputError(f"The network's input must be ({axes}, height, width, channels). Got {x.shape}.")
        if not np.isfinite(x).all():
            raise ModelOutputError("Preprocessing gave NaN or infinite values.", "Check scale, mean and std.")

    def _check_outputs(self, outputs: Mapping[str, Array], count: int) -> None:
        """Refuse outputs of a shape that this model does not have, or with numbers that are not finite."""
        scores = outputs.get(SCORES)
        if scores is not None and (scores.ndim != 2 or len(scores) != count):
            raise ModelOutputError(
                f"The network returned scores of shape {scores.shape}; a classifier returns ({count}, classes).",
                "Override load() in a model file so that it returns class scores.",
            )
        for values in outputs.values():
            if not np.isfinite(values).all():
                kind = "NaN" if np.isnan(values).any() else "infinite"
                raise ModelOutputError(
                    f"The model returned {kind} scores.", "Check the weights and the preprocessing of this model."
                )

    @classmethod
    @contextmanager
    def running(cls, what: str = "The model") -> Iterator[None]:
        """Turn what the user's code raises into one of Picasso's errors."""
        try:
            yield
        except PicassoError:
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, Exception) and cls.is_out_of_memory(error):
                raise OutOfMemoryError(
                    "The device's memory does not suffice.", "Use a smaller batch or another device."
                ) from error
            lines = str(error).strip().splitlines()
            said = lines[0].rstrip(".") if lines else "no message"
            raise ModelFailedError(
                f"{what} raised {type(error).__name__}: {said}.",
                "Run it outside Picasso to see the whole traceback.",
            ) from error

    @classmethod
    def is_out_of_memory(cls, error: Exception) -> bool:
        """Say whether an error means that the device's memory did not suffice."""
        return isinstance(error, MemoryError)

    def _in_batches(self, x: Array, run: Callable[[Array], T]) -> Iterator[T]:
        """Run batches one after another; a batch is halved on out-of-memory, and padded where its size is fixed."""
        start = 0
        while start < len(x):
            count = min(self.facts.fixed_batch or self.batch_size, len(x) - start)
            # A copy: what the user's code does to its input in place must not reach the sample.
            batch = x[start : start + count].copy()
            if self.facts.fixed_batch and count < self.facts.fixed_batch:
                batch = np.concatenate([batch, np.repeat(batch[-1:], self.facts.fixed_batch - count, axis=0)])
            try:
                with self.running():
                    result = run(batch)
            except OutOfMemoryError:
                if count == 1 or self.facts.fixed_batch:
                    raise
                self.batch_size = max(1, count // 2)
                continue
            yield result
            start += count

    def _bind_labels(self) -> tuple[str, ...]:
        columns = self.facts.columns
        classes = 2 if self.binary else columns
        if not self.hooks.labels:
            return number_labels(classes)
        labels = label_files.read_labels(self.hooks.labels)
        labels, note = label_files.fit_labels(labels, 1 if self.binary and len(labels) == 1 else classes)
        if note:
            self.facts = replace(self.facts, notes=(*self.facts.notes, note))
        return labels

    def name_classes(self, labels: Sequence[str], note: str) -> None:
        """Give names to classes that had numbers only; the note says where they come from."""
        self.labels = self.hooks.labels = tuple(labels)
        self.facts = replace(self.facts, notes=(*self.facts.notes, note))


def as_view(x: Array) -> NDArray[np.uint8]:
    """Show an input of unknown scaling as a picture, or a clip as pictures: its range stretched to 0..255."""
    low, high = float(x.min()), float(x.max())
    grey = np.round((x - low) * (255.0 / (high - low or 1.0))).astype(np.uint8)
    return np.ascontiguousarray(grey[..., :3] if grey.shape[-1] >= 3 else np.repeat(grey[..., :1], 3, axis=-1))
