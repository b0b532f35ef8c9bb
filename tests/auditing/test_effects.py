"""From what was measured of every picture, in one or several turns, to the effect of a property."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from picasso.auditing import statistics
from picasso.auditing.donors import Donors, draw_donors
from picasso.auditing.effects import Table, effect_of, judged, plain
from picasso.auditing.experiment import Measured, Question, Shard
from picasso.auditing.findings import Effect
from picasso.auditing.ties import Ties
from picasso.core.interventions.intervention import Property, Role

QUESTION = Question(Property("sky", "Sky", "the sky"), "one", "", Role.PROPERTY)


def effect(margin: NDArray[np.float64]) -> Effect:
    """Return the effect of margins (pictures, turns, 2), every second picture of class 1."""
    pictures, turns, _ = margin.shape
    table = Table.empty(1, pictures, turns)
    labels = np.arange(pictures) % 2
    for turn in range(turns):
        own = margin[:, turn]
        answer = np.where(own > 0, labels[:, None], 1 - labels[:, None])
        table.enter(
            Shard(tuple(range(pictures)), (0,), turn=turn),
            Measured(own[None], answer[None], np.full((1, pictures), 0.1 * (turn + 1))),
        )
    alone = Ties(range(pictures), [dict.fromkeys(range(pictures), Donors((), ()))] * turns)
    return effect_of(QUESTION, 0, table, alone, labels, 2, 2.0, False)


def test_one_turn_counts_pictures() -> None:
    margin = np.array([[1.0, -1], [1, 1], [-1, 1], [1, -2]])[:, None]
    found = effect(margin)
    assert found.drop == statistics.drop(2, 1, 4)
    assert found.by_class == (0.0, 0.5)
    assert found.toward == (0.5, 0.25)
    assert found.margin == statistics.mean(np.array([2.0, 0, -2, 3]) / 2)
    assert (found.sham, found.change, found.pictures) == (0.75, pytest.approx(0.1), 4)


def test_a_picture_that_is_asked_often_counts_once_with_its_mean() -> None:
    margin = np.ones((4, 3, 2))
    margin[0, 0, 1] = margin[1, 1, 0] = -1  # lost once of three, gained once of three
    margin[2, 1] = np.nan  # could not be made once: the mean is of two
    margin[2, 2, 1] = -1
    found = effect(margin)
    assert found.drop == statistics.mean_drop(np.array([1 / 3, -1 / 3, 1 / 2, 0]))
    assert found.drop.value == pytest.approx((1 / 3 - 1 / 3 + 1 / 2) / 4)
    assert found.by_class == pytest.approx(((1 / 3 + 1 / 2) / 2, -1 / 6))
    assert found.change == pytest.approx((0.2 + 0.2 + 0.2 + 0.2) / 4)


def test_what_one_turn_does_and_another_undoes_narrows_the_interval() -> None:
    rng = np.random.default_rng(0)
    noisy = np.where(rng.random((200, 3, 2)) < 0.05, -1.0, 1.0)
    once, often = effect(noisy[:, :1]).drop, effect(noisy).drop
    assert often.high - often.low < 0.75 * (once.high - once.low)
    assert often.low < 0 < often.high


@pytest.mark.parametrize("alike", [0.3, 3.0, 300.0], ids=["always the same", "much alike", "independent"])
@pytest.mark.parametrize(("sham", "treatment"), [(0.02, 0.07), (0.1, 0.15), (0.01, 0.01), (0.05, 0.4)])
def test_the_interval_of_means_covers_the_truth(alike: float, sham: float, treatment: float) -> None:
    rng = np.random.default_rng(1)
    missed = np.zeros(2)
    for _ in range(400):
        # Each picture errs with a chance of its own; the fewer `alike`, the more they differ.
        chance = np.stack([rng.beta(alike * p, alike * (1 - p), (120, 1)) for p in (sham, treatment)], axis=2)
        margin = np.where(rng.random((120, 3, 2)) < chance, -1.0, 1.0)
        drop = effect(margin).drop
        missed += drop.high < treatment - sham, drop.low > treatment - sham
    assert (missed / 400 <= 0.045).all()  # 0.025 each, and what 400 rounds leave to chance


def by_chance(rng: np.random.Generator, counts: tuple[int, ...], turns: int) -> Effect:
    """Return the effect of a property that has nothing to do with the classes, on a model that takes it for the first.

    Every picture has its own value of it, and those that take from one picture get the same.
    """
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    value, own = rng.normal(size=len(labels)), rng.normal(1, 0.3, len(labels))
    classes = {int(one): int(label) for one, label in enumerate(labels)}
    donors = [draw_donors(classes, int(rng.integers(2**32)), turn) for turn in range(turns)]
    table = Table.empty(1, len(labels), turns)
    for turn, drawn in enumerate(donors):
        source = np.array([(drawn[one].same[0], drawn[one].other[0]) for one in range(len(labels))])
        table.margin[0, :, turn] = own[:, None] + np.where(labels == 0, 0.7, -0.7)[:, None] * value[source]
        table.answer[0, :, turn] = np.where(table.margin[0, :, turn] > 0, labels[:, None], 1 - labels[:, None])
        table.change[0, :, turn] = 0.1
    return effect_of(QUESTION, 0, table, Ties(range(len(labels)), donors), labels, len(counts), 1.0, False)


def test_what_differs_between_the_classes_by_chance_accuses_nobody() -> None:
    found = [by_chance(np.random.default_rng(seed), (45, 45), 3) for seed in range(100)]
    assert sum(one.drop.low <= 0 <= one.drop.high for one in found) >= 88  # 95 by its own promise
    assert sum(one.margin.low <= 0 <= one.margin.high for one in found) >= 88
    assert 1 <= sum(one.p < 0.05 for one in found) <= 12
    assert not any(judged([replace(one, p=min(1, 47 * one.p))])[0].suspect for one in found)


def test_pictures_that_share_no_other_vary_as_they_do_alone() -> None:
    values = np.random.default_rng(0).normal(size=(30, 2))
    alone = Ties(range(30), [dict.fromkeys(range(30), Donors((), ()))] * 2)
    assert alone.inflation(values, np.ones((30, 2), np.bool_), np.zeros(30, int)) == pytest.approx(1)
    # Two and two take from one that all of them share, and move alike.
    pairs = Ties(range(30), [{one: Donors((100 + one // 2,), ()) for one in range(30)}] * 2)
    assert pairs.inflation(
        np.repeat(values[:15], 2, axis=0), np.ones((30, 2), np.bool_), np.zeros(30, int)
    ) == pytest.approx(2)


def test_that_a_property_counts_in_one_class_alone_is_no_variation() -> None:
    labels = np.arange(60) // 20
    drawn = draw_donors({one: int(label) for one, label in enumerate(labels)}, 0)
    values = (labels == 0).astype(float)[:, None]
    assert Ties(range(60), [drawn]).inflation(values, np.ones((60, 1), np.bool_), labels) == pytest.approx(1)


def test_a_picture_that_was_never_made_is_left_out() -> None:
    margin = np.ones((3, 2, 2))
    margin[1] = np.nan
    found = effect(margin)
    assert (found.pictures, found.left_out) == (2, 1)
    assert effect(np.full((3, 1, 2), np.nan)).pictures == 0


@pytest.mark.parametrize(
    ("losing", "count", "wanted"),
    [
        (range(60), 40, True),
        (range(8), 40, False),  # the lower end of the interval lies under 5 points
        (range(0, 120, 2), 40, False),  # in one class alone
        (range(60), 10**18, False),  # not after a correction for so many
    ],
)
def test_what_is_plain_counts_whatever_else_is_tested(losing: range, count: int, wanted: bool) -> None:
    margin = np.random.default_rng(0).uniform(0.5, 1, (120, 1, 2))
    margin[list(losing), 0, 1] *= -1
    found = effect(margin)
    assert plain(found, count) == wanted
    if wanted:
        assert judged([found, *[effect(np.abs(margin))] * (count - 1)])[0].suspect
