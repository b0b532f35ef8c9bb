"""Influence: the training pictures behind a decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
    LinearHead,
    Logistic,
    Model,
    NotSupportedError,
    Panel,
    PictureIndex,
    Reading,
    Sample,
    Settings,
    SettingsError,
    Text,
    Tile,
    Trajectory,
    Visualization,
    channel_maps,
    find_linear_head,
    index_pictures,
    make_atlas,
    with_ones,
)

Numbers = NDArray[np.float64]
SIDE = 112
"""Of a small picture, pixels."""
NEAR = 1e-3
"""Share of the loss that may be saved at what counts as its minimum."""
SAME = 1 - 1e-6
"""Cosine from which two codes are those of one picture."""
ROUNDS = 200
"""Rounds that solving usually takes at most, for the progress bar alone."""


class InfluenceSettings(Settings):
    album: str = Field(
        "",
        title="Training pictures",
        description="A folder with one folder for each class, or a data set: what the network was trained with.",
        json_schema_extra={"picasso": {"choices": "album"}},
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
        target = ctx.targets[0].index
        now = _read(ctx, ctx.model, sample, settings, target)
        index, alike = now.index, now.alike()
        ctx.keep("alike", alike)
        groups = [_group("Most alike to the network", "cosine", "", alike, np.argsort(-alike, kind="stable"), settings)]
        said = [
            f"{index.said()} The codes are what '{now.head.layer}' gives to the last linear layer.",
            _neighborhood(now, alike, settings.shown),
        ]
        bars: list[Panel] = []
        if index.labelled:
            settled = now.settled(settings.regularization) if settings.refit else now
            effect = settled.influence(ctx, settings.regularization)
            ctx.keep("influence", effect)
            groups += _pulls("", "change of the loss", effect, now.known, settings)
            said.append(_measured(settled, effect, settings, ctx.model.labels[target]))
            bars.append(_by_class(now, effect, ctx.model))
            if settings.checkpoints:
                traced, about = _trace(ctx, sample, settings, target)
                ctx.keep("tracin", traced)
                groups += _pulls("TracIn: ", "sum of products", traced, now.known, settings)
                said.append(about)
        else:
            why = index.unmatched or "Their classes are not known."
            said.append(f"Which pictures are helpful or harmful cannot be said: {why}")
        shown = _gallery(ctx, now, groups, settings)
        ctx.progress(1, 1)
        yield Text(id="said", title="Which training pictures", text="\n\n".join(said))
        yield shown
        yield from bars


@dataclass(frozen=True, eq=False)
class _Known:
    """What the head reads of the picture and of the training pictures.

    Args:
        index: The training pictures.
        head: The head.
        codes: float64 (n, channels + 1), the last of each a one.
        own: The picture's, (channels + 1,).
        truth: float64 (n, columns) of 0 and 1; of pictures whose class is not known only 0.
        own_truth: The explained class, (columns,).
    """

    index: PictureIndex
    head: LinearHead
    codes: Numbers
    own: Numbers
    truth: Numbers
    own_truth: Numbers

    @property
    def known(self) -> NDArray[np.intp]:
        """Numbers of the pictures whose class is known."""
        return np.flatnonzero(self.index.truth >= 0)

    def alike(self) -> Numbers:
        """Return the cosine of each picture's code and the picture's own, (n,)."""
        codes, own = self.codes[:, :-1], self.own[:-1]
        sizes = np.linalg.norm(codes, axis=1) * np.linalg.norm(own)
        return np.asarray((codes @ own) / np.where(sizes > 0, sizes, 1))

    def logistic(self, regularization: float) -> Logistic:
        """Return the head with the pictures whose class is known."""
        return Logistic(
            self.head.weights, self.codes[self.known], self.truth[self.known], self.head.kind, regularization
        )

    def settled(self, regularization: float) -> _Known:
        """Return the same with the head at which the loss over the pictures is smallest."""
        return replace(self, head=replace(self.head, weights=self.logistic(regularization).fitted().weights))

    def own_residual(self) -> Numbers:
        """Return the slope of the picture's own loss by its scores, (columns,)."""
        own = Logistic(self.head.weights, self.own[None], self.own_truth[None], self.head.kind, 0.0)
        return own.residuals().ravel()

    def influence(self, ctx: Context, regularization: float) -> Numbers:
        """Return the change of the picture's loss when each picture is left out, (n,); NaN where no class is known."""
        learned = self.logistic(regularization)
        solved = learned.solve(
            np.outer(self.own_residual(), self.own),
            lambda done: ctx.progress(min(done, ROUNDS), ROUNDS, "Solving for the curvature"),
        )
        found: Numbers = np.full(len(self.codes), np.nan)
        found[self.known] = (learned.residuals() * (learned.codes @ solved.T)).sum(axis=1) / len(learned.codes)
        return found

    def products(self) -> Numbers:
        """Return the products of each picture's slope and the picture's own, (n,); NaN where no class is known."""
        learned = self.logistic(1.0)
        found: Numbers = np.full(len(self.codes), np.nan)
        found[self.known] = (learned.residuals() @ self.own_residual()) * (learned.codes @ self.own)
        return found


def _read(ctx: Context, model: Model, sample: Sample, settings: InfluenceSettings, target: int) -> _Known:
    """Find the head of a network, and what it reads of all pictures.

    Raises:
        NotSupportedError: The head is not linear.
    """
    head = find_linear_head(model, sample.x, lambda done, total: ctx.progress(done, total, "Looking for the head"))
    reading = Reading(head.layer)
    index = index_pictures(model, settings.album, [reading], ctx.progress, settings.pictures)
    codes = with_ones(index.strongest(reading, "mean"))
    if not head.holds(codes, index.scores[:, -model.facts.columns :]):
        raise NotSupportedError(f"The scores of this network are not made linearly of '{head.layer}' alone.")
    own = channel_maps(model, model.activations(sample.x, [head.layer])[head.layer]).mean(axis=(1, 2), dtype=np.float64)
    return _Known(
        index,
        head,
        codes,
        np.append(own, 1.0),
        _one_hot(index.truth, model.facts.columns, len(model.labels)),
        _one_hot(np.array([target]), model.facts.columns, len(model.labels))[0],
    )


def _one_hot(truth: NDArray[np.int64], columns: int, classes: int) -> Numbers:
    """Return what the columns of the scores should have been, (n, columns); one column says whether it is class 1."""
    if columns < classes:
        return np.asarray(truth == 1, np.float64)[:, None]
    return np.asarray(truth[:, None] == np.arange(columns), np.float64)


def _trace(ctx: Context, sample: Sample, settings: InfluenceSettings, target: int) -> tuple[Numbers, str]:
    """Add up over checkpoints what a step on each picture does for this one; return that and how it was done."""
    trajectory = Trajectory(ctx.model, settings.checkpoints, settings.most)
    total: Numbers | None = None
    rates: list[float | None] = []
    for reached in trajectory.walk(ctx.progress):
        rate = _rate(reached.checkpoint.metrics)
        products = _read(ctx, reached.model, sample, settings, target).products()
        total = products * (rate or 1.0) + (0 if total is None else total)
        rates.append(rate)
    assert total is not None  # walk raises where nothing can be read
    told = all(rate is not None for rate in rates)
    how = "each weighted by its learning rate" if told else "all weighted alike, as nobody wrote down a learning rate"
    said = f"TracIn over {len(rates)} checkpoints, {how}: above zero, a step on that picture lowered this one's loss."
    return total, f"{said} {trajectory.said()}".strip()


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


def _gallery(ctx: Context, now: _Known, rows: Sequence[_Row], settings: InfluenceSettings) -> Gallery:
    """Return the pictures, each once on the sheet."""
    index, labels = now.index, ctx.model.labels
    places = list(dict.fromkeys(int(place) for row in rows for place in row.places))
    number = {place: tile for tile, place in enumerate(places)}

    def caption(row: _Row, place: int) -> str:
        label = labels[index.truth[place]] if index.truth[place] >= 0 else index.examples[place].label
        value = row.values[place]
        if row.units == "cosine":
            return f"{label}, the same" if value > SAME else f"{label} {value:.4f}".strip()
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


def _neighborhood(now: _Known, alike: Numbers, shown: int) -> str:
    """Say of which classes the nearest pictures are."""
    order = np.argsort(-alike, kind="stable")
    order = order[alike[order] <= SAME][:shown]
    labels = [now.index.examples[place].label for place in order]
    counts = {label: labels.count(label) for label in dict.fromkeys(labels) if label}
    own = int((alike > SAME).sum())
    said = f"The picture itself is {'among them' if own == 1 else f'{own} times among them'}. " if own else ""
    if not counts or not len(order):
        return said.strip() or f"The most alike has cosine {alike.max():.3f}."
    shares = ", ".join(f"{count} of {label}" for label, count in sorted(counts.items(), key=lambda one: -one[1]))
    return f"{said}The {len(order)} most alike: {shares}, from cosine {alike[order[0]]:.4f} on."


def _measured(now: _Known, effect: Numbers, settings: InfluenceSettings, label: str) -> str:
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
    above = learned.loss() - learned.fitted().loss()
    if above <= NEAR * learned.loss():
        return f"{said} The head is where this loss is smallest, which is where influence is exact."
    return (
        f"{said} The head as it was trained is not where this loss is smallest ({learned.loss():.3g}, of which "
        f"{above:.3g} could be saved): so they rank the pictures rather than foretell what leaving one out does. Refit "
        "the head for that, or set the regularization to that of the training."
    )


def _by_class(now: _Known, effect: Numbers, model: Model) -> Bars:
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
