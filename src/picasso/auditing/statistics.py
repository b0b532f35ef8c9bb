"""From margins to effects: the drop of accuracy with its interval, the paired test, and what is corrected for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.findings import Interval
from picasso.auditing.thresholds import ALPHA, DROP, SURE
from picasso.core.statistics.proportions import Z, share_interval

Numbers = NDArray[np.float64]


def share(successes: float, count: int) -> Interval:
    """Return a share with its 95 % interval (Wilson 1927); of nothing, 0 in 0..1."""
    return Interval(*share_interval(successes, count))


def drop(lost: float, gained: float, count: float) -> Interval:
    """Return the drop of accuracy between two answers to each of some pictures, with its 95 % interval.

    Args:
        lost: How many are right under the sham and wrong under the treatment.
        gained: How many are wrong under the sham and right under the treatment.
        count: How many there are.

    Returns:
        The difference of the paired shares in -1..1; of no pictures, 0 in -1..1.

    References:
        Tango 1998, the score interval for the difference of two paired proportions: honest also for an effect that
        never showed, of which it says at most 1.96² / (count + 1.96²).
    """
    if not count:
        return Interval(0.0, -1.0, 1.0)
    value = (lost - gained) / count
    return Interval(value, -_upper(gained, lost, count), _upper(lost, gained, count))


def mean_drop(differences: Numbers, inflation: float = 1.0) -> Interval:
    """Return the drop of accuracy where each picture was asked several times, with its 95 % interval.

    Args:
        differences: Of each picture: the share of its turns in which it is right under the sham, less the share in
            which it is right under the treatment, in -1..1. With one turn each this is `drop`.
        inflation: By how much more their mean varies than were they independent; see `ties`.

    References:
        Rao and Scott 1992: counts of what was asked in clusters, the pictures here, divided by their design effect are
        as good as counts of what was asked one by one. One more picture that always flips is counted in that effect,
        so that a few odd turns do not make it look small.
    """
    if not len(differences):
        return drop(0, 0, 0)
    sizes = np.abs(differences)
    effect = inflation * float((np.square(sizes).sum() + 1) / (sizes.sum() + 1))
    lost, gained = float(sizes[differences > 0].sum()), float(sizes[differences < 0].sum())
    return drop(lost / effect, gained / effect, len(differences) / effect)


def mean(values: Numbers, inflation: float = 1.0) -> Interval:
    """Return a mean with its 95 % interval, of the normal approximation; of nothing, 0 with no bounds."""
    if not len(values):
        return Interval(0.0, -math.inf, math.inf)
    middle = float(values.mean())
    reach = Z * float(values.std(ddof=1)) * math.sqrt(inflation / len(values)) if len(values) > 1 else math.inf
    return Interval(middle, middle - reach, middle + reach)


def _upper(lost: float, gained: float, count: float) -> float:
    """Return the largest difference that the score test does not reject: found by halving, to 1e-9."""
    low, high = (lost - gained) / count, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        # The share of pictures that are gained, as likely as it gets if the difference is `middle`.
        linear = (2 * count - lost + gained) * middle - lost - gained
        root = linear * linear + 8 * count * gained * middle * (1 - middle)
        share_gained = (math.sqrt(max(0.0, root)) - linear) / (4 * count)
        variance = count * (2 * share_gained + middle * (1 - middle))
        if count * middle - (lost - gained) > Z * math.sqrt(max(0.0, variance)):
            high = middle
        else:
            low = middle
    return (low + high) / 2


def paired_p(differences: Numbers, inflation: float = 1.0) -> float:
    """Return p of the one-sided paired t-test that the mean of some differences is above zero.

    Args:
        differences: One for each picture.
        inflation: By how much more their mean varies than were they independent; see `ties`.

    Returns:
        1 where there are fewer than two of them, or all are equal and not above zero.

    References:
        Student 1908.
    """
    count = len(differences)
    if count < 2:
        return 1.0
    mean, spread = float(differences.mean()), float(differences.std(ddof=1)) * math.sqrt(inflation)
    if spread <= 1e-12 * max(1.0, abs(mean)):
        return 1.0 if mean <= 1e-12 else 0.0
    from scipy.special import stdtr

    return float(stdtr(count - 1, -mean / (spread / math.sqrt(count))))


def smallest_drop(count: int, tests: int) -> float:
    """Return the smallest drop of accuracy that so many pictures can show among so many tests.

    Its interval must lie above `SURE`, and it must be significant though everything is corrected for; reckoned with
    margins that only ever flip or stay, which is the least that they show.

    Args:
        count: Number of pictures.
        tests: How many properties are tested.

    Returns:
        A share in `DROP`..1; 1 where not even all of them suffice.
    """
    for lost in range(math.ceil(DROP * count), count + 1):
        flips = np.concatenate([np.ones(lost), np.zeros(count - lost)])
        if drop(lost, 0, count).low > SURE and tests * paired_p(flips) < ALPHA:
            return max(DROP, lost / count)
    return 1.0
