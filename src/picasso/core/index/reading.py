"""What an index keeps of a layer: for each picture and channel the strongest and weakest place, and the mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.layers.channel_statistics import laid_out
from picasso.core.model import Model
from picasso.core.preprocessing import Array


@dataclass(frozen=True)
class Reading:
    """What is read of a layer.

    Args:
        layer: The layer's name.
        label: Number of a class: its channels' relevance for that class is read, activation times the gradient of the
            class score; None for the activations themselves.
    """

    layer: str
    label: int | None = None

    @property
    def key(self) -> str:
        """Under what it is kept."""
        return self.layer if self.label is None else f"{self.layer}\0{self.label}"


@dataclass(frozen=True, eq=False)
class Strongest:
    """Where in one picture each channel is strongest and weakest.

    Args:
        largest, smallest, mean: float32 (channels,), over all places.
        largest_at, smallest_at: uint32 (channels,): the first such place, row * columns + column.
        rows, columns: Of the layer's map.
    """

    largest: Array
    largest_at: NDArray[np.uint32]
    smallest: Array
    smallest_at: NDArray[np.uint32]
    mean: Array
    rows: int
    columns: int


def strongest(model: Model, values: Array) -> list[Strongest]:
    """Return what is kept of a layer's values (n, ...), channels last, for each of n pictures.

    Raises:
        ModelOutputError: The values are neither maps, nor tokens on a grid, nor vectors.
    """
    maps = laid_out(model, values)
    count, rows, columns, channels = maps.shape
    flat = maps.reshape(count, rows * columns, channels)
    high, low = flat.argmax(axis=1), flat.argmin(axis=1)
    largest = np.take_along_axis(flat, high[:, None], axis=1)[:, 0]
    smallest = np.take_along_axis(flat, low[:, None], axis=1)[:, 0]
    mean = flat.mean(axis=1, dtype=np.float64).astype(np.float32)
    return [
        Strongest(
            np.ascontiguousarray(largest[i]),
            high[i].astype(np.uint32),
            np.ascontiguousarray(smallest[i]),
            low[i].astype(np.uint32),
            mean[i],
            rows,
            columns,
        )
        for i in range(count)
    ]
