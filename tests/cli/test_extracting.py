"""`picasso explain --box --mask`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import picasso
from tests.cli.conftest import HALVES, Shell, files_in

QUICK = ("--window", "8px", "--stride=8px")


def test_boxes_and_masks_are_those_of_python(shell: Shell, tmp_path: Path) -> None:
    answer = shell("explain", HALVES, "photo.png", *QUICK, "--box", "--mask", "--cut", "0.5", "--target", "left")
    assert answer.code == 0, answer.err
    result = picasso.explain(picasso.load_model(HALVES), "photo.png", target="left", window=8, stride=8)
    assert isinstance(result, picasso.Result)
    box = result.box(threshold=0.5)
    assert box is not None
    assert f"left: box {','.join(map(str, box))}. The largest connected part of the positive values" in answer.out
    assert files_in(tmp_path / "picasso-out") == [
        "photo.partial-occlusion.json",
        "photo.partial-occlusion.left.bar.png",
        "photo.partial-occlusion.left.mask.png",
        "photo.partial-occlusion.left.png",
        "photo.partial-occlusion.npz",
    ]
    with Image.open(tmp_path / "picasso-out/photo.partial-occlusion.left.mask.png") as drawn:
        mask = np.asarray(drawn)
    assert ((mask > 0) == result.mask(threshold=0.5)).all()
    assert set(np.unique(mask)) == {0, 255}
    written = json.loads((tmp_path / "picasso-out/photo.partial-occlusion.json").read_text("utf-8"))
    assert written["boxes"][0]["box"] == list(box)
    assert written["boxes"][0]["pixels"] == result.mask(threshold=0.5).sum()


def test_all_choices_reach_the_map(shell: Shell) -> None:
    words = ("--box", "--json", "--cut", "otsu", "--part", "absolute", "--smooth", "0.05", "--all-parts")
    found = shell("explain", HALVES, "photo.png", *QUICK, *words).json["results"][0]["boxes"]
    assert sorted(one["target"] for one in found) == ["left", "right"]
    assert found[0]["how"] == "All sizes from Otsu's threshold, under a Gaussian of 5.0% of the shorter side."


def test_a_map_without_a_box_says_why(shell: Shell) -> None:
    answer = shell("explain", HALVES, "photo.png", *QUICK, "--fill", "white", "--box", "--target", "left", "--part")
    assert answer.code == 2  # --part without a value
    answer = shell("explain", HALVES, "photo.png", *QUICK, "--fill", "white", "--box", "--target", "left")
    assert answer.code == 0
    assert "left: no box. No value is positive: nothing speaks for the target." in answer.out


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--box", "--cut", "2"), "The threshold was not understood: '2'.", 2),
        (("--box", "--part", "negative"), 'part must be "positive" or "absolute". Got \'negative\'.', 2),
        (("--mask", "--with", "class-probabilities"), "Class probabilities gives no map that could have a box.", 3),
    ],
)
def test_what_cannot_be_is_said_before_any_work(shell: Shell, words: tuple[str, ...], said: str, code: int) -> None:
    answer = shell("explain", "no-such-model.pt", "photo.png", *words)
    assert answer.code == code
    assert said in answer.err
