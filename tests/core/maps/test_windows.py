"""Windows from coarse to fine: what is run, what lies between, and what pixels get."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picasso.core.maps.windows import Found, Windows, coarse_to_fine

Array = np.ndarray


def grid(rows: int, columns: int) -> Windows:
    boxes = [(row, column, 1, 1) for row in range(rows) for column in range(columns)]
    return Windows(np.array(boxes, np.int64), rows, columns)


def followed(scores: Array, least: float) -> tuple[list[Found], list[int]]:
    """Run `coarse_to_fine` over known scores (rows, columns, classes); return what it yields, and what it ran."""
    flat, ran = scores.reshape(-1, scores.shape[-1]), list[int]()

    def score(numbers: Array) -> Array:
        ran.extend(numbers.tolist())
        return flat[numbers]

    return list(coarse_to_fine(grid(*scores.shape[:2]), score, lambda some: some, least)), ran


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=st.integers(1, 14), columns=st.integers(1, 14), seed=st.integers(0, 99))
def test_everything_is_run_once_where_nothing_may_be_left_out(rows: int, columns: int, seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(rows, columns, 3)).astype(np.float32)
    found, ran = followed(scores, 0.0)
    assert sorted(ran) == list(range(rows * columns))
    assert found[-1].run.all()
    np.testing.assert_array_equal(found[-1].scores, scores.reshape(-1, 3))
    first = found[0]
    np.testing.assert_allclose(first.scores[first.run], scores.reshape(-1, 3)[first.run], rtol=1e-6)
    assert np.isfinite(first.scores).all()
    assert first.run.reshape(rows, columns)[[0, 0, -1, -1], [0, -1, 0, -1]].all()


def test_a_plane_is_interpolated_exactly() -> None:
    row, column = np.mgrid[:9, :11]
    plane = np.stack([2 * row - column + 1, row * column], axis=-1).astype(np.float32)
    found, _ = followed(plane, 0.0)
    assert found[0].run.sum() == 3 * 4
    np.testing.assert_allclose(found[0].scores, plane.reshape(-1, 2), atol=1e-4)


def test_between_flat_windows_none_is_run() -> None:
    scores = np.zeros((13, 13, 1), np.float32)
    scores[:5, :5] = 1
    found, ran = followed(scores, 0.2)
    run = found[-1].run.reshape(13, 13)
    assert len(ran) == run.sum() == len(set(ran))
    assert run[5, :6].all()
    assert run[:6, 5].all()
    assert run[9:, 9:].sum() == 1
    # The edge lies between windows that were run, so nothing is wrong here.
    np.testing.assert_allclose(found[-1].scores.reshape(13, 13, 1), scores, atol=1e-6)


def test_what_was_taken_for_a_window_is_kept_when_it_is_run_after_all() -> None:
    scores = np.zeros((5, 5, 1), np.float32)
    scores[0, 0], scores[2, 2] = 1, 7
    found, _ = followed(scores, 0.01)
    center = 2 * 5 + 2
    assert found[-1].run[center]
    assert found[-1].scores[center] == 7
    assert found[-1].guessed[center] == pytest.approx(0.25)


def test_pixels_get_the_mean_of_the_windows_over_them() -> None:
    windows = Windows(np.array([(0, 0, 2, 2), (1, 1, 2, 2)], np.int64), 1, 2)
    values = windows.spread(np.array([1.0, 3.0], np.float32), (4, 3))
    expected = np.array([[1, 1, np.nan], [1, 2, 3], [np.nan, 3, 3], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(values, expected.astype(np.float32))
