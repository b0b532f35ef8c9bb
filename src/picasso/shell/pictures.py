"""From what a person types (files, folders, patterns) to the pictures that are meant."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from picasso.core.errors import PictureError
from picasso.core.pictures.images import SUFFIXES
from picasso.core.result import safe_name


@dataclass(frozen=True)
class Found:
    """A picture's file, and the folder below the output's that its result goes to.

    Args:
        path: The file.
        beside: Its place below the folder that was named; two pictures of one name get a folder each.
    """

    path: Path
    beside: Path = Path()


def find_pictures(words: Iterable[str]) -> list[Found]:
    """Find pictures by file, folder (with all that is below) or pattern such as "photos/*.jpg".

    Raises:
        PictureError: A folder holds none, or nothing matches a pattern.
    """
    found = [one for word in words for one in _expand(word)]
    places = Counter(_place(one) for one in found)
    return [
        replace(one, beside=one.beside / f"{index:04d}") if places[_place(one)] > 1 else one
        for index, one in enumerate(found)
    ]


def _place(one: Found) -> tuple[Path, str]:
    return one.beside, safe_name(one.path.stem)


def _expand(word: str) -> Iterator[Found]:
    path = Path(word).expanduser()
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if _is_picture(file, path)]
        if not files:
            raise PictureError(f"{path} holds no pictures.", f"Looked for {', '.join(SUFFIXES)}.")
        yield from (Found(file, file.relative_to(path).parent) for file in files)
    elif not path.exists() and glob.has_magic(word):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207 - an absolute pattern
        if not matches:
            raise PictureError(f"Nothing matches {word}.", "Check the pattern.")
        yield from (Found(match) for match in matches if not match.is_dir())
    else:
        yield Found(path)


def _is_picture(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.suffix.lower() in SUFFIXES and not hidden and file.is_file()
