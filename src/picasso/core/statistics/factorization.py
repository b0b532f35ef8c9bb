"""Non-negative matrix factorization: values >= 0 as sums of few parts >= 0."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Report = Callable[[int], None]
"""Called before each round with its number; it may raise CanceledError."""
MOST_ROUNDS = 400
_STILL = 1e-5
"""Share of the first round's change below which a round changes nothing."""
_TINY = 1e-12


def ignore(round_: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True, eq=False)
class Factors:
    """A factorization: values = shares @ parts + rest.

    Args:
        parts: float64 (count, features) >= 0, each of length one, the strongest first.
        shares: float64 (n, count) >= 0: how much of each part is in each row.
        explained: Share of the sum of squares that they hold, 0..1.
    """

    parts: Numbers
    shares: Numbers
    explained: float


def factorize(values: Numbers, count: int, report: Report = ignore) -> Factors:
    """Factorize by hierarchical alternating least squares, from a start that is the same always.

    Args:
        values: (n, features) >= 0.
        count: How many parts, at most min(n, features).

    References:
        Cichocki and Phan 2009, Fast local algorithms for large scale nonnegative matrix and tensor factorizations.
        Boutsidis and Gallopoulos 2008, SVD based initialization, doi:10.1016/j.patcog.2007.09.010.
    """
    shares, parts = starting(values, count)
    first = 0.0
    for round_ in range(MOST_ROUNDS):
        report(round_)
        moved = _descend(shares, values @ parts.T, parts @ parts.T)
        turned = np.ascontiguousarray(parts.T)
        moved += _descend(turned, values.T @ shares, shares.T @ shares)
        parts = np.ascontiguousarray(turned.T)
        first = first or moved
        if moved <= _STILL * first:
            break
    lengths = np.linalg.norm(parts, axis=1)
    parts, shares = parts / np.maximum(lengths, _TINY)[:, None], shares * lengths
    order = np.argsort(-np.square(shares).sum(axis=0), kind="stable")
    parts, shares = parts[order], shares[:, order]
    rest, whole = float(np.square(values - shares @ parts).sum()), float(np.square(values).sum())
    return Factors(parts, shares, 1 - rest / whole if whole else 1.0)


def shares_of(values: Numbers, parts: Numbers) -> Numbers:
    """Return how much of given parts is in each row, (n, count) >= 0: least squares, to convergence.

    Args:
        values: (n, features) >= 0.
        parts: (count, features) >= 0.
    """
    products, likeness = values @ parts.T, parts @ parts.T
    shares, first = np.maximum(products, 0), 0.0
    for _ in range(MOST_ROUNDS):
        moved = _descend(shares, products, likeness)
        first = first or moved
        if moved <= _STILL * first:
            break
    return shares


def _descend(shares: Numbers, products: Numbers, likeness: Numbers) -> float:
    """Move each column in place to where the error is smallest with the others fixed; return by how much in sum."""
    moved = 0.0
    for k in range(shares.shape[1]):
        if likeness[k, k] <= _TINY:
            continue
        better = np.maximum(shares[:, k] + (products[:, k] - shares @ likeness[:, k]) / likeness[k, k], 0)
        moved += float(np.abs(better - shares[:, k]).sum()) * float(likeness[k, k]) ** 0.5
        shares[:, k] = better
    return moved


def starting(values: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """Return where the search starts, shares (n, count) and parts (count, features).

    Each singular vector's positive or negative half, whichever is longer; zeros become a little, as they cannot grow.
    """
    left, strength, right = np.linalg.svd(values, full_matrices=False)
    shares, parts = np.zeros((len(values), count)), np.zeros((count, values.shape[1]))
    for k in range(count):
        halves = [(np.maximum(sign * left[:, k], 0), np.maximum(sign * right[k], 0)) for sign in (1, -1)]
        sizes = [float(np.linalg.norm(u) * np.linalg.norm(v)) for u, v in halves]
        u, v = halves[int(np.argmax(sizes))]
        scale = (strength[k] * max(sizes)) ** 0.5
        shares[:, k] = scale * u / max(float(np.linalg.norm(u)), _TINY)
        parts[k] = scale * v / max(float(np.linalg.norm(v)), _TINY)
    little = float(values.mean()) / 100
    return np.where(shares > 0, shares, little), np.where(parts > 0, parts, little)
