"""One server for each data folder: a second one would put back the jobs that the first one runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

from picasso.core.errors import ConfigurationError


class FolderLock:
    """A lock that the operating system gives back however the process ends.

    Args:
        folder: The data folder.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "server.lock"
        self._file: IO[bytes] | None = None

    def take(self) -> None:
        """Take the lock.

        Raises:
            ConfigurationError: Another server has it.
        """
        file = self._path.open("ab")
        try:
            _lock(file)
        except OSError:
            file.close()
            raise ConfigurationError(
                f"Another Picasso already uses the folder {self._path.parent}.", "Use that one, or another data folder."
            ) from None
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
