"""Maps made of gradients by the input: the channels of a pixel become one value, and units and sign follow."""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.core.attribution import Attribution
from picasso.core.preprocessing import Array
from picasso.core.settings import Settings
from picasso.core.targets import Target
from picasso.core.visualization import Context

Reduction = Literal["sum", "max_abs", "none"]
SATURATED = "Every gradient is zero: the score does not move here (saturation), which is no explanation."


class ChannelSettings(Settings):
    """What becomes of the channels of a pixel."""

    reduction: Reduction = Field(
        "sum",
        title="Over the channels",
        description="sum: the sum, with sign. max_abs: the largest size, without sign. none: each channel.",
    )


def over_channels(values: NDArray[np.floating[Any]], reduction: Reduction) -> Array:
    """Reduce values (..., channels) to one for each pixel, or leave the channels; float32."""
    # Channel by channel: NumPy is many times as slow along a short last axis.
    if reduction == "max_abs":
        values = reduce(np.maximum, np.moveaxis(np.abs(values), -1, 0))
    elif reduction == "sum":
        values = reduce(np.add, np.moveaxis(values.astype(np.float64), -1, 0))
    return np.ascontiguousarray(values, dtype=np.float32)


def gradient_map(
    ctx: Context,
    target: Target,
    values: NDArray[np.floating[Any]],
    reduction: Reduction,
    units: str,
    notes: tuple[str, ...] = (),
    unsigned: bool = False,
    silent: str = SATURATED,
    **known: Any,
) -> Attribution:
    """Return the attribution that values for each channel make.

    Args:
        ctx: The run.
        target: What is explained.
        values: (..., channels), of the input's shape.
        reduction: What becomes of the channels.
        units: What a value is before its sign is lost.
        notes: What must be known of the map.
        unsigned: Whether the values have no sign to begin with.
        silent: What is said before the notes where every value is zero.
        known: The attribution's other fields.
    """
    sizes = reduction == "max_abs" and not unsigned
    return Attribution(
        values=over_channels(values, reduction),
        target=target,
        units=f"|{units}|" if sizes else units,
        sign="unsigned" if sizes or unsigned else "signed",
        score=float(target.of_classes(ctx.scores)),
        notes=notes if values.any() else (silent, *notes),
        **known,
    )
