"""From what was measured to the findings."""

from __future__ import annotations

import hashlib
import json
import platform
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from picasso.auditing import statistics, thresholds
from picasso.auditing.choices import Choices
from picasso.auditing.effects import tested
from picasso.auditing.files.clues import find_clues
from picasso.auditing.findings import Clue, Effect, Findings, Outcome, Untested
from picasso.auditing.gallery import Parts
from picasso.auditing.maps.illustrating import illustrate
from picasso.auditing.measuring import Measurements, Report
from picasso.auditing.naming import named_of
from picasso.auditing.showing import pairs_of, pictures_of, write_counterfactuals
from picasso.auditing.verdict import judge
from picasso.core.dataset import Dataset
from picasso.core.interventions.intervention import Property


def conclude(measured: Measurements, choices: Choices, counterfactuals: Path | None, report: Report) -> Findings:
    """Return the findings of an audit.

    Args:
        measured: What was measured.
        choices: How the audit was done.
        counterfactuals: Folder for every picture with what is named taken from another class, or None.
        report: Called with (done, total, message) while maps are made; it may raise to stop.
    """
    classes, readable, experiment = measured.selection.classes, measured.readable, measured.experiment
    table, donors, effects = measured.table, measured.donors, measured.effects
    labels = np.asarray(measured.selection.labels, np.int64)[readable]
    counts = np.bincount(labels, minlength=len(classes))
    right = int((measured.base[readable] > 0).sum())
    accuracy, chance = statistics.share(right, len(readable)), float(counts.max() / counts.sum())
    smallest = statistics.smallest_drop(measured.confirming, sum(map(tested, effects)))
    verdict = judge(accuracy, chance, effects, measured.said, smallest, classes, measured.unasked)
    if verdict.outcome is Outcome.WEAK_MODEL:  # nobody is accused
        effects = tuple(replace(one, suspect=False) for one in effects)
    named = named_of(effects, measured.said.likely)
    if counterfactuals is not None and named is not None:
        question = experiment.questions[effects.index(named)]
        write_counterfactuals(experiment, question, readable, donors, classes, counterfactuals)
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(confusion, (labels, measured.answers[readable]), 1)
    extras = {}
    if choices.maps:
        extras = illustrate(experiment, readable, donors, verdict, classes, measured.scale, report)
    by_picture = (
        ()
        if named is None
        else pictures_of(effects.index(named), table, readable, experiment, measured.answers, measured.scale)
    )
    return Findings(
        verdict=verdict,
        classes=classes,
        accuracy=accuracy,
        chance=chance,
        counts=tuple(int(one) for one in counts),
        confusion=tuple(tuple(int(one) for one in row) for row in confusion),
        effects=tuple(sorted(filter(tested, effects), key=lambda one: -one.drop.value)),
        clues=_clues(measured, choices.seed),
        pairs=tuple(pairs_of(experiment, _shown(effects, named, verdict.parts), table, measured.base, donors)),
        by_picture=by_picture,
        untested=(*measured.untested, *_never_made(effects)),
        notes=(*experiment.gallery.dataset.notes, *_left_out(experiment.gallery.dataset), *measured.notes),
        extras=extras,
        record=_record(measured, choices),
    )


def _shown(effects: Sequence[Effect], named: Effect | None, parts: Sequence[Property]) -> list[tuple[int, Effect]]:
    """Return the effects that pairs of pictures show, with their numbers: what is named, its parts, the others."""
    shown = [one for one in enumerate(effects) if one[1].suspect or not one[1].role.accuses]
    return sorted(
        shown,
        key=lambda one: (
            one[1] is not named,
            one[1].what not in parts,
            not one[1].suspect,
            not one[1].accused,
            -one[1].drop.value,
        ),
    )


def _clues(measured: Measurements, seed: int) -> tuple[Clue, ...]:
    """Return what the files give away."""
    labels = [measured.selection.labels[number] for number in measured.files]
    columns = [measured.selection.examples[number].columns for number in measured.files]
    return find_clues(list(measured.files.values()), labels, measured.selection.classes, columns, seed)


def _never_made(effects: Sequence[Effect]) -> list[Untested]:
    reason = "Pictures that allow it: {}, too few. The others have no object, or not that region, or one too large."
    return [Untested(one.what.title, reason.format(one.pictures)) for one in effects if not tested(one)]


def _left_out(dataset: Dataset) -> list[str]:
    """Say how many entries of a data set are no examples, of which classes, and why the first is none."""
    if not dataset.skipped:
        return []
    count, first = len(dataset.skipped), dataset.skipped[0]
    known = Counter(one.label for one in dataset.skipped if one.label)
    listed = f" ({', '.join(f'{label}: {found}' for label, found in known.most_common())})" if known else ""
    entries = f"{count} of the data set's {count + len(dataset)} entries{listed}"
    named = f"the first: {first.name}: {first.reason}" if count > 1 else f"{first.name}: {first.reason}"
    return [f"Left out: {entries}, {named}"]


def _record(measured: Measurements, choices: Choices) -> dict[str, Any]:
    model, dataset = measured.experiment.model, measured.experiment.gallery.dataset
    return {
        "model": {
            "name": model.name,
            "framework": model.framework,
            "digest": model.digest,
            "labels": [model.labels[column] for column in measured.experiment.columns],
            "score_units": model.facts.units,
        },
        "dataset": {
            "name": dataset.name,
            "digest": dataset.digest,
            "contents": _contents(measured),
            "pictures": len(dataset.examples),
            "audited": len(measured.files),
            "classes": list(measured.selection.classes),
        },
        "size": list(measured.experiment.gallery.eye.size),
        "regions": _regions(measured.experiment.gallery.parts),
        "choices": {
            "match": dict(choices.match),
            "limit": choices.limit,
            "seed": choices.seed,
            "confirmed": dict(choices.confirmed),
            "regions": choices.regions,
            "interventions": list(choices.interventions),
            "questions": len(measured.experiment.questions),
        },
        "thresholds": {name: getattr(thresholds, name) for name in sorted(vars(thresholds)) if name.isupper()},
        "versions": {
            "picasso": metadata.version("picasso"),
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("numpy", *model.packages)},
        },
    }


def _contents(measured: Measurements) -> str:
    """Return the digest of what the audited pictures hold, with their classes, wherever they lie and however old."""
    selection = measured.selection
    pictures = [(fact.digest, selection.classes[selection.labels[one]]) for one, fact in measured.files.items()]
    return hashlib.sha256(json.dumps(sorted(pictures)).encode()).hexdigest()


def _regions(parts: Parts | None) -> dict[str, Any] | None:
    """Return what tells the kinds of regions from others, whose numbers would mean something else."""
    if parts is None:
        return None
    return {"names": list(parts.kinds.names), "digest": parts.kinds.digest}
