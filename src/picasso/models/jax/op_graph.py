"""A JAX network as an op graph: its program at rest, for one picture of a fixed size."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from picasso.core.graph import Activation, Builder, Graph, GraphError
from picasso.models.jax.layers import MARK, Tap
from picasso.models.jax.op_functions import Activations, Match
from picasso.models.jax.op_numbers import as_numpy, by_number, known_values
from picasso.models.jax.op_products import NUMBERS
from picasso.models.jax.op_rewrites import simplified
from picasso.models.jax.op_shapes import SHAPES
from picasso.models.jax.op_values import Value, Writer
from picasso.models.jax.op_windows import WINDOWS
from picasso.models.jax.program import Program, Step, flatten

_WRITERS = {**SHAPES, **WINDOWS, **NUMBERS}


def read_graph(
    program: Program, outputs: Mapping[str, int], parameters: Sequence[Any], taps: Iterable[Tap], channels_first: bool
) -> Graph:
    """Write a program as an op graph.

    Args:
        program: The network, traced with a batch of any size.
        outputs: Places of the outputs that are wanted, by name.
        parameters: Values of its inputs but the last, the picture.
        taps: Its layers.
        channels_first: Whether it reads (n, channels, height, width).

    Raises:
        GraphError: It holds something that the graph has no word for.
    """
    layers = _Layers(program, taps)
    program, layer_of = _opened(program, layers)
    picture = program.inputs[-1]
    data = program.depends_on(picture)
    known = {place: as_numpy(value, program.kinds[place]) for place, value in program.constants.items()}
    for place, value in zip(program.inputs, parameters, strict=False):
        known[place] = as_numpy(value, program.kinds[place])
    steps = _needed(program.steps, outputs.values(), {})
    known_values(program, [step for step in steps if data.isdisjoint(step.outputs)], known)

    matches = _activations(program, steps, outputs.values(), data, known)
    shape = program.kinds[picture].shape
    build = Builder()
    write = Writer(build, shape[0], known)
    axes = (1, 2, 3) if channels_first else (3, 1, 2)
    name = build.input(tuple(shape[axis] for axis in axes))
    write.values[picture] = Value(name, axes, (1, *shape[1:]), 0, (1, *shape[1:]))
    for step in _needed(steps, outputs.values(), matches):
        if not data.isdisjoint(step.outputs):
            write.layer, write.what = layer_of[step.outputs[0]], step.kind
            for place, value in zip(step.outputs, _written(write, step, matches), strict=True):
                write.values[place] = value
    return simplified(build.graph({name: _answer(write, name, place) for name, place in outputs.items()}))


def _written(write: Writer, step: Step, matches: Mapping[int, Match]) -> list[Value]:
    match = matches.get(step.outputs[0])
    if match is not None:
        value = write.values[match.source]
        return [replace(value, name=write.add(Activation, [value.name], **match.fields))]
    if step.kind not in _WRITERS:
        raise write.refuse()
    return _WRITERS[step.kind](write, step)


def _answer(write: Writer, name: str, place: int) -> str:
    """Return the name of an output's value, its axes in the network's own order."""
    if place not in write.values:
        raise GraphError(f"The output '{name}' does not depend on the picture.")
    value = write.value(place)
    write.layer, write.what = "", f"The output '{name}'"
    if value.batch != 0 or value.shape[0] != 1:
        raise write.refuse("is not one row for each picture")
    return write.arranged(value, value.own())


def _needed(steps: Sequence[Step], wanted: Iterable[int], matches: Mapping[int, Match]) -> list[Step]:
    """Return the steps that are needed for the values wanted, where some are activations of others."""
    needed, kept = set(wanted), list[Step]()
    for step in reversed(steps):
        if not needed.isdisjoint(step.outputs):
            kept.append(step)
            match = matches.get(step.outputs[0])
            needed.update(step.inputs if match is None else (match.source,))
    return kept[::-1]


def _activations(
    program: Program, steps: Sequence[Step], wanted: Iterable[int], data: frozenset[int], known: Mapping[int, Any]
) -> dict[int, Match]:
    """Return the activations by the place of their result, the last ones first: what is inside one is none."""
    finder, found, needed = Activations(program, data, known), dict[int, Match](), set(wanted)
    for step in reversed(steps):
        if needed.isdisjoint(step.outputs):
            continue
        place = step.outputs[0]
        match = finder.match(place) if place in data and by_number(step) is not None else None
        if match is not None:
            found[place] = match
        needed.update(step.inputs if match is None else (match.source,))
    return found


def _opened(program: Program, layers: _Layers) -> tuple[Program, dict[int, str]]:
    """Return a program in which functions with a derivative of their own are opened up, and the layer of each value.

    The places stay what they are; those of the values inside come behind them.
    """
    whole = replace(program, steps=[], constants=dict(program.constants), kinds=list(program.kinds), makers={})
    layer_of: dict[int, str] = {}

    def add(step: Step, layer: str) -> None:
        inner = step.params.get("call_jaxpr") or step.params.get("fun_jaxpr")
        if not step.equation.primitive.name.startswith("custom_") or inner is None:
            whole.steps.append(step)
            layer_of.update(dict.fromkeys(step.outputs, layer))
            return
        inside = flatten(inner)
        offset = len(whole.kinds)
        whole.kinds += inside.kinds
        whole.constants |= {offset + place: value for place, value in inside.constants.items()}
        at = {place: offset + place for place in range(len(inside.kinds))}
        at |= dict(zip(inside.inputs, step.inputs, strict=True))
        for other in inside.steps:
            inputs, outputs = (tuple(at[place] for place in places) for places in (other.inputs, other.outputs))
            add(replace(other, inputs=inputs, outputs=outputs), layer)
        for place, result in zip(step.outputs, inside.outputs, strict=True):
            _same_value(whole, step, at[result], place)
            layer_of[place] = layer

    for index, step in enumerate(program.steps):
        add(step, layers.at(index))
    whole.makers.update({place: step for step in whole.steps for place in step.outputs})
    return whole, layer_of


def _same_value(program: Program, step: Step, source: int, place: int) -> None:
    """Let the value at a place be that at another."""
    program.steps.append(Step(step.equation, "copy", (source,), (place,), step.scope))


class _Layers:
    """Says in which layer a step of a program runs."""

    def __init__(self, program: Program, taps: Iterable[Tap]) -> None:
        self._steps = program.steps
        self._own: dict[int, str] = {}
        self._runs: dict[tuple[str, ...], tuple[list[int], list[str]]] = {}
        order = {place: index for index, step in enumerate(program.steps) for place in step.outputs}
        for tap in taps:
            index = order[tap.place]
            self._own.setdefault(index, tap.name)
            scope, base = program.steps[index].scope, tap.name.partition(":")[0]
            for depth, part in enumerate(scope):
                if part.removeprefix(MARK).partition("|")[0] == base:
                    ends, names = self._runs.setdefault(scope[: depth + 1], ([], []))
                    ends.append(index)
                    names.append(tap.name)

    def at(self, index: int) -> str:
        """Return the name of the innermost layer around a step, or ""."""
        if index in self._own:
            return self._own[index]
        scope = self._steps[index].scope
        for depth in range(len(scope), 0, -1):
            ends, names = self._runs.get(scope[:depth], ([], []))
            place = bisect.bisect_left(ends, index)
            if place < len(ends):
                return names[place]
        return ""
