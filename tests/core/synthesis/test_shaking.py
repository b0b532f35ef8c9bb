"""Small random moves against the moves of whole pictures, and their adjoint by inner products."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.pictures.moving import Move, moved
from picasso.core.synthesis.shaking import Shaking, shake

MOVES = [((0.0, 0.0), 1.0, 0.0), ((2.0, -3.0), 1.0, 0.0), ((0.3, 1.7), 1.2, 10.0), ((-1.5, 0.0), 0.8, -75.0)]
SHAPES = [(9, 12), (12, 7), (1, 5)]


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("shape", SHAPES)
def test_slopes_are_taken_back_by_the_adjoint(
    shape: tuple[int, int], move: tuple[tuple[float, float], float, float]
) -> None:
    random, made = np.random.default_rng(0), shake(shape, *move)
    x, y = random.normal(size=(2, *shape, 3))
    assert float((made.apply(x) * y).sum()) == pytest.approx(float((x * made.pull(y)).sum()), rel=1e-9)


def test_it_moves_as_whole_pictures_are_moved() -> None:
    """Inside, where nothing of what lies beyond the edge comes in."""
    picture = np.random.default_rng(1).random((15, 18, 3))
    grown = 1.2
    found = shake((15, 18), (2, -1), grown, 20.0).apply(picture)
    turned = Move.turned(20.0)
    (a, b), (c, d) = turned.inverse
    slow = moved(picture, Move(((a / grown, b / grown), (c / grown, d / grown)), (2, -1)), "reflect")
    assert slow.inside.sum() > 100
    np.testing.assert_allclose(found, slow.values, atol=1e-5)


def test_a_shift_by_pixels_holds_the_very_pixels_and_mirrors_the_edge() -> None:
    picture = np.random.default_rng(2).random((6, 5, 1)).astype(np.float32)
    found = shake((6, 5), (2, 0), 1.0, 0.0).apply(picture)
    np.testing.assert_array_equal(found[2:], picture[:-2])
    np.testing.assert_array_equal(found[:2], picture[1::-1])
    assert found.dtype == np.float32


def test_moves_stay_within_what_was_asked_for_and_use_all_of_it() -> None:
    random, shifting, growing = np.random.default_rng(3), Shaking(jitter=0.1), Shaking(scaling=0.5)
    ramp = np.broadcast_to(np.arange(40.0)[:, None, None], (40, 40, 1))
    shifts = [20 - shifting.draw(random, (40, 40)).apply(ramp)[20, 20, 0] for _ in range(200)]  # type: ignore[union-attr]
    assert 3.8 < max(shifts) <= 4.001
    assert -4.001 <= min(shifts) < -3.8
    slopes = [np.diff(growing.draw(random, (40, 40)).apply(ramp)[19:21, 20, 0])[0] for _ in range(200)]  # type: ignore[union-attr]
    assert 0.66 < min(slopes) < 0.68
    assert 1.48 < max(slopes) < 1.501
    assert Shaking().draw(random, (40, 40)) is None
