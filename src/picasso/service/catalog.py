"""The catalogue of visualizations, interventions and data sets, read by a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TimedOut
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pebble import ProcessPool

from picasso.core import registry
from picasso.core.errors import NotFoundError, PluginError
from picasso.service import plugin_process
from picasso.service.plugin_process import DatasetCard, Description, InterventionCard
from picasso.service.records import Fault

T = TypeVar("T")
_SECONDS = 30.0
"""How long importing all plug-ins may take; one that never ends must not hang the page."""
_DATASET_SECONDS = 120.0
"""How long reading a data set may take."""
_IDLE_SECONDS = 30.0
"""The process ends when nobody asked it anything for that long."""
_KEPT_SETTINGS = 256

Signature = frozenset[tuple[str, int, int]]


class Catalog:
    """Which visualizations there are, and what their settings may be.

    A change of a file in a plug-in folder is noticed at the next question.

    Args:
        folders: Folders of the user's plug-ins.
    """

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self.folders = folders
        self._lock = threading.RLock()
        self._pool: ProcessPool | None = None
        self._timer: threading.Timer | None = None
        self._signature: Signature | None = None
        self._interventions: tuple[InterventionCard, ...] | None = None
        self._known: dict[str, Description] = {}
        self._settings: dict[str, dict[str, Any]] = {}
        self._call: Future[Any] | None = None
        self._closed = False

    def all(self) -> dict[str, Description]:
        """Return every visualization by name, broken ones with their traceback."""
        with self._lock:
            signature = self._look()
            if signature != self._signature:
                # What was imported before must not show through what is imported now.
                self._end_process()
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
            raise NotFoundError(f"There is no visualization '{name[:80]}'.", f"Known: {', '.join(known)}.")
        found = known[name]
        if found.error:
            raise PluginError(
                f"The visualization '{name}' is broken: {found.error.strip().splitlines()[-1]}", f"Mend {found.file}."
            )
        return found

    def read_settings(self, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Validate settings and return them completed, as JSON.

        Raises:
            SettingsError: A value is not allowed, or there is no such setting.
            NotFoundError, PluginError: As `get`.
        """
        found = self.get(name)
        if not values:
            return found.defaults
        asked = f"{found.name} {found.digest} {dict(values)!r}"
        with self._lock:
            if asked not in self._settings:
                answer = self._ask(plugin_process.read_settings, self.folders, name, dict(values))
                while len(self._settings) >= _KEPT_SETTINGS:
                    self._settings.pop(next(iter(self._settings)))
                self._settings[asked] = answer
            return self._settings[asked]

    def dataset(self, path: str) -> DatasetCard:
        """Read a data set and say what is there.

        Args:
            path: A folder, a file, or a name: "demo:tanks", whose pictures are drawn when it is first asked for.

        Raises:
            DatasetError: There is no such data set, or it holds no labelled picture.
            PluginError: It could not be read in time.
        """
        with self._lock:
            return DatasetCard.read(self._ask(plugin_process.describe_dataset, path, seconds=_DATASET_SECONDS))

    def interventions(self) -> tuple[InterventionCard, ...]:
        """Return what audits change pictures with."""
        with self._lock:
            if self._interventions is None:
                found = self._ask(plugin_process.describe_interventions)
                self._interventions = tuple(
                    InterventionCard(one["name"], one["title"], one["role"], tuple(one["needs"])) for one in found
                )
            return self._interventions

    def reload(self) -> dict[str, Description]:
        """Read everything afresh."""
        with self._lock:
            self._signature = None
            self._interventions = None
            return self.all()

    def close(self) -> None:
        """End the process, also while it is being asked."""
        self._closed = True
        if (call := self._call) is not None:
            call.cancel()
        with self._lock:
            self._end_process()

    def _describe_all(self) -> list[Description]:
        try:
            found = self._ask(plugin_process.describe_all, self.folders)
        except PluginError:
            # One of the user's files took the process with it or never ended. It is found by asking for each alone.
            found = [*self._ask(plugin_process.describe_all, ()), *self._describe_each()]
        return [Description.read(raw) for raw in found]

    def _describe_each(self) -> Iterator[dict[str, Any]]:
        for path in (path for folder in self.folders for path in sorted(folder.glob("[!_.]*.py"))):
            name = registry.kebab(path.stem)
            try:
                yield self._ask(plugin_process.describe_one, self.folders, name)
            except PluginError as error:
                yield asdict(plugin_process.broken(name, "folder", str(path), error.message))

    def _ask(self, question: Callable[..., T], *arguments: object, seconds: float = _SECONDS) -> T:
        """Have the process answer a question; the answer is JSON."""
        if self._closed:
            raise PluginError("The catalogue of visualizations is closed.")
        try:
            if self._pool is None or not self._pool.active:
                self._pool = ProcessPool(max_workers=1, context=multiprocessing.get_context("spawn"))
            self._call = self._pool.schedule(plugin_process.answer, args=(question, *arguments), timeout=seconds)
            said = json.loads(self._call.result(seconds + 10))
        except TimedOut:
            self._end_process()
            raise PluginError(f"It took more than {seconds:.0f} seconds.") from None
        except Exception as error:
            self._end_process()
            code = getattr(error, "exitcode", None)
            reason = str(error) if code is None else f"exit code {code}"
            raise PluginError(f"The process that imported it ended ({reason}).") from None
        self._end_later()
        if "fault" in said:
            raise Fault(**said["fault"]).to_error()
        answer: T = said["answer"]
        return answer

    def _end_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(_IDLE_SECONDS, self._retire)
        self._timer.daemon = True
        self._timer.start()

    def _retire(self) -> None:
        with self._lock:
            self._end_process()

    def _end_process(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

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
