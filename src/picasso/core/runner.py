"""Runs one visualization on one model and one picture, in this process; Python, shell and workers share it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from picasso.core import registry
from picasso.core.aiming import Part, aimed
from picasso.core.asking import focused, outlined, read_place
from picasso.core.errors import ModelOutputError, NotSupportedError, SettingsError
from picasso.core.estimate import Estimate, Estimating, Report
from picasso.core.facts import Patching
from picasso.core.first_pass import first_pass
from picasso.core.fitting import missing, read_settings, refuse_class_of_channel, refuse_subject, unfit_for_channel
from picasso.core.model import Model
from picasso.core.panels import Panel
from picasso.core.pictures.images import Picture
from picasso.core.recording import record, record_of_picture
from picasso.core.registry import Entry, Find
from picasso.core.result import Result
from picasso.core.settings import Settings
from picasso.core.shown_panels import Shown
from picasso.core.sources import PLACES, named_sources
from picasso.core.targets import TargetChoice, targets_of
from picasso.core.visualization import AttributionMethod, Context, ModelVisualization, Other, Subject

DEFAULT_TOP = 5


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
    shown, place = Shown(entry, show), read_place(at)
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
    made = record(
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
        record=made | record_of_picture(model, picture, sample, place),
    )


def _run_alone(
    model: Model,
    entry: Entry,
    settings: Settings,
    seed: int,
    report: Report,
    shown: Shown,
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
        record=record(model, entry, settings, seed, time.perf_counter() - started, digest),
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


def _check(ctx: Context, attributes: bool) -> None:
    """Refuse to show maps that hold no number at all."""
    for attribution in ctx.attributions if attributes else ():
        if not np.isfinite(attribution.values).any():
            raise ModelOutputError(
                f"The map for '{attribution.target.label}' holds no finite value.",
                "Try another target or layer.",
            )


def _unannounced(estimate: Estimate) -> None:
    """Say nothing of what a long run will take: it is a part of a longer one."""


def _ignore(done: int, total: int, message: str) -> None:
    """Ignore progress."""
