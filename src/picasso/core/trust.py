"""What a file may do only once a person has said that they trust that very file: run code that comes with it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from pathlib import Path

from picasso.core.errors import ConfigurationError, UnsafeModelError

_DIGEST = re.compile(r"[0-9a-f]{64}")


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder: of the names and contents of all files below it, in order."""
    if not path.is_dir():
        return file_digest(path)
    digest = hashlib.sha256()
    for inner in sorted(path.rglob("*")):
        if inner.is_file():
            digest.update(f"{inner.relative_to(path).as_posix()}\0{file_digest(inner)}\n".encode())
    return digest.hexdigest()


def read_trust(said: str | Collection[str] | None) -> frozenset[str]:
    """Return the digests that a person trusts.

    Args:
        said: SHA-256 digests in hex, with or without "sha256:" before them.

    Raises:
        ConfigurationError: One is no such digest.
    """
    digests = [said] if isinstance(said, str) else list(said or ())
    plain = [str(digest).strip().lower().removeprefix("sha256:") for digest in digests]
    for digest in plain:
        if not _DIGEST.fullmatch(digest):
            raise ConfigurationError(
                f"trust must be the SHA-256 of the file, 64 digits in hex. Got '{digest[:70]}'.",
                "The message that refuses a file says it.",
            )
    return frozenset(plain)


def demand_trust(path: Path, trust: Collection[str], what: str) -> None:
    """Refuse a file or folder that would run code, unless its digest is trusted.

    Args:
        path: The file or folder.
        trust: Trusted digests.
        what: What it holds: "a Lambda layer", "pickled Python objects".

    Raises:
        UnsafeModelError: It is not trusted.
    """
    digest = source_digest(path)
    if digest not in trust:
        raise UnsafeModelError(
            f"{path.name} holds {what}: opening it would run code that comes with it.",
            f"If you trust where it comes from, open it with --trust {digest} (in Python trust='{digest}').",
        )
