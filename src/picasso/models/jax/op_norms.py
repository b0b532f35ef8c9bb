"""Normalizations and softmax, recognized among the means, squares and roots that Flax writes them with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from picasso.core import graph as g


class _Seen(Protocol):
    ops: dict[str, g.Op]

    def before(self, op: g.Op, kind: type[g.AnyOp], index: int = 0) -> g.AnyOp | None: ...

    def only_before(self, op: g.Op, kind: type[g.AnyOp], index: int = 0) -> g.AnyOp | None: ...


Operation = g.Op | None


def softmax(op: g.Elementwise, seen: _Seen) -> Operation:
    """Recognize exp(x) / sum(exp(x)), and x - log(sum(exp(x)))."""
    left, right = (seen.ops[name] for name in op.inputs)
    is_log = op.function == "subtract"
    if is_log:
        if not _is(right, "log"):
            return None
        right = seen.ops[right.inputs[0]]
    elif op.function != "divide" or not _is(left, "exp"):
        return None
    if not isinstance(right, g.Reduce) or right.function != "sum" or len(right.axes) != 1 or not right.keep:
        return None
    summed = seen.ops[right.inputs[0]]
    source = left.name if is_log else left.inputs[0]
    if not _is(summed, "exp") or summed.inputs[0] != source:
        return None
    shifted = seen.ops[source]
    if isinstance(shifted, g.Elementwise) and shifted.function == "subtract":
        peak = seen.ops[shifted.inputs[1]]
        is_peak = isinstance(peak, g.Reduce) and (peak.function, peak.axes, peak.keep) == ("max", right.axes, True)
        source = shifted.inputs[0] if is_peak and peak.inputs[0] == shifted.inputs[0] else source
    return g.Softmax(name=op.name, inputs=(source,), shape=op.shape, layer=op.layer, axis=right.axes[0], log=is_log)


def layer_norm(op: g.Elementwise, seen: _Seen) -> Operation:
    """Recognize (x - mean) / sqrt(variance + epsilon), with a scale inside where there is one."""
    if op.function not in ("multiply", "divide"):
        return None
    for first, second in (op.inputs, op.inputs[::-1]) if op.function == "multiply" else (op.inputs,):
        centered, factor = seen.ops[first], seen.ops[second]
        scale: Any = None
        if isinstance(factor, g.Elementwise) and factor.function == "multiply":
            known = seen.before(factor, g.Constant, 1)
            scale, factor = (None, factor) if known is None else (known.value, seen.ops[factor.inputs[0]])
        factor = _unfolded(factor, seen)
        if isinstance(factor, g.Affine) and not factor.shift.any():
            scale = factor.scale.reshape(-1, *(1 for _ in op.shape[1:]))
            factor = _unfolded(seen.ops[factor.inputs[0]], seen)
        root = "rsqrt" if op.function == "multiply" else "sqrt"
        if not _is(factor, root) or (op.function == "divide" and scale is not None):
            continue
        raised = seen.ops[factor.inputs[0]]
        if not isinstance(raised, g.Affine) or (raised.scale != 1).any() or np.ptp(raised.shift) != 0:
            continue
        found = _made(op, seen, centered, _unspread(seen.ops[raised.inputs[0]], seen), float(raised.shift[0]), scale)
        if found is not None:
            return found
    return None


def _made(op: g.Op, seen: _Seen, centered: g.Op, variance: g.Op, epsilon: float, scale: Any) -> Operation:
    """Return the normalization of what a variance is of, where that is also what was centered by its mean."""
    if _is(variance, "relu"):
        variance = seen.ops[variance.inputs[0]]
    spread = _variance(variance, seen)
    if spread is None:
        squares = _mean(variance, seen)  # of a mean that was left in
        if squares is None or not _is(seen.ops[squares[0]], "square"):
            return None
        source, axes = seen.ops[squares[0]].inputs[0], squares[1]
        return _layer_norm(op, source, axes, epsilon, scale, True) if centered.name == source else None
    source, axes = spread
    if not isinstance(centered, g.Elementwise) or centered.function != "subtract":
        return None
    if _mean(_unspread(seen.ops[centered.inputs[1]], seen), seen) != spread:
        return None
    if centered.inputs[0] == source:
        return _layer_norm(op, source, axes, epsilon, scale, False)
    split = seen.ops[source]
    is_split = isinstance(split, g.Reshape) and split.inputs == centered.inputs[:1] and split.shape[2:] == op.shape[1:]
    if not is_split or len(op.shape) != 3 or axes != (1, 2, 3):
        return None
    return _group_norm(op, centered.inputs[0], split.shape[0], epsilon, scale)


def _variance(op: g.Op, seen: _Seen) -> tuple[str, tuple[int, ...]] | None:
    """Return of what a value is the variance, and over which axes."""
    if isinstance(op, g.Elementwise) and op.function == "subtract":
        squares, center = _mean(seen.ops[op.inputs[0]], seen), seen.ops[op.inputs[1]]
        mean = _mean(seen.ops[center.inputs[0]], seen) if _is(center, "square") else None
        if squares is None or mean is None or not _is(seen.ops[squares[0]], "square"):
            return None
        same = seen.ops[squares[0]].inputs[0] == mean[0] and squares[1] == mean[1]
        return mean if same else None
    squares = _mean(op, seen)
    centered = seen.ops[seen.ops[squares[0]].inputs[0]] if squares and _is(seen.ops[squares[0]], "square") else None
    if squares is None or not isinstance(centered, g.Elementwise) or centered.function != "subtract":
        return None
    mean = _mean(seen.ops[centered.inputs[1]], seen)
    return mean if mean == (centered.inputs[0], squares[1]) else None


def _mean(op: g.Op, seen: _Seen) -> tuple[str, tuple[int, ...]] | None:
    """Return of what a value is the mean, and over which axes."""
    if isinstance(op, g.GlobalPool) and op.function == "mean" and op.keep:
        return op.inputs[0], (1, 2)
    return (op.inputs[0], op.axes) if isinstance(op, g.Reduce) and op.function == "mean" and op.keep else None


def _unfolded(op: g.Op, seen: _Seen) -> g.Op:
    """Go back from (channels, 1, 1) to (channels,)."""
    folds = isinstance(op, g.Reshape) and op.shape[1:] == (1, 1) and seen.ops[op.inputs[0]].shape == op.shape[:1]
    return seen.ops[op.inputs[0]] if folds else op


def _unspread(op: g.Op, seen: _Seen) -> g.Op:
    """Go back from (channels,) to the groups' own numbers (groups, 1, 1, 1), which were repeated."""
    spread = seen.ops[op.inputs[0]] if isinstance(op, g.Reshape) else None
    if not isinstance(spread, g.Elementwise) or spread.function != "add" or len(spread.shape) != 2:
        return op
    known, narrow = seen.before(spread, g.Constant, 1), seen.before(spread, g.Reshape)
    if known is None or known.value.any() or narrow is None or narrow.shape != (spread.shape[0], 1):
        return op
    inner = seen.ops[narrow.inputs[0]]
    fits = inner.shape == (spread.shape[0], 1, 1, 1) and op.shape[0] == spread.shape[0] * spread.shape[1]
    return inner if fits and set(op.shape[1:]) <= {1} else op


def _layer_norm(
    op: g.Op, source: str, axes: tuple[int, ...], epsilon: float, scale: Any, root_mean_square: bool
) -> Operation:
    if axes == (1, 2) and len(op.shape) == 3 and not root_mean_square:
        return _group_norm(op, source, op.shape[0], epsilon, scale)
    fitted = None if scale is None else _over(scale, axes, op.shape)
    if scale is not None and fitted is None:
        return None
    return g.LayerNorm(
        name=op.name,
        inputs=(source,),
        shape=op.shape,
        layer=op.layer,
        axes=axes,
        epsilon=epsilon,
        scale=fitted,
        root_mean_square=root_mean_square,
    )


def _group_norm(op: g.Op, source: str, groups: int, epsilon: float, scale: Any) -> Operation:
    fitted = None if scale is None else _over(scale, (0,), op.shape)
    if scale is not None and fitted is None:
        return None
    return g.GroupNorm(
        name=op.name, inputs=(source,), shape=op.shape, layer=op.layer, groups=groups, epsilon=epsilon, scale=fitted
    )


def _over(known: Any, axes: tuple[int, ...], shape: g.Shape) -> Any:
    """Return known numbers of the shape of some axes, or None where they vary along others."""
    whole = known.reshape((1,) * (len(shape) - known.ndim) + known.shape)
    if any(side > 1 for axis, side in enumerate(whole.shape) if axis not in axes):
        return None
    sides = [shape[axis] for axis in axes]
    return np.broadcast_to(whole.reshape([whole.shape[axis] for axis in axes]), sides)


def scaled_norm(op: Any, seen: _Seen) -> Operation:
    """Take a scale and a shift behind a normalization into it."""
    norm: Any = seen.only_before(op, g.LayerNorm) or seen.only_before(op, g.GroupNorm)
    if norm is None:
        return None
    axes = norm.axes if isinstance(norm, g.LayerNorm) else (0,)
    if isinstance(op, g.Affine):
        column = (-1, *(1 for _ in op.shape[1:]))
        scale, shift = _over(op.scale.reshape(column), axes, op.shape), _over(op.shift.reshape(column), axes, op.shape)
        if scale is None or shift is None:
            return None
    else:
        known = seen.before(op, g.Constant, 1)
        numbers = None if known is None or norm.shape != op.shape else _over(known.value, axes, op.shape)
        if numbers is None or op.function not in ("add", "multiply"):
            return None
        adds = op.function == "add"
        scale, shift = (np.ones_like(numbers), numbers) if adds else (numbers, np.zeros_like(numbers))
    whole = scale if norm.scale is None else norm.scale * scale
    moved = shift if norm.shift is None else norm.shift * scale + shift
    return replace(norm, name=op.name, scale=whole, shift=moved)  # type: ignore[no-any-return]


def _is(op: g.Op, function: str) -> bool:
    return isinstance(op, g.Activation) and op.function == function
