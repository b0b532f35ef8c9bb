"""What a setting names on the disk: pictures, folders of checkpoints; and which of it a page may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picasso.core.errors import SettingsError
from picasso.core.sources import PLACES, SourceKind, named_sources

Known = Mapping[SourceKind, Mapping[str, str]]
"""Paths by kind and by name."""
_WORDS = {SourceKind.ALBUM: "data set", SourceKind.CHECKPOINTS: "folder of checkpoints"}


@dataclass(frozen=True)
class Sources:
    """Which places of the disk a page may name.

    Args:
        known: Gives the paths that the server knows at present.
        paths: Whether a page may name any other path of this machine, too.
    """

    known: Callable[[], Known]
    paths: bool

    def resolved(self, schema: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings in which a name that the server knows has become its path.

        Args:
            schema: JSON schema of the settings.
            settings: Validated settings.

        Raises:
            SettingsError: It names something else, and may not.
        """
        found = dict(settings)
        for name, kind, value in named_sources(schema, settings):
            if kind in PLACES:
                found[name] = self.place_of(value, kind, name)
        return found

    def place_of(self, value: str, kind: SourceKind, name: str) -> str:
        """Return the path of what a page names.

        Args:
            value: A name that the server knows, or a path.
            kind: What it names.
            name: What the setting is called.

        Raises:
            SettingsError: It names something else, and may not; or it can be no path.
        """
        places = self.known()[kind]
        if value in places:
            return places[value]
        if value in places.values():
            return value
        if not self.paths:
            raise SettingsError(
                f"{name} must be a {_WORDS[kind]} of this server. Got '{value[:80]}'.",
                f"Known: {', '.join(places) or 'none'}. Start it with --allow-add to name folders.",
            )
        _refuse_impossible(value, kind, name)
        return value


NOWHERE = Sources(lambda: {kind: {} for kind in PLACES}, paths=False)
"""No place may be named."""


def _refuse_impossible(value: str, kind: SourceKind, name: str) -> None:
    """Refuse what no system calls ask for: a home of nobody, a character that no path has.

    Raises:
        SettingsError: It is that.
    """
    try:
        Path(value).expanduser().stat()
    except (FileNotFoundError, NotADirectoryError):  # it may be a name that a package knows; who reads it says so
        return
    except (RuntimeError, ValueError, OSError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SettingsError(
            f"{name} must be a {_WORDS[kind]}. Got {value[:80]!r}: {why.rstrip('.')}.", "Give another path."
        ) from None
