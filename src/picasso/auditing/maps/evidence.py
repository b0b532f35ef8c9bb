"""Where the evidence is: which share of what speaks for a class lies on the object, by the maps.

Maps do not say what a model relies on: they answer to what is there, too. So they stand beside the interventions, they
are taken only from methods whose maps depend on what the network has learned, and where the two disagree it is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from picasso.auditing.findings import Interval, Outcome, Untested, Verdict
from picasso.core import registry
from picasso.core.errors import CanceledError, NotSupportedError, PicassoError
from picasso.core.facts import Sample, Task
from picasso.core.fitting import abilities, missing, read_settings
from picasso.core.interventions.intervention import Mask
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.tested import Standing, Tested
from picasso.scorecard import kept
from picasso.scorecard.comparing import MethodChoice, choose_methods
from picasso.scorecard.method import Method, values_of
from picasso.scorecard.randomization import PICTURES, Shot, pieces, randomize, untestable
from picasso.scorecard.stages import Report, Stages

DEFAULT: tuple[MethodChoice, ...] = (
    ("grad-cam", {}),
    ("integrated-gradients", {"steps": 8, "max_steps": 8}),
    ("partial-occlusion", {"grid": 6, "window": 0.2}),
)
"""Cheap methods of three kinds, coarse since only sums are asked for; those that the model can do are used."""
MOST_PICTURES = 24
"""Shares differ little from picture to picture: more narrow the interval by less than the methods differ."""
RING = 0.05
"""Width of the ring around the object, as a share of the picture's longer side: how far coarse maps smear."""
OBJECT_PARTS = ("the object", "a ring around the object", "the background")
"""Of a picture whose object is known; see `around_object`."""
MOSTLY = 0.5
"""Share from which on maps are said to lie on something."""

Parts = NDArray[np.int64]


@dataclass(frozen=True)
class MethodEvidence:
    """Where the maps of one method put the evidence.

    Args:
        name, title: Of the method.
        settings: Its settings, as JSON.
        tested: What randomization showed of it. Untested where the model's parameters cannot be shuffled.
        shares: Of every part; empty where no map had evidence.
        by_class: The same for every class; empty for one of which no map had evidence.
        empty: How many maps had no evidence for the class at all.
    """

    name: str
    title: str
    settings: dict[str, Any]
    tested: Tested
    shares: tuple[Interval, ...]
    by_class: tuple[tuple[Interval, ...], ...]
    empty: int


@dataclass(frozen=True)
class Evidence:
    """Where the maps put what speaks for the classes.

    Args:
        classes: Names of the classes.
        parts: What the pictures are divided into; of known objects `OBJECT_PARTS`.
        areas: Mean share of the picture that each part covers, 0..1: what a map without any aim would reach.
        counts: Pictures of each class.
        shares: Of the evidence on every part, mean over the methods; empty where no method is left.
        by_class: The same for every class; empty for a class without evidence.
        methods: What each method says.
        left_out: Methods that are not used, and why.
    """

    classes: tuple[str, ...]
    parts: tuple[str, ...]
    areas: tuple[float, ...]
    counts: tuple[int, ...]
    shares: tuple[Interval, ...]
    by_class: tuple[tuple[Interval, ...], ...]
    methods: tuple[MethodEvidence, ...]
    left_out: tuple[Untested, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "classes": list(self.classes),
            "parts": list(self.parts),
            "areas": list(self.areas),
            "counts": list(self.counts),
            "shares": [vars(share) for share in self.shares],
            "by_class": [[vars(share) for share in of_class] for of_class in self.by_class],
            "methods": [
                {
                    "name": method.name,
                    "title": method.title,
                    "settings": method.settings,
                    "tested": method.tested.document(),
                    "shares": [vars(share) for share in method.shares],
                    "by_class": [[vars(share) for share in of_class] for of_class in method.by_class],
                    "empty": method.empty,
                }
                for method in self.methods
            ],
            "left_out": [vars(method) for method in self.left_out],
        }


def chosen_pictures(labels: Sequence[int], seed: int = 0, most: int = MOST_PICTURES) -> tuple[int, ...]:
    """Draw some pictures, as many of every class as far as there are; in order.

    Args:
        labels: The class of every picture.
        seed: Draws them.
        most: How many at most.
    """
    random = np.random.default_rng(seed)
    known = np.asarray(labels)
    waiting = [random.permutation(np.flatnonzero(known == label)).tolist() for label in np.unique(known)]
    drawn: list[int] = []
    while any(waiting) and len(drawn) < most:
        for members in waiting:
            if members and len(drawn) < most:
                drawn.append(members.pop())
    return tuple(sorted(drawn))


def around_object(mask: Mask) -> Parts:
    """Divide a picture into object (0), ring around it (1) and background (2), as in `OBJECT_PARTS`.

    Args:
        mask: Where the object shows, bool (h, w).
    """
    if not mask.any():
        return np.full(mask.shape, 2, np.int64)
    away = ndimage.distance_transform_edt(~mask)
    return np.where(mask, 0, np.where(away <= max(1.0, RING * max(mask.shape)), 1, 2)).astype(np.int64)


def shares(
    model: Model,
    samples: Sequence[Sample],
    parts: Sequence[Parts],
    names: Sequence[str],
    labels: Sequence[int],
    classes: Sequence[str],
    methods: Sequence[MethodChoice] | None = None,
    *,
    columns: Sequence[int] | None = None,
    seed: int = 0,
    report: Report,
) -> Evidence:
    """Find out where maps put the evidence for the class of each picture.

    Every method is first put through the randomization test, unless that was done before; what it shows is kept, as the
    scorecard does. A method that fails is left out.

    Args:
        model: A classifier.
        samples: Pictures, prepared for the model; `chosen_pictures` draws a few.
        parts: Of each the part that every pixel of the network's input belongs to, int64 (h, w), -1 where to none;
            from `around_object`, or kinds of regions.
        names: Of the parts.
        labels: The class of each picture, a number from 0.
        classes: Names of the classes.
        methods: Names of attribution methods, or pairs of a name and settings; by default those of `DEFAULT` that the
            model can do.
        columns: The column of the model's scores that each class has; by default the classes are the columns.
        seed: Of everything random.
        report: Called with (done, total, message); it may raise CanceledError.

    Raises:
        NotSupportedError: The model is no classifier of still pictures, or a method that was asked for does not fit.
    """
    if model.facts.task is not Task.CLASSIFICATION or model.facts.frames is not None:
        raise NotSupportedError("Where the evidence lies is asked of classifiers of still pictures only.")
    used = list(choose_methods(model, methods)) if methods is not None else default_methods(model)
    known = np.asarray(labels, np.int64)
    column = list(range(len(classes))) if columns is None else list(columns)
    reason = untestable(model)
    tests = 0 if reason else sum(pieces(model, len(samples)) for method in used if kept.read(model, method) is None)
    stages = Stages(report, len(used) * len(samples) + tests)
    found: list[MethodEvidence] = []
    left_out: list[Untested] = []
    rows: list[NDArray[np.float64]] = []
    for method in used:
        try:
            tested = _tested(model, method, samples, [column[label] for label in known], seed, stages, reason)
            if tested.warned:
                left_out.append(Untested(method.title, str(tested)))
                stages.skip(len(samples))
                continue
            maps = make_maps(model, method, samples, [column[label] for label in known], seed, stages)
        except CanceledError:
            raise
        except PicassoError as error:
            left_out.append(Untested(method.title, error.message))
            continue
        table = np.stack([share_of_parts(values, part, len(names)) for values, part in zip(maps, parts, strict=True)])
        rows.append(table)
        found.append(
            MethodEvidence(
                method.name,
                method.title,
                method.settings.model_dump(mode="json"),
                tested,
                _intervals(table),
                _of_classes(table, known, len(classes)),
                int(np.isnan(table).any(axis=1).sum()),
            )
        )
    together = _mean_over_methods(rows, len(samples), len(names))
    return Evidence(
        classes=tuple(classes),
        parts=tuple(names),
        areas=tuple(float(np.mean([(part == number).mean() for part in parts])) for number in range(len(names))),
        counts=tuple(np.bincount(known, minlength=len(classes)).tolist()),
        shares=_intervals(together),
        by_class=_of_classes(together, known, len(classes)),
        methods=tuple(found),
        left_out=tuple(left_out),
    )


def make_maps(
    model: Model, method: Method, samples: Sequence[Sample], columns: Sequence[int], seed: int, stages: Stages
) -> Array:
    """Return a method's maps of some pictures, float32 (n, h, w); what is not known is 0.

    Args:
        model: The model.
        method: The method.
        samples: The pictures.
        columns: The column of the scores that is explained of each.
        seed: Of the method.
        stages: Told of every map.

    Raises:
        PicassoError: A map could not be made.
    """
    made = []
    for number, (sample, column) in enumerate(zip(samples, columns, strict=True)):
        stages.begin(f"{method.title}: picture {number + 1} of {len(samples)}")
        made.append(values_of(method.explain(model, sample, model.target(column), seed, stages)))
        stages.end()
    return np.stack(made)


def share_of_parts(values: Array, parts: Parts, count: int) -> NDArray[np.float64]:
    """Return each part's share of the sum of all positive values of a map, (count,); NaN where there are none.

    Args:
        values: The map, (h, w).
        parts: The part of each pixel, (h, w), -1 where it belongs to none; such are not counted.
        count: How many parts there are.
    """
    inside = parts >= 0
    sums = np.bincount(parts[inside], np.maximum(values[inside].astype(np.float64), 0), minlength=count)
    total = sums.sum()
    return sums / total if total > 0 else np.full(count, np.nan)


def disagreement(evidence: Evidence, verdict: Verdict) -> str:
    """Say in one sentence how maps and interventions disagree; "" where they do not, or the object is not known.

    Args:
        evidence: From `shares`, with `OBJECT_PARTS`.
        verdict: What the interventions found.
    """
    if evidence.parts != OBJECT_PARTS or not evidence.shares:
        return ""
    on_object, _, elsewhere = evidence.shares
    if verdict.outcome is Outcome.WRONG_REASON and on_object.low > MOSTLY and verdict.reliance and verdict.named:
        return (
            f"The maps put {on_object.value:.0%} of the evidence on the object, though the interventions say that "
            f"{100 * verdict.reliance.value:.0f} points of accuracy hang on {verdict.named.phrase}: the maps do not "
            "show it, and the interventions are to be believed."
        )
    aimless = evidence.areas[2]
    if verdict.outcome is Outcome.RIGHT_REASON and elsewhere.low > MOSTLY and elsewhere.high > aimless:
        return (
            f"The maps put {elsewhere.value:.0%} of the evidence on the background, which covers {aimless:.0%} of the "
            "pictures, though no property of it that was taken from another picture moved the answers: maps show what "
            "a model answers to, the interventions what its answers hang on."
        )
    return ""


def default_methods(model: Model) -> list[Method]:
    """Return the methods of `DEFAULT` that a model can do."""
    able = abilities(model)
    made = []
    for choice in DEFAULT:
        name, settings = (choice, {}) if isinstance(choice, str) else choice
        entry = registry.visualization(name)
        if not missing(model, entry, able):
            made.append(Method(entry, read_settings(entry, settings)))
    return made


def _tested(
    model: Model,
    method: Method,
    samples: Sequence[Sample],
    columns: Sequence[int],
    seed: int,
    stages: Stages,
    reason: str,
) -> Tested:
    """Return what randomization shows of a method; it is tried, and kept, where that is not known yet."""
    if reason:
        return Tested(Standing.UNTESTED)
    known = kept.read(model, method)
    if known is None:
        shots = []
        for sample, column in zip(samples[:PICTURES], columns, strict=False):
            target = model.target(column)
            shots.append(Shot(model, sample, target, values_of(method.explain(model, sample, target, seed, stages))))
        known = randomize(method, shots, seed, stages)
        kept.write(model, method, known)
    return known.tested


def _mean_over_methods(rows: Sequence[NDArray[np.float64]], pictures: int, parts: int) -> NDArray[np.float64]:
    """Return the mean share over the methods that have evidence in a picture, (pictures, parts); NaN without any."""
    if not rows:
        return np.full((pictures, parts), np.nan)
    table = np.stack(rows)
    known = np.isfinite(table)
    count = known.sum(axis=0)
    mean: NDArray[np.float64] = np.where(known, table, 0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan)


def _of_classes(
    table: NDArray[np.float64], labels: NDArray[np.int64], classes: int
) -> tuple[tuple[Interval, ...], ...]:
    return tuple(_intervals(table[labels == label]) for label in range(classes))


def _intervals(table: NDArray[np.float64]) -> tuple[Interval, ...]:
    """Return the mean of each column over the pictures that have evidence, with Student's interval within 0..1."""
    table = table[np.isfinite(table).all(axis=1)]
    if not len(table):
        return ()
    mean = table.mean(axis=0)
    reach = np.full(len(mean), 1.0)  # of one picture nothing can be said of others
    if len(table) > 1:
        reach = stats.t.ppf(0.975, len(table) - 1) * table.std(axis=0, ddof=1) / np.sqrt(len(table))
    return tuple(
        Interval(float(value), float(max(0.0, value - by)), float(min(1.0, value + by)))
        for value, by in zip(mean, reach, strict=True)
    )
