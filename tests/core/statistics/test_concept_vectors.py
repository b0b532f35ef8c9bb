"""Concept vectors: against scikit-learn on the same drawings, a planted direction, and concepts that are none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from picasso.core.errors import CanceledError
from picasso.core.statistics.concept_vectors import RIDGE, ConceptSpace, chance

RNG = np.random.default_rng(0)
CHANNELS, POOL, SIZE = 30, 120, 25
TOWARD = np.eye(CHANNELS)[3]


def space(strength: float, pictures: int = 40) -> ConceptSpace:
    """Return random codes, of which the last `SIZE` hold a concept, and slopes that follow it with much else."""
    codes = RNG.normal(size=(POOL + SIZE, CHANNELS))
    codes[POOL:] += strength * TOWARD
    return ConceptSpace(codes, TOWARD * 2 + RNG.normal(size=(pictures, CHANNELS)))


CONCEPT, OTHERS = np.arange(POOL, POOL + SIZE), np.arange(POOL)


def test_a_vector_is_that_of_ridge_regression_on_what_was_drawn() -> None:
    made = space(2.0)
    found = made.learn(CONCEPT, OTHERS, np.random.default_rng(5))
    random = np.random.default_rng(5)
    inside, outside = random.choice(CONCEPT, SIZE), random.choice(OTHERS, SIZE)
    x, y = made.codes[np.concatenate([inside, outside])], np.repeat([1, -1], SIZE)
    other = Ridge(alpha=RIDGE * float(np.square(x - x.mean(axis=0)).sum())).fit(x, y)
    direction = other.coef_ / np.linalg.norm(other.coef_)
    np.testing.assert_allclose(found.direction, direction, atol=1e-9)
    np.testing.assert_allclose(found.slopes, made.gradients @ direction, atol=1e-9)
    held = [made.codes[np.setdiff1d(every, drawn)] for every, drawn in ((CONCEPT, inside), (OTHERS, outside))]
    right = [(other.predict(held[0]) > 0).mean(), (other.predict(held[1]) < 0).mean()]
    assert found.accuracy == pytest.approx(np.mean(right))
    assert found.apart == pytest.approx((held[0] @ direction).mean() - (held[1] @ direction).mean())
    assert found.score == pytest.approx((made.gradients @ direction > 0).mean())
    assert found.effect == pytest.approx((made.gradients @ direction).mean() * found.apart)


def test_a_planted_concept_is_found_and_matters() -> None:
    made = space(3.0)
    random = np.random.default_rng(1)
    found = made.find(CONCEPT, OTHERS, 10, random)
    nulls = made.find_random(OTHERS, SIZE, 10, 99, random, lambda done: None)
    assert found.direction @ TOWARD > 0.9
    assert found.accuracy > 0.9
    assert found.score > 0.9
    low, high = found.interval
    assert low <= found.score <= high
    assert chance(found, nulls) <= 0.02
    assert 4 < found.effect < 8  # a slope of 2 over a shift of 3, and what the direction misses of it
    assert np.mean([null.score for null in nulls]) == pytest.approx(0.5, abs=0.1)


def test_concepts_of_random_pictures_are_significant_as_rarely_as_they_should_be() -> None:
    made = space(0.0)
    random = np.random.default_rng(2)
    nulls = made.find_random(OTHERS, SIZE, 4, 99, random, lambda done: None)
    others = made.find_random(OTHERS, SIZE, 4, 100, random, lambda done: None)
    ps = np.array([chance(one, nulls) for one in others])
    assert (ps <= 0.1).mean() < 0.2
    assert np.median(ps) == pytest.approx(0.5, abs=0.15)
    assert np.mean([one.accuracy for one in others]) == pytest.approx(0.5, abs=0.06)


def test_what_cannot_be_told_apart_gives_no_numbers_that_are_none() -> None:
    flat = ConceptSpace(np.ones((POOL + SIZE, 4)), np.ones((3, 4)))
    found = flat.learn(CONCEPT, OTHERS, np.random.default_rng(0))
    assert np.isfinite(found.direction).all()
    assert found.effect == 0
    with pytest.raises(ValueError, match="At least two pictures"):
        flat.learn(CONCEPT[:1], OTHERS, np.random.default_rng(0))


def test_random_concepts_can_be_canceled() -> None:
    def cancel(done: int) -> None:
        if done == 2:
            raise CanceledError("Enough.")

    with pytest.raises(CanceledError):
        space(0.0).find_random(OTHERS, SIZE, 2, 9, np.random.default_rng(0), cancel)
