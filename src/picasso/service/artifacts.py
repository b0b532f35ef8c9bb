"""Files under the digest of their content: pictures, raw arrays, archives."""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotFoundError

_DIGEST = re.compile(r"[0-9a-f]{64}")
PART = ".part"
"""So end the names of files that are still being written; large ones lie in the folder itself until they are whole."""


@dataclass(frozen=True)
class StoredArray:
    """Where an array lies: the digest of its .npy file, so that equal bytes of another shape are another file.

    Args:
        artifact: The digest.
        dtype, shape: Of the array.
        new: Whether it was not there before.
    """

    artifact: str
    dtype: str
    shape: tuple[int, ...]
    new: bool


class Artifacts:
    """A folder of files that never change: <folder>/ab/abcdef...

    Args:
        folder: Made where it is absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Return where a file lies or would lie.

        Raises:
            NotFoundError: That is no digest.
        """
        if not _DIGEST.fullmatch(digest):
            raise NotFoundError(f"There is no artifact '{digest[:80]}'.")
        return self.folder / digest[:2] / digest

    def put(self, data: bytes, *, durable: bool = False) -> str:
        """Keep bytes and return their digest.

        Args:
            data: The content.
            durable: Wait until the disk has it. Without, a power failure may lose or damage the file; `get` says so,
                and putting the same content again mends it.
        """
        digest = hashlib.sha256(data).hexdigest()
        place = self.path(digest)
        if place.is_file() and place.read_bytes() == data:
            # It may be old and unused: say that it is wanted again, so that the sweep leaves it.
            os.utime(place)
            return digest
        place.parent.mkdir(exist_ok=True)
        part = place.with_name(f"{digest}.{secrets.token_hex(6)}{PART}")
        try:
            with part.open("xb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            part.replace(place)
        finally:
            part.unlink(missing_ok=True)
        return digest

    def take(self, file: Path) -> str:
        """Keep a file that may be large, which is moved here, and return its digest.

        Args:
            file: In a folder of the same disk as this one.
        """
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            os.fsync(content.fileno())
        place = self.path(digest)
        place.parent.mkdir(exist_ok=True)
        file.replace(place)
        os.utime(place)
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes, verified against their digest.

        Raises:
            NotFoundError: The file is absent or damaged.
        """
        try:
            data = self.path(digest).read_bytes()
        except OSError:
            raise NotFoundError(f"There is no artifact {digest}.", "It was deleted; run the job again.") from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise NotFoundError(f"The artifact {digest} is damaged on disk.", "Delete the result and run it again.")
        return data

    def put_array(self, values: NDArray[Any]) -> StoredArray:
        """Keep an array, float32 or uint8; other numbers become float32."""
        kept = values if values.dtype == np.uint8 else np.asarray(values, dtype="<f4")
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(kept).reshape(values.shape), version=(1, 0))
        data = buffer.getvalue()
        new = not self.path(hashlib.sha256(data).hexdigest()).is_file()
        return StoredArray(self.put(data), kept.dtype.name, tuple(int(n) for n in values.shape), new)

    def get_array(self, digest: str) -> NDArray[Any]:
        """Return an array.

        Raises:
            NotFoundError: There is none of that digest.
        """
        data = self.get(digest)
        if not data.startswith(np.lib.format.MAGIC_PREFIX):
            raise NotFoundError(f"The artifact {digest} is no array.")
        values: NDArray[Any] = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
        return values

    def touched(self, digest: str) -> int:
        """Return when a file was put last, in nanoseconds; 0 where it is absent."""
        try:
            return self.path(digest).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def discard(self, digest: str) -> None:
        """Delete a file, where it is there."""
        self.path(digest).unlink(missing_ok=True)

    def sweep(self, wanted: Iterable[str], older_than: float) -> int:
        """Delete files that nothing refers to, and parts of files whose writer was ended.

        Args:
            wanted: Digests that are kept.
            older_than: Seconds; younger files are kept, since their record may not be written yet.

        Returns:
            How many files were deleted.
        """
        keep = set(wanted)
        limit = time.time() - older_than
        deleted = 0
        for path in (*self.folder.glob("??/*"), *self.folder.glob(f"*{PART}")):
            try:
                if path.name not in keep and path.stat().st_mtime < limit:
                    path.unlink()
                    deleted += 1
            except FileNotFoundError:
                continue
        return deleted
