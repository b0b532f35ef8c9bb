"""What an op graph says in several words and the engine runs better as one.

A channel shuffle is written as reshaping to groups, swapping axes and reshaping back, with more turns of the axes where
the network's channels lie last. Each of these looks at all places of a map; the whole only puts channels in another
order, which can be done to any part of the map.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from picasso.core.graph import Graph, Op, Reorder, Reshape, Transpose


def recognized(graph: Graph) -> Graph:
    """Return the same network with every chain of views that only orders channels written as a `Reorder`."""
    by_name, readers, kept = graph.by_name, graph.readers(), set(graph.outputs.values())
    found: dict[str, Op] = {}
    dropped: set[str] = set()
    for first in graph.ops:
        if first.name in dropped or not _is_view(first):
            continue
        source = by_name[first.inputs[0]]
        chain = [first]
        while len(after := readers[chain[-1].name]) == 1 and _is_view(after[0]) and chain[-1].name not in kept:
            chain.append(after[0])
        for length in range(len(chain), 1, -1):
            order = _order(source, chain[:length])
            if order is not None:
                last = chain[length - 1]
                found[last.name] = Reorder(
                    name=last.name, inputs=(source.name,), shape=last.shape, layer=last.layer, order=order
                )
                dropped.update(op.name for op in chain[:length])
                break
    ops = tuple(found.get(op.name, op) for op in graph.ops if op.name in found or op.name not in dropped)
    return replace(graph, ops=ops)


def _is_view(op: Op) -> bool:
    return isinstance(op, Reshape | Transpose)


def _order(source: Op, chain: list[Op]) -> tuple[int, ...] | None:
    """Return in which order views put the channels of a map, or None where they do anything else to it."""
    if len(source.shape) != 3 or chain[-1].shape != source.shape:
        return None
    numbers = places = np.arange(np.prod(source.shape), dtype=np.int64).reshape(source.shape)
    for op in chain:
        numbers = numbers.transpose(op.axes) if isinstance(op, Transpose) else numbers.reshape(op.shape)
    order = numbers[:, 0, 0] // (source.shape[1] * source.shape[2])
    return tuple(order.tolist()) if np.array_equal(numbers, places[order]) else None
