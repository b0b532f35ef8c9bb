"""What a drop of accuracy over all classes hides: one class among many whose own pictures surely hang on a property."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.thresholds import DROP

ERROR = 0.025
"""Of one side of a 95 % interval, shared out among the classes."""


def classes_that_fall(
    differences: NDArray[np.float64], own: NDArray[np.int64], classes: int, inflation: float = 1.0
) -> tuple[int, ...]:
    """Return the classes in whose own pictures surely more than `DROP` of accuracy hangs on a property.

    Args:
        differences: Of each picture: the share of its turns in which it is right under the sham, less the share in
            which it is right under the treatment, in -1..1.
        own: The class of each picture, a number from 0.
        classes: How many classes there are.
        inflation: By how much more a mean of them varies than were they independent; see `ties`.

    Returns:
        Their numbers, in order. In one class there may be few pictures, for which no approximation holds: the lower
        end of the exact interval of the share that is lost must lie above `DROP` and the share that is gained.

    References:
        Clopper and Pearson 1934, the exact interval of a share; corrected for the number of classes (Bonferroni).
    """
    found = []
    for one in range(classes):
        some = differences[own == one]
        lost, gained, count = (
            float(part) / inflation for part in (some[some > 0].sum(), -some[some < 0].sum(), len(some))
        )
        few = lost - gained <= DROP * count  # mostly so, and reckoned at once
        if not few and _least_share(lost, count, ERROR / classes) > DROP + gained / count:
            found.append(one)
    return tuple(found)


def _least_share(successes: float, count: float, error: float) -> float:
    """Return the lower end of the exact one-sided interval of a share; of turns a part counts as a part."""
    from scipy.special import betaincinv

    return float(betaincinv(successes, count - successes + 1, error))
