"""Scores of the picture behind masks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import picasso
from picasso.core.errors import SettingsError
from picasso.core.maps.masking import Watched, sampling_note, score_masked, sketch_due
from picasso.core.model import Model
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


def context(model: Model, scores: np.ndarray) -> Context:
    """Return the context of a run in which nobody watches."""
    return Context(model, [], scores, 0, lambda *_: None, lambda _: None)


def test_what_is_watched_is_the_score_or_the_probability_of_each_target() -> None:
    model = picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=SIZE, labels=("a", "b", "c"))
    scores = np.array([1.0, 3.0, 0.0], np.float32)
    targets = [model.target(1), model.target("b - c")]
    watched = Watched(context(model, scores), targets, "logit")
    assert watched.units == model.facts.units
    np.testing.assert_allclose(watched.whole, [3, 3])
    np.testing.assert_allclose(watched(np.array([[0.0, 1, 5], [2, 2, 2]])), [[1, -4], [2, 0]])
    chances = np.exp(scores) / np.exp(scores).sum()
    chosen = Watched(context(model, scores), targets, "probability")
    assert chosen.units == "probability"
    np.testing.assert_allclose(chosen.whole, [chances[1], chances[1] - chances[2]], rtol=1e-6)


def test_a_model_without_probabilities_has_none_to_watch() -> None:
    model = picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=SIZE, labels=("a", "b", "c"), head="none")
    with pytest.raises(SettingsError, match="score must be logit"):
        Watched(context(model, np.zeros(3)), [model.target(1)], "probability")


def test_rough_maps_are_due_at_a_sixteenth_a_quarter_and_a_half() -> None:
    due, before = [], 0
    for done in range(10, 330, 10):
        if sketch_due(before, done, 320):
            due.append(done)
            before = done
    assert due == [20, 80, 160]
    assert not sketch_due(0, 5, 5)


def test_the_standard_error_is_said_and_what_does_not_rise_above_it() -> None:
    note = sampling_note(np.array([4.0, -1, np.nan]), np.array([0.5, 1, np.nan]), "9 masks, seed 3")
    said = (
        "9 masks, seed 3. Standard error of a value by the drawing: 0.75 in the median, 1 at most; the values span 5."
    )
    assert note == said
    assert sampling_note(np.array([1.0, 0]), np.array([0.6, 0.6]), "9 masks").endswith("before you read this map.")
