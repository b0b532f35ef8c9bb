"""What is said of a layer's channels one by one: where they lie in the picture, whether they are dead, how sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ModelOutputError
from picasso.core.model import Model
from picasso.core.preprocessing import Array


def laid_out(model: Model, values: Array) -> Array:
    """Lay a layer's values (n, ...) out as maps (n, rows, columns, channels); vectors have one place.

    Raises:
        ModelOutputError: The values are neither maps, nor tokens on a grid, nor vectors.
    """
    try:
        return model.postprocess(values)
    except ModelOutputError:
        if values.ndim != 2:
            raise
        return values[:, None, None, :]


def channel_maps(model: Model, values: Array) -> Array:
    """Lay a layer's values or gradients of one picture out as maps, one for each channel.

    Args:
        model: The model, whose tokens know their grid and whose `postprocess` hook may lay out the rest.
        values: (1, ...), channels last, as `activations` gives them.

    Returns:
        float32 (channels, rows, columns); a vector, which has no space, is (channels, 1, 1).

    Raises:
        ModelOutputError: The values are neither a map, nor tokens on a grid, nor a vector.
    """
    return np.ascontiguousarray(np.moveaxis(laid_out(model, values)[0], -1, 0), dtype=np.float32)


def dead_channels(maps: NDArray[Any]) -> NDArray[np.bool_]:
    """Say of each channel whether it is zero everywhere, bool (channels,).

    Args:
        maps: (channels, ...).
    """
    return np.asarray(~maps.reshape(len(maps), -1).any(axis=1), dtype=np.bool_)


def sparsity(maps: NDArray[Any]) -> NDArray[np.float64]:
    """Say of each channel how few of its places hold what it holds: 0 for all alike in size, 1 for a single one.

    Args:
        maps: (channels, ...).

    Returns:
        float64 (channels,) in 0..1; NaN for a dead channel, and where there is one place only.

    References:
        Hoyer 2004, Non-negative matrix factorization with sparseness constraints, arXiv:cs/0408058.
    """
    sizes = np.abs(maps.reshape(len(maps), -1).astype(np.float64))
    root = float(np.sqrt(sizes.shape[1]))
    if root <= 1:
        return np.full(len(maps), np.nan)
    largest = sizes.max(axis=1, keepdims=True)
    scaled = np.divide(sizes, largest, out=np.zeros_like(sizes), where=largest > 0)  # squares of tiny values are zero
    length = np.sqrt((scaled**2).sum(axis=1))
    ratio = np.divide(scaled.sum(axis=1), length, out=np.full(len(maps), np.nan), where=length > 0)
    return np.asarray(np.clip((root - ratio) / (root - 1), 0, 1), dtype=np.float64)


def shrunk(maps: Array, most: int) -> tuple[Array, int]:
    """Average blocks of places until no more than so many numbers are left.

    Args:
        maps: (channels, rows, columns).
        most: How many numbers at most; a map keeps at least one place.

    Returns:
        The maps, and the side of a block: 1 where nothing was averaged. Blocks at the edge may be smaller.
    """
    side = 1
    _, rows, columns = maps.shape
    while len(maps) * -(-rows // side) * -(-columns // side) > most and side < max(rows, columns):
        side *= 2
    if side == 1:
        return maps, 1
    tops, lefts = np.arange(0, rows, side), np.arange(0, columns, side)
    sums = np.add.reduceat(np.add.reduceat(maps.astype(np.float64), tops, axis=1), lefts, axis=2)
    counts = np.minimum(side, rows - tops)[:, None] * np.minimum(side, columns - lefts)
    return (sums / counts).astype(np.float32), side
