"""ONNX's convolutions, pools, normalizations and resizings as operations of the op graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from picasso.core.graph import (
    Affine,
    Conv,
    ConvTranspose,
    GlobalPool,
    GroupNorm,
    LayerNorm,
    LocalResponseNorm,
    Op,
    Pad,
    Padding,
    Pool,
    Resize,
)
from picasso.core.preprocessing import Array
from picasso.models.onnx.op_patterns import neighbors
from picasso.models.onnx.op_views import Numbers, Value, View, Views
from picasso.models.onnx.resize import resize_of
from picasso.models.onnx.windows import window_of

Reader = Callable[..., Any]


def numbers(value: Numbers | None) -> list[Any] | None:
    """Return a constant's numbers one by one."""
    return None if value is None else np.asarray(value).reshape(-1).tolist()


def seen(on: Views, value: Value) -> View:
    """Return a value that must depend on the picture.

    Raises:
        GraphError: It is a constant.
    """
    if not isinstance(value, View):
        raise on.refused("its first input is a constant")
    return value


def fixed(on: Views, value: Value | None) -> Numbers | None:
    """Return a value that must be a constant, or None.

    Raises:
        GraphError: It depends on the picture.
    """
    if isinstance(value, View):
        raise on.refused("its weights depend on the picture")
    return value


def _float(array: Numbers | None) -> Array | None:
    return None if array is None else np.asarray(array, np.float32)


# --- convolutions and pools ---------------------------------------------------------------------------------------


def _on_map(on: Views, view: View, axes: int) -> tuple[View, int]:
    """Return a map to move a window over; one axis of space is the width of a map of one row."""
    if axes == 1 and len(view.order) == 3:
        channels_first = on.plain(on.with_first(view, 3))
        n, channels, length = on.sides(channels_first)
        return on.map(on.reshaped(channels_first, (n, channels, 1, length))), 1
    if axes != 2:
        raise on.refused(f"it has {axes} axes of space")
    return on.map(view), 0


def _off_map(on: Views, view: View, added: int) -> View:
    return on.without(view, {2}) if added else view


def _two(values: list[int], other: int) -> tuple[int, int]:
    return (values[0], values[1]) if len(values) == 2 else (other, values[0])


def _padding(on: Views, before: list[int], after: list[int]) -> Padding:
    top, left = _two(before, 0)
    bottom, right = _two(after, 0)
    if min(top, left, bottom, right) < 0:
        raise on.refused("it cuts its input off")
    return top, left, bottom, right


def _conv(on: Views, x: Value, weight: Value, bias: Value | None = None) -> View:
    w, b = _float(fixed(on, weight)), _float(fixed(on, bias))
    assert w is not None
    view, added = _on_map(on, seen(on, x), w.ndim - 2)
    sides = on.sides(view)[2 + added :]
    window = window_of(on.call, sides, on.call.get("kernel_shape") or w.shape[2:])
    name = on.add(
        Conv,
        [view.name],
        weight=w[:, :, None] if added else w,
        bias=b,
        stride=_two(window.strides, 1),
        padding=_padding(on, window.before, window.after),
        dilation=_two(window.dilations, 1),
        groups=on.call.get("group", 1),
    )
    return _off_map(on, replace(view, name=name), added)


def _conv_transpose(on: Views, x: Value, weight: Value, bias: Value | None = None) -> View:
    w, b = _float(fixed(on, weight)), _float(fixed(on, bias))
    assert w is not None
    view, call = on.map(seen(on, x)), on.call
    if w.ndim != 4:
        raise on.refused(f"it has {w.ndim - 2} axes of space")
    strides, dilations = list(call.get("strides") or [1, 1]), list(call.get("dilations") or [1, 1])
    extra, pads = list(call.get("output_padding") or [0, 0]), list(call.get("pads") or [0] * 4)
    auto, wanted = call.get("auto_pad", "NOTSET"), call.get("output_shape")
    before, after = [], []
    for axis, side in enumerate(on.sides(view)[2:]):
        length = (side - 1) * strides[axis] + (w.shape[2 + axis] - 1) * dilations[axis] + 1 + extra[axis]
        first, last = pads[axis], pads[axis + 2]
        if wanted or auto.startswith("SAME"):
            size = list(wanted)[-2:][axis] if wanted else side * strides[axis]
            total = max(length - size, 0)
            first = total // 2 if auto == "SAME_UPPER" else total - total // 2
            last = total - first - max(size - length, 0)
        before.append(first)
        after.append(last - extra[axis])
    name = on.add(
        ConvTranspose,
        [view.name],
        weight=w,
        bias=b,
        stride=tuple(strides),
        padding=(*before, *after),
        dilation=tuple(dilations),
        groups=call.get("group", 1),
    )
    return replace(view, name=name)


def _pool(function: str) -> Reader:
    def read(on: Views, x: Value) -> View:
        call = on.call
        if call.outputs > 1:
            raise on.refused("it returns where the maxima lie")
        kernel = list(call.get("kernel_shape"))
        if function == "mean" and len(kernel) == 3:
            return _mean_of_neighbors(on, seen(on, x), kernel)
        view, added = _on_map(on, seen(on, x), len(kernel))
        sides = on.sides(view)[2 + added :]
        ceil = bool(call.get("ceil_mode", 0))
        window = window_of(call, sides, kernel, ceil)
        none = not any((*window.before, *window.after))
        if tuple(kernel) == sides and none and max(window.dilations) == 1 and not added:
            return replace(view, name=on.add(GlobalPool, [view.name], function=function, keep=True))
        reached = [max(amount, 0) for amount in window.reached] if ceil else window.after
        counted = function == "mean" and call.get("count_include_pad", 0)
        name = on.add(
            Pool,
            [view.name],
            function=function,
            kernel=_two(kernel, 1),
            stride=_two(window.strides, 1),
            padding=_padding(on, window.before, reached),
            dilation=_two(window.dilations, 1),
            counted=_padding(on, window.before, window.after) if counted else (0, 0, 0, 0),
        )
        return _off_map(on, replace(view, name=name), added)

    return read


def _mean_of_neighbors(on: Views, view: View, kernel: list[int]) -> View:
    """Return the mean over channels beside each other, which exporters write as a pool of three axes."""
    n, one, depth, height, width = on.sides(view)
    plain = {"kernel_shape", "strides", "pads", "auto_pad", "ceil_mode", "count_include_pad"} >= set(on.call.attributes)
    moved = set(on.call.get("strides") or [1]) != {1} or any(on.call.get("pads") or ())
    if one != 1 or kernel[1:] != [1, 1] or moved or not plain or "SAME" in on.call.get("auto_pad", ""):
        raise on.refused("it has 3 axes of space")
    channels = on.map(on.reshaped(view, (n, depth, height, width)))
    made = replace(channels, name=on.add(Conv, [channels.name], weight=neighbors(depth, kernel[0])))
    return on.reshaped(made, (n, 1, depth - kernel[0] + 1, height, width))


def _global_pool(function: str) -> Reader:
    def read(on: Views, x: Value) -> View:
        view = on.map(seen(on, x))
        return replace(view, name=on.add(GlobalPool, [view.name], function=function, keep=True))

    return read


def _pad(on: Views, x: Value, pads: Value | None = None, value: Value | None = None, axes: Value | None = None) -> View:
    view, call = seen(on, x), on.call
    amounts = numbers(fixed(on, pads)) or list(call.get("pads") or call.get("paddings") or ())
    fill = (numbers(fixed(on, value)) or [call.get("value", 0.0)])[0]
    places = numbers(fixed(on, axes)) or range(len(view.order))
    places = [place % len(view.order) for place in places]
    both = {place: (amounts[i], amounts[i + len(places)]) for i, place in enumerate(places)}
    both = {place: pair for place, pair in both.items() if any(pair)}
    mode = call.get("mode", "constant")
    if not both:
        return view
    inner = {on.axis(view, place): pair for place, pair in both.items()}
    if mode == "constant" and len(both) == 1 and (0 in inner or len(view.axes) != 3) and min(amounts) >= 0:
        place = next(iter(both))  # of channels, as of a shortcut without weights
        borders = [_border(on, view, place, amount, fill) for amount in both[place]]
        return on.joined([part for part in (borders[0], view, borders[1]) if part is not None], place)
    if len(view.axes) != 3 or 0 in inner or mode not in ("constant", "edge", "reflect"):
        raise on.refused(f"it pads axes {sorted(both)} of a value of shape {on.sides(view)} with mode {mode}")
    (top, bottom), (left, right) = inner.get(1, (0, 0)), inner.get(2, (0, 0))
    name = on.add(Pad, [view.name], padding=(top, left, bottom, right), value=float(fill), mode=mode)
    return replace(view, name=name)


def _border(on: Views, view: View, place: int, amount: int, fill: float) -> Numbers | None:
    sides = [amount if axis == place else side for axis, side in enumerate(on.sides(view))]
    return np.full(sides, fill, np.float32) if amount else None


def _resize(on: Views, x: Value, *rest: Value | None) -> View:
    view = seen(on, x)
    changes = resize_of(on.kind, on.call, on.sides(view), [numbers(fixed(on, value)) for value in rest])
    if not changes:
        return view
    if any(change.outside is not None for change in changes):
        raise on.refused("it reads places beyond its input")
    axes = [on.axis(view, change.axis) for change in changes]
    if 0 in axes and len(view.order) == 4:  # a map of which the channels lie last
        unchanged = [axis for axis in view.axes if axis not in axes]
        turned = [*unchanged, *axes]
        turned += [axis for axis in range(3) if axis not in turned]
        order = tuple(None if axis is None else turned.index(axis) for axis in view.order)
        view = replace(view, name=on.turned(view.name, turned), order=order)
        axes = [on.axis(view, change.axis) for change in changes]
    if len(view.axes) != 3 or 0 in axes:
        raise on.refused(f"it resizes a value of shape {on.sides(view)}")
    shape = on.build.shape(view.name)
    matrices = {1: np.eye(shape[1], dtype=np.float32), 2: np.eye(shape[2], dtype=np.float32)}
    for axis, change in zip(axes, changes, strict=True):
        matrix = np.zeros((change.index.shape[1], shape[axis]))
        for index, weights in zip(change.index, change.weights, strict=True):
            np.add.at(matrix, (np.arange(len(matrix)), index), weights)
        matrices[axis] = matrix.astype(np.float32)
    return replace(view, name=on.add(Resize, [view.name], rows=matrices[1], columns=matrices[2]))


# --- normalizations -----------------------------------------------------------------------------------------------


def _batch_norm(on: Views, x: Value, scale: Value, bias: Value, mean: Value, variance: Value) -> View:
    view = on.with_first(seen(on, x))
    if on.call.get("training_mode", 0) or not on.call.get("spatial", 1):
        raise on.refused("it normalizes by the pictures that it reads")
    s, b, m, v = (np.asarray(fixed(on, part), np.float64) for part in (scale, bias, mean, variance))
    factor = s / np.sqrt(v + on.call.get("epsilon", 1e-5))
    return replace(view, name=affine(on, view.name, factor, b - m * factor))


def affine(on: Views, name: str, scale: Numbers, shift: Numbers) -> str:
    """Add a scale and a shift for each channel; return the name."""
    return on.add(Affine, [name], scale=scale.astype(np.float32), shift=shift.astype(np.float32))


def _group_norm(on: Views, x: Value, scale: Value, bias: Value) -> View:
    view = on.plain(on.with_first(seen(on, x)))
    channels = on.build.shape(view.name)[0]
    groups = on.call.get("num_groups", channels)  # that of instances has one for each channel
    parts = [np.asarray(fixed(on, part), np.float32) for part in (scale, bias)]
    s, b = (part if len(part) == channels else np.repeat(part, channels // groups) for part in parts)
    epsilon = on.call.get("epsilon", 1e-5)
    return replace(view, name=on.add(GroupNorm, [view.name], groups=groups, epsilon=epsilon, scale=s, shift=b))


def _layer_norm(root_mean_square: bool) -> Reader:
    def read(on: Views, x: Value, scale: Value, bias: Value | None = None) -> View:
        view = seen(on, x)
        rank = len(view.order)
        last = range(on.call.get("axis", -1) % rank, rank)
        axes = [on.axis(view, place) for place in last]
        shape = on.sides(view)[last.start :]

        def turned(part: Value | None) -> Array | None:
            array = fixed(on, part)
            return None if array is None else np.broadcast_to(array, shape).transpose(np.argsort(axes))

        name = on.add(
            LayerNorm,
            [view.name],
            axes=tuple(sorted(axes)),
            epsilon=on.call.get("epsilon", 1e-5),
            scale=_float(turned(scale)),
            shift=_float(turned(bias)),
            root_mean_square=root_mean_square,
        )
        return replace(view, name=name)

    return read


def _response_norm(on: Views, x: Value) -> View:
    view, size = on.map(seen(on, x)), on.call.get("size")
    given: Mapping[str, Any] = {"alpha": on.call.get("alpha", 1e-4), "beta": on.call.get("beta", 0.75)}
    kind: type[Op] = LocalResponseNorm
    return replace(view, name=on.add(kind, [view.name], size=size, bias=on.call.get("bias", 1.0), **given))


READERS: dict[str, Reader] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _pool("max"),
    "AveragePool": _pool("mean"),
    "GlobalAveragePool": _global_pool("mean"),
    "GlobalMaxPool": _global_pool("max"),
    "Pad": _pad,
    "Resize": _resize,
    "Upsample": _resize,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _group_norm,
    "GroupNormalization": _group_norm,
    "LayerNormalization": _layer_norm(False),
    "RMSNormalization": _layer_norm(True),
    "LRN": _response_norm,
}
"""Every operator of this file by its name in the format."""
