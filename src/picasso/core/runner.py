"""Runs one visualization on one model and one picture, in this process; Python, shell and workers share it."""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import metadata
from numbers import Integral
from typing import Any

import numpy as np

from picasso.core import registry
from picasso.core.aiming import Part, aimed
from picasso.core.asking import Place, focused, outlined, read_place
from picasso.core.channel import read_channel
from picasso.core.errors import (
    ConfigurationError,
    ModelOutputError,
    NotSupportedError,
    OutOfMemoryError,
    PicassoError,
    PictureError,
    PluginError,
    SettingsError,
    TargetError,
)
from picasso.core.estimate import Estimate, Estimating, Report
from picasso.core.facts import Capability, Patching, Sample, Task
from picasso.core.first_pass import first_pass
from picasso.core.images import Picture
from picasso.core.inputs import read_inputs
from picasso.core.model import Model
from picasso.core.panels import Panel
from picasso.core.registry import Entry
from picasso.core.result import Result, Results
from picasso.core.settings import Settings
from picasso.core.sources import PLACES, named_sources, pinned
from picasso.core.targets import Target, make_target
from picasso.core.visualization import AttributionMethod, Context, ModelVisualization, Other, Subject

TargetChoice = int | str | Target
Find = Callable[[str], Entry]
"""Returns a visualization by its registered name."""
DEFAULT_TOP = 5
_KEPT_RESULTS = 16


def explain(
    model: Model,
    picture: object = None,
    visualization: str = "partial-occlusion",
    *,
    target: TargetChoice | Sequence[TargetChoice] | None = None,
    top: int = DEFAULT_TOP,
    at: object = None,
    channel: object = None,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
    **settings: Any,
) -> Result | Results:
    """Explain what a model sees in a picture, or in each of several; or show what there is to see of the model alone.

    Args:
        model: From `load_model`.
        picture: A path, bytes, a PIL image, an array (height, width[, channels]). A floating-point batch (n, height,
            width, channels) or (n, channels, height, width), or a torch tensor (channels, height, width): the
            network's own input, already preprocessed. For a network of clips a GIF, WebP, PNG, TIFF or .npy of several
            frames, or an array uint8 (frames, height, width, 3). Or a list, data loader or other iterable of any of
            these, of pairs (x, y) or of dicts with "pixel_values" or "image". None for a visualization of the model
            alone: "filters", "feature-visualization", ...
        visualization: Registered name: "partial-occlusion", "grad-cam", "saliency-map", "class-probabilities", ...
        target: What to explain: a class index, a label, "a - b" for a difference, or a list; by default the `top`
            best classes.
        top: How many of the best classes are explained where no target is given.
        at: For a segmenter or detector, what is explained: a pixel (x, y), a box (left, top, width, height) in pixels
            of the picture, a mask of the picture's size or a file of one, or "#2" for the second detection; by
            default each class over its own predicted mask, or each of the best detections.
        channel: A channel of a layer instead of a class: "conv5:37" for the mean of channel 37 of the layer conv5,
            "conv5:37@3,4" for its value at row 3, column 4 of the layer's map; channels and places count from 0.
            "conv5:37@max" for its value where it is largest in this picture. The pixels that the unit at a place can
            depend on, its receptive field, are marked in the picture.
        seed: Seed of everything random.
        cache: Whether a result that this model gave before for the same picture and choices is returned at once.
        progress: Called with (done, total, message).
        settings: The visualization's own settings; `picasso visualizations` lists them.

    Returns:
        A Result; Results, a sequence of them, for a list or batch of pictures.

    Raises:
        PicassoError: One of its kinds, each with one sentence that says what to do.

    Example:
        >>> result = explain(load_model("demo:tank-proxy"), "photo.jpg", window=32, stride=16)
    """
    if not isinstance(model, Model):
        raise ConfigurationError(
            f"explain needs a model from load_model. Got {type(model).__name__}.", "Call picasso.load_model first."
        )
    entry = registry.visualization(visualization)
    kind = entry.load()
    checked, place = read_settings(entry, settings), place_or_channel(at, channel)
    refuse_class_of_channel(place, targets_of(target))
    top, seed = int(top), int(seed)  # NumPy's integers are no JSON

    if reason := missing(model, entry):
        raise NotSupportedError(reason, "Choose another visualization.")

    def one(shot: Picture | None) -> Result:
        def made(digest: str = "") -> Result:
            return run(
                model, shot, entry, checked,
                target=target, top=top, at=place, seed=seed, report=progress, digest=digest,
            )  # fmt: skip

        if not cache:
            return made()
        digest, kept = model.digest, model.kept_results
        key = cache_key(model, entry, checked, shot, targets_of(target), top, seed, place, digest)
        if key not in kept:
            kept[key] = made(digest)
            while len(kept) > _KEPT_RESULTS:
                kept.pop(next(iter(kept)))
        found: Result = kept[key]
        return found if shot is None else _named(found, shot)

    if refuse_subject(kind.title, kind.subject, picture is not None, (targets_of(target), place)):
        return one(None)
    pictures, alone = read_inputs(model, picture)
    return one(next(pictures)) if alone else Results(one(shot) for shot in pictures)


def _named(result: Result, picture: Picture) -> Result:
    """Return the result of a picture that may have been seen before under another name."""
    if result.picture is None or result.picture.name == picture.name:
        return result
    if "frames" in result.record["model"]:  # how a clip was read is known only then
        picture = replace(picture, notes=result.picture.notes)
    named = {"name": picture.name, "notes": list(picture.notes)}
    record = result.record | {"picture": result.record["picture"] | named}
    return replace(result, picture=picture, record=record)


def read_settings(entry: Entry, values: Mapping[str, Any]) -> Settings:
    """Validate the settings of a visualization.

    Raises:
        SettingsError: A value is not allowed, or there is no such setting.
    """
    return entry.load().settings_type.read(values)


def refuse_subject(title: str, subject: str, pictures: bool, asked: Iterable[object] = ()) -> bool:
    """Say whether a visualization looks at the model alone; refuse pictures there, and none elsewhere.

    Args:
        title, subject: Of the visualization.
        pictures: Whether pictures are given.
        asked: What is asked about a picture: targets, a place.

    Raises:
        PictureError: There are pictures where none is looked at, or there is none.
        TargetError: Something of a picture is asked about, and none is looked at.
    """
    alone = subject == Subject.MODEL
    if alone and pictures:
        raise PictureError(f"{title} looks at the model alone.", "Leave the picture out.")
    if alone and any(asked):
        raise TargetError(f"{title} looks at the model alone: it explains nothing of a picture.", "Leave it out.")
    if not alone and not pictures:
        raise PictureError(f"{title} looks at pictures. Got none.", "Give at least one.")
    return alone


def place_or_channel(at: object, channel: object) -> Place | None:
    """Read what is asked about: a place in the picture, or a channel of a layer.

    Raises:
        TargetError: It was not understood, or both were given.
    """
    if channel is None or channel == "":
        return read_place(at)
    if not (at is None or (isinstance(at, str) and not at)):
        raise TargetError("A channel is explained, or a place in the picture.", "Leave out at, or the channel.")
    return Place(channel=read_channel(channel))


def refuse_class_of_channel(place: Place | None, targets: Sequence[TargetChoice]) -> None:
    """Refuse a class where a channel is explained.

    Raises:
        TargetError: Both were asked for.
    """
    if place is not None and place.channel is not None and targets:
        raise TargetError("A channel of a layer is explained, or a class.", "Leave out one of them.")


def unfit_for_channel(model: Model, entry: Entry) -> str:
    """Say why a visualization cannot explain a channel of a layer by a model that is focused on one, or return ""."""
    kind = entry.load()
    if not issubclass(kind, AttributionMethod):
        return f"{kind.title} explains no channel of a layer: it gives no map."
    absent = sorted(kind.needs - model.capabilities)
    if not absent:
        return ""
    return f"{kind.title} cannot explain a channel of a layer: it needs {', '.join(absent)}, which only classes have."


def targets_of(target: TargetChoice | Sequence[TargetChoice] | None) -> list[TargetChoice]:
    """Return the chosen targets as a list; empty for the best classes.

    Raises:
        TargetError: It is neither a target nor several.
    """
    if target is None:
        return []
    if isinstance(target, int | str | Target):
        return [target]
    if isinstance(target, Integral):  # NumPy's integers are no int
        return [int(target)]
    try:
        return list(target)
    except TypeError:
        raise TargetError(f"A target must be a class index or a label, or a list of them. Got {target!r}.") from None


def cache_key(
    model: Model,
    entry: Entry,
    settings: Settings,
    picture: Picture | None,
    targets: Sequence[TargetChoice],
    top: int,
    seed: int,
    place: Place | None = None,
    digest: str = "",
    find: Find = registry.visualization,
) -> str:
    """Return the key under which a result is kept: equal exactly when the same numbers must come out.

    `digest` is the model's, where that is known: of a live network it takes a pass to find out.
    """
    return result_key(
        model=digest or model.digest,
        visualization=(entry.name, entry.digest, entry.load().version),
        settings=pinned(
            type(settings).model_json_schema(), settings.model_dump(mode="json"), lambda name: _stamp(find(name))
        ),
        picture=picture.digest if picture else "",
        targets=[target_key(choice, model.labels, model.facts.columns, model.facts.task) for choice in targets],
        top=top,
        seed=seed,
        at=place.key if place else "",
    )


def _stamp(entry: Entry) -> str:
    """Return what tells a visualization from its earlier versions."""
    return f"{entry.digest} {entry.load().version}"


def target_key(choice: TargetChoice, labels: Sequence[str], columns: int, task: Task) -> str:
    """Return what tells a target from every other one of a model.

    What a segmenter or detector finds is named only once the picture is there, so the choice itself is the key then.

    Raises:
        TargetError: There is no such class.
    """
    if task is Task.CLASSIFICATION:
        return make_target(choice, labels, columns).key
    return choice.key if isinstance(choice, Target) else str(choice)


def result_key(
    *,
    model: str,
    visualization: tuple[str, str, int],
    settings: Mapping[str, Any],
    picture: str,
    targets: Sequence[str],
    top: int,
    seed: int,
    at: str = "",
) -> str:
    """Return `cache_key` from what is written down of a model and a visualization, where neither is loaded.

    Args:
        model: The model's digest.
        visualization: Its name, digest and version.
        settings: Validated settings as JSON.
        picture: The picture's digest; "" of the model alone.
        targets: Keys of the chosen targets; empty for the best classes.
        top: How many of the best classes.
        seed: Seed of everything random.
        at: The key of the place that is explained, or "".
    """
    parts = {
        "model": model,
        "visualization": list(visualization),
        "settings": dict(settings),
        "picture": picture,
        "targets": list(targets),
        "top": top if picture and not targets else None,
        "seed": seed,
        "at": at,
        "picasso": _version("picasso"),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def versions(model: Model) -> dict[str, str]:
    """Return the versions of everything that decides a model's numbers here."""
    known = {"picasso": _version("picasso"), "python": platform.python_version()}
    return known | {name: _version(name) for name in ("numpy", "pillow", *model.packages)}


@cache
def _version(package: str) -> str:
    """Return a package's version; reading it takes a millisecond, and each picture of a job asks for it."""
    return metadata.version(package)


def missing(model: Model, entry: Entry, abilities: Iterable[str] | None = None) -> str:
    """Say why a visualization does not fit a model, or return "".

    Args:
        model, entry: These two.
        abilities: What the model can do; by default what its adapter says it can.
    """
    kind = entry.load()
    said = lacking(kind.title, kind.needs, model.capabilities if abilities is None else abilities, model.framework)
    return said or stills_only(kind.title, kind.subject, kind.takes_clips, model.facts.frames)


def abilities(model: Model) -> frozenset[Capability]:
    """Return what a model can do, by its layers too: there is no attention among patches where none holds patches."""
    able = model.capabilities
    if Capability.ATTENTION in able and all(layer.grid is None for layer in model.layers()):
        return able - {Capability.ATTENTION}
    return able


def lacking(title: str, needs: Iterable[str], capabilities: Iterable[str], framework: str) -> str:
    """Say what a visualization needs that a model cannot do, or return ""."""
    absent = sorted(set(needs) - set(capabilities))
    for task, who in (("segmentation", "segmenters"), ("detection", "detectors")):
        if task in absent:
            return f"{title} is for {who}, and this {framework} model is none."
    return f"{title} needs {', '.join(absent)}, which this {framework} model lacks." if absent else ""


def stills_only(title: str, subject: str, takes_clips: bool, frames: int | None) -> str:
    """Say that a visualization has to do with still pictures only, and the model reads clips, or return ""."""
    if takes_clips or frames is None:
        return ""
    what = "does not know clips yet" if subject == Subject.MODEL else "looks at still pictures only"
    return f"{title} {what}; this model reads clips of {frames} frames."


def run(
    model: Model,
    picture: Picture | None,
    entry: Entry,
    settings: Settings,
    *,
    target: TargetChoice | Sequence[TargetChoice] | None = None,
    top: int = DEFAULT_TOP,
    at: object = None,
    seed: int = 0,
    report: Callable[[int, int, str], None] | None = None,
    show: Callable[[Panel], None] | None = None,
    digest: str = "",
    announce: Callable[[Estimate], None] | None = None,
    find: Find | None = registry.visualization,
) -> Result:
    """Run one visualization on one picture, or on the model alone.

    Args:
        model, picture, entry, settings: What to run; the settings are validated. No picture for the model alone.
        target, top, at, seed: As in `explain`.
        report: Called with (done, total, message) between chunks; raises CanceledError to stop.
        show: Called with each panel as soon as it is there; a panel of the same id replaces the earlier one.
        digest: The model's, where it was found out just now.
        announce: Called with what a long run will take, before its first step; by default `report` is told.
        find: Where it looks for others that it runs, by name; None where another runs it.

    Returns:
        The result, with all panels.

    Raises:
        PictureError: There is a picture where none is looked at, or none where one is.
        NotSupportedError: The model lacks what the visualization needs.
        OutOfMemoryError: The visualization took more memory than there is.
        PluginError: The visualization raised, or yielded what is no panel.
    """
    kind = entry.load()
    if reason := missing(model, entry):
        raise NotSupportedError(reason, "Choose another visualization.")
    shown, place = _Shown(entry, show), read_place(at)
    if refuse_subject(kind.title, kind.subject, picture is not None, (targets_of(target), place)):
        return _run_alone(model, entry, settings, seed, report or _ignore, shown, digest, find)
    assert picture is not None
    started = time.perf_counter()
    sample = model.prepare(picture)
    picture = sample.picture
    refuse_class_of_channel(place, targets_of(target))
    model = focused(model, sample, place)
    if model.reads_layer and (reason := unfit_for_channel(model, entry)):
        raise NotSupportedError(reason, "Choose another visualization, or explain a class.")
    asked = [model.target(choice) for choice in targets_of(target)]
    with shown.calling(model):
        places = kind.begins_with(model, settings)
    before = time.perf_counter()
    first = first_pass(model, sample.x, asked, top, places)
    spent = time.perf_counter() - before
    scores, chosen = first.scores, first.targets
    model.patching = Patching()
    # Copies: a plug-in may reckon and draw in place.
    told = Estimating(model, sample.x, kind.needs, spent, report or _ignore, announce)
    ctx = Context(
        model, chosen, scores.copy(), seed, told, shown.keep, show is not None, first.pulled, _others(seed, find)
    )
    view = sample.view.copy()
    attributes = issubclass(kind, AttributionMethod)
    if model.focus is not None and model.focus.marked is not None and (place is not None or attributes):
        shown.keep(outlined(view, model.focus))
    shown.all(model, lambda: kind().run(ctx, sample, settings))
    _check(ctx, attributes)
    record = _record(
        model, entry, settings, seed, time.perf_counter() - started, digest, preprocessed=sample.frame is not None
    )
    return Result(
        name=entry.name,
        title=kind.title,
        picture=picture,
        view=view,
        targets=tuple(chosen),
        predictions=tuple(model.decode_prob(scores[None])[0]),
        attributions=tuple(ctx.attributions),
        arrays=ctx.arrays,
        panels=tuple(shown.panels.values()),
        record=record | _record_of_picture(model, picture, sample, place),
    )


def _run_alone(
    model: Model,
    entry: Entry,
    settings: Settings,
    seed: int,
    report: Report,
    shown: _Shown,
    digest: str,
    find: Find | None,
) -> Result:
    """Run a visualization of the model alone."""
    kind = entry.load()
    assert issubclass(kind, ModelVisualization)
    started = time.perf_counter()
    ctx = Context(
        model, (), np.zeros(0, np.float32), seed, report, shown.keep, shown.watched, None, _others(seed, find)
    )
    shown.all(model, lambda: kind().look(ctx, settings))
    return Result(
        name=entry.name,
        title=kind.title,
        picture=None,
        view=None,
        targets=(),
        predictions=(),
        attributions=(),
        arrays=ctx.arrays,
        panels=tuple(shown.panels.values()),
        record=_record(model, entry, settings, seed, time.perf_counter() - started, digest),
    )


def _others(seed: int, find: Find | None) -> Other | None:
    """Return what runs other visualizations for one; None for one that is run so itself."""
    if find is None:
        return None

    def other(
        name: str,
        values: Mapping[str, Any],
        model: Model,
        picture: Picture | None,
        report: Report,
        part: Part,
        target: int | None,
    ) -> tuple[Panel, ...]:
        entry = find(name)
        kind = entry.load()
        schema = kind.settings_type.model_json_schema()
        # Whoever may name a place was asked when the outer settings were read, and these are not in its key.
        if any(source in PLACES for _, source, _ in named_sources(schema, values)):
            raise SettingsError(f"{kind.title} takes nothing from the disk here.", "Leave its album or folder out.")
        settings = read_settings(entry, aimed(kind.title, schema, part) | dict(values))
        if kind.subject is Subject.MODEL:
            picture = target = None
        elif picture is None:
            raise SettingsError(f"{kind.title} looks at pictures.", "Name pictures, of which one is looked at.")
        return run(
            model, picture, entry, settings, target=target,
            top=1, seed=seed, report=report, digest=model.digest, announce=_unannounced, find=None,
        ).panels  # fmt: skip

    return other


class _Shown:
    """The panels that a visualization yields or shows, the last of each id; what it raises is put in words.

    Args:
        entry: The visualization.
        show: Called with each panel; None where nobody watches.
    """

    def __init__(self, entry: Entry, show: Callable[[Panel], None] | None) -> None:
        self.panels: dict[str, Panel] = {}
        self._title, self._show = entry.load().title, show
        self._mend = "This is a bug in the visualization." if entry.origin == "built-in" else f"Mend {entry.path}."

    @property
    def watched(self) -> bool:
        return self._show is not None

    def keep(self, panel: Panel) -> None:
        if not isinstance(panel, Panel):
            raise PluginError(f"{self._title} must yield panels. Got {type(panel).__name__}.", self._mend)
        self.panels[panel.id] = panel
        if self._show:
            self._show(panel)

    def all(self, model: Model, begin: Callable[[], Iterable[Panel]]) -> None:
        """Keep every panel of a visualization, from its making on."""
        with self.calling(model):
            for panel in begin():
                self.keep(panel)

    @contextmanager
    def calling(self, model: Model) -> Iterator[None]:
        """Turn what a visualization raises into one of Picasso's errors."""
        try:
            yield
        except PicassoError:
            raise
        except (Exception, SystemExit) as error:
            if isinstance(error, Exception) and model.is_out_of_memory(error):
                raise OutOfMemoryError(
                    "The device's memory does not suffice.",
                    "Use a smaller batch, a smaller picture or another device.",
                ) from error
            raise PluginError(f"{self._title} raised {type(error).__name__}: {error}", self._mend) from error


def _check(ctx: Context, attributes: bool) -> None:
    """Refuse to show maps that hold no number at all."""
    for attribution in ctx.attributions if attributes else ():
        if not np.isfinite(attribution.values).any():
            raise ModelOutputError(
                f"The map for '{attribution.target.label}' holds no finite value.",
                "Try another target or layer.",
            )


def _record(
    model: Model, entry: Entry, settings: Settings, seed: int, seconds: float, digest: str, preprocessed: bool = True
) -> dict[str, Any]:
    """Return every choice that was made about the model and the visualization, as JSON.

    `preprocessed`: whether the model's own preprocessing made its input.
    """
    kind = entry.load()
    preprocessing = model.hooks.preprocessing
    return {
        "visualization": {
            "name": entry.name,
            "title": kind.title,
            "version": kind.version,
            "digest": entry.digest,
            "references": list(kind.references),
        },
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "model": {
            "name": model.name,
            "digest": digest or model.whole.digest,
            "framework": model.framework,
            "task": str(model.facts.task),
            "head": str(model.head),
            "score_units": model.facts.units,
            "input_shape": list(model.input_shape),
            "preprocessing": preprocessing.model_dump(mode="json") if preprocessing and preprocessed else None,
            "notes": list(model.facts.notes),
        }
        | ({} if model.facts.frames is None else {"frames": model.facts.frames}),
        "picture": None,
        "seconds": round(seconds, 3),
        "versions": versions(model),
    }


def _record_of_picture(model: Model, picture: Picture, sample: Sample, place: Place | None) -> dict[str, Any]:
    """Return what was chosen and done about a picture, as JSON."""
    return {
        "asked": model.focus.about if model.focus else None,
        "at": place.text if place else None,
        "certainty": model.focus.share if model.focus else "score" if model.head == "none" else "probability",
        "picture": {
            "name": picture.name,
            "digest": picture.digest,
            "height": picture.height,
            "width": picture.width,
            "notes": list(picture.notes),
            "frame": vars(sample.frame) if sample.frame else None,
        },
        "patching": str(model.patching) if model.patching.windows else None,
    }


def _unannounced(estimate: Estimate) -> None:
    """Say nothing of what a long run will take: it is a part of a longer one."""


def _ignore(done: int, total: int, message: str) -> None:
    """Ignore progress."""
