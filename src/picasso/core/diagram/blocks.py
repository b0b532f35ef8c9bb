"""Steps nested in blocks by their names, and what flows between those of each block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from picasso.core.diagram.boxes import WHOLE, Arc, Box, Role, opened_at_first
from picasso.core.diagram.layered import ENTRY, lay_out
from picasso.core.diagram.steps import Network, segments, weightiest


@dataclass
class _Node:
    """A box that is still without its number: the steps in it, and the boxes in it where it is a block."""

    name: str
    label: str
    steps: list[int]
    path: tuple[str, ...]
    inner: list[_Node] = field(default_factory=list)


def network_graph(network: Network, shown: int) -> tuple[tuple[Box, ...], tuple[Arc, ...]]:
    """Return the boxes and arcs of a network, each block with rows and columns of its own.

    Where the steps of a block cannot be one box, since what leaves them comes back to them, they are several blocks,
    "stem" and "stem (2)", so that data always flows down.

    Args:
        network: The steps.
        shown: About how many boxes are seen before some blocks stay closed.
    """
    roots = _nested(network, range(len(network.steps)), 0)
    boxes: list[Box] = []
    arcs: list[Arc] = []
    numbers: dict[int, int] = {}
    _collect(network, roots, WHOLE, boxes, numbers)
    boxes = _summed(network, boxes)
    for block, flows in _flows(network, boxes, numbers).items():
        members = [number for number, box in enumerate(boxes) if box.parent == block]
        place = {number: at for at, number in enumerate(members)}
        pairs = [(place.get(source, ENTRY), place.get(target, len(members))) for source, target in sorted(flows)]
        found = lay_out(len(members), pairs)
        rows = [0, *found.rows, found.last]  # of what enters, of each box, of what leaves
        for number, row, column in zip(members, found.rows, found.columns, strict=True):
            boxes[number] = replace(boxes[number], row=row, column=column)
        for (source, target), (one, other) in zip(sorted(flows), pairs, strict=True):
            far = rows[other + 1] > rows[one + 1] + 1
            arcs.append(Arc(block, source, target, found.lanes[one] if far else -1))
    opened = opened_at_first(boxes, shown)
    return tuple(replace(box, opened=number in opened) for number, box in enumerate(boxes)), tuple(arcs)


def _nested(network: Network, steps: Iterable[int], depth: int) -> list[_Node]:
    """Return the boxes of steps whose paths are the same down to a depth, each after all that it reads."""
    members = list(steps)
    key = {step: (network.steps[step].path[depth], 0) for step in members}
    if tangled := _tangled(network, members, key):
        # Runs of the same block in the order of execution: whatever they are contracted to, data flows forward.
        before: tuple[str, int] | None = None
        run: dict[str, int] = defaultdict(int)
        for step in members:
            if key[step] not in tangled:
                continue
            name = key[step][0]
            if before is None or before[0] != name:
                run[name] += 1
            before = key[step] = (name, run[name])
    made: dict[tuple[str, int], list[int]] = defaultdict(list)
    for step in members:
        made[key[step]].append(step)
    return [_node(network, inside, depth, again) for (_, again), inside in _in_order(network, made, key)]


def _node(network: Network, inside: list[int], depth: int, again: int) -> _Node:
    """Return the box of steps that share a path one deeper."""
    first = network.steps[inside[0]]
    suffix = f" ({again})" if again > 1 else ""
    if len(first.path) == depth + 1:
        return _Node(first.name + suffix, first.label + suffix, inside, first.path)
    path = first.path[: depth + 1]
    inner = _nested(network, inside, depth + 1)
    if len(inner) == 1:  # a block of one is that one
        (only,) = inner
        return replace(only, label=f"{path[-1]}.{only.label}{suffix}", name=only.name + suffix)
    return _Node(".".join(path) + suffix, path[-1] + suffix, inside, path, inner)


def _edges(network: Network, members: Sequence[int], key: dict[int, tuple[str, int]]) -> set[tuple[object, object]]:
    return {
        (key[source], key[step])
        for step in members
        for source in network.steps[step].reads
        if source in key and key[source] != key[step]
    }


def _tangled(network: Network, members: Sequence[int], key: dict[int, tuple[str, int]]) -> set[tuple[str, int]]:
    """Return the boxes that lie on a circle, or between two."""
    edges = _edges(network, members, key)
    left = set(key.values())
    for end in (1, 0):  # take away what nothing leads to, then what leads to nothing
        while loose := left - {edge[end] for edge in edges}:
            left -= loose
            edges = {edge for edge in edges if edge[0] in left and edge[1] in left}
    return left


def _in_order(
    network: Network, made: dict[tuple[str, int], list[int]], key: dict[int, tuple[str, int]]
) -> list[tuple[tuple[str, int], list[int]]]:
    """Return boxes in an order in which each comes after all that it reads; else as they are executed."""
    edges = _edges(network, [step for inside in made.values() for step in inside], key)
    waiting = dict(sorted(made.items(), key=lambda item: item[1][0]))
    sources: dict[object, set[object]] = defaultdict(set)
    for source, target in edges:
        sources[target].add(source)
    ordered: list[tuple[tuple[str, int], list[int]]] = []
    done: set[object] = set()
    while waiting:
        ready = next(one for one in waiting if sources[one] <= done)
        done.add(ready)
        ordered.append((ready, waiting.pop(ready)))
    return ordered


def _collect(network: Network, nodes: list[_Node], parent: int, boxes: list[Box], numbers: dict[int, int]) -> None:
    """Number boxes, a block before those in it; `numbers` gets the box of each step."""
    taken = {box.name for box in boxes}
    for node in nodes:
        number = len(boxes)
        steps = [network.steps[step] for step in node.steps]
        name, count = node.name, 1
        while name in taken:
            count += 1
            name = f"{node.name} #{count}"
        taken.add(name)
        if node.inner:
            layer = network.blocks.get(node.path)
            kind, shape = (layer.kind, layer.shape) if layer else ("block", steps[-1].shape)
            known = "" if layer is None or name != ".".join(segments(layer.name)) else layer.name
            boxes.append(Box(name, node.label, kind, Role.BLOCK, shape, known, None, None, parent, 1, 0, len(steps)))
            _collect(network, node.inner, number, boxes, numbers)
            taken = {box.name for box in boxes}
            continue
        numbers |= dict.fromkeys(node.steps, number)
        first = steps[0]
        boxes.append(
            Box(
                name, node.label, first.kind, weightiest(step.role for step in steps), steps[-1].shape, first.layer,
                _sum(step.parameters for step in steps), _sum(step.multiply_adds for step in steps), parent, 1, 0,
            )
        )  # fmt: skip


def _summed(network: Network, boxes: list[Box]) -> list[Box]:
    """Add up in each block what its boxes have, and what belongs to the block itself."""
    made = list(boxes)
    own = dict(network.own)
    inside: dict[int, list[Box]] = defaultdict(list)
    for number in reversed(range(len(made))):
        box = made[number]
        if box.block:
            members = inside[number]
            mine = own.pop(segments(box.layer), 0) if box.layer else 0
            parameters = _sum(one.parameters for one in members)
            made[number] = box = replace(
                box,
                parameters=None if parameters is None else parameters + mine,
                multiply_adds=_sum(one.multiply_adds for one in members),
                steps=sum(one.steps for one in members),
            )
        inside[box.parent].append(box)
    return made


def _sum(values: Iterable[int | None]) -> int | None:
    """Return the sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _flows(network: Network, boxes: Sequence[Box], numbers: dict[int, int]) -> dict[int, set[tuple[int, int]]]:
    """Return what flows between the boxes of each block, each (source, target); the block itself is its border."""
    flows: dict[int, set[tuple[int, int]]] = {WHOLE: set()}
    flows.update((number, set()) for number, box in enumerate(boxes) if box.block)

    def blocks(number: int) -> list[int]:
        """Return a box and the blocks around it, from the outermost."""
        found = [number]
        while boxes[found[0]].parent != WHOLE:
            found.insert(0, boxes[found[0]].parent)
        return found

    for number, step in enumerate(network.steps):
        for read in step.reads:
            source, target = blocks(numbers[read]), blocks(numbers[number])
            if source[-1] == target[-1]:
                continue
            level = next(depth for depth in range(len(source)) if source[depth] != target[depth])
            flows[boxes[source[level]].parent].add((source[level], target[level]))
            for around, one in zip(source[level:-1], source[level + 1 :], strict=True):
                flows[around].add((one, around))
            for around, one in zip(target[level:-1], target[level + 1 :], strict=True):
                flows[around].add((around, one))
    return flows
