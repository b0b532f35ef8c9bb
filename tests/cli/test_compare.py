"""`picasso compare`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from picasso.shell import comparing
from tests.cli.conftest import BARE, HALVES, Shell, files_in

NET = ("weights.pth", "--factory", "net.py:make", "--size", "16")


def save_weights() -> None:
    import torch

    from picasso.core.opening import load_factory

    torch.save(load_factory("net.py:make")().state_dict(), "weights.pth")


def test_the_card_and_the_verdict_are_printed(shell: Shell, tmp_path: Path) -> None:
    save_weights()
    answer = shell("compare", *NET, "photos", "--with", "saliency-map,grad-cam")
    assert answer.code == 0, answer.err
    assert "Relevance gain" in answer.out
    for title in ("Saliency map", "Grad-CAM", "Edges (Sobel)", "Center (Gaussian)", "Noise"):
        assert title in answer.out
    assert any(words in answer.out for words in ("Trust here:", "Read with care:", "Do not trust here:"))
    assert "Points" not in answer.out
    assert not (tmp_path / "picasso-out").exists()
    assert len(files_in(tmp_path / "home/scorecard")) == 2


def test_json_and_files(shell: Shell, tmp_path: Path) -> None:
    answer = shell("compare", HALVES, "photo.png", "--mask", "0,0,20,30", "--target", "left", "--json", "--out", "card")
    assert answer.code == 0, answer.out
    assert answer.err == ""
    found = answer.json
    assert found["errors"] == []
    assert found["files"] == [str(Path("card") / f"comparison.{ending}") for ending in ("html", "json", "npz")]
    assert all((tmp_path / file).is_file() for file in found["files"])
    card = found["cards"][0]
    assert (card["name"], card["untested"]) == (
        "partial-occlusion",
        "Not testable: function models do not show their parameters.",
    )
    # The left half is all that this model asks for its score, so a map that is right lies in it.
    assert card["mass"]["mean"] > 0.75  # windows on the middle reach over it
    assert card["pointing"]["mean"] == 1
    assert found["pictures"][0]["mask_area"] == pytest.approx(0.5)


def test_settings_belong_to_a_method(shell: Shell) -> None:
    words = ("compare", HALVES, "photo.png", "--no-randomize", "--json", "--with", "partial-occlusion")
    answer = shell(*words, "--set", "partial-occlusion.window=8px", "--set", "partial-occlusion.fill=white")
    assert answer.code == 0, answer.out
    assert answer.json["cards"][0]["settings"]["window"] == "8px"
    assert answer.json["cards"][0]["settings"]["fill"] == "white"


def test_a_folder_of_masks(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    mask = np.zeros((30, 40), np.uint8)
    mask[:, :10] = 255
    Image.fromarray(mask).save(tmp_path / "masks/a.png")
    answer = shell("compare", HALVES, "photos", "--mask", "masks", "--target", "left", "--json")
    assert [one["mask_area"] for one in answer.json["pictures"]] == [0.25, None]
    assert answer.json["cards"][0]["pointing"]["pictures"] == 1


def test_a_bad_picture_among_several_is_said_and_the_rest_is_compared(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "photos/broken.png").write_bytes(b"no picture at all")
    answer = shell("compare", HALVES, "photos")
    assert answer.code == 1
    assert "broken.png" in answer.err
    assert "Partial occlusion" in answer.out
    assert shell("compare", HALVES, "photos", "--json").json["errors"][0]["error"]["code"] == "bad-picture"


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["nothing.png"], 2, "bad-picture"),
        (["photo.png", "--with", "nonsense"], 2, "not-found"),
        (["photo.png", "--with", "grad-cam"], 3, "not-supported"),
        (["photo.png", "--with", "class-probabilities"], 3, "not-supported"),
        (["photo.png", "--target", "tank"], 2, "bad-target"),
        (["photo.png", "--target", "left", "--target", "right"], 2, "bad-settings"),
        (["photo.png", "--set", "window=8px"], 2, "bad-settings"),
        (["photo.png", "--set", "grad-cam.layer=x", "--with", "partial-occlusion"], 2, "bad-settings"),
        (["photo.png", "--set", "partial-occlusion.windw=8px", "--with", "partial-occlusion"], 2, "bad-settings"),
        (["photo.png", "--mask", "nowhere"], 2, "bad-target"),
        (["photo.png", "--out", "photo.png"], 2, "bad-configuration"),
        (["photo.png", "--traget", "left"], 2, "bad-settings"),
        (["photo.png", "--mask", "home"], 2, "bad-settings"),
    ],
)
def test_errors_have_a_code_and_an_exit(shell: Shell, tmp_path: Path, words: list[str], code: int, kind: str) -> None:
    (tmp_path / "home").mkdir()
    answer = shell("compare", HALVES, *words, "--json")
    assert answer.code == code, answer.out
    assert answer.json["error"]["code"] == kind


def test_ctrl_c_ends_it(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "compare_all", interrupted)
    assert shell("compare", HALVES, "photo.png").code == 130


@pytest.mark.parametrize("words", [["grad-cam,saliency-map"], ["grad-cam", "--with", "saliency-map"]])
def test_methods_are_named_with_commas_or_again(shell: Shell, words: list[str]) -> None:
    save_weights()
    answer = shell("compare", *NET, "photo.png", "--no-randomize", "--json", "--with", *words)
    assert answer.code == 0, answer.out
    assert [card["name"] for card in answer.json["cards"] if not card["control"]] == ["grad-cam", "saliency-map"]


def test_an_assumed_preprocessing_is_said(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(BARE, "utf-8")
    words = ("photo.png", "--no-randomize", "--with", "partial-occlusion", "--set", "partial-occlusion.window=112px")
    answer = shell("compare", "bare.py:Bare", *words, "--json")
    assert answer.json["cards"]
    assert "`picasso inspect bare.py:Bare --samples FOLDER` tries others." in answer.err
