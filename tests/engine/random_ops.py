"""Random operations: each adds to a graph one that the graph has a word for, with any choices that the word leaves."""

from __future__ import annotations

import numpy as np

from picasso.core import graph as g
from tests.engine.making import Making

# --- operations --------------------------------------------------------------------------------------------------


def conv(make: Making) -> None:
    channels, height, width = make.shape()
    kernel, stride, dilation = make.pair(1, 7), make.pair(1, 3), make.pair(1, 2)
    if make.between(0, 1):
        kernel, stride, dilation = (3, 3), (1, 1), (1, 1)
    kind = make.choose.choice(["plain", "plain", "depthwise", "grouped"])
    groups = 1
    out = make.between(1, 8)
    if kind != "plain":
        groups = channels if kind == "depthwise" else make.choose.choice([d for d in (1, 2, 3, 4) if channels % d == 0])
        out = groups * make.between(1, 2)
    padding = _padding(make, kernel, dilation, 1)
    kernel = _fitting(kernel, dilation, padding, (height, width))
    weight = make.normal(out, channels // groups, *kernel)
    weight /= np.sqrt(weight[0].size)
    bias = make.normal(out, size=0.3) if make.between(0, 1) else None
    make.follow(g.Conv, weight=weight, bias=bias, stride=stride, padding=padding, dilation=dilation, groups=groups)


def conv_affine_relu(make: Making) -> None:
    conv(make)
    affine(make)
    if make.between(0, 1):
        residual(make)
    activation(make)


def affine(make: Making) -> None:
    channels = make.shape()[0]
    make.follow(g.Affine, scale=make.normal(channels), shift=make.normal(channels, size=0.5))


def activation(make: Making) -> None:
    function = make.choose.choice(["relu", "relu", "clip", *PLAIN_FUNCTIONS])
    given: dict[str, object] = {}
    match function:
        case "clip":
            given = {"low": make.choose.choice([0.0, -0.5, -np.inf]), "high": make.choose.choice([6.0, 0.7])}
        case "leaky_relu" | "elu" | "celu":
            given = {"slope": make.choose.choice([0.01, 0.2, 1.0, 1.7])}
        case "hard_sigmoid":
            given = {"slope": make.choose.choice([1 / 6, 0.2]), "offset": 0.5}
        case "prelu":
            given = {"slopes": make.normal(make.shape()[0])}
        case "exp":
            make.follow(g.Activation, function="clip", low=-2.0, high=1.0)
        case "log" | "sqrt" | "reciprocal" | "rsqrt":
            channels = make.shape()[0]
            make.follow(g.Activation, function=make.choose.choice(["square", "abs"]))
            make.follow(g.Affine, scale=np.ones(channels, np.float32), shift=np.full(channels, 0.5, np.float32))
        case "square":
            make.follow(g.Activation, function="tanh")
    make.follow(g.Activation, function=function, **given)


def pool(make: Making) -> None:
    function = make.choose.choice(["max", "mean"])
    kernel, stride = make.pair(1, 4), make.pair(1, 3)
    # Every window must have a place inside.
    dilation = make.pair(1, 2) if min(make.shape()[1:]) > 2 and make.between(0, 3) == 0 else (1, 1)
    padding = _padding(make, kernel, dilation, 0)
    height, width = make.shape()[1:]
    kernel = _fitting(kernel, dilation, padding, (height, width))
    padding = tuple(  # type: ignore[assignment]
        min(side, (kernel[place % 2] - 1) * dilation[place % 2]) for place, side in enumerate(padding)
    )
    kernel = _fitting(kernel, dilation, padding, (height, width))
    counted = tuple(make.choose.choice([0, side, make.between(0, side)]) for side in padding)
    given = {"counted": counted} if function == "mean" else {}
    make.follow(g.Pool, function=function, kernel=kernel, stride=stride, padding=padding, dilation=dilation, **given)


def ceiled_pool(make: Making) -> None:
    """A pool whose last windows reach beyond the end, as in ceil mode."""
    kernel, stride, before = make.between(2, 3), 2, make.between(0, 1)
    sides = make.shape()[1:]
    if min(sides) < 3:
        return
    ends = [
        g.padded_to(-(-(side + 2 * before - kernel) // stride) + 1, side, kernel, stride, 1, before) for side in sides
    ]
    padding = (before, before, min(ends[0], kernel - 1), min(ends[1], kernel - 1))
    function = make.choose.choice(["max", "mean"])
    counted = (before, before, min(before, padding[2]), min(before, padding[3])) if make.between(0, 1) else g.NO_PADDING
    given = {"counted": counted} if function == "mean" else {}
    make.follow(g.Pool, function=function, kernel=(kernel, kernel), stride=(stride, stride), padding=padding, **given)


def residual(make: Making) -> None:
    other = make.matched(make.shape()[0])
    inputs = [make.last, other] if make.between(0, 1) else [other, make.last]
    make.maps.append(make.add(g.Elementwise, inputs, function="add"))


def elementwise(make: Making) -> None:
    function = make.choose.choice(["add", "subtract", "multiply", "maximum", "minimum", "divide", "power"])
    channels, height, width = make.shape()
    if function == "power":
        make.follow(g.Activation, function="abs")
        make.follow(g.Elementwise, make.build.constant(make.choose.choice([1.5, 2.0])), function="power")
        make.follow(g.Activation, function="clip", low=-3.0, high=3.0)
        return
    kind = make.choose.choice(["map", "map", "one", "channels", "number", "constant", "places", "itself"])
    match kind:
        case "map":
            other = make.matched(channels)
        case "one":
            other = make.matched(1)
        case "channels":
            other = make.add(g.GlobalPool, [make.last], function="mean", keep=True)
        case "places":
            shape = make.choose.choice([(channels, height, width), (1, height, width), (width,), (height, 1)])
            other = make.build.constant(make.normal(*shape))
        case "number":
            other = make.build.constant(make.choose.choice([0.7, -1.3]))
        case "constant":
            other = make.build.constant(make.normal(channels, 1, 1))
        case _:
            other = make.last
    if function == "divide":
        constant = kind in ("number", "constant", "places")
        other = (
            make.build.constant(make.around_one(channels, 1, 1))
            if constant
            else make.add(g.Activation, [make.add(g.Activation, [other], function="sigmoid")], function="exp")
        )
    inputs = [make.last, other] if function == "divide" or make.between(0, 1) else [other, make.last]
    make.maps.append(make.add(g.Elementwise, inputs, function=function))


def concat(make: Making) -> None:
    _, height, width = make.shape()
    others = [make.matched(None) for _ in range(make.between(1, 2))]
    if make.between(0, 5) == 0:
        others.append(make.build.constant(make.normal(2, height, width)))
    make.follow(g.Concat, *others, axis=0)


def concat_places(make: Making) -> None:
    make.follow(g.Concat, make.matched(make.shape()[0]), axis=make.between(1, 2))


def pad(make: Making) -> None:
    mode = make.choose.choice(["constant", "constant", "edge", "reflect"])
    low = -1 if min(make.shape()[1:]) > 4 and mode == "constant" else 0
    most = min(3, min(make.shape()[1:]) - 1) if mode == "reflect" else 3
    padding = tuple(make.between(low, most) for _ in range(4))
    value = make.choose.choice([0.0, 0.0, 0.4, -1.0]) if mode == "constant" else 0.0
    make.follow(g.Pad, padding=padding, value=value, mode=mode)
    if make.between(0, 1):
        make.choose.choice([conv, pool])(make)


def conv_transpose(make: Making) -> None:
    channels, height, width = make.shape()
    if max(height, width) > 60:
        return
    kernel, stride, dilation = make.pair(1, 4), make.pair(1, 3), make.pair(1, 2)
    groups = make.choose.choice([d for d in (1, 2, 3) if channels % d == 0])
    sides = [
        (side - 1) * s + (k - 1) * d + 1
        for side, s, k, d in zip((height, width), stride, kernel, dilation, strict=True)
    ]
    padding = [make.between(-1, 2) for _ in range(4)]
    for axis in (0, 1):
        if sides[axis] - padding[axis] - padding[axis + 2] < 1:
            padding[axis] = padding[axis + 2] = 0
    out = make.between(1, 3)
    weight = make.normal(channels, out, *kernel)
    weight /= np.sqrt(max(1, weight[:, 0].size // (groups * stride[0] * stride[1])))
    bias = make.normal(out * groups, size=0.3) if make.between(0, 1) else None
    make.follow(
        g.ConvTranspose, weight=weight, bias=bias, stride=stride, padding=tuple(padding), dilation=dilation,
        groups=groups,
    )  # fmt: skip


def resize(make: Making) -> None:
    _, height, width = make.shape()
    kind = make.choose.choice(["half pixels", "corners", "nearest", "means"])

    def matrix(side: int) -> np.ndarray:
        out = make.between(1, 2 * side) if side < 20 else make.between(side // 2, side)
        match kind:
            case "half pixels":
                return g.interpolation(out, side, lambda row: (row + 0.5) * side / out - 0.5)
            case "corners":
                return g.interpolation(out, side, lambda row: row * (side - 1) / max(1, out - 1))
            case "nearest":
                return g.interpolation(out, side, lambda row: row * side // out)
        out = max(1, side // 2)
        means = np.zeros((out, side), np.float32)
        for row in range(out):
            first, last = row * side // out, -(-(row + 1) * side // out)
            means[row, first:last] = 1 / (last - first)
        return means

    make.follow(g.Resize, rows=matrix(height), columns=matrix(width))


def layer_norm(make: Making) -> None:
    axes = make.choose.choice([(0,), (0,), (0,), (0, 1, 2), (2,), (1, 2)])
    sides = [make.shape()[axis] for axis in axes]
    scale = make.around_one(*sides) if make.between(0, 1) else None
    shift = make.normal(*sides, size=0.3) if make.between(0, 1) else None
    make.follow(
        g.LayerNorm, axes=axes, epsilon=0.05, scale=scale, shift=shift, root_mean_square=bool(make.between(0, 1))
    )


def group_norm(make: Making) -> None:
    channels, height, width = make.shape()
    groups = make.choose.choice([d for d in (1, 2, 3, channels) if channels % d == 0])
    if channels * height * width == groups:
        return
    given = {"scale": make.around_one(channels), "shift": make.normal(channels, size=0.3)} if make.between(0, 1) else {}
    make.follow(g.GroupNorm, groups=groups, epsilon=0.05, **given)


def local_response_norm(make: Making) -> None:
    make.follow(g.LocalResponseNorm, size=make.between(1, 5), alpha=0.3, beta=0.75, bias=1.0)


def slice_(make: Making) -> None:
    axis = make.choose.choice([0, 0, 1, 2])
    side = make.shape()[axis]
    if side < 2:
        return
    start = make.between(0, side - 2)
    if axis == 0 and make.between(0, 2) == 0:
        make.follow(g.Slice, axis=axis, start=side - 1, stop=-1, step=-1)
    else:
        make.follow(g.Slice, axis=axis, start=start, stop=make.between(start + 1, side), step=make.between(1, 2))


def softmax(make: Making) -> None:
    make.follow(g.Softmax, axis=make.choose.choice([0, 0, -3, 2, -1, 1]), log=bool(make.between(0, 1)))


def squeeze_and_excite(make: Making) -> None:
    channels = make.shape()[0]
    if make.between(0, 1):
        vector = make.add(g.GlobalPool, [make.last], function="mean")
        vector = make.add(g.Linear, [vector], weight=make.normal(2, channels))
        vector = make.add(g.Activation, [vector], function="relu")
        vector = make.add(g.Linear, [vector], weight=make.normal(channels, 2), bias=make.normal(channels))
        vector = make.add(g.Reshape, [vector], target=(channels, 1, 1))
    else:
        vector = make.add(g.GlobalPool, [make.last], function=make.choose.choice(["mean", "max"]), keep=True)
        vector = make.add(g.Activation, [make.convolved(vector, 2, (1, 1))], function="silu")
        vector = make.convolved(vector, channels, (1, 1))
    vector = make.add(g.Activation, [vector], function=make.choose.choice(["sigmoid", "hard_sigmoid"]), slope=1 / 6)
    make.follow(g.Elementwise, vector, function="multiply")


def channels_last(make: Making) -> None:
    channels = make.shape()[0]
    turned = make.add(g.Transpose, [make.last], axes=(1, 2, 0))
    moved = make.add(g.Linear, [turned], weight=make.normal(3, channels, size=0.5), bias=make.normal(3))
    if make.between(0, 1):
        moved = make.add(g.Activation, [moved], function="gelu")
    make.maps.append(make.add(g.Transpose, [moved], axes=(2, 0, 1)))


def attention(make: Making) -> None:
    channels, height, width = make.shape()
    if height * width > 400:
        pool(make)
        return
    tokens = make.add(g.Transpose, [make.add(g.Reshape, [make.last], target=(channels, -1))], axes=(1, 0))
    q, k, v = (make.add(g.Linear, [tokens], weight=make.normal(4, channels, size=0.5)) for _ in range(3))
    if make.between(0, 1):
        mask = [make.build.constant(make.normal(height * width, height * width))] if make.between(0, 1) else []
        made = make.add(g.Attention, [q, k, v, *mask], scale=0.5)
    else:
        weights = make.add(g.MatMul, [q, make.add(g.Transpose, [k], axes=(1, 0))])
        made = make.add(g.MatMul, [make.add(g.Softmax, [weights], axis=-1), v])
    back = make.add(g.Transpose, [made], axes=(1, 0))
    make.maps.append(make.add(g.Reshape, [back], target=(4, height, width)))


def reduce_(make: Making) -> None:
    function = make.choose.choice(["mean", "max", "min"])
    kept = make.add(g.Reduce, [make.last], function=function, axes=make.choose.choice([(0,), (1, 2), (2,)]), keep=True)
    make.follow(g.Elementwise, kept, function="subtract")


def shuffle(make: Making) -> None:
    channels, height, width = make.shape()
    if channels % 2:
        return
    apart = make.add(g.Reshape, [make.last], target=(2, channels // 2, height, width))
    turned = make.add(g.Transpose, [apart], axes=(1, 0, 2, 3))
    make.maps.append(make.add(g.Reshape, [turned], target=(channels, height, width)))


def reorder(make: Making) -> None:
    channels = make.shape()[0]
    make.follow(g.Reorder, order=tuple(make.choose.sample(range(channels), channels)))


def dense(make: Making) -> None:
    """A dense block: every layer reads all before it, through a normalization, a ReLU and 1 x 1."""
    values = [make.last]
    for _ in range(make.between(2, 3)):
        joined = make.add(g.Concat, values) if len(values) > 1 else values[0]
        channels = make.shape(joined)[0]
        scaled = make.add(g.Affine, [joined], scale=make.normal(channels), shift=make.normal(channels, size=0.5))
        clipped = make.add(g.Activation, [scaled], function="relu")
        padding = make.choose.choice([g.NO_PADDING, g.NO_PADDING, (1, 0, 1, 0)])
        cut = (-padding[0], -padding[1], -padding[2], -padding[3])
        mixed = make.convolved(clipped, 3, (1, 1), padding=padding)
        values.append(make.add(g.Pad, [mixed], padding=cut) if any(cut) else mixed)
    make.maps.append(make.add(g.Concat, values))


def branch(make: Making) -> None:
    """Go on from an earlier map."""
    make.maps.append(make.choose.choice(make.maps[1:] or make.maps))


# --- ends --------------------------------------------------------------------------------------------------------


def pooled(make: Making) -> str:
    vector = make.add(g.GlobalPool, [make.last], function="mean")
    vector = make.add(g.Linear, [vector], weight=make.normal(5, make.shape()[0]), bias=make.normal(5))
    if make.between(0, 1):
        vector = make.add(g.Activation, [vector], function=make.choose.choice(["relu", "elu", "gelu", "silu"]))
        vector = make.add(g.Linear, [vector], weight=make.normal(3, 5), bias=make.normal(3))
    return make.add(g.Softmax, [vector], axis=-1) if make.between(0, 2) == 0 else vector


def flattened(make: Making) -> str:
    vector = make.add(g.Reshape, [make.last], target=(-1,))
    features = make.shape(vector)[0]
    return make.add(g.Linear, [vector], weight=make.normal(4, features, size=features**-0.5))


def as_it_is(make: Making) -> str:
    return make.last


def pixels_last(make: Making) -> str:
    return make.add(g.Transpose, [make.last], axes=(1, 2, 0))


def _padding(make: Making, kernel: g.Pair, dilation: g.Pair, beyond: int) -> g.Padding:
    """Return zeros, half the kernel all around, or anything up to the whole kernel."""
    spans = [(kernel[axis] - 1) * dilation[axis] for axis in (0, 1)]
    kind = make.choose.choice(["none", "same", "any"])
    if kind == "none":
        return g.NO_PADDING
    if kind == "same":
        return (spans[0] // 2, spans[1] // 2, spans[0] // 2, spans[1] // 2)
    return tuple(make.between(0, spans[place % 2] + beyond) for place in range(4))  # type: ignore[return-value]


def _fitting(kernel: g.Pair, dilation: g.Pair, padding: g.Padding, sides: tuple[int, int]) -> g.Pair:
    """Return a kernel that is not larger than the padded map."""
    return tuple(  # type: ignore[return-value]
        max(1, min(kernel[axis], (sides[axis] + padding[axis] + padding[axis + 2] - 1) // dilation[axis] + 1))
        for axis in (0, 1)
    )


PLAIN_FUNCTIONS = (
    "leaky_relu", "prelu", "elu", "selu", "celu", "sigmoid", "hard_sigmoid", "hard_swish", "tanh", "silu", "gelu",
    "gelu_tanh", "softplus", "softsign", "mish", "exp", "log", "sqrt", "abs", "negative", "square", "reciprocal",
    "rsqrt", "erf",
)  # fmt: skip
COMMON = (conv, conv, conv_affine_relu, conv_affine_relu, activation, pool, ceiled_pool, residual, concat, pad)
RARE = (
    affine, elementwise, concat_places, conv_transpose, resize, layer_norm, group_norm, local_response_norm, slice_,
    softmax, squeeze_and_excite, channels_last, attention, reduce_, shuffle, reorder, dense, branch,
)  # fmt: skip
ENDS = (pooled, flattened, as_it_is, pixels_last)
