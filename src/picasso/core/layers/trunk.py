"""Layers through which everything flows on its way from the picture to the answer."""

from __future__ import annotations

from picasso.core.errors import NotFoundError, NotSupportedError, SettingsError
from picasso.core.facts import Layer
from picasso.core.graph import Graph
from picasso.core.model import Model


def trunk_layers(model: Model) -> tuple[Layer, ...]:
    """Return the layers with space of which none is a side branch, in the order of execution.

    What a layer within a branch says is not all that the network still knows at that depth: the other branches carry
    the rest.

    Returns:
        Those that every path from the input to every output goes through. All with space where the network cannot be
        read as an op graph, or where fewer than three are left.
    """
    spatial = tuple(layer for layer in model.layers() if layer.spatial)
    try:
        through = bottlenecks(model.graph())
    except NotSupportedError:
        return spatial
    kept = tuple(layer for layer in spatial if layer.name in through)
    return kept if len(kept) >= 3 else spatial


def read_layers(model: Model, written: str, spread: tuple[float, ...]) -> list[str]:
    """Return the names of the layers that were asked for, or of some that are spread over the depth.

    Args:
        model: The model.
        written: Names, separated by commas; "" for the usual ones.
        spread: Where these lie, 0 for the first through which everything flows, 1 for the last.

    Raises:
        NotFoundError: There is no such layer.
        NotSupportedError: The network shows none.
    """
    known = [layer.name for layer in model.layers()]
    names = _split(written, known)
    for name in names:
        if name not in known:
            raise NotFoundError(f"There is no layer '{name}'.", f"The last are {', '.join(known[-3:])}.")
    if not known:
        raise NotSupportedError("The network shows no layers.")
    among = [layer.name for layer in trunk_layers(model)] or known
    return list(dict.fromkeys(names or [among[round((len(among) - 1) * share)] for share in spread]))


def read_layer(model: Model, written: str) -> str:
    """Return the name of the one layer that was asked for; for "" the last through which everything flows.

    Raises:
        NotFoundError: There is no such layer.
        SettingsError: Several are named.
        NotSupportedError: The network shows none.
    """
    names = read_layers(model, written, (1,))
    if len(names) > 1:
        raise SettingsError(f"layer must be one layer. Got {len(names)}: {', '.join(names)}.", "Name one of them.")
    return names[0]


def _split(written: str, known: list[str]) -> list[str]:
    """Return the names in a list with commas, of which some may have commas of their own."""
    parts, names = [part.strip() for part in written.split(",")], []
    while parts:
        # The longest run of parts that is a name is one.
        joined = {count: written for count in range(len(parts), 0, -1) if (written := ",".join(parts[:count])) in known}
        count = max(joined, default=1)
        if parts[0] or count > 1:
            names.append(joined.get(count, parts[0]))
        parts = parts[count:]
    return names


def bottlenecks(graph: Graph) -> frozenset[str]:
    """Return the names of the layers whose output every path from the input to every output of a graph goes through."""
    place = {op.name: number for number, op in enumerate(graph.ops)}
    last = dict.fromkeys(place, 0)
    for op in graph.ops:
        for name in op.inputs:
            last[name] = place[op.name]
    for name in graph.outputs.values():
        last[name] = len(graph.ops)
    of_layer = {op.layer: op.name for op in graph.ops if op.layer}  # the last operation of each makes its output
    found, moving, reach = set[str](), {graph.ops[0].name}, last[graph.ops[0].name]
    for number, op in enumerate(graph.ops[1:], 1):
        if moving.isdisjoint(op.inputs):
            continue  # made of constants
        moving.add(op.name)
        # Whatever was made before is read for the last time here: there is no way around this operation.
        if reach <= number and of_layer.get(op.layer) == op.name:
            found.add(op.layer)
        reach = max(reach, last[op.name])
    return frozenset(found)
