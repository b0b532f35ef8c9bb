"""Does a visualization keep its contract?"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from picasso.core import registry, runner
from picasso.core.errors import (
    CanceledError,
    NotFoundError,
    NotSupportedError,
    PicassoError,
    PluginError,
    SettingsError,
)
from picasso.core.facts import Capability, Task
from picasso.core.fitting import missing
from picasso.core.model import Model
from picasso.core.panels import Panel, Template
from picasso.core.registry import Entry
from picasso.core.result import Result
from picasso.core.settings import Settings
from picasso.core.sources import SourceKind
from picasso.core.visualization import AttributionMethod, ModelVisualization, Subject, Visualization
from picasso.testing.common import rule, small_model, trial_picture, untouched

_RESERVED = ("model", "picture", "visualization", "target", "top", "at", "channel", "seed", "cache", "progress")
_PATIENCE = 100
"""Reports of progress after which a run at a setting's extreme has shown that it works, and is canceled."""
_PICTURES = 12
"""Of the folder that is given to visualizations of folders."""
_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def check_visualization(visualization: str | Path | type[Visualization[Any]], model: Model | None = None) -> None:
    """Check that a visualization keeps its contract.

    It is run several times on a small model, with its defaults and with each setting at its extremes.

    Args:
        visualization: A registered name, a plug-in's file, or the class.
        model: What it is run on; by default `small_model()`.

    Raises:
        AssertionError: A rule is broken; the message names it.
        NotSupportedError: The model lacks what the visualization needs.

    Example:
        >>> check_visualization("partial-occlusion")
    """
    entry = _entry(visualization)
    kind = entry.load()
    _check_description(entry, kind)
    _check_settings(kind)
    trial = _Trial(entry, small_model() if model is None else model)
    if reason := missing(trial.model, entry):
        raise NotSupportedError(reason, "Check it on another model.")
    with untouched(trial.model, entry.name), TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        _check_album(trial, kind, Path(folder))
        reports = _check_run(trial, kind)
        _check_cancel(trial, reports)
        _check_extremes(trial, kind.settings_type)


class _Trial:
    """Runs a visualization and notes what it reports and shows."""

    def __init__(self, entry: Entry, model: Model) -> None:
        self.entry = entry
        self.model = model
        self.alone = entry.load().subject is Subject.MODEL
        self.picture = trial_picture(0, 40, 56)
        self.album: dict[str, str] = {}
        self.reports: list[tuple[int, int]] = []
        self.shown: list[Panel] = []

    def run(self, settings: Settings, cancel_at: int | None = None, **choices: Any) -> Result:
        """Run once.

        Args:
            settings: The settings.
            cancel_at: Number of the report at which the work is canceled, from 0; None for never.
            choices: target, top, seed.
        """
        self.reports, self.shown = [], []
        settings = settings.model_copy(update=self.album)

        def report(done: int, total: int, message: str) -> None:
            if len(self.reports) == cancel_at:
                raise CanceledError("Canceled by the trial.")
            self.reports.append((done, total))

        if self.alone:
            return runner.run(
                self.model, None, self.entry, settings, seed=choices.get("seed", 0), report=report,
                show=self.shown.append,
            )  # fmt: skip
        if self.model.facts.task is Task.DETECTION:  # a box of its own has every class; detections have one each
            side = min(self.picture.height, self.picture.width) / 2
            choices = {"at": (0, 0, side, side)} | choices
        return runner.run(
            self.model, self.picture, self.entry, settings, report=report, show=self.shown.append, **choices
        )


def _entry(visualization: str | Path | type[Visualization[Any]]) -> Entry:
    if isinstance(visualization, type):
        try:
            path = Path(inspect.getsourcefile(visualization) or "")
        except (OSError, TypeError):  # typed into a shell or a notebook
            path = Path()
        digest = hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()
        name = getattr(visualization, "name", visualization.__name__)
        template = path.with_suffix(".html") if registry.kebab(path.stem) == name else Path()
        text = template.read_text("utf-8") if template.is_file() else ""
        return Entry(name, "folder", path, digest, visualization, text)
    path = Path(visualization)
    if isinstance(visualization, str) and path.suffix != ".py":
        return registry.visualization(visualization)
    name = registry.kebab(path.stem)
    found = registry.visualizations([path.absolute().parent])
    entry = next((one for one in found.values() if one.path == path.absolute()), None)
    rule(entry is not None, name, f"there is no file {path}, or its name begins with _ or a dot.")
    assert entry is not None
    rule(entry.kind, name, f"the file must import and hold one visualization. {entry.error.strip()}")
    return entry


def _check_description(entry: Entry, kind: type[Visualization[Any]]) -> None:
    name = entry.name
    rule(_KEBAB.fullmatch(kind.name), name, f"the name must be kebab-case. Got '{kind.name}'.")
    first = inspect.cleandoc(vars(kind).get("__doc__") or "").split("\n")[0]
    rule(first.endswith("."), name, f"the docstring's first line must be a sentence with a full stop. Got '{first}'.")
    rule(kind.title.strip() and kind.title == kind.title.strip(), name, f"the title is bare. Got '{kind.title}'.")
    references = kind.references
    good = isinstance(references, tuple) and all(isinstance(item, str) and item for item in references)
    rule(good, name, f"references must be a tuple of texts. Got {references!r}.")
    rule(isinstance(kind.formula, str), name, f"formula must be a text. Got {kind.formula!r}.")
    good = isinstance(kind.pitfalls, tuple) and all(isinstance(item, str) and item for item in kind.pitfalls)
    rule(good, name, f"pitfalls must be a tuple of texts. Got {kind.pitfalls!r}.")
    needs = isinstance(kind.needs, frozenset) and all(isinstance(need, Capability) for need in kind.needs)
    rule(needs, name, f"needs must be a frozenset of Capability. Got {kind.needs!r}.")
    alone = issubclass(kind, ModelVisualization)
    rule(
        kind.subject is (Subject.MODEL if alone else Subject.PICTURES),
        name,
        f"subject must be that of its base class. Got {kind.subject!r}.",
    )
    rule(isinstance(kind.version, int) and kind.version >= 1, name, f"version must be >= 1. Got {kind.version!r}.")


def _check_settings(kind: type[Visualization[Any]]) -> None:
    name, settings = kind.name, kind.settings_type
    for field, facts in settings.model_fields.items():
        rule(not facts.is_required(), name, f"the setting '{field}' needs a default.")
        rule(facts.title, name, f"the setting '{field}' needs a title.")
        rule(facts.description, name, f"the setting '{field}' needs a description.")
        rule(field not in _RESERVED, name, f"a setting cannot be called '{field}': explain() has that argument.")
    defaults = settings()
    wire = json.loads(json.dumps(defaults.model_dump(mode="json")))
    rule(settings.read(wire) == defaults, name, f"the settings must come back from JSON as they were. Got {wire}.")
    json.dumps(settings.model_json_schema())
    try:
        settings.read({"no such setting": 1})
    except SettingsError:
        pass
    else:
        raise AssertionError(f"{name}: an unknown setting must be refused.")


def _check_album(trial: _Trial, kind: type[Visualization[Any]], folder: Path) -> None:
    """Give a visualization that cannot do without one a folder of pictures, in two of the model's classes.

    It says so by refusing a setting of `choices` "album" that is empty with SettingsError.
    """
    settings = kind.settings_type()
    albums = [
        name
        for name, facts in kind.settings_type.model_json_schema().get("properties", {}).items()
        if facts.get("picasso", {}).get("choices") == SourceKind.ALBUM and not getattr(settings, name)
    ]
    if not albums:
        return
    try:
        trial.run(settings, cancel_at=0)
    except SettingsError:
        for number in range(_PICTURES):
            place = folder / trial.model.labels[number % 2 % len(trial.model.labels)]
            place.mkdir(exist_ok=True)
            Image.fromarray(trial_picture(number, 40, 56).pixels).save(place / f"{number}.png")
        trial.album = dict.fromkeys(albums, str(folder))
    except PicassoError:
        pass


def _check_run(trial: _Trial, kind: type[Visualization[Any]]) -> int:
    """Check what comes out; return how often progress is reported where everything that is kept is there already."""
    name, defaults = trial.entry.name, kind.settings_type()
    try:
        result = trial.run(defaults, seed=7)
    except NotSupportedError:  # the model lacks what the visualization needs, and no capability says so
        raise
    except PicassoError as error:
        raise AssertionError(f"{name}: with its defaults it must run. Got {error!r}.") from error
    _check_progress(trial.reports, name)
    _check_attributions(trial, result, issubclass(kind, AttributionMethod))
    _check_panels(trial, result)
    again = trial.run(defaults, seed=7)
    reports = len(trial.reports)
    rule(_numbers(result) == _numbers(again), name, "the same seed must give the same numbers, to the last bit.")
    json.loads(result.json())
    result.npz()
    labels = trial.model.labels
    if len(labels) > 1 and not trial.alone:
        pair = f"{labels[0]} - {labels[1]}"
        _check_attributions(trial, trial.run(defaults, target=[1, pair]), issubclass(kind, AttributionMethod))
    return reports


def _numbers(result: Result) -> str:
    """Digest every number of a result."""
    digest = hashlib.sha256()
    for panel in result.panels:
        wire, arrays = panel.to_wire()
        digest.update(json.dumps(wire, sort_keys=True).encode())
        for key, array in sorted(arrays.items()):
            digest.update(key.encode() + array.tobytes())
    for key, array in sorted(result.arrays.items()):
        digest.update(key.encode() + np.ascontiguousarray(array).tobytes())
    for attribution in result.attributions:
        digest.update(np.ascontiguousarray(attribution.values).tobytes())
    return digest.hexdigest()


def _check_panels(trial: _Trial, result: Result) -> None:
    name = trial.entry.name
    rule(result.panels, name, "it must yield at least one panel.")
    kinds: dict[str, tuple[type[Panel], str]] = {}
    for panel in trial.shown:
        rule(isinstance(panel, Panel), name, f"run() must yield panels. Got {type(panel).__name__}.")
        rule(panel.id and panel.title, name, f"every panel needs an id and a title. Got {panel.id!r}, {panel.title!r}.")
        known = kinds.setdefault(panel.id, (type(panel), panel.title))
        same = known == (type(panel), panel.title)
        rule(same, name, f"panel ids must be unique: two different panels are called '{panel.id}'.")
    for panel in trial.shown:
        wire, arrays = panel.to_wire()
        try:
            text = json.dumps(wire, allow_nan=False)
        except ValueError as error:
            raise AssertionError(
                f"{name}: the panel '{panel.id}' must be JSON apart from its arrays: {error}"
            ) from None
        rule(f'"kind": "{panel.kind}"' in text, name, f"the panel '{panel.id}' must say its kind.")
        for key, array in arrays.items():
            rule(array.dtype != object, name, f"the array '{key}' of panel '{panel.id}' must hold numbers.")
        _check_html(panel.html(), name, f"html() of panel '{panel.id}'")
        if isinstance(panel, Template):
            rule(trial.entry.template, name, f"a Template panel needs {trial.entry.path.with_suffix('.html').name}.")
            _check_html(_render(trial.entry.template, wire["values"], name), name, "the template", strict=True)


def _render(template: str, values: dict[str, Any], name: str) -> str:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(autoescape=True, undefined=StrictUndefined)
    try:
        return environment.from_string(template).render(values)
    except Exception as error:
        raise AssertionError(f"{name}: the template must render in the sandbox. {error}") from error


class _Forbidden(HTMLParser):
    """Collects what the pages' content security policy would not let run."""

    def __init__(self, strict: bool) -> None:
        super().__init__()
        self.strict = strict
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form") or (self.strict and tag == "style"):
            self.found.append(f"<{tag}>")
        for key, value in attrs:
            inline = self.strict and key == "style"
            if key.startswith("on") or inline or (value or "").strip().lower().startswith("javascript:"):
                self.found.append(f"{key}= in <{tag}>")


def _check_html(text: str, name: str, what: str, strict: bool = False) -> None:
    parser = _Forbidden(strict)
    parser.feed(text)
    rule(not parser.found, name, f"{what} must be plain HTML. It has {', '.join(parser.found)}.")


def _check_progress(reports: Sequence[tuple[int, int]], name: str) -> None:
    rule(reports, name, "it must call ctx.progress(done, total): that is also where a cancel takes effect.")
    for done, total in reports:
        rule(0 <= done <= total, name, f"progress must be in 0..total. Got {done} of {total}.")
    rule(reports[-1][0] == reports[-1][1], name, f"the last progress must say that all is done. Got {reports[-1]}.")


def _check_attributions(trial: _Trial, result: Result, attributes: bool) -> None:
    name = trial.entry.name
    if not attributes:
        return
    found = [attribution.target for attribution in result.attributions]
    rule(found == list(result.targets), name, "attribute() must return one attribution a target, in their order.")
    for attribution in result.attributions:
        values = attribution.values
        size = trial.model.input_shape[:2] if attribution.picture is None else attribution.picture.shape[:2]
        rule(values.ndim in (2, 3), name, f"values must be (h, w) or (h, w, c). Got shape {values.shape}.")
        rule(values.shape[:2] == size, name, f"values must have the input's size {size}. Got {values.shape[:2]}.")
        rule(values.dtype == np.float32, name, f"values must be float32. Got {values.dtype}.")
        rule(not np.isinf(values).any(), name, "values must be finite, or NaN where nothing is known.")
        rule(np.isfinite(values).any(), name, "a map must hold at least one number.")
        rule(attribution.units.strip(), name, "an attribution must say its units.")
        rule(attribution.sign in ("signed", "unsigned"), name, f"sign is wrong. Got {attribution.sign!r}.")
        negative = attribution.sign == "unsigned" and bool((np.nan_to_num(values) < 0).any())
        rule(not negative, name, "an unsigned map must not hold negative values.")
        rule(np.isfinite(attribution.score), name, f"score must be a number. Got {attribution.score}.")
        native = attribution.native
        rule(native is None or native.ndim == 2, name, "native must be (rows, columns).")
        rule(native is None or attribution.laid, name, "laid must say how native lies over the pixels.")


def _check_cancel(trial: _Trial, reports: int) -> None:
    name, defaults = trial.entry.name, trial.entry.load().settings_type()
    for place in sorted({0, reports // 2, reports - 1}):
        try:
            trial.run(defaults, cancel_at=place, seed=7)
        except CanceledError:
            continue
        except PicassoError as error:
            raise AssertionError(f"{name}: a cancel must pass through as CanceledError. Got {error!r}.") from error
        raise AssertionError(f"{name}: a cancel in ctx.progress must end the work. It was swallowed.")


def _check_extremes(trial: _Trial, kind: type[Settings]) -> None:
    schema = kind.model_json_schema()
    for field, facts in schema.get("properties", {}).items():
        for value in _extremes(facts, schema.get("$defs", {})):
            _try(trial, {field: value})
        if facts.get("picasso", {}).get("choices") == "spatial-layers":
            spatial = [layer.name for layer in trial.model.layers() if layer.spatial]
            several = facts["picasso"].get("several") and len(spatial) > 1
            for layer in spatial[:1] + spatial[-1:] + ([f"{spatial[0]}, {spatial[-1]}"] if several else []):
                _try(trial, {field: layer})
            try:
                trial.run(kind.read({field: "no such layer"}), top=1)
            except NotFoundError:
                continue
            raise AssertionError(f"{trial.entry.name}: {field}='no such layer' must be refused with NotFoundError.")


def _try(trial: _Trial, values: dict[str, Any]) -> None:
    """Run with some settings; refusing them with a reason is fine, breaking is not."""
    name = trial.entry.name
    try:
        settings = trial.entry.load().settings_type.read(values)
        result = trial.run(settings, cancel_at=_PATIENCE, top=1)
    except CanceledError:
        return
    except PluginError as error:
        raise AssertionError(f"{name}: with {values} it broke. {error}") from error
    except PicassoError as error:
        rule(str(error).strip(), name, f"with {values} it refused without a reason.")
    else:
        _check_attributions(trial, result, issubclass(trial.entry.load(), AttributionMethod))
        _check_panels(trial, result)


def _extremes(schema: dict[str, Any], definitions: dict[str, Any]) -> list[Any]:
    """Return the values at the ends of what a piece of JSON schema allows."""
    if "$ref" in schema:
        return _extremes(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    parts = [value for part in schema.get("anyOf", ()) for value in _extremes(part, definitions)]
    if parts:
        return parts
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("format") == "extent":
        return ["1px", "1%", "100%", "100000px"]
    if schema.get("type") == "boolean":
        return [True, False]
    keys = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    small = 1e-6 if schema.get("type") == "number" else 1
    steps = dict(zip(keys, (0, 0, small, -small), strict=True))
    return [schema[key] + step for key, step in steps.items() if key in schema]
