"""Logistic regression with its slopes and its curvature: what a linear head with a softmax or sigmoid learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotSupportedError
from picasso.core.hooks import Head

Numbers = NDArray[np.float64]
TOLERANCE = 1e-9
"""Relative error of the equations that are solved."""
MOST_ROUNDS = 5000
"""Of conjugate gradients. A head that needs more is worse conditioned than its regularization allows for."""
_NEWTON = 100
"""Steps of Newton's method; convex, it takes about ten."""
_FLAT = 1e-8
"""Largest slope at which a loss counts as minimal."""


def ignore(round_: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True, eq=False)
class Logistic:
    """A linear head, what it reads of some pictures, and what it should have answered.

    The loss is the mean cross-entropy over the pictures, and decay / 2 times the sum of all squared weights.

    Args:
        weights: float64 (columns, features + 1): the last is the bias.
        codes: float64 (n, features + 1): what the head reads of each picture, and a one.
        truth: float64 (n, columns), 0 or 1.
        head: Head.SOFTMAX, or Head.SIGMOID, of which each column is a question of its own.
        decay: Strength of the regularization, > 0. Biases are regularized like weights, as optimizers do it.
    """

    weights: Numbers
    codes: Numbers
    truth: Numbers
    head: Head
    decay: float

    @property
    def probabilities(self) -> Numbers:
        """What it answers, (n, columns)."""
        scores = self.codes @ self.weights.T
        if self.head is Head.SIGMOID:
            return np.asarray(0.5 * (1 + np.tanh(scores / 2)))
        raised = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def loss(self) -> float:
        """Return what is made small."""
        return float(losses(self.codes @ self.weights.T, self.truth, self.head).mean()) + self.decay / 2 * float(
            np.square(self.weights).sum()
        )

    def residuals(self) -> Numbers:
        """Return the slope of each picture's own loss by its scores, (n, columns); by the weights: that times codes."""
        return self.probabilities - self.truth

    def slope(self) -> Numbers:
        """Return the slope of the loss by the weights, shaped as these."""
        return np.asarray(self.residuals().T @ self.codes / len(self.codes) + self.decay * self.weights)

    def curved(self, direction: Numbers) -> Numbers:
        """Return the product of the loss's Hessian with a direction, shaped as the weights."""
        return self._curved(self.probabilities, direction)

    def _curved(self, probabilities: Numbers, direction: Numbers) -> Numbers:
        moved = self.codes @ direction.T
        if self.head is Head.SOFTMAX:
            bent = probabilities * (moved - (probabilities * moved).sum(axis=1, keepdims=True))
        else:
            bent = probabilities * (1 - probabilities) * moved
        return np.asarray(bent.T @ self.codes / len(self.codes) + self.decay * direction)

    def solve(self, right: Numbers, report: Callable[[int], None] = ignore) -> Numbers:
        """Return the inverse Hessian times a direction, to `TOLERANCE`, by conjugate gradients.

        The Hessian itself is never made: of a thousand classes it has more numbers than memory.

        Args:
            right: Shaped as the weights.
            report: Called before each round with its number; it may raise CanceledError.

        Raises:
            NotSupportedError: It did not converge.
        """
        from scipy.sparse.linalg import LinearOperator, cg

        probabilities, shape, rounds = self.probabilities, self.weights.shape, 0
        spread = probabilities * (1 - probabilities)
        diagonal = spread.T @ np.square(self.codes) / len(self.codes) + self.decay

        def counted(_: Numbers) -> None:
            nonlocal rounds
            report(rounds)
            rounds += 1

        size = right.size
        found, failed = cg(
            LinearOperator(
                (size, size), lambda flat: self._curved(probabilities, flat.reshape(shape)).ravel(), dtype=np.float64
            ),
            right.ravel(),
            rtol=TOLERANCE,
            atol=0.0,
            maxiter=MOST_ROUNDS,
            M=LinearOperator((size, size), lambda flat: flat.ravel() / diagonal.ravel(), dtype=np.float64),
            callback=counted,
        )
        if failed:
            raise NotSupportedError(
                f"The curvature of the head's loss could not be inverted in {MOST_ROUNDS} rounds.",
                "Raise the regularization.",
            )
        return np.asarray(found, np.float64).reshape(shape)

    def fitted(self, report: Callable[[int], None] = ignore) -> Logistic:
        """Return the same with the weights at which the loss is smallest: Newton's method with halved steps.

        Args:
            report: Called before each round of solving with how many there were; it may raise CanceledError.

        Raises:
            NotSupportedError: It did not get there.
        """
        now, loss, rounds = self, self.loss(), 0

        def counted(_: int) -> None:
            nonlocal rounds
            report(rounds)
            rounds += 1

        for _ in range(_NEWTON):
            slope = now.slope()
            if np.abs(slope).max() < _FLAT:
                return now
            step, share = now.solve(slope, counted), 1.0
            while True:
                next_ = replace(now, weights=now.weights - share * step)
                lower = next_.loss()
                if lower <= loss - 1e-4 * share * float((slope * step).sum()) or share < 1e-6:
                    break
                share /= 2
            if lower >= loss:  # no smaller in double precision
                return now
            now, loss = next_, lower
        raise NotSupportedError("A logistic regression did not converge.", "Raise its regularization.")


def with_ones(codes: NDArray[np.floating]) -> Numbers:
    """Return codes (n, features) with a column of ones, from which the bias is read: float64 (n, features + 1)."""
    return np.concatenate([codes.astype(np.float64), np.ones((len(codes), 1))], axis=1)


def losses(scores: Numbers, truth: Numbers, head: Head) -> Numbers:
    """Return the cross-entropy of each picture, (n,), from scores and truth, (n, columns)."""
    if head is Head.SOFTMAX:
        above = scores.max(axis=1, keepdims=True)
        total = above[:, 0] + np.log(np.exp(scores - above).sum(axis=1))
        return np.asarray(total - (truth * scores).sum(axis=1))
    return np.asarray((np.logaddexp(0, scores) - truth * scores).sum(axis=1))
