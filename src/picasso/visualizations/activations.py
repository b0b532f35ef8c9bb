"""Activations: every channel of a layer as a map of the picture."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    Array,
    Bars,
    Capability,
    ChannelMeasure,
    Context,
    Curve,
    Family,
    FeatureMaps,
    Layer,
    Line,
    Model,
    NotSupportedError,
    Panel,
    Sample,
    Settings,
    Visualization,
    channel_maps,
    dead_channels,
    shared_limits,
    shrunk,
    sparsity,
)

CLIP = 0.002
"""Share of the values beyond the color scale: a few strong places must not leave all other channels dark."""
MOST_SHOWN = 2**24
"""Numbers that are sent to the page, 64 MiB; of larger layers blocks of places are averaged."""
MOST_HELD = 2**25
"""Numbers of layers that are held at a time for the statistics, 128 MiB."""


class ActivationsSettings(Settings):
    layer: str = Field(
        "",
        title="Layer",
        description="Whose channels are shown. Left empty: the last layer that ran whose output has space.",
        json_schema_extra={"picasso": {"choices": "layers"}},
    )
    order: Literal["index", "strength", "sparsity", "effect"] = Field(
        "strength",
        title="Order",
        description="Which channels come first. index: by number. strength: the largest mean size. sparsity: those "
        "that are there in the fewest places. effect: those that raise the explained class the most, by gradient times "
        "activation, which is exact only for what the class depends on linearly; see Zeroed.",
    )
    zeroed: int = Field(
        0,
        ge=0,
        le=4096,
        title="Zeroed",
        description="So many channels, those of the largest effect, are set to zero one at a time, and the drop of the "
        "score is measured: exact, at a forward pass each.",
    )
    shown: int = Field(
        48, ge=1, le=1024, title="Shown in reports", description="How many channels a report or a notebook shows."
    )
    depth: bool = Field(
        True,
        title="All layers",
        description="Whether dead channels and sparsity are counted in every layer, at a forward pass or few.",
    )


class Activations(Visualization[ActivationsSettings]):
    """What each channel of a layer finds in the picture, which channels are dead, and how sparse the layers are."""

    name = "activations"
    title = "Activations"
    family = Family.FEATURES
    references = (
        "Zeiler and Fergus 2014, arXiv:1311.2901",
        "Yosinski et al. 2015, arXiv:1506.06579",
        "Hoyer 2004, arXiv:cs/0408058",
    )
    formula = (
        "strength_k = mean over p of |A_k(p)|;  effect_k = sum over p of A_k(p) d score / d A_k(p);  "
        "sparsity_k = (sqrt(n) - |A_k|_1 / |A_k|_2) / (sqrt(n) - 1),  n places"
    )
    pitfalls = (
        "A channel seldom stands for one thing: what it finds in one picture says little of what it finds in others.",
        "A strong channel need not matter to the class, and a weak one may: order them by effect.",
        "The effect is a first-order estimate: where the score bends with the channel it is off, and zero where it is "
        "saturated.",
        "Dead means zero everywhere in this picture; another picture may wake the channel.",
    )
    needs = frozenset({Capability.ACTIVATIONS})

    @classmethod
    def begins_with(cls, model: Model, settings: ActivationsSettings) -> tuple[str, ...]:
        return (_layer(model, settings.layer),) if Capability.GRADIENTS in model.capabilities else ()

    @classmethod
    def at_a_glance(cls, settings: ActivationsSettings) -> ActivationsSettings:
        return settings.model_copy(update={"depth": False, "zeroed": 0})

    def run(self, ctx: Context, sample: Sample, settings: ActivationsSettings) -> Iterator[Panel]:
        layer = _layer(ctx.model, settings.layer)
        ctx.progress(0, 1, f"Activations of {layer}")
        values, gradients = _looked(ctx, sample, layer)
        maps = channel_maps(ctx.model, values)
        if settings.order == "effect" and not gradients:
            raise NotSupportedError(
                f"The effect of a channel needs gradients, which this {ctx.model.framework} model lacks.",
                "Choose another order.",
            )
        measures = _measures(ctx, values, maps, gradients)
        ctx.keep("activations", maps)
        for measure in measures:
            ctx.keep(measure.name.replace("-", "_"), measure.values)
        yield _panel(sample, layer, maps, measures, settings)
        tried = _strongest(maps, measures, settings.zeroed)
        groups = list(_groups(ctx.model.layers())) if settings.depth else []
        total = 1 + len(groups) + len(tried)
        ctx.progress(1, total)
        found: list[_LayerStatistics] = []
        for done, group in enumerate(groups, 2):
            found += _statistics(ctx.model, sample, group)
            ctx.progress(done, total, f"{len(found)} layers")
        if found:
            yield _by_depth(found)
        if len(tried):
            drops = _drops(ctx, sample, layer, values, maps, tried, total)
            ctx.keep("drop", drops.values)
            if maps.shape[1] * maps.shape[2] == 1:
                yield _dropped(drops, tried)
            else:
                yield _panel(sample, layer, maps, [*measures, drops], settings)


def _layer(model: Model, written: str) -> str:
    """Return the layer that was asked for, or the one that is taken by default."""
    if written:
        return written
    layer = model.default_layer()
    if layer is None:
        raise NotSupportedError(
            "No layer of this network has space.", "Choose a layer: its channels are shown as bars."
        )
    return layer.name


def _looked(ctx: Context, sample: Sample, layer: str) -> tuple[Array, list[Array]]:
    """Return the layer's values, (1, ...), and the gradient of each target there, none where there are no gradients."""
    if Capability.GRADIENTS not in ctx.model.capabilities:
        return ctx.model.activations(sample.x, [layer])[layer], []
    pulled = ctx.pullback(sample.x, ctx.targets, [layer])
    return pulled.values[layer], list(pulled.gradients[layer])


def _measures(ctx: Context, values: Array, maps: Array, gradients: Sequence[Array]) -> list[ChannelMeasure]:
    """Return by what channels can be ordered; sparsity only where they have space."""
    found = [ChannelMeasure("strength", "Strength", "mean size", np.abs(maps).mean(axis=(1, 2)))]
    if maps.shape[1] * maps.shape[2] > 1:
        found.append(ChannelMeasure("sparsity", "Sparsity", "0 to 1", sparsity(maps).astype(np.float32)))
    for rank, (target, gradient) in enumerate(zip(ctx.targets, gradients, strict=True) if gradients else ()):
        if values.shape[-1] == len(maps):  # tokens without a place count, too: the channel is theirs as well
            products = values[0].astype(np.float64) * gradient[0]
            effect = products.reshape(-1, len(maps)).sum(axis=0).astype(np.float32)
        else:
            slopes = channel_maps(ctx.model, gradient).astype(np.float64)
            effect = (maps * slopes).sum(axis=(1, 2)).astype(np.float32)
        units = f"{ctx.model.facts.units}, gradient times activation"
        found.append(ChannelMeasure(f"effect-{rank}" if rank else "effect", f"Effect on {target.label}", units, effect))
    return found


def _panel(
    sample: Sample, layer: str, maps: Array, measures: Sequence[ChannelMeasure], settings: ActivationsSettings
) -> Panel:
    """Return all channels as maps; those of a vector as bars."""
    count, rows, columns = maps.shape
    dead = int(dead_channels(maps).sum())
    verb = "is" if dead == 1 else "are"
    said = f"{dead} of {count} channels {verb} dead: zero everywhere in this picture."
    if rows * columns == 1:
        return _bars(layer, maps[:, 0, 0], measures, settings, said)
    seen, side = shrunk(maps, MOST_SHOWN)
    if side > 1:
        said += f" Each value shown is the mean of {side} x {side}."
    signed = bool((maps < 0).any())
    limits = shared_limits([maps], "signed" if signed else "unsigned", CLIP)
    return FeatureMaps(
        id="channels",
        title=f"Channels of {layer}",
        caption=f"{rows} x {columns} places each. {said}",
        values=seen,
        picture=sample.view,
        layer=layer,
        units="activation",
        sign="signed" if signed else "unsigned",
        limits=limits,
        clipped=float(np.mean((maps < limits[0]) | (maps > limits[1]))),
        measures=tuple(measures),
        order=settings.order,
        sheet=settings.shown,
    )


def _bars(
    layer: str, values: Array, measures: Sequence[ChannelMeasure], settings: ActivationsSettings, said: str
) -> Bars:
    by = next((measure.values for measure in measures if measure.name == settings.order), None)
    order = np.arange(len(values)) if by is None else np.argsort(-by, kind="stable")
    kept = order[: settings.shown]
    return Bars(
        id="channels",
        title=f"Channels of {layer}",
        caption=f"{len(kept)} of {len(values)} channels, by {settings.order if by is not None else 'index'}. {said} "
        "The layer has no space: each channel is one number.",
        labels=tuple(f"channel {number}" for number in kept),
        values=tuple(float(values[number]) for number in kept),
        units="activation",
    )


def _dropped(drops: ChannelMeasure, tried: NDArray[np.intp]) -> Bars:
    """Return by how much the score falls without each channel of a vector that was tried, the most first."""
    order = tried[np.argsort(-drops.values[tried], kind="stable")]
    return Bars(
        id="drops",
        title=drops.title,
        caption=f"{len(order)} channels, set to zero one at a time.",
        labels=tuple(f"channel {number}" for number in order),
        values=tuple(float(drops.values[number]) for number in order),
        units=drops.units,
    )


class _LayerStatistics(NamedTuple):
    """What is counted in a layer: shares in 0..1; sparsity is None where no living channel has space."""

    name: str
    channels: int
    dead: float
    zeros: float
    sparsity: float | None


def _groups(layers: Sequence[Layer]) -> Iterator[list[str]]:
    """Yield names of layers that have channels, as many at a time as may be held."""
    group: list[str] = []
    held = 0
    for layer in layers:
        if layer.positions is False or not layer.shape or layer.shape[-1] < 2:
            continue
        size = int(np.prod(layer.shape))
        if group and held + size > MOST_HELD:
            yield group
            group, held = [], 0
        group.append(layer.name)
        held += size
    if group:
        yield group


def _statistics(model: Model, sample: Sample, names: Sequence[str]) -> Iterator[_LayerStatistics]:
    """Count in layers, tokens without a place among them."""
    for name, values in model.activations(sample.x, names).items():
        maps = values.reshape(-1, values.shape[-1]).T
        dead = dead_channels(maps)
        alive = maps[~dead]
        mean = float(sparsity(alive).mean()) if alive.size and alive.shape[1] > 1 else None
        yield _LayerStatistics(name, len(maps), float(dead.mean()), float((maps == 0).mean()), mean)


def _by_depth(found: Sequence[_LayerStatistics]) -> Curve:
    return Curve(
        id="depth",
        title="Dead channels and sparsity by layer",
        caption="Dead: channels that are zero everywhere in this picture. Zeros: of all numbers. Sparsity: the mean "
        "over the other channels, 0 where a channel is alike in all places, 1 where it is in one only.",
        x=tuple(float(place) for place in range(1, len(found) + 1)),
        ticks=tuple(one.name for one in found),
        x_title="layers in the order in which they run",
        y_title="share, and sparsity",
        limits=(0.0, 1.0),
        lines=(
            Line("dead channels", tuple(one.dead for one in found)),
            Line("zeros", tuple(one.zeros for one in found)),
            Line("sparsity", tuple(one.sparsity for one in found)),
        ),
    )


def _strongest(maps: Array, measures: Sequence[ChannelMeasure], most: int) -> NDArray[np.intp]:
    """Return the channels that are worth zeroing first: of the largest effect either way, or the strongest."""
    by = next((one for one in measures if one.name == "effect"), measures[0])
    living = np.flatnonzero(~dead_channels(maps))
    return living[np.argsort(-np.abs(by.values[living]), kind="stable")[:most]]


def _drops(
    ctx: Context, sample: Sample, layer: str, values: Array, maps: Array, tried: NDArray[np.intp], total: int
) -> ChannelMeasure:
    """Set channels to zero one at a time, and return by how much the first target's score falls without each."""
    if Capability.INTERVENTIONS not in ctx.model.capabilities or values.shape[-1] != len(maps):
        raise NotSupportedError(f"No channel of '{layer}' of this model can be set to zero.", "Set Zeroed to 0.")
    target = ctx.targets[0]
    drops = np.full(len(maps), np.nan, np.float32)
    drops[dead_channels(maps)] = 0
    size = ctx.model.batch_size
    for start in range(0, len(tried), size):
        chunk = tried[start : start + size]
        without = np.repeat(values, len(chunk), axis=0)
        for row, number in enumerate(chunk):
            without[row, ..., number] = 0
        scores = ctx.model.predict_replaced(sample.x, layer, without)
        drops[chunk] = target.of_classes(ctx.scores) - target.of_classes(scores)
        ctx.progress(total - len(tried) + start + len(chunk), total, f"{start + len(chunk)} channels set to zero")
    return ChannelMeasure("drop", f"Drop of {target.label} when zeroed", ctx.model.facts.units, drops)
