"""The steps of a live model: its layers, and the operations between them, with what each reads."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np

from picasso.core.diagram.boxes import Role
from picasso.core.errors import NotSupportedError
from picasso.core.facts import Capability, Layer
from picasso.core.graph import (
    Activation,
    Affine,
    Attention,
    Concat,
    Constant,
    Conv,
    ConvTranspose,
    Elementwise,
    GlobalPool,
    Graph,
    GraphError,
    GroupNorm,
    Input,
    LayerNorm,
    Linear,
    LocalResponseNorm,
    MatMul,
    Op,
    Pool,
    Reduce,
    Resize,
    Softmax,
)
from picasso.core.model import Model

_CALL = re.compile(r":\d+$")
_SEPARATORS = re.compile(r"[./]+")
_ROLES: dict[type[Op], Role] = {
    Input: Role.INPUT,
    Conv: Role.CONV,
    ConvTranspose: Role.CONV,
    Linear: Role.LINEAR,
    Affine: Role.NORM,
    LayerNorm: Role.NORM,
    GroupNorm: Role.NORM,
    LocalResponseNorm: Role.NORM,
    Activation: Role.ACTIVATION,
    Softmax: Role.ACTIVATION,
    Pool: Role.POOL,
    GlobalPool: Role.POOL,
    Resize: Role.POOL,
    Reduce: Role.POOL,
    Elementwise: Role.JOIN,
    Concat: Role.JOIN,
    Attention: Role.ATTENTION,
    MatMul: Role.ATTENTION,
}
_WEIGHT = (Role.ATTENTION, Role.CONV, Role.LINEAR, Role.POOL, Role.NORM, Role.JOIN, Role.ACTIVATION, Role.INPUT)
"""Of the operations that one layer is made of, the first of these says what the layer does."""
_WORDS = (
    (Role.CONV, ("conv",)),
    (Role.ATTENTION, ("attention",)),
    (Role.NORM, ("norm",)),
    (Role.POOL, ("pool", "upsampl", "resiz", "interpolat")),
    (Role.LINEAR, ("linear", "dense", "gemm", "matmul")),
    (Role.JOIN, ("add", "concat", "multiply")),
    (Role.ACTIVATION, ("relu", "elu", "silu", "swish", "sigmoid", "softmax", "tanh", "activation")),
)
"""What a layer's class is called, where there are no operations that say what it does."""


@dataclass(frozen=True)
class Step:
    """A layer, or an operation that belongs to none.

    Args:
        name: Its name; of an operation without a layer the operation's.
        path: The blocks around it, from the outermost, and its own key, which is that of one step only.
        label: What it is called inside its block.
        kind, role, shape, layer, parameters, multiply_adds: As for a `Box`.
        reads: Numbers of the steps that it reads, all of them before it.
    """

    name: str
    path: tuple[str, ...]
    label: str
    kind: str
    role: Role
    shape: tuple[int, ...]
    layer: str
    reads: tuple[int, ...]
    parameters: int | None = None
    multiply_adds: int | None = None


@dataclass(frozen=True)
class Network:
    """A network as its steps in the order of execution.

    Args:
        steps: The steps; each comes after all that it reads. Several may have one path: the operations of a layer.
        blocks: The layers that hold others, by their path.
        own: Parameters that belong to a block and to no step in it, by its path; () for the whole network.
        notes: What is not known, and why, one sentence each.
    """

    steps: tuple[Step, ...]
    blocks: dict[tuple[str, ...], Layer]
    own: dict[tuple[str, ...], int]
    notes: tuple[str, ...] = ()


def read_network(model: Model) -> Network:
    """Read what a model is made of.

    Raises:
        NotSupportedError: It shows neither its operations nor its layers.
    """
    whole = model.whole
    layers = whole.layers()
    try:
        graph = whole.graph()
    except GraphError as error:
        if not layers:
            raise NotSupportedError(
                f"This {whole.framework} model shows neither layers nor what they are made of: {error.message}",
                "Open the network itself, not a function around it.",
            ) from error
        why = (
            f"How the layers are joined is not known: {error.message} They stand in the order of their execution; "
            "branches and skips are not drawn, nor is the compute known."
        )
        return _with_parameters(whole, _chain(layers, whole.x_shape, why))
    return _with_parameters(whole, _joined(graph, layers), graph)


def segments(name: str) -> tuple[str, ...]:
    """Split a layer's name at dots and slashes, without the number of the call."""
    parts = tuple(part for part in _SEPARATORS.split(_CALL.sub("", name)) if part)
    return parts or (name,)


def _key(name: str) -> tuple[str, ...]:
    """Return the path of a layer; a second call is a step of its own."""
    *around, own = segments(name)
    call = _CALL.search(name)
    return (*around, own + (call.group() if call else ""))


def _around(names: Iterable[str]) -> set[tuple[str, ...]]:
    """Return the paths of all blocks: what some layer's name lies within."""
    return {path[:depth] for path in map(segments, names) for depth in range(1, len(path))}


def _joined(graph: Graph, layers: tuple[Layer, ...]) -> Network:
    """Read steps from a network's operations."""
    known = {layer.name: layer for layer in layers}
    blocks = _around([*known, *(op.layer for op in graph.ops if op.layer)])
    ops = [op for op in graph.ops if not isinstance(op, Constant)]
    number = {op.name: place for place, op in enumerate(ops)}
    reads = [tuple(number[name] for name in op.inputs if name in number) for op in ops]
    paths: list[tuple[str, ...] | None] = []
    for op in ops:
        inside = segments(op.layer) if op.layer else None
        paths.append(None if inside is None else inside if inside in blocks else _key(op.layer))
    homes = _homes(reads, paths, blocks)
    steps: list[Step] = []
    for place, op in enumerate(ops):
        path = paths[place]
        layer = known.get(op.layer) if path is not None and path not in blocks else None
        if path is None or path in blocks:  # an operation that lies in a block, and in no layer of it
            path = (*homes[place], f"{_said(op)} {op.name}")
            name, label = f"{op.layer} {_said(op)}".strip(), _said(op)
        else:
            name, label = op.layer, _label(op.layer)
        shape = layer.shape if layer else _last(op.shape)
        kind = layer.kind if layer else _said(op)
        steps.append(
            Step(
                name, path, label, kind, _ROLES.get(type(op), Role.OTHER), shape, layer.name if layer else "",
                reads[place], 0, op.multiply_adds,
            )
        )  # fmt: skip
    return Network(tuple(steps), _blocks(layers, blocks), {}, _undrawn(layers, steps, blocks))


def _undrawn(layers: tuple[Layer, ...], steps: list[Step], blocks: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Say which layers have no step: those that change nothing, as dropout at rest, or that a reader put together."""
    drawn = {step.layer for step in steps}
    left = [layer for layer in layers if layer.name not in drawn and segments(layer.name) not in blocks]
    if not left:
        return ()
    kinds = ", ".join(sorted({layer.kind for layer in left}))
    if len(left) == 1:
        return (f"1 layer is not drawn, since it changes nothing or is one with another: {kinds}.",)
    return (f"{len(left)} layers are not drawn, since they change nothing or are one with others: {kinds}.",)


def _homes(
    reads: list[tuple[int, ...]], paths: list[tuple[str, ...] | None], blocks: set[tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """Return the block in which each operation lies.

    One without a layer lies in the deepest block that holds every layer before it and every layer after it, over other
    operations without layers.
    """
    own = [None if path is None else path if path in blocks else path[:-1] for path in paths]
    whole: set[tuple[str, ...]] = {()}
    before: list[set[tuple[str, ...]]] = []
    for place, inside in enumerate(own):
        found = set[tuple[str, ...]]().union(*(before[source] for source in reads[place])) or whole
        before.append(found if inside is None else {inside})
    after: list[set[tuple[str, ...]]] = [set() for _ in own]
    for place in reversed(range(len(own))):
        inside = own[place]
        after[place] = after[place] or whole
        for source in reads[place]:
            after[source] |= after[place] if inside is None else {inside}
    return [
        inside if inside is not None else _shared([*before[place], *after[place]]) for place, inside in enumerate(own)
    ]


def _shared(paths: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return how far paths are the same: the first and the last of them in order tell."""
    first, last = min(paths), max(paths)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[:same]


def _chain(layers: tuple[Layer, ...], x_shape: tuple[int, ...], why: str) -> Network:
    """Read steps from the layers alone, one after another."""
    blocks = _around(layer.name for layer in layers)
    kept = [layer for layer in layers if segments(layer.name) not in blocks]
    steps = [Step("input", ("input",), "input", "input", Role.INPUT, x_shape, "", ())]
    for place, layer in enumerate(kept):
        steps.append(
            Step(
                layer.name, _key(layer.name), _label(layer.name), layer.kind, role_of(layer.kind), layer.shape,
                layer.name, (place,),
            )
        )  # fmt: skip
    return Network(tuple(steps), _blocks(layers, blocks), {}, (why,))


def _blocks(layers: tuple[Layer, ...], paths: set[tuple[str, ...]]) -> dict[tuple[str, ...], Layer]:
    """Return the layers that hold others; of several calls the first."""
    found: dict[tuple[str, ...], Layer] = {}
    for layer in layers:
        if (path := segments(layer.name)) in paths:
            found.setdefault(path, layer)
    return found


def _with_parameters(model: Model, network: Network, graph: Graph | None = None) -> Network:
    """Add how many numbers were learned in each step; of a layer that runs several times the first counts."""
    if Capability.PARAMETERS not in model.capabilities:
        return network if graph is None else _weights(network, graph, model.facts.size)
    first: dict[tuple[str, ...], int] = {}
    for place, step in enumerate(network.steps):
        first.setdefault(segments(step.layer) if step.layer else step.path, place)
    found: dict[int, int] = defaultdict(int)
    own: dict[tuple[str, ...], int] = defaultdict(int)
    for name, values in model.parameters().items():
        path = segments(name)
        depth = next((depth for depth in range(len(path), 0, -1) if path[:depth] in first), 0)
        if depth:
            found[first[path[:depth]]] += values.size
        else:
            within = next((path[:depth] for depth in range(len(path), 0, -1) if path[:depth] in network.blocks), ())
            own[within] += values.size
    steps = tuple(replace(step, parameters=found[place]) for place, step in enumerate(network.steps))
    return replace(network, steps=steps, own=dict(own))


def _weights(network: Network, graph: Graph, known: int) -> Network:
    """Count the weights of operations, where a model does not show its parameters but how many they are: `known`."""
    seen: set[int] = set()
    steps = list(network.steps)
    for place, op in enumerate(op for op in graph.ops if not isinstance(op, Constant)):
        count = 0
        for field in fields(op):
            value = getattr(op, field.name)
            if field.name in ("weight", "bias", "scale", "shift", "slopes") and isinstance(value, np.ndarray):
                count += 0 if id(value) in seen else value.size
                seen.add(id(value))
        steps[place] = replace(steps[place], parameters=count)
    note = "Parameters are counted from the weights of the operations, norms as a scale and a shift"
    counted = sum(step.parameters or 0 for step in steps)
    note += f": {counted:,}. The model says that it has {known:,}." if known and known != counted else "."
    return replace(network, steps=tuple(steps), notes=(*network.notes, note))


def role_of(kind: str) -> Role:
    """Return what a layer of a class does, by what the class is called."""
    words = kind.lower()
    return next((role for role, parts in _WORDS if any(part in words for part in parts)), Role.OTHER)


def weightiest(roles: Iterable[Role]) -> Role:
    """Return what a layer does that is made of operations with these roles."""
    given = set(roles)
    return next((role for role in _WEIGHT if role in given), Role.OTHER)


def _label(name: str) -> str:
    call = _CALL.search(name)
    return segments(name)[-1] + (call.group() if call else "")


def _said(op: Op) -> str:
    """Return what an operation is called."""
    if isinstance(op, Elementwise | Activation):
        return op.function.replace("_", " ")
    if isinstance(op, GlobalPool):
        return f"global {op.function}"
    if isinstance(op, Pool | Reduce):
        return f"{op.function} pool" if isinstance(op, Pool) else op.function
    return type(op).__name__.lower()


def _last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a map with its channels last."""
    return (*shape[1:], shape[0]) if len(shape) == 3 else shape
