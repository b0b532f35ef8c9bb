"""`picasso serve`, `picasso demo`, and pictures for trying out."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from picasso.core.errors import ConfigurationError
from picasso.service.configuration import DEMO_MODELS
from picasso.shell import serving
from tests.cli.conftest import HALVES, Shell


@contextmanager
def running(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server; give the process and its address."""
    environment = os.environ | {"PICASSO_HOME": str(folder / "home")}
    command = [sys.executable, "-c", "from picasso.cli import app; app()", *words]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().removeprefix("Picasso is at ").strip()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_serve_answers_and_ends_with_an_interrupt(shell: Shell, tmp_path: Path) -> None:
    words = ("--model", f"halves={HALVES}", "--dataset", "sky=demo:tanks", "--dataset", "demo:tanks-honest")
    with running(tmp_path, "serve", *words, "--port", "0") as (process, address):
        for noun, name in (("models", "halves"), ("datasets", "sky"), ("datasets", "demo:tanks-honest")):
            with urllib.request.urlopen(f"{address}api/v1/{noun}", timeout=30) as answer:
                assert f'"{name}"' in answer.read().decode()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0  # that is how a server is ended, no failure


def test_a_project_is_its_picasso_toml_and_the_options(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "picasso.toml").write_text('port = 9000\n[[model]]\nsource = "halves.py:Halves"\n', "utf-8")
    configuration = serving.project(None, ["demo:digits", "two=halves.py:Halves"], host=None, port=9100)
    assert configuration.port == 9100
    assert configuration.host == "127.0.0.1"
    assert [model.known_as() for model in configuration.models] == ["Halves", "demo:digits", "two"]
    assert serving.project(tmp_path / "picasso.toml", []).port == 9000


@pytest.mark.parametrize(
    ("word", "name", "path"),
    [
        ("pictures/meadows", "meadows", "pictures/meadows"),
        ("mine=pictures/meadows.zip", "mine", "pictures/meadows.zip"),
        ("demo:tanks", "demo:tanks", "demo:tanks"),
        ("sky=demo:tanks", "sky", "demo:tanks"),
    ],
)
def test_a_data_set_may_be_given_a_name(word: str, name: str, path: str) -> None:
    found = serving.dataset_specification(word)
    assert (found.known_as(), found.path) == (name, path)


def test_a_data_set_without_a_path_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--dataset takes PATH or NAME=PATH"):
        serving.dataset_specification("name=")


@pytest.mark.parametrize(
    ("word", "name", "source"),
    [
        ("net.keras", "net", "net.keras"),
        ("mine=net.keras", "mine", "net.keras"),
        ("demo:digits", "demo:digits", "demo:digits"),
        ("runs/lr=3/net.pt", "net", "runs/lr=3/net.pt"),
    ],
)
def test_a_model_is_a_source_or_a_name_and_a_source(word: str, name: str, source: str) -> None:
    found = serving.specification(word)
    assert (found.known_as(), found.source) == (name, source)


def test_what_is_no_file_of_ones_own_is_left_to_who_opens_it(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "model.ckpt.index").touch()
    words = ["model.ckpt", "timm:resnet18", "hf:google/vit", "http://here:8000/v2/models/net", "zoo:net.v2"]
    assert [model.source for model in serving.project(None, words).models] == words
    with pytest.raises(ConfigurationError, match=r"^There is no file nothere.onnx\. Check the path after --model\.$"):
        serving.project(None, ["nothere.onnx"])


def test_a_model_needs_a_source() -> None:
    with pytest.raises(ConfigurationError, match="takes SOURCE or NAME=SOURCE"):
        serving.specification("name=")


@pytest.mark.parametrize(
    "words",
    [
        ["--host", "0.0.0.0"],
        ["--token", "short"],
        ["--config", "nothing.toml"],
        ["--model", f"a={HALVES}", "--model", "a=demo:digits"],
        ["--model", "nothere.onnx"],
        ["--model", "mine=nothere.py:Net"],
        ["--model", "folder/nothere"],
    ],
)
def test_what_cannot_be_served_ends_with_2(shell: Shell, words: list[str]) -> None:
    answer = shell("serve", *words)
    assert answer.code == 2
    assert "(bad-configuration)" in answer.err


def test_the_demo_offers_its_models_with_pictures() -> None:
    configuration = serving.demonstration(0)
    assert [model.known_as() for model in configuration.all_models()] == list(DEMO_MODELS)
    for sample in configuration.samples:
        assert list(sample.folder.glob("*.*")), sample.model


def test_the_demo_says_what_it_needs(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = shell("demo", "--no-open")
    assert answer.code == 3
    assert "pip install 'picasso[torch]'" in answer.err


def test_new_pictures_need_a_folder(shell: Shell) -> None:
    answer = shell("new", "pictures", "photo.png")
    assert (answer.code, "photo.png is a file. Name a folder" in answer.err) == (2, True)


def test_new_pictures_are_drawn(shell: Shell, tmp_path: Path) -> None:
    assert shell("new", "pictures", "scenes", "--count", "2").code == 0
    with Image.open(tmp_path / "scenes/tank/0000.png") as picture:
        assert picture.width > 100
    assert (tmp_path / "scenes/decoy/0001.png").is_file()
