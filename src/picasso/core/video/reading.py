"""A video file -> its frames with their times. What is damaged is counted and said; frames that were read are kept."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import MissingExtraError, PictureError
from picasso.core.pictures.images import MAX_PIXELS

_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,apng,h264,hevc,m4v,mjpeg,ivf,dv"
)
"""Containers that hold their pictures themselves. Playlists and scripts, which name other files, are not opened."""
_EVEN = Fraction(1, 20)
"""Distances of frames that differ by less than this share count as even: times are rounded in the file."""
_TURNED = {90: 1, 180: 2, 270: 3}


@dataclass(frozen=True, eq=False)
class VideoFrame:
    """One frame.

    Args:
        number: Its place in the video, from 0.
        seconds: When it is shown, from the first frame.
        pixels: uint8 (height, width, 3), RGB, upright.
    """

    number: int
    seconds: Fraction
    pixels: NDArray[np.uint8]


class Video:
    """A video file.

    Args:
        path: Any container and codec that FFmpeg reads; what it is called says nothing of what it is.
        name: What to call it in messages; by default as the file.

    Attributes:
        height, width: Of its frames, upright.
        rate: Frames in a second, on average; None where the file does not say.
        count: How many frames the file says it has; 0 where it does not say.
        likely: The same, or what its length and rate give; 0 where that is not said either.

    Raises:
        MissingExtraError: PyAV is not installed.
        PictureError: The file is no video, or holds no pictures.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        need_av()
        self.path, self.name = path, name or path.name
        self._read = self._left_out = self._damaged = self._between = 0
        self._steps: list[Fraction] = []
        self._ended: Fraction | None = None
        self._broken = ""
        with self._opened() as (container, stream):
            self.rate: Fraction | None = stream.average_rate or stream.guessed_rate
            self.count = int(stream.frames or 0)
            self._seconds = _duration(container, stream)
            self.likely = self.count or round((self._seconds or 0) * (self.rate or 0))
            first = next(self._decoded(container, stream), None)
        if first is None:
            raise PictureError(f"{self.name} holds no frame that can be read.", "Choose another video.")
        self.height, self.width = (int(side) for side in first.pixels.shape[:2])

    def frames(self, every: int = 1) -> Iterator[VideoFrame]:
        """Read the frames one after another, in the order in which they are shown; `notes` then says what was found.

        Args:
            every: Read every Nth frame, from the first on.
        """
        self._read = self._left_out = self._damaged = self._between = 0
        self._steps, self._broken, self._ended = [], "", None
        with self._opened() as (container, stream):
            for frame in self._decoded(container, stream):
                self._between = self._damaged
                if frame.pixels.shape[:2] != (self.height, self.width):
                    self._left_out += 1
                    continue
                if self._ended is not None:
                    self._steps.append(frame.seconds - self._ended)
                self._ended, self._read = frame.seconds, self._read + 1
                if frame.number % every == 0:
                    yield frame

    def notes(self) -> tuple[str, ...]:
        """Return what the reader must know of how the video was read, one sentence each."""
        notes = []
        if self._between:
            notes.append(f"{_counted(self._between, 'piece')} of the video could not be decoded.")
        if self._left_out:
            notes.append(f"{_counted(self._left_out, 'frame')} of another size, or out of order: left out.")
        ends = f"The video ends in the middle: {_counted(self._read, 'frame')} could be read"
        if self.count and not self._between and self._read + self._left_out < self.count:
            notes.append(f"{ends}, of the {self.count} that it says it has.")
        elif self._broken or self._damaged > self._between or self._short():
            notes.append(f"{ends}.")
        if self._uneven():
            notes.append("Its frames do not come at even distances; each keeps its time.")
        return tuple(notes)

    def _short(self) -> bool:
        """Say whether it ends well before the file says it does."""
        if self._seconds is None or self._ended is None:
            return False
        return self._seconds - self._ended > max(Fraction(1), self._seconds / 10)

    def _uneven(self) -> bool:
        steps = self._steps
        return bool(steps) and max(steps) - min(steps) > max(_EVEN * max(steps), Fraction(1, 400))

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        import av

        name = self.name
        try:
            file = self.path.open("rb")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise PictureError(f"{self.path} cannot be read: {reason}.", "Check the path.") from None
        with file:
            try:
                # The open file, not its name: a name such as "concat:..." or "http:..." would mean something.
                container = av.open(file, options={"format_whitelist": _FORMATS})
            except (av.FFmpegError, ValueError, OSError) as error:
                raise PictureError(
                    f"{name} is no video that can be read ({_said(error)}).",
                    "Use MP4, MOV, MKV, WebM, AVI or another container that holds its own pictures.",
                ) from None
            with container:
                if not container.streams.video:
                    raise PictureError(f"{name} holds no pictures.", "Choose a video, not a sound.")
                stream = container.streams.video[0]
                # Not frames side by side: a damaged one would take those with it that are decoded at the same time.
                stream.thread_type = "SLICE"
                if stream.codec_context.width * stream.codec_context.height > MAX_PIXELS:
                    raise PictureError(f"The frames of {name} are too large.", "Save it smaller.")
                yield container, stream

    def _decoded(self, container: Any, stream: Any) -> Iterator[VideoFrame]:
        begin: Fraction | None = None
        last: Fraction | None = None
        number = 0
        for frame in self._raw(container, stream):
            moment = self._moment(frame, stream, number, begin)
            begin = moment if begin is None else begin
            number += 1
            if last is not None and moment <= last:
                self._left_out += 1
                continue
            last = moment
            pixels = frame.to_ndarray(format="rgb24")
            turns = _TURNED.get(int(frame.rotation) % 360, 0)
            yield VideoFrame(number - 1, moment - begin, np.ascontiguousarray(np.rot90(pixels, turns)))

    def _raw(self, container: Any, stream: Any) -> Iterator[Any]:
        """Decode packet by packet, so that a damaged one takes no other with it."""
        import av

        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError, OSError) as error:
                self._broken = _said(error)
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except (av.FFmpegError, ValueError, OSError):
                self._damaged += 1

    @staticmethod
    def _moment(frame: Any, stream: Any, number: int, begin: Fraction | None) -> Fraction:
        """Return when a frame is shown; one without a time comes where its number would be."""
        if frame.pts is not None:
            return Fraction(frame.pts * frame.time_base)
        return (begin or Fraction(0)) + number / (stream.average_rate or Fraction(25))


def has_av() -> bool:
    """Say whether PyAV is installed; it is not loaded for that."""
    return importlib.util.find_spec("av") is not None


def need_av() -> None:
    """Refuse where PyAV is not installed.

    Raises:
        MissingExtraError: It is not.
    """
    if not has_av():
        raise MissingExtraError("Videos need PyAV.", "Run pip install 'picasso[video]'.")


def _duration(container: Any, stream: Any) -> Fraction | None:
    """Return how long the pictures last, where the file says it; a sound beside them may be longer."""
    if stream.duration is not None:
        return Fraction(stream.duration * stream.time_base)
    if container.duration is not None and len(container.streams) == 1:
        return Fraction(container.duration, 1_000_000)
    return None


def _said(error: Exception) -> str:
    """Return what FFmpeg says, without the address that it repeats."""
    return str(getattr(error, "strerror", "") or error).rstrip(".")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
