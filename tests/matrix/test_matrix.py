"""Every cell of the page of what works is tried again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.matrix import occlusion, page
from tests.matrix.__main__ import FILE
from tests.matrix.architectures import ABSENT, FRAMEWORKS, NAMES
from tests.matrix.formats import FORMATS, PREPROCESSING
from tests.matrix.trying import try_architecture, try_format

KNOWN: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
SOME = {
    "PyTorch": ("ResNet-18", "SqueezeNet 1.1", "GoogLeNet", "MobileNetV3", "EfficientNet-B0", "U-Net"),
    "ONNX": ("MobileNetV2", "DenseNet121", "InceptionV3", "RegNetX"),
    "Keras": ("MobileNetV2", "SqueezeNet 1.1"),
    "SavedModel": ("MobileNetV2", "U-Net"),
    "JAX (Flax)": ("SqueezeNet 1.1", "ShuffleNetV2", "U-Net"),
}
"""Cells of the table of occlusion that differ most and cost little; the others are tried when the page is drawn."""


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


@pytest.mark.parametrize(("framework", "name"), [(framework, name) for framework in SOME for name in SOME[framework]])
def test_occlusion_is_as_fast_and_exact_as_the_page_says(framework: str, name: str, tmp_path: Path) -> None:
    assert occlusion.try_cell(framework, name, tmp_path) == KNOWN["occlusion"][framework][name]


def test_the_page_is_drawn_from_what_was_found() -> None:
    assert page.PAGE.read_text("utf-8") == page.draw(KNOWN), "run python -m tests.matrix and commit what it writes"
    assert set(KNOWN["formats"]) == set(FORMATS)
    assert set(KNOWN["architectures"]) == set(FRAMEWORKS)
    assert set(KNOWN["occlusion"]) == set(occlusion.FRAMEWORKS)
    assert all(list(row) == list(occlusion.NAMES) for row in KNOWN["occlusion"].values())
    assert not any(word.startswith("wrong") for row in KNOWN["occlusion"].values() for word in row.values())
