"""The user's side of a model: hooks, preprocessing, labels; and errors of the user's code as one of ours."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ModelFailedError, ModelOutputError, OutOfMemoryError, PicassoError
from picasso.core.facts import Facts, Layer, Sample, Task
from picasso.core.focus import Focus
from picasso.core.hooks import Head, ModelFile, Prediction, number_labels
from picasso.core.labels import reading as label_files
from picasso.core.pictures import clips
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array, Preprocessing


class Hooked(ABC):
    """What of a model belongs to its user: the three hooks, the preprocessing and the labels.

    Args:
        facts: What the adapter found out.
        hooks: The user's own choices and overrides; unset ones are filled in here.
        name: What to call the model.

    Raises:
        LabelsError: The labels cannot be read, or their number is not that of the classes.
    """

    def __init__(self, facts: Facts, hooks: ModelFile, name: str) -> None:
        self.facts = facts
        self.hooks = hooks
        self.name = name
        self.head = facts.head
        self.binary = facts.task is Task.CLASSIFICATION and facts.columns == 1 and facts.head is Head.SIGMOID
        self.labels = self._bind_labels()
        self.focus: Focus | None = None
        hooks.labels, hooks.head = self.labels, self.head

    @abstractmethod
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers in the order of execution."""

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
                the largest value that the picture has in each channel: black is the smallest, white the largest. What
                pads the picture stays as it is.
        """
        x: Array = sample.x[0]
        if sample.colors:
            x = self.preprocess([np.full_like(sample.picture.pixels, shade)])[0]
            return x
        shown = (..., *sample.shown, slice(None))
        low, high = (reduce(x[shown], axis=tuple(range(x.ndim - 1))) for reduce in (np.min, np.max))
        made = x.copy()
        made[shown] = low + (high - low) * np.float32(shade / 255)
        return made

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

    def check_input(self, x: Array, count: int) -> None:
        """Refuse an input of the wrong shape or with numbers that are not finite."""
        leading = (count,) if self.facts.frames is None else (count, self.facts.frames)
        if x.ndim != len(leading) + 3 or x.shape[: len(leading)] != leading or not x.size:
            axes = ", ".join(map(str, leading))
            raise ModelOutputError(f"The network's input must be ({axes}, height, width, channels). Got {x.shape}.")
        if not np.isfinite(x).all():
            raise ModelOutputError("Preprocessing gave NaN or infinite values.", "Check scale, mean and std.")

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
