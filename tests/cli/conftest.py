"""A folder with a small network, pictures and nothing else, and a way to type commands in it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from picasso.cli import app

NETWORK = '''
"""A network that anybody can make again."""

import torch


def make():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(8, 4, 3),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 3),
    )
'''
MODEL = '''
"""A model without any framework: the brightness of the picture's left and right half."""

import numpy as np

from picasso.plugin import ModelFile, Preprocessing


class Halves(ModelFile):
    labels = ("left", "right")
    preprocessing = Preprocessing(size=(24, 32))

    def load(self):
        return lambda x: np.stack([x[:, :, :16].mean(axis=(1, 2, 3)), x[:, :, 16:].mean(axis=(1, 2, 3))], axis=1) * 9
'''
HALVES = "halves.py:Halves"
BARE = '''
"""A model that declares no preprocessing."""

from picasso.plugin import ModelFile


class Bare(ModelFile):
    def load(self):
        return lambda x: x.mean(axis=(1, 2))
'''


@dataclass(frozen=True)
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Shell = Callable[..., Answer]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Type a command in a folder of its own, which holds halves.py, net.py, photo.png and a folder photos."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "halves.py").write_text(MODEL, "utf-8")
    (tmp_path / "net.py").write_text(NETWORK, "utf-8")
    random = np.random.default_rng(0)
    for name in ("photo.png", "photos/a.png", "photos/b.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(random.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(tmp_path / name)

    def run(*words: str, input: str | None = None) -> Answer:
        result = CliRunner().invoke(app, list(words), input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)

    return run


def files_in(folder: Path) -> Sequence[str]:
    """The files below a folder, sorted."""
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())
