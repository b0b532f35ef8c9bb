"""Activations, recognized by what they compute.

Libraries write one activation in many ways: with selections that avoid overflow, with `erf` or `erfc`, with a ReLU6
inside. What they have in common is that one number goes in and one comes out. So a group of operations that reads one
value and known numbers is run on a grid of numbers, and compared with the activations that there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.models.jax.op_numbers import BY_NUMBER, SAME, by_number, single
from picasso.models.jax.program import Program, Step

Numbers = NDArray[np.float64]

_MOST_STEPS = 24
"""Steps that an activation is made of at most."""
_GRID = np.unique(
    np.concatenate([np.linspace(-40, 40, 1601), np.linspace(-0.1, 0.1, 101), [-1e6, -1e3, -100, 100, 1e3, 1e6]])
)
_FAR = 1e6


def _sigmoid(x: Numbers) -> Numbers:
    return 0.5 * (1 + np.tanh(x / 2))


def _softplus(x: Numbers) -> Numbers:
    return np.asarray(np.logaddexp(x, 0.0))


def _normal(x: Numbers) -> Numbers:
    return 0.5 * np.vectorize(math.erfc)(-x / math.sqrt(2))  # type: ignore[no-any-return]


def _gelu_tanh(x: Numbers) -> Numbers:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


_FIXED: Mapping[str, Callable[[Numbers], Numbers]] = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: x * _normal(x),
    "gelu_tanh": _gelu_tanh,
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "softplus": _softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0))),
    "square": np.square,
    "abs": np.abs,
}
_AT: dict[str, Numbers] = {}
"""The fixed activations on the grid, made when they are first needed."""


def activation_like(function: Callable[[Numbers], Numbers]) -> dict[str, Any] | None:
    """Return the fields of the `Activation` that a function of each number is, or None where it is none."""
    with np.errstate(all="ignore"):
        if not _AT:
            _AT.update({name: fixed(_GRID) for name, fixed in _FIXED.items()})
        seen = np.broadcast_to(function(_GRID), _GRID.shape)
        zero, one = (float(end) for end in np.broadcast_to(function(np.array([0.0, 1.0])), (2,)))
        is_line = np.allclose(seen, zero + (one - zero) * _GRID, rtol=1e-9, atol=1e-9 + abs(zero) * 1e-9)
        if is_line or not np.isfinite(seen).all():
            return None
        for name, expected in _AT.items():
            if _is_near(seen, expected):
                return {"function": name}
        ends = function(np.array([-_FAR, -1.0, 0.0, 0.25, _FAR]))
        for fields, candidate in _families(*(float(end) for end in np.broadcast_to(ends, (5,)))):
            if _is_near(seen, candidate(_GRID)):
                return fields
    return None


def _families(
    lowest: float, at_minus_one: float, at_zero: float, at_quarter: float, highest: float
) -> list[tuple[dict[str, Any], Callable[[Numbers], Numbers]]]:
    """Return the activations with a number of their own that have these values at -far, -1, 0, 1 / 4 and far."""
    found: list[tuple[dict[str, Any], Callable[[Numbers], Numbers]]] = []
    low, high = (end if abs(end) < _FAR / 2 else math.copysign(math.inf, end) for end in (lowest, highest))
    if low < high and (math.isfinite(low) or math.isfinite(high)):
        found.append(({"function": "clip", "low": low, "high": high}, lambda x: np.clip(x, low, high)))
    slope, alpha, rise = -at_minus_one, -lowest, (at_quarter - at_zero) * 4
    if slope != 1:
        found.append(({"function": "leaky_relu", "slope": slope}, lambda x: np.where(x >= 0, x, slope * x)))
    if 0 < alpha < _FAR / 2:
        exponential = {"function": "elu", "slope": alpha}
        found.append((exponential, lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))))
        smooth = {"function": "celu", "slope": alpha}
        found.append((smooth, lambda x: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))))
    if lowest == 0 and highest == 1 and rise > 0:
        hard = {"function": "hard_sigmoid", "slope": rise, "offset": at_zero}
        found.append((hard, lambda x: np.clip(rise * x + at_zero, 0, 1)))
    return found


def _is_near(seen: Numbers, expected: Numbers) -> bool:
    return bool(np.allclose(seen, expected, rtol=2e-6, atol=1e-7))


@dataclass(frozen=True)
class Match:
    """A value that is an activation of another.

    Args:
        source: Place of the other.
        fields: Fields of the `Activation`.
    """

    source: int
    fields: dict[str, Any]


class Activations:
    """Finds the activations of a program.

    Args:
        program: The network.
        data: Places of the values that depend on the picture.
        known: The other values by place.
    """

    def __init__(self, program: Program, data: frozenset[int], known: Mapping[int, Any]) -> None:
        self._program, self._data, self._known = program, data, known
        self._order = {place: index for index, step in enumerate(program.steps) for place in step.outputs}
        self._seen: dict[Any, dict[str, Any] | None] = {}

    def match(self, place: int) -> Match | None:
        """Return the activation that the value at a place is of an earlier one, the earliest that there is."""
        found, inside, frontier = None, list[Step](), {place}
        shape = self._program.kinds[place].shape
        while len(inside) < _MOST_STEPS:
            last = max(frontier, key=lambda other: self._order.get(other, -1))
            step = self._program.makers.get(last)
            operands = None if step is None else self._operands(step, shape)
            if step is None or operands is None:
                break
            inside.append(step)
            frontier = (frontier - {last}) | set(operands)
            found = self._read(place, inside, frontier, found)
        return found

    def _operands(self, step: Step, shape: tuple[int, ...]) -> list[int] | None:
        """Return the operands that depend on the picture, or None for a step that is no function of each number."""
        operands = [place for place in step.inputs if place in self._data]
        kinds = self._program.kinds
        fits = all(kinds[place].shape == shape for place in (*operands, step.outputs[0]))
        whole = step.kind in SAME and kinds[step.outputs[0]].dtype.kind in "iu"
        numbers = all(single(self._known[place]) is not None for place in step.inputs if place not in self._data)
        return operands if fits and numbers and not whole and by_number(step) is not None else None

    def _read(self, place: int, inside: list[Step], sources: set[int], before: Match | None) -> Match | None:
        if len(sources) != 1:
            return before
        (source,) = sources
        kind = self._program.kinds[source].dtype
        if "float" not in str(kind) or not any(step.kind in BY_NUMBER or step.kind == "integer_pow" for step in inside):
            return before
        steps = inside[::-1]
        key = self._written(steps, source)
        if key not in self._seen:
            self._seen[key] = activation_like(lambda x: self._run(steps, source, place, x))
        fields = self._seen[key]
        return before if fields is None else Match(source, fields)

    def _written(self, steps: list[Step], source: int) -> Any:
        """Return what tells one function from another."""
        names = {source: 0} | {step.outputs[0]: index + 1 for index, step in enumerate(steps)}
        return tuple(
            (step.kind, step.params.get("y"), *(names.get(p, ("is", single(self._known.get(p)))) for p in step.inputs))
            for step in steps
        )

    def _run(self, steps: list[Step], source: int, place: int, x: Numbers) -> Numbers:
        values: dict[int, Any] = {source: x}
        for step in steps:
            function = by_number(step)
            assert function is not None
            values[step.outputs[0]] = function(*(self._value(p, values) for p in step.inputs))
        return values[place]  # type: ignore[no-any-return]

    def _value(self, place: int, values: Mapping[int, Any]) -> Any:
        if place in values:
            return values[place]
        known = self._known[place]
        number = known.reshape(-1)[0] if known.size == 1 else known[(0,) * known.ndim]
        return np.float64(number) if known.dtype.kind == "f" else number
