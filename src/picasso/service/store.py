"""Models, data sets, pictures and results in the database. Jobs are in `job_store`; no other module speaks SQL."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update

from picasso.core.errors import NotFoundError
from picasso.service import tables
from picasso.service.database import Database, now
from picasso.service.records import (
    AuditLine,
    AuditRecord,
    ComparisonRecord,
    DatasetRecord,
    Fault,
    MaskRecord,
    ModelRecord,
    ModelState,
    PictureRecord,
    ResultRecord,
)

_DIGESTS = re.compile(r"\b[0-9a-f]{64}\b")
_SUMMARY = ("pictures", "outcome", "headline", "sentence")
"""What is kept of an audit's document beside it, for lists."""
_LINE = [tables.audits.c[name] for name in ("key", "job", "model", "dataset", "seconds", "created", "summary")]


class Store:
    """What the server knows, apart from its jobs.

    Args:
        database: Its tables are up to date.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    # --- models ----------------------------------------------------------------------------------------------

    def set_configured_models(self, specifications: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Make the configured models these, in this order; what is known of an unchanged one is kept."""
        names = [name for name, _ in specifications]
        table = tables.models
        with self.database.writing() as connection:
            connection.execute(delete(table).where(~table.c.added, table.c.name.not_in(names)))
            known = {row.name: row for row in connection.execute(select(table))}
            for position, (name, specification) in enumerate(specifications):
                if name not in known:
                    connection.execute(insert(table).values(_new_model(name, specification, position, added=False)))
                    continue
                values: dict[str, Any] = {"position": position, "added": False}
                if known[name].specification != specification:
                    values = _new_model(name, specification, position, added=False)
                connection.execute(update(table).where(table.c.name == name).values(values))
            # Nothing is opening yet in a server that starts.
            opening = table.c.state == ModelState.OPENING
            connection.execute(update(table).where(opening).values(state=ModelState.NEW))

    def add_model(self, name: str, specification: dict[str, Any]) -> bool:
        """Add a model; return False where the name is taken."""
        table = tables.models
        with self.database.writing() as connection:
            if connection.execute(select(table.c.name).where(table.c.name == name)).first():
                return False
            last = connection.execute(select(func.max(table.c.position))).scalar()
            connection.execute(insert(table).values(_new_model(name, specification, (last or 0) + 1, added=True)))
        return True

    def delete_model(self, name: str) -> None:
        """Forget a model; its results stay."""
        with self.database.writing() as connection:
            connection.execute(delete(tables.models).where(tables.models.c.name == name))

    def models(self) -> list[ModelRecord]:
        """Return all models, the configured ones first."""
        table = tables.models
        with self.database.reading() as connection:
            return [_model(row) for row in connection.execute(select(table).order_by(table.c.added, table.c.position))]

    def model(self, name: str) -> ModelRecord:
        """Return one model.

        Raises:
            NotFoundError: There is none of that name.
        """
        with self.database.reading() as connection:
            row = connection.execute(select(tables.models).where(tables.models.c.name == name)).first()
        if row is None:
            raise NotFoundError(f"There is no model '{name}'.", "Choose one of the models that the server knows.")
        return _model(row)

    def set_model_state(self, name: str, state: ModelState, error: Fault | None = None) -> None:
        """Say how far a model is known."""
        values = {"state": state, "error": asdict(error) if error else None}
        with self.database.writing() as connection:
            connection.execute(update(tables.models).where(tables.models.c.name == name).values(values))

    def set_card(self, name: str, card: dict[str, Any]) -> None:
        """Keep what a worker found out about a model."""
        values = {"state": ModelState.READY, "error": None, "card": card, "opened": now()}
        with self.database.writing() as connection:
            connection.execute(update(tables.models).where(tables.models.c.name == name).values(values))

    # --- data sets -------------------------------------------------------------------------------------------

    def set_configured_datasets(self, named: Sequence[tuple[str, str]]) -> None:
        """Make the configured data sets these, (name, path) each, in this order; one that a page added gives way."""
        table = tables.datasets
        with self.database.writing() as connection:
            connection.execute(delete(table).where(~table.c.added | table.c.name.in_([name for name, _ in named])))
            for position, (name, path) in enumerate(named):
                connection.execute(insert(table).values(name=name, position=position, path=path, added=False))

    def add_dataset(self, name: str, path: str) -> bool:
        """Add a data set; return False where the name is taken."""
        table = tables.datasets
        with self.database.writing() as connection:
            if connection.execute(select(table.c.name).where(table.c.name == name)).first():
                return False
            last = connection.execute(select(func.max(table.c.position))).scalar()
            position = 0 if last is None else last + 1
            connection.execute(insert(table).values(name=name, position=position, path=path, added=True))
        return True

    def delete_dataset(self, name: str) -> None:
        """Forget a data set; its audits stay."""
        with self.database.writing() as connection:
            connection.execute(delete(tables.datasets).where(tables.datasets.c.name == name))

    def datasets(self) -> list[DatasetRecord]:
        """Return all data sets, the configured ones first."""
        table = tables.datasets
        query = select(table).order_by(table.c.added, table.c.position)
        with self.database.reading() as connection:
            return [DatasetRecord(row.name, row.path, row.added) for row in connection.execute(query)]

    def dataset(self, name: str) -> DatasetRecord:
        """Return one data set.

        Raises:
            NotFoundError: There is none of that name.
        """
        found = next((one for one in self.datasets() if one.name == name), None)
        if found is None:
            raise NotFoundError(
                f"There is no data set '{name[:100]}'.", "Choose one of the data sets that the server knows."
            )
        return found

    # --- pictures --------------------------------------------------------------------------------------------

    def add_picture(self, picture: PictureRecord) -> None:
        """Keep a picture; one of the same content takes the new name, and stays with who brought it."""
        table = tables.pictures
        values = asdict(picture) | {"notes": list(picture.notes)}
        same = table.c.digest == picture.digest
        with self.database.writing() as connection:
            if picture.adopted and connection.execute(select(table.c.digest).where(same, ~table.c.adopted)).first():
                return
            known = connection.execute(update(table).where(same).values(values))
            if known.rowcount == 0:
                connection.execute(insert(table).values(values))

    def pictures(self, limit: int) -> list[PictureRecord]:
        """Return the newest pictures that someone brought or explained."""
        table = tables.pictures
        explained = table.c.digest.in_(select(tables.tasks.c.picture))
        query = (
            select(table)
            .where(~table.c.adopted | explained)
            .order_by(table.c.created.desc(), table.c.digest)
            .limit(limit)
        )
        with self.database.reading() as connection:
            return [_picture(row) for row in connection.execute(query)]

    def pictures_of(self, digests: Iterable[str]) -> dict[str, PictureRecord]:
        """Return the pictures of these digests that are known."""
        query = select(tables.pictures).where(tables.pictures.c.digest.in_(list(digests)))
        with self.database.reading() as connection:
            return {row.digest: _picture(row) for row in connection.execute(query)}

    def picture(self, digest: str) -> PictureRecord:
        """Return one picture.

        Raises:
            NotFoundError: There is none of that digest.
        """
        found = self.pictures_of([digest])
        if digest not in found:
            raise NotFoundError(f"There is no picture '{digest[:80]}'.", "Upload it first.")
        return found[digest]

    def add_mask(self, mask: MaskRecord) -> None:
        """Keep a mask of a picture; the same one takes the new name."""
        table, values = tables.masks, asdict(mask)
        same = (table.c.picture == mask.picture, table.c.digest == mask.digest)
        with self.database.writing() as connection:
            if connection.execute(update(table).where(*same).values(values)).rowcount == 0:
                connection.execute(insert(table).values(values))

    def masks(self, picture: str) -> list[MaskRecord]:
        """Return the masks of a picture, the newest first."""
        table = tables.masks
        query = select(table).where(table.c.picture == picture).order_by(table.c.created.desc(), table.c.digest)
        with self.database.reading() as connection:
            return [MaskRecord(**row._mapping) for row in connection.execute(query)]

    def mask(self, picture: str, digest: str) -> MaskRecord:
        """Return one mask of a picture.

        Raises:
            NotFoundError: There is none of that digest.
        """
        found = [mask for mask in self.masks(picture) if mask.digest == digest]
        if not found:
            raise NotFoundError(f"There is no mask '{digest[:80]}' of this picture.", "Upload it first.")
        return found[0]

    # --- results ---------------------------------------------------------------------------------------------

    def add_result(self, result: ResultRecord) -> None:
        """Keep a result; one of the same key replaces it."""
        table = tables.results
        values = asdict(result) | {"panels": list(result.panels)}
        with self.database.writing() as connection:
            known = connection.execute(update(table).where(table.c.key == result.key).values(values))
            if known.rowcount == 0:
                connection.execute(insert(table).values(values))

    def stored(self, keys: Iterable[str]) -> set[str]:
        """Return which of these keys have a result."""
        column = tables.results.c.key
        with self.database.reading() as connection:
            return set(connection.execute(select(column).where(column.in_(list(keys)))).scalars())

    def results(self, limit: int, model: str | None = None, visualization: str | None = None) -> list[ResultRecord]:
        """Return the newest results, of one model or one visualization if asked."""
        table = tables.results
        query: Select[Any] = select(table).order_by(table.c.created.desc(), table.c.key).limit(limit)
        if model is not None:
            query = query.where(table.c.model == model)
        if visualization is not None:
            query = query.where(table.c.visualization == visualization)
        with self.database.reading() as connection:
            return [_result(row) for row in connection.execute(query)]

    def result(self, key: str) -> ResultRecord:
        """Return one result.

        Raises:
            NotFoundError: There is none of that key.
        """
        with self.database.reading() as connection:
            row = connection.execute(select(tables.results).where(tables.results.c.key == key)).first()
        if row is None:
            raise NotFoundError(f"There is no result '{key[:80]}'.", "It was deleted; run the job again.")
        return _result(row)

    def delete_result(self, key: str) -> None:
        """Delete a result; its files go with the next sweep."""
        with self.database.writing() as connection:
            connection.execute(delete(tables.results).where(tables.results.c.key == key))

    # --- comparisons -----------------------------------------------------------------------------------------

    def add_comparison(self, comparison: ComparisonRecord) -> None:
        """Keep a comparison; one of the same key replaces it."""
        table = tables.comparisons
        lists = {name: list(getattr(comparison, name)) for name in ("pictures", "shown", "masks")}
        values = asdict(comparison) | lists
        with self.database.writing() as connection:
            known = connection.execute(update(table).where(table.c.key == comparison.key).values(values))
            if known.rowcount == 0:
                connection.execute(insert(table).values(values))

    def comparisons(self, limit: int, model: str | None = None) -> list[ComparisonRecord]:
        """Return the newest comparisons, of one model or of all."""
        table = tables.comparisons
        query = select(table).order_by(table.c.created.desc(), table.c.key).limit(limit)
        if model is not None:
            query = query.where(table.c.model == model)
        with self.database.reading() as connection:
            return [_comparison(row) for row in connection.execute(query)]

    def has_comparison(self, key: str) -> bool:
        """Say whether there is a comparison of this key."""
        column = tables.comparisons.c.key
        with self.database.reading() as connection:
            return connection.execute(select(column).where(column == key)).first() is not None

    def comparison(self, key: str) -> ComparisonRecord:
        """Return one comparison.

        Raises:
            NotFoundError: There is none of that key.
        """
        table = tables.comparisons
        with self.database.reading() as connection:
            row = connection.execute(select(table).where(table.c.key == key)).first()
        if row is None:
            raise NotFoundError(f"There is no comparison '{key[:80]}'.", "It was deleted; compare again.")
        return _comparison(row)

    def delete_comparison(self, key: str) -> None:
        """Delete a comparison; its files go with the next sweep."""
        with self.database.writing() as connection:
            connection.execute(delete(tables.comparisons).where(tables.comparisons.c.key == key))

    # --- audits ----------------------------------------------------------------------------------------------

    def add_audit(self, audit: AuditRecord) -> None:
        """Keep an audit; one of the same key replaces it."""
        table = tables.audits
        line = asdict(audit.line)
        summary = {name: line[name] for name in _SUMMARY}
        values = asdict(audit) | {"pairs": list(audit.pairs), "summary": summary}
        with self.database.writing() as connection:
            known = connection.execute(update(table).where(table.c.key == audit.key).values(values))
            if known.rowcount == 0:
                connection.execute(insert(table).values(values))

    def audits(self, limit: int, model: str | None = None) -> list[AuditLine]:
        """Return the newest audits, of one model or of all, without their documents."""
        table = tables.audits
        query = select(*_LINE).order_by(table.c.created.desc(), table.c.key).limit(limit)
        if model is not None:
            query = query.where(table.c.model == model)
        with self.database.reading() as connection:
            return [_line(row) for row in connection.execute(query)]

    def audit_line(self, key: str) -> AuditLine:
        """Return what lists show of one audit.

        Raises:
            NotFoundError: There is none of that key.
        """
        with self.database.reading() as connection:
            row = connection.execute(select(*_LINE).where(tables.audits.c.key == key)).first()
        if row is None:
            raise _no_audit(key)
        return _line(row)

    def has_audit(self, key: str) -> bool:
        """Say whether there is an audit of this key."""
        column = tables.audits.c.key
        with self.database.reading() as connection:
            return connection.execute(select(column).where(column == key)).first() is not None

    def audit(self, key: str) -> AuditRecord:
        """Return one audit.

        Raises:
            NotFoundError: There is none of that key.
        """
        table = tables.audits
        with self.database.reading() as connection:
            row = connection.execute(select(table).where(table.c.key == key)).first()
        if row is None:
            raise _no_audit(key)
        return _audit(row)

    def delete_audit(self, key: str) -> None:
        """Delete an audit; its files go with the next sweep."""
        with self.database.writing() as connection:
            connection.execute(delete(tables.audits).where(tables.audits.c.key == key))

    # --- what refers to files --------------------------------------------------------------------------------

    def referred_artifacts(self) -> set[str]:
        """Return every digest that a picture, mask, result, comparison, audit, video or event refers to."""
        found: set[str] = set()
        results, pictures, events = tables.results, tables.pictures, tables.events
        comparisons, audits, jobs = tables.comparisons, tables.audits, tables.jobs
        with self.database.reading() as connection:
            for row in connection.execute(select(pictures.c.digest, pictures.c.file, pictures.c.thumbnail)):
                found.update(row)
            found.update(connection.execute(select(tables.masks.c.digest)).scalars())
            for panels, arrays in connection.execute(select(results.c.panels, results.c.arrays)):
                found.add(arrays)
                found.update(_DIGESTS.findall(json.dumps(panels)))
            for row in connection.execute(select(comparisons.c.shown, comparisons.c.page, comparisons.c.arrays)):
                found.update((row.page, row.arrays, *_DIGESTS.findall(json.dumps(row.shown))))
            for pairs, files in connection.execute(select(audits.c.pairs, audits.c.files)):
                found.update(_DIGESTS.findall(json.dumps([pairs, files])))
            for job in connection.execute(select(jobs.c.video, jobs.c.film).where(jobs.c.video.is_not(None))):
                found.update(_DIGESTS.findall(json.dumps([job.video, job.film])))
            for (data,) in connection.execute(select(events.c.data).where(events.c.kind == "panel")):
                found.update(_DIGESTS.findall(json.dumps(data)))
        return found


def _new_model(name: str, specification: dict[str, Any], position: int, *, added: bool) -> dict[str, Any]:
    return {
        "name": name,
        "specification": specification,
        "position": position,
        "added": added,
        "state": ModelState.NEW,
        "error": None,
        "card": None,
        "opened": None,
    }


def _model(row: Row[Any]) -> ModelRecord:
    return ModelRecord(
        row.name,
        row.specification,
        row.added,
        ModelState(row.state),
        Fault(**row.error) if row.error else None,
        row.card,
        row.opened,
    )


def _picture(row: Row[Any]) -> PictureRecord:
    return PictureRecord(**(dict(row._mapping) | {"notes": tuple(row.notes)}))


def _result(row: Row[Any]) -> ResultRecord:
    return ResultRecord(**(dict(row._mapping) | {"panels": tuple(row.panels)}))


def _comparison(row: Row[Any]) -> ComparisonRecord:
    lists = {"pictures": tuple(row.pictures), "shown": tuple(row.shown), "masks": tuple(row.masks or ())}
    return ComparisonRecord(**(dict(row._mapping) | lists))


def _audit(row: Row[Any]) -> AuditRecord:
    values = dict(row._mapping) | {"pairs": tuple(row.pairs)}
    del values["summary"]
    return AuditRecord(**values)


def _line(row: Row[Any]) -> AuditLine:
    values = dict(row._mapping)
    return AuditLine(**values.pop("summary"), **values)


def _no_audit(key: str) -> NotFoundError:
    return NotFoundError(f"There is no audit '{key[:80]}'.", "It was deleted; audit again.")
