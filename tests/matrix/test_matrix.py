"""Every cell of the page of what works is tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.matrix import page
from tests.matrix.__main__ import FILE
from tests.matrix.architectures import ABSENT, FRAMEWORKS, NAMES
from tests.matrix.formats import FORMATS, PREPROCESSING
from tests.matrix.trying import try_architecture, try_format

KNOWN: dict[str, Any] = json.loads(FILE.read_text("utf-8"))


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_does_what_the_page_says(name: str, tmp_path: Path) -> None:
    case = FORMATS[name](tmp_path)
    try:
        assert try_format(case, PREPROCESSING) == KNOWN["formats"][name]
    finally:
        case.close()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_does_what_the_page_says(name: str, framework: str, tmp_path: Path) -> None:
    absent = ABSENT.get((name, framework))
    found = absent or try_architecture(FRAMEWORKS[framework](name, tmp_path))
    assert found == KNOWN["architectures"][framework][name]


def test_the_page_is_drawn_from_what_was_found() -> None:
    assert page.PAGE.read_text("utf-8") == page.draw(KNOWN), "run python -m tests.matrix and commit what it writes"
    assert set(KNOWN["formats"]) == set(FORMATS)
    assert set(KNOWN["architectures"]) == set(FRAMEWORKS)
