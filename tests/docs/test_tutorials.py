"""What the pages say is done, in order, in an empty folder: code runs, commands succeed, output is as shown."""

from pathlib import Path

import pytest

from tests.docs.blocks import Reader, blocks, compare, folder_of_its_own

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in (ROOT / "README.md", *(ROOT / "docs/tutorials").glob("*.md"), *(ROOT / "docs/how-to").glob("*.md"))
    if path.name != "contribute.md"  # it includes CONTRIBUTING.md, whose code is a fragment
)
REASONS = ("starts a server", "needs a Keras file", "depends on the shell", "installs", "takes minutes")


def test_there_are_pages() -> None:
    assert {"first-map.md", "your-own-visualization.md", "README.md"} <= {page.name for page in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    reader = Reader(page.name)
    with folder_of_its_own(tmp_path):
        for block in blocks(page.read_text("utf-8")):
            if block.skip:
                assert block.skip in REASONS
            else:
                reader.do(block)


def test_the_comparison_means_something() -> None:
    compare("a  b\nc 12\n", ["a b", "..."], "here")
    with pytest.raises(AssertionError, match="here"):
        compare("a b c", ["a ... d"], "here")


def test_blocks_are_found() -> None:
    page = "# Page\n```python\nx = 1\n```\n<!-- not run: installs -->\n```console\n$ a\n```\n```{note}\nno\n```\n"
    found = list(blocks(page + "```{code-block} toml\n:caption: a.toml\nb = 1\n```\n"))
    assert [(block.language, block.caption, block.skip) for block in found] == [
        ("python", "", ""),
        ("console", "", "installs"),
        ("toml", "a.toml", ""),
    ]
