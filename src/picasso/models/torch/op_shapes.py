"""Operations on the axes of a PyTorch network's tensors, written on an op graph: views, slices, sums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from picasso.core import graph as g
from picasso.core.graph import GraphError, Shape
from picasso.models.torch.op_numbers import Writer, larger, smaller
from picasso.models.torch.op_sheet import Operand, Sheet, Value, inner

_LAST_OF = (1, 2, 0)
"""Where the axes of a map with its channels last lie in the map itself."""


def view(sheet: Sheet, made: Shape, x: Value, *_: Any, **__: Any) -> str:
    """Write the same numbers in another shape."""
    return sheet.reshape(x.name, inner(made))


def permute(sheet: Sheet, made: Shape, x: Value, axes: Sequence[int]) -> str:
    """Write another order of axes."""
    order = [axis % len(x.shape) for axis in axes]
    if x.dropped and order[0] == 0:
        return sheet.transpose(x.name, tuple(axis - 1 for axis in order[1:]))
    turned = sheet.transpose(sheet.reshape(x.name, x.shape), tuple(order))
    return sheet.reshape(turned, inner(made))


def transpose(sheet: Sheet, made: Shape, x: Value, one: int, other: int) -> str:
    """Write two axes exchanged."""
    order = list(range(len(x.shape)))
    order[one], order[other] = order[other], order[one]
    return permute(sheet, made, x, order)


def transpose_matrix(sheet: Sheet, made: Shape, x: Value) -> str:
    """Write the two axes of a matrix exchanged."""
    return permute(sheet, made, x, range(len(x.shape))[::-1])


def expand(sheet: Sheet, made: Shape, x: Value, *_: Any, **__: Any) -> str:
    """Write numbers repeated along axes of one entry."""
    if x.shape == made:
        return x.name
    dropped = int(made[:1] == (1,))
    ones = sheet.constant(np.ones(made[dropped:], np.float32))
    return sheet.put(g.Elementwise, sheet.full(x, len(made), dropped), ones, function="multiply")


def copy(sheet: Sheet, made: Shape, x: Operand, source: Operand, *_: Any) -> str:
    """Write what a tensor is overwritten with."""
    if isinstance(source, Value):
        return expand(sheet, made, source)
    dropped = int(made[:1] == (1,))
    return sheet.constant(np.broadcast_to(sheet.weight(source), made).reshape(made[dropped:]))


def repeat(sheet: Sheet, made: Shape, x: Value, times: Sequence[int]) -> str:
    """Write a tensor several times behind itself."""
    shape = (1,) * (len(made) - len(x.shape)) + x.shape
    name = sheet.reshape(x.name, shape)
    for axis, count in enumerate(times):
        if count != 1:
            name = sheet.put(g.Concat, *[name] * count, axis=axis)
    return sheet.reshape(name, inner(made))


def part(sheet: Sheet, made: Shape, x: Value, axis: int = 0, start: Any = None, stop: Any = None, step: int = 1) -> str:
    """Write a slice."""
    axis %= len(x.shape)
    return _cut(sheet, x, axis, *slice(start, stop, step).indices(x.shape[axis]))


def select(sheet: Sheet, made: Shape, x: Value, axis: int, index: int) -> str:
    """Write one entry of an axis."""
    axis %= len(x.shape)
    index %= x.shape[axis]
    return sheet.reshape(_cut(sheet, x, axis, index, index + 1, 1), inner(made))


def narrow(sheet: Sheet, made: Shape, x: Value, axis: int, start: int, length: int) -> str:
    """Write a slice of a given length."""
    start %= x.shape[axis]
    return part(sheet, made, x, axis, start, start + length)


def split(sheet: Sheet, made: Shape, x: Value, size: int | Sequence[int], axis: int = 0) -> list[str | None]:
    """Write the parts of an axis, of one size or of several."""
    axis %= len(x.shape)
    side = x.shape[axis]
    sizes = [min(size, side - start) for start in range(0, side, size)] if isinstance(size, int) else size
    stops = np.cumsum(sizes).tolist()
    return [_cut(sheet, x, axis, stop - size, stop, 1) for size, stop in zip(sizes, stops, strict=True)]


def chunk(sheet: Sheet, made: Shape, x: Value, count: int, axis: int = 0) -> list[str | None]:
    """Write so many parts of an axis, the last of them shorter where they do not divide it."""
    return split(sheet, made, x, -(-x.shape[axis] // count), axis)


def unbind(sheet: Sheet, made: Shape, x: Value, axis: int = 0) -> list[str | None]:
    """Write the entries of an axis."""
    return [select(sheet, made, x, axis, index) for index in range(x.shape[axis])]


def index(sheet: Sheet, made: Shape, x: Value, places: Sequence[Operand]) -> str:
    """Write entries that are picked from one axis."""
    axes = [axis for axis, one in enumerate(places) if one is not None]
    if len(axes) != 1 or isinstance(places[axes[0]], Value) or places[axes[0]].ndim != 1:
        raise GraphError("{op} at {layer} picks from several axes at once.")
    return index_select(sheet, made, x, axes[0], places[axes[0]])


def index_select(sheet: Sheet, made: Shape, x: Value, axis: int, places: Operand) -> str:
    """Write entries that are picked from one axis, as slices."""
    picked = sheet.weight(places)
    if not np.issubdtype(np.asarray(places).dtype, np.integer):
        picked = np.flatnonzero(picked)
    axis %= len(x.shape)
    wanted = [int(place) % x.shape[axis] for place in picked]
    names, start = [], 0
    while start < len(wanted):
        step = wanted[start + 1] - wanted[start] if start + 1 < len(wanted) else 1
        step, stop = (step, start + 1) if step else (1, start + 1)
        while stop < len(wanted) and wanted[stop] - wanted[stop - 1] == step:
            stop += 1
        end = wanted[stop - 1] + (1 if step > 0 else -1)
        names.append(_cut(sheet, x, axis, wanted[start], end, step))
        start = stop
    if len(names) > _MOST_SLICES:
        raise GraphError("{op} at {layer} picks entries in no order.")
    if len(names) == 1:
        return names[0]
    return sheet.put(g.Concat, *names, axis=sheet.axis(x, axis))


def flip(sheet: Sheet, made: Shape, x: Value, axes: Sequence[int]) -> str:
    """Write axes in the opposite order."""
    name = x.name
    for axis in axes:
        name = _cut(sheet, Value(name, x.shape), axis % len(x.shape), x.shape[axis] - 1, -1, -1)
    return name


def roll(sheet: Sheet, made: Shape, x: Value, shifts: Sequence[int], axes: Sequence[int] = ()) -> str:
    """Write what leaves at one end of an axis put in at the other."""
    if not axes:
        raise GraphError("{op} at {layer} rolls all axes as one.")
    value = x
    for shift, axis in zip(shifts, axes, strict=True):
        side = x.shape[axis]
        cut = side - shift % side
        if cut not in (0, side):
            parts = [part(sheet, made, value, axis, cut, side), part(sheet, made, value, axis, 0, cut)]
            value = Value(_joined(sheet, parts, sheet.axis(x, axis)), x.shape)
    return value.name


def concat(sheet: Sheet, made: Shape, tensors: Sequence[Operand], axis: int = 0) -> str:
    """Write tensors one behind the other."""
    axis %= len(made)
    dropped = int(made[0] == 1 and axis > 0)
    there = [one for one in tensors if 0 not in one.shape]
    name = _joined(sheet, [sheet.full(one, len(made), dropped) for one in there], axis - dropped)
    return sheet.reshape(name, inner(made))


def stack(sheet: Sheet, made: Shape, tensors: Sequence[Operand], axis: int = 0) -> str:
    """Write tensors one behind the other along a new axis."""
    axis %= len(made)
    one = (*made[:axis], 1, *made[axis + 1 :])
    opened = [
        Value(sheet.reshape(tensor.name, inner(one)), one) if isinstance(tensor, Value) else tensor.reshape(one)
        for tensor in tensors
    ]
    return concat(sheet, made, opened, axis)


def pad(sheet: Sheet, made: Shape, x: Value, sides: Sequence[int], mode: str = "constant", value: Any = None) -> str:
    """Write a border around a map, or zeros before and after other axes."""
    known: dict[str, Literal["constant", "edge", "reflect"]] = {
        "constant": "constant",
        "replicate": "edge",
        "reflect": "reflect",
    }
    if mode not in known:
        raise GraphError(f"{{op}} at {{layer}} pads in the mode {mode}.")
    around = {len(x.shape) - 1 - place // 2: tuple(sides[place : place + 2]) for place in range(0, len(sides), 2)}
    around = {axis: ends for axis, ends in around.items() if ends != (0, 0)}
    if not around:
        return x.name
    source = sheet.turned(x.name)
    map_ = (source or x.name) if len(x.shape) == 4 and x.dropped else None
    rows, columns = (1, 2) if source is not None else (2, 3)
    given = {"value": float(value or 0), "mode": known[mode]}
    if map_ is not None and set(around) <= {rows, columns}:
        (top, bottom), (left, right) = around.get(rows, (0, 0)), around.get(columns, (0, 0))
        name = sheet.put(g.Pad, map_, padding=(top, left, bottom, right), **given)
        return name if source is None else sheet.last(name)
    if mode != "constant" or min(min(ends) for ends in around.values()) < 0:
        raise GraphError("{op} at {layer} pads other axes than those of a map.")
    name = x.name
    for axis, ends in around.items():
        place, shape = sheet.axis(x, axis), sheet.build.shape(name)
        border = [
            sheet.constant(np.full((*shape[:place], end, *shape[place + 1 :]), given["value"])) if end else None
            for end in ends
        ]
        name = sheet.put(g.Concat, *(one for one in (border[0], name, border[1]) if one), axis=place)
    return name


def pad_map(mode: str) -> Writer:
    """Return the writer of a border in one mode."""

    def write(sheet: Sheet, made: Shape, x: Value, sides: Sequence[int]) -> str:
        return pad(sheet, made, x, sides, mode)

    return write


def pad_constant(sheet: Sheet, made: Shape, x: Value, sides: Sequence[int], value: float = 0) -> str:
    """Write a border of one number."""
    return pad(sheet, made, x, sides, "constant", value)


def reduced(function: Literal["sum", "mean", "max", "min"]) -> Writer:
    """Return the writer of a sum, mean or largest number over some axes, or all."""

    def write(
        sheet: Sheet, made: Shape, x: Value, axes: Any = None, keep: bool = False, *_: Any, **__: Any
    ) -> list[str | None]:
        if hasattr(axes, "shape"):
            return [{"max": larger, "min": smaller}[function](sheet, made, x, axes)]
        axes = range(len(x.shape)) if axes is None or axes == [] else [axes] if isinstance(axes, int) else axes
        lost = {axis % len(x.shape) for axis in axes} - ({0} if x.dropped else set())
        places = tuple(sorted(axis - x.dropped for axis in lost))
        if not places:
            return [sheet.reshape(x.name, inner(made))]
        source = sheet.turned(x.name)
        is_map = len(x.shape) == 4 and bool(x.dropped) and function in ("mean", "max")
        if is_map and places == ((1, 2) if source is None else (0, 1)):
            name = sheet.put(g.GlobalPool, source or x.name, function=function, keep=keep and source is None)
        elif source is not None:
            name = sheet.put(g.Reduce, source, function=function, axes=_moved(places), keep=True)
            name = sheet.last(name)
        else:
            name = sheet.put(g.Reduce, x.name, function=function, axes=places, keep=keep)
        return [sheet.reshape(name, inner(made))]

    return write


def variance(
    sheet: Sheet,
    made: Shape,
    x: Value,
    axes: Any = None,
    unbiased: bool = True,
    *_: Any,
    correction: float | None = None,
    **__: Any,
) -> str:
    """Write a variance as the mean square of what differs from the mean."""
    if isinstance(axes, bool):
        axes, unbiased = None, axes
    every = list(range(len(x.shape)))
    axes = every if axes is None else [axis % len(x.shape) for axis in ([axes] if isinstance(axes, int) else axes)]
    kept = tuple(1 if axis in axes else side for axis, side in enumerate(x.shape))
    count = int(np.prod([x.shape[axis] for axis in axes]))
    freedom = count - (int(unbiased) if correction is None else correction)
    mean = reduced("mean")
    center = mean(sheet, kept, x, axes, True)[0]
    names = [sheet.full(Value(str(center), kept), len(kept), x.dropped)]
    difference = sheet.put(g.Elementwise, x.name, *names, function="subtract")
    square = Value(sheet.put(g.Activation, difference, function="square"), x.shape)
    name = mean(sheet, kept, square, axes, True)[0]
    shape, scale = (1,) * len(kept), count / freedom
    name = sheet.scaled(Value(str(name), kept), np.full(shape, scale), np.zeros(shape))
    return sheet.reshape(name, inner(made))


def deviation(sheet: Sheet, made: Shape, x: Value, *axes: Any, **named: Any) -> str:
    """Write a standard deviation."""
    spread = Value(variance(sheet, made, x, *axes, **named), made)
    return sheet.each(g.Activation, spread, function="sqrt")


def norm(sheet: Sheet, made: Shape, x: Value, order: float = 2, axes: Any = None, keep: bool = False, **_: Any) -> str:
    """Write the length of vectors."""
    if order != 2:
        raise GraphError("{op} at {layer} has an order other than two.")
    square = Value(sheet.each(g.Activation, x, function="square"), x.shape)
    total = Value(str(reduced("sum")(sheet, made, square, axes, keep)[0]), made)
    return sheet.each(g.Activation, total, function="sqrt")


def pixel_shuffle(sheet: Sheet, made: Shape, x: Operand, factor: int) -> str:
    """Write channels laid out as pixels."""
    name, (_, channels, height, width) = sheet.map(x), x.shape
    name = sheet.reshape(name, (channels // factor**2, factor, factor, height, width))
    return sheet.reshape(sheet.transpose(name, (0, 3, 1, 4, 2)), made[1:])


def pixel_unshuffle(sheet: Sheet, made: Shape, x: Operand, factor: int) -> str:
    """Write pixels laid out as channels."""
    name, (_, channels, height, width) = sheet.map(x), x.shape
    name = sheet.reshape(name, (channels, height // factor, factor, width // factor, factor))
    return sheet.reshape(sheet.transpose(name, (0, 2, 4, 1, 3)), made[1:])


def channel_shuffle(sheet: Sheet, made: Shape, x: Operand, groups: int) -> str:
    """Write the channels of groups one of each in turn."""
    name, (_, channels, height, width) = sheet.map(x), x.shape
    name = sheet.reshape(name, (groups, channels // groups, height, width))
    return sheet.reshape(sheet.transpose(name, (1, 0, 2, 3)), made[1:])


def _moved(places: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(_LAST_OF[place] for place in places))


def _cut(sheet: Sheet, x: Value, axis: int, start: int, stop: int, step: int) -> str:
    """Write a slice, of the map itself where the channels of one were moved last."""
    if (start, stop, step) == (0, x.shape[axis], 1):
        return x.name
    place, source = sheet.axis(x, axis), sheet.turned(x.name)
    if source is not None:
        return sheet.last(sheet.put(g.Slice, source, axis=_LAST_OF[place], start=start, stop=stop, step=step))
    return sheet.put(g.Slice, x.name, axis=place, start=start, stop=stop, step=step)


def _joined(sheet: Sheet, names: Sequence[str], axis: int) -> str:
    maps = [map_ for name in names if (map_ := sheet.turned(name)) is not None]
    if len(names) == 1:
        return names[0]
    if len(maps) == len(names):
        return sheet.last(sheet.put(g.Concat, *maps, axis=_LAST_OF[axis]))
    return sheet.put(g.Concat, *names, axis=axis)


_MOST_SLICES = 16
_VIEWS = (
    "view", "_unsafe_view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as",
    "_reshape_alias", "ravel",
)  # fmt: skip
TABLE: dict[str, Writer] = {
    **dict.fromkeys(_VIEWS, view),
    **dict.fromkeys(("expand", "expand_as", "broadcast_to"), expand),
    **dict.fromkeys(("split", "split_with_sizes"), split),
    **dict.fromkeys(("cat", "concat", "concatenate"), concat),
    "permute": permute,
    "transpose": transpose,
    "t": transpose_matrix,
    "copy": copy,
    "repeat": repeat,
    "slice": part,
    "select": select,
    "narrow": narrow,
    "chunk": chunk,
    "unbind": unbind,
    "index": index,
    "index_select": index_select,
    "flip": flip,
    "roll": roll,
    "stack": stack,
    "pad": pad,
    "constant_pad_nd": pad_constant,
    "reflection_pad2d": pad_map("reflect"),
    "replication_pad2d": pad_map("replicate"),
    "sum": reduced("sum"),
    "mean": reduced("mean"),
    "amax": reduced("max"),
    "amin": reduced("min"),
    "max": reduced("max"),
    "min": reduced("min"),
    "var": variance,
    "std": deviation,
    "linalg_vector_norm": norm,
    "channel_shuffle": channel_shuffle,
    "native_channel_shuffle": channel_shuffle,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
}
"""Writers by the names of PyTorch's operations."""
