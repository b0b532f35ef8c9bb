"""Videos that are sent to be explained: a job lays maps over one, and a film with its numbers comes out."""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from picasso.core.errors import NotSupportedError
from picasso.core.facts import Task
from picasso.core.glance import refuse_clips
from picasso.core.result_keys import target_key
from picasso.core.video.reading import need_av
from picasso.service.artifacts import PART, Artifacts
from picasso.service.cards import Card, unfit
from picasso.service.catalog import Catalog
from picasso.service.glances import refuse_mapless
from picasso.service.records import FilmRecord, FilmRequest, JobRecord
from picasso.service.store import Store

if TYPE_CHECKING:
    from picasso.core.video.filming import Film


def check(store: Store, catalog: Catalog, request: FilmRequest) -> dict[str, object]:
    """Refuse at once what is known not to work; return the complete settings.

    Raises:
        MissingExtraError: PyAV is not installed.
        NotFoundError, PluginError: There is no such model or visualization, or it is broken.
        SettingsError, TargetError: A value is not allowed.
        NotSupportedError: The visualization gives no map of a frame; the model reads clips, or lacks what it needs.
    """
    need_av()
    model, visualization = store.model(request.model), catalog.get(request.visualization)
    refuse_mapless(visualization)
    settings = catalog.read_settings(request.visualization, request.settings)
    if not visualization.attributes and request.target is not None:
        raise NotSupportedError(f"{visualization.title} explains no class.", "Leave the target out.")
    if model.card is not None and (card := Card.read(model.card)).fresh():
        refuse_clips(card.frames)
        if reason := unfit(visualization, card):
            raise NotSupportedError(reason, "Choose another visualization.")
        if request.target is not None and card.task == Task.CLASSIFICATION:
            target_key(request.target, card.labels, card.columns, Task.CLASSIFICATION)
    return dict(settings)


def keep_video(artifacts: Artifacts, file: BinaryIO) -> str:
    """Keep a video that was sent, however large, and return its digest."""
    part = artifacts.folder / f"{secrets.token_hex(8)}{PART}"
    try:
        with part.open("xb") as kept:
            shutil.copyfileobj(file, kept)
        return artifacts.take(part)
    finally:
        part.unlink(missing_ok=True)


def discard_files(store: Store, artifacts: Artifacts, job: JobRecord) -> None:
    """Delete a deleted job's video and the film that came out of it, unless something else refers to them."""
    film = job.film
    files = {job.video.digest} if job.video else set()
    files |= {film.film, film.document, film.table} if film else set()
    for digest in files - store.referred_artifacts():
        with suppress(OSError):  # where an open file cannot be deleted, the next sweep does
            artifacts.discard(digest)


def record_of(film: Film, artifacts: Artifacts) -> FilmRecord:
    """Keep a film and its numbers."""
    document, table = film.save_scores()
    return FilmRecord(
        film=artifacts.take(film.path),
        document=artifacts.take(document),
        table=artifacts.take(table),
        frames=len(film.shots),
        notes=film.notes,
    )
