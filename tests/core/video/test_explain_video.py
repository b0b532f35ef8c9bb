"""Videos with maps: files that PyAV wrote are read again, and what is wrong with one is said."""

from __future__ import annotations

import csv
import errno
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import picasso
from picasso.core.errors import (
    CanceledError,
    ConfigurationError,
    MissingExtraError,
    ModelOutputError,
    NotSupportedError,
    PictureError,
    TargetError,
)
from picasso.core.glance import Glance
from picasso.core.model import Model
from picasso.core.pictures import render
from picasso.core.preprocessing import Frame
from picasso.core.video import filming, reading
from picasso.core.video.drawing import overlaid
from picasso.core.video.reading import Video
from picasso.core.video.writing import VideoWriter
from picasso.demo.scene import Scene
from picasso.demo.scene import render as render_scene

TANK = render_scene(Scene(seed=3, kind="tank", cloudiness=0.2)).pixels


@pytest.fixture(scope="module")
def model() -> Model:
    return picasso.load_model("demo:tank-honest")


def moving(count: int, height: int = 128, width: int = 160) -> list[np.ndarray[Any, Any]]:
    """A scene that moves to the right; every frame is another picture."""
    wide = np.asarray(render.to_image(TANK).resize((width, height)))
    return [np.roll(wide, 6 * step, axis=1) for step in range(count)]


def write(
    path: Path, frames: list[np.ndarray[Any, Any]], rate: int = 10, times: list[float] | None = None, **more: Any
) -> Path:
    """Write a video without any of the code that is tested."""
    with av.open(str(path), "w", options=more.get("options", {})) as container:
        stream: Any = container.add_stream(more.get("codec", "libx264"), rate=rate, options=more.get("coding", {}))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = more.get("pixels", "yuv420p")
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[number]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(path: Path) -> tuple[list[np.ndarray[Any, Any]], list[float]]:
    """Read a video without any of the code that is tested."""
    with av.open(str(path)) as container:
        found = list(container.decode(video=0))
        return [frame.to_ndarray(format="rgb24") for frame in found], [float(frame.time or 0) for frame in found]


def test_a_film_has_the_videos_size_frames_and_times(model: Model, tmp_path: Path) -> None:
    video = write(tmp_path / "drive.mp4", moving(6), rate=10)
    seen: list[tuple[int, int, str]] = []
    film = picasso.explain_video(
        model, video, "grad-cam", out=tmp_path / "maps.mp4", progress=lambda *one: seen.append(one)
    )
    frames, times = read(film.path)
    assert [frame.shape for frame in frames] == [(128, 160, 3)] * 6
    assert times == pytest.approx([0.1 * number for number in range(6)])
    assert [float(shot.seconds) for shot in film.shots] == pytest.approx(times)
    assert film.notes == ()
    assert (film.record["video"]["rate"], film.record["every"], film.record["codec"]) == (10.0, 1, "libx264")
    assert seen[0] == (0, 6, "Frame 1")
    assert seen[-1] == (6, 6, "Drawing")


def test_each_frame_is_what_explain_says_of_it(model: Model, tmp_path: Path) -> None:
    """The frames are decoded here by PyAV alone, explained by `explain` and drawn on the film's scale."""
    video = write(tmp_path / "drive.mp4", moving(3))
    film = picasso.explain_video(model, video, "saliency-map", out=tmp_path / "maps.mp4", target="tank", top=2)
    largest = 0.0
    pairs = zip(read(video)[0], film.shots, read(film.path)[0], strict=True)
    for pixels, shot, drawn in pairs:
        result = picasso.explain(model, pixels, "saliency-map", target="tank", cache=False)
        assert isinstance(result, picasso.Result)
        assert shot.glance is not None
        assert shot.glance.score == result.attributions[0].score
        assert shot.glance.classes == result.predictions[:2]
        panel: Any = result.panels[0]
        largest = max(largest, panel.limits[1])
        values = result.attributions[0].flat()
        grey = np.repeat((pixels @ [0.299, 0.587, 0.114])[..., None], 3, 2)
        colors = render.colorize(values, "unsigned", film.limits)
        laid = colors[(np.arange(128) * values.shape[0]) // 128][:, (np.arange(160) * values.shape[1]) // 160]
        expected = grey * 0.35 + laid * 0.65
        above = slice(0, 90)  # the classes are written below
        assert np.abs(expected[above] - drawn[above]).mean() < 6  # what the encoder makes of it
        assert np.abs(grey[above] - drawn[above]).mean() > 20
    assert film.limits == (0.0, largest)


def test_every_third_frame_keeps_its_time(model: Model, tmp_path: Path) -> None:
    video = write(tmp_path / "drive.mp4", moving(7), rate=10)
    film = picasso.explain_video(model, video, out=tmp_path / "maps.mp4", every=3)
    assert [shot.number for shot in film.shots] == [0, 3, 6]
    assert read(film.path)[1] == pytest.approx([0, 0.3, 0.6])


def test_odd_sides_and_uneven_times_are_kept(model: Model, tmp_path: Path) -> None:
    times = [0, 0.04, 0.3, 0.31, 1.0]
    video = write(tmp_path / "odd.mkv", moving(5, 81, 95), times=times, codec="mpeg4", coding={"qscale": "2"})
    film = picasso.explain_video(model, video, out=tmp_path / "maps.mp4")
    frames, found = read(film.path)
    assert frames[0].shape == (82, 96, 3)  # H.264 with half the colors has even sides
    assert found == pytest.approx(times, abs=1e-3)
    assert film.notes == ("Its frames do not come at even distances; each keeps its time.",)


def test_scores_lie_beside_the_film(model: Model, tmp_path: Path) -> None:
    video = write(tmp_path / "drive.mp4", moving(2))
    film = picasso.explain_video(model, video, out=tmp_path / "maps.mp4", top=1, target="decoy")
    document, table = film.save_scores()
    said = json.loads(document.read_text("utf-8"))
    assert said == json.loads(json.dumps(film.document()))
    assert (said["model"]["digest"], said["target"], said["limits"]) == (model.digest, "decoy", list(film.limits))
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8"))))
    told = [(one["frame"], one["rank"], one["label"]) for one in rows]
    # The best class, and the explained one where it is another.
    assert [one for one in told if one[1] == "1"] == [("0", "1", told[0][2]), ("1", "1", told[0][2])]
    assert {one["map_of"] for one in rows} == {"decoy"}
    for number, shot in enumerate(film.shots):
        assert shot.glance is not None
        for one, row in zip(shot.glance.classes, said["frames"][number]["classes"], strict=True):
            assert row == {"index": one.index, "label": one.label, "probability": one.probability}


def test_a_video_that_ends_in_the_middle_gives_the_frames_until_there(model: Model, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.mp4", moving(12), options={"movflags": "faststart"}, coding={"g": "3", "bf": "0"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.6)])
    film = picasso.explain_video(model, cut, out=tmp_path / "maps.mp4")
    assert 2 <= len(film.shots) < 12
    assert any(note.startswith("The video ends in the middle") and "of the 12" in note for note in film.notes)
    assert len(read(film.path)[0]) == len(film.shots)


def test_a_damaged_piece_is_counted_and_passed_over(model: Model, tmp_path: Path) -> None:
    path = write(tmp_path / "whole.avi", moving(5), codec="png", pixels="rgb24")
    data = bytearray(path.read_bytes())
    starts = [at for at in range(len(data)) if data.startswith(b"\x89PNG", at)]
    data[starts[2] : starts[2] + 200] = bytes(200)
    path.write_bytes(data)
    film = picasso.explain_video(model, path, out=tmp_path / "maps.mp4")
    assert film.notes[0] == "1 piece of the video could not be decoded."
    assert read(film.path)[1] == pytest.approx([0, 0.1, 0.4])  # the piece held two frames


@pytest.mark.parametrize("when", ["looking", "drawing"])
def test_what_is_canceled_is_a_film_of_what_is_done(model: Model, tmp_path: Path, when: str) -> None:
    video = write(tmp_path / "drive.mp4", moving(8))

    def stop(done: int, total: int, message: str) -> None:
        if done == 3 and (message == "Drawing") == (when == "drawing"):
            raise CanceledError("Enough.")

    film = picasso.explain_video(model, video, out=tmp_path / "maps.mp4", progress=stop)
    assert film.canceled
    assert film.notes == ("It was stopped after 3 frames.",)
    assert len(film.shots) == len(read(film.path)[0]) == 3


def test_canceled_before_the_first_frame_it_leaves_nothing(model: Model, tmp_path: Path) -> None:
    def stop(done: int, total: int, message: str) -> None:
        raise CanceledError("Enough.")

    with pytest.raises(CanceledError):
        picasso.explain_video(model, write(tmp_path / "a.mp4", moving(2)), out=tmp_path / "m.mp4", progress=stop)
    assert not (tmp_path / "m.mp4").exists()


def test_a_layer_and_a_channel_of_it(model: Model, tmp_path: Path) -> None:
    video = write(tmp_path / "drive.mp4", moving(2))
    out = tmp_path / "maps.mkv"
    film = picasso.explain_video(model, video, "activations", out=out, layer="relu4", channel=2)
    assert film.shots[0].glance is not None
    assert film.shots[0].glance.subject == "relu4, channel 2"
    assert len(read(out)[0]) == 2


def test_frames_for_which_the_network_gives_no_numbers_are_counted(tmp_path: Path) -> None:
    def scores(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        light = x.mean((1, 2, 3))
        return np.where(light[:, None] < 0.1, np.nan, np.stack([light, 1 - light], axis=1))

    blinded = picasso.load_model(scores, preprocessing=picasso.Preprocessing(size=32))
    bright, dark = np.full((64, 64, 3), 250, np.uint8), np.zeros((64, 64, 3), np.uint8)
    video = write(tmp_path / "drive.mp4", [bright, dark, bright])
    settings = {"window": 16, "stride": 16, "fill": "white"}
    film = picasso.explain_video(blinded, video, "partial-occlusion", out=tmp_path / "maps.mp4", **settings)
    assert [shot.glance is None for shot in film.shots] == [False, True, False]
    assert film.notes[-1].startswith("1 of 3 frames have no map: ")
    assert film.document()["frames"][1]["classes"] == []
    frames = read(film.path)[0]
    assert len(frames) == 3
    assert frames[1].max() < 20  # the frame as it is
    alone = write(tmp_path / "dark.mp4", [dark])
    with pytest.raises(ModelOutputError):
        picasso.explain_video(blinded, alone, "partial-occlusion", out=tmp_path / "none.mp4", **settings)


def test_a_phones_video_is_turned_upright(tmp_path: Path) -> None:
    frames = [np.zeros((48, 80, 3), np.uint8) for _ in range(2)]
    for frame in frames:
        frame[:, 60:] = 255  # bright at the right
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 80, "yuv420p"
        stream.set_display_rotation(90)
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    video = Video(path)
    assert (video.height, video.width) == (80, 48)
    upright = next(video.frames()).pixels.mean(axis=(1, 2))
    with av.open(str(path)) as container:
        turned = next(container.decode(video=0)).rotation
    # The matrix turns counterclockwise: what is at the right comes to the top.
    assert turned == 90
    assert upright[:15].mean() > 200 > 60 > upright[30:].mean()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("none.mp4", b"this is no video, whatever its name says" * 9, "none.mp4 is no video"),
        ("empty.mp4", b"", "empty.mp4 is no video"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "list.m3u8 is no video"),
        ("script.ffconcat", b"ffconcat version 1.0\nfile /etc/passwd\n", "script.ffconcat is no video"),
    ],
)
def test_what_is_no_video_is_refused(model: Model, tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PictureError, match=said):
        picasso.explain_video(model, tmp_path / name, out=tmp_path / "maps.mp4")
    assert not (tmp_path / "maps.mp4").exists()


def test_a_sound_holds_no_pictures(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(PictureError, match=r"sound\.mkv holds no pictures"):
        picasso.explain_video(model, path, out=tmp_path / "maps.mp4")


def test_what_cannot_be_done_is_said_before_any_work(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write(tmp_path / "drive.mp4", moving(2))
    with pytest.raises(ConfigurationError, match=r"must end in \.mp4, \.mov, \.mkv"):
        picasso.explain_video(model, video, out=tmp_path / "maps.gif")
    with pytest.raises(ConfigurationError, match="There is no folder"):
        picasso.explain_video(model, video, out=tmp_path / "nowhere" / "maps.mp4")
    (tmp_path / "link.mp4").hardlink_to(video)
    for out in (video, tmp_path / "link.mp4"):
        with pytest.raises(ConfigurationError, match="take the place of the video"):
            picasso.explain_video(model, video, out=out)
    with pytest.raises(ConfigurationError, match=r"at least 1\. Got 0"):
        picasso.explain_video(model, video, out=tmp_path / "maps.mp4", every=0)
    with pytest.raises(PictureError, match="cannot be read"):
        picasso.explain_video(model, tmp_path / "absent.mp4", out=tmp_path / "maps.mp4")
    with pytest.raises(TargetError, match="no class"):
        picasso.explain_video(model, video, out=tmp_path / "maps.mp4", target="aircraft")
    with pytest.raises(NotSupportedError, match="gives no map"):
        picasso.explain_video(model, video, "class-probabilities", out=tmp_path / "maps.mp4")
    monkeypatch.setattr(reading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"picasso\[video\]"):
        picasso.explain_video(model, video, out=tmp_path / "maps.mp4")


def test_a_full_disk_is_said_in_words(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    folders: list[Path] = []

    def full(dir: Path) -> Full:
        folders.append(dir)
        return Full()

    monkeypatch.setattr(filming.tempfile, "TemporaryFile", full)
    with pytest.raises(ConfigurationError, match=r"The disk of .* is full"):
        picasso.explain_video(model, write(tmp_path / "a.mp4", moving(2)), out=tmp_path / "maps.mp4")
    assert folders == [tmp_path]


def test_the_map_lies_over_the_part_that_the_model_saw() -> None:
    """A model that crops sees the middle; what it did not see stays grey without color."""
    values = np.array([[0.0, 1.0]], np.float32)
    glance = Glance((), "probability", "it", 0, 1.0, values, "u", "unsigned", (0, 1), (4, 4), Frame(2, 3, 4, 6))
    pixels = np.full((8, 12, 3), 100, np.uint8)
    drawn = overlaid(pixels, glance, (0.0, 1.0), 1.0)
    ends = render.colorize(values, "unsigned", (0.0, 1.0))[0]
    expected = pixels.copy()
    expected[2:6, 3:6], expected[2:6, 6:9] = ends
    np.testing.assert_array_equal(drawn, expected)
    beyond = Glance((), "probability", "it", 0, 1.0, values, "u", "unsigned", (0, 1), (4, 4), Frame(-2, 0, 12, 12))
    assert (overlaid(pixels, beyond, (0.0, 1.0), 1.0)[:, :6] == ends[0]).all()


def test_maps_that_are_zero_have_no_say_in_the_scale(model: Model, tmp_path: Path) -> None:
    shots = [
        filming.Shot(i, Fraction(i), _with_limits(limits)) for i, limits in enumerate([(0, 0), (0, 0.2), (0, 0.1)])
    ]
    assert filming._shared(shots) == (0.0, 0.2)
    assert filming._shared(shots[:1]) == (0.0, 1.0)
    assert filming._shared([filming.Shot(0, Fraction(0), _with_limits((-0.5, 0.5))), *shots]) == (-0.5, 0.5)


def _with_limits(limits: tuple[float, float]) -> Glance:
    return Glance((), "score", "", None, None, np.zeros((1, 1), np.float32), "", "unsigned", limits, (1, 1), None)


def test_a_writer_that_is_left_with_an_error_leaves_a_playable_file(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"

    def fail() -> None:
        with VideoWriter(path, 32, 32, Fraction(10)) as writer:
            for number, pixels in enumerate(moving(4, 32, 32)):
                writer.add(pixels, Fraction(number, 10))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(read(path)[0]) == 4


def test_an_interrupt_from_the_keyboard_leaves_a_playable_file(model: Model, tmp_path: Path) -> None:
    video = write(tmp_path / "drive.mp4", moving(6))

    def stop(done: int, total: int, message: str) -> None:
        if done == 2 and message != "Drawing":
            raise KeyboardInterrupt

    film = filming.explain_video(model, video, out=tmp_path / "maps.mp4", progress=stop)
    assert (film.canceled, len(read(film.path)[0])) == (True, 2)
