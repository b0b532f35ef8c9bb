"""TensorFlow graphs as lists of nodes: what feeds what, and what is left when a switch is set for good.

Everything here works on a GraphDef as it lies in the file; nothing is imported into TensorFlow, and nothing is run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

BOOL_OPS = frozenset({"Identity", "LogicalNot", "Const", "PlaceholderWithDefault", "Switch", "StopGradient"})


def split(tensor: str) -> tuple[str, int]:
    """Return the node and the place of a tensor: "conv:1" is the second output of conv."""
    name, _, place = tensor.removeprefix("^").partition(":")
    return name, int(place or 0) if place.isdigit() or not place else 0


def full(tensor: str) -> str:
    """Return a tensor's name with its place."""
    name, place = split(tensor)
    return f"{name}:{place}"


def by_name(graph: Any) -> dict[str, Any]:
    """Return the nodes of a GraphDef by name."""
    return {node.name: node for node in graph.node}


def sources(node: Any) -> list[str]:
    """Return the tensors that a node reads, without those that it only waits for."""
    return [name for name in node.input if not name.startswith("^")]


def ancestors(
    nodes: Mapping[str, Any], ends: Iterable[str], cut: Collection[str] = (), waiting: bool = True
) -> set[str]:
    """Return the names of the nodes that tensors depend on, themselves included.

    Args:
        nodes: By name.
        ends: Names of nodes or tensors.
        cut: Full names of tensors beyond which nothing is looked at.
        waiting: Whether what is only waited for counts.
    """
    found: set[str] = set()
    stack = [split(end)[0] for end in ends if full(end) not in cut]
    while stack:
        name = stack.pop()
        if name in found or name not in nodes:
            continue
        found.add(name)
        inputs = nodes[name].input if waiting else sources(nodes[name])
        stack += [split(tensor)[0] for tensor in inputs if tensor.startswith("^") or full(tensor) not in cut]
    return found


def descendants(order: Sequence[Any], start: str) -> set[str]:
    """Return the names of the nodes that depend on a node, itself included, by what they read.

    Args:
        order: The nodes, each after what it reads.
        start: The node's name.
    """
    found = {start}
    for node in order:
        if any(split(tensor)[0] in found for tensor in sources(node)):
            found.add(node.name)
    return found


def in_order(graph: Any) -> list[Any]:
    """Return the nodes of a GraphDef, each after what it reads, else as they lie in the file."""
    nodes = by_name(graph)
    done: dict[str, None] = {}
    for first in nodes:
        stack: list[tuple[str, Iterator[str]]] = [(first, iter(nodes[first].input))] if first not in done else []
        open_ones = {first}
        while stack:
            name, inputs = stack[-1]
            following = next((split(tensor)[0] for tensor in inputs), None)
            if following is None:
                done.setdefault(name)
                stack.pop()
            elif following in nodes and following not in done and following not in open_ones:  # loops go back
                open_ones.add(following)
                stack.append((following, iter(nodes[following].input)))
    return [nodes[name] for name in done]


def keep(graph: Any, names: Collection[str]) -> None:
    """Drop all nodes of a GraphDef but some."""
    # One by one: a list of them would be copied, weights and all.
    for place in reversed(range(len(graph.node))):
        if graph.node[place].name not in names:
            del graph.node[place]


def settle(graph: Any) -> None:
    """Leave of conditions that are known beforehand only the side that is taken, and of waiting nothing.

    A network of TensorFlow 1 that trains and predicts holds both sides of each such condition; on the side that is
    not taken there is nothing to see, and gradients get lost between them.
    """
    order = in_order(graph)
    if any(node.op == "Enter" for node in order):  # a loop of TensorFlow 1 needs its waiting
        return
    known: dict[str, bool] = {}
    dead: set[str] = set()
    renamed: dict[str, str] = {}
    for node in order:
        inputs = sources(node)
        value = _value(node, [known.get(split(tensor)[0]) for tensor in inputs])
        if value is not None:
            known[node.name] = value
        if node.op in ("Merge", "RefMerge"):
            alive = [tensor for tensor in inputs if full(tensor) not in dead]
            if len(alive) == 1 and len(inputs) > 1:
                _become_identity(node, alive[0])
                continue
            if not alive:
                dead |= {f"{node.name}:0", f"{node.name}:1"}
            continue
        if any(
            (full(tensor) if not tensor.startswith("^") else f"{split(tensor)[0]}:0") in dead for tensor in node.input
        ):
            dead |= {f"{node.name}:{place}" for place in range(16)}
            continue
        if node.op in ("Switch", "RefSwitch"):
            taken = known.get(split(inputs[1])[0])
            if taken is not None:
                dead.add(f"{node.name}:{int(not taken)}")
                renamed[f"{node.name}:{int(taken)}"] = node.name
                _become_identity(node, inputs[0])
    for node in graph.node:
        given = [renamed.get(full(tensor), tensor) for tensor in sources(node)]
        del node.input[:]
        node.input.extend(given)


def _value(node: Any, inputs: Sequence[bool | None]) -> bool | None:
    """Return the truth value of a node where it is known beforehand."""
    if node.op == "Const":
        tensor = node.attr["value"].tensor
        if node.attr["dtype"].type != 10 or tensor.tensor_shape.dim:  # 10 is a bool
            return None
        return bool(tensor.bool_val[0]) if tensor.bool_val else any(tensor.tensor_content)
    if node.op not in BOOL_OPS or not inputs or inputs[0] is None:
        return None
    return not inputs[0] if node.op == "LogicalNot" else inputs[0]


def _become_identity(node: Any, source: str) -> None:
    kind = node.attr["T"].type
    node.op = "Identity"
    node.attr.clear()
    # A reference to a variable has a type of its own, 100 above that of its value.
    node.attr["T"].type = kind - 100 if kind > 100 else kind
    del node.input[:]
    node.input.append(source)
