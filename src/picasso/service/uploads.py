"""Archives of pictures that are sent here: where they lie, under which name, which of them are on their way."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from picasso.core.errors import NotSupportedError
from picasso.service.store import Store


@dataclass(frozen=True)
class Upload:
    """An archive that is being sent.

    Args:
        name: What its data set will be called.
        path: Where the archive goes.
    """

    name: str
    path: Path


class Uploads:
    """The archives in one folder. Safe for several threads.

    Args:
        folder: Made when the first archive is sent.
        store: Knows the data sets.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder.absolute()
        self._store = store
        self._lock = threading.Lock()
        self._going: dict[str, Upload] = {}

    @contextmanager
    def begin(self, name: str) -> Iterator[Upload]:
        """Keep a name and a place for an archive as long as it is being sent, before a byte of it was read.

        Where that ends with an error, what was written of it is deleted.

        Raises:
            NotSupportedError: A data set has the name, or another archive is on its way to it.
        """
        upload = Upload(name, self.folder / f"{secrets.token_hex(8)}.zip")
        with self._lock:
            if name in self._going:
                raise NotSupportedError(
                    f"A data set '{name}' is being sent already.",
                    "Wait until it is here, or give this one another name.",
                )
            if any(known.name == name for known in self._store.datasets()):
                raise NotSupportedError(
                    f"There is a data set '{name}' already.", "Give this one another name, or remove that one first."
                )
            self._going[name] = upload
        try:
            self.folder.mkdir(exist_ok=True)
            yield upload
        except BaseException:
            upload.path.unlink(missing_ok=True)
            raise
        finally:
            with self._lock:
                del self._going[name]

    def wanted(self) -> list[Path]:
        """Return the archives that belong to a data set, and those that are being sent."""
        with self._lock:  # in this order: one that has just arrived is among the data sets
            going = [upload.path for upload in self._going.values()]
        return going + [Path(known.path) for known in self._store.datasets()]
