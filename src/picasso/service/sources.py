"""What a setting names on the disk: pictures, folders of checkpoints; and which of it a page may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from picasso.core.errors import SettingsError
from picasso.core.sources import PLACES, SourceKind, named_sources

Known = Mapping[SourceKind, Mapping[str, str]]
"""The paths that the server knows, by kind and by name."""
_WORDS = {SourceKind.ALBUM: "data set", SourceKind.CHECKPOINTS: "folder of checkpoints"}


def resolved(schema: Mapping[str, Any], settings: Mapping[str, Any], known: Known, paths: bool) -> dict[str, Any]:
    """Return settings in which a name that the server knows has become its path.

    Args:
        schema: JSON schema of the settings.
        settings: Validated settings.
        known: What the server knows.
        paths: Whether a page may name any path of this machine.

    Raises:
        SettingsError: It names something else, and may not.
    """
    found = dict(settings)
    for name, kind, value in named_sources(schema, settings):
        if kind in PLACES:
            found[name] = place_of(value, kind, known, paths, name)
    return found


def place_of(value: str, kind: SourceKind, known: Known, paths: bool, name: str) -> str:
    """Return the path of what a page names.

    Args:
        value: A name that the server knows, or a path.
        kind: What it names.
        known, paths: As `resolved` takes them.
        name: What the setting is called.

    Raises:
        SettingsError: It names something else, and may not.
    """
    places = known[kind]
    if value in places:
        return places[value]
    if value not in places.values() and not paths:
        raise SettingsError(
            f"{name} must be a {_WORDS[kind]} of this server. Got '{value[:80]}'.",
            f"Known: {', '.join(places) or 'none'}. Start it with --allow-add to name folders.",
        )
    return value
