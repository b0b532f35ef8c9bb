"""Concept activation: whether a class depends on what a folder of pictures shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    MOST_PICTURES,
    Bars,
    Capability,
    ConceptSpace,
    Context,
    Finding,
    Gallery,
    Group,
    ModelVisualization,
    NotFoundError,
    Panel,
    PictureIndex,
    Reading,
    Settings,
    SettingsError,
    Text,
    Tile,
    chance,
    channel_maps,
    class_pictures,
    evenly_chosen,
    holm,
    index_pictures,
    make_atlas,
    read_layers,
)

Numbers = NDArray[np.float64]
SIDE = 112
"""Of a small picture, pixels."""
DEPTH = 0.75
"""Where the layer lies that is looked at by default, 1 for the last through which everything flows."""
LEAST = 5
"""Pictures of a concept at least."""
ALPHA = 0.05
"""Chance of taking any concept that is none for one that matters."""
TOLD = 0.7
"""Accuracy below which a vector hardly tells its concept from random pictures; 0.5 is guessing."""
RANDOM = 2000
"""Random pictures at most, as products of all pairs of pictures are held."""
SHOWN = 8
"""Pictures that are shown of each concept."""


class ConceptActivationSettings(Settings):
    album: str = Field(
        "",
        title="Pictures",
        description="A folder of pictures, or a data set, in which the class is seen.",
        json_schema_extra={"picasso": {"choices": "album", "required": True}},
    )
    concepts: str = Field(
        "",
        title="Concepts",
        description="A folder with one folder for each concept, or with the pictures of one.",
        json_schema_extra={"picasso": {"choices": "album", "required": True}},
    )
    counterexamples: str = Field(
        "",
        title="Random pictures",
        description="From which a concept is told: a folder of pictures of anything, or a data set. Left empty: those "
        "under Pictures.",
        json_schema_extra={"picasso": {"choices": "album"}},
    )
    of: str = Field(
        "",
        title="Class",
        description="Whose score. Left empty: the class of the most pictures.",
        json_schema_extra={"picasso": {"choices": "classes"}},
    )
    layer: str = Field(
        "",
        title="Layer",
        description="In which concepts are looked for, by the mean of each channel. Left empty: one at three quarters "
        "of the depth.",
        json_schema_extra={"picasso": {"choices": "layers"}},
    )
    examples: int = Field(
        50, ge=LEAST, le=1000, title="Examples", description="Pictures of each concept at most; all get as many."
    )
    pictures: int = Field(
        64, ge=1, le=2000, title="Pictures of the class", description="Whose score is followed, at most."
    )
    runs: int = Field(
        10, ge=2, le=100, title="Runs", description="Vectors of each concept, from pictures that are drawn anew."
    )
    randoms: int = Field(
        99,
        ge=19,
        le=2000,
        title="Random concepts",
        description="Concepts of random pictures, with which each is compared; more where there are many concepts.",
    )


class ConceptActivation(ModelVisualization[ConceptActivationSettings]):
    """Whether a class depends on concepts that you show it by example, tested against random pictures."""

    name = "concept-activation"
    title = "Concepts that you name"
    references = ("Kim et al. 2018, TCAV, arXiv:1711.11279",)
    formula = (
        "v = the direction that tells pictures of the concept from random ones;   TCAV = share of the pictures of the "
        "class with d score / d layer . v > 0;   effect = mean of d score / d layer . v, times how far the concept "
        "lies beyond random pictures along v"
    )
    pitfalls = (
        "A concept is what its pictures have in common, which may be the light or the sky and not what you mean.",
        "A score near 0 or 1 alone says little: at the last layers every direction has one, and none can be "
        "significant there. Look at earlier ones, too.",
        "Not significant does not mean that the class does not depend on it: with few pictures little can be seen.",
        "Where the accuracy is near a half, the layer does not tell the concept, and its direction means nothing.",
    )
    needs = frozenset({Capability.ACTIVATIONS, Capability.GRADIENTS})

    def look(self, ctx: Context, settings: ConceptActivationSettings) -> Iterator[Panel]:
        if not settings.album:
            raise SettingsError(
                "album must name pictures in which the class is seen. Got none.", "Give a folder, or a data set."
            )
        if not settings.concepts:
            raise SettingsError(
                "concepts must name a folder with one folder of pictures for each concept. Got none.",
                "Give one: stripes, dots, clouds.",
            )
        model = ctx.model
        (layer,) = read_layers(model, settings.layer, (DEPTH,))[:1]
        read = _Read.of(ctx, layer, settings)
        label, places = class_pictures(model, read.album, settings.of, settings.pictures, by_truth=True)
        gradients = _gradients(ctx, read.album, places, layer, label)
        space = ConceptSpace(read.codes, gradients)
        random = np.random.default_rng(ctx.seed)
        nulls = max(settings.randoms, 2 * int(np.ceil(len(read.concepts) / ALPHA)) - 1)
        steps = nulls + 1
        found = {name: space.find(one, read.others, settings.runs, random) for name, one in read.concepts.items()}
        beside = space.find_random(
            read.others, read.size, settings.runs, nulls, random,
            lambda done: ctx.progress(done, steps, f"Random concept {done + 1} of {nulls}"),
        )  # fmt: skip
        corrected = holm([chance(finding, beside) for finding in found.values()])
        middle = float(np.mean([one.score for one in beside]))
        told = {name: _Told(finding, p, middle) for (name, finding), p in zip(found.items(), corrected, strict=True)}
        ctx.keep("tcav", np.array([[vector.score for vector in one.vectors] for one in found.values()]))
        ctx.keep("effect", np.array([one.effect for one in found.values()]))
        ctx.keep("accuracy", np.array([one.accuracy for one in found.values()]))
        ctx.keep("p", np.array(corrected))
        ctx.keep("vectors", np.array([one.direction for one in found.values()]))
        ctx.keep("random_tcav", np.array([one.score for one in beside]))
        ctx.keep("random_effect", np.array([one.effect for one in beside]))
        name, units = model.labels[label], model.facts.units
        order = sorted(told, key=lambda one: -abs(told[one].finding.effect))
        most = _most(ctx, read, found, order, settings)
        ctx.progress(steps, steps)
        yield Text(id="said", title="What was found", text=_said(told, read, layer, name, len(places), beside, units))
        yield _scores(told, order, beside, name)
        yield Bars(
            id="effects",
            title=f"By how much '{name}' follows each concept",
            caption=f"Change of the {units} from random pictures to the concept, to first order; hollow: it falls. The "
            "pictures of a concept may be far from any that the network knows, which makes it large.",
            labels=tuple(told[one].labelled(one) for one in order),
            values=tuple(told[one].finding.effect for one in order),
            units=f"change of the {units}",
        )
        yield most


@dataclass(frozen=True, eq=False)
class _Read:
    """What the layer makes of all pictures.

    Args:
        album: The pictures of the class.
        album_codes: Theirs, float64 (n, channels).
        codes: Those of concepts and random pictures that are learned from, float64 (n, channels).
        concepts: Which of them are of each concept.
        others: Which of them are random.
        size: How many there are of each concept.
        sources: What was read, in words.
    """

    album: PictureIndex
    album_codes: Numbers
    codes: Numbers
    concepts: Mapping[str, NDArray[np.intp]]
    others: NDArray[np.intp]
    size: int
    sources: str

    @classmethod
    def of(cls, ctx: Context, layer: str, settings: ConceptActivationSettings) -> _Read:
        """Run the network over what it has not seen yet.

        Raises:
            NotFoundError: There are too few pictures of a concept, or random ones.
        """
        reading = Reading(layer)

        def indexed(source: str) -> tuple[PictureIndex, Numbers]:
            index = index_pictures(ctx.model, source, [reading], ctx.progress, MOST_PICTURES)
            return index, index.strongest(reading, "mean").astype(np.float64)

        shown, shown_codes = indexed(settings.concepts)
        album, album_codes = indexed(settings.album)
        pool, pool_codes = indexed(settings.counterexamples) if settings.counterexamples else (album, album_codes)
        labels = np.array([example.label or shown.dataset.name for example in shown.examples])
        every = {str(name): np.flatnonzero(labels == name) for name in dict.fromkeys(labels)}
        fewest = min(every, key=lambda name: len(every[name]))
        if len(every[fewest]) < LEAST:
            raise NotFoundError(
                f"The concept '{fewest}' has {len(every[fewest])} pictures, and {LEAST} are needed.", "Give more."
            )
        if len(pool) < 2 * LEAST:
            raise NotFoundError(f"There are {len(pool)} random pictures, and {2 * LEAST} are needed.", "Give more.")
        size = min(settings.examples, len(every[fewest]), len(pool) // 2)
        chosen = [np.array(evenly_chosen(places.tolist(), size)) for places in every.values()]
        random = np.array(evenly_chosen(range(len(pool)), RANDOM))
        fewer = f" {len(random):,} of them are drawn from, evenly chosen." if len(random) < len(pool) else ""
        return cls(
            album,
            album_codes,
            np.concatenate([*(shown_codes[places] for places in chosen), pool_codes[random]]),
            {name: number * size + np.arange(size) for number, name in enumerate(every)},
            size * len(every) + np.arange(len(random)),
            size,
            f"Concepts: {shown.said()} Random: {pool.said()}{fewer}",
        )


def _gradients(ctx: Context, index: PictureIndex, places: list[int], layer: str, label: int) -> Numbers:
    """Return how the class score of each picture changes with the mean of each channel, (pictures, channels)."""
    target, rows = ctx.model.target(label), []
    for number, place in enumerate(places):
        ctx.progress(number, len(places), f"Backward through picture {number + 1} of {len(places)}")
        x = ctx.model.prepare(index.dataset.picture(index.examples[place])).x
        gradient = ctx.model.pullback(x, [target], [layer]).gradients[layer][0]
        rows.append(channel_maps(ctx.model, gradient).sum(axis=(1, 2), dtype=np.float64))
    return np.stack(rows)


@dataclass(frozen=True, eq=False)
class _Told:
    """What was found of a concept, its p, corrected for testing all of them, and the mean score of random ones."""

    finding: Finding
    p: float
    middle: float

    @property
    def told(self) -> bool:
        """Whether the layer tells the concept from random pictures, without which its direction means nothing."""
        return self.finding.accuracy >= TOLD

    @property
    def matters(self) -> bool:
        return self.told and self.p < ALPHA

    def labelled(self, name: str) -> str:
        return name if self.matters else f"{name} ({'not significant' if self.told else 'hardly told apart'})"

    def verdict(self, name: str) -> str:
        """Say what the concept does to a class; up or down only where score and effect say the same."""
        if not self.matters:
            return "not significant"
        up, effect = self.finding.score > self.middle, self.finding.effect
        if up == (effect > 0) and effect:
            return f"it {'raises' if up else 'lowers'} '{name}'"
        return f"it matters, but neither raises nor lowers '{name}': its score and its effect point opposite ways"


def _said(
    told: Mapping[str, _Told], read: _Read, layer: str, name: str, pictures: int, beside: list[Finding], units: str
) -> str:
    """Say of each concept whether the class depends on it."""
    lines = []
    for concept, one in told.items():
        finding = one.finding
        low, high = finding.interval
        numbers = (
            f"TCAV {finding.score:.2f} ({low:.2f} to {high:.2f}), effect {finding.effect:+.2g} on the {units}, "
            f"p = {one.p:.3f}, accuracy {finding.accuracy:.0%}."
        )
        verdict = one.verdict(name) if one.told else f"'{layer}' hardly tells it from random pictures"
        lines.append(f"{concept}: {verdict}. {numbers}")
    how = (
        f"{pictures} pictures of '{name}', layer '{layer}', {read.size} pictures of each concept. p: how often one of "
        f"{len(beside)} concepts of random pictures has a score as far from theirs, corrected for {len(told)} (Holm). "
        f"{read.sources}"
    )
    if not any(one.matters for one in told.values()) and _saturated(beside):
        lines.append(
            f"At '{layer}' nearly every direction has a score near 0 or 1, those of random pictures, too: little can "
            "be significant there. Try an earlier layer."
        )
    return "\n\n".join([*lines, how])


def _scores(told: Mapping[str, _Told], order: list[str], beside: list[Finding], name: str) -> Bars:
    """Return the TCAV scores, those of random concepts last."""
    scores = np.array([one.score for one in beside])
    low, high = np.quantile(scores, (0.025, 0.975))
    return Bars(
        id="tcav",
        title=f"TCAV of '{name}'",
        caption="Share of the pictures of the class whose score rises toward the concept; the line holds 95 % of the "
        "runs, or of the random concepts.",
        labels=(*(told[one].labelled(one) for one in order), "random pictures"),
        values=(*(told[one].finding.score for one in order), float(scores.mean())),
        intervals=(*(told[one].finding.interval for one in order), (float(low), float(high))),
        units="share of the pictures",
        maximum=1.0,
    )


def _saturated(beside: list[Finding]) -> bool:
    """Say whether most vectors of random pictures have a score near 0 or 1."""
    scores = np.array([vector.score for one in beside for vector in one.vectors])
    return bool(((scores < 0.05) | (scores > 0.95)).mean() > 0.5)


def _most(
    ctx: Context, read: _Read, found: Mapping[str, Finding], order: list[str], settings: ConceptActivationSettings
) -> Gallery:
    """Return the pictures that have the most of each concept: whether it is what was meant."""
    rows = {name: np.argsort(-(read.album_codes @ found[name].direction), kind="stable")[:SHOWN] for name in order}
    places = list(dict.fromkeys(int(place) for row in rows.values() for place in row))
    return Gallery(
        id="most",
        title="The pictures that lie farthest toward each concept",
        caption="If they do not show what you meant, neither do the numbers.",
        groups=tuple(
            Group(
                name,
                tuple(
                    Tile(places.index(int(place)), read.album.examples[place].label, read.album.names[place])
                    for place in row
                ),
            )
            for name, row in rows.items()
        ),
        atlas=make_atlas(read.album.views(places, ctx.progress), len(places), SIDE),
        album=settings.album,
    )
