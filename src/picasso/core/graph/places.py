"""What readers and engines must know of windows and interpolation alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from picasso.core.graph.maps import Pool
from picasso.core.graph.operation import Pair
from picasso.core.preprocessing import Array


def padded_to(out: int, side: int, kernel: int, stride: int, dilation: int, before: int) -> int:
    """Return the padding at the end with which windows give just `out` places; negative where the end is not read.

    A pool in ceil mode, or a framework's "same", is written with it.
    """
    return max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - side - before)


def average_counts(op: Pool, sides: Pair) -> tuple[Array, Array]:
    """Return by how many numbers each row and each column of windows of a mean divides: (rows,), (columns,)."""
    return tuple(  # type: ignore[return-value]
        np.array([
            sum(
                -op.counted[axis] <= place < sides[axis] + op.counted[2 + axis]
                for place in range(start, start + op.kernel[axis] * op.dilation[axis], op.dilation[axis])
            )
            for start in (out * op.stride[axis] - op.padding[axis] for out in range(op.shape[1 + axis]))
        ], np.float32)
        for axis in (0, 1)
    )  # fmt: skip


def interpolation(out: int, side: int, place: Callable[[int], float]) -> Array:
    """Return the matrix (out, side) of linear interpolation, from the place in 0..side-1 that each output reads.

    Places outside are moved to the edge.
    """
    matrix = np.zeros((out, side), np.float32)
    for row in range(out):
        at = min(max(place(row), 0.0), side - 1.0)
        low = min(int(at), side - 1)
        matrix[row, low] += 1 - (at - low)
        if at > low:
            matrix[row, low + 1] += at - low
    return matrix
