"""Settings that name something outside: pictures, a folder of checkpoints, another visualization.

A setting says so of itself, under "picasso" and "choices". What it names may change while the name stays, so results
are told apart by what stands behind the name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from picasso.core.dataset.reading import files_of
from picasso.core.dataset.sources import file_at
from picasso.core.errors import DatasetError
from picasso.core.labels.annotations import annotations_file


class SourceKind(StrEnum):
    """What a setting names."""

    ALBUM = "album"
    """A folder of pictures, or a data set."""
    CHECKPOINTS = "checkpoints"
    """A folder of what was saved during a training."""
    VISUALIZATION = "visualization"
    """Another visualization, which is run on the way."""


PLACES = (SourceKind.ALBUM, SourceKind.CHECKPOINTS)
"""Those that lie on the disk, of which a page may name only what the server knows."""


def named_sources(schema: Mapping[str, Any], settings: Mapping[str, Any]) -> Iterator[tuple[str, SourceKind, str]]:
    """Yield the settings that name something: the setting, what kind that is, and the name.

    Args:
        schema: JSON schema of the settings.
        settings: Their values; those that name nothing are left out.
    """
    kinds = {str(kind): kind for kind in SourceKind}
    for name, facts in schema.get("properties", {}).items():
        kind = kinds.get(facts.get("picasso", {}).get("choices"))
        if kind is not None and settings.get(name):
            yield name, kind, str(settings[name])


def pinned(
    schema: Mapping[str, Any], settings: Mapping[str, Any], visualization: Callable[[str], str]
) -> dict[str, Any]:
    """Return settings by which results are told apart: beside each name stands what is behind it at present.

    That is the names, sizes and times of the files, and of what people said of them; the latter alone where it is a
    data set that a package makes.

    Args:
        schema: JSON schema of the settings.
        settings: Their values.
        visualization: Returns what tells a visualization from its earlier versions, by name.
    """
    found = dict(settings)
    for name, kind, source in named_sources(schema, settings):
        state = visualization(source) if kind is SourceKind.VISUALIZATION else _state(source)
        found[name] = f"{source} {state}"
    return found


def _state(source: str) -> str:
    digest = hashlib.sha256()
    try:
        files = files_of(source)
        said = file_at(annotations_file(source))
    except (DatasetError, RuntimeError, ValueError):  # whoever reads it says why it cannot be read
        return ""
    for name, file in (*files.items(), *([("", said)] if said else [])):
        digest.update(f"{name}\0{file.stamp}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
