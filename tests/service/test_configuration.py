"""picasso.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from picasso.core.errors import ConfigurationError
from picasso.service.configuration import (
    DEMO_MODELS,
    Configuration,
    ModelSpecification,
    is_loopback,
    read_configuration,
)


def test_a_file_with_everything(tmp_path: Path) -> None:
    (tmp_path / "net.py").touch()
    (tmp_path / "weights.pt").touch()
    (tmp_path / "labels.txt").touch()
    file = tmp_path / "picasso.toml"
    file.write_text(
        """
        port = 9000
        data = "kept"
        plugins = "mine"
        warm = 3
        allow_add = true
        token = "a-long-secret"

        [[model]]
        name = "tanks"
        source = "weights.pt"
        factory = "net.py:make"
        labels = "labels.txt"
        head = "softmax"
        device = "cpu"
        batch_size = 8
        preprocessing = { size = 64, mean = [0.5, 0.5, 0.5] }

        [[model]]
        source = "net.py:Tank"

        [[samples]]
        model = "tanks"
        folder = "pictures"
        """,
        "utf-8",
    )
    read = read_configuration(file, port=9001, host=None, models=[ModelSpecification(source="demo:digits")])
    assert (read.port, read.host, read.warm, read.allow_add) == (9001, "127.0.0.1", 3, True)
    assert read.data == tmp_path / "kept"
    assert read.plugins == (tmp_path / "mine",)
    assert read.samples[0].folder == tmp_path / "pictures"
    tanks, tank, digits = read.all_models()
    assert tanks.source == str(tmp_path / "weights.pt")
    assert tanks.factory == f"{tmp_path / 'net.py'}:make"
    assert tanks.labels == str(tmp_path / "labels.txt")
    assert tanks.preprocessing is not None
    assert tanks.preprocessing.size == 64
    assert (tank.known_as(), tank.source) == ("Tank", f"{tmp_path / 'net.py'}:Tank")
    assert digits.known_as() == "demo:digits"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("port = ", "not valid TOML"),
        ("prot = 1", "no option 'prot'"),
        ("port = 70000", "less than or equal to 65535. Got 70000"),
        ('[[model]]\nname = "x"', "model"),
        ('[[model]]\nsource = "x"\nname = "a/b"', "name"),
        ('[[model]]\nsource = "x"\nhead = "relu"', "head"),
        ('[[model]]\nsource = "x"\npreprocessing = { size = 0 }', "size"),
        ('[[model]]\nsource = "a/x.pt"\n[[model]]\nsource = "b/x.pt"', "Two models are called 'x'"),
        ('host = "0.0.0.0"', "Set a token"),
        ('token = "short"', "token"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "picasso.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=says):
        read_configuration(file).check()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("prot = 1", "Did you mean port?"),
        ('[[dataset]]\npath = "x"', "Did you mean datasets?"),
        ('[[modell]]\nsource = "x"', "Did you mean model?"),
        ('[[model]]\nsource = "x"\nlabel = "y"', "Did you mean labels?"),
        ('[[model]]\nsource = "x"\npreprocessing = { scales = 1 }', "Did you mean scale?"),
        ("weather = 1", "Correct it and start again."),
    ],
)
def test_an_option_that_is_spelled_nearly_so_is_offered(tmp_path: Path, text: str, hint: str) -> None:
    file = tmp_path / "picasso.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match="there is no option") as raised:
        read_configuration(file)
    assert raised.value.hint == hint


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_configuration(tmp_path / "picasso.toml")


def test_the_demo_adds_its_models_once() -> None:
    listed = Configuration(models=(ModelSpecification(source="demo:digits"),), demo=True).all_models()
    assert [model.known_as() for model in listed] == [
        "demo:digits",
        *(name for name in DEMO_MODELS if name != "demo:digits"),
    ]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("x.org", False),
    ],
)
def test_which_addresses_are_this_computers_own(host: str, own: bool) -> None:
    assert is_loopback(host) == own
