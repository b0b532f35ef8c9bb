"""Which pictures of a data set are audited, and in which order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from picasso.auditing.thresholds import LEAST_OF_CLASS, LEAST_PICTURES, RECOMMENDED_PICTURES
from picasso.core.dataset import Dataset, Example
from picasso.core.errors import DatasetError


@dataclass(frozen=True)
class Selection:
    """The pictures of an audit, in an order of which every beginning is drawn evenly over the classes.

    Args:
        examples: The pictures.
        labels: The class of each, a number from 0.
        classes: Names of the classes.
        masks: Whether it is known of every one of them where its object is, or that it has none.
        notes: What was left out, and why.
    """

    examples: tuple[Example, ...]
    labels: tuple[int, ...]
    classes: tuple[str, ...]
    masks: bool
    notes: tuple[str, ...]


def select(dataset: Dataset, known: Mapping[str, int], limit: int, seed: int) -> Selection:
    """Choose the pictures of an audit.

    Args:
        dataset: Where they come from.
        known: The data set's classes that the model knows.
        limit: How many at most.
        seed: Of what is drawn.

    Raises:
        DatasetError: There are too few pictures, or there is only one class.
    """
    masked = [example for example in dataset.examples if example.mask is not None or example.boxes]
    # A picture of which it is not known where its object is would count as nothing but background.
    each = Counter(example.label for example in masked if example.label in known)
    compared = sum(count >= LEAST_OF_CLASS for count in each.values()) >= 2
    masks = compared and len(masked) >= max(LEAST_PICTURES, len(dataset.examples) / 2)
    notes = []
    if masks and len(masked) < len(dataset.examples):
        notes.append(f"Left out for having no mask: {len(dataset.examples) - len(masked)} pictures.")
    elif masked and not masks:
        of = "" if compared else f", too few of all classes but {' and '.join(each)}"
        notes.append(f"Only {len(masked)} of {len(dataset.examples)} pictures have a mask{of}, so none is used.")
    by_class: dict[str, list[Example]] = {name: [] for name in dataset.classes if name in known}
    for example in masked if masks else dataset.examples:
        if example.label in by_class:
            by_class[example.label].append(example)
    if few := {name: len(found) for name, found in by_class.items() if len(found) < LEAST_OF_CLASS}:
        listed = ", ".join(f"{name} ({count})" for name, count in few.items())
        notes.append(f"Left out for having fewer than {LEAST_OF_CLASS} pictures: {listed}.")
    by_class = {name: found for name, found in by_class.items() if name not in few}
    count = sum(map(len, by_class.values()))
    if len(by_class) < 2:
        sizes = {name: len(found) for name, found in by_class.items()} | few
        listed = ", ".join(f"{name} ({size})" for name, size in sizes.items())
        raise DatasetError(
            f"An audit compares classes of at least {LEAST_OF_CLASS} pictures each, {LEAST_PICTURES} in all; "
            f"{dataset.name} has {listed}.",
            "Add pictures of another class." if len(sizes) < 2 else "Add pictures.",
        )
    require_pictures(min(count, limit))
    if limit < LEAST_OF_CLASS * len(by_class):
        raise DatasetError(
            f"{len(by_class)} classes of at least {LEAST_OF_CLASS} pictures are more than a limit of {limit}.",
            f"Raise it to {LEAST_OF_CLASS * len(by_class)}, or audit fewer classes.",
        )
    order: list[tuple[float, str, Example]] = []
    quotas = _quotas({name: len(found) for name, found in by_class.items()}, limit)
    for place, (name, found) in enumerate(by_class.items()):
        chosen = np.random.default_rng((seed, place)).permutation(len(found))[: quotas[name]]
        # Spread over 0..1, so that any beginning of the order holds each class in its share.
        order += [((rank + 0.5) / len(chosen), name, found[one]) for rank, one in enumerate(chosen)]
    order.sort(key=lambda item: item[0])
    if len(order) < count:
        notes.append(f"{len(order)} of {count} pictures were drawn, evenly over the classes; --limit takes more.")
    classes = tuple(by_class)
    return Selection(
        tuple(example for _, _, example in order),
        tuple(classes.index(name) for _, name, _ in order),
        classes,
        masks,
        tuple(notes),
    )


def spread(numbers: Sequence[int], labels: Sequence[int]) -> list[int]:
    """Return pictures in an order of which every beginning holds each class in its share, each class in its order.

    Args:
        numbers: The pictures.
        labels: The class of each picture by its number.
    """
    members: dict[int, list[int]] = {}
    for number in numbers:
        members.setdefault(labels[number], []).append(number)
    ranked = [
        ((rank + 0.5) / len(found), label, number)
        for label, found in members.items()
        for rank, number in enumerate(found)
    ]
    return [number for _, _, number in sorted(ranked)]


def require_pictures(count: int, copies: int = 0, unreadable: Sequence[str] = ()) -> None:
    """Refuse to audit too few pictures.

    Args:
        count: How many there are.
        copies: How many were left out beside them for looking like one of them.
        unreadable: Why others were left out, one sentence for each.

    Raises:
        DatasetError: There are too few.
    """
    if count < LEAST_PICTURES:
        left_out = f" without {copies} that are copies of others, or nearly so" if copies else ""
        lost = f" {len(unreadable)} could not be read, the first: {unreadable[0]}" if unreadable else ""
        raise DatasetError(
            f"An audit needs at least {LEAST_PICTURES} pictures that can be read; there would be {count}{left_out}. "
            f"With fewer it would miss what it is meant to find.{lost}",
            "Mend them, or add others."
            if unreadable
            else f"Add pictures, or raise the limit; {RECOMMENDED_PICTURES} are recommended.",
        )


def _quotas(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """Return how many pictures of each class are taken, so that there are `limit` together: as evenly as can be."""
    quotas, left = {}, limit
    for place, name in enumerate(sorted(sizes, key=sizes.__getitem__)):
        quotas[name] = min(sizes[name], left // (len(sizes) - place))
        left -= quotas[name]
    return quotas
