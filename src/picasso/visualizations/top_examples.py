"""Top examples: of a folder of pictures those parts that make a channel fire most, least, and in between."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    Bars,
    Capability,
    Context,
    Crops,
    Curve,
    FolderSettings,
    Gallery,
    Group,
    Line,
    Model,
    ModelVisualization,
    NotFoundError,
    Panel,
    PictureIndex,
    Reading,
    Text,
    Tile,
    cut,
    index_pictures,
    make_atlas,
    one_class,
    read_layer,
)

TILE = 112
"""Side of a tile, pixels."""
MANY, FEW = 16, 8
"""Tiles of the strongest, and of those at the other ends."""
PER_DECILE = 4
PER_CHANNEL = 6
"""Tiles of each channel where several are shown."""
SILENT = "It is zero everywhere in every picture: these are the first ones."


class TopExamplesSettings(FolderSettings):
    layer: str = Field(
        "",
        title="Layer",
        description="Whose channels are looked at. Left empty: the last with space through which everything flows.",
        json_schema_extra={"picasso": {"choices": "layers"}},
    )
    unit: int | None = Field(
        None,
        ge=0,
        title="Channel",
        description="Which channel, counted from 0. Left empty: the strongest examples of several channels.",
        json_schema_extra={"picasso": {"choices": "channels"}},
    )
    relevant_for: str = Field(
        "",
        title="Relevant for",
        description="A class: channels and places are ordered by how much they raise its score, activation times "
        "gradient, instead of by the activation.",
        json_schema_extra={"picasso": {"choices": "classes"}},
    )
    channels: int = Field(
        24, ge=1, le=256, title="Channels", description="How many channels are shown where none is chosen."
    )


class TopExamples(ModelVisualization[TopExamplesSettings]):
    """The parts of a folder's pictures that make a channel fire most, least and in between."""

    name = "top-examples"
    title = "Top examples"
    references = (
        "Zeiler and Fergus 2014, arXiv:1311.2901",
        "Zhou et al. 2015, arXiv:1412.6856",
        "Achtibat et al. 2023, arXiv:2206.03208 (ordered by relevance)",
    )
    formula = (
        "strongest(picture) = max over p of A_k(p);  with a class:  max over p of A_k(p) d score / d A_k(p);  "
        "shown: the receptive field of that p"
    )
    pitfalls = (
        "The strongest examples alone flatter a channel: look at the deciles, where it fires in most pictures.",
        "A channel finds what the folder holds. Of what is not in there nothing can be seen.",
        "The receptive field is what the unit can depend on, and often it depends on its middle most.",
    )
    needs = frozenset({Capability.ACTIVATIONS})

    def look(self, ctx: Context, settings: TopExamplesSettings) -> Iterator[Panel]:
        model = ctx.model
        layer = read_layer(model, settings.layer)
        _check_channel(model, layer, settings.unit)
        reading = Reading(layer, _class(model, settings.relevant_for))
        index = index_pictures(model, settings.album, (reading,), ctx.progress, settings.pictures)
        looked = _Looked(index, reading, Crops(model, layer, index.shape(reading)[1]), settings.album, ctx.progress)
        if settings.unit is None:
            yield from _of_channels(ctx, looked, settings)
        else:
            yield from _of_channel(ctx, looked, settings.unit)
        said = " ".join(filter(None, (index.said(), index.unmatched, looked.crops.reason)))
        yield Text(id="said", title="What was looked at", text=said)
        ctx.progress(1, 1)


def _check_channel(model: Model, layer: str, channel: int | None) -> None:
    """Refuse a channel that is not there before ten thousand pictures are read."""
    count = next(one.shape[-1] for one in model.layers() if one.name == layer)
    if channel is not None and channel >= count:
        raise NotFoundError(f"{layer} has channels 0 to {count - 1}. Got {channel}.", "Choose one of these.")


def _class(model: Model, written: str) -> int | None:
    """Return the number of the class that is meant, None where none is named."""
    if not written:
        return None
    return one_class(model.target(written), "relevant_for")


@dataclass(frozen=True)
class _Looked:
    """What is looked at: an index, and of a layer in it."""

    index: PictureIndex
    reading: Reading
    crops: Crops
    album: str
    report: Callable[[int, int, str], None]

    @property
    def units(self) -> str:
        return "activation" if self.reading.label is None else "relevance"


@dataclass(frozen=True)
class _Chosen:
    """A picture that is shown, and where in its map a channel is looked at."""

    picture: int
    channel: int
    place: int
    value: float


def _of_channel(ctx: Context, looked: _Looked, channel: int) -> Iterator[Panel]:
    """Show the whole range of one channel."""
    index, layer = looked.index, looked.reading.layer
    largest, at, smallest, smallest_at = (
        index.strongest(looked.reading, field, channel)
        for field in ("largest", "largest_at", "smallest", "smallest_at")
    )
    order = np.argsort(-largest, kind="stable")
    ctx.keep("order", order)
    ctx.keep("largest", largest)
    ctx.keep("largest_at", at)

    def strong(pictures: NDArray[np.intp]) -> list[_Chosen]:
        return [_Chosen(int(one), channel, int(at[one]), float(largest[one])) for one in pictures]

    silent = not largest.any() and not smallest.any()
    groups: list[tuple[str, str, list[_Chosen]]] = [("Strongest", SILENT if silent else "", strong(order[:MANY]))]
    if len(order) >= 4 * MANY and not silent:
        for tenth in range(9, 0, -1):
            middle = round((1 - tenth / 10) * (len(order) - 1))
            start = max(0, middle - PER_DECILE // 2)
            groups.append((f"{10 * tenth}th percentile", "", strong(order[start : start + PER_DECILE])))
    if not silent:
        near = np.argsort(np.abs(largest), kind="stable")[:FEW]
        groups.append(("Nearest to zero", "Pictures whose strongest place is nearest to zero.", strong(near)))
    if float(smallest.min()) < 0:
        low = np.argsort(smallest, kind="stable")[:FEW]
        negative = [
            _Chosen(int(one), channel, int(smallest_at[one]), float(smallest[one])) for one in low if smallest[one] < 0
        ]
        groups.append(("Most negative", "Where the channel is weakest.", negative))
    yield _gallery(looked, f"Channel {channel} of {layer}", groups)
    quantiles = np.linspace(0, 1, 101)
    yield Curve(
        id="range",
        title="How often it fires how much",
        caption="Of each picture the strongest place.",
        x=tuple(float(one) for one in 100 * quantiles),
        lines=(Line(f"channel {channel}", tuple(float(one) for one in np.quantile(largest, quantiles))),),
        x_title="pictures, from the weakest to the strongest, %",
        y_title=looked.units,
    )
    classes = index.dataset.classes
    if len(classes) > 1:
        labels = np.array([classes.index(example.label) for example in index.examples])
        means = {word: float(largest[labels == i].mean()) for i, word in enumerate(classes) if (labels == i).any()}
        best = sorted(means, key=lambda word: -means[word])[:20]
        yield Bars(
            id="labels",
            title="For which classes it fires",
            caption="Mean over the pictures of a class of the strongest place.",
            labels=tuple(best),
            values=tuple(means[word] for word in best),
            units=looked.units,
        )


def _of_channels(ctx: Context, looked: _Looked, settings: TopExamplesSettings) -> Iterator[Panel]:
    """Show the strongest examples of those channels that fire, or matter, most."""
    index, layer, label = looked.index, looked.reading.layer, looked.reading.label
    largest, smallest = (index.strongest(looked.reading, field) for field in ("largest", "smallest"))
    at = index.strongest(looked.reading, "largest_at")
    if label is None:
        strength, why = largest.max(axis=0), "with the largest activation anywhere first"
    else:
        rows, columns = index.shape(looked.reading)
        of_class = index.scores.argmax(axis=1) == label
        among = of_class if of_class.any() else np.ones(len(index), bool)
        strength = index.strongest(looked.reading, "mean")[among].mean(axis=0) * rows * columns
        word = ctx.model.labels[label]
        who = f"the {among.sum():,} pictures that the model calls {word}" if of_class.any() else "all pictures"
        why = f"with the largest mean relevance over {who} first"
        ctx.keep("relevance", strength)
    channels = np.argsort(-strength, kind="stable")[: settings.channels]
    ctx.keep("channels", channels)
    groups = []
    for channel in channels:
        best = np.argsort(-largest[:, channel], kind="stable")[:PER_CHANNEL]
        chosen = [_Chosen(int(one), int(channel), int(at[one, channel]), float(largest[one, channel])) for one in best]
        silent = not largest[:, channel].any() and not smallest[:, channel].any()
        said = SILENT if silent else "" if label is None else f"mean relevance {strength[channel]:.3g}"
        groups.append((f"Channel {channel}", said, chosen))
    units = [f"{layer}:{channel}" for channel in channels]
    many = f"{len(channels)} of {largest.shape[1]} channels of {layer}"
    yield _gallery(looked, many, groups, f"Channels {why}.", units)


def _gallery(
    looked: _Looked,
    title: str,
    groups: Sequence[tuple[str, str, list[_Chosen]]],
    caption: str = "",
    units: Sequence[str] = (),
) -> Gallery:
    """Cut the examples out of their pictures."""
    index = looked.index
    chosen = [one for _, _, group in groups for one in group]
    boxes = [looked.crops.box(one.place, one.channel) for one in chosen]

    def views() -> Iterator[NDArray[np.uint8]]:
        return index.views([one.picture for one in chosen], looked.report)

    first = next(views())  # of a model's pictures all have the input's form
    made, number = [], 0
    for place, (heading, said, group) in enumerate(groups):
        tiles = []
        for one in group:
            example = index.examples[one.picture]
            words = f"{one.value:.3g} {example.label}".strip()
            tiles.append(Tile(number, words, example.name, boxes[number]))
            number += 1
        made.append(Group(heading, tuple(tiles), said, units[place] if units else ""))
    return Gallery(
        id="examples",
        title=title,
        caption=caption or f"Below each: its {looked.units}, and its label.",
        groups=tuple(made),
        atlas=make_atlas(map(cut, views(), boxes), len(chosen), TILE),
        wholes=make_atlas(views(), len(chosen), TILE) if any(boxes) else None,
        aspect=first.shape[1] / first.shape[0],
        album=looked.album,
    )
