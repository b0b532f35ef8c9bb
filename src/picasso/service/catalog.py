"""The catalogue of visualizations, and of what audits change, read by a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

from picasso.core import registry
from picasso.core.errors import NotFoundError, PluginError
from picasso.core.guessing import did_you_mean
from picasso.service import plugin_process
from picasso.service.plugin_process import Description, InterventionCard
from picasso.service.side_process import SideProcess
from picasso.service.sources import NOWHERE, Sources

_SECONDS = 30.0
"""How long importing all plug-ins may take; one that never ends must not hang the page."""
_KEPT_SETTINGS = 256

Signature = frozenset[tuple[str, int, int]]


class Catalog:
    """Which visualizations there are, and what their settings may be.

    A change of a file in a plug-in folder is noticed at the next question.

    Args:
        folders: Folders of the user's plug-ins.
        memory: Gigabytes that its process may take; None for most of the computer's.
        sources: Which places of the disk settings may name.
    """

    def __init__(self, folders: tuple[Path, ...], memory: float | None = None, sources: Sources = NOWHERE) -> None:
        self.folders = folders
        self._sources = sources
        self._process = SideProcess("The catalogue of visualizations", memory)
        self._signature: Signature | None = None
        self._known: dict[str, Description] = {}
        self._settings: dict[str, dict[str, Any]] = {}
        self._interventions: tuple[InterventionCard, ...] | None = None

    def all(self) -> dict[str, Description]:
        """Return every visualization by name, broken ones with their traceback."""
        with self._process.turn():
            signature = self._look()
            if signature != self._signature:
                # What was imported before must not show through what is imported now.
                self._process.end()
                self._known = {item.name: item for item in self._describe_all()}
                self._settings.clear()
                self._signature = signature
            return self._known

    def get(self, name: str) -> Description:
        """Return one visualization.

        Raises:
            NotFoundError: There is none of that name.
            PluginError: It is broken.
        """
        known = self.all()
        if name not in known:
            guess = did_you_mean(name, known)
            raise NotFoundError(f"There is no visualization '{name[:80]}'.", guess or f"Known: {', '.join(known)}.")
        found = known[name]
        if found.error:
            raise PluginError(
                f"The visualization '{name}' is broken: {found.error.strip().splitlines()[-1]}", f"Mend {found.file}."
            )
        return found

    def read_settings(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Validate settings and return them completed, as JSON; what names a place of the disk has become its path.

        Raises:
            SettingsError: A value is not allowed, or there is no such setting, or a place that a page may not name.
            NotFoundError, PluginError: As `get`.
        """
        found = self.get(name)
        return self._sources.resolved(found.settings, self._validated(found, values) if values else found.defaults)

    def _validated(self, found: Description, values: Mapping[str, Any]) -> dict[str, Any]:
        asked = f"{found.name} {found.digest} {dict(values)!r}"
        with self._process.turn():
            if asked not in self._settings:
                answer = self._process.ask(
                    plugin_process.read_settings, self.folders, found.name, dict(values), seconds=_SECONDS
                )
                while len(self._settings) >= _KEPT_SETTINGS:
                    self._settings.pop(next(iter(self._settings)))
                self._settings[asked] = answer
            return self._settings[asked]

    def interventions(self) -> tuple[InterventionCard, ...]:
        """Return what audits change pictures with."""
        with self._process.turn():
            if self._interventions is None:
                found = self._process.ask(plugin_process.describe_interventions, seconds=_SECONDS)
                self._interventions = tuple(InterventionCard.read(one) for one in found)
            return self._interventions

    def reload(self) -> dict[str, Description]:
        """Read everything afresh."""
        with self._process.turn():
            self._signature = None
            self._interventions = None
            return self.all()

    def close(self) -> None:
        """End the process, also while it is being asked."""
        self._process.close()

    def _describe_all(self) -> list[Description]:
        try:
            found = self._process.ask(plugin_process.describe_all, self.folders, seconds=_SECONDS)
        except PluginError:
            # One of the user's files took the process with it or never ended. It is found by asking for each alone.
            found = [*self._process.ask(plugin_process.describe_all, (), seconds=_SECONDS), *self._describe_each()]
        return [Description.read(raw) for raw in found]

    def _describe_each(self) -> Iterator[dict[str, Any]]:
        for path in (path for folder in self.folders for path in sorted(folder.glob("[!_.]*.py"))):
            name = registry.kebab(path.stem)
            try:
                yield self._process.ask(plugin_process.describe_one, self.folders, name, seconds=_SECONDS)
            except PluginError as error:
                yield asdict(plugin_process.broken(name, "folder", str(path), error.message))

    def _look(self) -> Signature:
        """Return names, times and sizes of all plug-in files."""
        built_in = Path(str(resources.files("picasso") / "visualizations"))
        found = set()
        for folder in (built_in, *self.folders):
            for path in (*folder.glob("*.py"), *folder.glob("*.html")):
                try:
                    state = path.stat()
                except FileNotFoundError:
                    continue
                found.add((str(path), state.st_mtime_ns, state.st_size))
        return frozenset(found)
