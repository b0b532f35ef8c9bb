"""A video -> the same video with a model's maps over it, and what the model said of each frame."""

from __future__ import annotations

import csv
import errno
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np

from picasso.core import registry
from picasso.core.errors import CanceledError, ConfigurationError, ModelOutputError, PicassoError
from picasso.core.fitting import read_settings
from picasso.core.glance import Glance, glance, refuse_clips
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from picasso.core.registry import Entry
from picasso.core.settings import Settings
from picasso.core.targets import TargetChoice
from picasso.core.versions import versions
from picasso.core.video.drawing import draw_frame
from picasso.core.video.reading import Video
from picasso.core.video.writing import VideoWriter, check_path

Report = Callable[[int, int, str], None]
FORMAT = 1
"""Version of the JSON document."""
OPACITY = 0.65
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
"""Of these errors the system has the second only where there are quotas."""


@dataclass(frozen=True, eq=False)
class Shot:
    """What was found in one frame.

    Args:
        number: Its place in the video, from 0.
        seconds: When it is shown.
        glance: What was found; its values are drawn into the film, and not kept here. None where the network
            gave no numbers for it.
        shape: (rows, columns) of the map.
    """

    number: int
    seconds: Fraction
    glance: Glance | None
    shape: tuple[int, int] = (0, 0)


@dataclass(frozen=True, eq=False)
class Film:
    """A video with its maps, on disk.

    Args:
        path: The video that was written.
        shots: The frames that were explained.
        limits: The color scale that all of them share.
        record: Every choice that was made, as JSON.
        notes: What the reader must know, one sentence each.
        canceled: Whether it was stopped: it holds the frames until then.
    """

    path: Path
    shots: tuple[Shot, ...]
    limits: tuple[float, float]
    record: dict[str, Any]
    notes: tuple[str, ...]
    canceled: bool = False

    def document(self) -> dict[str, Any]:
        """Return everything but the pictures, as JSON."""
        return {
            "format": FORMAT,
            **self.record,
            "limits": list(self.limits),
            "canceled": self.canceled,
            "notes": list(self.notes),
            "frames": [_row(shot) for shot in self.shots],
        }

    def csv(self) -> str:
        """Return a table with a row for each class that is told of each frame, best first."""
        file = io.StringIO()
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["frame", "seconds", "map_of", "score", "rank", "class", "label", "probability"])
        for shot in self.shots:
            row = _row(shot)
            of = [row["frame"], row["seconds"], row["map_of"], row["score"]]
            for rank, one in enumerate(row["classes"], 1):
                table.writerow([*of, rank, one["index"], one["label"], one["probability"]])
        return file.getvalue()

    def save_scores(self) -> list[Path]:
        """Write the document and the table beside the film, as .json and .csv; return the files."""
        files = [self.path.with_suffix(".json"), self.path.with_suffix(".csv")]
        files[0].write_text(json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n", "utf-8")
        files[1].write_text(self.csv(), "utf-8")
        return files


def explain_video(
    model: Model,
    video: str | Path,
    visualization: str = "grad-cam",
    *,
    out: str | Path,
    target: TargetChoice | None = None,
    top: int = 3,
    every: int = 1,
    channel: int | None = None,
    progress: Report | None = None,
    **settings: Any,
) -> Film:
    """Explain what a model sees in a video, and write the video with the maps over it.

    All frames share one color scale. Its end is the largest of those that the frames would have alone, so the model
    runs over all frames first, and the film is drawn after that.

    Args:
        model: From `load_model`; any but one of clips.
        video: A file: MP4, MOV, MKV, WebM, AVI, ...
        visualization: An attribution method, or "activations".
        out: The film, .mp4, .mov or .mkv. It has the video's size, and its frames their times; no sound.
        target: The class to explain; by default the best one of each frame.
        top: How many of the best classes are told.
        every: Explain every Nth frame; the film holds these alone.
        channel: Of activations the channel to show; by default the mean size over all channels.
        progress: Called with (done, total, message); total is 0 where it is not known. Raise CanceledError to stop:
            the film then holds the frames until there.
        settings: The visualization's own settings.

    Returns:
        The film; `film.save_scores()` writes what the model said of each frame.

    Raises:
        PictureError: The file is no video.
        PicassoError: As `explain`.

    Example:
        >>> film = explain_video(load_model("demo:tank-proxy"), "drive.mp4", target="tank", out="maps.mp4")
        >>> film.shots[0].glance.subject
        'tank'
    """
    entry = registry.visualization(visualization)
    return film_video(
        model,
        Path(video),
        entry,
        read_settings(entry, settings),
        out=Path(out),
        target=target,
        top=top,
        every=every,
        channel=channel,
        report=progress,
    )


def film_video(
    model: Model,
    path: Path,
    entry: Entry,
    settings: Settings,
    *,
    out: Path,
    name: str = "",
    target: TargetChoice | None = None,
    top: int = 3,
    every: int = 1,
    channel: int | None = None,
    keep: bool = True,
    report: Report | None = None,
) -> Film:
    """Do what `explain_video` does, with a visualization and settings that were read already.

    Args:
        name: What the video is called; by default as its file.
        keep: Whether a film is made of what is done when it is canceled; else the cancel ends the work at once.
    """
    if every < 1 or top < 1:
        raise ConfigurationError(f"every and top must be at least 1. Got {every} and {top}.")
    refuse_clips(model.facts.frames)
    check_path(out)
    if out.exists() and path.exists() and out.samefile(path):
        raise ConfigurationError("The film would take the place of the video.", "Give it another name.")
    video, report = Video(path, name), report or _ignore
    asked = {"target": target, "top": top, "channel": channel, "digest": model.digest}
    with _room_for_maps(out) as maps:
        shots, canceled, failed = _look(model, video, entry, settings, every, asked, maps, report)
        if canceled and not keep:
            raise CanceledError("The work was canceled.")
        notes = [*video.notes(), *failed]
        limits = _shared(shots)
        name, drawn = _draw(video, shots, maps, limits, out, every, entry.load().title, _ignore if canceled else report)
    if canceled or drawn < len(shots):
        if not keep:
            raise CanceledError("The work was canceled.")
        canceled, shots = True, shots[:drawn]
        notes = [*failed, f"It was stopped after {drawn} frames."]
    record = {
        "video": {"name": video.name, "height": video.height, "width": video.width, "rate": _number(video.rate)},
        "model": {"name": model.name, "digest": model.digest, "framework": model.framework},
        "visualization": {"name": entry.name, "title": entry.load().title, "version": entry.load().version},
        "settings": settings.model_dump(mode="json"),
        "target": None if target is None else str(target),
        "channel": channel,
        "every": every,
        "codec": name,
        "versions": versions(model),
    }
    return Film(out, tuple(shots), limits, record, tuple(notes), canceled)


@contextmanager
def _room_for_maps(out: Path) -> Iterator[IO[bytes]]:
    """Open a file for the maps on the disk of the film, which has to have room: the system's own folder is often small.

    Raises:
        ConfigurationError: The folder cannot be written to, or the disk is full.
    """
    folder = out.absolute().parent
    try:
        maps = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed below, where other errors are told apart)
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written to: {error.strerror}.", "Choose another folder."
        ) from None
    try:
        with maps:
            yield maps
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise ConfigurationError(
            f"The disk of {folder} is full.",
            "Make room: a film takes four bytes for each pixel of each map while it is made.",
        ) from None


def _look(
    model: Model,
    video: Video,
    entry: Entry,
    settings: Settings,
    every: int,
    asked: dict[str, Any],
    maps: Any,
    report: Report,
) -> tuple[list[Shot], bool, list[str]]:
    """Run the model over the frames; the maps go to a file, since those of a long video do not fit into memory.

    Returns:
        The frames without their maps, whether the work was canceled, and what must be said of frames that failed.
    """
    shots: list[Shot] = []
    errors: list[PicassoError] = []
    canceled = False
    total = -(-video.likely // every)
    try:
        for frame in video.frames(every):
            report(len(shots), total, f"Frame {frame.number + 1}")
            try:
                found = glance(model, read_picture(frame.pixels), entry, settings, **asked)
            except ModelOutputError as error:  # of this frame alone: others may still succeed
                errors.append(error)
                shots.append(Shot(frame.number, frame.seconds, None))
                continue
            maps.write(found.values.astype("<f4").tobytes())
            rows, columns = found.values.shape
            told = replace(found, values=np.zeros((0, 0), np.float32))  # what stays in memory
            shots.append(Shot(frame.number, frame.seconds, told, (rows, columns)))
    except (CanceledError, KeyboardInterrupt):  # what was looked at so far becomes a film
        canceled = True
        if not shots:
            raise
    if errors and len(errors) == len(shots):
        raise errors[0]
    said = [f"{len(errors)} of {len(shots)} frames have no map: {errors[0]}"] if errors else []
    return shots, canceled, said


def _shared(shots: Sequence[Shot]) -> tuple[float, float]:
    """Return the color scale of all frames: the largest of those that they would have alone."""
    known = [shot.glance.limits for shot in shots if shot.glance is not None]
    most = max(max(abs(low), abs(high)) for low, high in known) or 1.0
    return (-most if any(low < 0 for low, _ in known) else 0.0), most


def _draw(
    video: Video,
    shots: Sequence[Shot],
    maps: Any,
    limits: tuple[float, float],
    out: Path,
    every: int,
    title: str,
    report: Report,
) -> tuple[str, int]:
    """Decode the video again and write each frame with its map; return the codec, and how many were written."""
    maps.seek(0)
    rate, drawn = (video.rate or Fraction(25)) / every, 0
    with VideoWriter(out, video.height, video.width, rate) as writer, suppress(CanceledError, KeyboardInterrupt):
        for frame, shot in zip(video.frames(every), shots, strict=False):
            pixels = frame.pixels
            if shot.glance is not None:
                rows, columns = shot.shape
                values = np.frombuffer(maps.read(4 * rows * columns), "<f4").reshape(rows, columns)
                pixels = draw_frame(pixels, replace(shot.glance, values=values), limits, title, OPACITY)
            writer.add(pixels, frame.seconds)
            drawn += 1
            report(drawn, len(shots), "Drawing")
    return writer.codec, drawn


def _row(shot: Shot) -> dict[str, Any]:
    seen = shot.glance
    return {
        "frame": shot.number,
        "seconds": round(float(shot.seconds), 6),
        "map_of": None if seen is None else seen.subject,
        "score": None if seen is None else seen.score,
        "classes": [] if seen is None else [vars(one) for one in seen.classes],
    }


def _number(rate: Fraction | None) -> float | None:
    return None if rate is None else round(float(rate), 6)


def _ignore(done: int, total: int, message: str) -> None:
    """Ignore progress."""
