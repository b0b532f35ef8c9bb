"""Frames with their times -> a video file that plays everywhere."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ConfigurationError, NotSupportedError
from picasso.core.video.reading import need_av

SUFFIXES = (".mp4", ".mov", ".mkv")
CODECS = ("libx264", "libopenh264", "mpeg4")
"""The first that FFmpeg was built with is taken: H.264 plays in every browser, MPEG-4 part 2 in players."""
TICKS = 60_000
"""Times are written in 1/60000 s: exact for 24, 25, 30, 50 and 60 frames a second, and for 30000/1001."""
_OPTIONS = {"libx264": {"crf": "18", "preset": "veryfast"}, "mpeg4": {"qscale": "3"}}


class VideoWriter:
    """Writes a video; what was written so far plays also when it is left with an error.

    Args:
        path: .mp4, .mov or .mkv.
        height, width: Of the frames. Both encoders need even sides: an odd one gets its last pixels twice.
        rate: Frames in a second, for players that want one; each frame has a time of its own.

    Attributes:
        codec: What encodes.

    Raises:
        MissingExtraError: PyAV is not installed.
        ConfigurationError: The file's name does not say a container that is written.
        NotSupportedError: This FFmpeg has no encoder.
    """

    def __init__(self, path: Path, height: int, width: int, rate: Fraction) -> None:
        import av

        self._container: Any = av.open(str(path.absolute()), "w")
        self.codec = codec()
        self._stream: Any = self._container.add_stream(self.codec, rate=rate, options=_OPTIONS.get(self.codec, {}))
        self._stream.height, self._stream.width = height + height % 2, width + width % 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, TICKS)
        self._make: Callable[..., Any] = av.VideoFrame.from_ndarray
        self._step = round(TICKS / rate)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()

    def add(self, pixels: NDArray[np.uint8], seconds: Fraction) -> None:
        """Write a frame.

        Args:
            pixels: uint8 (height, width, 3), RGB.
            seconds: When it is shown; later than the frame before.
        """
        height, width = pixels.shape[:2]
        even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        frame = self._make(np.ascontiguousarray(even), format="rgb24")
        frame.pts, frame.time_base, frame.duration = round(seconds * TICKS), Fraction(1, TICKS), self._step
        self._container.mux(self._stream.encode(frame))


def check_path(path: Path) -> None:
    """Refuse a file that could not be written, before any work.

    Raises:
        MissingExtraError: PyAV is not installed.
        ConfigurationError: Its name does not say a container that is written, or its folder is not there.
    """
    need_av()
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigurationError(
            f"The film must end in {', '.join(SUFFIXES)}. Got '{path.name}'.", "For example: maps.mp4"
        )
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"There is no folder {path.absolute().parent}.", "Make it first.")


def codec() -> str:
    """Return the encoder that is there.

    Raises:
        NotSupportedError: There is none.
    """
    import av

    known = av.codec.codecs_available
    for name in CODECS:
        if name in known:
            return name
    raise NotSupportedError("This FFmpeg encodes neither H.264 nor MPEG-4.", "Install PyAV from PyPI: pip install av")
