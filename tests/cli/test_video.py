"""`picasso video`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import picasso
from picasso.shell import output
from tests.cli.conftest import HALVES, Shell

QUICK = ("--with", "partial-occlusion", "--window", "8px", "--stride=8px")


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A light that goes from left to right."""
    path = tmp_path / "drive.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=5, options={"qscale": "2"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for step in range(4):
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:, 16 * step : 16 * step + 16] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_film_a_table_and_a_document(shell: Shell, drive: Path, tmp_path: Path) -> None:
    answer = shell("video", HALVES, "drive.mp4", *QUICK, "--target", "left", "--out", "maps.mp4")
    assert answer.code == 0, answer.err
    assert "drive.mp4: Partial occlusion of 4 frames" in answer.out
    assert [line.split() for line in answer.out.splitlines() if "%" in line] == [
        ["left", "2", "50%"],
        ["right", "2", "50%"],
    ]
    assert [name for name in ("maps.mp4", "maps.json", "maps.csv") if name in answer.out.split()] == [
        "maps.mp4", "maps.json", "maps.csv",
    ]  # fmt: skip
    with av.open(str(tmp_path / "maps.mp4")) as film:
        assert len(list(film.decode(video=0))) == 4
    assert len((tmp_path / "maps.csv").read_text("utf-8").splitlines()) == 1 + 4 * 2


def test_json_is_the_document_of_python(shell: Shell, drive: Path, tmp_path: Path) -> None:
    words = ("--every", "2", "--top", "1", "--json", "--out", "film.mkv")
    said = shell("video", HALVES, "drive.mp4", *QUICK, *words).json
    film = picasso.explain_video(
        picasso.load_model(HALVES), "drive.mp4", "partial-occlusion", out="same.mkv", every=2, top=1, window=8, stride=8
    )
    assert said.pop("files") == ["film.mkv", "film.json", "film.csv"]
    assert said == json.loads(json.dumps(film.document()))
    assert [one["classes"][0]["label"] for one in said["frames"]] == ["left", "right"]


def test_an_interrupt_keeps_what_is_done_and_says_so(
    shell: Shell, drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from picasso.core.video import filming

    original, calls = filming.glance, []

    def interrupted(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(filming, "glance", interrupted)
    answer = shell("video", HALVES, "drive.mp4", *QUICK)
    assert answer.code == output.INTERRUPTED
    assert "It was stopped after 2 frames." in answer.out
    with av.open(str(tmp_path / "maps.mp4")) as film:
        assert len(list(film.decode(video=0))) == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("photo.png", *QUICK, "--out", "maps.gif"), 2, "must end in .mp4, .mov, .mkv"),
        (("drive.mp4", "drive.mp4"), 2, "One video is explained at a time. Got 2."),
        (("drive.mp4", "--with", "activations,grad-cam"), 2, "A film shows one visualization."),
        (("drive.mp4", *QUICK, "--with", "grad-cam"), 2, "Got partial-occlusion, grad-cam. Make a film of each."),
        (("halves.py", *QUICK), 2, "halves.py is no video that can be read"),
        (("drive.mp4", "--with", "grad-cam"), 3, "needs"),
        (("drive.mp4", *QUICK, "--target", "middle"), 2, "no class"),
        (("drive.mp4", *QUICK, "--target", "left", "--target", "right"), 2, "One target at a time. Got left, right."),
        (("drive.mp4", "--windw", "3"), 2, "There is no setting 'windw'."),
        (("drive.mp4", *QUICK, "--channel", "3"), 2, "shows no channels"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    shell: Shell, drive: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    answer = shell("video", HALVES, *words)
    assert (answer.code, said in answer.err) == (code, True), answer.err
