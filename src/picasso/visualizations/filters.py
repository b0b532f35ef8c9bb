"""Filters: the kernels that a network's convolutions have learned."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Array,
    Bars,
    Capability,
    ChannelMeasure,
    Context,
    FeatureMaps,
    Kernels,
    Model,
    ModelVisualization,
    NotFoundError,
    NotSupportedError,
    Panel,
    ReceptiveFields,
    Settings,
    SettingsError,
    find_kernels,
    kernel_chroma,
    kernel_likenesses,
    kernel_strengths,
    shared_limits,
    shrunk,
)

CLIP = 0.001
"""Share of the weights beyond the color scale: a few strong ones must not leave all others pale."""
MOST_SHOWN = 2**22
"""Weights of a matrix that are sent to the page, 16 MiB; of larger ones blocks are averaged."""


class FiltersSettings(Settings):
    layer: str = Field(
        "",
        title="Layer",
        description="Whose kernels are shown. Left empty: the first convolution.",
        json_schema_extra={"picasso": {"choices": "layers"}},
    )
    output: int | None = Field(
        None,
        ge=0,
        title="Output channel",
        description="Whose kernels are shown, one for each input channel; counted from 0. Left empty: all where "
        "a kernel reads colors or one channel, a matrix where kernels are 1 x 1, else the strongest channel.",
        json_schema_extra={"picasso": {"choices": "channels"}},
    )
    order: Literal["index", "strength", "likeness", "color"] = Field(
        "strength",
        title="Order",
        description="Which kernels come first. index: by number. strength: the largest root of the sum of squared "
        "weights. likeness: those most like the strongest. color: those that read color rather than brightness.",
    )
    shown: int = Field(
        64, ge=1, le=1024, title="Shown in reports", description="How many kernels a report or a notebook shows."
    )


class Filters(ModelVisualization[FiltersSettings]):
    """The kernels of a convolution: the edges and colors that the first layer looks for, and what deeper layers mix."""

    name = "filters"
    title = "Filters"
    references = (
        "Krizhevsky, Sutskever and Hinton 2012, doi:10.1145/3065386",
        "Zeiler and Fergus 2014, arXiv:1311.2901",
    )
    formula = "W[o, i, :, :] of output channel o and input channel i;  strength_o = sqrt(sum of W[o]^2)"
    pitfalls = (
        "Only the first layer reads colors. The kernels of deeper layers weigh channels that themselves stand for "
        "something, and say little without them.",
        "A weak kernel is not an idle one: the norm behind it may scale it up, and a strong one down.",
        "Noisy kernels hint at too little training or regularization, smooth ones do not prove the opposite.",
    )
    needs = frozenset({Capability.ACTIVATIONS})

    def look(self, ctx: Context, settings: FiltersSettings) -> Iterator[Panel]:
        ctx.progress(0, 1, "Reading the kernels")
        kernels = _chosen(ctx.model, settings)
        many, each, rows, columns = kernels.weight.shape
        strong = kernel_strengths(kernels.weight)
        ctx.keep("strength", strong)
        limits = shared_limits([kernels.weight], "signed", CLIP)
        if settings.order == "color" and not _reads_colors(ctx.model, kernels):
            raise NotSupportedError(
                f"The kernels of '{kernels.layer}' cannot be ordered by color: they do not read the picture's colors.",
                "Choose another order.",
            )
        about = _about(ctx.model, kernels)
        if settings.output is None and _reads_colors(ctx.model, kernels):
            yield _colored(ctx, kernels, limits, settings, about)
        elif settings.output is None and each == 1:
            said = f"{about} Each reads one channel."
            yield _maps(ctx, kernels.weight[:, 0], kernels.layer, f"Kernels of {kernels.layer}", said, limits, settings)
        elif settings.output is None and rows * columns == 1:
            yield _matrix(ctx, kernels, limits, settings, about)
        else:
            channel = int(strong.argmax()) if settings.output is None else settings.output
            yield from _of_channel(ctx, kernels, channel, limits, settings, about)
        if many > 1:
            yield _strongest(kernels, strong, settings.shown)
        ctx.progress(1, 1)


def _chosen(model: Model, settings: FiltersSettings) -> Kernels:
    """Return the kernels of the layer that was asked for."""
    found = find_kernels(model.graph())
    if not found:
        raise NotSupportedError(
            "This network has no convolution, and so no kernels.", "Look at its activations or attention."
        )
    named = {kernels.layer: kernels for kernels in found}
    if settings.layer and settings.layer not in named:
        if settings.layer not in {layer.name for layer in model.layers()}:
            raise NotFoundError(f"There is no layer '{settings.layer}'.", _listed(list(named)))
        raise SettingsError(f"The layer '{settings.layer}' has no kernels.", _listed(list(named)))
    kernels = named[settings.layer] if settings.layer else found[0]
    if settings.output is not None and settings.output >= len(kernels.weight):
        raise SettingsError(
            f"The output channels of '{kernels.layer}' are 0..{len(kernels.weight) - 1}. Got {settings.output}."
        )
    return kernels


def _listed(names: list[str]) -> str:
    """Say which layers have kernels, not all of many."""
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return f"Those with kernels: {', '.join(names[:12])}{more}."


def _reads_colors(model: Model, kernels: Kernels) -> bool:
    """Say whether kernels read the three colors of the picture."""
    preprocessing = model.hooks.preprocessing
    values = preprocessing is not None and preprocessing.color == "values"
    return not values and kernels.weight.shape[1] == 3 and sorted(kernels.channels) == [0, 1, 2]


def _about(model: Model, kernels: Kernels) -> str:
    """Say what the kernels are, and what of the picture they reach."""
    many, each, rows, columns = kernels.weight.shape
    kind = "transposed convolution" if kernels.transposed else "convolution"
    said = f"A {kind} of {rows} x {columns}, from {each * kernels.groups} channels to {many}"
    said += "." if kernels.groups == 1 else f", in {kernels.groups} groups."
    layer = next((layer for layer in model.layers() if layer.name == kernels.layer), None)
    slid = None if layer is None else ReceptiveFields(model.graph()).sliding(layer)
    if slid is not None:
        size, stride = (f"{getattr(slid[0], what)} x {getattr(slid[1], what)}" for what in ("size", "stride"))
        said += f" Each of its units sees {size} pixels of the picture; neighbors lie {stride} pixels apart."
    idle = int((~kernels.weight.reshape(many, -1).any(axis=1)).sum())
    return f"{said} {idle} of {many} kernels are zero." if idle else said


def _measures(weight: Array) -> list[ChannelMeasure]:
    return [
        ChannelMeasure("strength", "Strength", "root of the sum of squared weights", kernel_strengths(weight)),
        ChannelMeasure("likeness", "Likeness to the strongest", "cosine", kernel_likenesses(weight)),
    ]


def _colored(
    ctx: Context, kernels: Kernels, limits: tuple[float, float], settings: FiltersSettings, about: str
) -> FeatureMaps:
    """Return kernels that read colors as pictures: red, green and blue around grey."""
    preprocessing = ctx.model.hooks.preprocessing
    reverse = preprocessing is not None and preprocessing.color == "bgr"
    channels = [2 - one if reverse else one for one in kernels.channels]
    colors = kernels.weight[:, np.argsort(channels)]
    ctx.keep("kernels", colors)
    order = "" if preprocessing else " Its channels are taken to be red, green and blue."
    return FeatureMaps(
        id="kernels",
        title=f"Kernels of {kernels.layer}",
        caption=f"{about} Grey is a weight of zero; a color is brighter where its weight is positive and darker where "
        f"it is negative, on one scale for all kernels.{order}",
        values=np.ascontiguousarray(colors.transpose(0, 2, 3, 1), np.float32),
        picture=None,
        layer=kernels.layer,
        units="weight of red, green and blue",
        sign="signed",
        limits=limits,
        clipped=_beyond(colors, limits),
        measures=(
            *_measures(colors),
            ChannelMeasure("color", "Color", "share of the squared weights, 0 for grey", kernel_chroma(colors)),
        ),
        order=settings.order,
        sheet=settings.shown,
        noun="kernel",
    )


def _maps(
    ctx: Context,
    maps: Array,
    layer: str,
    title: str,
    caption: str,
    limits: tuple[float, float],
    settings: FiltersSettings,
) -> FeatureMaps:
    """Return kernels (kernels, rows, columns) as small signed maps."""
    ctx.keep("kernels", maps)
    return FeatureMaps(
        id="kernels",
        title=title,
        caption=caption,
        values=np.ascontiguousarray(maps, np.float32),
        picture=None,
        layer=layer,
        units="weight",
        sign="signed",
        limits=limits,
        clipped=_beyond(maps, limits),
        measures=tuple(_measures(maps)),
        order=settings.order,
        sheet=settings.shown,
        noun="kernel",
    )


def _matrix(
    ctx: Context, kernels: Kernels, limits: tuple[float, float], settings: FiltersSettings, about: str
) -> FeatureMaps:
    """Return kernels of 1 x 1 as one matrix: a row for each output channel, a column for each input channel."""
    matrix = kernels.weight[:, :, 0, 0]
    ctx.keep("kernels", matrix)
    by = next((one.values for one in _measures(matrix) if one.name == settings.order), None)
    ordered = matrix if by is None else matrix[np.argsort(-np.nan_to_num(by, nan=-np.inf), kind="stable")]
    seen, side = shrunk(ordered[None], MOST_SHOWN)
    order = "number" if by is None else settings.order
    said = f"{about} Rows are output channels, by {order}; columns are input channels."
    if kernels.groups > 1:
        said += " They are those of each row's own group."
    if side > 1:
        said += f" Each value shown is the mean of {side} x {side}."
    return FeatureMaps(
        id="kernels",
        title=f"Weights of {kernels.layer}",
        caption=said,
        values=np.ascontiguousarray(seen, np.float32),
        picture=None,
        layer=kernels.layer,
        units="weight",
        sign="signed",
        limits=limits,
        clipped=_beyond(matrix, limits),
        noun="kernel",
    )


def _of_channel(
    ctx: Context, kernels: Kernels, channel: int, limits: tuple[float, float], settings: FiltersSettings, about: str
) -> Iterator[Panel]:
    """Yield the kernels of one output channel, one for each input channel; bars where they are single weights."""
    weight, read = kernels.weight[channel], kernels.read_by(channel)
    rest = f"{about} Input channels {read.start} to {read.stop - 1} are numbered from 0." if read.start else about
    title = f"Output channel {channel} of {kernels.layer}"
    if weight.shape[1] * weight.shape[2] > 1:
        said = f"{rest} One kernel for each input channel, on the layer's one scale."
        yield _maps(ctx, weight, f"{kernels.layer}, output channel {channel}", title, said, limits, settings)
        return
    flat = weight[:, 0, 0]
    ctx.keep("kernels", flat)
    order = np.arange(len(flat)) if settings.order == "index" else np.argsort(-np.abs(flat), kind="stable")
    kept = order[: settings.shown]
    which = "the first" if settings.order == "index" else "the largest"
    yield Bars(
        id="weights",
        title=title,
        caption=f"{about} {len(kept)} of {len(flat)} weights, {which}.",
        labels=tuple(f"input channel {read[number]}" for number in kept),
        values=tuple(float(flat[number]) for number in kept),
        units="weight",
    )


def _strongest(kernels: Kernels, strong: Array, shown: int) -> Bars:
    order = np.argsort(-strong, kind="stable")[:shown]
    return Bars(
        id="strengths",
        title=f"Strongest output channels of {kernels.layer}",
        caption=f"{len(order)} of {len(strong)}. The root of the sum of squared weights, before any norm.",
        labels=tuple(f"channel {number}" for number in order),
        values=tuple(float(strong[number]) for number in order),
        units="strength",
    )


def _beyond(values: Array, limits: tuple[float, float]) -> float:
    return float(np.mean((values < limits[0]) | (values > limits[1])))
