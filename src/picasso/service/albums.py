"""Pictures that a visualization learns from: which ones a page may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from picasso.core.album import album_settings
from picasso.core.errors import SettingsError
from picasso.service.store import Store


def resolved(schema: Mapping[str, Any], settings: Mapping[str, Any], store: Store, paths: bool) -> dict[str, Any]:
    """Return settings in which the name of a data set of the server has become its path.

    Args:
        schema: JSON schema of the settings.
        settings: Validated settings.
        store: Knows the data sets.
        paths: Whether a page may name any path of this machine.

    Raises:
        SettingsError: It names something else, and may not.
    """
    found = dict(settings)
    for name, value in album_settings(schema, settings).items():
        found[name] = album_path(value, store, paths, name)
    return found


def album_path(value: str, store: Store, paths: bool, name: str = "album") -> str:
    """Return the path of an album that a page names.

    Args:
        value: The name of a data set of the server, or a path.
        store: Knows the data sets.
        paths: Whether a page may name any path of this machine.
        name: What the setting is called.

    Raises:
        SettingsError: It names something else, and may not.
    """
    known = {dataset.name: dataset.path for dataset in store.datasets()}
    if value in known:
        return known[value]
    if value not in known.values() and not paths:
        raise SettingsError(
            f"{name} must be a data set of this server. Got '{value[:80]}'.",
            f"Known: {', '.join(known) or 'none'}. Start it with --allow-add to name folders.",
        )
    return value
