"""Scores of the picture behind masks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import picasso
from picasso.core.masking import score_masked
from picasso.core.visualization import Context

SIZE = picasso.Preprocessing(size=8)
X = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
ABSENT = np.full((8, 8, 3), 2.0, np.float32)


def test_chunks_are_drawn_when_they_are_needed_and_scored_in_order() -> None:
    model = picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=SIZE, labels=("a", "b", "c"))
    told: list[tuple[int, int]] = []
    ctx = Context(model, [], np.zeros(3), 0, lambda done, total, _: told.append((done, total)), lambda _: None)
    drawn: list[np.ndarray] = []

    def masks() -> Iterator[np.ndarray]:
        for count in (3, 2):
            assert len(told) == len(drawn) + 1  # the one before was scored
            drawn.append(np.random.default_rng(count).random((count, 8, 8)))
            yield drawn[-1]

    found = list(score_masked(ctx, X, ABSENT, masks(), 5))
    assert told == [(0, 5), (3, 5), (5, 5)]
    for chunk, scores in found:
        expected = (X * chunk[..., None] + ABSENT * (1 - chunk[..., None])).mean(axis=(1, 2))
        np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_whole_masks_give_the_picture_and_the_absence_to_the_last_digit() -> None:
    seen: list[np.ndarray] = []

    def network(x: np.ndarray) -> np.ndarray:
        seen.append(x.copy())
        return x.mean(axis=(1, 2))

    model = picasso.load_model(network, preprocessing=SIZE, labels=("a", "b", "c"))
    seen.clear()
    ctx = Context(model, [], np.zeros(3), 0, lambda *_: None, lambda _: None)
    list(score_masked(ctx, X, ABSENT, [np.stack([np.ones((8, 8)), np.zeros((8, 8))])], 2))
    batch = np.concatenate(seen)
    assert (batch[0] == X[0]).all()
    assert (batch[1] == ABSENT).all()
