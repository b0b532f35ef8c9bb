"""Which sources name a network of a library."""

from __future__ import annotations

from pathlib import Path

import pytest

from picasso.core import registry
from picasso.core.errors import MissingExtraError
from picasso.core.opening import load_model
from picasso.models.hub import made as hub_made
from picasso.models.hub import opener as hub


@pytest.mark.parametrize("source", ["keras:VGG16", "timm:resnet18", "torchvision:vit.pt", "hf:google/vit.keras"])
def test_a_scheme_is_claimed_before_any_ending(source: str) -> None:
    first = next(module for module in registry.openers() if module.claims(source))
    assert first is hub


@pytest.mark.parametrize("source", ["demo:digits", "model.pt", "timm:", "other:resnet18", "", "a\0b", 5])
def test_other_sources_are_not_claimed(source: object) -> None:
    assert not hub.claims(source)


@pytest.mark.parametrize(
    ("text", "claimed"),
    [('{"architectures": ["ViT"]}', True), ('{"model": 1}', False), ("[1]", False), ("{", False), ("[" * 9999, False)],
)
def test_a_folder_is_claimed_by_what_its_config_says(text: str, claimed: bool, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    assert hub.claims(str(tmp_path)) is claimed


@pytest.mark.parametrize("source", ["timm:resnet18", "torchvision:resnet18", "hf:google/vit"])
def test_a_missing_library_names_the_extra(source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_made.importlib.util, "find_spec", lambda name: None if name != "torch" else name)
    with pytest.raises(MissingExtraError, match=r"is not installed. Run pip install 'picasso\[hub\]'."):
        load_model(source)


def test_suggestions_do_not_mind_the_case() -> None:
    error = hub_made.unknown("keras:vgg61", "vgg61", ["VGG16", "ResNet50"], "keras.applications")
    assert error.hint == "Did you mean keras:VGG16?"
