"""Which pictures properties are taken from."""

import numpy as np

from picasso.auditing.donors import TRIES, draw_donors


def test_donors_are_of_the_right_classes_and_never_the_picture_itself() -> None:
    labels = {number: number % 3 for number in range(30)}
    donors = draw_donors(labels, seed=4)
    assert list(donors) == list(labels)
    for number, found in donors.items():
        assert len(found.same) == len(found.other) == TRIES
        assert all(labels[one] == labels[number] and one != number for one in found.same)
        assert all(labels[one] != labels[number] for one in found.other)


def test_donors_are_drawn_by_the_seed_and_the_turn() -> None:
    labels = {number: number % 2 for number in range(20)}
    assert draw_donors(labels, 1) == draw_donors(labels, 1)
    assert draw_donors(labels, 1) != draw_donors(labels, 2)
    assert draw_donors(labels, 1) != draw_donors(labels, 1, turn=1)


def test_a_frequent_class_is_not_everyones_treatment() -> None:
    labels = dict(enumerate([0] * 300 + [1] * 290 + [2] * 10))
    donors = draw_donors(labels, 0)
    taken = np.array([labels[donors[number].other[0]] for number in range(300)])
    assert 0.4 < (taken == 2).mean() < 0.6


def test_a_picture_that_is_alone_in_its_class_has_no_sham() -> None:
    donors = draw_donors({0: 0, 1: 1, 2: 1}, 0)
    assert donors[0].same == donors[0].other == ()
    assert donors[1].same == (2, 2, 2)
    assert donors[1].other == (0, 0, 0)
