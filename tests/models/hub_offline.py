"""Keeps a test off the net, and its libraries out of the caches of whoever runs it; and a pickle that tells on them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.file,)


def cut_off(patch: pytest.MonkeyPatch, cache: Path) -> None:
    """Let every look-up of an address fail, and every library find an empty cache in the folder."""

    def fail(*arguments: Any, **named: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    patch.setattr(socket, "getaddrinfo", fail)
    patch.setenv("TORCH_HOME", str(cache / "torch"))
    patch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))


def keep(cache: Path, repository: str, files: Path) -> Path:
    """Put a folder into the cache of the Hugging Face Hub, as a download would; return where."""
    place = cache / "hub" / f"models--{repository.replace('/', '--')}"
    snapshot = place / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    snapshot.mkdir(parents=True)
    for file in files.iterdir():
        (snapshot / file.name).write_bytes(file.read_bytes())
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(snapshot.name)
    return snapshot
