"""Where-information: what each layer knows of the place, the size and the direction of an object."""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    INPUT,
    Array,
    Capability,
    Context,
    Curve,
    Images,
    Layer,
    Line,
    Model,
    ModelVisualization,
    Panel,
    Planted,
    Settings,
    cell_means,
    explained_variance,
    plant_objects,
    read_drawn,
    read_layers,
)

Wide = NDArray[np.float64]
SPREAD = tuple(float(place) for place in np.linspace(0, 1, 7))
"""Where those layers lie that are asked where none is named, 0..1 of the depth; the last one follows."""
EXAMPLES = 5
"""How many of the pictures are shown."""
PROPERTIES = ("position, across", "position, down", "scale", "orientation")


class WhereInformationSettings(Settings):
    layers: str = Field(
        "",
        title="Layers",
        description="Which are asked, separated by commas. Left empty: seven, spread over the depth, and the last.",
        json_schema_extra={"picasso": {"choices": "layers", "several": True}},
    )
    pictures: int = Field(
        400, ge=40, le=1000, title="Pictures", description="How many are drawn; each is a forward pass."
    )
    shape: Literal["bar", "ellipse"] = Field("bar", title="Object", description="What is planted in each picture.")
    grid: int = Field(
        4,
        ge=1,
        le=16,
        title="Cells",
        description="Into how many rows and columns of cells a layer's maps are averaged before they are read. 1: each "
        "channel's mean, in which a place survives only where channels of their own stand for it.",
    )


class WhereInformation(ModelVisualization[WhereInformationSettings]):
    """How well the place, the size and the direction of an object can be read from each layer, by a linear probe."""

    name = "where-information"
    title = "Where-information"
    references = (
        "Alain and Bengio 2016, arXiv:1610.01644",
        "Islam, Jia and Bruce 2020, arXiv:2001.08248",
    )
    formula = "R2 = 1 - sum (t - w.a - b)^2 / sum (t - mean)^2 over held-out pictures;  a: the layer's activations"
    pitfalls = (
        "It says what can be read from a layer, not what the network makes of it.",
        "A linear probe finds what lies open; more may be there in a form that it cannot read.",
        "The object is a bright bar or ellipse on a smooth ground: of the objects that the network was trained on it "
        "may know more, or less.",
        "Maps are averaged in cells: places finer than a cell are read from what differs between cells.",
    )
    needs = frozenset({Capability.ACTIVATIONS})

    def look(self, ctx: Context, settings: WhereInformationSettings) -> Iterator[Panel]:
        layers, size = _layers(ctx.model, settings.layers), ctx.model.input_shape[:2]
        yield _examples(plant_objects(range(EXAMPLES), size, settings.shape, ctx.seed))
        numbers, truths = _asked(ctx, layers, size, settings)
        total = settings.pictures + len(numbers)
        shuffled = truths[np.random.default_rng(ctx.seed).permutation(len(truths))]
        found: list[Wide] = []
        for done, (name, values) in enumerate(numbers):
            ctx.progress(settings.pictures + done, total, f"Reading from {name}")
            both = explained_variance(values, np.concatenate([truths, shuffled], axis=1))
            found.append(np.stack([_joined(one, truths) for one in np.split(both, 2)]))
        ctx.keep("r2", np.stack([one[0] for one in found]))
        ctx.keep("r2_shuffled", np.stack([one[1] for one in found]))
        ctx.keep("truths", truths)
        yield _curve([name for name, _ in numbers], np.stack(found), settings)
        ctx.progress(total, total)


def _layers(model: Model, written: str) -> list[Layer]:
    """Return the layers that were asked for, or some that are spread over the depth, with the last one."""
    known = {layer.name: layer for layer in model.layers()}
    names = read_layers(model, written, SPREAD)
    if not written:
        names += [name for name in list(known)[-1:] if name not in names]
    order = list(known)
    return [known[name] for name in sorted(names, key=order.index)]


def _asked(
    ctx: Context, layers: Sequence[Layer], size: tuple[int, int], settings: WhereInformationSettings
) -> tuple[list[tuple[str, Array]], Wide]:
    """Show the network every picture; return the numbers of each layer, the input first, and what is true, (n, 5)."""
    model, names = ctx.model, [layer.name for layer in layers]
    channels = model.input_shape[2]
    # A list, since a layer may be called "input", too.
    parts: list[tuple[str, list[Array]]] = [(name, []) for name in (INPUT, *names)]
    truths: list[Wide] = []
    step = model.batch_size
    for start in range(0, settings.pictures, step):
        ctx.progress(start, settings.pictures + 1 + len(layers), f"{start} of {settings.pictures} pictures")
        planted = plant_objects(range(start, min(start + step, settings.pictures)), size, settings.shape, ctx.seed)
        x = read_drawn(model, planted.pixels)
        values = model.activations(x, names)
        shown = [(Layer(INPUT, "Input", (*size, channels)), x), *((layer, values[layer.name]) for layer in layers)]
        for (_, found), (layer, numbers) in zip(parts, shown, strict=True):
            found.append(cell_means(layer, numbers, settings.grid))
        truths.append(_truths(planted))
    return [(name, np.concatenate(found)) for name, found in parts], np.concatenate(truths)


def _truths(planted: Planted) -> Wide:
    """Return what is true of each picture, (n, 5): x, y, log scale, and the orientation as a point on a circle."""
    turned = 2 * planted.angle  # half a turn is the same bar again
    return np.stack([planted.x, planted.y, np.log(planted.scale), np.cos(turned), np.sin(turned)], axis=1)


def _joined(shares: Wide, truths: Wide) -> Wide:
    """Return four numbers of five: the two of the orientation joined, each by its variance."""
    weights = truths.var(axis=0)
    orientation = (shares[3:] * weights[3:]).sum() / weights[3:].sum()
    return np.array([*shares[:3], orientation])


def _examples(planted: Planted) -> Images:
    facts = zip(planted.x, planted.y, planted.scale, np.degrees(planted.angle), strict=True)
    return Images(
        id="examples",
        title="What was planted",
        caption="Some of the pictures: position, scale and orientation are drawn independently of each other.",
        pictures=tuple(planted.pixels),
        captions=tuple(
            f"at {x:.0f}, {y:.0f}, {2 * scale:.0f} pixels long, {angle:.0f}°" for x, y, scale, angle in facts
        ),
    )


def _curve(names: Sequence[str], found: Wide, settings: WhereInformationSettings) -> Curve:
    """Return the lines; found (layers, true and shuffled, properties)."""
    chance = found[:, 1].mean(axis=1)
    lines = [Line(name, tuple(float(value) for value in found[:, 0, place])) for place, name in enumerate(PROPERTIES)]
    side = f"{settings.grid} x {settings.grid}"
    where = (
        "each channel's mean"
        if settings.grid == 1
        else f"its maps averaged to {side} cells at most, many channels mixed at random"
    )
    return Curve(
        id="where",
        title="What can be read from each layer",
        caption=f"Of {settings.pictures} pictures with {'a bar' if settings.shape == 'bar' else 'an ellipse'}, by "
        f"ridge regression on the layer's activations, {where}; each picture is held out once. 1: it can be read "
        "exactly; 0: not at all. Chance is the mean of the four where the truths of the pictures are shuffled.",
        x=tuple(float(place) for place in range(len(names))),
        ticks=tuple(names),
        lines=(*lines, Line("chance", tuple(float(value) for value in chance))),
        x_title="layers in the order in which they run",
        y_title="share of the variance that is explained, R²",
        limits=(min(0.0, float(np.floor(found.min() * 10) / 10)), 1.0),
    )
