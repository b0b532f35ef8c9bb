"""How far the pictures of an audit hang together: they take properties from one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.donors import Donors


class Ties:
    """Which questions have a picture in common, as the one that is asked or as one that it takes from.

    Where the pictures of one class are by chance a little brighter than those of another, all that take from them move
    together, and asking again with others of the same pictures averages nothing of it out.

    Args:
        asked: The pictures.
        donors: Of every picture, for each turn. Most properties come from the first of them.
    """

    def __init__(self, asked: Sequence[int], donors: Sequence[Mapping[int, Donors]]) -> None:
        from scipy import sparse

        self.asked = asked
        members = [{one, *turn[one].same[:1], *turn[one].other[:1]} for one in asked for turn in donors]
        rows = np.repeat(np.arange(len(members)), [len(some) for some in members])
        columns = np.array([one for some in members for one in some], np.int64)
        held = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(members), columns.max(initial=0) + 1))
        self._common = held @ held.T
        self._common.data[:] = 1

    def inflation(self, values: NDArray[np.float64], made: NDArray[np.bool_], own: NDArray[np.int64]) -> float:
        """Return by how much more a mean varies than one of independent pictures; at least 1.

        Args:
            values: Of each picture in each turn, (pictures, turns).
            made: Where there is one. A picture counts once, with the mean over its turns.
            own: The class of each picture, (pictures,). What one class has more of than another is no variation.

        References:
            Fafchamps and Gubert 2007: the variance of a mean whose terms go together where they have a member in
            common.
        """
        weights = made / np.maximum(made.sum(axis=1, keepdims=True), 1)
        means = (weights * values).sum(axis=1)
        some = made.any(axis=1)
        alone = float(np.square(means[some] - means[some].mean()).sum()) if some.any() else 0.0
        centers = np.zeros(len(means))
        for one in np.unique(own[some]):
            centers[own == one] = means[some & (own == one)].mean()
        parts = weights * (values - centers[:, None])
        together = float(parts.reshape(-1) @ (self._common @ parts.reshape(-1)))
        shared = together - float(np.square(parts.sum(axis=1)).sum())
        return 1 + max(0.0, shared) / alone if alone > 0 else 1.0
