"""Linear probes: how much of something can be read from a layer by a weighted sum of its numbers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from picasso.core.facts import Layer
from picasso.core.preprocessing import Array

Wide = NDArray[np.float64]
FOLDS = 4
"""Into how many parts the pictures are divided; each is held out once."""
PENALTIES = np.logspace(-4, 4, 17)
"""Of which the best is taken, in units of the mean variance of a component."""
MOST_NUMBERS = 2**13
"""Numbers of each picture that a probe reads; more are mixed at random."""
_MIXED = 2**12


def cell_means(layer: Layer, values: Array, side: int) -> Array:
    """Return the numbers of a layer from which is read: means over the cells of a grid for what has space.

    Args:
        layer: The layer.
        values: What it returns, (n, ...), channels last.
        side: How many rows and columns of cells at most. Tokens that are no patches stay as they are.

    Returns:
        float32 (n, numbers), at most `MOST_NUMBERS`: more are mixed by fixed random signs.
    """
    count = len(values)
    flat: list[Array] = []
    if layer.grid is not None:
        rows, columns = layer.grid
        first = values.shape[1] - rows * columns
        flat.append(values[:, :first].reshape(count, -1))
        values = values[:, first:].reshape(count, rows, columns, -1)
    if layer.spatial and values.ndim == 4:
        for axis in (1, 2):
            values = _averaged(values, axis, min(side, values.shape[axis]))
    found = np.concatenate([*flat, values.reshape(count, -1)], axis=1).astype(np.float32)
    return mixed(found, _MIXED) if found.shape[1] > MOST_NUMBERS else found


def _averaged(values: Array, axis: int, cells: int) -> Array:
    """Return the means over cells along an axis, as even as whole places allow."""
    ends = np.linspace(0, values.shape[axis], cells + 1).round().astype(int)
    parts = [values.take(range(lo, hi), axis).mean(axis, keepdims=True) for lo, hi in pairwise(ends)]
    return np.concatenate(parts, axis)


def mixed(values: Array, count: int) -> Array:
    """Return fewer numbers (n, count) that keep the products of rows about: sums of them with fixed random signs."""
    rng = np.random.default_rng(0)
    width = values.shape[1]
    order, signs = rng.permutation(width), rng.choice(np.array([-1, 1], np.float32), width)
    turned = np.pad(values[:, order] * signs, ((0, 0), (0, -width % count)))
    return np.asarray(turned.reshape(len(values), -1, count).sum(axis=1), np.float32)


def explained_variance(values: Array, truths: Wide) -> Wide:
    """Return the share of the variance of each truth that a linear probe explains on pictures that it was not fit to.

    Ridge regression with an intercept; each fold's penalty is that of the least leave-one-out error on the others,
    found for every truth by itself.

    Args:
        values: float32 (n, numbers).
        truths: (n, truths).

    Returns:
        R squared of the held-out pictures of all folds, (truths,): 1 where all is read, about 0 where nothing is, below
        it where the probe is worse than the mean.
    """
    missed, spread = np.zeros(truths.shape[1]), np.zeros(truths.shape[1])
    for fold in range(FOLDS):
        out = np.arange(len(values)) % FOLDS == fold
        found = _fitted(values[~out].astype(np.float64), truths[~out], values[out].astype(np.float64))
        missed += ((truths[out] - found) ** 2).sum(axis=0)
        spread += ((truths[out] - truths[~out].mean(axis=0)) ** 2).sum(axis=0)
    return np.asarray(1 - missed / np.where(spread > 0, spread, 1))


def _fitted(known: Wide, truths: Wide, asked: Wide) -> Wide:
    """Fit a ridge regression to known pictures and return what it says of others, (asked, truths)."""
    center, size = known.mean(axis=0), known.std(axis=0)
    moving = size > 1e-6 * max(float(size.max(initial=0)), 1e-30)
    mean = truths.mean(axis=0)
    if not moving.any():
        return np.repeat(mean[None], len(asked), axis=0)
    known = (known[:, moving] - center[moving]) / size[moving]
    asked = (asked[:, moving] - center[moving]) / size[moving]
    left, variances = _components(known)
    along = left.T @ (truths - mean)  # (components, truths)
    penalties = PENALTIES * variances.mean()
    keeps = variances[:, None] / (variances[:, None] + penalties)  # (components, penalties)
    # A picture that is left out is missed by its residual over what the others leave of it, in closed form.
    leverage = 1 / len(known) + (left**2) @ keeps
    best = np.zeros(truths.shape[1], int)
    for place in range(truths.shape[1]):
        residual = (truths[:, place] - mean[place])[:, None] - left @ (keeps * along[:, place, None])
        best[place] = ((residual / np.maximum(1 - leverage, 1e-9)) ** 2).mean(axis=0).argmin()
    weights = keeps[:, best] * along / variances[:, None]
    return np.asarray(mean + asked @ (known.T @ (left @ weights)))


def _components(known: Wide) -> tuple[Wide, Wide]:
    """Return the left singular vectors (pictures, components) of pictures' numbers, and the squared singular values."""
    wide = known.shape[1] > len(known)  # of products of pictures or of numbers those are taken that are fewer
    variances, vectors = np.linalg.eigh(known @ known.T if wide else known.T @ known)
    kept = variances > 1e-12 * variances[-1]
    variances, vectors = variances[kept], vectors[:, kept]
    return (vectors if wide else known @ vectors / np.sqrt(variances)), variances
