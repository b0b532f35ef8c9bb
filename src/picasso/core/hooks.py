"""The three hooks of a user's own model, and the class in which they are overridden."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ModelFileError
from picasso.core.preprocessing import Array, Preprocessing


class Head(StrEnum):
    """What turns the network's scores into probabilities."""

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    NONE = "none"


@dataclass(frozen=True)
class Prediction:
    """A class and its probability (0..1; the raw score where the head is `none`)."""

    index: int
    label: str
    probability: float


class ModelFile:
    """What a user's own model file holds: how to load the network, and hooks where the defaults do not fit.

    Subclass it in a file of your own, and give Picasso `my_model.py:TankDetector`. Set the attributes, or override
    the hooks; everything not set is found out.

    Attributes:
        labels: One label for each class, or the path of a file that holds them, or None.
        preprocessing: How a picture becomes the network's input, or None.
        head: What turns scores into probabilities, or None to find out.
        boxes: For a detector, what the four numbers of a box are: "xyxy", "xywh" or "cxcywh", with "-normalized"
            where they lie in 0..1; or None to find out.
        frames: For a network of clips, how many frames it reads, where its input does not say; or None to find out.
        source_digest: Digest of the file that holds the class, set when it is opened.
    """

    labels: Sequence[str] | str | None = None
    preprocessing: Preprocessing | None = None
    head: Head | str | None = None
    boxes: str | None = None
    frames: int | None = None
    source_digest: str = ""

    def load(self) -> object:
        """Return the network: a path, a live module or model, or a callable on float32 (n, h, w, c) arrays."""
        raise ModelFileError(f"{type(self).__name__} must override load().")

    def preprocess(self, pictures: Sequence[NDArray[np.uint8]]) -> Array:
        """Turn pictures, uint8 (h, w, 3) RGB of any size, into the network's input, float32 (n, h, w, c)."""
        assert self.preprocessing is not None, "bound by the model before its first use"
        return self.preprocessing.apply_all(pictures)

    def postprocess(self, activation: Array) -> Array:
        """Lay an activation back out as an image.

        Args:
            activation: (n, ...) as the layer returned it, channels last.

        Returns:
            (n, height, width, channels), for clips also (n, frames, height, width, channels); by default the
            activation itself.
        """
        return activation

    def decode_prob(self, scores: Array) -> list[list[Prediction]]:
        """Turn class scores (n, classes) into labelled probabilities, best first, one list for each picture."""
        values = to_probabilities(scores, Head(self.head or Head.SOFTMAX))
        names = self.labels if self.labels and not isinstance(self.labels, str) else number_labels(values.shape[1])
        return [
            [Prediction(int(i), names[int(i)], float(row[i])) for i in np.argsort(-row, kind="stable")]
            for row in values
        ]


def number_labels(count: int) -> tuple[str, ...]:
    """Return the names of classes that have none."""
    return tuple(f"class {i}" for i in range(count))


def to_probabilities(scores: Array, head: Head) -> Array:
    """Apply a head to scores (..., classes): softmax over the classes, sigmoid for each, or nothing."""
    if head is Head.NONE:
        return scores
    wide = scores.astype(np.float64)
    if head is Head.SIGMOID:
        small = np.exp(-np.abs(wide))
        return np.where(wide >= 0, 1 / (1 + small), small / (1 + small)).astype(np.float32)
    wide = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(wide / wide.sum(axis=-1, keepdims=True), dtype=np.float32)
