"""Sobol indices: which share of the variance of a score each of its causes has a hand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

Numbers = NDArray[np.float64]


def _power_of_two(count: int) -> int:
    if count & (count - 1):
        raise ValueError("must be a power of two, as the sequence is only even then")
    return count


DesignCount = Annotated[int, AfterValidator(_power_of_two)]
"""How many designs, as a setting."""


def draw_designs(count: int, cells: int, seed: int | tuple[int, ...]) -> tuple[Numbers, Numbers]:
    """Return two designs (count, cells) of how much of each cell is kept, 0..1: halves of one Sobol sequence."""
    from scipy.stats import qmc

    drawn = qmc.Sobol(2 * cells, scramble=True, rng=np.random.default_rng(seed)).random_base2(count.bit_length() - 1)
    return drawn[:, :cells], drawn[:, cells:]


@dataclass(frozen=True, eq=False)
class SobolShares:
    """Total Sobol indices and their standard errors, (targets, cells), and the score's variance, (targets,)."""

    values: Numbers
    errors: Numbers
    variance: Numbers


def jansen(scores: Numbers) -> SobolShares:
    """Return the total indices by Jansen's estimator.

    Args:
        scores: (designs, 1 + cells, targets): of the first design, then with each cell from the second.

    Returns:
        The shares. The standard error treats the designs as drawn at random, which a Sobol sequence beats.
    """
    variance = scores[:, 0].var(axis=0, ddof=1)
    moved = (scores[:, :1] - scores[:, 1:]) ** 2 / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(variance > 0, moved.mean(axis=0) / variance, 0)
        away = (scores[:, 0] - scores[:, 0].mean(axis=0)) ** 2
        pulls = (moved - values * away[:, None]) / variance
        errors = np.where(variance > 0, pulls.std(axis=0, ddof=1) / len(scores) ** 0.5, 0)
    return SobolShares(values.T, errors.T, variance)
