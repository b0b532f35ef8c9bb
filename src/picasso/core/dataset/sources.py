"""Where the bytes of a picture lie: in a file, or in a zip archive, out of which nothing is ever written."""

from __future__ import annotations

import bz2
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from picasso.core.errors import PictureError
from picasso.core.pictures.images import MAX_BYTES

_LOCAL_HEADER = 30
"""Bytes of what stands before a member's name."""


@dataclass(frozen=True)
class File:
    """A file on disk.

    Args:
        path: Where it lies.
        size: Bytes.
        changed: When it was last written, nanoseconds.
    """

    path: Path
    size: int
    changed: int

    @property
    def stamp(self) -> str:
        """What changes whenever the contents do, without reading them."""
        return f"{self.size}@{self.changed}"

    def read(self, most: int = MAX_BYTES) -> bytes:
        """Return the contents.

        Args:
            most: Bytes that are read at most.

        Raises:
            PictureError: They cannot be read, or are more than that.
        """
        try:
            with self.path.open("rb") as file:
                return _bounded(file.read(most + 1), printable(self.path.name), most)
        except OSError as error:
            raise PictureError(
                f"{printable(self.path.name)} cannot be read: {error.strerror}.", "Check the file."
            ) from None


@dataclass(frozen=True)
class Member:
    """A file within a zip archive, unpacked into memory when it is read.

    It knows its own place, so that reading it does not read the archive's table of ten thousand others again.

    Args:
        archive: The archive.
        name: Its name in there.
        offset: Where its header begins, bytes.
        packed: Bytes that it takes in the archive.
        size: Bytes that it unpacks to.
        method: How it was packed: stored, deflate or bzip2.
        crc: CRC-32 of its contents.
    """

    archive: Path
    name: str
    offset: int
    packed: int
    size: int
    method: int
    crc: int

    @property
    def stamp(self) -> str:
        """What changes whenever the contents do, without reading them."""
        return f"{self.size}#{self.crc:08x}"

    def read(self, most: int = MAX_BYTES) -> bytes:
        """Return the contents.

        Args:
            most: Bytes that are read at most.

        Raises:
            PictureError: They cannot be read, are damaged, or are more than that.
        """
        try:
            with self.archive.open("rb") as file:
                file.seek(self.offset)
                header = file.read(_LOCAL_HEADER)
                # The lengths of name and extras may differ from those in the archive's table.
                file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
                data = _unpacked(file.read(min(self.packed, most + 1)), self.method, most)
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise PictureError(f"{self.name} cannot be unpacked: {error}.", "Make the archive anew.") from None
        if len(_bounded(data, self.name, most)) != self.size or zlib.crc32(data) != self.crc:
            raise PictureError(
                f"{self.name} is damaged: its contents are not those that were packed.", "Make the archive anew."
            )
        return data


Source = File | Member


def file_at(path: Path) -> File | None:
    """Return the file at a path; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return File(path, found.st_size, found.st_mtime_ns) if path.is_file() else None


def printable(name: str) -> str:
    """Return a file's name as Unicode that can be printed and saved; names that differ stay different."""
    return name.encode(errors="backslashreplace").decode()


def composed(name: str) -> str:
    """Return a name in which a letter and its accent are one character: macOS and its archives write them as two."""
    return unicodedata.normalize("NFC", name)


def _unpacked(data: bytes, method: int, most: int) -> bytes:
    """Unpack, one byte more than is ever read at most."""
    if method == zipfile.ZIP_STORED:
        return data
    if method == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, most + 1)
    if method == zipfile.ZIP_BZIP2:
        return bz2.BZ2Decompressor().decompress(data, most + 1)
    raise ValueError(f"it is packed by method {method}, which is not read")


def _bounded(data: bytes, name: str, most: int) -> bytes:
    if len(data) > most:
        raise PictureError(f"{name} holds more than {most // 2**20} MB, the most that is read.", "Save it smaller.")
    return data
