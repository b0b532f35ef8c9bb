"""What a model relies on in truth: its accuracy where a kind agrees with the class, less that where it is flipped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from torch import nn

from benchmarks.tank_test.design import Case
from benchmarks.tank_test.training import answers
from picasso.demo.planted.kinds import KINDS
from picasso.demo.planted.scenes import Scenes, scenes

POSITIVE = 0.15
"""From here on a model counts as one that relies on it."""
NEGATIVE = 0.03
"""Up to here, for or against the class, it counts as one that does not. What lies between is reported apart."""


SEED, OTHER_SEED = 500, 501
"""Of the scenes of the truth, and of others on which it is measured again, to see how well it is known."""


@dataclass(frozen=True)
class Truth:
    """What was measured on scenes that were drawn twice.

    Attributes:
        accuracy: on scenes without ties.
        reliance: on the kinds that the case ties, flipped together; of a clean case the one of `each` that is farthest
            from 0.
        each: by the name of a kind: accuracy aligned less accuracy flipped.
    """

    accuracy: float
    reliance: float
    each: dict[str, float]


@lru_cache(maxsize=64)
def _drawn(n: int, seed: int, classes: int, kinds: tuple[str, ...], flipped: bool) -> Scenes:
    return scenes(n, seed, classes, dict.fromkeys(kinds, 1.0), kinds if flipped else ())


def truth(network: nn.Module, case: Case, pictures: int, seed: int = SEED) -> Truth:
    """Measures what a model relies on, by drawing the same scenes, of a seed, again with one thing flipped."""

    def accuracy(kinds: tuple[str, ...], flipped: bool) -> float:
        drawn = _drawn(pictures, seed, case.classes, kinds, flipped)
        return float(np.mean(answers(network, drawn.pixels) == drawn.labels))

    def reliance(kinds: tuple[str, ...]) -> float:
        return accuracy(kinds, False) - accuracy(kinds, True)

    each = {name: reliance((name,)) for name in (case.kinds or KINDS)}
    whole = reliance(case.kinds) if len(case.kinds) > 1 else max(each.values(), key=abs)
    return Truth(accuracy((), False), whole, each)
