"""Which part of a picture a unit of a layer can have seen, for a place in the layer's map."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotSupportedError
from picasso.core.layers.receptive_field import ReceptiveFields
from picasso.core.model import Model
from picasso.core.panels.gallery import Box

_WHOLE = (0.0, 0.0, 1.0, 1.0)
_ROUNDING = 1e-6
"""Of a pixel: shares of a side come back as 28.999999999999996."""


class Crops:
    """The receptive fields of a layer's units: those of two channels differ where branches meet.

    Args:
        model: The model.
        layer: The layer's name.
        columns: Columns of its map.

    Attributes:
        reason: Why whole pictures are shown, one sentence; "" where parts are.
    """

    def __init__(self, model: Model, layer: str, columns: int) -> None:
        self._layer = next(one for one in model.layers() if one.name == layer)
        self._columns, self._size = columns, model.input_shape[:2]
        self._fields: ReceptiveFields | None = None
        self._known: dict[tuple[int, int], Box | None] = {}
        self.reason = ""
        try:
            self._fields = ReceptiveFields(model.graph())
        except NotSupportedError as error:
            self.reason = f"Whole pictures are shown: {error.message}"
        if self._fields is not None and self._fields.operation(self._layer) is None:
            self.reason = f"Whole pictures are shown: {layer} is not found in the op graph."

    def box(self, place: int, channel: int) -> Box | None:
        """Return what a unit at a place (row * columns + column) can depend on; None for all of the picture."""
        key = place, channel
        if key not in self._known:
            self._known[key] = self._found(place, channel)
        return self._known[key]

    def _found(self, place: int, channel: int) -> Box | None:
        unit = self._unit(place, channel)
        region = None if self._fields is None or unit is None else self._fields.of(self._layer, unit)
        if region is None or not region.height:
            return None
        height, width = self._size
        box = region.left / width, region.top / height, region.width / width, region.height / height
        return None if box == _WHOLE else box

    def _unit(self, place: int, channel: int) -> tuple[int, ...] | None:
        """Return which number of the layer's output that is; None where a hook has laid a vector out as a map."""
        shape, grid = self._layer.shape, self._layer.grid
        if len(shape) == 1:
            return (channel,) if self._columns == 1 and place == 0 else None
        if grid is not None:  # class and register tokens come before those of the patches
            return shape[0] - grid[0] * grid[1] + place, channel
        return place // self._columns, place % self._columns, channel


def cut(view: NDArray[np.uint8], box: Box | None) -> NDArray[np.uint8]:
    """Cut a part out of a picture (h, w, 3): every pixel that it touches."""
    if box is None:
        return view
    (left, right), (top, bottom) = (
        (math.floor(box[axis] * side + _ROUNDING), math.ceil((box[axis] + box[axis + 2]) * side - _ROUNDING))
        for axis, side in ((0, view.shape[1]), (1, view.shape[0]))
    )
    return view[top:bottom, left:right]
