"""Non-negative factorization: planted parts come back, and nothing fits better than scikit-learn's or SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.decomposition import NMF

from picasso.core.errors import CanceledError
from picasso.core.statistics.factorization import factorize, shares_of, starting

RNG = np.random.default_rng(0)


def planted(rows: int = 80, features: int = 20, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return values that are sums of few sparse parts, and the parts, each of length one."""
    parts = RNG.random((count, features)) * (RNG.random((count, features)) < 0.35)
    parts += np.eye(count, features)  # each has a feature of its own, by which it is known
    parts[:, :count] = np.eye(count)
    shares = RNG.random((rows, count)) * (RNG.random((rows, count)) < 0.5)
    return shares @ parts, parts / np.linalg.norm(parts, axis=1, keepdims=True)


def test_planted_parts_come_back() -> None:
    values, parts = planted()
    found = factorize(values, 4)
    assert found.explained > 0.9999
    cosines = found.parts @ parts.T
    assert (cosines.max(axis=0) > 0.999).all()
    assert sorted(cosines.argmax(axis=1)) == [0, 1, 2, 3]
    np.testing.assert_allclose(np.linalg.norm(found.parts, axis=1), 1)
    strengths = np.square(found.shares).sum(axis=0)
    assert (np.diff(strengths) <= 0).all()


@pytest.mark.parametrize("count", [2, 5])
def test_it_fits_as_well_as_scikit_learn_does_from_the_same_start(count: int) -> None:
    values = RNG.random((60, 15)) * (RNG.random((60, 15)) < 0.6)
    shares, parts = starting(values, count)
    other = NMF(count, init="custom", solver="cd", tol=1e-8, max_iter=2000)
    theirs = other.fit_transform(values, W=shares.copy(), H=parts.copy())
    found = factorize(values, count)
    rest = np.linalg.norm(values - found.shares @ found.parts)
    assert rest == pytest.approx(np.linalg.norm(values - theirs @ other.components_), rel=1e-3)
    lengths = np.linalg.norm(other.components_, axis=1)
    order = np.argsort(-np.square(theirs * lengths).sum(axis=0))
    cosines = (found.parts * other.components_[order]).sum(axis=1) / lengths[order]
    assert (cosines > 0.99).all()
    assert (found.shares >= 0).all()
    assert (found.parts >= 0).all()


def test_shares_of_given_parts_are_the_non_negative_least_squares() -> None:
    parts, values = RNG.random((4, 12)), RNG.random((9, 12))
    found = shares_of(values, parts)
    np.testing.assert_allclose(found, [nnls(parts.T, row)[0] for row in values], atol=1e-3)


def test_zeros_and_one_row_are_no_trouble() -> None:
    still = factorize(np.zeros((5, 4)), 2)
    assert still.explained == 1
    assert np.isfinite(still.shares).all()
    row = RNG.random((1, 6))
    np.testing.assert_allclose(factorize(row, 1).shares @ factorize(row, 1).parts, row)


def test_it_can_be_canceled() -> None:
    def cancel(round_: int) -> None:
        if round_ == 3:
            raise CanceledError("Enough.")

    with pytest.raises(CanceledError):
        factorize(RNG.random((30, 10)), 3, cancel)
