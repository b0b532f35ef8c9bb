"""Logistic regression: its slopes and curvature against differences, its minimum against scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from picasso.core.errors import CanceledError
from picasso.core.hooks import Head
from picasso.core.statistics.logistic import Logistic, with_ones

RNG = np.random.default_rng(0)
CODES = RNG.normal(size=(60, 5)) @ RNG.normal(size=(5, 5))
ANSWERS = RNG.integers(0, 3, 60)


def learned(head: Head, columns: int, decay: float = 0.05) -> Logistic:
    """Return a head with weights of its own, far from the minimum."""
    truth = np.eye(3)[ANSWERS] if columns == 3 else (ANSWERS[:, None] == 1).astype(float)
    weights = np.random.default_rng(1).normal(size=(columns, 6)) * 0.4
    return Logistic(weights, with_ones(CODES), truth, head, decay)


@pytest.mark.parametrize(("head", "columns"), [(Head.SOFTMAX, 3), (Head.SIGMOID, 3), (Head.SIGMOID, 1)])
def test_slope_and_curvature_are_those_of_the_loss(head: Head, columns: int) -> None:
    now, step = learned(head, columns), 1e-5
    slope, hessian = np.zeros_like(now.weights), []
    for place in np.ndindex(now.weights.shape):
        moved = np.zeros_like(now.weights)
        moved[place] = step
        up, down = replace(now, weights=now.weights + moved), replace(now, weights=now.weights - moved)
        slope[place] = (up.loss() - down.loss()) / (2 * step)
        hessian.append(((up.slope() - down.slope()) / (2 * step)).ravel())
    np.testing.assert_allclose(now.slope(), slope, atol=1e-8)
    direction = RNG.normal(size=now.weights.shape)
    np.testing.assert_allclose(now.curved(direction).ravel(), np.array(hessian) @ direction.ravel(), atol=1e-7)
    right = RNG.normal(size=now.weights.shape)
    np.testing.assert_allclose(now.solve(right).ravel(), np.linalg.solve(np.array(hessian), right.ravel()), rtol=1e-5)


@pytest.mark.parametrize("decay", [1e-3, 0.1])
def test_the_minimum_is_scikit_learns(decay: float) -> None:
    for head, columns, answers in ((Head.SOFTMAX, 3, ANSWERS), (Head.SIGMOID, 1, ANSWERS == 1)):
        found = learned(head, columns, decay).fitted()
        other = LogisticRegression(C=1 / (decay * len(CODES)), fit_intercept=False, tol=1e-10, max_iter=10_000)
        other.fit(with_ones(CODES), answers)
        np.testing.assert_allclose(found.weights, other.coef_, atol=1e-4)
        np.testing.assert_allclose(found.probabilities[:, -1], other.predict_proba(with_ones(CODES))[:, -1], atol=1e-5)


def test_large_scores_do_not_overflow() -> None:
    now = replace(learned(Head.SOFTMAX, 3), weights=np.full((3, 6), 1.0) * np.array([[1e4], [0], [-1e4]]))
    assert np.isfinite(now.loss())
    assert np.isfinite(now.slope()).all()
    alone = replace(learned(Head.SIGMOID, 1), weights=np.full((1, 6), 1e4))
    assert np.isfinite(alone.loss())
    assert np.isfinite(alone.slope()).all()


def test_solving_and_fitting_report_and_can_be_canceled() -> None:
    def cancel(round_: int) -> None:
        if round_ == 2:
            raise CanceledError("Enough.")

    now = learned(Head.SOFTMAX, 3)
    with pytest.raises(CanceledError):
        now.solve(RNG.normal(size=now.weights.shape), cancel)
    seen: list[int] = []
    now.fitted(seen.append)
    assert seen == list(range(len(seen)))
    assert len(seen) > 2
    with pytest.raises(CanceledError):
        now.fitted(cancel)
