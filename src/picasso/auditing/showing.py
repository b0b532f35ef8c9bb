"""The pairs of pictures that show a finding, and the pictures that a finding is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.donors import Donors
from picasso.auditing.effects import Table
from picasso.auditing.experiment import Experiment, Question
from picasso.auditing.findings import Effect, Pair, PictureFinding
from picasso.core.hooks import Head
from picasso.core.pictures import render
from picasso.core.result import file_labels, safe_name

OF_NAMED = 4
OF_OTHERS = 2
MOST_OTHERS = 8
"""Pairs that are shown: of the property that is named, of the others that count, and how many of these."""


def pairs_of(
    experiment: Experiment,
    effects: Sequence[tuple[int, Effect]],
    table: Table,
    base: NDArray[np.float64],
    donors: Mapping[int, Donors],
) -> Iterator[Pair]:
    """Yield the pairs that show each of some effects best: right before, wrong after, and by the widest swing.

    Args:
        experiment: The experiment.
        effects: Numbers of questions with their effects, the one that is named first.
        table: What was measured.
        base: Margin of each picture as it is, (pictures,).
        donors: Of every picture.
    """
    for place, (number, _) in enumerate(effects[: 1 + MOST_OTHERS]):
        swing = base - table.margin[number, :, 0, 1]
        swing[(base <= 0) | ~np.isfinite(swing)] = -np.inf
        if not np.isfinite(swing).any():  # it could be made of no picture that is answered rightly
            continue
        # Those that turn first.
        turned = table.margin[number, :, 0, 1] <= 0
        swing[turned] += 2 * np.nanmax(np.abs(base)) + np.nanmax(np.abs(table.margin[number])) + 1
        best = [int(one) for one in np.argsort(-swing, kind="stable") if np.isfinite(swing[one])]
        for picture in _over_classes(best, experiment.gallery.labels, OF_OTHERS if place else OF_NAMED):
            if (pair := _pair(experiment, number, picture, donors[picture])) is not None:
                yield pair


def _over_classes(best: Sequence[int], labels: Sequence[int], count: int) -> list[int]:
    """Return the first `count` of some pictures, but of each class in turn."""
    queues: dict[int, list[int]] = {}
    for one in best:
        queues.setdefault(labels[one], []).append(one)
    chosen: list[int] = []
    while len(chosen) < count and any(queues.values()):
        for queue in queues.values():
            if queue and len(chosen) < count:
                chosen.append(queue.pop(0))
    return chosen


def _pair(experiment: Experiment, number: int, picture: int, donors: Donors) -> Pair | None:
    question, seen = experiment.questions[number], experiment.gallery.seen(picture)
    made = experiment.made(picture, question, donors)
    if made is None:
        return None
    source, _, after = made
    scores = experiment.model.predict(experiment.gallery.eye.read([seen.view, after]))
    before_chances, after_chances = chances(experiment, scores)
    name = experiment.gallery.examples[source].name
    return Pair(seen.name, name, seen.label, question.what.name, seen.view, after, (before_chances, after_chances))


def chances(experiment: Experiment, scores: NDArray[np.float32]) -> list[tuple[float, ...]]:
    """Return the probabilities of the audit's classes, of scores (n, columns of the model)."""
    model = experiment.model
    # A head of plain scores has no probabilities; among the classes that are audited, softmax makes comparable shares.
    found = model.probabilities(scores)[:, experiment.columns]
    if model.head is Head.NONE:
        wide = np.exp(found - found.max(axis=1, keepdims=True))
        found = wide / wide.sum(axis=1, keepdims=True)
    return [tuple(float(value) for value in row) for row in found]


def pictures_of(
    number: int,
    table: Table,
    pictures: Sequence[int],
    experiment: Experiment,
    answers: NDArray[np.int64],
    scale: float,
) -> tuple[PictureFinding, ...]:
    """Return what one property does to every picture, what moves most first.

    A picture that the model answers wrongly as it is flips in no case: there is no right answer to lose.
    """
    found = []
    for picture in pictures:
        margins = table.margin[number, picture]
        sham, treated = margins[~np.isnan(margins).any(axis=1)].T
        label, answer = experiment.gallery.labels[picture], int(answers[picture])
        turned = bool(len(sham) and ((sham > 0) & (treated <= 0)).mean() >= 0.5)
        found.append(
            PictureFinding(
                name=experiment.gallery.examples[picture].name,
                label=label,
                answer=answer,
                moved=float((sham - treated).mean()) / scale if len(sham) else None,
                flips=turned and answer == label,
            )
        )
    return tuple(sorted(found, key=lambda one: -np.inf if one.moved is None else -one.moved))


def write_counterfactuals(
    experiment: Experiment,
    question: Question,
    pictures: Sequence[int],
    donors: Mapping[int, Donors],
    classes: Sequence[str],
    folder: Path,
) -> None:
    """Write pictures with one property taken from another class, each under its own class: to train on.

    They lie at `<class>/<picture>.<property>.png`, in the size that the model sees.

    Args:
        experiment: The experiment.
        question: The property.
        pictures: Their numbers.
        donors: Of every picture.
        classes: Names of the classes.
        folder: Made if it does not exist.
    """
    labels = file_labels(classes)
    names = file_labels([str(PurePath(experiment.gallery.examples[one].name).with_suffix("")) for one in pictures])
    for picture, name in zip(pictures, names, strict=True):
        if (made := experiment.made(picture, question, donors[picture])) is not None:
            place = folder / labels[experiment.gallery.labels[picture]] / f"{name}.{safe_name(question.what.name)}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(render.png(render.to_image(made[2])))
