"""Layer normalization, which TensorFlow spells out in sums and products, found again as one operation.

Its parts are written one by one as they come, and what each of them is is kept beside them: the mean of x, its
variance, the reciprocal deviation. When they come together, x itself is normalized in one step, and nothing reads the
parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from picasso.core.graph import LayerNorm

if TYPE_CHECKING:
    from picasso.models.tensorflow.op_reader import Numbers, Reader


@dataclass(frozen=True, eq=False)
class Part:
    """What a value is to the normalization of x over some axes.

    Args:
        kind: With m the mean and v the variance + epsilon, g and b some constants: mean: m. minus mean: -m. centered:
            x - m. squared: (x - m) ** 2. variance: v. deviation: v ** 0.5. factor: g / v ** 0.5.
            scaled: x * factor. scaled mean: m * factor. rest: b - m * factor.
        x: Name of x.
        axes: Over which it is normalized.
        epsilon: Added to the variance.
        scale: g.
        shift: b.
    """

    kind: Literal[
        "mean", "minus mean", "centered", "squared", "variance", "deviation", "factor", "scaled", "scaled mean", "rest"
    ]  # fmt: skip
    x: str
    axes: tuple[int, ...]
    epsilon: float = 0.0
    scale: Numbers | None = None
    shift: Numbers | None = None

    def fits(self, other: Part) -> bool:
        """Say whether both belong to one normalization."""
        mine, theirs = (np.ones(()) if part.scale is None else part.scale for part in (self, other))
        same = (self.x, self.axes, self.epsilon) == (other.x, other.axes, other.epsilon)
        return same and np.array_equal(mine, theirs)


def uniform(scale: Numbers, shift: Numbers) -> tuple[float, float] | None:
    """Return the one scale and the one shift of all channels, or None where they differ."""
    if not scale.size or (scale != scale.flat[0]).any() or (shift != shift.flat[0]).any():
        return None
    return float(scale.flat[0]), float(shift.flat[0])


def note_mean(reader: Reader, source: str, name: str, axes: tuple[int, ...]) -> None:
    """Keep in mind what the mean of a value over axes is, which are kept with one entry."""
    before = reader.parts.get(source)
    if before is not None and before.kind == "squared" and before.axes == axes:
        reader.parts[name] = replace(before, kind="variance")
    else:
        reader.parts[name] = Part("mean", source, axes)


def note_function(reader: Reader, function: str, source: str, name: str) -> None:
    """Keep in mind what a function of a part is."""
    part = reader.parts.get(source)
    kinds = {("square", "centered"): "squared", ("rsqrt", "variance"): "factor", ("sqrt", "variance"): "deviation"}
    kind = kinds.get((function, part.kind)) if part is not None else None
    if part is not None and kind is not None:
        reader.parts[name] = replace(part, kind=kind)  # type: ignore[arg-type]


def note_shifted(reader: Reader, source: str, name: str, scale: Numbers, shift: Numbers) -> None:
    """Keep in mind what a part with a scale and a shift is."""
    part = reader.parts.get(source)
    if part is None:
        return
    if part.kind == "variance" and (scale == 1).all() and (shift == shift.flat[0]).all():
        reader.parts[name] = replace(part, epsilon=part.epsilon + float(shift.flat[0]))
    elif part.kind == "mean" and (scale == -1).all() and (shift == 0).all():
        reader.parts[name] = replace(part, kind="minus mean")
    elif part.kind == "factor" and (shift == 0).all():
        reader.parts[name] = replace(part, scale=scale if part.scale is None else part.scale * scale)
    elif part.kind == "rest" and (scale == 1).all():
        reader.parts[name] = replace(part, shift=shift if part.shift is None else part.shift + shift)
    elif part.kind == "scaled mean" and (scale == -1).all():
        reader.parts[name] = replace(part, kind="rest", shift=shift)


def note_joined(reader: Reader, function: str, left: str, right: str, name: str) -> None:
    """Keep in mind what two values make together."""
    a, b = reader.parts.get(left), reader.parts.get(right)
    if function == "subtract" and b is not None and b.kind == "mean" and b.x == left:
        reader.parts[name] = replace(b, kind="centered")
    if function != "multiply":
        return
    if left == right and a is not None and a.kind == "centered":
        reader.parts[name] = replace(a, kind="squared")
    for one, part, factor in ((left, a, b), (right, b, a)):
        if factor is None or factor.kind != "factor":
            continue
        if one == factor.x:
            reader.parts[name] = replace(factor, kind="scaled")
        elif part is not None and part.kind in ("mean", "minus mean") and _together(part, factor):
            reader.parts[name] = replace(factor, kind="scaled mean" if part.kind == "mean" else "rest")


def joined(reader: Reader, op: Any, function: str, left: str, right: str) -> str | None:
    """Return the name of the normalized value that two values make together, or None."""
    a, b = reader.parts.get(left), reader.parts.get(right)
    if a is None or b is None:
        return None
    kinds = {a.kind: a, b.kind: b}
    if function == "add" and kinds.keys() == {"scaled", "rest"} and a.fits(b):
        return _normed(reader, op, kinds["scaled"], kinds["rest"].shift)
    if function == "subtract" and (a.kind, b.kind) == ("scaled", "scaled mean") and a.fits(b):
        return _normed(reader, op, a, None)
    if function == "multiply" and kinds.keys() == {"centered", "factor"}:
        return _normed(reader, op, kinds["factor"], None) if _together(a, b) else None
    if function == "divide" and (a.kind, b.kind) == ("centered", "deviation"):
        return _normed(reader, op, b, None) if _together(a, b) else None
    return None


def shifted(reader: Reader, op: Any, name: str, scale: Numbers, shift: Numbers) -> str | None:
    """Return the name of a normalized value with a further scale and shift, or None where it is not one."""
    before = reader.made[name]
    if not isinstance(before, LayerNorm):
        return None
    factors = [_over(array, before.axes, before.shape) for array in (scale, shift)]
    if factors[0] is None or factors[1] is None:
        return None
    old_scale = np.ones(()) if before.scale is None else before.scale.astype(np.float64)
    old_shift = np.zeros(()) if before.shift is None else before.shift.astype(np.float64)
    return reader.add(
        op, LayerNorm, before.inputs, axes=before.axes, epsilon=before.epsilon,
        scale=(old_scale * factors[0]).astype(np.float32),
        shift=(old_shift * factors[0] + factors[1]).astype(np.float32),
    )  # fmt: skip


def _together(a: Part, b: Part) -> bool:
    return (a.x, a.axes) == (b.x, b.axes)


def _normed(reader: Reader, op: Any, part: Part, shift: Numbers | None) -> str | None:
    shape = reader.build.shape(part.x)
    arrays = [None if array is None else _over(array, part.axes, shape) for array in (part.scale, shift)]
    if any(array is None and given is not None for array, given in zip(arrays, (part.scale, shift), strict=True)):
        return None
    scale, offset = (None if array is None else array.astype(np.float32) for array in arrays)
    return reader.add(op, LayerNorm, [part.x], axes=part.axes, epsilon=part.epsilon, scale=scale, shift=offset)


def _over(array: Numbers, axes: tuple[int, ...], shape: tuple[int, ...]) -> Numbers | None:
    """Return an array that is broadcast to a shape as one over some of its axes, or None where others matter."""
    array = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
    if any(side != 1 for axis, side in enumerate(array.shape) if axis not in axes):
        return None
    sides = tuple(shape[axis] for axis in axes)
    return np.broadcast_to(array.reshape([array.shape[axis] for axis in axes]), sides)
