"""The numerical contract: does a map add up, is it the same twice, and does it stand tiny changes of the picture?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from picasso.core.attribution import Attribution
from picasso.core.facts import Sample
from picasso.core.preprocessing import Array

RADIUS, TRIES = 0.02, 4
"""Of max-sensitivity: how far each number of the input is moved, as a share of the input's range; and how often."""


def completeness_residual(attribution: Attribution) -> float | None:
    """Return by which share of the change that a map promises to add up to it misses that.

    Args:
        attribution: The map. Its own error is taken: a region's pixels have the whole value each, and sizes have lost
            their sign, so that pixels need not add up though the method's values do.

    Returns:
        |sum of the values - (score - score of the baseline)| / |score - score of the baseline|; None where the method
        promises nothing.
    """
    if attribution.convergence_error is None or attribution.change is None:
        return None
    return attribution.convergence_error / max(abs(attribution.change), 1e-12)


def repeat_difference(first: Array, second: Array) -> float:
    """Return the largest difference between two runs with one seed, as a share of the largest value; 0 is promised."""
    size = float(np.abs(first).max(initial=0))
    return float(np.abs(first - second).max(initial=0)) / (size or 1.0)


def max_sensitivity(
    explain: Callable[[Sample], Array],
    sample: Sample,
    values: Array,
    seed: int,
    *,
    radius: float = RADIUS,
    tries: int = TRIES,
) -> float:
    """Return the largest change of a map under tiny noise on the input, as a share of the map's own size.

    Args:
        explain: Returns the map (h, w) of a sample.
        sample: The picture.
        values: Its map.
        seed: Draws the noise, uniform in -radius..radius times the input's range.
        radius, tries: See `RADIUS`.

    References:
        Yeh et al. 2019, arXiv:1901.09392.
    """
    random, size = np.random.default_rng(seed), float(np.linalg.norm(values))
    reach = radius * float(np.ptp(sample.x))
    largest = 0.0
    for _ in range(tries):
        noise = random.uniform(-reach, reach, sample.x.shape).astype(np.float32)
        moved = explain(replace(sample, x=sample.x + noise))
        largest = max(largest, float(np.linalg.norm(moved - values)))
    return largest / size if size else (0.0 if largest == 0 else float("inf"))
