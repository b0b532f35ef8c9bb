"""The kernels of a network's convolutions, in one layout whatever framework they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from picasso.core import graph as g
from picasso.core.graph import Graph
from picasso.core.preprocessing import Array


@dataclass(frozen=True, eq=False)
class Kernels:
    """The kernels of one convolution.

    Args:
        layer: The layer's name; with a number behind it where a layer holds several convolutions.
        weight: (out channels, in channels of each group, rows, columns): the layer's own, no norm folded in.
        groups: Into how many groups the channels are divided; of a depthwise convolution the number of its channels.
        transposed: Whether it is a transposed convolution, whose kernel is laid onto the output.
        channels: Where it reads the picture itself, which of the picture's channels each of its own is; else ().
    """

    layer: str
    weight: Array
    groups: int
    transposed: bool
    channels: tuple[int, ...]

    def read_by(self, channel: int) -> range:
        """Return the numbers of the input channels that an output channel reads."""
        each = self.weight.shape[1]
        group = channel // (len(self.weight) // self.groups)
        return range(group * each, (group + 1) * each)


def find_kernels(graph: Graph) -> tuple[Kernels, ...]:
    """Return the kernels of all convolutions of a network, in the order in which they run."""
    ops = [op for op in graph.ops if isinstance(op, g.Conv | g.ConvTranspose)]
    shared = Counter(op.layer for op in ops)
    pictures = _pictures(graph)
    return tuple(
        Kernels(
            layer=op.layer if op.layer and shared[op.layer] == 1 else op.name,
            weight=op.weight if isinstance(op, g.Conv) else _turned(op.weight, op.groups),
            groups=op.groups,
            transposed=isinstance(op, g.ConvTranspose),
            channels=pictures.get(op.inputs[0], ()),
        )
        for op in ops
    )


def _turned(weight: Array, groups: int) -> Array:
    """Return the kernel of a transposed convolution, (in, out / groups, ...), as (out, in / groups, ...)."""
    apart = weight.reshape(groups, len(weight) // groups, *weight.shape[1:]).swapaxes(1, 2)
    return apart.reshape(-1, *apart.shape[2:])


def _pictures(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return the values that are the picture, scaled, shifted or with a border: which channel each of theirs is."""
    ops, found = graph.by_name, dict[str, tuple[int, ...]]()
    for op in graph.ops:
        read = [name for name in op.inputs if not isinstance(ops[name], g.Constant)]
        if isinstance(op, g.Input):
            found[op.name] = tuple(range(op.shape[0]))
        elif read and all(name in found for name in read):
            channels = _channels(op, [found[name] for name in read])
            if channels is not None and len(channels) == op.shape[0]:
                found[op.name] = channels
    return found


def _channels(op: g.Op, given: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    """Return which channels of the picture an operation's are; None where they are no longer these."""
    match op:
        case g.Affine() | g.Pad() | g.Resize():
            return given[0]
        case g.Elementwise() if len(given) == 1:
            return given[0]
        case g.Reorder():
            return tuple(given[0][place] for place in op.order)
        case g.Slice():
            places = range(op.start, op.stop, op.step) if op.axis == 0 else range(len(given[0]))
            return tuple(given[0][place] for place in places)
        case g.Concat() if op.axis == 0:
            return tuple(channel for one in given for channel in one)
    return None


def kernel_strengths(weight: Array) -> Array:
    """Return how strong each kernel is: the root of the sum of its squared weights, (kernels,).

    Args:
        weight: (kernels, ...).
    """
    flat = weight.reshape(len(weight), -1).astype(np.float64)
    return np.asarray(np.sqrt((flat**2).sum(axis=1)), np.float32)


def kernel_likenesses(weight: Array) -> Array:
    """Return how alike each kernel is to the strongest, (kernels,): the cosine of the angle between them, -1..1.

    A kernel of zeros has none: NaN.
    """
    flat, sizes = weight.reshape(len(weight), -1).astype(np.float64), kernel_strengths(weight).astype(np.float64)
    best = int(sizes.argmax())
    products = flat @ flat[best]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.clip(products / (sizes * sizes[best]), -1, 1)
    return np.asarray(np.where(sizes > 0, found, np.nan), np.float32)


def kernel_chroma(weight: Array) -> Array:
    """Return which share of each kernel's squared weights is color, (kernels,), 0..1: 0 for grey, 1 for color alone.

    Args:
        weight: (kernels, 3, rows, columns); what the three channels have in common at a place is grey.
    """
    wide = weight.astype(np.float64)
    whole, grey = (wide**2).sum(axis=(1, 2, 3)), 3 * (wide.mean(axis=1) ** 2).sum(axis=(1, 2))
    found = np.where(whole > 0, 1 - grey / np.where(whole > 0, whole, 1), np.nan)
    return np.asarray(found.clip(0, 1), np.float32)
