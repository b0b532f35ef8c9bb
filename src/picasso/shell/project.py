"""What the project in the current folder says, for every command: picasso.toml, where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from picasso.core import registry

if TYPE_CHECKING:
    from picasso.service.configuration import Configuration

CONFIGURATION = Path("picasso.toml")


def configuration() -> Configuration | None:
    """Read picasso.toml of the current folder; None where there is none.

    Raises:
        ConfigurationError: It cannot be read.
    """
    if not CONFIGURATION.is_file():
        return None
    from picasso.service.configuration import read_configuration

    return read_configuration(CONFIGURATION)


def plugin_folders() -> list[Path]:
    """Return the folders of the user's visualizations: those of the project, else the user's own."""
    found = configuration()
    return [registry.plugin_folder()] if found is None else list(found.plugins)
