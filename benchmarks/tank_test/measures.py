"""The statistics of the report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its two-sided 95 % interval.

    Attributes:
        value: the number; NaN where nothing was measured.
        low, high: ends of the interval.
        n: how many it was measured on.
    """

    value: float
    low: float
    high: float
    n: int


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The share of pairs in which the positive scores higher; ties count half. NaN where one side is empty."""
    if not len(positive) or not len(negative):
        return float("nan")
    above = np.subtract.outer(np.asarray(positive, float), np.asarray(negative, float))
    return float((above > 0).mean() + 0.5 * (above == 0).mean())


def found_at(positive: Sequence[float], negative: Sequence[float], false: float = 0.05) -> float:
    """The share of positives that score above all but `false` of the negatives."""
    if not len(positive) or not len(negative):
        return float("nan")
    ranked = np.sort(np.asarray(negative, float))[::-1]
    # As many negatives as are allowed may lie above the bar.
    bar = ranked[min(int(false * len(ranked)), len(ranked) - 1)]
    return float((np.asarray(positive, float) > bar).mean())


def bootstrapped(
    measure: Callable[[Sequence[float], Sequence[float]], float],
    positive: Sequence[float],
    negative: Sequence[float],
    rounds: int = 1000,
    seed: int = 0,
) -> Estimate:
    """A measure of two groups with its percentile interval; models are drawn again, within their group."""
    rng = np.random.default_rng(seed)
    p, q = np.asarray(positive, float), np.asarray(negative, float)
    value = measure(p, q)
    if np.isnan(value):
        return Estimate(value, value, value, len(p) + len(q))
    drawn = [measure(rng.choice(p, len(p)), rng.choice(q, len(q))) for _ in range(rounds)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high), len(p) + len(q))


def share(count: int, of: int) -> Estimate:
    """A share with its exact interval.

    References:
        Clopper and Pearson 1934, Biometrika 26.
    """
    if of == 0:
        return Estimate(float("nan"), 0.0, 1.0, 0)
    low = float(stats.beta.ppf(0.025, count, of - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(0.975, count + 1, of - count)) if count < of else 1.0
    return Estimate(count / of, low, high, of)


def upper_bound(count: int, of: int) -> float:
    """The one-sided 95 % upper bound of a share (Clopper-Pearson)."""
    return 1.0 if count >= of else float(stats.beta.ppf(0.95, count + 1, of - count))


def spearman(first: Sequence[float], second: Sequence[float], rounds: int = 1000, seed: int = 0) -> Estimate:
    """Rank correlation with its bootstrapped interval; NaN with fewer than three, or where one does not vary."""
    a, b = np.asarray(first, float), np.asarray(second, float)

    def correlation(rows: npt.NDArray[np.int64]) -> float:
        x, y = stats.rankdata(a[rows]), stats.rankdata(b[rows])
        spread = x.std() * y.std()
        return float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 0 else float("nan")

    value = correlation(np.arange(len(a))) if len(a) > 2 else float("nan")
    if np.isnan(value):
        return Estimate(value, value, value, len(a))
    rng = np.random.default_rng(seed)
    low, high = np.nanquantile([correlation(rng.integers(len(a), size=len(a))) for _ in range(rounds)], [0.025, 0.975])
    return Estimate(value, float(low), float(high), len(a))
