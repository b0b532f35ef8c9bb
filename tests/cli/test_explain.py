"""`picasso explain`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import HALVES, Shell, files_in
from tests.core.plugins import ALONE, drop

QUICK = ("--window", "8px", "--stride=8px")


def test_writes_maps_numbers_and_choices(shell: Shell, tmp_path: Path) -> None:
    answer = shell("explain", HALVES, "photo.png", *QUICK, "--out", "maps")
    assert answer.code == 0, answer.err
    assert files_in(tmp_path / "maps") == [
        "photo.partial-occlusion.json",
        "photo.partial-occlusion.left.bar.png",
        "photo.partial-occlusion.left.png",
        "photo.partial-occlusion.npz",
        "photo.partial-occlusion.right.bar.png",
        "photo.partial-occlusion.right.png",
    ]
    assert "Class" in answer.out
    assert "left" in answer.out
    assert str(Path("maps/photo.partial-occlusion.npz")) in answer.out
    assert answer.err == "Partial occlusion: untested\n"


def test_names_in_brackets_are_printed_as_they_are(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("[unk]\n[red] light\n")
    answer = shell("explain", HALVES, "photo.png", *QUICK, "--labels", "names.txt")
    assert "[unk]" in answer.out
    assert "[red] light" in answer.out


def test_the_heading_is_one_line_however_narrow_the_table(shell: Shell) -> None:
    answer = shell("explain", HALVES, "photo.png", "--with", "class-probabilities")
    assert "photo.png: Class probabilities\n" in answer.out


def test_the_flags_are_the_settings(shell: Shell, tmp_path: Path) -> None:
    shell("explain", HALVES, "--window", "25%", "photo.png", "--stride=4px", "--fill", "white", "--target", "right")
    record = json.loads((tmp_path / "picasso-out/photo.partial-occlusion.json").read_text("utf-8"))
    assert record["settings"]["window"] == "25%"
    assert record["settings"]["stride"] == "4px"
    assert record["settings"]["fill"] == "white"
    assert [target["label"] for target in record["targets"]] == ["right"]
    with np.load(tmp_path / "picasso-out/photo.partial-occlusion.npz") as arrays:
        assert arrays["scores"].shape == (6, 7, 2)  # windows of 6 x 8 pixels, every 4 pixels, of 24 x 32


def test_set_is_the_same_as_a_flag(shell: Shell) -> None:
    flags = shell("explain", HALVES, "photo.png", "--window", "8px", "--stride", "8px", "--json").json
    pairs = shell("explain", HALVES, "photo.png", "--set", "window=8px", "--set", "stride=8px", "--json").json
    assert flags["results"][0]["settings"] == pairs["results"][0]["settings"]


def test_switches_take_no_value(shell: Shell) -> None:
    make = ("explain", "weights.pth", "--factory", "net.py:make", "--size", "32", "--with", "grad-cam", "--json")
    save_weights()
    on = shell(*make, "--keep-negative", "photo.png").json
    off = shell(*make, "--no-keep-negative", "photo.png").json
    assert on["results"][0]["settings"]["keep_negative"] is True
    assert off["results"][0]["settings"]["keep_negative"] is False


def test_json_is_one_document_on_stdout(shell: Shell) -> None:
    answer = shell("explain", HALVES, "photo.png", *QUICK, "--json", "--target", "left - right")
    result = answer.json["results"][0]
    assert answer.json["errors"] == []
    assert result["source"] == "photo.png"
    assert result["format"] == 1
    assert result["targets"] == [{"index": 0, "label": "left - right", "minus": 1}]
    assert {p["label"] for p in result["predictions"]} == {"left", "right"}
    assert all(Path(file).is_file() for file in result["files"])


def test_a_folder_and_a_pattern_mean_all_their_pictures(shell: Shell, tmp_path: Path) -> None:
    folder = shell("explain", HALVES, "photos", *QUICK, "--json").json
    pattern = shell("explain", HALVES, "photos/*.jpg", *QUICK, "--json").json
    assert [Path(result["source"]).name for result in folder["results"]] == ["a.png", "b.jpg"]
    assert [Path(result["source"]).name for result in pattern["results"]] == ["b.jpg"]


def test_pictures_of_one_name_get_folders_of_their_own(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    Image.new("RGB", (20, 20), "red").save(tmp_path / "more/photo.jpg")
    shell("explain", HALVES, "photo.png", "more/photo.jpg", *QUICK, "--top", "1")
    assert [file for file in files_in(tmp_path / "picasso-out") if file.endswith(".json")] == [
        str(Path("0000/photo.partial-occlusion.json")),
        str(Path("0001/photo.partial-occlusion.json")),
    ]


def test_a_bad_picture_among_several_is_counted_and_the_rest_goes_on(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "photos/broken.png").write_bytes(b"no picture at all")
    answer = shell("explain", HALVES, "photos", *QUICK)
    assert answer.code == 1
    assert "2 of 3 pictures explained" in answer.out
    assert "broken.png is not a picture" in answer.err
    assert "(bad-picture)" in answer.err
    document = shell("explain", HALVES, "photos", *QUICK, "--json")
    assert document.code == 1
    assert len(document.json["results"]) == 2
    assert document.json["errors"][0]["error"]["code"] == "bad-picture"


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (["nothing.png"], 2, "bad-picture"),
        (["photo.png", "--wndow", "8px"], 2, "bad-settings"),
        (["photo.png", "--window"], 2, "bad-settings"),
        (["photo.png", "--window", "-3"], 2, "bad-settings"),
        (["photo.png", "--set", "window"], 2, "bad-settings"),
        (["photo.png", "--target", "tank"], 2, "bad-target"),
        (["photo.png", "--with", "nonsense"], 2, "not-found"),
        (["photo.png", "--with", "grad-cam"], 3, "not-supported"),
        (["photo.png", "--size", "big"], 2, "bad-configuration"),
        (["photo.png", "--mean", "0.1,x"], 2, "bad-configuration"),
        (["photo.png", "--head", "hat"], 2, "bad-configuration"),
        (["photo.png", "--preprocessing", "nothing.toml"], 2, "bad-configuration"),
        (["photo.png", "--labels", "photo.png"], 2, "bad-labels"),
        (["home"], 2, "bad-picture"),
        (["*.tga"], 2, "bad-picture"),
    ],
)
def test_errors_have_a_line_a_code_and_an_exit(
    shell: Shell, tmp_path: Path, words: list[str], code: int, kind: str
) -> None:
    (tmp_path / "home").mkdir()
    answer = shell("explain", HALVES, *words)
    assert answer.code == code
    assert answer.out == ""
    assert answer.err.startswith("error: ")
    assert answer.err.endswith(f"({kind})\n")
    assert answer.err.count("\n") == 1
    document = shell("explain", HALVES, *words, "--json")
    assert document.code == code
    assert document.err == ""
    assert document.json["error"]["code"] == kind
    assert set(document.json["error"]) == {"code", "message", "hint"}


def test_models_that_cannot_be_opened_end_with_3(shell: Shell, tmp_path: Path) -> None:
    save_weights()
    assert shell("explain", "nothing.keras", "photo.png").code == 3
    assert shell("explain", "weights.pth", "photo.png").code == 3  # weights without their network
    assert shell("explain", "halves.py:Nothing", "photo.png").code == 3


def test_an_unknown_flag_says_what_it_may_have_meant(shell: Shell) -> None:
    assert "Did you mean --window?" in shell("explain", HALVES, "photo.png", "--windw", "8px").err
    assert "Did you mean --target?" in shell("explain", HALVES, "photo.png", "--traget", "left").err


def test_a_traceback_only_with_debug(shell: Shell) -> None:
    assert "Traceback" not in shell("explain", HALVES, "nothing.png").err
    assert "Traceback" in shell("explain", HALVES, "nothing.png", "--debug").err


def test_preprocessing_from_a_file_and_from_flags(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("[preprocessing]\nsize = [12, 16]\nmean = 0.5\n", "utf-8")
    (tmp_path / "p.json").write_text('{"size": 20, "std": [0.5, 0.5, 0.5]}', "utf-8")

    def preprocessing(*words: str) -> dict[str, object]:
        answer = shell("inspect", "weights.pth", "--factory", "net.py:make", "--json", *words)
        assert answer.code == 0, answer.out
        return dict(answer.json["preprocessing"])

    save_weights()
    assert preprocessing("--preprocessing", "p.toml")["size"] == [12, 16]
    assert preprocessing("--preprocessing", "p.toml", "--size", "10x14", "--scale", "1/255")["size"] == [10, 14]
    assert preprocessing("--preprocessing", "p.json")["std"] == [0.5, 0.5, 0.5]
    found = preprocessing("--mean", "0.1,0.2,0.3", "--color", "bgr", "--resize", "pad")
    assert (found["size"], found["mean"], found["color"]) == ([224, 224], [0.1, 0.2, 0.3], "bgr")


def test_flags_change_only_what_they_say(shell: Shell) -> None:
    found = shell("inspect", HALVES, "--std", "0.5", "--json").json["preprocessing"]
    assert (found["size"], found["std"]) == ([24, 32], [0.5])


def test_a_model_by_its_name_in_picasso_toml(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "picasso.toml").write_text(
        '[[model]]\nname = "two"\nsource = "halves.py:Halves"\nlabels = ["west", "east"]\n', "utf-8"
    )
    assert shell("inspect", "two", "--json").json["labels"] == ["west", "east"]
    answer = shell("inspect", "three")
    assert answer.code == 2
    assert "It lists: two." in answer.err


def save_weights() -> None:
    """Write weights.pth, the weights of net.py's network, into the current folder."""
    import torch

    from picasso.core.opening import load_factory

    torch.save(load_factory("net.py:make")().state_dict(), "weights.pth")


def test_a_channel_takes_the_place_of_the_class(shell: Shell, tmp_path: Path) -> None:
    save_weights()
    make = ("explain", "weights.pth", "--factory", "net.py:make", "--size", "32", "photo.png", "--with", "saliency-map")
    result = shell(*make, "--channel", "3:2", "--json").json["results"][0]
    assert result["asked"] == "channel 2 of 3, its mean"
    assert [target["label"] for target in result["targets"]] == ["3:2"]
    assert result["attributions"][0]["units"] == "|change in activation per unit of input|"
    both = shell(*make, "--channel", "3:2", "--target", "1")
    assert (both.code, both.err) == (
        2,
        "error: A channel of a layer is explained, or a class. Leave out one of them. (bad-target)\n",
    )
    none = shell(*make, "--channel", "3:4")
    assert none.code == 2
    assert "The channels of '3' are 0..3. Got 4." in none.err
    layer = shell(*make, "--channel", "conv9:0")
    assert layer.code == 2
    assert "There is no layer 'conv9'." in layer.err


def test_the_model_alone_needs_no_picture(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path / "home"))
    drop(tmp_path / "home" / "visualizations", ALONE, "count.py")
    answer = shell("explain", HALVES, "--with", "count", "--times", "3", "--out", "looked")
    assert answer.code == 0, answer.err
    assert files_in(tmp_path / "looked") == ["Halves.count.json", "Halves.count.npz"]
    assert "Halves: Count\n" in answer.out
    assert "Class" not in answer.out
    told = json.loads(shell("explain", HALVES, "--with", "count", "--json").out)
    assert told["results"][0]["source"] == "Halves"
    assert told["results"][0]["picture"] is None


def test_a_picture_too_many_or_too_few_is_said(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path / "home"))
    drop(tmp_path / "home" / "visualizations", ALONE, "count.py")
    answer = shell("explain", HALVES, "photo.png", "--with", "count")
    assert answer.code == 2
    assert "Count looks at the model alone. Leave the picture out." in answer.err
    answer = shell("explain", HALVES, "--with", "count", "--target", "left")
    assert answer.code == 2
    assert "it explains nothing of a picture" in answer.err
    answer = shell("explain", HALVES)
    assert answer.code == 2
    assert "Partial occlusion looks at pictures. Got none. Give at least one." in answer.err
