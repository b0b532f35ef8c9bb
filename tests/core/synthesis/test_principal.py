"""The learned prior: what lies in the pictures' own space is kept, and nothing else is made."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.synthesis.principal import FARTHEST, PrincipalParameters

RNG = np.random.default_rng(2)
FIRST, SECOND = np.linalg.qr(RNG.normal(size=(6 * 5 * 3, 2)))[0].T.reshape(2, 6, 5, 3)
CODES = RNG.normal(size=(40, 2)) * (0.4, 0.1)
PICTURES = [0.5 + a * FIRST + b * SECOND for a, b in CODES]


@pytest.fixture(scope="module")
def prior() -> PrincipalParameters:
    return PrincipalParameters.learned(PICTURES, 10)


def test_two_ways_to_differ_are_two_axes(prior: PrincipalParameters) -> None:
    assert len(prior.axes) == 2
    np.testing.assert_allclose(prior.mean, np.mean(PICTURES, axis=0), atol=1e-6)
    flat = prior.axes.reshape(2, -1)
    assert abs(flat[0] @ flat[1]) < 1e-6
    spread = np.linalg.norm(flat, axis=1)
    expected = np.sqrt(np.linalg.eigvalsh(np.cov(CODES.T, bias=True)))[::-1]
    np.testing.assert_allclose(spread, expected, rtol=1e-4)


def test_codes_and_pictures_are_turned_into_each_other(prior: PrincipalParameters) -> None:
    code = np.array([1.2, -0.7])
    np.testing.assert_allclose(prior.of(prior.picture(code)), code, atol=1e-4)
    np.testing.assert_allclose(prior.picture(prior.of(PICTURES[3])), PICTURES[3], atol=1e-5)
    stranger = RNG.normal(size=FIRST.shape)
    stranger -= (stranger * FIRST).sum() * FIRST + (stranger * SECOND).sum() * SECOND
    np.testing.assert_allclose(prior.of(prior.mean + stranger), 0, atol=1e-5)


def test_slopes_are_those_of_differences(prior: PrincipalParameters) -> None:
    code, slopes = np.array([0.3, 2.0]), RNG.normal(size=FIRST.shape)
    found = prior.pull(code, slopes)
    for axis in range(2):
        step = np.zeros(2)
        step[axis] = 1e-2
        change = ((prior.picture(code + step) - prior.picture(code - step)) * slopes).sum() / 2e-2
        assert found[axis] == pytest.approx(change, rel=1e-3, abs=1e-4)


def test_black_stays_black_unless_it_is_called_back() -> None:
    prior = PrincipalParameters.learned([np.zeros((1, 1, 1)), np.ones((1, 1, 1))], 4)
    code = np.array([-FARTHEST if prior.axes[0, 0, 0, 0] > 0 else FARTHEST])
    assert prior.picture(code).item() == 0
    assert prior.pull(code, np.ones((1, 1, 1))).item() == 0
    assert prior.pull(code, -np.ones((1, 1, 1))).item() != 0


def test_codes_stay_where_pictures_were_seen(prior: PrincipalParameters) -> None:
    np.testing.assert_array_equal(prior.bounded(np.array([9.0, -9.0])), [FARTHEST, -FARTHEST])
    assert len(PrincipalParameters.learned(PICTURES, 1).axes) == 1
    assert len(PrincipalParameters.learned([PICTURES[0]] * 3, 5).axes) == 0
