"""Which places depend on which: the arithmetic against changing one place after another."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from picasso.core.graph import interpolation
from picasso.engine.regions import Interval, Mixing, Sliding, Spreading, hull, middle

SIDES = st.integers(1, 24)
KERNELS = st.integers(1, 7)
SMALL = st.integers(1, 3)


def changed(matrix: np.ndarray, lo: int, hi: int) -> set[int]:
    """Return the places of the value that depend on places lo..hi of the input."""
    return set(np.flatnonzero(matrix[:, lo:hi].any(axis=1)).tolist())


def sliding(side: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> np.ndarray:
    """Return which place of the value reads which place of the input, (value, input)."""
    eye = functional.pad(torch.eye(side)[:, None], (before, after))
    return functional.conv1d(eye, torch.ones(1, 1, kernel), stride=stride, dilation=dilation)[:, 0].T.numpy()


def spreading(side: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> np.ndarray:
    eye = torch.eye(side)[:, None]
    made = functional.conv_transpose1d(eye, torch.ones(1, 1, kernel), stride=stride, dilation=dilation)[:, 0]
    return functional.pad(made, (-before, -after)).T.numpy()


def interval(draw: st.DataObject, side: int, least: int = 1) -> Interval:
    lo = draw.draw(st.integers(0, side - least))
    return lo, draw.draw(st.integers(lo + least, side))


@settings(max_examples=150, derandomize=True)
@given(data=st.data(), side=SIDES, kernel=KERNELS, stride=SMALL, dilation=SMALL)
def test_sliding_windows(data: st.DataObject, side: int, kernel: int, stride: int, dilation: int) -> None:
    span = (kernel - 1) * dilation + 1
    before, after = (data.draw(st.integers(0, span)) for _ in range(2))
    if side + before + after < span:
        return
    matrix = sliding(side, kernel, stride, dilation, before, after)
    reach = Sliding(kernel, stride, before, dilation)
    lo, hi = interval(data, side)
    first, last = reach.outputs(lo, hi, len(matrix))
    assert 0 <= first < last <= len(matrix)
    assert changed(matrix, lo, hi) <= set(range(first, last))
    if dilation == 1 and stride <= kernel and changed(matrix, lo, hi):  # nothing is lost between windows
        assert changed(matrix, lo, hi) == set(range(first, last))

    begin, end = interval(data, len(matrix))
    start, length = reach.inputs(begin, end - begin)
    read = set(np.flatnonzero(matrix[begin:end].any(axis=0)).tolist())
    assert read <= set(range(start, start + length))
    assert (length - span) // stride + 1 == end - begin


@settings(max_examples=150, derandomize=True)
@given(data=st.data(), side=SIDES, kernel=KERNELS, stride=SMALL, dilation=SMALL)
def test_spreading_kernels(data: st.DataObject, side: int, kernel: int, stride: int, dilation: int) -> None:
    whole = (side - 1) * stride + (kernel - 1) * dilation + 1
    before = data.draw(st.integers(-2, min(3, whole - 1)))
    after = data.draw(st.integers(-2, min(3, whole - 1 - max(0, before))))
    matrix = spreading(side, kernel, stride, dilation, before, after)
    reach = Spreading(kernel, stride, before, dilation)
    lo, hi = interval(data, side)
    first, last = reach.outputs(lo, hi, len(matrix))
    assert 0 <= first < last <= len(matrix)
    assert changed(matrix, lo, hi) <= set(range(first, last))

    begin, end = interval(data, len(matrix))
    start, length = reach.inputs(begin, end - begin)
    read = set(np.flatnonzero(matrix[begin:end].any(axis=0)).tolist())
    assert read <= set(range(start, start + length))


@settings(max_examples=50, derandomize=True)
@given(kernel=KERNELS, stride=SMALL, padding=st.integers(-2, 3), dilation=SMALL, length=st.integers(1, 9))
def test_kernels_spread_from_as_many_places_wherever_a_rectangle_begins(
    kernel: int, stride: int, padding: int, dilation: int, length: int
) -> None:
    reach = Spreading(kernel, stride, padding, dilation)
    starts = np.arange(3, 20)
    first, longest = reach.inputs(starts, length)
    last = (starts + length - 1 + padding) // stride + 1
    assert (last - first <= longest).all()


@settings(max_examples=100, derandomize=True)
@given(data=st.data(), side=SIDES, out=SIDES, kind=st.sampled_from(["linear", "nearest", "holes"]))
def test_mixing_matrices(data: st.DataObject, side: int, out: int, kind: str) -> None:
    match kind:
        case "linear":
            matrix = interpolation(out, side, lambda row: (row + 0.5) * side / out - 0.5)
        case "nearest":
            matrix = interpolation(out, side, lambda row: row * side // out)
        case _:
            # Places of the input that nothing reads, and places of the value that read nothing.
            matrix = np.where(np.random.default_rng(side * out).random((out, side)) < 0.2, 1, 0).astype(np.float32)
    reach = Mixing(matrix)
    lo, hi = interval(data, side)
    first, last = reach.outputs(lo, hi, out)
    assert 0 <= first < last <= out
    assert changed(matrix, lo, hi) <= set(range(first, last))

    begin, end = interval(data, out)
    starts, length = reach.inputs(np.array([begin]), end - begin)
    start = int(starts[0])
    assert 0 <= start < start + length <= side
    assert set(np.flatnonzero(matrix[begin:end].any(axis=0)).tolist()) <= set(range(start, start + length))


def test_a_hull_holds_all() -> None:
    assert hull([(3, 5), (1, 2), (4, 9)]) == (1, 9)


@pytest.mark.parametrize(
    ("whole", "longest", "part"),
    [((2, 10), 4, (4, 8)), ((2, 10), 8, (2, 10)), ((0, 3), 9, (0, 3)), ((5, 8), 1, (6, 7))],
)
def test_the_middle_is_no_longer_than_it_may_be(whole: Interval, longest: int, part: Interval) -> None:
    assert middle(whole, longest) == part
