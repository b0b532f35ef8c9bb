"""Errors: what a model takes for what, in which pictures, and how its accuracy hangs on what a picture looks like."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    PROPERTIES,
    Array,
    Bars,
    Capability,
    Context,
    Curve,
    DatasetError,
    FolderSettings,
    Line,
    Matrix,
    Model,
    ModelVisualization,
    NotFoundError,
    NotSupportedError,
    Panel,
    PictureIndex,
    Task,
    Text,
    index_pictures,
    make_atlas,
    match_classes,
    other_labels,
    share_interval,
)

MOST_CLASSES = 30
"""Rows of the matrix; of more classes those with the most errors are shown one by one."""
OTHERS = "all others"
TILE = 64
"""Side of a tile, pixels."""
BINS = 8
"""Parts of equal size into which pictures are divided by a property."""
LEAST = 5
"""Pictures of a part, below which its accuracy says nothing."""
MOST_VALUES = 20
"""Values of a column, above which it is no group of pictures."""


class ErrorsSettings(FolderSettings):
    against: str = Field(
        "",
        title="Against",
        description="Whose labels count as right: a column of the data set, or somebody who labelled pictures here. "
        "Left empty: the data set's own.",
    )


class Errors(ModelVisualization[ErrorsSettings]):
    """Which classes a model takes for which, in which pictures, where its accuracy falls, and what people say."""

    name = "errors"
    title = "Errors"
    references = (
        "Wilson 1927, doi:10.2307/2276774 (intervals)",
        "Cohen 1960, doi:10.1177/001316446002000104 (kappa)",
    )
    formula = "accuracy = right / pictures, with Wilson's 95 % interval;  kappa = (agreement - chance) / (1 - chance)"
    pitfalls = (
        "A label may be wrong: look at the pictures behind a cell before blaming the model.",
        "Accuracy that falls with a property need not fall because of it: dark pictures may be those of one class. The "
        "audit changes the property and nothing else.",
        "Of ten properties one seems to matter by chance: the intervals are those of each part by itself.",
    )
    needs = frozenset({Capability.PREDICT})

    def look(self, ctx: Context, settings: ErrorsSettings) -> Iterator[Panel]:
        model = ctx.model
        if model.facts.task is not Task.CLASSIFICATION or len(model.labels) < 2:
            raise NotSupportedError(
                "Errors are counted of classifiers with at least two classes.", "Give a model with class scores."
            )
        index = index_pictures(model, settings.album, (), ctx.progress, settings.pictures)
        ctx.progress(0, 1, "Counting")
        opinions = other_labels(index.dataset, settings.album)
        truth = _truth(model, index, opinions, settings.against)
        known = np.flatnonzero(truth >= 0)
        best = index.scores.argmax(axis=1)
        right = truth == best
        ctx.keep("truth", truth)
        ctx.keep("prediction", best)
        yield Text(id="said", title="Accuracy", text=_said(index, known, right, settings.against))
        yield _matrix(ctx, index, truth, best, known, settings)
        yield from _by_class(model, truth, right, known)
        yield from _by_property(index, right, known)
        yield from _by_column(index, right, known)
        if opinions:
            yield _agreement(model, index, opinions, best)
        ctx.progress(1, 1)


def _truth(
    model: Model, index: PictureIndex, opinions: Mapping[str, Mapping[str, str]], against: str
) -> NDArray[np.int64]:
    """Return the number of each picture's class by those whose labels count, -1 where they say nothing."""
    if not against:
        if not index.labelled:
            why = index.unmatched or " ".join(index.dataset.notes) or f"{index.dataset.name} has no classes."
            raise NotSupportedError(f"Errors need labels: {why}", "Give a data set whose classes the model knows.")
        return index.truth
    if against not in opinions:
        known = ", ".join(opinions) or "nobody else"
        raise NotFoundError(f"'{against}' labelled nothing in {index.dataset.name}.", f"Known: {known}.")
    found = _numbers(model, index.names, opinions[against])
    if (found < 0).all():
        raise NotFoundError(f"'{against}' labelled none of the {len(index):,} pictures that are looked at.")
    return found


def _numbers(model: Model, names: Sequence[str], said: Mapping[str, str]) -> NDArray[np.int64]:
    """Return what somebody said of pictures as numbers of the model's classes, -1 where nothing was said."""
    matched = match_classes(sorted(set(said.values())), model.labels)
    return np.array([matched[said[name]] if name in said else -1 for name in names], np.int64)


def _said(index: PictureIndex, known: NDArray[np.intp], right: NDArray[np.bool_], against: str) -> str:
    value, low, high = share_interval(int(right[known].sum()), len(known))
    whose = f"the labels of {against}" if against else "the labels"
    said = f"{value:.1%} of {len(known):,} pictures are as {whose} say (95 % interval {low:.1%} to {high:.1%}): "
    wrong = len(known) - int(right[known].sum())
    return f"{said}{wrong:,} error{'' if wrong == 1 else 's'}. {index.said()}"


def _matrix(
    ctx: Context,
    index: PictureIndex,
    truth: NDArray[np.int64],
    best: NDArray[np.int64],
    known: NDArray[np.intp],
    settings: ErrorsSettings,
) -> Matrix:
    model = ctx.model
    there = np.union1d(truth[known], best[known])
    words = [model.labels[number] for number in there]
    rows, columns = np.searchsorted(there, truth[known]), np.searchsorted(there, best[known])
    caption = "Of each cell's pictures those come first of which the model is surest."
    if len(there) > MOST_CLASSES:
        caption += f" Classes with fewer errors are put together: where '{OTHERS}' meet, some are right."
        wrong = rows != columns
        errors = np.bincount(rows[wrong], minlength=len(there)) + np.bincount(columns[wrong], minlength=len(there))
        shown = np.sort(np.argsort(-errors, kind="stable")[: MOST_CLASSES - 1])
        place = np.full(len(there), len(shown))
        place[shown] = range(len(shown))
        rows, columns, words = place[rows], place[columns], [*(words[number] for number in shown), OTHERS]
    sure = model.probabilities(index.scores[known]).max(axis=1)
    return Matrix(
        id="confusion",
        title="What it takes for what",
        caption=caption,
        rows=tuple(words),
        columns=tuple(words),
        row_title=f"label of {settings.against}" if settings.against else "label",
        column_title="prediction",
        places=np.stack([rows, columns], axis=1).astype(np.int32),
        values=sure.astype(np.float32),
        units="probability of the prediction" if model.head != "none" else "score of the prediction",
        names=tuple(index.names[number] for number in known),
        atlas=make_atlas(index.views([int(number) for number in known], ctx.progress), len(known), TILE),
        album=settings.album,
        labels=index.dataset.classes,
    )


def _by_class(
    model: Model, truth: NDArray[np.int64], right: NDArray[np.bool_], known: NDArray[np.intp]
) -> Iterator[Panel]:
    """Show the accuracy of each class, the worst first."""
    found = []
    for number in np.unique(truth[known]):
        of_class = known[truth[known] == number]
        found.append((share_interval(int(right[of_class].sum()), len(of_class)), model.labels[number], len(of_class)))
    if len(found) > 1:
        yield _bars("classes", "Accuracy by class", sorted(found, key=lambda one: one[0])[:MOST_CLASSES])


def _bars(id_: str, title: str, found: Sequence[tuple[tuple[float, float, float], str, int]]) -> Bars:
    return Bars(
        id=id_,
        title=title,
        caption="Behind each name its 95 % interval and its pictures.",
        labels=tuple(f"{word} ({low:.0%} to {high:.0%}, {count:,})" for (_, low, high), word, count in found),
        values=tuple(value for (value, _, _), _, _ in found),
        units="share that is right",
        maximum=1.0,
    )


@dataclass(frozen=True)
class _Part:
    """Pictures that are alike in a property."""

    middle: float
    accuracy: tuple[float, float, float]


def _by_property(index: PictureIndex, right: NDArray[np.bool_], known: NDArray[np.intp]) -> Iterator[Panel]:
    """Show accuracy against each property of the pictures, those first on which it hangs most."""
    curves: list[tuple[float, Curve]] = []
    for place, one in enumerate(PROPERTIES):
        values: Array = index.properties[known, place]
        parts = _parts(values, right[known])
        if len(parts) < 2:
            continue
        accuracies = [part.accuracy for part in parts]
        apart = max(low for _, low, _ in accuracies) - min(high for _, _, high in accuracies)
        said = "The intervals of some parts lie apart." if apart > 0 else "No two intervals lie apart."
        names = ("accuracy", "95 % interval, low end", "95 % interval, high end")
        curves.append(
            (
                -apart,
                Curve(
                    id=one.name.replace(" ", "-"),
                    title=f"Accuracy by {one.name}",
                    caption=f"{len(parts)} parts of about equal size. {said}",
                    x=tuple(part.middle for part in parts),
                    lines=tuple(
                        Line(name, tuple(part.accuracy[end] for part in parts)) for end, name in enumerate(names)
                    ),
                    x_title=f"{one.name}: {one.units}",
                    y_title="share that is right",
                    limits=(0.0, 1.0),
                ),
            )
        )
    yield from (curve for _, curve in sorted(curves, key=lambda one: one[0]))


def _parts(values: Array, right: NDArray[np.bool_]) -> list[_Part]:
    """Divide pictures into parts by a property; none where it hardly varies or is not known."""
    there = np.isfinite(values)
    values, right = values[there].astype(np.float64), right[there]
    bins = min(BINS, len(values) // LEAST)
    if bins < 2:
        return []
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)))
    which = np.clip(np.searchsorted(edges, values, "right") - 1, 0, max(0, len(edges) - 2))
    parts = []
    for number in np.unique(which):
        inside = which == number
        if inside.sum() >= LEAST:
            accuracy = share_interval(int(right[inside].sum()), int(inside.sum()))
            parts.append(_Part(float(values[inside].mean()), accuracy))
    return parts


def _by_column(index: PictureIndex, right: NDArray[np.bool_], known: NDArray[np.intp]) -> Iterator[Panel]:
    """Show the accuracy of pictures by what the data set says of them: site, scanner."""
    names = dict.fromkeys(name for one in known for name in index.examples[one].columns)
    for number, name in enumerate(names):
        values = np.array([index.examples[one].columns.get(name, "") for one in known])
        there = [value for value in np.unique(values) if value]
        if not 2 <= len(there) <= MOST_VALUES:
            continue
        found = [
            (share_interval(int(right[known[values == value]].sum()), int((values == value).sum())), str(value),
             int((values == value).sum()))
            for value in there
        ]  # fmt: skip
        yield _bars(f"column-{number}", f"Accuracy by {name}", sorted(found, key=lambda one: one[0]))


def _agreement(
    model: Model, index: PictureIndex, opinions: Mapping[str, Mapping[str, str]], best: NDArray[np.int64]
) -> Bars:
    """Show how far model, labels and people agree, two by two."""
    voices = [("model", best)] + ([("labels", index.truth)] if index.labelled else [])
    for who, said in opinions.items():
        try:
            voices.append((who, _numbers(model, index.names, said)))
        except DatasetError:  # labels that the model does not know
            continue
    found = []
    for (a, by_a), (b, by_b) in combinations(voices, 2):
        both = (by_a >= 0) & (by_b >= 0)
        one, other = by_a[both], by_b[both]
        if len(one):
            share = share_interval(int((one == other).sum()), len(one))
            kappa = cohen_kappa(one, other)
            words = "no kappa" if math.isnan(kappa) else f"kappa {kappa:.2f}"
            found.append((share, f"{a} and {b}, {words}", len(one)))
    return Bars(
        id="agreement",
        title="Who agrees with whom",
        caption="Behind each pair its 95 % interval and the pictures that both labelled. kappa: 1 for agreement, 0 for "
        "what chance would give, none where both know one class alone.",
        labels=tuple(f"{word} ({low:.0%} to {high:.0%}, {count:,})" for (_, low, high), word, count in found),
        values=tuple(value for (value, _, _), _, _ in found),
        units="share on which they agree",
        maximum=1.0,
    )


def cohen_kappa(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Return Cohen's kappa of two labellings (n,); NaN where chance alone makes them agree everywhere."""
    classes = np.union1d(one, other)
    chance = float(sum((one == k).mean() * (other == k).mean() for k in classes))
    return ((one == other).mean() - chance) / (1 - chance) if chance < 1 else float("nan")
