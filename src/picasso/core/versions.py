"""The versions of everything that decides a model's numbers."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

from picasso.core.model import Model


def versions(model: Model) -> dict[str, str]:
    """Return the versions of everything that decides a model's numbers here."""
    known = {"picasso": version("picasso"), "python": platform.python_version()}
    return known | {name: version(name) for name in ("numpy", "pillow", *model.packages)}


@cache
def version(package: str) -> str:
    """Return a package's version; reading it takes a millisecond, and each picture of a job asks for it."""
    return metadata.version(package)
