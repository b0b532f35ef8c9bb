"""What a misspelled name may have meant."""

from __future__ import annotations

import pytest

from picasso.core.guessing import did_you_mean, nearest

METHODS = ["gradient-times-input", "grad-cam", "grad-cam-plus-plus", "partial-occlusion", "xrai"]
LABELS = ["tabby, tabby cat", "Egyptian cat", "catamaran", "golden retriever", "screwdriver", "tub, vat"]


@pytest.mark.parametrize("word", ["gradcam", "Grad-Cam", "grad_cam", " GRAD CAM "])
def test_case_and_hyphens_alone_make_no_other_name(word: str) -> None:
    assert nearest(word, METHODS) == ["grad-cam"]


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("grad", METHODS, ["grad-cam", "grad-cam-plus-plus", "gradient-times-input"]),
        ("ocllusion", METHODS, ["partial-occlusion"]),
        ("tabby", LABELS, ["tabby, tabby cat"]),
        ("VAT", LABELS, ["tub, vat"]),
        ("cat", LABELS, ["Egyptian cat", "tabby, tabby cat", "catamaran"]),
        ("retriver", LABELS, ["golden retriever", "screwdriver"]),
        ("egypt", LABELS, ["Egyptian cat"]),
        ("resnet81", ["wide_resnet18", "resnet18"], ["resnet18", "wide_resnet18"]),
        ("nonsense", METHODS, []),
        ("", METHODS, []),
        ("-", METHODS, []),
        ("9" * 5000, METHODS, []),
        ("grad", [], []),
    ],
)
def test_the_likeliest_come_first(word: str, known: list[str], found: list[str]) -> None:
    assert nearest(word, known) == found


def test_it_is_asked_as_a_question() -> None:
    assert did_you_mean("cat", LABELS, " · ") == "Did you mean Egyptian cat · tabby, tabby cat · catamaran?"
    assert did_you_mean("nonsense", LABELS) == ""
