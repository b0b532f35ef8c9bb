"""`picasso explain`."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cli.conftest import BARE, HALVES, Shell, files_in
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
        (["photo.png", "--with", "partial-occlusion,grad-cam"], 3, "not-supported"),
        (["photo.png", "--with", "partial-occlusion", "--with", "nonsense"], 2, "not-found"),
        (["photo.png", "--out", "photo.png"], 2, "bad-configuration"),
        (["drive.mp4"], 2, "bad-picture"),
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
    (tmp_path / "drive.mp4").write_bytes(b"no more than its name")
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


def test_another_size_keeps_how_colors_are_scaled_and_how_much_is_cropped(shell: Shell, tmp_path: Path) -> None:
    declared = "preprocessing = Preprocessing(size=32, resize='crop', short_side=40, mean=0.5, std=0.25)"
    cropped = BARE.replace("ModelFile\n", "ModelFile, Preprocessing\n", 1).replace(
        "    def", f"    {declared}\n\n    def"
    )
    (tmp_path / "cropped.py").write_text(cropped.replace("Bare", "Cropped"), "utf-8")

    def preprocessing(*words: str) -> dict[str, object]:
        answer = shell("inspect", "cropped.py:Cropped", "--json", *words)
        assert answer.code == 0, answer.err
        return dict(answer.json["preprocessing"])

    found = preprocessing("--size", "64")
    assert (found["size"], found["short_side"], found["mean"], found["std"]) == (64, 80, [0.5], [0.25])
    assert preprocessing("--size", "64x128")["short_side"] == 80
    assert preprocessing("--size", "64", "--resize", "pad")["short_side"] is None


def test_what_is_still_assumed_beside_a_size_is_said(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(BARE, "utf-8")
    said = shell("explain", "bare.py:Bare", "photos", "--with", "class-probabilities", "--size", "64").err
    assert said.startswith("How colors are scaled was not declared; assumed: rgb, scaled to 0..1. `picasso inspect")
    assert "declared" not in "".join(shell("inspect", "bare.py:Bare", "--mean", "0.5", "--json").json["notes"])


def test_a_size_opens_what_takes_none_of_the_usual(shell: Shell, tmp_path: Path) -> None:
    body = "return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(7500, 2))"
    make = f"import torch\n\n\ndef make():\n    {body}\n"
    (tmp_path / "flat.py").write_text(make, "utf-8")
    torch.save(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(7500, 2)).state_dict(), tmp_path / "flat.pth")
    words = ("inspect", "flat.pth", "--factory", "flat.py:make", "--json")
    assert "--size in the shell" in shell(*words).out
    assert shell(*words, "--size", "50").json["preprocessing"]["size"] == 50


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
    assert files_in(tmp_path / "looked") == ["Halves.count.html", "Halves.count.json", "Halves.count.npz"]
    assert "Halves: Count\n" in answer.out
    assert "Classes: 6 in Halves\n" in answer.out
    page = (tmp_path / "looked" / "Halves.count.html").read_text("utf-8")
    assert "<title>Count: Halves</title>" in page
    assert "<h4>Classes</h4><p>6 in Halves</p>" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "Score explained" not in answer.out
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


@pytest.mark.parametrize("words", [["saliency-map,grad-cam"], ["saliency-map", "--with", "grad-cam"]])
def test_several_visualizations_run_one_after_another(shell: Shell, tmp_path: Path, words: list[str]) -> None:
    save_weights()
    make = ("explain", "weights.pth", "--factory", "net.py:make", "--size", "32", "photo.png", "--target", "1")
    answer = shell(*make, "--with", *words, "--out", "maps")
    assert answer.code == 0, answer.err
    assert [line for line in answer.out.splitlines() if line.startswith("photo.png: ")] == [
        "photo.png: Saliency map",
        "photo.png: Grad-CAM",
    ]
    assert [file for file in files_in(tmp_path / "maps") if file.endswith(".npz")] == [
        "photo.grad-cam.npz",
        "photo.saliency-map.npz",
    ]
    told = shell(*make, "--with", *words, "--json").json["results"]
    assert [result["visualization"]["name"] for result in told] == ["saliency-map", "grad-cam"]


def test_with_several_a_setting_is_one_that_each_has(shell: Shell) -> None:
    save_weights()
    make = ("explain", "weights.pth", "--factory", "net.py:make", "--size", "32", "photo.png", "--json", "--layer", "3")
    both = shell(*make, "--with", "grad-cam,layer-cam").json["results"]
    assert [result["settings"]["layer"] for result in both] == ["3", "3"]
    refused = shell(*make, "--with", "grad-cam,class-probabilities")
    assert refused.code == 2
    assert refused.json["error"]["hint"].endswith("The settings of class-probabilities: classes.")


def test_what_is_explained_has_its_score_though_it_is_not_among_the_best(shell: Shell, tmp_path: Path) -> None:
    def row(label: str, *words: str) -> list[str]:
        table = shell("explain", *words, "--json"), shell("explain", *words)
        score = table[0].json["results"][0]["attributions"][0]["score"]
        found = [line for line in table[1].out.splitlines() if line.startswith(f"{label} ")]
        assert len(found) == 1, table[1].out
        assert found[0].split()[-1] == f"{score:.3f}"
        return found[0].removeprefix(label).split()

    assert len(row("left - right", HALVES, "photo.png", *QUICK, "--target", "left - right")) == 1
    many = (
        "import numpy as np\nfrom picasso.plugin import ModelFile, Preprocessing\n\n\nclass Many(ModelFile):\n"
        "    preprocessing = Preprocessing(size=16)\n\n    def load(self):\n"
        "        return lambda x: x.mean(axis=(1, 2, 3))[:, None] * np.arange(9, dtype=np.float32)\n"
    )
    (tmp_path / "many.py").write_text(many, "utf-8")
    assert len(row("class 2", "many.py:Many", "photo.png", *QUICK, "--target", "2")) == 2  # and its probability
    save_weights()
    make = ("weights.pth", "--factory", "net.py:make", "--size", "32", "photo.png", "--with", "saliency-map")
    assert row("3:2", *make, "--channel", "3:2")


def test_an_assumed_preprocessing_is_said_beside_the_answer(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(BARE, "utf-8")
    words = ("explain", "bare.py:Bare", "photos", "--with", "class-probabilities")
    said = "Preprocessing was not declared; assumed: rgb, stretched to 224, scaled to 0..1. "
    answer = shell(*words)
    assert answer.err == f"{said}`picasso inspect bare.py:Bare --samples FOLDER` tries others.\n"
    assert "assumed" not in answer.out
    told = shell(*words, "--json")
    assert said in told.err
    assert told.json["errors"] == []
    for declared in (("--mean", "0.5"), ("--color", "bgr"), ("--scale", "1")):
        assert "assumed" not in shell(*words, *declared).err
    assert "assumed: rgb" in shell(*words, "--resize", "crop").err  # which says nothing of the scale
    assert "assumed" not in shell("explain", HALVES, "photo.png", "--with", "class-probabilities").err


def test_no_folder_is_looked_for_where_a_file_is(shell: Shell, tmp_path: Path) -> None:
    answer = shell("explain", HALVES, "photo.png", "--out", "photo.png/maps")
    assert answer.err == (
        "error: photo.png is a file. Name a folder; it is made where it is absent. (bad-configuration)\n"
    )
    assert not (tmp_path / "picasso-out").exists()


def test_a_video_has_a_command_of_its_own(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "drive.MP4").write_bytes(b"no more than its name")
    answer = shell("explain", HALVES, "drive.MP4")
    assert "drive.MP4 is a video. For maps over it: picasso video MODEL drive.MP4" in answer.err
    many = shell("explain", HALVES, "photo.png", "drive.MP4", "--with", "class-probabilities")
    assert (many.code, "1 of 2 pictures explained" in many.out) == (1, True)


def test_a_misspelled_name_is_asked_after(shell: Shell) -> None:
    for word in ("gradcam", "Grad-Cam", "grad_cam"):
        assert "Did you mean grad-cam? (not-found)" in shell("explain", HALVES, "photo.png", "--with", word).err
    assert "Did you mean grad-cam? (not-found)" in shell("visualizations", "gradcam").err
    assert "Did you mean left?" in shell("explain", HALVES, "photo.png", "--target", "lft").err
