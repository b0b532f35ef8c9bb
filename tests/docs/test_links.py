"""Links between files of the source lead somewhere; those between pages are checked when the documentation is built."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name: str) -> None:
    found = _LINK.findall((ROOT / name).read_text("utf-8"))
    assert [link for link in found if not (ROOT / link).exists()] == []


def test_every_page_is_in_a_table_of_contents() -> None:
    docs = ROOT / "docs"
    listed = "\n".join(path.read_text("utf-8") for path in docs.rglob("index.md"))
    for page in docs.rglob("*.md"):
        if page.name != "index.md" and "_build" not in page.parts and "_generated" not in page.parts:
            assert re.search(rf"^(\.\./)?{page.stem}$", listed, re.MULTILINE), page
