"""How alike a layer's features stay while the picture is transformed: invariance and equivariance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.layers.channel_statistics import channel_maps
from picasso.core.model import Model
from picasso.core.pictures.moving import Move, Pair, moved
from picasso.core.preprocessing import Array


class Likeness:
    """How alike one layer's features stay from amount to amount, to what they were and to what they would move to.

    Args:
        model: The model.
        values: The layer's output for the untransformed picture, (1, ...).
        stride: Pixels of the input between its cells, (down, right); None where that is not known.
        wraps: Whether what leaves comes in at the other side.

    Attributes:
        invariance: Of each amount the cosine between the features and those of the untransformed picture.
        equivariance: The same with the moved features of the untransformed picture, over the cells that come from
            inside; None where the layer has no map or nothing moves.
        exact: At how many amounts the map moved without interpolation.

    References:
        Lenc and Vedaldi 2015, arXiv:1411.5908.
    """

    def __init__(self, model: Model, values: Array, stride: Pair | None, wraps: bool) -> None:
        self.model = model
        self.stride = stride
        self.wraps = wraps
        self.values = values
        self.maps = None if stride is None else self._laid(values)
        self.invariance: list[float | None] = []
        self.equivariance: list[float | None] = []
        self.exact = 0

    def add(self, values: Array, move: Move | None) -> None:
        """Compare with the layer's output for a transformed picture."""
        self.invariance.append(cosine(values, self.values))
        if move is None or self.maps is None or self.stride is None:
            self.equivariance.append(None)
            return
        wanted = moved(self.maps, move.on_map(self.stride), "wrap" if self.wraps else "edge")
        self.equivariance.append(cosine(self._laid(values)[wanted.inside], wanted.values[wanted.inside]))
        self.exact += wanted.exact

    def _laid(self, values: Array) -> Array:
        return np.moveaxis(channel_maps(self.model, values), 0, -1)


def cosine(a: NDArray[Any], b: NDArray[Any]) -> float | None:
    """Return the cosine of the angle between two arrays taken as vectors, -1..1; None where one of them is zero."""
    first, second = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(np.clip(first @ second / lengths, -1, 1)) if lengths > 0 else None
