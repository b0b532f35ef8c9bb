"""`picasso inspect --samples`: the usual preprocessings, tried on pictures of one's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from picasso.shell import inspecting
from tests.cli.conftest import Shell

# Bright and dark, told apart in 0..255; in 0..1 everything is dark.
SCALES = """
import numpy as np

from picasso.plugin import ModelFile, Preprocessing


class Scales(ModelFile):
    labels = ("dark", "bright")
    preprocessing = Preprocessing(size=8)
    head = "softmax"

    def load(self):
        return lambda x: np.stack([120 - x.mean(axis=(1, 2, 3)), x.mean(axis=(1, 2, 3)) - 120], axis=1) / 9


class Right(Scales):
    preprocessing = Preprocessing(size=8, scale=1)
"""


@pytest.fixture
def folder(shell: Shell) -> Path:
    here = Path.cwd()
    (here / "scales.py").write_text(SCALES, "utf-8")
    random = np.random.default_rng(0)
    for index in range(12):
        label, level = ("dark", 60) if index % 2 else ("bright", 190)
        file = here / "samples" / label / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(level - 50, level + 50, (9, 11, 3), dtype=np.uint8)).save(file)
    return here


def test_labelled_samples_prove_a_wrong_preprocessing(shell: Shell, folder: Path) -> None:
    answer = shell("inspect", "scales.py:Scales", "--samples", "samples")
    assert answer.code == 0
    for words in (
        "Preprocessing, tried on 12 pictures, 12 of them labelled",
        "in use",
        "fits best",
        "Warning: The declared preprocessing (0..1) is wrong: 50% right, and 100% under 0..255.",
        "To use it: --color rgb --scale 1 --mean 0 --std 1",
    ):
        assert words in answer.out
    flags = inspecting.flags({"color": "bgr", "scale": 1 / 127.5, "mean": [1.0], "std": [0.5, 1, 2]})
    assert flags == "--color bgr --scale 1/127.5 --mean 1 --std 0.5,1,2"


def test_the_options_that_are_named_open_it_rightly(shell: Shell, folder: Path) -> None:
    words = ("--color", "rgb", "--scale", "1", "--mean", "0", "--std", "1")
    found = shell("inspect", "scales.py:Scales", "--samples", "samples", "--json", *words).json["samples"]
    assert found["used"] == found["best"] == "0..255"
    assert found["warning"] == ""


def test_without_labels_it_only_looks_wrong(shell: Shell, folder: Path) -> None:
    for file in list((folder / "samples").rglob("*.png")):
        (folder / "mixed").mkdir(exist_ok=True)
        file.rename(folder / "mixed" / file.name)
    found = shell("inspect", "scales.py:Scales", "--samples", "mixed/*.png", "--json").json["samples"]
    assert (found["pictures"], found["labelled"], found["used"]) == (12, 0, "0..1")
    assert "looks wrong: 100% of the pictures get the same class" in found["warning"]
    assert all(trial["accuracy"] is None for trial in found["trials"])
    assert found["trials"][0]["preprocessing"]["size"] == 8
    right = shell("inspect", "scales.py:Right", "--samples", "mixed")
    assert "Warning" not in right.out
    assert "0..255 looks best by how the answers tell the pictures apart" in right.out


def test_many_samples_are_thinned_out(shell: Shell, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspecting, "MOST", 6)
    found: dict[str, Any] = shell("inspect", "scales.py:Right", "--samples", "samples", "--json").json["samples"]
    assert (found["pictures"], found["labelled"]) == (6, 6)
    assert found["trials"][0]["classes"] == 2


def test_what_cannot_be_tried_is_said(shell: Shell, folder: Path) -> None:
    absent = shell("inspect", "scales.py:Right", "--samples", "nowhere.png")
    assert absent.code != 0
    assert "nowhere.png cannot be read" in absent.err


def test_an_assumed_preprocessing_is_pointed_out(shell: Shell, folder: Path) -> None:
    bare = "import numpy as np\nfrom picasso.plugin import ModelFile\n\n\nclass Bare(ModelFile):\n    def load(self):\n"
    (folder / "bare.py").write_text(f"{bare}        return lambda x: x.mean(axis=(1, 2))\n", "utf-8")
    assert "--samples PICTURES tries the usual ones" in shell("inspect", "bare.py:Bare").out
    assert "--samples" not in shell("inspect", "scales.py:Right").out
