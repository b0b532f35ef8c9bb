"""Names of models with a scheme, and what they are called."""

import pytest

from picasso.core.names import called, path_parts, scheme_of


@pytest.mark.parametrize(
    ("source", "scheme", "name"),
    [
        ("demo:tank-proxy", "demo", "demo:tank-proxy"),
        ("timm:resnet18.a1_in1k", "timm", "timm:resnet18.a1_in1k"),
        ("hf:google/vit-base-patch16-224", "hf", "vit-base-patch16-224"),
        ("hf:./my-checkpoint/", "hf", "my-checkpoint"),
        (r"hf:C:\models\mine", "hf", "mine"),
        ("hf:..", "hf", "hf:.."),
        ("http://here:8000/v2/models/net", "http", "net"),
        ("https://here/v2/models/net/", "https", "net"),
    ],
)
def test_a_scheme_names_the_maker(source: str, scheme: str, name: str) -> None:
    assert scheme_of(source) == scheme
    assert called(source) == name


@pytest.mark.parametrize("source", ["model.pt", "net.py:Net", "timm:", r"C:\model.pt", ""])
def test_other_sources_have_none(source: str) -> None:
    assert scheme_of(source) == ""


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("models/net.py:Net", ("", "models/net.py", ":Net")),
        ("hf:./mine", ("hf:", "./mine", "")),
        ("timm:resnet18", ("timm:resnet18", "", "")),
        ("http://here/net.py", ("http://here/net.py", "", "")),
        ("a/model.pt", ("", "a/model.pt", "")),
        ("net.py", ("", "net.py", "")),
    ],
)
def test_a_source_may_hold_a_path(source: str, parts: tuple[str, str, str]) -> None:
    assert path_parts(source) == parts
    assert "".join(parts) == source
