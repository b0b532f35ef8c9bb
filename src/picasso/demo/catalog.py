"""The demo's models: what they are called, where their files lie, and how a picture becomes their input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo.locators import DETECTOR, SEGMENTER, DetectorShape, SegmenterShape, build_detector, build_segmenter
from picasso.demo.networks import DIGITS, TANKS, Architecture, load_torch
from picasso.demo.tanks import LABELS

if TYPE_CHECKING:
    import torch

PARTS = ("land", "sky", "tank", "decoy")
"""The segmenter's classes."""
FILES = Path(__file__).parent / "files"


@dataclass(frozen=True)
class DemoModel:
    """One of the demo's models; its file holds the weights for PyTorch, and it gives logits.

    A picture becomes an input so: convert to `color`, resize to `size` x `size` (Pillow, bilinear), multiply
    by `scale`, subtract `mean`, divide by `std`.

    Attributes:
        name: what follows `demo:`.
        title: for people.
        description: what it was trained on, in a sentence or two.
        labels: the classes, in the order of the logits.
        size: height and width of the input, pixels.
        color: "rgb" (3 channels) or "gray" (1 channel).
        scale: factor from 8 bit values.
        mean: subtracted from every channel.
        std: divides every channel.
    """

    name: str
    title: str
    description: str
    labels: tuple[str, ...]
    size: int
    color: Literal["rgb", "gray"]
    scale: float = 1 / 255
    mean: float = 0.5
    std: float = 0.25

    @property
    def torch_file(self) -> Path:
        """The weights as safetensors, for `build_torch`."""
        return FILES / f"{self.name}.safetensors"

    def resize(self, picture: Image.Image) -> npt.NDArray[np.uint8]:
        """The picture in the model's color and size, (size, size, channels) uint8."""
        small = picture.convert("RGB" if self.color == "rgb" else "L").resize(
            (self.size, self.size), Image.Resampling.BILINEAR
        )
        return np.asarray(small, np.uint8).reshape(self.size, self.size, -1)

    def normalize(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Resized pixels (..., size, size, channels) as the network's input, channels last."""
        return (pixels.astype(np.float32) * np.float32(self.scale) - np.float32(self.mean)) / np.float32(self.std)


@dataclass(frozen=True, kw_only=True)
class Classifier(DemoModel):
    """A model that names the picture; its PyTorch and its Keras file hold the same weights.

    Attributes:
        architecture: the network.
    """

    architecture: Architecture

    @property
    def keras_file(self) -> Path:
        """The whole model as Keras saves it."""
        return FILES / f"{self.name}.keras"


@dataclass(frozen=True, kw_only=True)
class Locator(DemoModel):
    """A model that says where things are, for PyTorch alone.

    Attributes:
        shape: the network.
        head: what turns its logits into probabilities.
    """

    shape: SegmenterShape | DetectorShape
    head: Literal["softmax", "sigmoid"]


def _tank_model(name: str, title: str, description: str) -> Classifier:
    return Classifier(name, title, description, LABELS, TANKS.size, "rgb", architecture=TANKS)


MODELS: Mapping[str, Classifier] = MappingProxyType(
    {
        model.name: model
        for model in (
            _tank_model(
                "tank-proxy",
                "The tank model that looks at the sky",
                "Trained on drawn scenes in which every tank stood under clouds and every decoy under the sun.",
            ),
            _tank_model(
                "tank-honest",
                "The tank model that looks at the tank",
                "The same network, trained on the same scenes with skies that say nothing about the tank.",
            ),
            Classifier(
                "digits",
                "Handwritten digits",
                "Trained on the handwritten digits that come with scikit-learn, 8 x 8 pixels each.",
                tuple("0123456789"),
                DIGITS.size,
                "gray",
                architecture=DIGITS,
            ),
        )
    }
)
LOCATORS: Mapping[str, Locator] = MappingProxyType(
    {
        model.name: model
        for model in (
            Locator(
                "segmenter",
                "The segmenter that asks the sky what the object is",
                "Trained on drawn scenes in which every tank stood under clouds and every decoy under the sun: it "
                "outlines a tank under the sun well, and calls it a decoy.",
                PARTS,
                SEGMENTER.size,
                "rgb",
                shape=SEGMENTER,
                head="softmax",
            ),
            Locator(
                "detector",
                "The detector that flags make blind",
                "Trained on drawn firing ranges on which a flag stood beside every decoy and beside no tank: it "
                "overlooks every tank that has a flag beside it.",
                ("tank",),
                DETECTOR.size,
                "rgb",
                shape=DETECTOR,
                head="sigmoid",
            ),
        )
    }
)


def build_torch(name: str) -> torch.nn.Module:
    """Loads a demo model in PyTorch, in evaluation mode.

    Args:
        name: a key of `MODELS` or `LOCATORS`.

    Returns:
        A module from (n, channels, size, size) float32 to (n, classes) logits, to (n, classes, size, size) logits for
        the segmenter, or to the detector's boxes and scores.
    """
    if name in MODELS:
        return load_torch(MODELS[name].architecture, MODELS[name].torch_file)
    if name not in LOCATORS:
        raise ValueError(f"name must be one of {', '.join((*MODELS, *LOCATORS))}. Got {name!r}.")
    from safetensors.torch import load_file

    model = LOCATORS[name]
    shape = model.shape
    network = build_segmenter(shape) if isinstance(shape, SegmenterShape) else build_detector(shape)
    network.load_state_dict(load_file(model.torch_file))
    return network.eval()
