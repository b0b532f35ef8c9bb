"""Cosines of features, and which layers have a map that can be moved."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.layers.likeness import Likeness, cosine
from picasso.core.pictures.moving import Move
from picasso.testing import small_model

RNG = np.random.default_rng(4)


def test_cosines_are_those_of_the_angle() -> None:
    a = RNG.normal(size=(2, 3, 4)).astype(np.float32)
    assert cosine(a, 3 * a) == pytest.approx(1, abs=1e-12)
    assert cosine(a, -a) == pytest.approx(-1, abs=1e-12)
    assert cosine(np.array([1.0, 0]), np.array([0, 5.0])) == 0
    assert cosine(np.array([1.0, 0]), np.array([1.0, 1.0])) == pytest.approx(2**-0.5)
    assert cosine(a, np.zeros_like(a)) is None


def test_a_map_moves_along_and_a_vector_has_none_to_move() -> None:
    values = RNG.normal(size=(1, 6, 8, 5)).astype(np.float32)
    along = Likeness(small_model(), values, (2.0, 2.0), wraps=False)
    shifted = np.roll(values, 3, axis=2)
    along.add(shifted, Move.shifted(0, 6))  # six pixels are three cells
    along.add(shifted, Move.shifted(0, 5))
    assert along.equivariance[0] == pytest.approx(1, abs=1e-12)
    assert along.equivariance[1] is not None
    assert along.equivariance[1] < 0.95
    assert along.exact == 1
    assert along.invariance[0] == pytest.approx(cosine(shifted, values))
    vector = Likeness(small_model(), values[:, 0, 0], None, wraps=False)
    vector.add(values[:, 0, 1], Move.shifted(0, 6))
    assert vector.equivariance == [None]


def test_what_is_shifted_out_of_the_map_leaves_nothing_to_compare() -> None:
    values = RNG.normal(size=(1, 6, 8, 5)).astype(np.float32)
    alone = Likeness(small_model(), values, (1.0, 1.0), wraps=False)
    alone.add(values, Move.shifted(0, 8))
    assert alone.equivariance == [None]
