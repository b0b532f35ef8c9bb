"""What is spelled out is recognized as one activation, and what only looks like it is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from picasso.core import graph as g
from picasso.models.op_patterns import gated, is_line, line, sixth

SIXTH = {"function": "hard_sigmoid", "slope": 1 / 6}


def built(*steps: tuple[type[g.Op], dict[str, Any]]) -> tuple[g.Builder, list[str]]:
    """Build operations one behind the other; return their names, that of the input first."""
    build = g.Builder()
    names = [build.input((3, 4, 4))]
    for kind, given in steps:
        names.append(build.add(kind, names[-1:], **given))
    return build, names


def affine(scale: Any, shift: Any) -> tuple[type[g.Op], dict[str, Any]]:
    return g.Affine, {"scale": np.float32(scale) * np.ones(3, np.float32), "shift": np.full(3, shift, np.float32)}


def activation(**given: Any) -> tuple[type[g.Op], dict[str, Any]]:
    return g.Activation, given


CAP = {"function": "clip", "low": 0, "high": 6}


def test_a_line_is_the_same_for_all_channels() -> None:
    ops = built(affine(2, 3), affine([1, 1, 2], 0), activation(function="relu"))[0].ops
    assert [line(op) for op in ops] == [None, (2.0, 3.0), None, None]
    assert is_line(ops[1], 2, 3 + 1e-6)
    assert not is_line(ops[1], 2, 3.1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"function": "sigmoid"}, "silu"),
        (SIXTH, "hard_swish"),
        (SIXTH | {"slope": 0.2}, None),
        (SIXTH | {"offset": 0.4}, None),
        ({"function": "tanh"}, None),
        ({"function": "softplus"}, None),
    ],
)
def test_a_value_times_a_function_of_it(given: dict[str, Any], expected: str | None) -> None:
    build, (x, gate) = built(activation(**given))
    assert gated(build.ops[-1], x) == expected
    assert gated(build.ops[-1], gate) is None
    assert gated(build.ops[0], x) is None


@pytest.mark.parametrize(
    ("shift", "cap", "expected"),
    [(3, CAP, True), (2, CAP, False), (3, CAP | {"high": 5}, False), (3, {"function": "relu"}, False)],
)
def test_a_sixth_of_what_is_capped(shift: float, cap: dict[str, Any], expected: bool) -> None:
    build, (x, _, capped) = built(affine(1, shift), activation(**cap))
    product = build.add(g.Elementwise, [capped, x], function="multiply")
    square = build.add(g.Elementwise, [capped, capped], function="multiply")
    made = {op.name: op for op in build.ops}
    hard = (x, SIXTH | {"offset": 0.5})
    assert sixth(made.__getitem__, capped) == (hard if expected else None)
    assert sixth(made.__getitem__, product) == ((x, {"function": "hard_swish"}) if expected else None)
    assert sixth(made.__getitem__, square) is None
