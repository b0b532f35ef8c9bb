"""Draws the page of what works from what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "matrix.md"
SIGNS = {"works": "✓", "with trust": "✓ [with trust](../explanation/security.md)", "not offered": "–", "absent": "–"}
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
ARCHITECTURES = """
## Architectures

Networks with random weights, small inputs and one or two blocks in most stages, built by the libraries that have them.
"✓" means that the layers are shown, that a default layer for class activation maps was found without being told and has
a grid over the picture, and that Grad-CAM and saliency maps have gradients there. Flax brings no networks of its own,
so small ones with the same blocks stand for them; so does a small ViT in Keras.

"""
OCCLUSION = """
## Occlusion

How partial occlusion goes through usual architectures, at full size, with random weights: windows of 32 x 32 pixels, 16
apart, on pictures of 224 x 224. "Exact, 2.4 ×" means that of each layer only what a window can reach is computed again,
that 2.4 times fewer multiplications are done than for whole pictures, and that the scores are the network's own (to
1e-4 of the largest; probabilities to 1e-5). Below 1.25 × the windows reach nearly everything, so that nearly whole maps
are computed; where the network itself does that faster, it runs in a loop. "Loop" alone means that it always does: the
note says why. Squeeze and excitation (EfficientNet, RegNetY, less so MobileNetV3) weighs each channel by its mean over
the whole map, attention (ViT, Swin) looks everywhere, and large kernels or dilated ones one behind the other (NASNet,
DeepLabV3) soon reach the edges. ONNX files are exported by PyTorch, SavedModels by Keras; the networks in Flax are
written by hand, with fewer blocks of InceptionV3 (those with 7 x 1 kernels alone), MobileNetV3, RegNet and Swin.
DeepLabV3 stands on a dilated ResNet-50; it and U-Net are segmenters and asked about the middle of the picture. "–" is
an architecture that was not built in that framework. The tests try some of these cells each time, `python -m
tests.matrix occlusion` all of them.

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
    text += ARCHITECTURES + _table(["", *frameworks], rows)
    return text + OCCLUSION + _occlusion(found["occlusion"])


def write(found: dict[str, Any]) -> None:
    """Write the page."""
    PAGE.write_text(draw(found), "utf-8")


def _occlusion(found: dict[str, dict[str, str]]) -> str:
    """Return the table of occlusion, and a note for each reason of a loop, numbered as they appear."""
    notes: dict[str, int] = {}

    def cell(word: str) -> str:
        kind, _, reason = word.partition(": ")
        return f"{kind} [^{notes.setdefault(reason, len(notes) + 1)}]" if reason else word

    names = list(next(iter(found.values())))
    rows = [[name, *(cell(found[framework][name]) for framework in found)] for name in names]
    lines = [f"[^{number}]: {reason}\n" for reason, number in notes.items()]
    return _table(["", *found], rows) + "\n" + "\n".join(lines)


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *[[SIGNS.get(cell, cell) for cell in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
