"""ReLUs, and the softmax or sigmoid at a network's end, recognized by the operations that they are made of."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from picasso.core.facts import ReluRule
from picasso.core.hooks import Head
from picasso.models.jax.program import Program, Step

_SAME_NUMBERS = ("convert_element_type", "copy", "stop_gradient", "optimization_barrier")
_SAME_BUT_SHAPE = (*_SAME_NUMBERS, "broadcast_in_dim", "reshape", "squeeze", "expand_dims")
_HARD = ("hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh")
"""Functions that are made of a ReLU6, and are none: other frameworks do not rule them either."""


def find_relus(program: Program) -> dict[int, tuple[int, float | None]]:
    """Return each ReLU of a program.

    Returns:
        By the place of its result: the place of its operand, and the value it is cut at, or None.
    """
    found: dict[int, tuple[int, float | None]] = {}
    inner: set[int] = set()
    for step in program.steps:
        if any(name.startswith("jit ") and name[4:].partition("#")[0] in _HARD for name in step.scope):
            continue
        read = _rectified(program, step)
        if read is None:
            continue
        operand, floor, cap = read
        if floor is None:  # min(x, cap): a ReLU6 where x is a ReLU
            if cap is None or operand not in found:
                continue
            source, before = found[operand]
            inner.add(operand)
            found[step.outputs[0]] = source, cap if before is None else min(cap, before)
        elif not _is_variance(program, step.outputs[0]):
            source, cap = _below_cap(program, operand, cap)
            found[step.outputs[0]] = source, cap
    return {place: relu for place, relu in found.items() if place not in inner}


def ruled_relu(rule: ReluRule, cap: float | None) -> Callable[[Any], Any]:
    """Return a ReLU, cut at `cap` where that is given, whose gradient follows a rule other than the standard one."""
    import jax
    import jax.numpy as jnp

    def value(x: Any) -> Any:
        raised = jnp.maximum(x, 0)
        return raised if cap is None else jnp.minimum(raised, cap).astype(x.dtype)

    def forward(x: Any) -> Any:
        return value(x), (x > 0) if cap is None else (x > 0) & (x < cap)

    def backward(inside: Any, gradient: Any) -> Any:
        passed = jnp.maximum(gradient, 0)
        return (jnp.where(inside, passed, 0) if rule is ReluRule.GUIDED else passed,)

    relu = jax.custom_vjp(value)
    relu.defvjp(forward, backward)
    return relu  # type: ignore[no-any-return]


def before_head(program: Program, place: int) -> tuple[int, Head] | None:
    """Return the place of what goes into the softmax or sigmoid whose result is at a place, or None."""
    step = program.makers.get(_through(program, place, _SAME_NUMBERS))
    if step is None:
        return None
    if step.kind in ("softmax", "log_softmax", "_softmax") and len(step.inputs) == 1:
        return step.inputs[0], Head.SOFTMAX
    if step.kind in ("logistic", "sigmoid") and len(step.inputs) == 1:
        return step.inputs[0], Head.SIGMOID
    if step.kind == "div":
        return _softmax(program, step) or _sigmoid(program, step)
    return _log_softmax(program, step) if step.kind == "sub" else None


def _softmax(program: Program, step: Step) -> tuple[int, Head] | None:
    """Recognize exp(x) / sum(exp(x))."""
    above, below = step.inputs
    total = program.makers.get(_through(program, below, _SAME_BUT_SHAPE))
    if total is None or total.kind != "reduce_sum" or len(_axes(total)) != 1:
        return None
    # Both may be one exponential, or the same one written twice.
    sources = [_exponent(program, place) for place in (above, total.inputs[0])]
    return (
        (_unshifted(program, sources[0]), Head.SOFTMAX) if sources[0] is not None and sources[0] == sources[1] else None
    )


def _log_softmax(program: Program, step: Step) -> tuple[int, Head] | None:
    """Recognize x - log(sum(exp(x)))."""
    log = program.makers.get(_through(program, step.inputs[1], _SAME_BUT_SHAPE))
    total = log and log.kind == "log" and program.makers.get(_through(program, log.inputs[0], _SAME_BUT_SHAPE))
    if not total or total.kind != "reduce_sum" or len(_axes(total)) != 1:
        return None
    if _exponent(program, total.inputs[0]) != step.inputs[0]:
        return None
    return _unshifted(program, step.inputs[0]), Head.SOFTMAX


def _sigmoid(program: Program, step: Step) -> tuple[int, Head] | None:
    """Recognize 1 / (1 + exp(-x))."""
    total = program.makers.get(step.inputs[1])
    if _number(program, step.inputs[0]) != 1 or total is None or total.kind != "add":
        return None
    for one, other in (total.inputs, total.inputs[::-1]):
        exponent = _exponent(program, other)
        if _number(program, one) == 1 and exponent is not None:
            negative = program.makers.get(exponent)
            if negative is not None and negative.kind == "neg":
                return negative.inputs[0], Head.SIGMOID
    return None


def _exponent(program: Program, place: int) -> int | None:
    """Return the place of x where exp(x) lies at a place, or None."""
    step = program.makers.get(_through(program, place, _SAME_NUMBERS))
    return step.inputs[0] if step is not None and step.kind == "exp" else None


def _unshifted(program: Program, place: int) -> int:
    """Return the place of x where x - max(x) lies at a place."""
    step = program.makers.get(place)
    if step is None or step.kind != "sub":
        return place
    peak = program.makers.get(_through(program, step.inputs[1], _SAME_BUT_SHAPE))
    if peak is not None and peak.kind == "max":  # max(-inf, max(x))
        others = [other for other in peak.inputs if _number(program, other) is None]
        peak = program.makers.get(_through(program, others[0], _SAME_BUT_SHAPE)) if len(others) == 1 else None
    shifted = peak is not None and peak.kind == "reduce_max"
    return step.inputs[0] if shifted and peak is not None and peak.inputs[0] == step.inputs[0] else place


def _axes(step: Step) -> Collection[int]:
    axes: Collection[int] = step.params.get("axes", ())
    return axes


def _through(program: Program, place: int, kinds: Collection[str]) -> int:
    """Go back through operations that keep the numbers."""
    while place in program.makers and program.makers[place].kind in kinds:
        place = program.makers[place].inputs[0]
    return place


def _number(program: Program, place: int) -> float | None:
    """Return the number that every entry of a value has, where that is known, else None."""
    place = _through(program, place, _SAME_BUT_SHAPE)
    value = program.constants.get(place)
    if value is None or np.shape(value) != ():
        return None
    return float(value)


def _rectified(program: Program, step: Step) -> tuple[int, float | None, float | None] | None:
    """Return a step's operand, the number that it is raised to at least, and that it is cut at; None for other steps.

    A number is None where there is no such limit; of limits from below only 0 is returned.
    """
    if step.kind in ("relu", "relu6") and len(step.inputs) == 1:
        return step.inputs[0], 0.0, 6.0 if step.kind == "relu6" else None
    if step.kind in ("max", "min"):
        for limit, operand in (step.inputs, step.inputs[::-1]):
            number = _number(program, limit)
            if number is not None and _same_shape(program, operand, step):
                if step.kind == "min":
                    return (operand, None, number) if number > 0 else None
                return (operand, 0.0, None) if number == 0 else None
    if step.kind == "clamp" and _number(program, step.inputs[0]) == 0:
        cap = _number(program, step.inputs[2])
        return (step.inputs[1], 0.0, cap) if cap is not None else None
    if step.kind == "select_n" and len(step.inputs) == 3:
        return _selected(program, step)
    return None


def _selected(program: Program, step: Step) -> tuple[int, float | None, float | None] | None:
    """Recognize where(x > 0, x, 0), and the same written the other way round."""
    condition, if_false, if_true = step.inputs
    test = program.makers.get(condition)
    if test is None or test.kind not in ("gt", "ge", "lt", "le"):
        return None
    right, left = test.kind in ("gt", "ge"), test.kind in ("lt", "le")
    x, limit = test.inputs
    if _number(program, x) == 0:
        x, limit, right, left = limit, x, left, right
    kept, dropped = (if_true, if_false) if right else (if_false, if_true)
    return (x, 0.0, None) if _number(program, limit) == 0 and kept == x and _number(program, dropped) == 0 else None


def _below_cap(program: Program, operand: int, cap: float | None) -> tuple[int, float | None]:
    """Return the operand and the cap of a ReLU whose operand was cut first: max(min(x, 6), 0)."""
    step = program.makers.get(operand)
    if cap is None and step is not None and step.kind == "min":
        for limit, inner in (step.inputs, step.inputs[::-1]):
            number = _number(program, limit)
            if number is not None and number > 0:
                return inner, number
    return operand, cap


def _same_shape(program: Program, place: int, step: Step) -> bool:
    return bool(program.kinds[place].shape == program.kinds[step.outputs[0]].shape)


def _is_variance(program: Program, place: int) -> bool:
    """Say whether a value goes on into a root: max(variance, 0) in a normalization is no ReLU."""
    reached = {place}
    for step in program.steps:
        if not reached.isdisjoint(step.inputs):
            if step.kind in ("rsqrt", "sqrt"):
                return True
            raised = step.kind == "add" and any(_number(program, other) is not None for other in step.inputs)
            if raised or step.kind in _SAME_BUT_SHAPE:
                reached.update(step.outputs)
    return False
