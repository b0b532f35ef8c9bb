"""Measures the methods that are compared, one picture after another, and fills in their cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.asking import input_mask
from picasso.core.attribution import Attribution
from picasso.core.errors import CanceledError, PicassoError
from picasso.core.facts import Sample
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.targets import Target
from picasso.core.versions import versions
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
from picasso.scorecard.randomization import PICTURES, Randomization, Shot, pieces, randomize
from picasso.scorecard.ranks import figure
from picasso.scorecard.relevance_gain import CELLS, Curves, disagreement, removal_curves, removal_order
from picasso.scorecard.stages import Report, Stages
from picasso.scorecard.verdict import judged, verdict

SHOWN = 6
"""Pictures whose maps are kept with the comparison."""


@dataclass(frozen=True, eq=False)
class Shown:
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
    failures: list[str] = field(default_factory=list)


class Measuring:
    """Looks at one picture after another; holds of each no more than what is shown.

    Args:
        model: The model.
        methods: What is compared.
        seed: Of everything random.
        report: Called with (done, total, message).
        randomize: Whether methods that were not yet tested on this model are.
        pictures: How many there will be.
        reason: Why nothing can be randomized, or "".
    """

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

    def look(self, shown: Shown, number: int) -> None:
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
                measured.failures.append(f"{name}: {error}")
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

    def _explained(self, shown: Shown, method: Method, measured: _Measured) -> Attribution:
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
        residual = completeness_residual(attribution)
        if residual is not None:
            measured.residuals.append(residual)
        return attribution

    def _score(
        self,
        shown: Shown,
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
        elif tested is None and measured.shots:
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
            return Card(key, title, control, settings, failed=next(iter(one.failures), "It made no map."))
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
            left_out=tuple(one.failures),
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
