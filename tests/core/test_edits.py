"""An edit as data: its regions, what it makes of an input, and everything that is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from picasso.core import edits
from picasso.core.edits import Edit, Paint
from picasso.core.errors import EditError

X = np.arange(4 * 6 * 2, dtype=np.float32).reshape(4, 6, 2)


def absent(fill: str) -> Any:
    return np.full_like(X, {"grey": -1, "black": -2}[fill])


def test_a_fill_and_a_clone_by_hand() -> None:
    edit = Edit(4, 6, (Paint("grey", (0, 2, 7, 1)), Paint("clone", (12, 3), right=1, down=-2)))
    found = edit.apply(X, absent)
    expected = X.copy()
    expected[0, 0:2] = expected[1, 1] = -1
    expected[2, 0:3] = X[0, 1:4]
    np.testing.assert_array_equal(found, expected)
    assert edit.painted.sum() == 6


def test_a_clone_copies_the_unpainted_picture_and_the_later_paint_holds() -> None:
    edit = Edit(4, 6, (Paint("black", (0, 6)), Paint("clone", (6, 6), down=-1), Paint("grey", (6, 1))))
    found = edit.apply(X, absent)
    np.testing.assert_array_equal(found[1, 1:], X[0, 1:])
    assert (found[1, 0] == -1).all()


def test_the_input_itself_is_left_alone() -> None:
    before = X.copy()
    Edit(4, 6, (Paint("grey", (0, 24)),)).apply(X, absent)
    np.testing.assert_array_equal(X, before)


@given(st.lists(st.booleans(), min_size=24, max_size=24))
def test_runs_are_the_region_that_they_were_made_of(mask: list[bool]) -> None:
    runs: list[int] = []
    for place, on in enumerate(mask):
        if on and runs and sum(runs[-2:]) == place:
            runs[-1] += 1
        elif on:
            runs += [place, 1]
    edit = Edit(4, 6, (Paint("grey", tuple(runs)),))
    np.testing.assert_array_equal(edit.painted.ravel(), mask)


@pytest.mark.parametrize(
    ("height", "width", "paints", "says"),
    [
        (0, 6, (), "sides"),
        (4, 9000, (), "sides"),
        (4, 6, (Paint("grey", (0,)),), "pairs"),
        (4, 6, (Paint("grey", (0, 0)),), "at least one pixel"),
        (4, 6, (Paint("grey", (-1, 2)),), "within the 24 pixels"),
        (4, 6, (Paint("grey", (20, 5)),), "within the 24 pixels"),
        (4, 6, (Paint("grey", (0, 10**30)),), "within the 24 pixels"),
        (4, 6, (Paint("grey", (3, 2, 4, 1)),), "without overlap"),
        (4, 6, (Paint("grey", (9, 1, 4, 1)),), "in their order"),
        (4, 6, (Paint("grey", (0, 1), right=1),), "belong to fill=clone"),
        (4, 6, (Paint("clone", (0, 1), right=6),), "within the picture"),
        (4, 6, (Paint("grey", (0, 1)),) * 256, "255 paints"),
    ],
)
def test_what_is_impossible_is_refused(height: int, width: int, paints: tuple[Paint, ...], says: str) -> None:
    with pytest.raises(EditError, match=says):
        Edit(height, width, paints)


def test_too_many_runs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edits, "MOST_RUNS", 3)
    with pytest.raises(EditError, match="at most 3 runs"):
        Edit(4, 6, (Paint("grey", (0, 1, 2, 1)), Paint("black", (4, 1, 6, 1))))


def test_an_edit_that_does_not_fit_the_input_is_refused() -> None:
    with pytest.raises(EditError, match=r"reads 6 x 4 pixels\. Got an edit of 4 x 6"):
        Edit(6, 4).apply(X, absent)
    with pytest.raises(EditError, match="beyond the edge"):
        Edit(4, 6, (Paint("clone", (0, 1), down=-1),)).apply(X, absent)
