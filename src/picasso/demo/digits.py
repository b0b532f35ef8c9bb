"""The handwritten digits that come with scikit-learn, as 8 bit pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo.catalog import DemoModel

_SPLIT_SEED = 5
_TEST_SHARE = 0.25


@dataclass(frozen=True)
class Split:
    """The digits as a model sees them, before normalization.

    Attributes:
        train_pixels: (n, size, size, 1) uint8.
        train_labels: (n,).
        test_pixels: (m, size, size, 1) uint8, never trained on.
        test_labels: (m,).
    """

    train_pixels: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.int64]
    test_pixels: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.int64]


def pictures() -> tuple[list[Image.Image], npt.NDArray[np.int64]]:
    """All 1797 digits, 8 x 8 gray, white on black, with their labels.

    References: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.rint(np.asarray(data.images) * 255 / 16).astype(np.uint8)
    return [Image.fromarray(p) for p in pixels], np.asarray(data.target, np.int64)


def held_out() -> npt.NDArray[np.int64]:
    """Indices into `pictures()` that are never trained on, in random order."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(1797)
    return np.asarray(order[: int(1797 * _TEST_SHARE)], np.int64)


def split(model: DemoModel) -> Split:
    """The digits resized for a model, one part to train on and one to test on."""
    drawn, labels = pictures()
    pixels = np.stack([model.resize(picture) for picture in drawn])
    test = np.zeros(len(labels), bool)
    test[held_out()] = True
    return Split(pixels[~test], labels[~test], pixels[test], labels[test])


def write_samples(folder: Path, each: int = 2) -> None:
    """Writes `each` held-out pictures of every digit as 8 x 8 PNGs named by digit and index."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn, labels = pictures()
    test = held_out()
    for digit in range(10):
        for index in test[labels[test] == digit][:each]:
            drawn[index].save(folder / f"{digit}-{index:04d}.png")
