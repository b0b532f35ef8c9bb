"""From uploaded bytes to a kept picture: the file itself, a rendition for browsers, a thumbnail."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence
from pathlib import PurePosixPath, PureWindowsPath

from PIL import Image

from picasso.core.pictures import render
from picasso.core.pictures.images import Picture, decode_picture
from picasso.service.artifacts import Artifacts
from picasso.service.database import now
from picasso.service.records import PictureRecord
from picasso.service.store import Store

THUMBNAIL_SIDE = 320
_LOSSLESS_PIXELS = 2_000_000
"""Larger pictures are shown as JPEG: a PNG of a photograph takes seconds to make and to send."""


class Pictures:
    """Takes pictures in.

    Args:
        store: Where they are listed.
        artifacts: Where their files are kept.
    """

    def __init__(self, store: Store, artifacts: Artifacts) -> None:
        self.store = store
        self.artifacts = artifacts
        # A picture of 80 million pixels takes 240 MB while it is decoded: not many at a time.
        self._few = threading.Semaphore(2)

    def adopt(self, data: bytes, name: str, notes: Sequence[str] = (), *, brought: bool = True) -> PictureRecord:
        """Keep a picture.

        Args:
            data: The whole file.
            name: What to call it; a path is cut to its last part.
            notes: What else a reader should know of it.
            brought: Whether a person brought it: only then it is listed before it is explained.

        Raises:
            PictureError: The bytes are no picture, damaged, or too large.
        """
        name = clean_name(name)
        with self._few:
            picture = decode_picture(data, name)
            file, file_type = rendition(picture)
            record = PictureRecord(
                digest=self.artifacts.put(data, durable=True),
                name=name,
                width=picture.width,
                height=picture.height,
                notes=(*picture.notes, *notes),
                file=self.artifacts.put(file),
                file_type=file_type,
                thumbnail=self.artifacts.put(thumbnail(picture)),
                created=now(),
                adopted=not brought,
            )
        self.store.add_picture(record)
        return record


def rendition(picture: Picture) -> tuple[bytes, str]:
    """Return a picture as every browser shows it, without what the file said about its maker, and its media type."""
    image = Image.fromarray(picture.pixels)
    if picture.width * picture.height <= _LOSSLESS_PIXELS:
        return render.png(image), "image/png"
    return _jpeg(image, 92), "image/jpeg"


def thumbnail(picture: Picture) -> bytes:
    """Return a small JPEG."""
    image = Image.fromarray(picture.pixels)
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return _jpeg(image, 85)


def clean_name(name: str) -> str:
    """Return the last part of a path, without control characters, at most 120 characters."""
    last = PurePosixPath(PureWindowsPath(name).as_posix()).name
    return "".join(c for c in last if c.isprintable())[-120:] or "picture"


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
