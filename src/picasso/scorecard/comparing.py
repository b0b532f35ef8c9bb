"""Compares attribution methods on one model and some pictures, and fills in their cards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core import registry
from picasso.core.asking import focused, input_mask, read_place
from picasso.core.attribution import Attribution
from picasso.core.errors import (
    CanceledError,
    ConfigurationError,
    NotSupportedError,
    PicassoError,
    PictureError,
    SettingsError,
)
from picasso.core.facts import Sample
from picasso.core.fitting import abilities, missing, read_settings
from picasso.core.images import Picture
from picasso.core.inputs import read_inputs
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.targets import Target, TargetChoice
from picasso.core.versions import versions
from picasso.core.visualization import AttributionMethod
from picasso.scorecard import kept
from picasso.scorecard.card import Card
from picasso.scorecard.cells import Cells, grid
from picasso.scorecard.comparison import Comparison, Pictured
from picasso.scorecard.controls import CONTROLS, TITLES, control_map
from picasso.scorecard.fills import FILLS, Filler, filler
from picasso.scorecard.localization import Located, located
from picasso.scorecard.method import Method, values_of
from picasso.scorecard.numerical_contract import completeness_residual, max_sensitivity, repeat_difference
from picasso.scorecard.patch_deletion import PATCHES, patch_correlation, patch_drops
from picasso.scorecard.randomization import PICTURES, Randomization, Shot, pieces, randomize, untestable
from picasso.scorecard.ranks import figure
from picasso.scorecard.relevance_gain import CELLS, Curves, disagreement, removal_curves, removal_order
from picasso.scorecard.stages import Report, Stages
from picasso.scorecard.verdict import judged, verdict

DEFAULT = ("partial-occlusion", "saliency-map", "grad-cam")
"""What is compared where nothing is said: those of these that the model can do."""
SHOWN = 6
"""Pictures whose maps are kept with the comparison."""
MethodChoice = str | tuple[str, Mapping[str, Any]]


def compare(
    model: Model,
    pictures: object,
    methods: Iterable[MethodChoice] | str | None = None,
    *,
    target: TargetChoice | None = None,
    mask: object = None,
    at: object = None,
    seed: int = 0,
    randomization: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Compare attribution methods: maps side by side, what is measured of each, and which to trust here.

    Args:
        model: From `load_model`.
        pictures: One picture or several, as `explain` takes them.
        methods: Names of attribution methods, or pairs of a name and settings; "all" for all that the model can do;
            by default a few that are known everywhere.
        target: What to explain: a class index, a label, or "a - b"; by default the best class of each picture.
        mask: Where the object is, to see which map points at it: a mask picture or boolean array of the picture's
            size, or a box (left, top, width, height); for several pictures a list with one for each, or None.
        at: For a segmenter or detector, what is explained, as in `explain`.
        seed: Seed of everything random.
        randomization: Whether methods that were not yet tested on this model are: it takes some twenty maps of each,
            once, and is kept. Where not, their maps are called untested.
        progress: Called with (done, total, message).

    Returns:
        A Comparison.

    Raises:
        PicassoError: One of its kinds, each with one sentence that says what to do.

    Example:
        >>> comparison = compare(load_model("demo:tank-proxy"), "photo.jpg", ["grad-cam", "saliency-map"])
        >>> trusted = [card.title for card in comparison.cards if card.trust == "trust"]
    """
    if not isinstance(model, Model):
        raise ConfigurationError(
            f"compare needs a model from load_model. Got {type(model).__name__}.", "Call picasso.load_model first."
        )
    chosen = choose_methods(model, methods)
    shots, alone = read_inputs(model, pictures)
    if not alone and not hasattr(pictures, "__len__"):
        shots = iter(found := list(shots))
        pictures = found
    count = 1 if alone else len(pictures)  # type: ignore[arg-type]  # it has a length, as was looked
    return compare_all(
        model,
        zip(shots, [mask] if alone else _masks(mask, count), strict=alone),
        count,
        chosen,
        target=target,
        at=at,
        seed=int(seed),
        randomization=randomization,
        report=progress or _ignore,
    )


def compare_all(
    model: Model,
    pictures: Iterable[tuple[Picture, object]],
    count: int,
    methods: Sequence[Method],
    *,
    target: TargetChoice | None = None,
    at: object = None,
    seed: int = 0,
    randomization: bool = True,
    report: Report,
) -> Comparison:
    """Compare methods on pictures that are read one by one, each with its mask or None.

    Args:
        model: The model.
        pictures: The pictures; no more than one of them is held.
        count: How many there will be, for the progress.
        methods: From `choose_methods`.
        target, at, seed, randomization: As in `compare`.
        report: Called with (done, total, message).

    Raises:
        PictureError: There is none.
    """
    if model.facts.frames is not None:
        raise NotSupportedError("Maps are compared on still pictures; this model reads clips.")
    place = read_place(at)
    of_channel = place is not None and place.channel is not None
    reason = "weights are shuffled for classes, not for a channel of a layer." if of_channel else untestable(model)
    work = _Work(model, methods, seed, report, randomization, count, reason)
    for number, (picture, where) in enumerate(pictures):
        sample = model.prepare(picture)
        asked = focused(model, sample, place)
        scores = asked.predict(sample.x)[0]
        goal = asked.top_targets(scores, 1)[0] if target is None else asked.target(target)
        work.look(_Shown(asked, sample, goal, float(goal.of_classes(scores)), where), number)
    if not work.pictured:
        raise PictureError("There is no picture to compare maps on.", "Give at least one.")
    return work.finish()


def choose_methods(
    model: Model, methods: Iterable[MethodChoice] | str | None, folders: Sequence[Path] | None = None
) -> list[Method]:
    """Return the methods that were asked for.

    Args:
        model: That they must fit; with "all" and by default those that do not are left out.
        methods: As in `compare`.
        folders: Folders of the user's plug-ins; by default the usual one.

    Raises:
        NotFoundError: There is none of that name.
        NotSupportedError: One is no attribution method, or the model lacks what it needs.
        SettingsError: A setting is not allowed.
    """
    if methods is None or methods == "all":
        names = DEFAULT if methods is None else list(registry.visualizations(folders))
        entries = [registry.visualization(name, folders) for name in names]
        good = [entry for entry in entries if entry.kind is not None and issubclass(entry.kind, AttributionMethod)]
        able = abilities(model)
        fitting = [Method(e, e.load().settings_type()) for e in good if not missing(model, e, able)]
        if not fitting:
            raise NotSupportedError(f"No attribution method fits this {model.framework} model.")
        return fitting
    made = []
    for choice in [methods] if isinstance(methods, str) else methods:
        name, settings = (choice, {}) if isinstance(choice, str) else choice
        entry = registry.visualization(name, folders)
        if not issubclass(entry.load(), AttributionMethod):
            raise NotSupportedError(f"'{name}' makes no map of a target, so there is nothing to compare.")
        if reason := missing(model, entry):
            raise NotSupportedError(reason, "Leave it out.")
        made.append(Method(entry, read_settings(entry, settings)))
    if not made:
        raise SettingsError("There is no method to compare.", "Name at least one.")
    return made


@dataclass(frozen=True, eq=False)
class _Shown:
    """A picture, the model as it answers about it, and what is explained."""

    model: Model
    sample: Sample
    target: Target
    score: float
    mask: object


@dataclass
class _Measured:
    """What was measured of one method, picture by picture."""

    curves: list[Curves] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    patches: list[NDArray[np.float64]] = field(default_factory=list)
    repeats: list[float] = field(default_factory=list)
    sensitivities: list[float] = field(default_factory=list)
    residuals: list[float] = field(default_factory=list)
    located: list[Located] = field(default_factory=list)
    shots: list[Shot] = field(default_factory=list)
    empty: int = 0
    failed: str = ""


class _Work:
    """Looks at one picture after another; holds of each no more than what is shown."""

    def __init__(
        self,
        model: Model,
        methods: Sequence[Method],
        seed: int,
        report: Report,
        randomize: bool,
        pictures: int,
        reason: str,
    ) -> None:
        self.model, self.methods, self.seed, self.randomize = model, _numbered(methods), seed, randomize
        self.titles = _titled(self.methods)
        self.measured = {name: _Measured() for name in (*self.methods, *CONTROLS)}
        self.pictured: list[Pictured] = []
        self.reason = reason  # why nothing can be randomized, or ""
        self.known = {} if self.reason else {n: k for n, m in self.methods.items() if (k := kept.read(model, m))}
        each = len(self.methods) * 4 + len(CONTROLS) + 1  # the map, its repeat, its noise, its curves; patches
        self.to_test = (
            [name for name in self.methods if name not in self.known] if randomize and not self.reason else []
        )
        self.pieces = pieces(model, pictures) if self.to_test else 0
        self.stages = Stages(report, pictures * each + len(self.to_test) * self.pieces)

    def look(self, shown: _Shown, number: int) -> None:
        """Measure every method on one picture."""
        sample, name = shown.sample, shown.sample.picture.name
        mask = None if shown.mask is None else input_mask(sample, shown.mask)
        remove = filler(shown.model, sample)
        patches = grid(sample.x.shape[1], sample.x.shape[2], PATCHES)
        self.stages.begin(f"{name}: single patches")
        drops = patch_drops(shown.model, remove, shown.target, shown.score, patches, progress=self.stages.inner)
        self.stages.end()
        maps: dict[str, Array] = {}
        units: dict[str, str] = {}
        for key, method in self.methods.items():
            measured = self.measured[key]
            try:
                attribution = self._explained(shown, method, measured)
                values = maps[key] = values_of(attribution)
                units[key] = attribution.units
            except CanceledError:
                raise
            except PicassoError as error:
                measured.failed = measured.failed or f"{name}: {error}"
                self.stages.skip(4)
                continue
            if len(measured.shots) < PICTURES:
                measured.shots.append(Shot(shown.model, sample, shown.target, values))
            self._score(shown, key, method.title, values, number, remove, patches, drops, mask)
        for kind in CONTROLS:
            maps[kind] = control_map(kind, sample.view, self.seed)
            units[kind] = "no unit"
            self._score(shown, kind, TITLES[kind], maps[kind], number, remove, patches, drops, mask)
        self.pictured.append(
            Pictured(
                name=name,
                digest=sample.picture.digest,
                view=sample.view if number < SHOWN else None,
                target=shown.target.label,
                score=shown.score,
                maps=maps if number < SHOWN else {},
                units=units,
                mask=mask if number < SHOWN else None,
                area=None if mask is None else float(mask.mean()),
            )
        )

    def _explained(self, shown: _Shown, method: Method, measured: _Measured) -> Attribution:
        """Return a method's map of a picture, after its numerical contract was looked at."""
        sample, model, seed, stages = shown.sample, shown.model, self.seed, self.stages
        said = f"{sample.picture.name}: {method.title}"
        stages.begin(said)
        attribution = method.explain(model, sample, shown.target, seed, stages)
        values = values_of(attribution)
        stages.end()
        stages.begin(f"{said}, a second time")
        again = values_of(method.explain(model, sample, shown.target, seed, stages))
        stages.end()
        stages.begin(f"{said}, under faint noise")
        sensitivity = max_sensitivity(
            lambda noisy: values_of(method.explain(model, noisy, shown.target, seed, stages)), sample, values, seed
        )
        stages.end()
        measured.repeats.append(repeat_difference(values, again))
        measured.sensitivities.append(sensitivity)
        residual = completeness_residual(model, sample, attribution, seed)
        if residual is not None:
            measured.residuals.append(residual)
        return attribution

    def _score(
        self,
        shown: _Shown,
        key: str,
        title: str,
        values: Array,
        number: int,
        remove: Filler,
        patches: Cells,
        drops: NDArray[np.float64],
        mask: NDArray[np.bool_] | None,
    ) -> None:
        """Measure one map of one picture."""
        measured = self.measured[key]
        cells = grid(values.shape[0], values.shape[1], CELLS)
        self.stages.begin(f"{shown.sample.picture.name}: what {title} removes")
        order = removal_order(values, cells, self.seed)
        measured.curves.append(
            removal_curves(shown.model, remove, shown.target, order, cells, progress=self.stages.inner)
        )
        self.stages.end()
        measured.places.append(number)
        measured.patches.append(patch_correlation(values, drops, patches))
        measured.empty += not values.any()
        if mask is not None:
            measured.located.append(located(values, mask, self.seed))

    def finish(self) -> Comparison:
        """Test what is untested, and fill in the cards."""
        cards = [self._judged(key, method) for key, method in self.methods.items()]
        cards += [self._card(key, TITLES[key], control=True) for key in CONTROLS]
        ranked = [key for key, one in self.measured.items() if one.curves and key not in ("gaussian", "noise")]
        apart = disagreement(np.array([[f.mean for f in self._gains(key)] for key in ranked]).T) if ranked else None
        return Comparison(
            cards=tuple(cards),
            pictures=tuple(self.pictured),
            curves={key: tuple(one.curves) for key, one in self.measured.items()},
            places={key: tuple(one.places) for key, one in self.measured.items()},
            disagreement=apart,
            verdict=verdict(cards, apart, len(self.pictured), self._area()),
            record={
                "model": {
                    "name": self.model.name,
                    "digest": self.model.digest,
                    "framework": self.model.framework,
                    "score_units": self.model.facts.units,
                },
                "seed": self.seed,
                "fills": list(FILLS),
                "cells": CELLS,
                "patches": PATCHES,
                "versions": versions(self.model),
            },
        )

    def _area(self) -> float | None:
        areas = [picture.area for picture in self.pictured if picture.area is not None]
        return sum(areas) / len(areas) if areas else None

    def _judged(self, key: str, method: Method) -> Card:
        measured = self.measured[key]
        tested, why = self.known.get(key), self.reason
        if why:
            why = f"Not testable: {why}"
        elif tested is None and key in self.to_test and measured.shots:
            try:
                tested = randomize(method, measured.shots, self.seed, self.stages)
                kept.write(self.model, method, tested)
            except CanceledError:
                raise
            except PicassoError as error:
                why = f"Not testable: {error}"
        elif tested is None and not measured.failed:
            why = "Randomization was not asked for."
        measured.shots.clear()
        settings = method.settings.model_dump(mode="json")
        return judged(self._card(key, self.titles[key], False, settings, tested, "" if tested else why))

    def _gains(self, key: str) -> tuple[Any, ...]:
        return tuple(figure(curve.gain[fill] for curve in self.measured[key].curves) for fill in range(len(FILLS)))

    def _card(
        self,
        key: str,
        title: str,
        control: bool,
        settings: dict[str, Any] | None = None,
        tested: Randomization | None = None,
        untested: str = "",
    ) -> Card:
        one, sobel = self.measured[key], self.measured["sobel"]
        if not one.curves:
            return Card(key, title, control, settings, failed=one.failed or "It made no map.")
        edges = dict(zip(sobel.places, sobel.curves, strict=True))
        over = [curve.gain - edges[place].gain for curve, place in zip(one.curves, one.places, strict=True)]
        every = range(len(FILLS))
        return Card(
            name=key,
            title=title,
            control=control,
            settings=settings,
            gain=figure(float(curve.gain.mean()) for curve in one.curves),
            gains=self._gains(key),
            deletion=figure(float(curve.deletion.mean()) for curve in one.curves),
            insertion=figure(float(curve.insertion.mean()) for curve in one.curves),
            over_sobel=None if key == "sobel" else figure(float(row.mean()) for row in over),
            over_sobel_by_fill=() if key == "sobel" else tuple(f for i in every if (f := figure(r[i] for r in over))),
            patches=figure(float(row.mean()) for row in one.patches),
            patches_by_fill=tuple(f for i in every if (f := figure(row[i] for row in one.patches))),
            randomization=tested,
            untested=untested,
            repeat=max(one.repeats, default=None),
            sensitivity=figure(one.sensitivities),
            completeness=figure(one.residuals),
            pointing=figure(found.pointing for found in one.located),
            mass=figure(found.mass for found in one.located),
            overlap=figure(found.overlap for found in one.located),
            empty=one.empty,
            failed="",
        )


def _numbered(methods: Sequence[Method]) -> dict[str, Method]:
    """Name the methods; one that is compared twice, with other settings, gets a number."""
    named: dict[str, Method] = {}
    for method in methods:
        name, count = method.name, 1
        while name in named:
            count += 1
            name = f"{method.name}-{count}"
        named[name] = method
    return named


def _titled(methods: Mapping[str, Method]) -> dict[str, str]:
    """Return the methods' titles, with what is set where one is compared twice."""
    titles = [method.title for method in methods.values()]
    found = {}
    for name, method in methods.items():
        changed = method.settings.model_dump(mode="json", exclude_defaults=True)
        said = ", ".join(f"{setting} {value}" for setting, value in changed.items())
        found[name] = f"{method.title} ({said})" if said and titles.count(method.title) > 1 else method.title
    return found


def _masks(mask: object, pictures: int) -> list[object]:
    if mask is None:
        return [None] * pictures
    if isinstance(mask, list | tuple) and len(mask) == pictures:
        return list(mask)
    raise SettingsError(f"There must be one mask, or None, for each of {pictures} pictures. Got {type(mask).__name__}.")


def _ignore(done: int, total: int, message: str) -> None:
    """Ignore progress."""
