"""What each layer of Keras is in the op graph: convolutions, pools, normalizations, attention, and what lies between.

Each function reads one class of layers: it gets the values so far, the layer and what the layer is called with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from picasso.core import graph as g
from picasso.models.keras.op_functions import Reading, activated, clipped_relu, resized, softmax
from picasso.models.keras.op_values import Value, map_order, numbers, plain_order

Rule = Callable[..., Any]


def _same(side: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return the padding before and after of "same": the odd one after."""
    total = g.padded_to(-(-side // stride), side, kernel, stride, dilation, 0)
    return total // 2, total - total // 2


def _padding(kind: str, sides: Any, kernel: Any, stride: Any, dilation: Any) -> g.Padding:
    if kind == "valid":
        return g.NO_PADDING
    (top, bottom), (left, right) = (_same(*axis) for axis in zip(sides, kernel, stride, dilation, strict=True))
    return top, left, bottom, right


def _both(a: g.Padding, b: g.Padding) -> g.Padding:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def _unpadded(read: Reading, x: Value, least: Any = None) -> tuple[Value, g.Padding]:
    """Look through a border of zeros: return what lies inside, and the border, which what reads it can add itself.

    Args:
        read: The values.
        x: A map.
        least: For a pool of the largest, its kernel: zeros are nothing beside numbers that are not negative.
    """
    made = read.producer(x)
    if not isinstance(made, g.Pad) or made.mode != "constant" or made.value or min(made.padding) < 0:
        return x, g.NO_PADDING
    inside = Value(made.inputs[0], x.order)
    if least is not None:
        before = read.producer(inside)
        positive = isinstance(before, g.Activation) and (
            before.function == "relu" or (before.function == "clip" and before.low >= 0)
        )
        small = max(made.padding[0], made.padding[2]) < least[0] and max(made.padding[1], made.padding[3]) < least[1]
        if not (positive and small):
            return x, g.NO_PADDING
    return inside, made.padding


def _convolved(
    read: Reading, x: Value, weight: Any, bias: Any, settings: Any, groups: int = 1, plain: bool = False
) -> Value:
    """Return a convolution with a layer's own settings, or with none of them where `plain`."""
    x = read.arranged(x, map_order(settings.data_format))
    given: dict[str, Any] = {"weight": weight, "bias": None if bias is None else numbers(bias), "groups": groups}
    if not plain:
        stride, dilation = tuple(settings.strides), tuple(settings.dilation_rate)
        sides = read.build.shape(x.name)[1:]
        own = _padding(settings.padding, sides, weight.shape[2:], stride, dilation)
        x, border = _unpadded(read, x)
        given |= {"stride": stride, "dilation": dilation, "padding": _both(own, border)}
    return read.same(x, g.Conv, **given)


def _by_channel(kernel: Any) -> Any:
    """Return a depthwise kernel (height, width, channels, each) as (channels * each, 1, height, width)."""
    return numbers(kernel).transpose(2, 3, 0, 1).reshape(-1, 1, *kernel.shape[:2])


def _conv(read: Reading, layer: Any, x: Value) -> Value:
    weight = numbers(layer.kernel).transpose(3, 2, 0, 1)
    return activated(read, layer, _convolved(read, x, weight, layer.bias, layer, layer.groups))


def _depthwise(read: Reading, layer: Any, x: Value) -> Value:
    weight = _by_channel(layer.kernel)
    return activated(read, layer, _convolved(read, x, weight, layer.bias, layer, int(layer.kernel.shape[2])))


def _separable(read: Reading, layer: Any, x: Value) -> Value:
    channels = int(layer.depthwise_kernel.shape[2])
    x = _convolved(read, x, _by_channel(layer.depthwise_kernel), None, layer, channels)
    weight = numbers(layer.pointwise_kernel).transpose(3, 2, 0, 1)
    return activated(read, layer, _convolved(read, x, weight, layer.bias, layer, plain=True))


def _conv_transpose(read: Reading, layer: Any, x: Value) -> Value:
    x = read.arranged(x, map_order(layer.data_format))
    weight = numbers(layer.kernel).transpose(3, 2, 0, 1)
    sides, ends = read.build.shape(x.name)[1:], []
    extra = layer.output_padding if isinstance(layer.output_padding, list | tuple) else (layer.output_padding,) * 2
    for axis in (0, 1):
        stride, more = layer.strides[axis], extra[axis]
        kernel = (weight.shape[2 + axis] - 1) * layer.dilation_rate[axis] + 1
        whole = (sides[axis] - 1) * stride + kernel
        if layer.padding == "valid":
            ends.append((0, -(max(kernel, stride) - kernel if more is None else more)))
            continue
        out = sides[axis] * stride if more is None else (sides[axis] - 1) * stride + kernel % 2 + more
        before = max(0, (whole - out) // 2)
        ends.append((before, whole - out - before))
    (top, bottom), (left, right) = ends
    given = {"stride": tuple(layer.strides), "dilation": tuple(layer.dilation_rate)}
    bias = None if layer.bias is None else numbers(layer.bias)
    made = read.same(x, g.ConvTranspose, weight=weight, bias=bias, padding=(top, left, bottom, right), **given)
    return activated(read, layer, made)


def _linear(read: Reading, x: Value, weight: Any, bias: Any) -> Value:
    """Return a matrix (out, in) on the last axis of Keras; on a map whose channels lie first it is a convolution."""
    if len(x.order) == 3 and x.order[0] == 2:
        return read.same(x, g.Conv, weight=weight[:, :, None, None], bias=bias)
    last = len(x.order) - 1
    x = x if x.order[-1] == last else read.plain(x)
    return read.same(x, g.Linear, weight=weight, bias=bias)


def _dense(read: Reading, layer: Any, x: Value) -> Value:
    bias = None if layer.bias is None else numbers(layer.bias)
    return activated(read, layer, _linear(read, x, numbers(layer.kernel).T, bias))


def _einsum_dense(read: Reading, layer: Any, x: Value) -> Value:
    """Read a sum over the last axes of the input and the first of the kernel, as attention has them."""
    inputs, _, rest = layer.equation.replace("...", "").replace(" ", "").partition(",")
    kernel, _, output = rest.partition("->")
    count = sum(letter in inputs for letter in kernel)
    if not count or kernel[:count] != inputs[-count:] or output != inputs[:-count] + kernel[count:]:
        raise read.refused(f"the sum {layer.equation}")
    weight = numbers(layer.kernel)
    sides, news = read.shape(x), weight.shape[count:]
    kept = sides[: len(sides) - count]
    weight = weight.reshape(int(np.prod(weight.shape[:count])), -1)
    bias = None if layer.bias is None else numbers(layer.bias)
    if bias is not None:
        bias = np.broadcast_to(bias, news).reshape(-1)
    x = x if count == 1 else read.reshaped(x, (*kept, len(weight)))
    x = _linear(read, x, weight.T, bias)
    return activated(read, layer, x if len(news) == 1 else read.reshaped(x, (*kept, *news)))


def _batch_norm(read: Reading, layer: Any, x: Value, mask: Any = None) -> Value:
    axis = read.axis(x, layer.axis)
    mean, variance = (numbers(part).astype(np.float64) for part in (layer.moving_mean, layer.moving_variance))
    scale = 1 / np.sqrt(variance + layer.epsilon)
    scale = scale * numbers(layer.gamma) if layer.scale else scale
    shift = -mean * scale + (numbers(layer.beta) if layer.center else 0)
    shape = [-1 if place == axis else 1 for place in range(len(x.order))]
    return read.affine(x, scale.reshape(shape), shift.reshape(shape))


def _layer_norm(read: Reading, layer: Any, x: Value, root: bool = False) -> Value:
    listed = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    axes = [read.axis(x, axis) for axis in listed]
    if getattr(layer, "rms_scaling", False):
        raise read.refused("a layer normalization of its own kind (rms_scaling)")
    # The scale's axes in the order in which the graph has them.
    turned = tuple(sorted(axes).index(axis) for axis in x.order if axis in axes)
    gamma, beta = (layer.scale, None) if root else (layer.gamma, layer.beta)
    scale, shift = (None if part is None else numbers(part).transpose(turned) for part in (gamma, beta))
    places = tuple(place for place, axis in enumerate(x.order) if axis in axes)
    given = {"scale": scale, "shift": shift, "root_mean_square": root}
    return read.same(x, g.LayerNorm, axes=places, epsilon=float(layer.epsilon), **given)


def _group_norm(read: Reading, layer: Any, x: Value) -> Value:
    x = read.with_first(x, read.axis(x, layer.axis))
    scale = numbers(layer.gamma) if layer.scale else None
    shift = numbers(layer.beta) if layer.center else None
    given = {"groups": int(layer.groups), "epsilon": float(layer.epsilon)}
    return read.same(x, g.GroupNorm, scale=scale, shift=shift, **given)


def _prelu(read: Reading, layer: Any, x: Value) -> Value:
    alpha = numbers(layer.alpha)
    if alpha.size == 1:
        return read.same(x, g.Activation, function="leaky_relu", slope=float(alpha.reshape(-1)[0]))
    wide = [axis for axis, side in enumerate(alpha.shape) if side > 1]
    if len(wide) > 1:
        raise read.refused("a PReLU with a slope for each pixel")
    return read.same(read.with_first(x, wide[0]), g.Activation, function="prelu", slopes=alpha.reshape(-1))


def _rescaling(read: Reading, layer: Any, x: Value) -> Value:
    import keras

    scale, offset = np.asarray(layer.scale, np.float64), np.asarray(layer.offset, np.float64)
    if scale.ndim and keras.config.image_data_format() == "channels_first":
        scale = scale.reshape(scale.shape + (1,) * (3 - scale.ndim))
    return read.affine(x, scale, offset)


def _normalization(read: Reading, layer: Any, x: Value) -> Value:
    import keras

    mean = numbers(layer.mean).astype(np.float64)
    deviation = np.maximum(np.sqrt(numbers(layer.variance).astype(np.float64)), keras.config.epsilon())
    return read.affine(x, deviation, mean) if layer.invert else read.affine(x, 1 / deviation, -mean / deviation)


def _layer_scale(read: Reading, layer: Any, x: Value) -> Value:
    return read.affine(x, numbers(layer.gamma), 0)


def _bordered(read: Reading, layer: Any, x: Value, sign: int) -> Value:
    (top, bottom), (left, right) = layer.padding if sign > 0 else layer.cropping
    x = read.arranged(x, map_order(layer.data_format))
    return read.same(x, g.Pad, padding=tuple(sign * side for side in (top, left, bottom, right)))


def pooled(read: Reading, settings: Any, x: Value, function: str) -> Value:
    """Return the pool that a layer or an operation declares."""
    x = read.arranged(x, map_order(settings.data_format))
    kernel = _pair(settings.pool_size)
    stride = kernel if settings.strides is None else _pair(settings.strides)
    padding = _padding(settings.padding, read.build.shape(x.name)[1:], kernel, stride, (1, 1))
    if function == "max":
        x, border = _unpadded(read, x, kernel)
        padding = _both(padding, border)
    elif padding[:2] != padding[2:] and read.keras.backend.backend() == "torch":
        # Keras on PyTorch repeats the edge, and counts it, where there is more padding at one end.
        x, padding = read.same(x, g.Pad, padding=padding, mode="edge"), g.NO_PADDING
    return read.same(x, g.Pool, function=function, kernel=kernel, stride=stride, padding=padding)


def _pair(value: Any) -> g.Pair:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _globally(read: Reading, layer: Any, x: Value, function: str) -> Value:
    rank = len(x.order)
    axes = range(2, rank + 1) if layer.data_format == "channels_first" else range(1, rank)
    return read.reduced(x, function, list(axes), bool(layer.keepdims))


def _up_sampling(read: Reading, layer: Any, x: Value) -> Value:
    x = read.arranged(x, map_order(layer.data_format))
    sides = tuple(side * by for side, by in zip(read.build.shape(x.name)[1:], layer.size, strict=True))
    return resized(read, x, sides, layer.interpolation, False)


def _resizing(read: Reading, layer: Any, x: Value) -> Value:
    if layer.crop_to_aspect_ratio or getattr(layer, "pad_to_aspect_ratio", False):
        raise read.refused("resizing that keeps proportions")
    x = read.arranged(x, map_order(layer.data_format))
    return resized(read, x, (layer.height, layer.width), layer.interpolation, getattr(layer, "antialias", False))


def _flatten(read: Reading, layer: Any, x: Value) -> Value:
    if layer.data_format == "channels_first":
        order = (*range(1, len(x.order)), 0)
        x = Value(read.arranged(x, order).name, plain_order(len(order)))
    return read.reshaped(x, (-1,))


def _permute(read: Reading, layer: Any, x: Value) -> Value:
    return Value(x.name, tuple(tuple(layer.dims).index(axis + 1) for axis in x.order))


def _merge(read: Reading, layer: Any, parts: Any, function: str) -> Value:
    ranks = {len(part.order) if isinstance(part, Value) else part.ndim - 1 for part in parts}
    if len(ranks) > 1:
        raise read.refused("merging tensors of different numbers of axes")
    made: Value = parts[0]
    for part in parts[1:]:
        made = read.elementwise(function, made, part)
    return made


def _average(read: Reading, layer: Any, parts: Any) -> Value:
    return read.affine(_merge(read, layer, parts, "add"), 1 / len(parts), 0)


def _heads(read: Reading, layer: Any, query: Value, value: Value, key: Value | None = None, **given: Any) -> Value:
    """Read multi-head attention over all places."""
    others = {name: said for name, said in given.items() if said not in (None, False)}
    if others or getattr(layer, "_use_gate", False) or getattr(layer, "_sliding_window", None):
        raise read.refused("attention with a mask, a gate or its weights")
    rank = len(query.order)
    if tuple(layer._attention_axes) != tuple(range(1, rank)) or len(value.order) != rank:
        raise read.refused("attention along some of the axes")

    def tokens(x: Value, dense: Any) -> str:
        sides = read.shape(x)
        x = x if rank == 2 else read.reshaped(x, (-1, sides[-1]))
        heads, size = dense.kernel.shape[1:]
        bias = None if dense.bias is None else numbers(dense.bias).reshape(-1)
        made = _linear(read, x, numbers(dense.kernel).reshape(sides[-1], -1).T, bias)
        return read.arranged(read.reshaped(made, (-1, heads, size)), (1, 0, 2)).name

    q, k, v = (
        tokens(x, dense)
        for x, dense in (
            (query, layer._query_dense),
            (value if key is None else key, layer._key_dense),
            (value, layer._value_dense),
        )
    )
    made = Value(read.add(g.Attention, q, k, v, scale=float(layer._inverse_sqrt_key_dim)), (1, 0, 2))
    out, sides = layer._output_dense, read.shape(query)
    if len(out.kernel.shape) != 3:
        raise read.refused("attention whose answer has several axes")
    weight = numbers(out.kernel).reshape(-1, out.kernel.shape[2]).T
    bias = None if out.bias is None else numbers(out.bias)
    made = _linear(read, read.reshaped(made, (-1, weight.shape[1])), weight, bias)
    return made if rank == 2 else read.reshaped(made, (*sides[:-1], len(weight)))


def _alone(read: Reading, layer: Any, x: Value) -> Value:
    return x


RESTING = (
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "GaussianDropout",
    "GaussianNoise",
    "AlphaDropout",
    "ActivityRegularization",
    "Identity",
    "StochasticDepth",
    "RandomFlip",
    "RandomRotation",
    "RandomZoom",
    "RandomTranslation",
    "RandomContrast",
    "RandomBrightness",
)
"""Layers that do nothing outside of training."""
LAYERS: Mapping[str, Rule] = {
    "Conv2D": _conv,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Conv2DTranspose": _conv_transpose,
    "Dense": _dense,
    "EinsumDense": _einsum_dense,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "RMSNormalization": partial(_layer_norm, root=True),
    "GroupNormalization": _group_norm,
    "Activation": activated,
    "ReLU": clipped_relu,
    "LeakyReLU": lambda read, layer, x: read.same(
        x, g.Activation, function="leaky_relu", slope=float(layer.negative_slope)
    ),
    "PReLU": _prelu,
    "ELU": lambda read, layer, x: read.same(x, g.Activation, function="elu", slope=float(layer.alpha)),
    "Softmax": lambda read, layer, x: softmax(read, x, layer.axis),
    "Rescaling": _rescaling,
    "Normalization": _normalization,
    "LayerScale": _layer_scale,
    "ZeroPadding2D": partial(_bordered, sign=1),
    "Cropping2D": partial(_bordered, sign=-1),
    "MaxPooling2D": partial(pooled, function="max"),
    "AveragePooling2D": partial(pooled, function="mean"),
    "GlobalAveragePooling1D": partial(_globally, function="mean"),
    "GlobalMaxPooling1D": partial(_globally, function="max"),
    "GlobalAveragePooling2D": partial(_globally, function="mean"),
    "GlobalMaxPooling2D": partial(_globally, function="max"),
    "UpSampling2D": _up_sampling,
    "Resizing": _resizing,
    "Add": partial(_merge, function="add"),
    "Subtract": partial(_merge, function="subtract"),
    "Multiply": partial(_merge, function="multiply"),
    "Maximum": partial(_merge, function="maximum"),
    "Minimum": partial(_merge, function="minimum"),
    "Average": _average,
    "Concatenate": lambda read, layer, parts: read.joined(parts, layer.axis),
    "Flatten": _flatten,
    "Reshape": lambda read, layer, x: read.reshaped(x, layer.target_shape),
    "Permute": _permute,
    "MultiHeadAttention": _heads,
    **dict.fromkeys(RESTING, _alone),
}
"""What reads a layer, by its class."""
