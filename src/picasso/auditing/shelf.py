"""Where the measured shards of audits are kept, so that one that was stopped goes on where it was."""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from picasso.auditing.experiment import Measured


class Shelf:
    """Measured shards by their key, each a file of its own; written whole or not at all.

    Args:
        folder: Made when the first shard is kept; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, key: str) -> Measured | None:
        """Return a shard, or None where it was not kept or cannot be read."""
        if self.folder is None:
            return None
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as kept:
                unreadable = {int(number): reason for number, reason in json.loads(str(kept["unreadable"])).items()}
                return Measured(kept["margin"], kept["answer"], kept["change"], unreadable)
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None

    def put(self, key: str, measured: Measured) -> None:
        """Keep a shard. Where the folder cannot be written, it is measured again the next time."""
        if self.folder is None:
            return
        buffer = io.BytesIO()
        np.savez(
            buffer,
            margin=measured.margin,
            answer=measured.answer,
            change=measured.change,
            unreadable=np.array(json.dumps(dict(measured.unreadable))),
        )
        part = self.folder / f".{key}.{os.getpid()}"
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_bytes(buffer.getvalue())
            part.replace(self.folder / f"{key}.npz")
