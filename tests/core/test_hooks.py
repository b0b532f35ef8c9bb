"""Heads in closed form, and the order in which predictions come."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from picasso.core.errors import ModelFileError
from picasso.core.hooks import Head, ModelFile, Prediction, number_labels, to_probabilities

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


def row(*values: float) -> np.ndarray:
    return np.array([values], np.float32)


# --- heads --------------------------------------------------------------------------------------------------------


@given(st_numpy.arrays(np.float32, (3, 5), elements=st.floats(-80, 80, width=32)))
@settings(deadline=None)
def test_softmax_is_its_closed_form(scores: np.ndarray) -> None:
    expected = np.array([1 / math.fsum(math.exp(b - a) for b in one) for one in scores.tolist() for a in one])
    values = to_probabilities(scores, Head.SOFTMAX)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values.ravel(), expected, rtol=1e-6, atol=1e-38)


@given(st_numpy.arrays(np.float32, (2, 4), elements=FLOATS))
@settings(deadline=None)
def test_softmax_never_overflows_and_sums_to_one(scores: np.ndarray) -> None:
    values = to_probabilities(scores, Head.SOFTMAX)
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values.sum(1), 1, atol=1e-6)
    np.testing.assert_array_equal(values.argmax(1), [list(r).index(max(r)) for r in values.tolist()])
    assert (values.max(1) == np.take_along_axis(values, scores.argmax(1)[:, None], 1)[:, 0]).all()


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(to_probabilities(row(0, math.log(3)), Head.SOFTMAX), row(0.25, 0.75), atol=1e-7)
    np.testing.assert_allclose(to_probabilities(row(1e30, 1e30, -1e30), Head.SOFTMAX), row(0.5, 0.5, 0))
    np.testing.assert_allclose(to_probabilities(row(-800), Head.SOFTMAX), row(1))


@given(st.floats(-700, 700, width=32))
@settings(deadline=None)
def test_sigmoid_is_its_closed_form_on_both_sides(score: float) -> None:
    value = float(to_probabilities(row(score), Head.SIGMOID)[0, 0])
    assert value == pytest.approx(1 / (1 + math.exp(-score)), rel=1e-6, abs=1e-38)


@given(st_numpy.arrays(np.float32, 6, elements=FLOATS))
@settings(deadline=None)
def test_sigmoid_never_overflows_and_is_symmetric(scores: np.ndarray) -> None:
    values = to_probabilities(scores, Head.SIGMOID)
    assert ((values >= 0) & (values <= 1)).all()
    np.testing.assert_allclose(values + to_probabilities(-scores, Head.SIGMOID), 1, atol=1e-6)


def test_sigmoid_is_each_class_for_itself_and_none_is_nothing() -> None:
    scores = row(0, math.log(3), -math.log(3))
    np.testing.assert_allclose(to_probabilities(scores, Head.SIGMOID), row(0.5, 0.75, 0.25), atol=1e-7)
    assert to_probabilities(scores, Head.NONE) is scores


@pytest.mark.parametrize("shape", [(4,), (2, 4), (3, 2, 4)])
def test_a_head_works_on_the_last_axis(shape: tuple[int, ...]) -> None:
    scores = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values = to_probabilities(scores, Head.SOFTMAX)
    assert values.shape == shape
    np.testing.assert_allclose(values.sum(-1), 1, atol=1e-6)


# --- decode_prob --------------------------------------------------------------------------------------------------


def decoded(scores: np.ndarray, labels: object, head: Head | None) -> list[list[Prediction]]:
    hooks = ModelFile()
    hooks.labels, hooks.head = labels, head  # type: ignore[assignment]
    return hooks.decode_prob(scores)


def test_the_best_class_comes_first_and_equal_ones_in_their_order() -> None:
    scores = np.array([[0, 2, 1, 2], [5, 5, 5, 5], [3, 2, 1, 0]], np.float32)
    found = decoded(scores, ("a", "b", "c", "d"), Head.NONE)
    assert [[p.label for p in one] for one in found] == [list("bdca"), list("abcd"), list("abcd")]
    assert [[p.index for p in one] for one in found] == [[1, 3, 2, 0], [0, 1, 2, 3], [0, 1, 2, 3]]
    assert [p.probability for p in found[0]] == [2, 2, 1, 0]
    many = np.zeros((1, 60), np.float32)
    many[0, 30] = 1
    assert [p.index for p in decoded(many, None, Head.NONE)[0]] == [30, *range(30), *range(31, 60)]
    assert all(type(p.index) is int and type(p.probability) is float for one in found for p in one)


@pytest.mark.parametrize("head", [Head.SOFTMAX, Head.SIGMOID, Head.NONE])
def test_probabilities_are_the_heads(head: Head) -> None:
    scores = np.random.default_rng(1).normal(size=(3, 6)).astype(np.float32)
    values = to_probabilities(scores, head)
    for one, row_of_values in zip(decoded(scores, None, head), values, strict=True):
        assert [p.probability for p in one] == sorted(row_of_values.tolist(), reverse=True)
        assert all(p.probability == row_of_values[p.index] for p in one)


def test_without_labels_or_head_classes_are_numbered_and_softmax_is_taken() -> None:
    first = decoded(row(0, math.log(3)), None, None)[0]
    assert [(p.label, round(p.probability, 6)) for p in first] == [("class 1", 0.75), ("class 0", 0.25)]
    assert decoded(row(0, 1), "labels.txt", None)[0][0].label == "class 1"  # a file that nobody has read yet
    assert number_labels(3) == ("class 0", "class 1", "class 2")


def test_load_must_be_overridden() -> None:
    class Mine(ModelFile):
        pass

    with pytest.raises(ModelFileError, match=r"^Mine must override load\(\)\.$"):
        Mine().load()


def test_an_activation_is_an_image_by_default() -> None:
    activation = np.zeros((2, 3, 4, 5), np.float32)
    assert ModelFile().postprocess(activation) is activation
