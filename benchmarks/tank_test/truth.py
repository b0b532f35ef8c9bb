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
NEGATIVE = 0.03
PICTURES = 300


@dataclass(frozen=True)
class Truth:
    """What was measured on scenes that were drawn twice.

    Attributes:
        accuracy: on scenes without ties.
        reliance: on the kinds that the case ties, flipped together; of a clean case the largest of `each`.
        each: by the name of a kind: accuracy aligned less accuracy flipped.
    """

    accuracy: float
    reliance: float
    each: dict[str, float]

    @property
    def positive(self) -> bool | None:
        """Whether it relies on them; None where that is neither sure nor ruled out."""
        return True if self.reliance >= POSITIVE else False if self.reliance <= NEGATIVE else None


@lru_cache(maxsize=64)
def _drawn(n: int, classes: int, kinds: tuple[str, ...], flipped: bool) -> Scenes:
    return scenes(n, 500, classes, dict.fromkeys(kinds, 1.0), kinds if flipped else ())


def truth(network: nn.Module, case: Case, pictures: int = PICTURES) -> Truth:
    """Measures what a model relies on, by drawing the same scenes again with one thing flipped."""

    def accuracy(kinds: tuple[str, ...], flipped: bool) -> float:
        drawn = _drawn(pictures, case.classes, kinds, flipped)
        return float(np.mean(answers(network, drawn.pixels) == drawn.labels))

    def reliance(kinds: tuple[str, ...]) -> float:
        return accuracy(kinds, False) - accuracy(kinds, True)

    each = {name: reliance((name,)) for name in (case.kinds or KINDS)}
    whole = reliance(case.kinds) if len(case.kinds) > 1 else max(each.values())
    return Truth(accuracy((), False), whole, each)
