"""Opens the demo's data sets by name: demo:tanks, demo:tanks-honest; they are drawn once and kept."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

from picasso.core import registry
from picasso.core.errors import DatasetError
from picasso.demo import landscape, noise, objects, plants, scene, sky, tanks

PREFIX = "demo:"
PROXY = MappingProxyType({"tanks": True, "tanks-honest": False})
"""The data sets, and whether the sky gives the class away."""
PICTURES = 200
_DRAWN_BY = (landscape, noise, objects, plants, scene, sky, tanks)


def claims(source: str) -> bool:
    """Say whether the source names one of the demo's data sets."""
    return source.startswith(PREFIX)


def open_dataset(source: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Return the folder of a data set of the demo: a folder for each class, and masks; drawn at the first call.

    Args:
        source: "demo:tanks": under skies that give the class away; "demo:tanks-honest": under skies that do not.
        progress: Called while it is drawn, with how many pictures are done and of how many.

    Raises:
        DatasetError: There is none of that name, or it cannot be written.
    """
    name = source.removeprefix(PREFIX)
    if name not in PROXY:
        known = ", ".join(PREFIX + key for key in PROXY)
        raise DatasetError(f"There is no data set '{source}'.", f"Known: {known}.")
    folder = registry.home() / "datasets" / f"{name}-{_drawing()}"
    if folder.is_dir():
        return folder
    # Drawn aside and renamed, so that there is all of it or nothing; of two that draw at once, one is thrown away.
    part = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        shutil.rmtree(part, ignore_errors=True)
        tanks.write(part, PICTURES, PROXY[name], progress)
        try:
            part.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written: {error.strerror}.", "Choose $PICASSO_HOME.") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _drawing() -> str:
    """Return what changes with the code that draws: pictures of another are never taken for these."""
    digest = hashlib.sha256(str(PICTURES).encode())
    for module in _DRAWN_BY:
        assert module.__file__ is not None
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]
