"""A JAX network as a flat list of operations: every value has a place, at which it can be read, changed or ruled.

JAX turns any function, with Flax modules inside or without, into a jaxpr. Flattened (what is jitted or rematerialized
opened up, what has a derivative of its own kept whole) it can be run again, operation by operation, under `jax.jit`,
`jax.vjp` and `jax.vmap`. So one mechanism gives layers, gradients and ReLU rules to all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

_OPENED = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "core_call": "call_jaxpr"}
_REMATERIALIZED = ("remat2", "checkpoint", "remat")
_OWN_DERIVATIVE = ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr")

_UNROLLED_AT_MOST = 20_000
"""Operations that a loop of known length may have in all to be written out."""


@dataclass(frozen=True)
class Step:
    """One operation.

    Args:
        equation: JAX's own description of it.
        kind: Name of the primitive; of a function with a derivative of its own, that function's name.
        inputs, outputs: Places of its operands and results.
        scope: Where in the network it runs, outermost first: names of scopes, and "jit name#number" for each call of
            a jitted function.
    """

    equation: Any
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scope: tuple[str, ...]

    @property
    def params(self) -> dict[str, Any]:
        """The operation's parameters: axes, layouts, strides."""
        return self.equation.params  # type: ignore[no-any-return]


Change = Callable[[Any], Any]
"""What takes the place of a value, from the value."""


@dataclass
class Program:
    """A flattened jaxpr.

    Args:
        inputs, outputs: Places of its arguments and results.
        steps: Operations in the order of execution.
        constants: Values that are known, by place.
        kinds: Shape and type of the value at each place.
        makers: The step that makes the value at a place, by place.
    """

    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    steps: list[Step] = field(default_factory=list)
    constants: dict[int, Any] = field(default_factory=dict)
    kinds: list[Any] = field(default_factory=list)
    makers: dict[int, Step] = field(default_factory=dict)

    def depends_on(self, place: int) -> frozenset[int]:
        """Return the places whose values depend on that at a place, it among them."""
        reached = {place}
        for step in self.steps:
            if not reached.isdisjoint(step.inputs):
                reached.update(step.outputs)
        return frozenset(reached)

    def run(
        self,
        arguments: Sequence[Any],
        wanted: Iterable[int],
        changes: Mapping[int, Change] | None = None,
        instead: Mapping[int, tuple[int, Change]] | None = None,
    ) -> dict[int, Any]:
        """Run what is needed for the values wanted, and return them by place.

        Args:
            arguments: One for each input.
            wanted: Places.
            changes: For a place, what changes its value for everything that comes after it.
            instead: For a place, another place and a function: its value is the function of the value there.
        """
        changes, instead, wanted = changes or {}, instead or {}, list(wanted)
        values = dict(self.constants) | dict(zip(self.inputs, arguments, strict=True))
        for place in self.inputs:
            if place in changes:
                values[place] = changes[place](values[place])
        for step in self._needed(wanted, instead):
            if step.outputs[0] in instead:
                source, function = instead[step.outputs[0]]
                results = [function(values[source])]
            else:
                results = execute(step.equation, [values[place] for place in step.inputs])
            for place, value in zip(step.outputs, results, strict=True):
                values[place] = changes[place](value) if place in changes else value
        return {place: values[place] for place in wanted}

    def count(self, wanted: Iterable[int], instead: Mapping[int, tuple[int, Change]]) -> int:
        """Return how many of the functions in `instead` run for the values wanted."""
        return sum(step.outputs[0] in instead for step in self._needed(wanted, instead))

    def _needed(self, wanted: Iterable[int], instead: Mapping[int, tuple[int, Change]]) -> list[Step]:
        needed, kept = set(wanted), []
        for step in reversed(self.steps):
            if not needed.isdisjoint(step.outputs):
                kept.append(step)
                first = step.outputs[0]
                needed.update((instead[first][0],) if first in instead else step.inputs)
        return kept[::-1]


def flatten(closed: Any) -> Program:
    """Return a jaxpr, closed over its constants, as a program."""
    program = Program()
    arguments = [_place(program, variable) for variable in closed.jaxpr.invars]
    results = _flatten(program, closed.jaxpr, closed.consts, arguments, ())
    program.inputs, program.outputs = tuple(arguments), tuple(results)
    for step in program.steps:
        program.makers.update(dict.fromkeys(step.outputs, step))
    return program


def _flatten(
    program: Program, jaxpr: Any, consts: Sequence[Any], arguments: Sequence[int], scope: tuple[str, ...]
) -> list[int]:
    places: dict[Any, int] = dict(zip(jaxpr.invars, arguments, strict=True))
    for variable, value in zip(jaxpr.constvars, consts, strict=True):
        places[variable] = _place(program, variable)
        program.constants[places[variable]] = value

    def read(atom: Any) -> int:
        if hasattr(atom, "val"):  # a literal
            place = _place(program, atom)
            program.constants[place] = atom.val
            return place
        return places[atom]

    for equation in jaxpr.eqns:
        inputs = [read(atom) for atom in equation.invars]
        inner = (*scope, *(str(part.name) for part in equation.source_info.name_stack.stack if hasattr(part, "name")))
        name, opened, its_consts = _opened(equation)
        if equation.primitive.name == "scan" and _is_short(equation):
            outputs = _unrolled(program, equation, inputs, inner)
        elif opened is not None:
            if name:
                # The number of operations so far tells one call from the next.
                inner = (*inner, f"jit {name}#{len(program.steps)}")
            outputs = _flatten(program, opened, its_consts, inputs, inner)
        else:
            outputs = [_place(program, variable) for variable in equation.outvars]
            program.steps.append(Step(equation, name, tuple(inputs), tuple(outputs), inner))
        places.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _is_short(equation: Any) -> bool:
    return bool(equation.params["length"] * len(equation.params["jaxpr"].jaxpr.eqns) <= _UNROLLED_AT_MOST)


def _unrolled(program: Program, equation: Any, inputs: list[int], scope: tuple[str, ...]) -> list[int]:
    """Write a loop over equal blocks out, so that each has layers and ReLUs of its own."""
    import jax
    import jax.numpy as jnp

    params = equation.params
    length, body = params["length"], params["jaxpr"]
    fixed, kept = params["num_consts"], params["num_carry"]
    carry = inputs[fixed : fixed + kept]
    rows: dict[int, list[int]] = {}

    def add(function: Callable[..., Any], places: list[int]) -> int:
        kinds = [jax.ShapeDtypeStruct(program.kinds[place].shape, program.kinds[place].dtype) for place in places]
        closed = jax.make_jaxpr(function)(*kinds)
        return _flatten(program, closed.jaxpr, closed.consts, places, scope)[0]

    for index in reversed(range(length)) if params["reverse"] else range(length):
        take = partial(jax.lax.index_in_dim, index=index, keepdims=False)
        each = [add(take, [place]) for place in inputs[fixed + kept :]]
        inner = (*scope, f"jit block#{len(program.steps)}")
        answer = _flatten(program, body.jaxpr, body.consts, [*inputs[:fixed], *carry, *each], inner)
        carry, rows[index] = answer[:kept], answer[kept:]
    columns = zip(*(rows[index] for index in range(length)), strict=True)
    return [*carry, *(add(lambda *values: jnp.stack(values), list(column)) for column in columns)]


def _opened(equation: Any) -> tuple[str, Any, Sequence[Any]]:
    """Return an operation's name, and the jaxpr inside with its constants where it is to be opened up, else None."""
    kind, params = equation.primitive.name, equation.params
    if kind in _REMATERIALIZED:
        return "", params["jaxpr"], ()
    if kind in _OPENED:
        inner = params[_OPENED[kind]]
        return str(params.get("name", "")), inner.jaxpr, inner.consts
    if kind in _OWN_DERIVATIVE:
        inner = params.get("call_jaxpr") or params.get("fun_jaxpr")
        names = [inside.params.get("name") for inside in getattr(inner, "jaxpr", inner).eqns]
        return str(names[0]) if len(names) == 1 and names[0] else str(params.get("name", kind)), None, ()
    return kind, None, ()


def _place(program: Program, atom: Any) -> int:
    program.kinds.append(atom.aval)
    return len(program.kinds) - 1


def execute(equation: Any, operands: list[Any]) -> list[Any]:
    """Run one operation; return its results."""
    bound = equation.primitive.get_bind_params(equation.params)
    # Up to JAX 0.9 what has a derivative of its own comes with its functions apart.
    functions, params = bound if isinstance(bound, tuple) else ((), bound)
    context = getattr(equation, "ctx", None)
    with context.manager if context is not None else nullcontext():
        answer = equation.primitive.bind(*functions, *operands, **params)
    return list(answer) if equation.primitive.multiple_results else [answer]
