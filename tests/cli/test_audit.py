"""`picasso audit`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.auditing import drawn
from tests.cli.conftest import Shell, files_in

MODELS = f'''
"""Models that rely on one thing by construction."""

import numpy as np
from scipy import ndimage

from picasso.plugin import ModelFile, Preprocessing

Floats = np.ndarray
{inspect.getsource(drawn.by_the_top)}
{inspect.getsource(drawn.by_the_object)}

class Top(ModelFile):
    labels = {drawn.CLASSES}
    head = "none"
    preprocessing = Preprocessing(size={drawn.SIDE})

    def load(self):
        return by_the_top


class Object(Top):
    def load(self):
        return by_the_object
'''
QUICK = ("--with", "bands", "--with", "object-swap", "--no-maps", "--processes", "1")
TOP, OBJECT = "reasons.py:Top", "reasons.py:Object"


@pytest.fixture
def pictures(shell: Shell, tmp_path: Path) -> str:
    (tmp_path / "reasons.py").write_text(MODELS, "utf-8")
    drawn.write(tmp_path / "set", 80, tied=1.0)
    return "set"


def test_the_verdict_comes_first(shell: Shell, pictures: str) -> None:
    answer = shell("audit", TOP, pictures, *QUICK)
    assert answer.code == 0, answer.err
    assert answer.out.startswith("WRONG REASON: the top of the picture")
    assert "relied on" in answer.out
    assert "no reason" in answer.out


def test_files_are_named_and_pictures_counted(shell: Shell, pictures: str, tmp_path: Path) -> None:
    answer = shell("audit", TOP, pictures, *QUICK, "--out", "found")
    assert answer.code == 0, answer.err
    count = len(list((tmp_path / "found/pairs").glob("*.before.png")))
    assert count >= 1
    files = ["found/audit.html", "found/audit.json", "found/to_fix.csv"]
    assert answer.out.splitlines()[-4:] == [*files, f"found/pairs: {count} pictures, each before and after"]


def test_json_files_and_counterfactuals(shell: Shell, pictures: str, tmp_path: Path) -> None:
    answer = shell("audit", TOP, pictures, *QUICK, "--json", "--out", "found", "--counterfactuals", "more")
    assert answer.code == 0, answer.out
    assert answer.json["verdict"]["outcome"] == "wrong-reason"
    assert all((tmp_path / file).is_file() for file in answer.json["files"])
    assert json.loads((tmp_path / "found/audit.json").read_text())["verdict"] == answer.json["verdict"]
    made = files_in(tmp_path / "more")
    assert len(made) == 80
    # A picture keeps its class and has the other's top.
    disc = next(file for file in sorted((tmp_path / "more/disc").iterdir()))
    pixels = Image.open(disc)
    assert pixels.size == (drawn.SIDE, drawn.SIDE)
    assert pixels.convert("L").getpixel((24, 3)) < 110


def test_the_exit_code_is_the_verdict_where_that_is_asked(shell: Shell, pictures: str) -> None:
    assert shell("audit", TOP, pictures, *QUICK, "--fail-on", "wrong-reason").code == 4
    assert shell("audit", TOP, pictures, *QUICK, "--fail-on", "cannot-tell").code == 0
    refused = shell("audit", TOP, pictures, "--fail-on", "nonsense")
    assert refused.code == 2
    assert "wrong-reason" in refused.err


def test_before_and_after(shell: Shell, pictures: str, tmp_path: Path) -> None:
    answer = shell("audit", "--before", TOP, "--after", OBJECT, pictures, *QUICK, "--out", "moved")
    assert answer.code == 0, answer.err
    assert "Difference" in answer.out
    assert (tmp_path / "moved/moved.html").is_file()
    for name, model in (("a", TOP), ("b", OBJECT)):
        assert shell("audit", model, pictures, *QUICK, "--out", name).code == 0
    again = shell("audit", "--before", "a", "--after", "b/audit.json", "--json")
    assert again.code == 0, again.out
    assert again.json["shift"] == json.loads((tmp_path / "moved/moved.json").read_text())["shift"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--before", "x"), "belong together"),
        ((TOP,), f"a model and a data set. Got '{TOP}' alone."),
        ((TOP, "set", "more"), "a model and a data set. Got 3 words."),
        ((TOP, "set", "--out", "reasons.py"), "reasons.py is a file. Name a folder"),
        ((TOP, "set", "--counterfactuals", "reasons.py/x"), "reasons.py is a file. Name a folder"),
        ((TOP, "set", "--with", "bnads"), "Did you mean bands?"),
        ((TOP, "nowhere"), "no data set"),
        ((TOP, "set", "--match", "disc"), "takes class="),
        ((TOP, "set", "--match", "disc=plate"), "plate"),
        ((TOP, "set", "--confirm", "region-1=perhaps"), "not-object"),
        ((TOP, "set", "--with", "nonsense"), "no intervention 'nonsense'"),
        (("demo:segmenter", "set", *QUICK), "needs a classifier"),
    ],
)
def test_bad_words_say_what_is_meant(shell: Shell, pictures: str, words: tuple[str, ...], said: str) -> None:
    answer = shell("audit", *words)
    assert answer.code in (2, 3), answer.out
    assert said in answer.err


def test_interventions_are_named_with_commas_or_again(shell: Shell, pictures: str) -> None:
    again = shell("audit", TOP, pictures, *QUICK, "--json").json
    commas = ("--with", "bands,object-swap", *QUICK[4:])
    assert shell("audit", TOP, pictures, *commas, "--json").json["effects"] == again["effects"]


def test_p_stands_where_it_accuses(shell: Shell, pictures: str) -> None:
    rows = shell("audit", TOP, pictures, *QUICK).out.splitlines()
    heading = next(row for row in rows if "Property" in row)
    place = slice(heading.index("p of the score's fall"), heading.index("Pictures"))
    shown = {row.split("  ")[0]: row[place].strip() for row in rows if row.startswith(("✗ relied on", "✗ no reason"))}
    assert shown["✗ no reason"] == ""
    assert 0 < float(shown["✗ relied on"]) < 0.001


def test_an_assumed_preprocessing_is_said_and_one_of_each_is_one(shell: Shell, pictures: str, tmp_path: Path) -> None:
    text = (tmp_path / "reasons.py").read_text("utf-8").replace("    preprocessing = Preprocessing", "    # ")
    (tmp_path / "bare.py").write_text(text, "utf-8")
    answer = shell("audit", "bare.py:Top", pictures, "--with", "bands", *QUICK[4:], "--limit", "80", "--json")
    assert "`picasso inspect" not in answer.err  # which needs probabilities, and this head has none
    assert "assumed: rgb, stretched to 224, scaled to 0..1. Declare it with --color, --scale, --mean and --std." in (
        answer.err
    )
