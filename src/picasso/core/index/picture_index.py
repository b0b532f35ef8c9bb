"""An index that is there: pictures with their classes and scores, and what is known of a layer's channels in each."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.dataset import Dataset, Example, Skipped
from picasso.core.index.reading import Reading
from picasso.core.index.shelf import Shelf
from picasso.core.preprocessing import Array

Report = Callable[[int, int, str], None]
"""Called with what is done, the total and a message; it may raise CanceledError: what was kept stays."""
_EVERY = 64
"""Small pictures from one report to the next."""


@dataclass(frozen=True, eq=False)
class PictureIndex:
    """What a model makes of the pictures of a data set.

    Args:
        dataset: The data set, or a folder of pictures without classes.
        examples: Those of its pictures that could be read, in its order. All that follows has a row for each.
        truth: int64 (n,): number of the model's class that each is of; -1 where that is not known.
        unmatched: Why the data set's classes are not the model's, one sentence; "" where they are, or there are none.
        unreadable: Pictures that could not be read, and why.
        shelf: Where the numbers are kept.
        keys: Of the examples there.
    """

    dataset: Dataset
    examples: tuple[Example, ...]
    truth: NDArray[np.int64]
    unmatched: str
    unreadable: tuple[Skipped, ...]
    shelf: Shelf
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.examples)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The pictures' places in the data set: "tank/0001.png"."""
        return tuple(example.name for example in self.examples)

    @cached_property
    def scores(self) -> Array:
        """Class scores, float32 (n, classes); of a model that has none (n, 0)."""
        return self.shelf.column(self.keys, "scores")

    @cached_property
    def properties(self) -> Array:
        """What is measured of each picture, float32 (n, len(PROPERTIES))."""
        return self.shelf.column(self.keys, "properties")

    @property
    def labelled(self) -> bool:
        """Whether the model's class is known of any picture."""
        return bool((self.truth >= 0).any())

    def strongest(self, reading: Reading, field: str, channel: int | None = None) -> NDArray[Any]:
        """Return a field of `Strongest` for every picture and channel, (n, channels).

        Args:
            reading: One of those that the index was made with.
            field: "largest", "largest_at", "smallest", "smallest_at" or "mean".
            channel: The only one that is wanted, and the array is (n,); None for all.
        """
        found = self.shelf.strongest(self.keys, reading, field, channel)
        return found if channel is None else found[:, 0]

    def shape(self, reading: Reading) -> tuple[int, int]:
        """Return the rows and columns of a reading's maps; (1, 1) for a vector."""
        return self.shelf.shape(self.keys[0], reading)

    def views(self, places: Sequence[int], report: Report | None = None) -> Iterator[NDArray[np.uint8]]:
        """Return what the model saw of some pictures, uint8 (h, w, 3), perhaps smaller than its input.

        Args:
            places: Which of them.
            report: Called now and then with how many were returned, and of how many; it may raise CanceledError. None
                for few pictures.
        """
        for done, file in enumerate(self.shelf.views([self.keys[place] for place in places])):
            if report is not None and done % _EVERY == 0:
                report(done, len(places), "Small pictures")
            yield np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))

    def said(self) -> str:
        """Say in one or two sentences what was looked at and what was left out."""
        words = f"{len(self):,} picture{'' if len(self) == 1 else 's'} of {self.dataset.name}"
        if len(self.dataset) > len(self) + len(self.unreadable):
            words += f", evenly chosen from {len(self.dataset):,}"
        if skipped := (*self.dataset.skipped, *self.unreadable):
            first = skipped[0]
            more = f" and {len(skipped) - 1:,} more" if len(skipped) > 1 else ""
            words += f"; left out: {first.name}{more} ({first.reason.rstrip('.')})"
        return f"{words}."
