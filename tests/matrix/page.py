"""Draws the page of what works from what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "matrix.md"
SIGNS = {"works": "✓", "with trust": "✓ [with trust](../explanation/security.md)", "not offered": "–"}
HEAD = """# What opens, and what it can do

Every cell of this page is tried by the tests: a small network is written by the framework that the format comes
from, opened, and explained. The page is drawn from what came out (`python -m tests.matrix`); where a cell changes, a
test fails.

## Formats

*Contract* is the conformance suite `picasso.testing.check_model`: shapes, batches, gradients against finite
differences, and that the network is left as it was found. "–" is what the format cannot offer: TorchScript refuses
hooks, and of a function or a server only the answers are known.

"""
BETWEEN = """
## Time to open, and memory

One small file of each format, opened twice in a process of its own: the first time with everything that its
framework has to import, then again. The smallest of three processes, on two shared cores without a GPU. Memory is the
growth of the process; nearly all of it is the framework.

"""
LAST = """
## Architectures

Networks with random weights and small inputs, in the frameworks that have them. "✓" means that the layers are shown,
that a default layer for class activation maps was found without being told and has a grid over the picture, and that
Grad-CAM and saliency maps have gradients there. Flax brings no networks of its own, so small ones with the same blocks
stand for them; so does a small ViT in Keras.

"""


def draw(found: dict[str, Any]) -> str:
    """Return the page as Markdown."""
    columns = list(next(iter(found["formats"].values())))
    text = HEAD + _table(["Format", *columns], [[name, *row.values()] for name, row in found["formats"].items()])
    measured = [
        [name, f"{row['first']:.1f} s", f"{row['again']:.2f} s", f"{row['megabytes']} MB"]
        for name, row in found["measure"].items()
    ]
    text += BETWEEN + _table(["Format", "first", "again", "memory"], measured)
    frameworks = found["architectures"]
    names = list(next(iter(frameworks.values())))
    rows = [[name, *(frameworks[framework][name] for framework in frameworks)] for name in names]
    return text + LAST + _table(["", *frameworks], rows)


def write(found: dict[str, Any]) -> None:
    """Write the page."""
    PAGE.write_text(draw(found), "utf-8")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *[[SIGNS.get(cell, cell) for cell in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
