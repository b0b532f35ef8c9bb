"""Pictures of known classes, as a network reads them: what losses and accuracies are measured on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from picasso.core.dataset import Dataset, Example, match_classes, read_dataset
from picasso.core.errors import DatasetError, NotFoundError, NotSupportedError, PictureError
from picasso.core.facts import Task
from picasso.core.images import Picture
from picasso.core.model import Model
from picasso.core.preprocessing import Array

Report = Callable[[int, int], None]
"""Called with what is done and the total; it may raise CanceledError."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures with their classes.

    Args:
        x: What the network reads, float32 (n, h, w, c).
        classes: The model's number of the class of each, int (n,).
        names: What the data set calls the classes, by the model's number, in the order of the data set.
        examples: Where each lies in the data set.
        digests: Of the pictures, in their order.
        left_out: How many pictures could not be read.
        total: How many the data set has.
    """

    x: Array
    classes: NDArray[np.int64]
    names: dict[int, str]
    examples: tuple[Example, ...]
    digests: tuple[str, ...]
    left_out: int
    total: int
    _dataset: Dataset

    def __len__(self) -> int:
        return len(self.x)

    def picture(self, number: int) -> Picture:
        """Return one of the pictures as it lies in the data set."""
        return self._dataset.picture(self.examples[number])

    def accuracy(self, scores: Array) -> float:
        """Return the share of pictures whose highest score is that of their class, 0..1.

        Args:
            scores: (n, classes).
        """
        return float(np.mean(scores.argmax(axis=1) == self.classes))

    def accuracy_by_class(self, scores: Array) -> dict[str, float]:
        """Return the accuracy of the pictures of each class, by its name."""
        right = scores.argmax(axis=1) == self.classes
        return {name: float(np.mean(right[self.classes == place])) for place, name in self.names.items()}


def labelled(model: Model, source: str, most: int, report: Report) -> Labelled:
    """Read pictures of a data set whose classes are the model's.

    Args:
        model: A classifier, whose preprocessing reads them.
        source: A data set with classes: a folder of folders, a table, "demo:tanks".
        most: How many at most, evenly over the classes and the data set.
        report: Called before each picture.

    Raises:
        NotSupportedError: The model answers for pixels or boxes.
        NotFoundError: There is no such data set, or none of its pictures can be read.
        DatasetError: A class is none of the model's.
    """
    if model.facts.task is not Task.CLASSIFICATION:
        raise NotSupportedError(
            f"A network of {model.facts.task} has no class of the whole picture.", "Leave the album out."
        )
    dataset = _read(source)
    places = match_classes(dataset.classes, model.labels)
    chosen = _evenly(dataset, most)
    rows: list[Array] = []
    classes: list[int] = []
    read: list[Example] = []
    digests: list[str] = []
    for number, example in enumerate(chosen):
        report(number, len(chosen))
        try:
            picture: Picture = dataset.picture(example)
            rows.append(model.prepare(picture).x)
        except PictureError:
            continue
        classes.append(places[example.label])
        read.append(example)
        digests.append(picture.digest)
    if not rows:
        raise NotFoundError(f"'{source}' holds no picture that the network can read.", "Give another data set.")
    present = set(classes)
    names = {place: name for name, place in places.items() if place in present}
    return Labelled(
        x=np.concatenate(rows),
        classes=np.array(classes, np.int64),
        names=names,
        examples=tuple(read),
        digests=tuple(digests),
        left_out=len(chosen) - len(rows),
        total=len(dataset),
        _dataset=dataset,
    )


def _read(source: str) -> Dataset:
    try:
        return read_dataset(source)
    except DatasetError as error:
        raise NotFoundError(
            f"'{source}' is no data set with classes: {error.message}", "Give a folder with one folder for each class."
        ) from error


def _evenly(dataset: Dataset, most: int) -> Sequence[Example]:
    """Return examples of all classes in turn, of each at even distances."""
    by_class: dict[str, list[Example]] = {name: [] for name in dataset.classes}
    for example in dataset.examples:
        by_class[example.label].append(example)
    share = -(-most // max(1, len(by_class)))
    spread = [
        [examples[number * len(examples) // share] for number in range(share)] if len(examples) > share else examples
        for examples in by_class.values()
    ]
    turns = chain.from_iterable(zip_longest(*spread))
    return [example for example in turns if example is not None][:most]
