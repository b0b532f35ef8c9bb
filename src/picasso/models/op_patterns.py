"""Activations that networks of any framework spell out in several operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from picasso.core.graph import Activation, Affine, Elementwise, Function, Op

_NEAR = 1e-5


def line(op: Op) -> tuple[float, float] | None:
    """Return the scale and the shift that are the same for all channels, or None."""
    if not isinstance(op, Affine) or np.ptp(op.scale) or np.ptp(op.shift):
        return None
    return float(op.scale[0]), float(op.shift[0])


def is_line(op: Op, scale: float, shift: float) -> bool:
    """Say whether an operation is `scale * x + shift`, but for rounding."""
    found = line(op)
    return found is not None and bool(np.allclose(found, (scale, shift), rtol=_NEAR, atol=1e-7))


def gated(gate: Op, x: str) -> Function | None:
    """Return which function of x the product of x and a gate is, or None."""
    if not isinstance(gate, Activation) or gate.inputs != (x,):
        return None
    usual = math.isclose(gate.slope, 1 / 6, rel_tol=1e-6) and math.isclose(gate.offset, 0.5, rel_tol=1e-6)
    known: dict[str, Function] = {"sigmoid": "silu"}
    return known.get(gate.function) or ("hard_swish" if gate.function == "hard_sigmoid" and usual else None)


def sixth(maker: Callable[[str], Op], name: str) -> tuple[str, dict[str, Any]] | None:
    """Return x and the fields of the activation of x that a sixth of a value is, or None.

    A sixth of `relu6(x + 3)` is the hard sigmoid, and of `x * relu6(x + 3)` hard swish.

    Args:
        maker: Gives the operation that makes a value.
        name: The value.
    """
    op = maker(name)
    if isinstance(op, Elementwise) and op.function == "multiply":
        for x, limited in (op.inputs, op.inputs[::-1]):
            if _before_cap(maker, limited) == x:
                return x, {"function": "hard_swish"}
    inside = _before_cap(maker, name)
    return None if inside is None else (inside, {"function": "hard_sigmoid", "slope": 1 / 6, "offset": 0.5})


def _before_cap(maker: Callable[[str], Op], name: str) -> str | None:
    """Return x where a value is `relu6(x + 3)`, else None."""
    op = maker(name)
    if not isinstance(op, Activation) or (op.function, op.low, op.high) != ("clip", 0, 6):
        return None
    inner = maker(op.inputs[0])
    return inner.inputs[0] if is_line(inner, 1, 3) else None
