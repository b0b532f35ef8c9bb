"""Where plug-ins and model openers are found: built in, installed packages, the user's own folder."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cache
from importlib import metadata, resources
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, Literal, TypeVar

from picasso.core.errors import NotFoundError, PluginError
from picasso.core.facts import Capability
from picasso.core.guessing import did_you_mean
from picasso.core.interventions.intervention import Intervention, Need, Role
from picasso.core.neighbors import digest_of, neighbors
from picasso.core.visualization import Family, Visualization

Origin = Literal["built-in", "package", "folder"]
GROUP_MODELS = "picasso.models"
GROUP_DATASETS = "picasso.datasets"
K = TypeVar("K")


@dataclass(frozen=True)
class Plugin(Generic[K]):
    """A plug-in, or the traceback of one that is broken.

    Args:
        name: Registered name.
        origin: Where it comes from.
        path: Its file.
        digest: SHA-256 of its file and its template: part of every cache key.
        kind: The class, None where it is broken.
        template: Source of the Jinja template beside it, or "".
        error: The traceback of a broken plug-in, or "".
        noun: What it is: "visualization".
    """

    name: str
    origin: Origin
    path: Path
    digest: str
    kind: type[K] | None
    template: str = ""
    error: str = ""
    noun: str = "visualization"

    def load(self) -> type[K]:
        """Return the class.

        Raises:
            PluginError: The plug-in is broken.
        """
        if self.kind is None:
            last = self.error.strip().splitlines()[-1] if self.error else "no reason known"
            raise PluginError(f"The {self.noun} '{self.name}' is broken: {last}", f"Mend {self.path}.")
        return self.kind


Entry = Plugin[Visualization[Any]]
"""A visualization, or the traceback of one that is broken."""
Find = Callable[[str], Entry]
"""Returns a visualization by its registered name."""


@dataclass(frozen=True)
class Shelf(Generic[K]):
    """Where the plug-ins of one sort are found, and what each must keep.

    Args:
        noun: What one is called: "visualization".
        base: The class that each is a subclass of.
        package: Where the built-in ones are.
        folder: Name of the user's folder within Picasso's, and of the group of entry points.
        check: Raises PluginError where a class breaks the contract.
        order: What they are sorted by, where not by their names alone.
    """

    noun: str
    base: Any
    package: str
    folder: str
    check: Callable[[type[K]], None]
    order: Callable[[type[K]], int] = lambda kind: 0

    @property
    def group(self) -> str:
        """Return the group of entry points of installed packages."""
        return f"picasso.{self.folder}"

    def find(self, folders: Iterable[Path] | None = None) -> dict[str, Plugin[K]]:
        """Find all, by name, in a fixed order: in it built-in, packages, folders; broken last.

        Args:
            folders: Folders of the user's plug-ins; by default the one in `home()`. Files are read afresh at each call.

        Returns:
            Plug-ins by name. A broken one is listed with its traceback. A later one of the same name does not
            replace an earlier one: it is listed under "name (file)" with the reason.
        """
        found: dict[str, Plugin[K]] = {}
        for entry in self._all(folders):
            if entry.name in found:
                key = f"{entry.name} ({entry.path.name})"
                key = key if key not in found else f"{entry.name} ({entry.path})"
                taken = f"The name '{entry.name}' is taken by {found[entry.name].path.name}."
                found[key] = Plugin(key, entry.origin, entry.path, entry.digest, None, error=taken, noun=self.noun)
            else:
                found[entry.name] = entry
        kinds = {name: entry.kind for name, entry in found.items()}
        places = {name: (kind is None, self.order(kind) if kind else 0) for name, kind in kinds.items()}
        return {name: found[name] for name in sorted(found, key=lambda name: places[name])}

    def one(self, name: str, folders: Iterable[Path] | None = None) -> Plugin[K]:
        """Return one; the others are not imported, so that one that hangs or crashes harms only itself.

        Raises:
            NotFoundError: There is none of that name.
        """
        places = None if folders is None else list(folders)
        if (found := next(self._all(places, name), None)) is not None:
            return found
        known = self.find(places)
        if name not in known:
            guess = did_you_mean(name, known)
            raise NotFoundError(f"There is no {self.noun} '{name}'.", guess or f"Known: {', '.join(known)}.")
        return known[name]

    def _all(self, folders: Iterable[Path] | None, only: str | None = None) -> Iterator[Plugin[K]]:
        places = [home() / self.folder] if folders is None else folders
        return chain(self._built_in(only), self._packages(only), self._folders(places, only))

    def _built_in(self, only: str | None) -> Iterator[Plugin[K]]:
        folder = Path(str(resources.files("picasso"))).joinpath(*self.package.split(".")[1:])
        for path in sorted(folder.glob("[!_]*.py")):
            if only is None or kebab(path.stem) == only:
                yield self._entry(path, "built-in", lambda p: _imported(f"{self.package}.{p.stem}", p))

    def _packages(self, only: str | None) -> Iterator[Plugin[K]]:
        for point in metadata.entry_points(group=self.group):
            if only is not None and point.name != only:
                continue
            try:
                spec = importlib.util.find_spec(point.module)
                if spec is None or spec.origin is None:
                    raise ModuleNotFoundError(f"No module named '{point.module}'")
                path = Path(spec.origin)
            except (Exception, SystemExit):
                broken, place = traceback.format_exc(), Path(point.module)
                yield Plugin(point.name, "package", place, "", None, error=broken, noun=self.noun)
                continue
            yield self._entry(path, "package", lambda p, m=point.module: _imported(m, p), point.name)

    def _folders(self, folders: Iterable[Path], only: str | None) -> Iterator[Plugin[K]]:
        for folder in folders:
            for path in sorted(folder.glob("[!_.]*.py")) if folder.is_dir() else ():
                if only is None or kebab(path.stem) == only:
                    yield self._entry(path, "folder", _from_folder)

    def _entry(self, path: Path, origin: Origin, load: Any, name: str | None = None) -> Plugin[K]:
        name = name or kebab(path.stem)
        template_file = path.with_suffix(".html")
        try:
            template = template_file.read_text("utf-8") if template_file.is_file() else ""
            module, content = load(path)
            digest = hashlib.sha256(content + template.encode()).hexdigest()
            return Plugin(name, origin, path, digest, self.defined_in(module, name), template, noun=self.noun)
        except (Exception, SystemExit):  # a broken plug-in is listed, never fatal
            return Plugin(name, origin, path, "", None, error=traceback.format_exc(limit=-8), noun=self.noun)

    def defined_in(self, module: ModuleType, name: str) -> type[K]:
        """Return the one plug-in that a module defines.

        Raises:
            PluginError: There is none, there are several, or it does not keep the contract.
        """
        # A class may have two names in its module.
        defined = dict.fromkeys(
            value
            for value in vars(module).values()
            if inspect.isclass(value) and issubclass(value, self.base) and value.__module__ == module.__name__
        )
        kinds = [value for value in defined if not inspect.isabstract(value)]
        if not kinds and defined:
            last = list(defined)[-1]
            missing = sorted(getattr(last, "__abstractmethods__", ()))
            raise PluginError(f"{last.__name__} must define {', '.join(missing)}().")
        if len(kinds) != 1:
            raise PluginError(f"The file must define exactly one {self.noun}. Got {len(kinds)}.")
        kind: type[Any] = kinds[0]
        for attribute in ("name", "title"):
            if not isinstance(getattr(kind, attribute, None), str):
                raise PluginError(f"{kind.__name__} must have a {attribute}, a string.")
        self.check(kind)
        if kind.name != name:
            raise PluginError(f"{kind.__name__}.name must be '{name}', as its file. Got '{kind.name}'.")
        return kind


def _keeps_needs(kind: Any, members: type) -> None:
    needs = kind.needs
    if not isinstance(needs, Set) or not all(isinstance(need, members) for need in needs):
        raise PluginError(f"{kind.__name__}.needs must be a frozenset of {members.__name__}. Got {needs!r}.")


def _check_visualization(kind: type[Visualization[Any]]) -> None:
    if not isinstance(kind.family, Family):
        raise PluginError(f"{kind.__name__}.family must be a Family. Got {kind.family!r}.")
    _keeps_needs(kind, Capability)


def _check_intervention(kind: type[Intervention]) -> None:
    if not isinstance(kind.role, Role):
        raise PluginError(f"{kind.__name__}.role must be a Role. Got {kind.role!r}.")
    _keeps_needs(kind, Need)


VISUALIZATIONS: Shelf[Visualization[Any]] = Shelf(
    "visualization",
    Visualization,
    "picasso.visualizations",
    "visualizations",
    _check_visualization,
    lambda kind: list(Family).index(kind.family),
)
INTERVENTIONS: Shelf[Intervention] = Shelf(
    "intervention", Intervention, "picasso.auditing.interventions", "interventions", _check_intervention
)


def home() -> Path:
    """Return Picasso's folder: $PICASSO_HOME, else the platform's data folder."""
    if chosen := os.environ.get("PICASSO_HOME"):
        return Path(chosen).expanduser()
    from platformdirs import user_data_path

    return user_data_path("picasso", appauthor=False)


def plugin_folder() -> Path:
    """Return the folder of the user's own visualizations."""
    return home() / VISUALIZATIONS.folder


def visualizations(folders: Iterable[Path] | None = None) -> dict[str, Entry]:
    """Find every visualization, by name, by family; see `Shelf.find`."""
    return VISUALIZATIONS.find(folders)


def visualization(name: str, folders: Iterable[Path] | None = None) -> Entry:
    """Return one visualization; see `Shelf.one`."""
    return VISUALIZATIONS.one(name, folders)


def interventions(folders: Iterable[Path] | None = None) -> dict[str, Plugin[Intervention]]:
    """Find every intervention of an audit, by name; see `Shelf.find`."""
    return INTERVENTIONS.find(folders)


def intervention(name: str, folders: Iterable[Path] | None = None) -> Plugin[Intervention]:
    """Return one intervention of an audit; see `Shelf.one`."""
    return INTERVENTIONS.one(name, folders)


def openers(group: str = GROUP_MODELS) -> Iterator[ModuleType]:
    """Import the modules that open models, one for each framework, or data sets; none imports its framework yet.

    Args:
        group: `GROUP_MODELS`, or `GROUP_DATASETS` for what knows data sets by name.

    Raises:
        PluginError: One is broken: said last, so that the others still open what is theirs.
    """
    broken: PluginError | None = None
    # Names first, and folders whose settings say what else in them is the model's; a plain callable last, since
    # modules of every framework can be called.
    places = {"demo": -1, "hub": -1, "original": -1, "function": 1}
    for point in sorted(metadata.entry_points(group=group), key=lambda p: places.get(p.name, 0)):
        try:
            module = point.load()
        except (Exception, SystemExit) as error:
            what = "models" if group == GROUP_MODELS else "data sets"
            broken = PluginError(
                f"What opens '{point.name}' {what} is broken: {type(error).__name__}: {error}",
                f"Mend or uninstall {point.module}.",
            )
            continue
        yield module
    if broken:
        raise broken


def module_from_file(path: Path, prefix: str) -> ModuleType:
    """Import a user's Python file afresh, under a name of its own.

    Raises:
        Exception: Whatever the file raises.
    """
    content = path.read_bytes()
    name = f"{prefix}.{path.stem}_{hashlib.sha256(str(path).encode() + content).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def kebab(stem: str) -> str:
    """Turn a file's stem into a registered name: partial_occlusion -> partial-occlusion."""
    return re.sub(r"[_\s]+", "-", stem).lower()


def _from_folder(path: Path) -> tuple[ModuleType, bytes]:
    """Import a user's visualization; what it imports from beside itself counts as its source."""
    with neighbors(path.parent) as found:
        module, content = module_from_file(path, "picasso_plugins"), path.read_bytes()
    return module, content + (digest_of(found).encode() if found else b"")


@cache
def _imported(module: str, path: Path) -> tuple[ModuleType, bytes]:
    """Import an installed module and read its source, once: what is edited later does not run in this process."""
    content = path.read_bytes()
    return importlib.import_module(module), content
