"""One tree of errors, each with a code of its own, that survives the way between two processes."""

from __future__ import annotations

import pickle
import re

import pytest

from picasso.core import errors
from picasso.core.errors import PicassoError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PicassoError)]


def test_every_kind_has_a_code_of_its_own_and_is_found_by_it() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(KINDS) > 15
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
    known = errors.by_code()
    assert all(known[kind.code] is kind for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_is_the_same_after_a_journey(kind: type[PicassoError]) -> None:
    error = kind("window must be at least 1 pixel. Got 0.", "Give a larger window.")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.message, again.hint, again.code) == (error.message, error.hint, kind.code)
    assert str(again) == "window must be at least 1 pixel. Got 0. Give a larger window."
    assert str(kind("No hint.")) == "No hint."
