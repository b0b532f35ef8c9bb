"""Through training: what a network looks for, and how well it answers, from checkpoint to checkpoint."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Array,
    Capability,
    Checkpoint,
    Context,
    Curve,
    LabelledPictures,
    Line,
    ModelVisualization,
    NotFoundError,
    Panel,
    Part,
    Reached,
    Series,
    Settings,
    SettingsError,
    Step,
    Text,
    Trajectory,
    labelled,
    layer_distances,
    on_one_scale,
)

LINES = 8
"""Lines of a curve that can be told apart."""
METRICS = 4
"""So many of the training's own numbers are drawn."""
HOW = (
    "No checkpoints were named, so this is the network as it is. To see how it learned, save it while it is trained, "
    "before the first step and after each epoch: picasso.training.save_checkpoint does that for PyTorch, "
    "picasso.training.keras_checkpoints for Keras. Then name that folder. Checkpoints that other tools saved, one file "
    "each, will do as well."
)
PARTS = 100
"""Steps of progress within one checkpoint."""


class ThroughTrainingSettings(Settings):
    checkpoints: str = Field(
        "",
        title="Checkpoints",
        description="A folder of what was saved during the training, such as picasso.training writes. Left empty: the "
        "network as it is, alone.",
        json_schema_extra={"picasso": {"choices": "checkpoints", "required": True}},
    )
    view: str = Field(
        "filters",
        title="Shown at each",
        description="Name of the visualization that is shown at each checkpoint: filters, feature-visualization, "
        "activations; a map such as grad-cam, of a picture of the album.",
        json_schema_extra={"picasso": {"choices": "visualization"}},
    )
    layer: str = Field(
        "",
        title="Layer",
        description="What of the network is shown. Left empty: what the visualization shows by itself.",
        json_schema_extra={"picasso": {"choices": "layers"}},
    )
    at_channel: int | None = Field(
        None,
        ge=0,
        title="Channel",
        description="Which channel of the layer, counted from 0. Left empty: all.",
        json_schema_extra={"picasso": {"choices": "channels"}},
    )
    options: str = Field(
        "",
        title="Its settings",
        description="Other settings of that visualization: steps=64, sign=both; or as JSON.",
    )
    album: str = Field(
        "",
        title="Pictures",
        description="A data set whose classes are the model's: the accuracy by class is drawn, and a map is of one of "
        "its pictures. Left empty: none.",
        json_schema_extra={"picasso": {"choices": "album"}},
    )
    pictures: int = Field(
        200, ge=1, le=2000, title="How many", description="For the accuracy at most, evenly over the classes."
    )
    example: int = Field(
        0, ge=0, title="Picture", description="Of which of these a map is made, counted from 0; of its own class."
    )
    most: int = Field(
        12, ge=2, le=200, title="Checkpoints at most", description="Of more, so many at even distances are shown."
    )


class ThroughTraining(ModelVisualization[ThroughTrainingSettings]):
    """How a network became what it is: a view of it at each checkpoint, its accuracy by class, and how far it moved."""

    name = "through-training"
    title = "Through training"
    references = ("Zeiler and Fergus 2014, arXiv:1311.2901, section 4",)
    formula = "|p_t - p_0| / |p_0|  and  |p_t - p_T| / |p_T| for the parameters p of each layer"
    pitfalls = (
        "Two checkpoints of a network whose norms scale its weights may differ much in numbers and not at all in "
        "answers.",
        "A picture that is searched for anew at each checkpoint changes for two reasons: the network, and the search.",
        "The accuracy is that on the pictures given here. On those that were learned from, it says nothing of others.",
    )
    needs = frozenset({Capability.PARAMETERS})

    def look(self, ctx: Context, settings: ThroughTrainingSettings) -> Iterator[Panel]:
        options = _options(settings.options)
        if settings.checkpoints:
            trajectory = Trajectory(ctx.model, settings.checkpoints, settings.most)
        else:
            trajectory = Trajectory.of_one(ctx.model)
            yield Text(id="how", title="One network, no training", text=HOW)
        known = _known(ctx, settings)
        last = trajectory.last()
        course = _Course(last.model.parameters())
        shown: list[Step] = []
        count = len(trajectory.chosen)

        def report(number: int, total: int, message: str) -> None:
            ctx.progress(PARTS * number, PARTS * total, message)

        for number, reached in enumerate(trajectory.walk(report)):
            course.add(reached, known)
            shown.append(_step(ctx, reached, settings, options, known, _within(ctx, number, count, reached.checkpoint)))
            if ctx.watched:
                yield _series(shown, settings)
        yield _series(shown, settings)
        if count > 1:
            yield from course.curves(ctx)
        if said := trajectory.said():
            yield Text(id="said", title="What was left out", text=said)
        ctx.progress(PARTS * count, PARTS * count)


def _options(text: str) -> dict[str, Any]:
    """Read settings as they are written: "steps=64, sign=both", or JSON."""
    if text.lstrip().startswith("{"):
        try:
            found: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise SettingsError(f"options must be JSON, or name=value, name=value. {error}.") from None
        return found
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    for name, sign, _ in pairs:
        if not sign:
            raise SettingsError(f"options must be name=value, separated by commas. Got '{name.strip()}'.")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _known(ctx: Context, settings: ThroughTrainingSettings) -> LabelledPictures | None:
    """Return the album's pictures, where there is one."""
    if not settings.album:
        return None
    known = labelled(
        ctx.model, settings.album, settings.pictures, lambda done, total: ctx.progress(done, total, "Reading pictures")
    )
    if settings.example >= len(known):
        raise NotFoundError(f"example must be 0..{len(known) - 1} of '{settings.album}'. Got {settings.example}.")
    return known


def _within(ctx: Context, number: int, count: int, checkpoint: Checkpoint) -> Callable[[int, int, str], None]:
    """Return what reports the progress within one checkpoint."""

    def report(done: int, total: int, message: str) -> None:
        part = int(PARTS * done / total) if total else 0
        said = f"{checkpoint.label}: {message}" if message else checkpoint.label
        ctx.progress(PARTS * number + min(part, PARTS - 1), PARTS * count, said)

    return report


def _step(
    ctx: Context,
    reached: Reached,
    settings: ThroughTrainingSettings,
    options: dict[str, Any],
    known: LabelledPictures | None,
    report: Callable[[int, int, str], None],
) -> Step:
    """Return what the visualization shows at a checkpoint."""
    panels = ctx.explain(
        settings.view,
        options,
        reached.model,
        None if known is None else known.picture(settings.example),
        report,
        Part(settings.layer, settings.at_channel),
        None if known is None else int(known.classes[settings.example]),
    )
    return Step(reached.checkpoint.label, panels)


def _series(shown: Sequence[Step], settings: ThroughTrainingSettings) -> Series:
    return Series(
        id="series",
        title=f"Checkpoint by checkpoint: {settings.view}",
        caption="Color scales and axes are the same at all checkpoints.",
        steps=on_one_scale(shown),
        noun="checkpoint",
    )


@dataclass
class _Course:
    """What is measured of the network along its training.

    Args:
        end: The parameters at the last checkpoint.
    """

    end: dict[str, Array]
    start: dict[str, Array] | None = None
    passed: list[Checkpoint] = field(default_factory=list)
    from_start: list[dict[str, float]] = field(default_factory=list)
    from_end: list[dict[str, float]] = field(default_factory=list)
    right: list[dict[str, float]] = field(default_factory=list)

    def add(self, reached: Reached, known: LabelledPictures | None) -> None:
        """Measure the network at the next checkpoint."""
        now = reached.model.parameters()
        self.start = now if self.start is None else self.start
        self.passed.append(reached.checkpoint)
        self.from_start.append(layer_distances(now, self.start))
        self.from_end.append(layer_distances(now, self.end))
        if known is not None:
            scores = reached.model.predict(known.x)
            self.right.append({"all": known.accuracy(scores)} | known.accuracy_by_class(scores))

    def curves(self, ctx: Context) -> Iterator[Panel]:
        """Yield what was measured, and what the training wrote down."""
        if self.right:
            ctx.keep("accuracy", _table(self.right))
            yield self._curve(
                "accuracy",
                "Accuracy by class",
                "share of right answers",
                self.right,
                limits=(0.0, 1.0),
                caption=_said(self.right, "class"),
            )
        names = dict.fromkeys(name for one in self.passed for name in one.metrics)
        drawn, rest = list(names)[:METRICS], list(names)[METRICS:]
        for place, name in enumerate(drawn):
            rows = [{name: one.metrics.get(name, float("nan"))} for one in self.passed]
            caption = "As the training wrote it down."
            if rest and name == drawn[-1]:
                caption += f" Not drawn: {', '.join(rest)}."
            yield self._curve(f"metric-{place}", name.capitalize(), name, rows, caption=caption)
        for id_, title, rows in (
            ("from-first", "How far each layer is from where it began", self.from_start),
            ("from-last", "How far each layer is from where it ended", self.from_end),
        ):
            ctx.keep(id_.replace("-", "_"), _table(rows))
            units = "distance, in lengths of the layer's parameters"
            yield self._curve(id_, title, units, rows, caption=_said(rows, "layer"))

    def _curve(
        self,
        id_: str,
        title: str,
        y_title: str,
        rows: Sequence[dict[str, float]],
        limits: tuple[float, float] | None = None,
        caption: str = "",
    ) -> Curve:
        steps = [one.step for one in self.passed]
        counted = all(a is not None and b is not None and a < b for a, b in pairwise(steps))
        units = {one.unit for one in self.passed}
        counted = counted and len(units) == 1  # epochs and steps are not counted on one axis
        x = tuple(float(step or 0) for step in steps) if counted else tuple(map(float, range(len(steps))))
        return Curve(
            id=id_,
            title=title,
            caption=caption,
            x=x,
            lines=tuple(
                Line(name, tuple(None if np.isnan(row[name]) else row[name] for row in rows)) for name in _named(rows)
            ),
            x_title=(counted and units.pop()) or "checkpoint",
            y_title=y_title,
            ticks=() if counted else tuple(one.label for one in self.passed),
            limits=limits,
        )


def _named(rows: Sequence[dict[str, float]]) -> list[str]:
    """Return the names that get a line: all, or those that changed most, in their order."""
    names = list(rows[0])
    if len(names) <= LINES:
        return names
    changed = {name: np.nan_to_num(np.ptp([row[name] for row in rows])) for name in names}
    # The line of all pictures, if there is one, is the first.
    kept = sorted(names, key=lambda name: (name != "all", -changed[name]))[:LINES]
    return [name for name in names if name in kept]


def _said(rows: Sequence[dict[str, float]], noun: str) -> str:
    """Say which lines are left out."""
    names = list(rows[0])
    if len(names) <= LINES:
        return ""
    whole = "all" in names and noun == "class"  # the line of all pictures is that of no class
    many = "classes" if noun == "class" else f"{noun}s"
    return f"Of {len(names) - whole} {many} those {LINES - whole} that changed most."


def _table(rows: Sequence[dict[str, float]]) -> Array:
    """Return what was measured, float32 (checkpoints, names)."""
    return np.array([list(row.values()) for row in rows], np.float32)
