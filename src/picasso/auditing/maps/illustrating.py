"""What maps add to an audit: where the evidence lies, and groups of maps that propose what to transplant.

Neither has a say in the verdict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.donors import Donors
from picasso.auditing.effects import Table, effect_of, judged
from picasso.auditing.experiment import Experiment, Question, shards_of
from picasso.auditing.findings import Verdict
from picasso.auditing.maps.clusters import Cluster, as_property, find_clusters, weighted_embeddings
from picasso.auditing.maps.evidence import (
    OBJECT_PARTS,
    Evidence,
    Parts,
    around_object,
    chosen_pictures,
    default_methods,
    disagreement,
    make_maps,
    shares,
)
from picasso.auditing.ties import Ties
from picasso.core.errors import CanceledError, PicassoError
from picasso.core.facts import Sample
from picasso.core.interventions.intervention import Property, Role
from picasso.core.interventions.rectangles import Rectangles
from picasso.scorecard.method import Method
from picasso.scorecard.stages import Report, Stages

MOST_GROUPED = 60
"""Pictures whose maps are grouped at most: a tenth of a class still shows."""
MOST_TRIED = 120
"""Pictures on which what a group proposes is transplanted at most."""


class _Places(Rectangles):
    """Rectangles that maps propose."""

    name = "cluster"
    title = "Where maps point"

    def properties(self, size: tuple[int, int], regions: Sequence[str]) -> Sequence[Property]:
        return ()


def illustrate(
    experiment: Experiment,
    readable: Sequence[int],
    donors: Mapping[int, Donors],
    verdict: Verdict,
    classes: Sequence[str],
    scale: float,
    report: Report,
) -> dict[str, Any]:
    """Return what maps add, as the extras of `Findings`; nothing where the model's hook takes whole pictures.

    Args:
        experiment: The experiment.
        readable: Numbers of the pictures.
        donors: Of every picture.
        verdict: What the interventions found.
        classes: Names of the classes.
        scale: Root mean square of the model's margins on the pictures as they are.
        report: Called with (done, total, message); it may raise to stop.
    """
    if experiment.gallery.eye.hooked:
        return {}
    evidence = _evidence(experiment, readable, classes, report)
    trusted = {method.name for method in evidence.methods}
    method = next((one for one in default_methods(experiment.model) if one.name in trusted), None)
    found = {"evidence": evidence.document() | {"disagreement": disagreement(evidence, verdict)}}
    if method is None:
        return found
    clusters = _clusters(experiment, method, readable, donors, len(classes), scale, report)
    return found | {"clusters": [cluster.document(classes) for cluster in clusters]}


def _evidence(experiment: Experiment, readable: Sequence[int], classes: Sequence[str], report: Report) -> Evidence:
    labels = experiment.gallery.labels
    chosen = [readable[place] for place in chosen_pictures([labels[one] for one in readable], experiment.seed)]
    parts, names = _parts(experiment, chosen)
    return shares(
        experiment.model,
        _samples(experiment, chosen),
        parts,
        names,
        [labels[one] for one in chosen],
        classes,
        columns=experiment.columns,
        seed=experiment.seed,
        report=report,
    )


def _parts(experiment: Experiment, chosen: Sequence[int]) -> tuple[list[Parts], Sequence[str]]:
    """Return the part of each pixel, and the parts' names: object, ring and background, or the kinds of regions."""
    seen = [experiment.gallery.seen(one) for one in chosen]
    kinds = experiment.gallery.parts
    if kinds is None or kinds.object:
        nothing = np.zeros(experiment.gallery.eye.size, np.bool_)
        return [around_object(nothing if one.object is None else one.object) for one in seen], OBJECT_PARTS
    return [one.regions for one in seen if one.regions is not None], kinds.kinds.names


def _clusters(
    experiment: Experiment,
    method: Method,
    readable: Sequence[int],
    donors: Mapping[int, Donors],
    classes: int,
    scale: float,
    report: Report,
) -> list[Cluster]:
    model, labels = experiment.model, experiment.gallery.labels
    chosen = [
        readable[place] for place in chosen_pictures([labels[one] for one in readable], experiment.seed, MOST_GROUPED)
    ]
    samples = _samples(experiment, chosen)
    columns = [experiment.columns[labels[one]] for one in chosen]
    try:
        maps = make_maps(model, method, samples, columns, experiment.seed, Stages(report, len(samples)))
    except CanceledError:
        raise
    except PicassoError:  # of one picture of many; maps have no say, so the audit goes on without
        return []
    found = find_clusters(
        maps, [labels[one] for one in chosen], weighted_embeddings(model, samples, maps), experiment.seed
    )
    named = [replace(one, members=tuple(chosen[member] for member in one.members)) for one in found]
    return _tried(experiment, named, readable[:MOST_TRIED], donors, np.asarray(labels), classes, scale, report)


def _tried(
    experiment: Experiment,
    clusters: Sequence[Cluster],
    pictures: Sequence[int],
    donors: Mapping[int, Donors],
    labels: NDArray[np.int64],
    classes: int,
    scale: float,
    report: Report,
) -> list[Cluster]:
    """Return the clusters with what a transplant at their place has shown."""
    questions = [Question(as_property(one), _Places.name, "", Role.PROPERTY) for one in clusters]
    trial = Experiment(
        experiment.model,
        experiment.columns,
        experiment.gallery,
        questions,
        {_Places.name: _Places()},
        experiment.seed,
    )
    table = Table.empty(len(questions), len(labels), 1)
    shards = shards_of(pictures, range(len(questions)), donors) if questions else []
    for number, shard in enumerate(shards):
        report(number, len(shards), "Trying what groups of maps propose")
        table.enter(shard, trial.measure(shard))
    ties = Ties(pictures, [donors])
    effects = judged(
        [
            effect_of(question, number, table, ties, labels, classes, scale, False)
            for number, question in enumerate(questions)
        ]
    )
    return [cluster.measured(effect) for cluster, effect in zip(clusters, effects, strict=True)]


def _samples(experiment: Experiment, chosen: Sequence[int]) -> list[Sample]:
    gallery = experiment.gallery
    return [experiment.model.prepare(gallery.dataset.picture(gallery.examples[one])) for one in chosen]
