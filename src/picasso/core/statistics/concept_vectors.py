"""Concept activation vectors: in which direction of a layer a concept lies, and whether a class follows it.

References:
    Kim et al. 2018, Interpretability beyond feature attribution (TCAV), arXiv:1711.11279.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Places = NDArray[np.intp]
RIDGE = 0.1
"""Penalty of a classifier's weights, as a share of the mean squared distance of its pictures from their center."""
_ROUNDING = 1e-9
"""Scores that differ by less are the same."""
_TRIES = 100
"""Drawings after which every picture was drawn each time, so that none can be held out."""


@dataclass(frozen=True, eq=False)
class ConceptVector:
    """A direction that tells pictures of a concept from others.

    Args:
        direction: float64 (channels,), of length one, toward the concept.
        accuracy: Share of held-out pictures that are on the right side, concept and others weighing alike, 0..1.
        apart: How far held-out pictures of the concept lie beyond held-out others along the direction, on average.
        slopes: float64 (pictures,): how the class score of each picture changes along the direction.
    """

    direction: Numbers
    accuracy: float
    apart: float
    slopes: Numbers

    @property
    def score(self) -> float:
        """TCAV: the share of the pictures whose class score rises along the direction."""
        return float((self.slopes > 0).mean())

    @property
    def effect(self) -> float:
        """By how much the class score changes from others to the concept, to first order."""
        return float(self.slopes.mean()) * self.apart


@dataclass(frozen=True, eq=False)
class Finding:
    """What many vectors of one concept say together.

    Args:
        vectors: Each from pictures of the concept and others that were drawn anew.
    """

    vectors: tuple[ConceptVector, ...]

    @property
    def score(self) -> float:
        """Mean TCAV score, 0..1."""
        return float(np.mean([vector.score for vector in self.vectors]))

    @property
    def interval(self) -> tuple[float, float]:
        """Where 95 % of the scores lie."""
        low, high = np.quantile([vector.score for vector in self.vectors], (0.025, 0.975))
        return float(low), float(high)

    @property
    def effect(self) -> float:
        """Mean effect, in units of the score."""
        return float(np.mean([vector.effect for vector in self.vectors]))

    @property
    def accuracy(self) -> float:
        """Mean accuracy, 0..1."""
        return float(np.mean([vector.accuracy for vector in self.vectors]))

    @property
    def direction(self) -> Numbers:
        """Mean direction (channels,), of length one."""
        mean = np.mean([vector.direction for vector in self.vectors], axis=0)
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-30))


@dataclass(frozen=True, eq=False)
class ConceptSpace:
    """What a layer makes of pictures, and how a class score follows it.

    The vectors are learned in the space of products of pictures, which are reckoned once: a thousand vectors take less
    than a second, however many channels there are.

    Args:
        codes: float64 (n, channels): of all pictures of concepts and of random ones.
        gradients: float64 (pictures, channels): how the class score of pictures of the class changes with the codes.
    """

    codes: Numbers
    gradients: Numbers

    @cached_property
    def _centered(self) -> Numbers:
        return np.asarray(self.codes - self.codes.mean(axis=0))

    @cached_property
    def _products(self) -> Numbers:
        return np.asarray(self._centered @ self._centered.T)

    @cached_property
    def _slopes(self) -> Numbers:
        return np.asarray(self.gradients @ self._centered.T)

    def learn(self, concept: Places, others: Places, random: np.random.Generator) -> ConceptVector:
        """Learn a direction by ridge regression on pictures that are drawn anew, and judge it by those left over.

        Args:
            concept: Numbers of the concept's pictures, at least two.
            others: Numbers of those that it is told from; as many are drawn as there are of the concept.
            random: What draws, with replacement.
        """
        inside, left_inside = _drawn(concept, len(concept), random)
        outside, left_outside = _drawn(others, len(concept), random)
        places = np.concatenate([inside, outside])
        answers = np.repeat([1.0, -1.0], len(concept))
        products = self._products[np.ix_(places, places)]
        middle = products.mean(axis=0)
        centered = products - middle - middle[:, None] + middle.mean()
        penalty = max(RIDGE * float(np.trace(centered)), 1e-30)
        weights = np.linalg.solve(centered + penalty * np.eye(len(places)), answers)
        weights -= weights.mean()  # of the centered pictures; so they are those of the pictures themselves
        length = max(float(weights @ products @ weights), 1e-30) ** 0.5
        weights /= length
        along = self._products[:, places] @ weights
        border = float(along[places].mean())
        right = (along[left_inside] > border).mean() + (along[left_outside] < border).mean()
        return ConceptVector(
            direction=weights @ self._centered[places],
            accuracy=float(right) / 2,
            apart=float(along[left_inside].mean() - along[left_outside].mean()),
            slopes=self._slopes[:, places] @ weights,
        )

    def find(self, concept: Places, others: Places, runs: int, random: np.random.Generator) -> Finding:
        """Learn several vectors of one concept."""
        return Finding(tuple(self.learn(concept, others, random) for _ in range(runs)))

    def find_random(
        self,
        others: Places,
        size: int,
        runs: int,
        count: int,
        random: np.random.Generator,
        report: Callable[[int], None],
    ) -> list[Finding]:
        """Do the same for concepts that are none: random pictures, told from the other random ones.

        Args:
            others: Numbers of the random pictures, at least twice `size`.
            size: Pictures of each concept.
            runs: Vectors of each.
            count: How many concepts.
            random: What draws.
            report: Called before each with its number; it may raise CanceledError.
        """
        found = []
        for number in range(count):
            report(number)
            mixed = random.permutation(others)
            found.append(self.find(mixed[:size], mixed[size:], runs, random))
        return found


def chance(finding: Finding, nulls: list[Finding]) -> float:
    """Return p, two-sided: how often a concept that is none has a TCAV score as far from their mean as this one.

    Whole concepts are compared, not runs: the vectors of one concept share its pictures, so that a test over runs finds
    every concept significant, also one of random pictures.
    """
    middle = float(np.mean([null.score for null in nulls]))
    away = abs(finding.score - middle) - _ROUNDING
    farther = sum(abs(null.score - middle) >= away for null in nulls)
    return (1 + farther) / (1 + len(nulls))


def _drawn(places: Places, count: int, random: np.random.Generator) -> tuple[Places, Places]:
    """Draw with replacement; return what was drawn, and what was not."""
    for _ in range(_TRIES):
        drawn = random.integers(0, len(places), count)
        left = np.ones(len(places), np.bool_)
        left[drawn] = False
        if left.any():
            return places[drawn], places[left]
    raise ValueError("At least two pictures are needed, so that one can be held out.")
