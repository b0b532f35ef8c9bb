"""Influence: the training pictures behind a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    MOST_PICTURES,
    Bars,
    Capability,
    Context,
    Family,
    Gallery,
    Group,
    HeadCodes,
    Model,
    ModelFailedError,
    ModelOutputError,
    NotFoundError,
    NotSupportedError,
    Panel,
    Sample,
    Settings,
    SettingsError,
    Text,
    Tile,
    Trajectory,
    Visualization,
    make_atlas,
    one_class,
    read_head_codes,
)

Numbers = NDArray[np.float64]
SIDE = 112
"""Of a small picture, pixels."""
NEAR = 1e-3
"""Share of the loss that may be saved at what counts as its minimum."""


class InfluenceSettings(Settings):
    album: str = Field(
        "",
        title="Training pictures",
        description="A folder with one folder for each class, or a data set: what the network was trained with.",
        json_schema_extra={"picasso": {"choices": "album", "required": True}},
    )
    pictures: int = Field(
        MOST_PICTURES,
        ge=2,
        le=1_000_000,
        title="Pictures",
        description="So many of them are looked at at most, at even distances.",
    )
    shown: int = Field(8, ge=1, le=64, title="Shown", description="How many pictures are shown of each kind.")
    regularization: float = Field(
        0.01,
        gt=0,
        le=1e6,
        title="Regularization",
        description="Weight decay with which the head was trained. More makes influences smaller and steadier.",
    )
    refit: bool = Field(
        False,
        title="Refit the head",
        description="Whether the head is first brought to where its loss over these pictures is smallest: there "
        "influence is exact. Off: the head as it is.",
    )
    checkpoints: str = Field(
        "",
        title="Checkpoints",
        description="A folder of what was saved during the training: TracIn then adds up, over these, what a step on "
        "each training picture did for this one. Left empty: no TracIn.",
        json_schema_extra={"picasso": {"choices": "checkpoints"}},
    )
    most: int = Field(
        5, ge=1, le=100, title="Checkpoints opened", description="At most; the training pictures are run through each."
    )


class Influence(Visualization[InfluenceSettings]):
    """Which training pictures are behind a decision: the most alike, the helpful and the harmful ones."""

    name = "influence"
    title = "Training pictures"
    family = Family.FEATURES
    references = (
        "Koh and Liang 2017, arXiv:1703.04730",
        "Pruthi et al. 2020, arXiv:2002.08484",
    )
    formula = (
        "influence_i = 1/n g(picture)^T H^-1 g(i), the change of the picture's loss when i is left out, g the slope "
        "and H the curvature of the loss by the head's weights;   TracIn_i = sum over checkpoints of rate g(picture)^T "
        "g(i);   alike_i = cosine of the codes"
    )
    pitfalls = (
        "Only the last linear layer is asked: what a picture did to the layers before it does not count.",
        "The nearest pictures are near for the network, which may take two alike that have only their sky in common.",
        "Influence is exact for a small change of a picture's weight, where the head's loss is as small as it gets. A "
        "head that was stopped before is taken as it is.",
        "A harmful picture need not be mislabelled: it may be the exception from which something was learned.",
    )
    needs = frozenset({Capability.ACTIVATIONS, Capability.GRADIENTS})

    def run(self, ctx: Context, sample: Sample, settings: InfluenceSettings) -> Iterator[Panel]:
        if not settings.album:
            raise SettingsError(
                "album must name the pictures that the network was trained with. Got none.",
                "Give a folder with one folder for each class, or a data set.",
            )
        if ctx.model.focus is not None:
            raise NotSupportedError("Training pictures are found for a class of the whole picture.", "Explain a class.")
        target = one_class(ctx.targets[0], "target")
        now = read_head_codes(ctx.model, sample.x, target, settings.album, settings.pictures, ctx.progress)
        index, alike = now.index, now.alike()
        ctx.keep("alike", alike)
        groups = [_group("Most alike to the network", "cosine", "", alike, np.argsort(-alike, kind="stable"), settings)]
        said = [
            f"{index.said()} The codes are what '{now.head.layer}' gives to the last linear layer.",
            _neighborhood(now, alike, settings.shown),
        ]
        bars: list[Panel] = []
        if index.labelled:
            settled = now.settled(settings.regularization, ctx.progress) if settings.refit else now
            effect = settled.influence(settings.regularization, ctx.progress)
            ctx.keep("influence", effect)
            groups += _pulls("", "change of the loss", effect, now.known, settings)
            said.append(_measured(ctx, settled, effect, settings, ctx.model.labels[target]))
            bars.append(_by_class(now, effect, ctx.model))
            if settings.checkpoints:
                traced = _trace(ctx, sample, settings, target, now)
                if traced.values is not None:
                    ctx.keep("tracin", traced.values)
                    groups += _pulls("TracIn: ", "sum of products", traced.values, now.known, settings)
                said.append(traced.said)
        else:
            why = index.unmatched or "Their classes are not known."
            said.append(f"Which pictures are helpful or harmful cannot be said: {why}")
        shown = _gallery(ctx, now, groups, settings)
        ctx.progress(1, 1)
        yield Text(id="said", title="Which training pictures", text="\n\n".join(said))
        yield shown
        yield from bars


@dataclass(frozen=True, eq=False)
class _Traced:
    """What TracIn found, (n,), NaN of what it does not know, None where it found nothing; and how it was done."""

    values: Numbers | None
    said: str


def _trace(ctx: Context, sample: Sample, settings: InfluenceSettings, target: int, now: HeadCodes) -> _Traced:
    """Add up over checkpoints what a step on each picture does for this one."""
    trajectory = Trajectory(ctx.model, settings.checkpoints, settings.most)
    steps: list[tuple[float | None, Numbers]] = []
    refused: list[str] = []
    for reached in trajectory.walk(ctx.progress):
        try:
            then = read_head_codes(
                reached.model, sample.x, target, settings.album, settings.pictures, ctx.progress, now.head.layer
            )
        except (ModelFailedError, ModelOutputError, NotFoundError, NotSupportedError) as error:
            refused.append(f"{reached.checkpoint.label}: {error.message}")
            continue
        steps.append((_rate(reached.checkpoint.metrics), _joined(now.index.keys, then)))
    parts = [_weighing([rate for rate, _ in steps])]
    total: Numbers | None = None
    if steps:
        bare = all(rate is None for rate, _ in steps)
        weighted = [row * (1.0 if rate is None else rate) for rate, row in steps if bare or rate is not None]
        total = np.sum(weighted, axis=0)
        if lost := int(np.isnan(total[now.known]).sum()):
            parts.append(f"Pictures without TracIn, as not every checkpoint could read them: {lost}.")
    if refused:
        parts.append(f"Checkpoints at which the head could not be read are left out: {len(refused)}. {refused[0]}")
    return _Traced(total, " ".join(filter(None, [*parts, trajectory.said()])))


def _weighing(rates: Sequence[float | None]) -> str:
    """Say over which checkpoints TracIn is, and how each counts."""
    if not rates:
        return "TracIn cannot be said: at no checkpoint could the head be read."
    told = sum(rate is not None for rate in rates)
    count = told or len(rates)
    how = "each weighted by its learning rate" if told else "all weighted alike, as nobody wrote down a learning rate"
    over = f"TracIn over {count} checkpoint{'' if count == 1 else 's'}, {how}"
    left = f" Those without a learning rate are left out: {len(rates) - told}." if 0 < told < len(rates) else ""
    return f"{over}: above zero, a step on that picture lowered this one's loss.{left}"


def _joined(keys: Sequence[str], then: HeadCodes) -> Numbers:
    """Return a checkpoint's products of the pictures under some keys, (n,); NaN of those that it could not read."""
    found = dict(zip(then.index.keys, then.products(), strict=True))
    return np.array([found.get(key, np.nan) for key in keys])


def _rate(metrics: Mapping[str, float]) -> float | None:
    """Return the learning rate that was written down beside a checkpoint."""
    return next((metrics[name] for name in ("learning_rate", "lr", "rate") if name in metrics), None)


@dataclass(frozen=True, eq=False)
class _Row:
    """Pictures that are shown together, with what is said of each."""

    title: str
    units: str
    caption: str
    values: Numbers
    places: NDArray[np.intp]


def _group(
    title: str, units: str, caption: str, values: Numbers, order: NDArray[np.intp], settings: InfluenceSettings
) -> _Row:
    return _Row(title, units, caption, values, order[: settings.shown])


def _pulls(what: str, units: str, values: Numbers, known: NDArray[np.intp], settings: InfluenceSettings) -> list[_Row]:
    """Return the pictures that speak the most for the decision, and those that speak against it."""
    order = known[np.argsort(-values[known], kind="stable")]
    helpful, harmful = order[values[order] > 0], order[values[order] < 0][::-1]
    return [
        _group(f"{what}Helpful", units, "Without them the network would be less sure.", values, helpful, settings),
        _group(f"{what}Harmful", units, "Without them it would be surer.", values, harmful, settings),
    ]


def _gallery(ctx: Context, now: HeadCodes, rows: Sequence[_Row], settings: InfluenceSettings) -> Gallery:
    """Return the pictures, each once on the sheet."""
    index, labels = now.index, ctx.model.labels
    places = list(dict.fromkeys(int(place) for row in rows for place in row.places))
    number, same = {place: tile for tile, place in enumerate(places)}, now.same

    def caption(row: _Row, place: int) -> str:
        label = labels[index.truth[place]] if index.truth[place] >= 0 else index.examples[place].label
        value = row.values[place]
        if row.units == "cosine":
            return f"{label}, the same".removeprefix(", ") if same[place] else f"{label} {value:.4f}".strip()
        return f"{label} {value:+.2g}".strip()

    return Gallery(
        id="pictures",
        title="Training pictures",
        caption="Cosine: 1 for the same code. Change of the loss: of this picture, when that one is left out.",
        groups=tuple(
            Group(
                f"{row.title} ({row.units})",
                tuple(Tile(number[place], caption(row, place), index.names[place]) for place in map(int, row.places)),
                row.caption if len(row.places) else "There is none.",
            )
            for row in rows
        ),
        atlas=make_atlas(index.views(places, ctx.progress), len(places), SIDE),
        album=settings.album,
    )


def _neighborhood(now: HeadCodes, alike: Numbers, shown: int) -> str:
    """Say of which classes the nearest pictures are."""
    order = np.argsort(-alike, kind="stable")
    order = order[~now.same[order]][:shown]
    labels = [now.index.examples[place].label for place in order]
    counts = {label: labels.count(label) for label in dict.fromkeys(labels) if label}
    own = int(now.same.sum())
    said = f"The picture itself is {'among them' if own == 1 else f'{own} times among them'}. " if own else ""
    if not counts or not len(order):
        return said.strip() or f"The most alike has cosine {alike.max():.3f}."
    shares = ", ".join(f"{count} of {label}" for label, count in sorted(counts.items(), key=lambda one: -one[1]))
    return f"{said}The {len(order)} most alike: {shares}, from cosine {alike[order[0]]:.4f} on."


def _measured(ctx: Context, now: HeadCodes, effect: Numbers, settings: InfluenceSettings, label: str) -> str:
    """Say what the influences are, and how far the head is from where they are exact."""
    learned = now.logistic(settings.regularization)
    scores = now.head.scores(learned.codes)
    one = scores.shape[1] == 1
    right = (scores > 0)[:, 0] == (learned.truth > 0)[:, 0] if one else scores.argmax(1) == learned.truth.argmax(1)
    whose = "the refitted head's" if settings.refit else "the head's"
    said = (
        f"Influence on the loss of '{label}', by the curvature of {whose} loss over {len(learned.codes):,} pictures, "
        f"{right.mean():.1%} of them right, with regularization {settings.regularization:g}. It goes from "
        f"{np.nanmin(effect):+.2g} to {np.nanmax(effect):+.2g}."
    )
    lowest = now.lowest(settings.regularization, ctx.progress)
    if lowest is None:
        return (
            f"{said} Where this loss is smallest could not be found, so that nobody knows how exact they are. "
            "Raise the regularization."
        )
    above = learned.loss() - lowest
    if above <= NEAR * learned.loss():
        return f"{said} The head is where this loss is smallest, which is where influence is exact."
    return (
        f"{said} The head as it was trained is not where this loss is smallest ({learned.loss():.3g}, of which "
        f"{above:.3g} could be saved): so they rank the pictures rather than foretell what leaving one out does. Refit "
        "the head for that, or set the regularization to that of the training."
    )


def _by_class(now: HeadCodes, effect: Numbers, model: Model) -> Bars:
    """Return what the pictures of each class do together."""
    truth = now.index.truth
    classes = [int(number) for number in np.unique(truth[truth >= 0])]
    sums = {number: float(effect[truth == number].sum()) for number in classes}
    order = sorted(classes, key=lambda number: -abs(sums[number]))[:20]
    return Bars(
        id="classes",
        title="The pictures of each class together",
        caption="Change of this picture's loss for all of them, added up; above zero they speak for the decision.",
        labels=tuple(model.labels[number] for number in order),
        values=tuple(sums[number] for number in order),
        units="change of the loss",
    )
