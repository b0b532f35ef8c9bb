"""What takes the place of what is removed from a picture: three fills, since each alone picks its own winner."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from picasso.core.attribution import enlarge
from picasso.core.facts import Sample
from picasso.core.maps.baselines import baseline
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.scorecard.ranks import Numbers

Fill = Literal["mean", "blur", "diffusion"]
FILLS: tuple[Fill, ...] = get_args(Fill)
MOST_PIXELS = 128 * 128
"""Of larger pictures the diffusion is solved between means of blocks of pixels; it is smooth in any case."""
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Filler:
    """Removes parts of one picture.

    Args:
        x: The picture as the network reads it, (h, w, c).
        mean, blur: What is seen in their place with these fills, (h, w, c).
    """

    x: Array
    mean: Array
    blur: Array

    def __call__(self, removed: Mask, fill: Fill) -> Array:
        """Return the picture with what is removed, bool (h, w), filled."""
        if fill == "diffusion":
            return diffused(self.x, removed)
        return np.where(removed[..., None], self.mean if fill == "mean" else self.blur, self.x)


def filler(model: Model, sample: Sample) -> Filler:
    """Return what removes parts of a sample."""
    return Filler(sample.x[0], baseline(model, sample, "mean"), baseline(model, sample, "blur"))


def diffused(x: Array, removed: Mask) -> Array:
    """Fill a hole with what flows in from its rim: in it each value is the mean of its neighbors (Laplace).

    Args:
        x: (h, w, c).
        removed: bool (h, w). At the picture's edge nothing flows; where everything is removed, its mean color is left.

    Returns:
        float32 (h, w, c), x where nothing is removed.
    """
    if removed.all():
        return np.broadcast_to(x.mean(axis=(0, 1)), x.shape).astype(np.float32)
    made = np.array(x, np.float32)
    side = math.ceil(math.sqrt(removed.size / MOST_PIXELS))
    if side == 1:
        made[removed] = _solved(x, removed)[removed]
        return made
    known = _blocks((~removed).astype(np.float64)[..., None], side)
    means = _blocks(np.where(removed[..., None], 0.0, x), side) / np.maximum(known, 1e-12)
    coarse = _solved(means, known[..., 0] == 0)
    size = coarse.shape[0] * side, coarse.shape[1] * side
    smooth = np.stack([enlarge(coarse[..., c].astype(np.float32), *size) for c in range(x.shape[-1])], axis=-1)
    made[removed] = smooth[: x.shape[0], : x.shape[1]][removed]
    return made


def _blocks(values: Numbers, side: int) -> Numbers:
    """Return the means over blocks of pixels; what a block has beyond the picture's edge counts as 0."""
    height, width = (math.ceil(length / side) * side for length in values.shape[:2])
    padded = np.zeros((height, width, values.shape[2]))
    padded[: values.shape[0], : values.shape[1]] = values
    means: Numbers = padded.reshape(height // side, side, width // side, side, -1).mean(axis=(1, 3))
    return means


def _solved(x: Numbers, removed: Mask) -> Numbers:
    """Solve Laplace's equation for the removed pixels, the others given."""
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    made = np.array(x, np.float64)
    count = int(removed.sum())
    if not count:
        return made
    number = np.full(removed.shape, -1)
    number[removed] = np.arange(count)
    degree, given = np.zeros(count), np.zeros((count, x.shape[-1]))
    rows, columns = [], []
    for here, there in _neighbors():
        inside = removed[here]
        own, other = number[here][inside], number[there][inside]
        degree += np.bincount(own, minlength=count)
        known = other < 0
        np.add.at(given, own[known], made[there][inside][known])
        rows.append(own[~known])
        columns.append(other[~known])
    places = np.arange(count)
    row, column = np.concatenate([places, *rows]), np.concatenate([places, *columns])
    weights = np.concatenate([degree, np.full(len(row) - count, -1.0)])
    matrix = csc_matrix((weights, (row, column)), shape=(count, count))
    options = {"SymmetricMode": True}
    made[removed] = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve(given)
    return made


def _neighbors() -> list[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Return for each of four directions where pixels that have a neighbor there lie, and where those do."""
    first, second, every = slice(None, -1), slice(1, None), slice(None)
    pairs = [((first, every), (second, every)), ((every, first), (every, second))]
    return pairs + [(there, here) for here, there in pairs]
