"""Folders that a command writes into: refused before any work, not after it."""

from __future__ import annotations

import os
from pathlib import Path

from picasso.core.errors import ConfigurationError


def check_folders(*folders: Path | None) -> None:
    """Refuse what cannot become a folder, or be written into. Nothing is made yet.

    Args:
        folders: Each there already or not; None where none is asked for.

    Raises:
        ConfigurationError: It, or a folder above it, is a file, or may not be written into.
    """
    for folder in folders:
        if folder is None:
            continue
        place = next((above for above in (folder, *folder.parents) if above.exists()), Path())
        if not place.is_dir():
            raise ConfigurationError(f"{place} is a file.", "Name a folder; it is made where it is absent.")
        if not os.access(place, os.W_OK):
            raise ConfigurationError(f"{place} may not be written into.", "Name another folder.")
