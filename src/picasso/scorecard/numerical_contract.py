"""The numerical contract: does a map add up, is it the same twice, and does it stand tiny changes of the picture?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from picasso.core.attribution import Attribution
from picasso.core.baselines import BASELINES, baseline
from picasso.core.facts import Sample
from picasso.core.model import Model
from picasso.core.preprocessing import Array

RADIUS, TRIES = 0.02, 4
"""Of max-sensitivity: how far each number of the input is moved, as a share of the input's range; and how often."""


def completeness_residual(model: Model, sample: Sample, attribution: Attribution, seed: int) -> float | None:
    """Return how far a map is from adding up to the change of the score from its baseline to the picture.

    Args:
        model, sample: What was explained.
        attribution: The map.
        seed: With which it was made.

    Returns:
        |sum of the map - (score - score of the baseline)| as a share of that change; None where the method does not
        promise it: it says no convergence error, or names no baseline that can be made again.
    """
    if attribution.convergence_error is None or attribution.baseline not in BASELINES:
        return None
    absent = baseline(model, sample, attribution.baseline, seed)
    scores = attribution.target.of_classes(model.predict(np.stack([sample.x[0], absent]).astype(np.float32)))
    change = float(scores[0]) - float(scores[1])
    total = float(np.nan_to_num(attribution.values).sum(dtype=np.float64))
    return abs(total - change) / max(abs(change), 1e-12)


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
