"""Symmetric relevance gain: how far apart the score falls when the most and when the least relevant goes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from picasso.core.facts import Progress
from picasso.core.maps.masking import MASKS_AT_ONCE
from picasso.core.model import Model, ignore
from picasso.core.preprocessing import Array
from picasso.core.targets import Target
from picasso.scorecard.cells import Cells
from picasso.scorecard.fills import FILLS, Fill, Filler, Mask
from picasso.scorecard.ranks import Numbers

CELLS, STEPS = 16, 8
"""Cells of the grid a side, and points of a curve behind the first."""


@dataclass(frozen=True, eq=False)
class Curves:
    """The target's score while a picture is removed cell by cell, in the order that a map says.

    Args:
        removed: Share of the cells that are removed, (points,), from 0 to 1.
        most: Scores where the most relevant goes first, (fills, points).
        least: Scores where the least relevant goes first.
    """

    removed: NDArray[np.float64]
    most: NDArray[np.float64]
    least: NDArray[np.float64]

    @property
    def deletion(self) -> NDArray[np.float64]:
        """Mean score while the most relevant is deleted, (fills,); low is good. Petsiuk 2018, arXiv:1806.07421."""
        return _area(self.most, self.removed)

    @property
    def insertion(self) -> NDArray[np.float64]:
        """Mean score while the most relevant is inserted, (fills,); high is good.

        It is the curve of the least relevant going first, read from its end.
        """
        return _area(self.least, self.removed)

    @property
    def gain(self) -> NDArray[np.float64]:
        """The area between the two curves, (fills,): insertion - deletion, in the score's own units.

        References:
            Bluecher, Vielhaben and Strodthoff 2024, arXiv:2401.06654.
        """
        return self.insertion - self.deletion


def removal_order(values: Array, cells: Cells, seed: int) -> NDArray[np.intp]:
    """Return the cells by their mean in a map, the most relevant first; equal ones in an order that is drawn.

    Taken as they lie, a map without any structure would remove the picture from its top.
    """
    drawn = np.random.default_rng(seed).permutation(len(cells.boxes))
    return np.asarray(np.lexsort((drawn, -cells.means(values))))


def removal_curves(
    model: Model,
    remove: Filler,
    target: Target,
    order: NDArray[np.intp],
    cells: Cells,
    *,
    fills: Sequence[Fill] = FILLS,
    steps: int = STEPS,
    progress: Progress = ignore,
) -> Curves:
    """Remove a picture cell by cell, and watch the target's score.

    Args:
        model: The model.
        remove: Of the picture.
        target: Whose score is watched.
        order: The cells, the most relevant first.
        cells: The grid.
        fills: What takes the place of what is removed.
        steps: Points of a curve behind the first.
        progress: Called after each chunk of pictures; never more than a chunk is held.
    """
    counts = np.unique(np.round(np.linspace(0, len(order), steps + 1)).astype(int))
    masks = [[_mask(chosen[:count], cells) for count in counts] for chosen in (order, order[::-1])]
    last = len(counts) - 1
    # Nothing and everything removed are the same in both orders.
    ways = [(way, place) for way in (0, 1) for place in range(1, last + 1) if (way, place) != (1, last)]
    wanted = [(0, 0, 0), *((fill, way, place) for fill in range(len(fills)) for way, place in ways)]
    scores = np.zeros((len(fills), 2, len(counts)))
    for start in range(0, len(wanted), MASKS_AT_ONCE):
        chunk = wanted[start : start + MASKS_AT_ONCE]
        batch = np.stack([remove(masks[way][place], fills[fill]) for fill, way, place in chunk]).astype(np.float32)
        scores[tuple(np.array(chunk).T)] = target.of_classes(model.predict_whole(batch))
        progress(start + len(chunk), len(wanted))
    scores[:, :, 0] = scores[0, 0, 0]
    scores[:, 1, last] = scores[:, 0, last]
    return Curves(counts / len(order), scores[:, 0], scores[:, 1])


def disagreement(gains: Numbers) -> float | None:
    """Say how much of the order of maps depends on the fill: 0 nothing, 1 all of it.

    Args:
        gains: (fills, maps).

    Returns:
        Of all pairs of maps, averaged over the pairs of fills, the share whose order is another one (Kendall's
        distance); None for fewer than two maps.
    """
    pairs = list(combinations(range(gains.shape[1]), 2))
    if not pairs:
        return None
    signs = np.array([[np.sign(row[a] - row[b]) for a, b in pairs] for row in gains])
    return float(np.mean([np.mean(a != b) for a, b in combinations(signs, 2)]))


def _mask(chosen: NDArray[np.intp], cells: Cells) -> Mask:
    gone = np.zeros(len(cells.boxes), bool)
    gone[chosen] = True
    return gone[cells.number]


def _area(curves: Numbers, removed: Numbers) -> NDArray[np.float64]:
    """Return the area below each curve, by trapezes."""
    return np.asarray(((curves[:, 1:] + curves[:, :-1]) / 2 * np.diff(removed)).sum(axis=1))
