"""Pictures from which something is learned: the user's own, or random waves where there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from picasso.core.dataset import read_dataset
from picasso.core.errors import DatasetError, NotFoundError, PictureError
from picasso.core.even_choice import evenly_chosen
from picasso.core.facts import Sample
from picasso.core.model import Model
from picasso.core.pictures.images import SUFFIXES, Picture, read_picture
from picasso.core.preprocessing import Array
from picasso.core.synthesis.eight_bit import EightBit, eight_bit
from picasso.core.synthesis.parametrization import FourierParameters

Numbers = NDArray[np.float64]
Report = Callable[[int, int], None]
"""Called with what is done and the total; it may raise CanceledError."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """A picture of an album.

    Args:
        x: What the network reads of it, float32 (1, h, w, c).
        picture: The same in 0..1, (h, w, c).
        movable: Which of its numbers depend on the picture at all, bool (h, w, c): bars that padding adds do not.
    """

    x: Array
    picture: Numbers
    movable: NDArray[np.bool_]


def album(
    model: Model,
    scale: EightBit,
    source: str,
    most: int,
    random: np.random.Generator,
    report: Report,
    without: str = "",
) -> Iterator[Leaf]:
    """Give pictures as the network reads them, and as they are.

    Args:
        model: The model, whose preprocessing reads them.
        scale: What the levels 0..255 are to the network.
        source: A folder of pictures, also in folders within, or a data set: "demo:tanks". "" for random waves of
            decorrelated colors, as strong as in photographs.
        most: How many at most; of more, so many at even distances.
        random: Where the waves come from.
        report: Called before each picture.
        without: Digest of a picture that is left out: the one that is looked at must not have been learned from.

    Raises:
        NotFoundError: There is no such folder or data set, or fewer than two of its files are pictures.
    """
    if not source:
        yield from _drawn(scale, most, random, report)
        return
    count = 0
    pictures, total = _found(source, most)
    for number, picture in enumerate(pictures):
        report(number, total)
        if picture is None or picture.digest == without:
            continue
        try:
            sample: Sample = model.prepare(picture)
        except PictureError:
            continue
        count += 1
        own = eight_bit(model, sample)
        yield Leaf(sample.x, own.levels / 255, own.movable)
    if count < 2:
        raise NotFoundError(f"'{source}' holds fewer than two pictures that the network can read.", "Give more.")


def _drawn(scale: EightBit, most: int, random: np.random.Generator, report: Report) -> Iterator[Leaf]:
    height, width, channels = scale.x.shape
    waves = FourierParameters((height, width, channels), scale.colors, scale.reverse)
    for number in range(most):
        report(number, most)
        made = np.round(255 * waves.picture(waves.start(random, 1.0)))
        x = scale.read(made)
        yield Leaf(x[None], np.where(scale.movable, made, 0) / 255, scale.movable)


def _found(source: str, most: int) -> tuple[Iterator[Picture | None], int]:
    """Return the pictures of a folder or data set, None for what is none, and how many files that are."""
    folder = Path(source).expanduser()
    if folder.is_dir():
        files = evenly_chosen([file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES], most)
        return (_read(lambda file=file: read_picture(file)) for file in files), len(files)  # type: ignore[misc]
    try:
        dataset = read_dataset(source)
    except DatasetError as error:
        raise NotFoundError(f"There is no folder or data set '{source}'.", "Give a folder of pictures.") from error
    examples = evenly_chosen(list(dataset.examples), most)
    return (_read(lambda one=one: dataset.picture(one)) for one in examples), len(examples)  # type: ignore[misc]


def _read(read: Callable[[], Picture]) -> Picture | None:
    try:
        return read()
    except PictureError:
        return None
