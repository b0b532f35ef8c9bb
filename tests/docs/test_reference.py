"""The reference is as the code is."""

import importlib.util
from pathlib import Path

import pytest

from picasso.core import registry
from picasso.core.visualization import AttributionMethod, Family

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: dict[str, str] = module.pages()
    return made


def test_every_page_is_as_the_code_is(pages: dict[str, str]) -> None:
    stale = [
        name
        for name, text in pages.items()
        if not (DOCS / "reference" / name).is_file() or (DOCS / "reference" / name).read_text("utf-8") != text
    ]
    assert not stale, f"Run python docs/make_reference.py and commit what it writes. Behind the code: {stale}"


def test_every_map_has_its_picture_but_those_of_transformers() -> None:
    shown = {path.stem for path in (DOCS / "images" / "methods").glob("*.webp")}
    kinds = {name: entry.load() for name, entry in registry.visualizations([]).items()}
    maps = {name for name, kind in kinds.items() if issubclass(kind, AttributionMethod)}
    transformers = {name for name, kind in kinds.items() if kind.family is Family.TRANSFORMERS}
    made = {"decoding", "feature-visualization", "fooling", "inversion"}
    pictures = {"segmentation-mask", "detected-boxes", "activations", "filters", "top-examples", "embedding"} | made
    assert shown == maps - transformers | pictures
    drawn = {path.stem for path in (DOCS / "images" / "methods").glob("*.svg")}
    assert drawn == {"architecture", "errors", "transformations", "where-information"}


def test_what_must_be_there_is_there(pages: dict[str, str]) -> None:
    for word in ("`partial-occlusion`", "`--window`", "20%", "change in logit", "arXiv:1311.2901"):
        assert word in pages["visualizations.md"]
    for row in ("| `--most` | whole number >= 0, <= 100000 | 0 |", "| `--keep-negative` | on or off | off |"):
        assert row in pages["visualizations.md"]  # a number is no switch, though 0 equals False
    for word in ("## picasso explain", "`--with VISUALIZATION`", "## picasso new visualization"):
        assert word in pages["command-line.md"]
    for word in ("`bands`", "`band-top`", "what surrounds the object", "Needs: object", "## Erasure"):
        assert word in pages["interventions.md"]
    for word in ("`LEAST_PICTURES` | 64", "`ALPHA` | 0.01", "`SCREEN` | 0.333"):
        assert word in pages["thresholds.md"]
    for word in ("`bad-picture`", "`unsafe-model`", "`forbidden`"):
        assert word in pages["errors.md"]
    assert "`POST /api/v1/jobs`" in pages["http-api.md"]
    assert "`allow_add`" in pages["configuration.md"]


def test_the_readme_lists_every_visualization() -> None:
    from picasso.core import registry

    text = (DOCS.parent / "README.md").read_text("utf-8")
    for name, entry in registry.visualizations([]).items():
        assert entry.origin != "built-in" or f"| `{name}` |" in text


def test_every_intervention_and_every_threshold_has_its_place(pages: dict[str, str]) -> None:
    from picasso.auditing import thresholds

    for name, entry in registry.interventions([]).items():
        assert f"\n`{name}`. {(entry.load().__doc__ or '').split('.')[0].split()[0]}" in pages["interventions.md"]
    for name in vars(thresholds):
        if name.isupper():
            assert f"| `{name}` |" in pages["thresholds.md"]
