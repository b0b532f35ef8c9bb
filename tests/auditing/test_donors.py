"""Which pictures properties are taken from."""

import numpy as np

from picasso.auditing.donors import TRIES, draw_donors


def test_donors_are_of_the_right_classes_and_never_look_the_same() -> None:
    labels = {number: number % 3 for number in range(30)}
    looks = {n: f"look {n // 6}" if n % 3 == 0 else f"own {n}" for n in range(30)}
    donors = draw_donors(labels, looks, seed=4)
    assert list(donors) == list(labels)
    for number, found in donors.items():
        assert len(found.same) == len(found.other) == TRIES
        assert all(labels[one] == labels[number] and one != number for one in found.same)
        assert all(looks[one] != looks[number] for one in found.same)
        assert all(labels[one] != labels[number] for one in found.other)


def test_donors_do_not_depend_on_other_pictures_being_asked() -> None:
    labels = {number: number % 2 for number in range(20)}
    looks = {number: str(number) for number in range(20)}
    assert draw_donors(labels, looks, 1) == draw_donors(labels, looks, 1)
    assert draw_donors(labels, looks, 1) != draw_donors(labels, looks, 2)


def test_a_frequent_class_is_not_everyones_treatment() -> None:
    labels = dict(enumerate([0] * 300 + [1] * 290 + [2] * 10))
    donors = draw_donors(labels, {number: str(number) for number in labels}, 0)
    taken = np.array([labels[donors[number].other[0]] for number in range(300)])
    assert 0.4 < (taken == 2).mean() < 0.6


def test_a_picture_whose_class_all_looks_the_same_has_no_sham() -> None:
    donors = draw_donors({0: 0, 1: 0, 2: 1, 3: 1}, {0: "a", 1: "a", 2: "b", 3: "c"}, 0)
    assert donors[0].same == ()
    assert donors[2].same


def test_the_same_picture_under_another_class_is_no_treatment() -> None:
    looks = {0: "a", 1: "b", 2: "a", 3: "c"}
    donors = draw_donors({0: 0, 1: 0, 2: 1, 3: 1}, looks, 0)
    assert set(donors[0].other) == {3}
    alone = draw_donors({0: 0, 1: 0, 2: 1, 3: 1}, {0: "a", 1: "b", 2: "a", 3: "a"}, 0)
    assert alone[0].other == ()
    assert alone[1].other
