"""Ranks, their correlation, and a mean with its interval: what several measures reckon with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating[Any]]
CONFIDENCE = 0.95


def average_ranks(values: Numbers) -> NDArray[np.float64]:
    """Return the rank of each value, counted from 1; equal values share the mean of theirs."""
    flat = np.asarray(values).reshape(-1)
    _, place, counts = np.unique(flat, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place.reshape(-1)], np.float64)


def spearman(a: Numbers, b: Numbers) -> float:
    """Return Spearman's rank correlation of two arrays of one size; 0 where one of them is constant: it ranks nothing.

    References:
        Spearman 1904.
    """
    first, second = (ranks - ranks.mean() for ranks in (average_ranks(a), average_ranks(b)))
    size = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / size if size else 0.0


@dataclass(frozen=True)
class Figure:
    """A number over several pictures.

    Args:
        mean: Its mean.
        low, high: Ends of the interval in which the mean of all such pictures lies with 95 % confidence (Student's t);
            None for a single picture, which says nothing of others.
        count: Number of pictures.
    """

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def surely_positive(self) -> bool:
        """Whether the mean is above 0, and its interval, where there is one, too."""
        return self.mean > 0 and (self.low is None or self.low > 0)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"mean": self.mean, "low": self.low, "high": self.high, "pictures": self.count}


def figure(values: Iterable[float]) -> Figure | None:
    """Return the mean of some numbers with its interval; None where there is none."""
    found = np.array([value for value in values if math.isfinite(value)], np.float64)
    if not found.size:
        return None
    mean = float(found.mean())
    if found.size == 1:
        return Figure(mean, None, None, 1)
    from scipy.special import stdtrit

    reach = float(stdtrit(found.size - 1, (1 + CONFIDENCE) / 2) * found.std(ddof=1) / math.sqrt(found.size))
    return Figure(mean, mean - reach, mean + reach, int(found.size))
