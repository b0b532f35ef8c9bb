"""Concepts: the parts into which a layer's answer to a class falls apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    MOST_PICTURES,
    Array,
    Bars,
    Capability,
    Context,
    DesignCount,
    Gallery,
    Group,
    Model,
    ModelVisualization,
    NotSupportedError,
    Panel,
    PictureIndex,
    Sample,
    Settings,
    SettingsError,
    Text,
    Tile,
    class_pictures,
    draw_designs,
    enlarge,
    factorize,
    index_pictures,
    jansen,
    make_atlas,
    overlay,
    read_layers,
    resized,
    shares_of,
)

Numbers = NDArray[np.float64]
SIDE = 128
"""Of a small picture, pixels."""
LEAST = 4
"""Pictures of the class from which concepts are found at least."""
DRAWS = 1000
"""Of pictures, for the intervals."""
AT_ONCE = 32
"""Versions of a layer that are held at a time."""
BELOW = 1e-4
"""Share of the largest value below zero at which a layer counts as one that is never below."""


class ConceptsSettings(Settings):
    album: str = Field(
        "",
        title="Pictures",
        description="A folder of pictures, or a data set, in which the class is seen.",
        json_schema_extra={"picasso": {"choices": "album", "required": True}},
    )
    of: str = Field(
        "",
        title="Class",
        description="Whose concepts. Left empty: the class that the network sees most often in the pictures.",
        json_schema_extra={"picasso": {"choices": "classes"}},
    )
    layer: str = Field(
        "",
        title="Layer",
        description="Whose answer is split; none of its values may be below zero, as behind a ReLU. Left empty: the "
        "last such layer with space.",
        json_schema_extra={"picasso": {"choices": "layers"}},
    )
    concepts: int = Field(6, ge=2, le=32, title="Concepts", description="Into how many parts the answer is split.")
    pictures: int = Field(
        24, ge=LEAST, le=1000, title="Pictures of the class", description="So many at most, at even distances."
    )
    cutting: float = Field(
        0.4,
        ge=0.1,
        le=1.0,
        title="Cuttings",
        description="Side of a cutting, as a share of the picture's. They lie half their side apart.",
    )
    designs: DesignCount = Field(
        16,
        ge=8,
        le=512,
        title="Designs",
        description="Pairs of draws, a power of two, of how much of each concept stays. Each takes one run of the "
        "network for every concept, and one, for each picture.",
    )
    shown: int = Field(8, ge=1, le=32, title="Shown", description="Cuttings and pictures of each concept.")


class Concepts(ModelVisualization[ConceptsSettings]):
    """What a layer sees in the pictures of a class, in a few parts that nobody named, and what each is worth."""

    name = "concepts"
    title = "Concepts that nobody named"
    references = (
        "Fel et al. 2023, CRAFT, arXiv:2211.10154",
        "Zhang et al. 2021, arXiv:2006.15417",
        "Jansen 1999, doi:10.1016/S0010-4655(98)00154-4",
    )
    formula = (
        "means of the layer over cuttings = shares * parts, all >= 0;   importance of a concept: its total Sobol "
        "index, the share of the variance of the class score that it has a hand in when all fade in and out at random"
    )
    pitfalls = (
        "How many concepts there are is a choice: of more, some are halves of what was one, of fewer, mixtures.",
        "What the parts do not hold is in no concept, and stays in the layer while they fade.",
        "Importance has no sign and adds up to more than one, as what concepts do together counts for each. What the "
        "score loses without a concept is said beside it.",
        "A name that comes to mind for a row of cuttings is a guess. Change pictures in that respect, and see.",
    )
    needs = frozenset({Capability.ACTIVATIONS, Capability.INTERVENTIONS})

    def look(self, ctx: Context, settings: ConceptsSettings) -> Iterator[Panel]:
        if not settings.album:
            raise SettingsError(
                "album must name pictures in which the class is seen. Got none.", "Give a folder, or a data set."
            )
        index = index_pictures(ctx.model, settings.album, (), ctx.progress, MOST_PICTURES)
        label, places = class_pictures(ctx.model, index, settings.of, settings.pictures, LEAST)
        samples = [_sample(ctx.model, index, place) for place in places]
        layer = _layer(ctx.model, samples[0], settings.layer)
        boxes = _boxes(samples[0].x.shape[1:3], settings.cutting)
        steps = 2 * len(samples) + 1
        means = []
        for number, sample in enumerate(samples):
            ctx.progress(number, steps, f"Cutting picture {number + 1} of {len(samples)}")
            cut = np.concatenate([_cut(sample.x[0], box) for box in boxes])
            means.append(_values(ctx.model, cut, layer).mean(axis=(1, 2), dtype=np.float64))
        seen = np.concatenate(means)
        count = min(settings.concepts, *seen.shape)
        found = factorize(seen, count, lambda _: ctx.progress(len(samples), steps, "Splitting what the layer answers"))
        measured = []
        for number, sample in enumerate(samples):
            ctx.progress(len(samples) + 1 + number, steps, f"Fading concepts in picture {number + 1} of {len(samples)}")
            measured.append(_measure(ctx, sample, layer, found.parts, label, settings.designs, number))
        worth = _Worth.of(measured, ctx.seed)
        ctx.progress(steps, steps)
        ctx.keep("parts", found.parts)
        ctx.keep("shares", found.shares)
        ctx.keep("importance", worth.importance)
        ctx.keep("importance_interval", worth.interval)
        ctx.keep("drop", worth.drop)
        ctx.keep("maps", np.stack([one.maps for one in measured]).astype(np.float32))
        order = [int(number) for number in np.argsort(-worth.importance, kind="stable")]
        name = ctx.model.labels[label]
        yield Text(
            id="said",
            title="What was found",
            text=f"{len(samples)} pictures that the network takes for '{name}', out of {index.said()} "
            f"{len(seen)} cuttings; {count} parts hold {found.explained:.1%} of what '{layer}' answers to them. "
            f"{_worded(worth, order, ctx.model.facts.units, name)}",
        )
        yield Bars(
            id="importance",
            title=f"What '{name}' depends on",
            caption="Share of the score's variance that each concept has a hand in, mean over the pictures; the line "
            "is its 95 % interval over pictures drawn anew.",
            labels=tuple(f"concept {rank + 1}" for rank in range(count)),
            values=tuple(float(worth.importance[k]) for k in order),
            intervals=tuple((float(worth.interval[k, 0]), float(worth.interval[k, 1])) for k in order),
            units="share of the variance",
            maximum=max(1.0, float(worth.interval.max())),
        )
        chosen = _Chosen(index, places, samples, boxes, settings)
        yield chosen.cuttings(found.shares, worth, order, ctx.model.facts.units)
        yield chosen.maps(measured, order)


def _sample(model: Model, index: PictureIndex, place: int) -> Sample:
    return model.prepare(index.dataset.picture(index.examples[place]))


def _layer(model: Model, sample: Sample, written: str) -> str:
    """Return the layer that was asked for, or the last with maps that are nowhere below zero.

    Raises:
        NotFoundError: There is no such layer.
        NotSupportedError: Its values are below zero somewhere, or it has no maps.
    """
    names = [layer.name for layer in model.layers() if layer.spatial and len(layer.shape) == 3]
    values = model.activations(sample.x, names)
    whole = [name for name in names if _never_below(values[name])]
    hint = f"Those that can be: {', '.join(whole[-8:])}." if whole else "Choose another network."
    if written:
        (name,) = read_layers(model, written, ())[:1]
        if name not in names:
            raise NotSupportedError(f"The layer '{name}' has no maps, and so no places of concepts.", hint)
        if name not in whole:
            raise NotSupportedError(
                f"The layer '{name}' has values below zero, and cannot be split into parts that add up.", hint
            )
        return name
    if not whole:
        raise NotSupportedError(
            "No layer of this network with maps is never below zero, so none can be split into parts that add up."
        )
    return whole[-1]


def _never_below(values: Array) -> bool:
    return float(values.max()) > 0 and float(values.min()) >= -BELOW * float(values.max())


def _values(model: Model, x: Array, layer: str) -> Array:
    """Return a layer's values (n, rows, columns, channels), what rounding put below zero at zero."""
    return np.maximum(model.activations(x, [layer])[layer], 0)


Box = tuple[int, int, int, int]
"""top, left, height, width, pixels."""


def _boxes(shape: tuple[int, ...], share: float) -> list[Box]:
    """Return cuttings half their side apart, the last flush with the edge."""
    height, width = (max(1, round(side * share)) for side in shape)
    tops, lefts = (
        np.unique(np.linspace(0, side - cut, 1 + int(np.ceil(2 * (side - cut) / cut))).round().astype(int)).tolist()
        for side, cut in zip(shape, (height, width), strict=True)
    )
    return [(top, left, height, width) for top in tops for left in lefts]


def _cut(x: Array, box: Box) -> Array:
    """Return a cutting of a picture (h, w, c) in the picture's size, (1, h, w, c)."""
    top, left, height, width = box
    return resized(x[top : top + height, left : left + width], *x.shape[:2]).astype(np.float32)[None]


@dataclass(frozen=True, eq=False)
class _Measured:
    """Of one picture: total Sobol indices (concepts,), what the score loses without each, and where they are."""

    importance: Numbers
    drop: Numbers
    maps: Numbers


def _measure(
    ctx: Context, sample: Sample, layer: str, parts: Numbers, label: int, designs: int, number: int
) -> _Measured:
    """Let concepts fade in and out in one picture's layer, and watch the class score.

    Each picture has draws of its own, so that their errors average out.
    """
    values = _values(ctx.model, sample.x, layer)
    count, (rows, columns, channels) = len(parts), values.shape[1:]
    shares = shares_of(values.reshape(-1, channels).astype(np.float64), parts)
    first, second = draw_designs(designs, count, (ctx.seed, number))
    kept = np.repeat(first[:, None], count + 1, axis=1)
    for k in range(count):
        kept[:, k + 1, k] = second[:, k]
    every = np.concatenate([np.ones((1, count)), 1 - np.eye(count), kept.reshape(-1, count)])
    scores = []
    for start in range(0, len(every), AT_ONCE):
        lost = ((1 - every[start : start + AT_ONCE])[:, None] * shares) @ parts
        faded = values - lost.reshape(-1, rows, columns, channels).astype(np.float32)
        scores.append(ctx.model.predict_replaced(sample.x, layer, faded)[:, label])
    found = np.concatenate(scores).astype(np.float64)
    whole, without, drawn = found[0], found[1 : count + 1], found[count + 1 :]
    total = jansen(drawn.reshape(designs, count + 1, 1)).values[0]
    return _Measured(total, whole - without, shares.T.reshape(count, rows, columns))


@dataclass(frozen=True, eq=False)
class _Worth:
    """Means over pictures: importance (concepts,), its 95 % interval (concepts, 2), what the score loses."""

    importance: Numbers
    interval: Numbers
    drop: Numbers

    @classmethod
    def of(cls, measured: Sequence[_Measured], seed: int) -> _Worth:
        """Average, and draw the pictures anew for the intervals."""
        each = np.stack([one.importance for one in measured])
        drawn = np.random.default_rng(seed).integers(0, len(each), (DRAWS, len(each)))
        interval = np.quantile(each[drawn].mean(axis=1), (0.025, 0.975), axis=0).T
        return cls(each.mean(axis=0), interval, np.mean([one.drop for one in measured], axis=0))


def _worded(worth: _Worth, order: Sequence[int], units: str, name: str) -> str:
    """Say which concept the class depends on most, and whether that is sure."""
    first, *rest = order
    said = (
        f"'{name}' depends most on concept 1: it has a hand in {worth.importance[first]:.0%} of the score's variance "
        f"({worth.interval[first, 0]:.0%} to {worth.interval[first, 1]:.0%}), and without it the {units} changes by "
        f"{-worth.drop[first]:+.2f} on average."
    )
    if rest and worth.interval[rest[0], 1] >= worth.interval[first, 0]:
        said += " The intervals of the first two overlap: which of them is the first is not sure."
    return said


@dataclass(frozen=True, eq=False)
class _Chosen:
    """The pictures in which concepts were found, to show them."""

    index: PictureIndex
    places: Sequence[int]
    samples: Sequence[Sample]
    boxes: Sequence[Box]
    settings: ConceptsSettings

    def cuttings(self, shares: Numbers, worth: _Worth, order: Sequence[int], units: str) -> Gallery:
        """Return the cuttings that have the most of each concept, one of each picture."""
        groups: list[Group] = []
        tiles: list[NDArray[np.uint8]] = []
        wholes: list[NDArray[np.uint8]] = []
        for rank, k in enumerate(order):
            best: dict[int, int] = {}
            for number in np.argsort(-shares[:, k], kind="stable"):
                if shares[number, k] > 0:
                    best.setdefault(int(number) // len(self.boxes), int(number) % len(self.boxes))
            shown = []
            for place, cut in list(best.items())[: self.settings.shown]:
                view, (top, left, height, width) = self.samples[place].view, self.boxes[cut]
                down, across = view.shape[:2]
                part = (left / across, top / down, width / across, height / down)
                share = shares[place * len(self.boxes) + cut, k] / shares[:, k].max()
                shown.append(Tile(len(tiles), f"{share:.2f}", self.index.names[self.places[place]], part))
                tiles.append(view[top : top + height, left : left + width])
                wholes.append(view)
            title = f"Concept {rank + 1}: {worth.importance[k]:.1%} of the variance"
            groups.append(Group(title, tuple(shown), f"Without it the {units} changes by {-worth.drop[k]:+.2f}."))
        return Gallery(
            id="cuttings",
            title="The cuttings that have the most of each concept",
            caption="One of each picture. The number: how much of it, 1 for the most.",
            groups=tuple(groups),
            atlas=make_atlas(tiles, len(tiles), SIDE),
            wholes=make_atlas(wholes, len(wholes), SIDE),
            aspect=wholes[0].shape[1] / wholes[0].shape[0],
            album=self.settings.album,
        )

    def maps(self, measured: Sequence[_Measured], order: Sequence[int]) -> Gallery:
        """Return where each concept is in the same few pictures, on one scale for each concept."""
        shown = range(len(self.samples))[: self.settings.shown]
        groups: list[Group] = []
        tiles: list[NDArray[np.uint8]] = []
        for rank, k in enumerate(order):
            limits = (0.0, max(float(measured[n].maps[k].max()) for n in shown) or 1.0)
            row = []
            for n in shown:
                view, name = self.samples[n].view, self.index.names[self.places[n]]
                laid = enlarge(measured[n].maps[k].astype(np.float32), *view.shape[:2])
                row.append(Tile(len(tiles), f"{measured[n].maps[k].max() / limits[1]:.2f}", name))
                tiles.append(overlay(view, laid, "unsigned", limits))
            groups.append(Group(f"Concept {rank + 1}", tuple(row)))
        return Gallery(
            id="maps",
            title="Where each concept is",
            caption="The same pictures in each row; bright where the concept is, on one scale for the row. The number: "
            "the largest value in the picture, 1 for the largest of the row.",
            groups=tuple(groups),
            atlas=make_atlas(tiles, len(tiles), SIDE),
            album=self.settings.album,
        )
