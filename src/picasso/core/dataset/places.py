"""What lies in a folder or in a zip archive, by name, without opening a single picture."""

from __future__ import annotations

import os
import re
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from picasso.core.dataset.example import Skipped
from picasso.core.dataset.sources import File, Member, Source, composed, file_at, printable
from picasso.core.errors import DatasetError
from picasso.core.pictures.images import MAX_BYTES

MOST_FILES = 1_000_000
"""A folder or an archive of more files is refused: somebody named the wrong one."""
MOST_RATIO = 200
"""Members of archives that unpack to more than so many times their size are left out, if they are large."""
LARGE = 2**24
"""Bytes up to which a member may be packed as tightly as it likes: black masks are."""
_JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")
"""What operating systems leave behind."""


@dataclass(frozen=True)
class Place:
    """Files by name.

    Args:
        name: Of the folder or the archive, for messages.
        files: Every file by its name below the root, with slashes: "tank/0001.png". Sorted, digits as numbers.
        root: The folder on disk; None for an archive.
        folders: The folders below the root.
        skipped: Files that cannot be read, with the reason.
        start: The folder that the names in a table begin at; "" for the root.
    """

    name: str
    files: Mapping[str, Source]
    root: Path | None = None
    folders: frozenset[str] = frozenset()
    skipped: tuple[Skipped, ...] = ()
    start: str = ""

    def find(self, name: str) -> Source | None:
        """Return the file that a table means: by its place, else the only one whose place ends alike.

        Args:
            name: "images/0001.png"; the suffix may be missing, and so may folders on either side. Accents may be
                written either way.
        """
        plain = name.strip().replace("\\", "/").removeprefix("./")
        for place in (f"{self.start}/{plain}", plain):
            if (written := place if place in self.files else self._composed.get(composed(place))) is not None:
                return self.files[written]
        if self.root is not None and (found := file_at(self.root / name.strip())) is not None:
            return found
        *folders, last = composed(plain).split("/")
        same = [place for place in self._by_end.get(last, ()) if _end_alike(composed(place).split("/")[:-1], folders)]
        return self.files[same[0]] if len(same) == 1 and last else None

    @cached_property
    def _composed(self) -> Mapping[str, str]:
        """Places by their names with composed accents, of those that are written otherwise."""
        return {composed(place): place for place in self.files if composed(place) != place}

    @cached_property
    def _by_end(self) -> Mapping[str, list[str]]:
        """Places by the last part of their names, and by that without its suffix."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for place in self.files:
            last = composed(place).rpartition("/")[2]
            for end in {last, last.rpartition(".")[0]}:
                found[end].append(place)
        return found


def _end_alike(one: Sequence[str], other: Sequence[str]) -> bool:
    """Say whether one row of folders is the end of the other."""
    return all(a == b for a, b in zip(reversed(one), reversed(other), strict=False))


def list_folder(folder: Path, levels: int | None = None) -> Place:
    """List a folder and what is below; what is hidden is left out, and links are followed.

    Args:
        folder: The folder.
        levels: How many levels of folders are looked into; None for all.

    Raises:
        DatasetError: It cannot be read, or holds too many files.
    """
    files: dict[str, Source] = {}
    folders: set[str] = set()
    skipped: list[Skipped] = []
    # Each folder with the name that its files begin with, and what it lies in, so that no link is followed in circles.
    waiting: list[tuple[Path, str, frozenset[tuple[int, int]]]] = [(folder, "", frozenset())]
    while waiting:
        inner, start, above = waiting.pop()
        try:
            facts = inner.stat()
            here = facts.st_dev, facts.st_ino
            within = _entries(inner) if here not in above else []
        except OSError as error:
            if inner == folder:
                raise DatasetError(f"{folder} cannot be read: {error.strerror}.", "Check the path.") from None
            skipped.append(Skipped(start, f"The folder cannot be read: {error.strerror}."))
            continue
        for path, file in within:
            place = start + printable(path.name)
            if file is not None:
                files[place] = file
            else:
                folders.add(place)
                if levels is None or place.count("/") < levels - 1:
                    waiting.append((path, f"{place}/", above | {here}))
        _check_count(len(files), str(folder))
    name = printable(folder.absolute().name or str(folder))
    return Place(name, _ordered(files), folder, frozenset(folders), tuple(skipped))


def list_archive(path: Path) -> Place:
    """List what a zip archive holds, without unpacking anything.

    Raises:
        DatasetError: It is no zip archive, is encrypted, or holds too many files.
    """
    files: dict[str, Source] = {}
    folders: set[str] = set()
    skipped: list[Skipped] = []
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.", "Check the path.") from None
    except Exception as error:  # zipfile raises whatever a damaged table makes it run into
        raise DatasetError(f"{path.name} is no zip archive, or is damaged: {error}.", "Make it anew.") from None
    _check_count(len(members), path.name)
    for member in members:
        name = printable(member.filename.replace("\\", "/")).removeprefix("./")
        if not name or _hidden(name):
            continue
        if member.is_dir():
            folders.add(name.rstrip("/"))
            continue
        if member.flag_bits & 1:
            raise DatasetError(f"{path.name} is encrypted.", "Make it anew without a password.")
        if reason := _unfit(member, name):
            skipped.append(Skipped(name, reason))
        else:
            files[name] = Member(
                path,
                name,
                member.header_offset,
                member.compress_size,
                member.file_size,
                member.compress_type,
                member.CRC,
            )
    return Place(path.stem, _ordered(files), None, frozenset(folders), tuple(skipped))


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return what sorts names as people do: "img2" before "img10"."""
    parts = [part.lstrip("0") if part.isdecimal() else part for part in re.split(r"(\d+)", name) if part]
    return [(0, len(part), part) if part.isdecimal() or not part else (1, 0, part.casefold()) for part in parts]


def _unfit(member: zipfile.ZipInfo, name: str) -> str:
    """Say why a member of an archive is not read; "" where it is."""
    if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/"):
        return "Its name leads out of the archive."
    if member.file_size > max(LARGE, MOST_RATIO * member.compress_size):
        return f"It unpacks to more than {MOST_RATIO} times its size."
    return ""


def _entries(folder: Path) -> list[tuple[Path, File | None]]:
    """Return the files in a folder, and the folders, with None; what is hidden and what is neither is left out.

    Raises:
        OSError: It cannot be read.
    """
    found: list[tuple[Path, File | None]] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _hidden(entry.name):
                continue
            path = Path(entry.path)
            if entry.is_dir():
                found.append((path, None))
            elif entry.is_file():
                facts = entry.stat()
                found.append((path, File(path, facts.st_size, facts.st_mtime_ns)))
    return found


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part in _JUNK for part in name.split("/") if part != "..")


def _ordered(files: Mapping[str, Source]) -> dict[str, Source]:
    return {name: files[name] for name in sorted(files, key=lambda name: (natural(name), name))}


def _check_count(count: int, name: str) -> None:
    if count > MOST_FILES:
        raise DatasetError(f"{name} holds more than {MOST_FILES} files.", "Name the folder of the data set itself.")


def unreadable(source: Source) -> str:
    """Say why a file can be no picture, by its size alone; "" where it can."""
    if source.size == 0:
        return "It is empty: it holds 0 bytes."
    return f"It holds more than {MAX_BYTES // 2**20} MB, the most that is read." if source.size > MAX_BYTES else ""
