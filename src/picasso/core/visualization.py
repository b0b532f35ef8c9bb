"""The Visualization and AttributionMethod contracts: one class in one file is one visualization."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from picasso.core.aiming import WHOLE, Part
from picasso.core.attribution import Attribution
from picasso.core.errors import NotSupportedError, PluginError
from picasso.core.facts import INPUT, Capability, Pullback, Sample
from picasso.core.first_pass import Pulled
from picasso.core.focus import Focus
from picasso.core.model import Model
from picasso.core.panels import Panel
from picasso.core.panels.filmstrip import filmstrips
from picasso.core.panels.heatmap import Heatmap, heatmaps
from picasso.core.pictures.images import Picture
from picasso.core.preprocessing import Array
from picasso.core.settings import Settings
from picasso.core.targets import Target

S = TypeVar("S", bound=Settings)
Reporter = Callable[[int, int, str], None]
Other = Callable[[str, Mapping[str, Any], Model, Picture | None, Reporter, Part, int | None], tuple[Panel, ...]]
"""Runs another visualization; see `Context.explain`."""
_TAKEN = re.compile(r"(values|native)_\d+|file|allow_pickle")
"""Names in an NPZ file: those of the maps, and those that NumPy's own function takes."""


class Subject(StrEnum):
    """What a visualization looks at: pictures, one after another, or the model alone."""

    PICTURES = "pictures"
    MODEL = "model"


class Family(StrEnum):
    """What a visualization works with, in the order in which lists show them."""

    PERTURBATION = "Perturbation"
    GRADIENTS = "Gradients"
    ACTIVATION_MAPS = "Class activation maps"
    TRANSFORMERS = "Transformers"
    RELEVANCE = "Relevance rules"
    RELU_RULES = "ReLU rules"
    FEATURES = "Features"
    ANSWERS = "The model's answer"
    MODEL = "The model itself"
    MADE = "Pictures made for the model"
    OTHERS = "Others"


class Context:
    """What a running visualization gets from the runner.

    Attributes:
        model: The model; of a segmenter or detector as it answers about the part of the picture that is asked about.
        targets: What to explain, best first; none where there is no picture.
        scores: The picture's class scores, (classes,); of no classes where there is no picture.
        seed: Seed of everything random.
        arrays: Raw arrays that are kept with the result, by name.
        attributions: The maps, once an attribution method has made them.
        watched: Whether somebody sees what is shown before the end.
    """

    def __init__(
        self,
        model: Model,
        targets: Sequence[Target],
        scores: Array,
        seed: int,
        report: Callable[[int, int, str], None],
        show: Callable[[Panel], None],
        watched: bool = False,
        pulled: Pulled | None = None,
        other: Other | None = None,
    ) -> None:
        self.model = model
        self.targets = list(targets)
        self.scores = scores
        self.seed = seed
        self.arrays: dict[str, NDArray[Any]] = {}
        self.attributions: list[Attribution] = []
        self.watched = watched
        self._report = report
        self._show = show
        self._pulled = pulled
        self._other = other

    @property
    def whole(self) -> Model:
        """The model with all of its outputs: the masks of a segmenter, the boxes of a detector."""
        return self.model.whole

    @property
    def begun(self) -> tuple[str, ...]:
        """Where gradients were asked for in the first pass, as `begins_with` says; () where none were."""
        return () if self._pulled is None else self._pulled.wrt

    def pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str] = (INPUT,)) -> Pullback:
        """Pull targets back as `model.pullback` does; what the first pass over the picture gave is not run again.

        Args:
            x: One picture, as the network reads it: `sample.x`.
            targets: What is differentiated.
            wrt: Names of layers, or `INPUT`; see `Visualization.begins_with`.
        """
        if self._pulled is not None and self._pulled.answers(x, targets, wrt):
            return self._pulled.found
        return self.model.pullback(x, targets, wrt)

    def explain(
        self,
        visualization: str,
        settings: Mapping[str, Any],
        model: Model,
        picture: Picture | None,
        report: Callable[[int, int, str], None],
        part: Part = WHOLE,
        target: int | None = None,
    ) -> tuple[Panel, ...]:
        """Run another visualization, on this model or on a copy of it, and return its panels.

        Args:
            visualization: Its registered name.
            settings: Its settings.
            model: What it looks at.
            picture: The picture that it looks at; one that looks at the model alone does not get it.
            report: Its progress. Have it call `progress`, so that a cancel takes effect.
            part: The part of the network that it looks at, where it looks at one.
            target: Number of the class that it explains, where it explains one; None for the best.

        Raises:
            NotSupportedError: This visualization is itself run by another, or the model lacks what it needs.
            PicassoError: As `picasso.explain`.
        """
        if self._other is None:
            raise NotSupportedError(
                "A visualization that runs others cannot be run by one.", "Choose one that looks for itself."
            )
        return self._other(visualization, settings, model, picture, report, part, target)

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Say how far the work is. Call it between chunks: this is also where a cancel takes effect.

        Raises:
            CanceledError: The work was canceled.
        """
        self._report(done, total, message)

    def keep(self, name: str, values: NDArray[Any]) -> None:
        """Keep a raw array with the result, under `result.arrays[name]` and in its NPZ file.

        Raises:
            PluginError: The name is no identifier or that of the maps themselves, or the array holds objects.
        """
        if not name.isidentifier() or _TAKEN.fullmatch(name):
            raise PluginError(f"A kept array must have a name of its own, such as 'scores'. Got '{name}'.")
        array = np.asarray(values)
        if array.dtype.hasobject:
            raise PluginError(f"The kept array '{name}' must hold numbers. Got dtype {array.dtype}.")
        self.arrays[name] = array

    def show(self, panel: Panel) -> None:
        """Show a panel now; one shown again under the same id replaces the earlier one."""
        self._show(panel)


class Visualization(ABC, Generic[S]):
    """A way to look at a model. The class's first docstring line is its description.

    Class attributes:
        name: Registered name, kebab-case; the same as the file's.
        title: What the page and the command line call it.
        family: What it works with; lists are grouped by it.
        references: Papers: "Zeiler and Fergus 2014, arXiv:1311.2901".
        formula: What is computed, in one line of plain text; "" where there is no formula.
        pitfalls: How its pictures are misread, or where it fails, one sentence each.
        needs: What the model must be able to do.
        version: Raise it when the numbers change.
        subject: What it looks at.
        takes_clips: Whether it also looks at clips: `sample.x` is (1, frames, h, w, c) then, `sample.views` the frames.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[Family] = Family.OTHERS
    references: ClassVar[tuple[str, ...]] = ()
    formula: ClassVar[str] = ""
    pitfalls: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[frozenset[Capability]] = frozenset({Capability.PREDICT})
    version: ClassVar[int] = 1
    subject: ClassVar[Subject] = Subject.PICTURES
    takes_clips: ClassVar[bool] = False
    settings_type: ClassVar[type[Settings]] = Settings

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Settings):
                    cls.settings_type = argument

    @abstractmethod
    def run(self, ctx: Context, sample: Sample, settings: S) -> Iterator[Panel]:
        """Look at one picture and yield panels.

        Args:
            ctx: Model, targets, progress.
            sample: The picture, as the network reads it and as it sees it.
            settings: Validated settings.
        """

    @classmethod
    def begins_with(cls, model: Model, settings: S) -> tuple[str, ...]:
        """Return where it begins by asking for the picture's gradients with `ctx.pullback`: layers, or `INPUT`.

        The pass that finds the picture's scores gives them, too. By default it begins with none: ().
        """
        return ()

    @classmethod
    def at_a_glance(cls, settings: S) -> S:
        """Return settings without the work that its first map does not need, for the frames of a camera or a video."""
        return settings

    @classmethod
    def description(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().split("\n")[0]


class ModelVisualization(Visualization[S]):
    """A visualization of the model alone: there is no picture, and nothing of one is in `ctx`."""

    family: ClassVar[Family] = Family.MODEL
    subject: ClassVar[Subject] = Subject.MODEL

    @abstractmethod
    def look(self, ctx: Context, settings: S) -> Iterator[Panel]:
        """Look at the model and yield panels.

        Args:
            ctx: Model, seed, progress.
            settings: Validated settings.
        """

    def run(self, ctx: Context, sample: Sample, settings: S) -> Iterator[Panel]:
        raise PluginError(f"{self.title} looks at the model alone, not at a picture.")


class AttributionMethod(Visualization[S]):
    """A visualization whose result is one map for each target; panels, overlay and export come for free.

    Class attributes:
        clip: Share of the values that may lie beyond the color scale, 0..1.
    """

    clip: ClassVar[float] = 0.0

    @abstractmethod
    def attribute(self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: S) -> list[Attribution]:
        """Return one attribution for each target, in their order."""

    def run(self, ctx: Context, sample: Sample, settings: S) -> Iterator[Panel]:
        attributions = list(self.attribute(ctx, sample, ctx.targets, settings))
        ctx.attributions = self._finished(ctx, sample, attributions)
        yield from self._panels(ctx, sample, ctx.attributions)
        if sample.views is not None:
            yield from filmstrips(ctx.attributions, sample.views, self.clip)

    def sketch(self, ctx: Context, sample: Sample, attributions: list[Attribution]) -> None:
        """Show maps that are still rough, where somebody watches; those that `attribute` returns replace them."""
        if ctx.watched:
            for panel in self._panels(ctx, sample, self._finished(ctx, sample, attributions)):
                ctx.show(panel)

    def _finished(self, ctx: Context, sample: Sample, attributions: list[Attribution]) -> list[Attribution]:
        """Check attributions, and say of them what follows from the picture and the part that was asked about."""
        if len(attributions) != len(ctx.targets):
            raise PluginError(f"{self.name} returned {len(attributions)} attributions for {len(ctx.targets)} targets.")
        for attribution in attributions:
            self._check(attribution, sample)
        if sample.views is not None:
            attributions = [replace(attribution, in_frames=True) for attribution in attributions]
        focus = ctx.model.focus
        if focus is not None:
            unit = ctx.model.facts.units
            attributions = [
                replace(a, units=a.units.replace(unit, "pixel")) if a.target.index >= focus.classes else a
                for a in attributions
            ]
        return attributions

    def _panels(self, ctx: Context, sample: Sample, attributions: list[Attribution]) -> list[Heatmap]:
        probabilities = ctx.model.probabilities(ctx.scores)
        certain = [_certain(a.target, probabilities, ctx.model.focus) for a in attributions]
        return heatmaps(attributions, sample.view, sample.frame, certain, self.clip, sample.views)

    def _check(self, attribution: Attribution, sample: Sample) -> None:
        """Refuse what is no map over the picture."""
        if not isinstance(attribution, Attribution):
            raise PluginError(f"{self.name} must return Attributions. Got {type(attribution).__name__}.")
        shape = np.shape(attribution.values)
        if sample.views is not None:
            frames = sample.views.shape[:3]
            if len(shape) not in (3, 4) or shape[:3] != frames:
                raise PluginError(f"The values of {self.name} must be (frames, h, w) = {frames} here. Got {shape}.")
            return
        if len(shape) not in (2, 3):
            raise PluginError(f"The values of {self.name} must be (h, w) or (h, w, channels). Got {shape}.")
        under = (sample.view if attribution.picture is None else attribution.picture).shape[:2]
        if shape[:2] != under:
            raise PluginError(
                f"The values of {self.name} must have the input's size, {under}. Got {shape[:2]}.",
                "Lay a coarse map over the pixels with enlarge().",
            )


def _certain(target: Target, probabilities: Array, focus: Focus | None) -> float | None:
    """Return a target's probability; None where it has none: a difference, a side of a box, classes each elsewhere."""
    if target.minus is not None or (focus and (focus.outline is None or target.index >= focus.classes)):
        return None
    return float(probabilities[target.index])
