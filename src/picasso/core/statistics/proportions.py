"""Shares of counts, with what they could be by chance."""

from __future__ import annotations

import math

Z = 1.959963984540054
"""Of a two-sided 95 % interval."""


def share_interval(successes: float, count: int) -> tuple[float, float, float]:
    """Return a share with the ends of its 95 % interval; of nothing, 0 in 0..1.

    References:
        Wilson 1927, Probable inference, the law of succession, and statistical inference, doi:10.2307/2276774.

    Example:
        >>> [round(one, 3) for one in share_interval(8, 10)]
        [0.8, 0.49, 0.943]
    """
    if not count:
        return 0.0, 0.0, 1.0
    rate, extra = successes / count, Z * Z / count
    middle = (rate + extra / 2) / (1 + extra)
    reach = Z * math.sqrt(rate * (1 - rate) / count + extra / (4 * count)) / (1 + extra)
    return rate, max(0.0, middle - reach), min(1.0, middle + reach)
