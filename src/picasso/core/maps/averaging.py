"""The mean map of several pictures: what a model looks at as a rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from picasso.core.attribution import Attribution
from picasso.core.errors import PictureError
from picasso.core.preprocessing import Array


def mean_map(maps: Sequence[Attribution]) -> Attribution:
    """Return the mean of one target's maps of several pictures, as a map of its own.

    Args:
        maps: By one method, at least one. A pixel's mean is over the maps in which it is known.

    Raises:
        PictureError: They differ in size.
    """
    sizes = {np.shape(one.values): None for one in maps}
    if len(sizes) > 1:
        raise PictureError(f"Only maps of equal size have a mean. Got {', '.join(map(str, sizes))}.")
    natives = [one.native for one in maps if one.native is not None]
    alike = len(natives) == len(maps) and len({native.shape for native in natives}) == 1
    return replace(
        maps[0],
        values=_known_mean([one.values for one in maps]),
        score=float(np.mean([one.score for one in maps])),
        native=_known_mean(natives) if alike else None,
        laid=maps[0].laid if alike else "",
        convergence_error=None,
        change=None,
        notes=(f"The mean over {len(maps)} pictures.",),
        drops=False,
        picture=None,
    )


def _known_mean(arrays: Sequence[Array]) -> Array:
    """Return the mean of arrays of one shape over what is known of them; NaN where nothing is."""
    stacked = np.stack(arrays).astype(np.float64)
    known = np.isfinite(stacked)
    counts = known.sum(axis=0)
    total = np.where(known, stacked, 0.0).sum(axis=0)
    return np.where(counts, total / np.maximum(counts, 1), np.nan).astype(np.float32)
