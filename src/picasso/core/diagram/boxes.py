"""What a diagram is made of: boxes, some within others, and arcs between those of one block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

WHOLE = -1
"""The block that is the whole network: the parent of the outermost boxes."""


class Role(StrEnum):
    """What a step does, as far as a diagram tells steps apart."""

    INPUT = "input"
    CONV = "convolution"
    LINEAR = "linear"
    NORM = "norm"
    ACTIVATION = "activation"
    POOL = "pool"
    JOIN = "join"
    ATTENTION = "attention"
    OTHER = "other"
    BLOCK = "block"


@dataclass(frozen=True)
class Box:
    """A step of the network, or a block of several.

    Args:
        name: Its full name, unique in the diagram.
        label: What is left of the name inside the block around it.
        kind: Its class, as the framework names it, or the operation: "Conv2d", "add".
        role: What it does.
        shape: Of its output, without the batch, channels last; () where that is unknown.
        layer: The name of the layer that it is in `model.layers()`; "" where it is none.
        parameters: How many numbers were learned in it; None where that is unknown.
        multiply_adds: Multiplications by weights for one picture; None where that is unknown.
        parent: Number of the block in which it lies, or `WHOLE`.
        row: Row within that block, from 1. Row 0 is where what enters the block comes in.
        column: Column within that block, from 0; -1 where it has the row to itself and lies in the middle.
        steps: Number of steps in it: 1, or those of the block.
        opened: Whether the block is open at first.
    """

    name: str
    label: str
    kind: str
    role: Role
    shape: tuple[int, ...]
    layer: str
    parameters: int | None
    multiply_adds: int | None
    parent: int
    row: int
    column: int
    steps: int = 1
    opened: bool = False

    @property
    def block(self) -> bool:
        """Whether it holds other boxes."""
        return self.role is Role.BLOCK


@dataclass(frozen=True)
class Arc:
    """Data that flows from one box of a block to another.

    Args:
        block: Number of the block in which it is drawn, or `WHOLE`.
        source: Number of the box that it comes from; `block` itself for what enters there.
        target: Number of the box that reads it; `block` itself for what leaves there.
        lane: Column in which it passes the rows between the two; -1 where there are none.
    """

    block: int
    source: int
    target: int
    lane: int = -1


def within(boxes: Sequence[Box]) -> dict[int, list[int]]:
    """Return the numbers of the boxes in each block, and in `WHOLE`, in their order."""
    found: dict[int, list[int]] = {WHOLE: []}
    found.update((number, []) for number, box in enumerate(boxes) if box.block)
    for number, box in enumerate(boxes):
        found[box.parent].append(number)
    return found


def opened_at_first(boxes: Sequence[Box], shown: int) -> frozenset[int]:
    """Return which blocks are open at first: one depth after another, while no more boxes than `shown` are seen.

    Where fewer than `FEW` boxes would be seen, blocks are opened one by one, until they are as many.
    """
    inside = within(boxes)
    opened: set[int] = set()
    seen = len(inside[WHOLE])
    level = [number for number in inside[WHOLE] if boxes[number].block]
    while level:
        after = seen + sum(len(inside[number]) for number in level)
        if after > shown:
            while level and seen < FEW:
                opened.add(level[0])
                seen += len(inside[level.pop(0)])
            break
        opened.update(level)
        seen = after
        level = [deeper for number in level for deeper in inside[number] if boxes[deeper].block]
    return frozenset(opened)


FEW = 6
"""A diagram of fewer boxes than these says nothing."""
