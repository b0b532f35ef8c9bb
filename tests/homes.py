"""Picasso's folder of a test: its own, but for the drawn data sets, which take long to draw and are always the same."""

from __future__ import annotations

import os
from pathlib import Path


def furnish_home(home: Path) -> Path:
    """Make a folder for PICASSO_HOME that shares the drawn data sets with the other tests of this run.

    Args:
        home: Made if it does not exist.
    """
    home.mkdir(parents=True, exist_ok=True)
    shared = (Path(os.environ["PICASSO_HOME"]) / "datasets").resolve()
    if not (home / "datasets").exists():
        (home / "datasets").symlink_to(shared, target_is_directory=True)
    return home
