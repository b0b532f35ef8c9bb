"""Audits of a model on a data set, in the app: what is asked for, under which key it is kept, and what is kept."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from picasso.core.dataset import match_classes
from picasso.core.errors import DatasetError, NotSupportedError, SettingsError
from picasso.core.facts import Task
from picasso.core.result_keys import result_key
from picasso.service.artifacts import Artifacts
from picasso.service.cards import Card
from picasso.service.database import now
from picasso.service.records import AuditRecord, AuditRequest, JobRecord, ModelRecord, ModelState
from picasso.service.store import Store

if TYPE_CHECKING:
    from picasso.auditing.findings import Findings

NAME = "audit"
"""What stands for the visualization in a job that audits."""
FORMAT = 2
"""A change of what is kept or measured; what was kept before is not found any more."""
MOST_SHOWN = 24
"""So many of the pictures that move most can be seen and explained."""
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Of every file in an archive, so that equal audits are equal files."""


def audit_key(
    *, model: str, dataset: str, asked: Mapping[str, Any], seed: int, interventions: Mapping[str, str]
) -> str:
    """Return the key under which an audit is kept: equal exactly when the same numbers must come out.

    Args:
        model: The model's digest.
        dataset: The data set's digest.
        asked: The choices, as `AuditRequest.asked`.
        seed: Seed of everything random.
        interventions: Digests of what changes the pictures, by name.
    """
    return result_key(
        model=model,
        visualization=(NAME, "", FORMAT),
        settings={**asked, "interventions": dict(interventions)},
        picture=dataset,
        targets=[],
        top=1,
        seed=seed,
        at="",
    )


def check(store: Store, request: AuditRequest) -> None:
    """Refuse what is known not to fit; the worker looks again.

    Raises:
        NotFoundError: There is no such model or data set.
        SettingsError: A value is not allowed.
        NotSupportedError: The model does not tell classes of pictures apart.
    """
    model = store.model(request.model)
    store.dataset(request.dataset)
    if request.limit is not None and request.limit < 1:
        raise SettingsError(f"limit must be at least 1. Got {request.limit}.")
    if model.card is None or model.state is ModelState.FAILED or not (card := Card.read(model.card)).fresh():
        return
    if card.frames is not None:
        raise NotSupportedError("An audit looks at still pictures; this model reads clips.", "Choose another model.")
    if Task(card.task) is not Task.CLASSIFICATION:
        raise NotSupportedError(
            f"An audit needs a model that tells classes apart; this one does {card.task}.", "Choose a classifier."
        )
    for label in (request.match or {}).values():
        if label not in card.labels:
            raise SettingsError(f"The model has no class '{label[:80]}'.", f"Known: {', '.join(card.labels[:20])}.")
    first_of: dict[str, str] = {}
    for name, label in (request.match or {}).items():
        if (first := first_of.setdefault(label, name)) != name:
            raise SettingsError(
                f"The classes '{first[:80]}' and '{name[:80]}' are both said to be the model's '{label[:80]}'.",
                "Choose another class for one of them; if they are the same, put the pictures of both into one class.",
            )


def labels_of(classes: Sequence[str], record: ModelRecord) -> dict[str, str]:
    """Return the model's label for each class of a data set that it knows by its name; none before it was opened."""
    if record.card is None:
        return {}
    labels = Card.read(record.card).labels
    try:
        return {name: labels[place] for name, place in match_classes(classes, labels).items()}
    except DatasetError:
        return {name: label for name in classes if (label := _label_of(name, labels))}


def _label_of(name: str, labels: Sequence[str]) -> str:
    try:
        return labels[match_classes([name], labels)[name]]
    except DatasetError:
        return ""


def shown_pictures(findings: Findings) -> list[str]:
    """Return the names of the pictures that a page leads to: those of the pairs, and those that move most."""
    moved = [found.name for found in findings.by_picture[:MOST_SHOWN]]
    return list(dict.fromkeys([*(pair.name for pair in findings.pairs), *moved]))


def sweep(folder: Path, older_than: float) -> None:
    """Delete what audits have measured long ago: whoever asks again measures it again.

    Args:
        folder: As `Place.audits`.
        older_than: Seconds.
    """
    limit = time.time() - older_than
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_mtime < limit:
                path.unlink()


def record_of(
    findings: Findings,
    key: str,
    job: JobRecord,
    pictures: Mapping[str, str],
    seconds: float,
    artifacts: Artifacts,
    folder: Path,
) -> AuditRecord:
    """Keep the pictures and files of an audit among the artifacts, and return the rest as a record.

    Args:
        findings: What was found.
        key: Of the audit.
        job: The job that made it.
        pictures: Digests of the pictures that can be explained, by their names in the data set.
        seconds: How long it took.
        artifacts: Where files go.
        folder: One that is thrown away: it holds the counterfactuals, and for a while the archive.
    """
    from picasso.auditing.report import export

    def kept(image: Any) -> dict[str, Any]:
        array = artifacts.put_array(np.asarray(image))
        return {"artifact": array.artifact, "dtype": array.dtype, "shape": list(array.shape)}

    document = findings.document()
    pairs = tuple(
        said | {"before": kept(pair.before), "after": kept(pair.after)}
        for said, pair in zip(document["pairs"], findings.pairs, strict=True)
    )
    files = export.files(findings)
    contents = {"html": files["audit.html"], "npz": findings.npz(), "csv": files["to_fix.csv"]}
    written = {form: artifacts.put(data, durable=True) for form, data in contents.items()}
    assert job.dataset is not None
    return AuditRecord(
        key=key,
        job=job.id,
        model=job.model,
        dataset=job.dataset,
        asked=job.settings | {"seed": job.seed},
        document=document,
        pairs=pairs,
        pictures=dict(pictures),
        files=written | {"zip": artifacts.take(_archive(files, folder))},
        seconds=seconds,
        created=now(),
    )


def _archive(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write an archive of some files and of all that lies in a folder, into that folder.

    Pictures of a thousand may be many megabytes: they go from disk to disk.
    """
    more = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    place = folder / "audit.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
        for name, path in more.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), path.read_bytes())
    return place
