"""JAX's operations on each number, and on what is known, in NumPy: compiling hundreds of them one by one takes long."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from picasso.models.jax.program import Program, Step, execute

SAME = (
    "convert_element_type",
    "copy",
    "copy_p",
    "stop_gradient",
    "optimization_barrier",
    "name",
    "sharding_constraint",
)
"""Operations that keep the numbers."""


def _erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.float64])(x)


BY_NUMBER: Mapping[str, Callable[..., Any]] = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "max": np.maximum,
    "min": np.minimum,
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "erf": _erf,
    "erfc": lambda x: np.vectorize(math.erfc, otypes=[np.float64])(x),
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "square": np.square,
    "pow": np.power,
    "eq": np.equal,
    "ne": np.not_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "lt": np.less,
    "le": np.less_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "not": np.invert,
    "is_finite": np.isfinite,
    "select_n": lambda which, *cases: cases[0] if len(cases) == 1 else np.where(which, cases[1], cases[0]),
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
}
"""What gives a step's numbers from those of its operands, where it needs no parameters."""

_FLOATS_ONLY = ("div", "pow", "integer_pow")
"""What whole numbers do otherwise in JAX than in NumPy."""


def by_number(step: Step) -> Callable[..., Any] | None:
    """Return what a step does to each number, or None where it does anything else."""
    if step.kind == "integer_pow":
        return lambda x: x ** float(step.params["y"]) if step.params["y"] < 0 else x ** step.params["y"]
    return (lambda x: x) if step.kind in SAME and len(step.inputs) == 1 else BY_NUMBER.get(step.kind)


def _spread(x: Any, step: Step) -> Any:
    """Broadcast without writing the numbers out."""
    shape, places = step.params["shape"], step.params["broadcast_dimensions"]
    laid = [1] * len(shape)
    for axis, place in enumerate(places):
        laid[place] = x.shape[axis]
    return np.broadcast_to(x.reshape(laid), shape)


_BY_SHAPE: Mapping[str, Callable[[Any, Step], Any]] = {
    "broadcast_in_dim": _spread,
    "reshape": lambda x, step: x.reshape(step.params["new_sizes"]),
    "expand_dims": lambda x, step: np.expand_dims(x, tuple(step.params["dimensions"])),
    "squeeze": lambda x, step: np.squeeze(x, tuple(step.params["dimensions"])),
    "transpose": lambda x, step: np.transpose(x, step.params["permutation"]),
}


def known_values(program: Program, steps: Sequence[Step], known: dict[int, Any]) -> None:
    """Add the values that do not depend on the picture to those that are known.

    Args:
        program: The network.
        steps: The steps that make them, in the order of execution.
        known: NumPy arrays by place: the parameters and the constants.
    """
    for step in steps:
        operands = [known[place] for place in step.inputs]
        kind = program.kinds[step.outputs[0]]
        simple = all(isinstance(operand, np.ndarray) and operand.dtype.kind in "fiub" for operand in operands)
        if simple and step.kind in _BY_SHAPE and len(operands) == 1:
            results = [_BY_SHAPE[step.kind](operands[0], step)]
        elif simple and operands and _is_alike(step, kind) and (function := by_number(step)) is not None:
            with np.errstate(all="ignore"):
                results = [np.asarray(function(*operands)).astype(kind.dtype, copy=False)]
        else:
            results = execute(step.equation, operands)
        for place, result in zip(step.outputs, results, strict=True):
            known[place] = as_numpy(result, program.kinds[place])


def _is_alike(step: Step, kind: Any) -> bool:
    """Say whether NumPy computes a step as JAX does."""
    made = np.dtype(kind.dtype).kind
    cases = len(step.inputs) <= 3 or step.kind != "select_n"
    return cases and (made in "fb" or (made in "iu" and step.kind not in _FLOATS_ONLY))


def as_numpy(value: Any, kind: Any) -> Any:
    """Return a known value as an array of NumPy, where it can be one: random keys cannot."""
    try:
        return np.asarray(value, kind.dtype)
    except (TypeError, ValueError):
        return value


def single(value: Any) -> float | None:
    """Return the number that all entries of a known value are without looking at them, else None."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or not value.size:
        return None
    same = all(stride == 0 or side == 1 for stride, side in zip(value.strides, value.shape, strict=True))
    return float(value.reshape(-1)[0] if value.size == 1 else value[(0,) * value.ndim]) if same else None
