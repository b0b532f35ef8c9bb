"""Pictures of known classes, as a network reads them: what losses and accuracies are measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from picasso.core.dataset import Dataset, Example, match_classes, read_dataset
from picasso.core.errors import DatasetError, NotFoundError, NotSupportedError, PictureError
from picasso.core.even_choice import evenly_chosen
from picasso.core.facts import Task
from picasso.core.learning.album import album
from picasso.core.model import Model
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array
from picasso.core.synthesis.dreaming import GreyCanvas

Report = Callable[[int, int], None]
"""Called with what is done and the total; it may raise CanceledError."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Pictures with their classes.

    Args:
        x: What the network reads, float32 (n, h, w, c).
        classes: The model's number of the class of each, int (n,).
        names: What the data set calls the classes, by the model's number, in the order of the data set.
        digests: Of the pictures, in their order.
        left_out: How many pictures could not be read.
        total: How many there are.
    """

    x: Array
    classes: NDArray[np.int64]
    names: dict[int, str]
    digests: tuple[str, ...]
    left_out: int
    total: int

    def __len__(self) -> int:
        return len(self.x)

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


@dataclass(frozen=True, eq=False)
class LabelledPictures(Labelled):
    """Pictures of a data set.

    Args:
        dataset: The data set.
        examples: Where each picture lies in it.
    """

    dataset: Dataset
    examples: tuple[Example, ...]

    def picture(self, number: int) -> Picture:
        """Return one of the pictures as it lies in the data set."""
        return self.dataset.picture(self.examples[number])


def labelled(model: Model, source: str, most: int, report: Report) -> LabelledPictures:
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
    x: Array | None = None
    classes: list[int] = []
    read: list[Example] = []
    digests: list[str] = []
    for number, example in enumerate(chosen):
        report(number, len(chosen))
        try:
            picture: Picture = dataset.picture(example)
            row = model.prepare(picture).x[0]
        except PictureError:
            continue
        x = np.empty((len(chosen), *row.shape), np.float32) if x is None else x
        x[len(read)] = row
        classes.append(places[example.label])
        read.append(example)
        digests.append(picture.digest)
    if x is None:
        raise NotFoundError(f"'{source}' holds no picture that the network can read.", "Give another data set.")
    present = set(classes)
    names = {place: name for name, place in places.items() if place in present}
    return LabelledPictures(
        x=x[: len(read)],
        classes=np.array(classes, np.int64),
        names=names,
        examples=tuple(read),
        digests=tuple(digests),
        left_out=len(chosen) - len(read),
        total=len(dataset),
        dataset=dataset,
    )


def labelled_by_itself(model: Model, count: int, random: np.random.Generator, report: Report) -> Labelled:
    """Draw random waves, as strong as in photographs, each of the class that the model itself sees in it.

    Args:
        model: A classifier.
        count: How many.
        random: Where the waves come from.
        report: Called before each picture.

    Raises:
        NotSupportedError: The model answers for pixels or boxes.
    """
    leaves = album(model, GreyCanvas(model).scale, "", count, random, report)
    x = np.concatenate([leaf.x for leaf in leaves])
    classes = model.predict(x).argmax(axis=1).astype(np.int64)
    return Labelled(
        x=x,
        classes=classes,
        names={int(place): model.labels[place] for place in np.unique(classes)},
        digests=tuple(hashlib.sha256(row.tobytes()).hexdigest() for row in x),
        left_out=0,
        total=count,
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
    turns = chain.from_iterable(zip_longest(*(evenly_chosen(examples, share) for examples in by_class.values())))
    return [example for example in turns if example is not None][:most]
