"""From what a person writes to one scalar function of the scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import picasso
from picasso.core.errors import TargetError
from picasso.core.targets import SCORES, Target, class_columns, find_class, make_target, targets_of

LABELS = ("tank", "Truck", "t-shirt", "sport - car", "car", "sport", "crane", "crane")
SCORE = np.arange(16.0).reshape(2, 8) ** 2


def of(target: Any, labels: tuple[str, ...] = LABELS, columns: int | None = None) -> Target:
    return make_target(target, labels, len(labels) if columns is None else columns)


# --- a class ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "index"),
    [
        (0, 0),
        (7, 7),
        (np.int64(5), 5),
        (np.uint8(5), 5),
        ("tank", 0),
        ("TANK", 0),
        ("truck", 1),
        ("  Truck ", 1),
        ("t-shirt", 2),
        ("sport - car", 3),
        ("4", 4),
        (" 4 ", 4),
    ],
)
def test_a_class_by_index_label_or_written_index(written: Any, index: int) -> None:
    target = of(written)
    assert (target.index, target.label, target.minus) == (index, LABELS[index], None)
    assert type(target.index) is int
    assert target.terms == ((index, 1.0),)
    assert target.key == str(index)


def test_a_label_that_is_a_number_goes_before_the_index() -> None:
    assert of("1", ("1", "0")).index == 0
    assert of(1, ("1", "0")).index == 1


def test_exact_spelling_goes_before_folding_and_folding_must_be_unambiguous() -> None:
    labels = ("Apple", "apple", "STRASSE")
    assert of("apple", labels).index == 1
    assert of("straße", labels).index == 2
    with pytest.raises(TargetError, match="'APPLE' is no class"):
        of("APPLE", labels)


def test_a_label_of_several_classes_is_refused_and_their_indices_named() -> None:
    with pytest.raises(
        TargetError, match=r"^The label 'crane' belongs to several classes: \[6, 7\]\. Give the index\.$"
    ):
        of("crane")
    assert of(6).label == of(7).label == "crane"
    assert of(6).key != of(7).key


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("zebra", r"^'zebra' is no class of this model\. Its 8 classes are tank · Truck · .* · sport · \.\.\.\.$"),
        ("cranes", r"^'cranes' is no class of this model\. Did you mean crane\? It has 8 classes\.$"),
        ("spo", r"Did you mean sport · sport - car\?"),
        ("", "'' is no class"),
        ("1.0", "'1.0' is no class"),
        (8, r"^The class index must be in 0\.\.7\. Got 8\.$"),
        (-1, r"must be in 0\.\.7\. Got -1\."),
        ("-1", r"must be in 0\.\.7\. Got -1\."),
        ("9" * 5000, "is no class of this model"),
        (True, "must be a class index or a label. Got True"),
        (1.0, r"must be a class index or a label. Got 1\.0"),
        (None, "Got None"),
    ],
)
def test_what_is_no_class_is_named(written: Any, said: str) -> None:
    with pytest.raises(TargetError, match=said) as error:
        of(written)
    assert error.value.code == "bad-target"


def test_few_labels_are_listed_whole() -> None:
    with pytest.raises(TargetError, match=r"Its 2 classes are a · b\.$"):
        of("c", ("a", "b"))
    with pytest.raises(TargetError, match=r"Did you mean tank\? Its 2 classes are tank · decoy\.$"):
        of("tnak", ("tank", "decoy"))


def test_a_name_of_a_class_that_has_several_is_found_but_not_taken() -> None:
    labels = ("tabby, tabby cat", "tiger cat", *(f"class {index}" for index in range(8)))
    with pytest.raises(TargetError, match=r"^'tabby' is no class of this model\. Did you mean tabby, tabby cat\?"):
        of("tabby", labels)
    with pytest.raises(
        TargetError, match=r"is no difference .* 'tabby' is no class .* Did you mean tabby, tabby cat\?"
    ):
        of("tabby - tiger cat", labels)


# --- a difference -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "first", "second"),
    [
        ("tank - Truck", 0, 1),
        ("TANK - truck", 0, 1),
        ("0 - 1", 0, 1),
        ("tank - 7", 0, 7),
        ("sport - car - tank", 3, 0),
        ("tank - sport - car", 0, 3),
        ("tank  -  car", 0, 4),
    ],
)
def test_a_difference(written: str, first: int, second: int) -> None:
    target = of(written)
    assert (target.index, target.minus) == (first, second)
    assert target.label == f"{LABELS[first]} - {LABELS[second]}"
    assert target.key == f"{first}-{second}"
    np.testing.assert_array_equal(target({SCORES: SCORE}), SCORE[:, first] - SCORE[:, second])
    np.testing.assert_array_equal(target.of_classes(SCORE), SCORE[:, first] - SCORE[:, second])


def test_a_difference_can_be_written_again_from_its_label() -> None:
    target = of("sport - car - tank")
    assert of(target.label) == target


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (
            "tank - plane",
            r"^'tank - plane' is no difference of two classes\. Write \"a - b\" with labels or indices\. 'plane' is no",
        ),
        ("tank - ", "is no class|is no difference"),
        (" - tank", "is no difference"),
        ("tank - crane", "is no difference"),
        ("tank - tank", r"^The difference 'tank - tank' is that of a class with itself\.$"),
        ("tank - 0", "with itself"),
        ("tank-truck", "is no class"),
        ("tank - 8", "is no difference"),
    ],
)
def test_what_is_no_difference_is_named(written: str, said: str) -> None:
    with pytest.raises(TargetError, match=said):
        of(written)


# --- columns ------------------------------------------------------------------------------------------------------


def test_two_classes_of_one_column_are_each_others_negative() -> None:
    scores = {SCORES: np.array([[2.0], [-3.0]])}
    by_class = np.array([[-2.0, 2.0], [3.0, -3.0]])
    labels = ("decoy", "tank")
    for written in ("decoy", "tank", "tank - decoy", "decoy - tank"):
        target = of(written, labels, 1)
        np.testing.assert_array_equal(target(scores), target.of_classes(by_class))
    np.testing.assert_array_equal(of("tank", labels, 1)(scores), [2, -3])
    np.testing.assert_array_equal(of("tank - decoy", labels, 1)(scores), [4, -6])


def test_the_only_class_of_one_column_is_that_column_not_its_negative() -> None:
    assert class_columns(0, 1, 1) == ((0, 1.0),)
    np.testing.assert_array_equal(of("tank", ("tank",), 1)({SCORES: np.array([[2.0], [-3.0]])}), [2, -3])


@pytest.mark.parametrize(
    ("labels", "head"), [(["tank"], None), (["tank"], "sigmoid"), (None, "none"), (["decoy", "tank"], "sigmoid")]
)
def test_a_models_targets_are_the_same_forward_and_by_class(labels: Any, head: Any) -> None:
    model = picasso.load_model(
        lambda x: (x.mean((1, 2, 3)) * 3 - 1)[:, None],
        labels=labels,
        head=head,
        preprocessing=picasso.Preprocessing(size=4),
    )
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 3)).astype(np.float32)
    outputs = model.outputs(x)
    for index in range(len(model.labels)):
        target = model.target(index)
        np.testing.assert_array_equal(target(outputs), target.of_classes(model.predict(x)))
    assert (model.target(len(model.labels) - 1)(outputs) == x.mean((1, 2, 3)) * 3 - 1).all()


@given(
    st.integers(0, 7),
    st.integers(0, 7),
    st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8),
)
@settings(deadline=None)
def test_forward_and_by_class_agree_for_every_pair(first: int, second: int, scores: list[float]) -> None:
    row = np.array([scores])
    if first == second:
        with pytest.raises(TargetError):
            of(f"{first} - {second}")
        target = of(first)
    else:
        target = of(f"{first} - {second}")
    assert target({SCORES: row})[0] == target.of_classes(row)[0]


# --- targets given as objects, and several ------------------------------------------------------------------------


def test_a_target_passes_through_unless_it_is_another_models() -> None:
    target = of("tank - Truck")
    assert make_target(target, LABELS, 8) is target
    for foreign in (of(7), Target(0, "a - b", ((0, 1.0), (7, -1.0)), 7)):
        with pytest.raises(TargetError, match="is that of another model: this one has 3 classes"):
            make_target(foreign, LABELS[:3], 3)


def test_one_target_or_several() -> None:
    target = of("tank")
    assert targets_of(None) == []
    assert targets_of("tank") == ["tank"]
    assert targets_of(target) == [target]
    assert targets_of(np.argmax([1, 3, 2])) == [1]  # type: ignore[arg-type]
    assert targets_of(["tank", 3, target]) == ["tank", 3, target]
    assert targets_of(np.array([2, 0])) == [2, 0]  # type: ignore[arg-type]
    for nothing in (1.5, object(), np.array(2.5)):
        with pytest.raises(TargetError, match="must be a class index or a label, or a list of them"):
            targets_of(nothing)  # type: ignore[arg-type]


def test_find_class_takes_lists_of_labels() -> None:
    assert find_class("b", ["a", "b"]) == 1
