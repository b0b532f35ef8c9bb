"""What lies about when a process was ended in the middle of its work, and is deleted as soon as nobody needs it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

_BEGINS = "tmp"
"""So begin the folders in which audits and films are made; other files there are what audits have measured."""
ARCHIVE = re.compile(r"[0-9a-f]{16}\.zip")
"""What an archive is called that was sent; no other file is touched."""


def folder_prefix(job: str, attempt: int) -> str:
    """Return how the name of the folder begins in which an attempt of an audit works."""
    return f"{_BEGINS}-{job}-{attempt}-"


def sweep_folders(folder: Path, at_work: Callable[[], Collection[tuple[str, int]]]) -> int:
    """Delete the folders of audits and films that are not made any more: their process was ended, or the whole server.

    Args:
        folder: As `Place.audits`; it may be absent.
        at_work: Gives the jobs that run, each with the number of its attempt. It is asked after the folders were
            listed, so that no audit can begin in between.

    Returns:
        How many were deleted.
    """
    found = [path for path in folder.glob(f"{_BEGINS}*") if path.is_dir()]
    if not found:
        return 0
    kept = tuple(folder_prefix(job, attempt) for job, attempt in at_work())
    over = [path for path in found if not path.name.startswith(kept)]
    for path in over:
        shutil.rmtree(path, ignore_errors=True)  # a process that is being ended may still hold a file
    return len(over)


def sweep_archives(folder: Path, wanted: Callable[[], Collection[Path]]) -> int:
    """Delete archives that belong to no data set: the server ended while one was sent, or its name was given away.

    Args:
        folder: Where archives lie that were sent; it may be absent.
        wanted: Gives those that belong to a data set or are being written; asked after the archives were listed.

    Returns:
        How many were deleted.
    """
    found = [path for path in folder.glob("*.zip") if ARCHIVE.fullmatch(path.name)]
    if not found:
        return 0
    kept = {path.name for path in wanted()}  # drawn at random; the folder may have been moved since, or be linked to
    over = [path for path in found if path.name not in kept]
    for path in over:
        with suppress(OSError):  # where an open file cannot be deleted, the next sweep does
            path.unlink(missing_ok=True)
    return len(over)
