"""To which kind each patch of a picture belongs.

A kind has places and looks that hold over all pictures; its color holds within one picture only. So a patch belongs
where its place and looks say, where patches of its color belong, and where the patches that touch it belong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.regions.patches import Floats, Patches

GRID = 12
"""Rows and columns of the map that holds where a kind lies: coarser than that is no longer a place."""
_ROUNDS = 5
"""Rounds in which patches look at each other. Later ones change hardly a patch."""
_TOUCH = 4.0
"""Weight of the patches that touch one, in units of log-odds."""
_FIGURE = 4.0
"""Weight of standing out beside that of texture."""
_BLUR = 0.15
"""Variance that no kind's looks go below."""


@dataclass(frozen=True, eq=False)
class Prior:
    """Where kinds lie and what they look like, over all pictures.

    Args:
        where: The share of each kind at each place, (kinds, GRID, GRID); the kinds of a place add up to 1.
        mean, spread: Of their looks, (kinds, 2).
    """

    where: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def figure(self) -> NDArray[np.float64]:
        """How far each kind stands out from the ground, 0 to 1, (kinds,)."""
        return self.mean[:, 0] / _FIGURE

    def only(self, kinds: NDArray[np.int64]) -> Prior:
        """Return what is known of some of the kinds."""
        where = self.where[kinds]
        return Prior(where / where.sum(axis=0), self.mean[kinds], self.spread[kinds])

    def expects(self, patches: Patches) -> Floats:
        """Return how well each patch fits each kind by place and looks, log-odds (n, kinds)."""
        rows, columns = _cells(patches)
        apart = (_looks(patches)[:, None] - self.mean) / self.spread
        log = np.log(self.where[:, rows, columns]).T - 0.5 * (apart**2).sum(axis=2) - np.log(self.spread).sum(axis=1)
        return np.asarray(log, np.float32)


def belong(patches: Patches, prior: Prior) -> Floats:
    """Return how far each patch belongs to each kind, (n, kinds); each row adds up to 1."""
    expected = prior.expects(patches)
    parts = _shares(expected)
    for _ in range(_ROUNDS):
        color = np.log((patches.alike @ parts + 1e-6) / (patches.share @ parts + 1e-3))
        parts = _shares(expected + color + _TOUCH * (patches.near @ parts))
    return parts


def learn(pictures: Sequence[Patches], parts: Sequence[Floats]) -> Prior:
    """Return where kinds lie and what they look like, from what belongs to them.

    Args:
        pictures: The pictures.
        parts: How far each patch belongs to each kind, (n, kinds) for each picture.
    """
    from scipy import ndimage

    count = parts[0].shape[1]
    weights = np.concatenate([part * one.share[:, None] for one, part in zip(pictures, parts, strict=True)])
    looks = np.concatenate([_looks(one) for one in pictures])
    rows, columns = np.concatenate([_cells(one) for one in pictures], axis=1)
    where = np.zeros((GRID, GRID, count))
    np.add.at(where, (rows, columns), weights)
    where = ndimage.gaussian_filter(np.moveaxis(where, -1, 0), (0, 0.7, 0.7), mode="nearest")
    where = where + 1e-3 * where.sum(axis=0) + 1e-9
    total = weights.sum(axis=0, dtype=np.float64)[:, None] + 1e-9
    mean = weights.T @ looks / total
    variance = np.maximum(weights.T @ looks**2 / total - mean**2, 0)
    return Prior(where / where.sum(axis=0), mean, np.sqrt(variance + _BLUR))


def begin(pictures: Sequence[Patches], count: int, seed: int) -> list[Floats]:
    """Return a first guess of how far each patch belongs to each of `count` kinds: by place and standing out alone."""
    points = [np.column_stack([3 * one.place, 3 * one.figure, 0.5 * one.texture]) for one in pictures]
    rng = np.random.default_rng(seed)
    every = np.concatenate(points)
    centers = _means(every[rng.permutation(len(every))[:8000]], count, rng)
    nearest = [((one[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1) for one in points]
    sure = np.eye(len(centers), dtype=np.float32) * 0.9 + 0.1 / len(centers)
    return [sure[one] for one in nearest]


def _means(points: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Return the centers of at most `count` clusters of points (n, d): k-means, begun far apart.

    References:
        Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding".
    """
    centers: Floats = points[rng.integers(len(points))][None]
    while len(centers) < count:
        apart = ((points[:, None] - centers) ** 2).sum(axis=2).min(axis=1)
        if apart.max() < 1e-6:
            break
        centers = np.concatenate([centers, points[rng.choice(len(points), p=apart / apart.sum())][None]])
    for _ in range(20):
        nearest = ((points[:, None] - centers) ** 2).sum(axis=2).argmin(axis=1)
        chosen = [points[nearest == number] for number in range(len(centers))]
        means = [c.mean(axis=0) if len(c) else old for c, old in zip(chosen, centers, strict=True)]
        centers = np.asarray(means, np.float32)
    return centers


def _looks(patches: Patches) -> Floats:
    """Return what is compared between pictures, (n, 2): standing out and texture, never color."""
    return np.column_stack([_FIGURE * patches.figure, patches.texture])


def _cells(patches: Patches) -> NDArray[np.int64]:
    """Return the row and the column of each patch on the map of places, (2, n)."""
    return np.minimum(patches.place * GRID, GRID - 1).astype(np.int64).T


def _shares(log: Floats) -> Floats:
    odds = np.exp(log - log.max(axis=1, keepdims=True))
    shares: Floats = odds / odds.sum(axis=1, keepdims=True)
    return shares
