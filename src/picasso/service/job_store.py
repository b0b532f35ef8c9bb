"""Jobs, their tasks and their events in the database: the channel between the web process and the workers.

Every change of a running job names the attempt that makes it. A worker that was given up (killed too late, left over
from a server that ended) finds that its attempt is no longer the present one, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, insert, select, update

from picasso.core.errors import NotFoundError, WorkerDiedError
from picasso.service import tables
from picasso.service.database import Database, now
from picasso.service.records import (
    AuditRequest,
    EventRecord,
    Fault,
    FilmRecord,
    JobRecord,
    State,
    TaskRecord,
    VideoRecord,
)

ATTEMPTS = 3
"""A job that takes the server down with it is not tried forever."""


class JobStore:
    """The jobs.

    Args:
        database: Its tables are up to date.
    """

    def __init__(self, database: Database) -> None:
        self.database = database

    # --- asking ----------------------------------------------------------------------------------------------

    def job(self, job: str) -> JobRecord:
        """Return one job.

        Raises:
            NotFoundError: There is none of that id.
        """
        with self.database.reading() as connection:
            row = connection.execute(select(tables.jobs).where(tables.jobs.c.id == job)).first()
        if row is None:
            raise NotFoundError(f"There is no job '{job[:80]}'.", "It was deleted.")
        return _job(row)

    def jobs(self, limit: int | None, states: Iterable[State] = (), *, oldest_first: bool = False) -> list[JobRecord]:
        """Return jobs, the newest first unless asked otherwise."""
        table = tables.jobs
        order = table.c.created.asc() if oldest_first else table.c.created.desc()
        query: Select[Any] = select(table).order_by(order, table.c.id)
        if wanted := list(states):
            query = query.where(table.c.state.in_(wanted))
        if limit is not None:
            query = query.limit(limit)
        with self.database.reading() as connection:
            return [_job(row) for row in connection.execute(query)]

    def comparing(self, comparison: str) -> JobRecord | None:
        """Return the job that is at work on a comparison, or waits to be; none that was asked to stop."""
        table = tables.jobs
        going = table.c.state.in_([State.QUEUED, State.RUNNING]) & ~table.c.cancel
        with self.database.reading() as connection:
            row = connection.execute(select(table).where(table.c.comparison == comparison, going)).first()
        return None if row is None else _job(row)

    def auditing(self, request: AuditRequest) -> JobRecord | None:
        """Return the job that is at work on an audit, or waits to be; none that was asked to stop."""
        table = tables.jobs
        going = table.c.state.in_([State.QUEUED, State.RUNNING]) & ~table.c.cancel
        same = (table.c.dataset == request.dataset) & (table.c.model == request.model) & (table.c.seed == request.seed)
        with self.database.reading() as connection:
            found = [_job(row) for row in connection.execute(select(table).where(going & same))]
        return next((job for job in found if job.settings == request.asked()), None)

    def filmed(self, limit: int, model: str | None = None, visualization: str | None = None) -> list[JobRecord]:
        """Return the jobs that lay maps over a video, the newest first, also those that were stopped: they hold one."""
        table = tables.jobs
        query = select(table).where(table.c.video.is_not(None)).order_by(table.c.created.desc(), table.c.id)
        for column, value in ((table.c.model, model), (table.c.visualization, visualization)):
            if value is not None:
                query = query.where(column == value)
        query = query.limit(limit)
        with self.database.reading() as connection:
            return [_job(row) for row in connection.execute(query)]

    def tasks(self, jobs: Sequence[str]) -> dict[str, list[TaskRecord]]:
        """Return the tasks of jobs in the order of their pictures."""
        table = tables.tasks
        query = select(table).where(table.c.job.in_(jobs)).order_by(table.c.job, table.c.position)
        found: dict[str, list[TaskRecord]] = {job: [] for job in jobs}
        with self.database.reading() as connection:
            for row in connection.execute(query):
                found[row.job].append(_task(row))
        return found

    def events(self, job: str, after: int, limit: int = 500) -> list[EventRecord]:
        """Return the events of a job that follow a number."""
        table = tables.events
        query = (
            select(table.c.number, table.c.kind, table.c.data)
            .where(table.c.job == job, table.c.number > after)
            .order_by(table.c.number)
            .limit(limit)
        )
        with self.database.reading() as connection:
            return [EventRecord(row.number, row.kind, row.data) for row in connection.execute(query)]

    # --- the web process -------------------------------------------------------------------------------------

    def add(self, job: JobRecord, tasks: Sequence[TaskRecord]) -> None:
        """Keep a new job. Where all its tasks are done already it is born done."""
        told: list[tuple[str, dict[str, Any]]] = [("state", {"state": job.state})]
        for task in tasks:
            if task.result is not None:
                told.append(("result", _result_event(task.position, task.picture, task.result, True)))
        if job.state.over:
            told.append(("end", {"state": job.state, "error": None}))
        events = [{"job": job.id, "number": n, "kind": kind, "data": data} for n, (kind, data) in enumerate(told, 1)]
        target = list(job.target) if job.target is not None else None
        methods = [list(method) for method in job.methods] if job.methods is not None else None
        values = asdict(job) | {"events": len(events), "target": target, "methods": methods}
        with self.database.writing() as connection:
            # As many statements for a thousand pictures as for one.
            connection.execute(insert(tables.jobs), values)
            if tasks:
                connection.execute(insert(tables.tasks), [asdict(task) for task in tasks])
            connection.execute(insert(tables.events), events)

    def start(self, job: str) -> int | None:
        """Turn a queued job into a running one.

        Returns:
            The number of the attempt; None where the job is not queued any more.
        """
        table = tables.jobs
        with self.database.writing() as connection:
            changed = connection.execute(
                update(table)
                .where(table.c.id == job, table.c.state == State.QUEUED)
                .values(state=State.RUNNING, attempts=table.c.attempts + 1, started=now(), process=None)
            )
            if changed.rowcount == 0:
                return None
            attempt = int(connection.execute(select(table.c.attempts).where(table.c.id == job)).scalar_one())
            _emit(connection, job, "state", {"state": State.RUNNING, "attempt": attempt})
            return attempt

    def put_back(self, job: str) -> None:
        """Queue a running job again, without counting the attempt: the server ends in good order."""
        table = tables.jobs
        with self.database.writing() as connection:
            changed = connection.execute(
                update(table)
                .where(table.c.id == job, table.c.state == State.RUNNING)
                .values(state=State.QUEUED, attempts=table.c.attempts - 1)
            )
            if changed.rowcount:
                _requeue_tasks(connection, job)
                _emit(connection, job, "state", {"state": State.QUEUED})

    def resume(self) -> None:
        """Queue the jobs again that ran when the last server ended; fail those that were tried too often."""
        for job in self.jobs(None, [State.RUNNING]):
            if job.cancel:
                self.finish(job.id, None, State.CANCELED)
            elif job.attempts >= ATTEMPTS:
                error = WorkerDiedError(
                    f"Picasso ended {job.attempts} times while this job ran.", "Try a smaller picture or another model."
                )
                self.finish(job.id, None, State.FAILED, Fault.of(error))
            else:
                with self.database.writing() as connection:
                    connection.execute(update(tables.jobs).where(tables.jobs.c.id == job.id).values(state=State.QUEUED))
                    _requeue_tasks(connection, job.id)
                    _emit(connection, job.id, "state", {"state": State.QUEUED})

    def ask_cancel(self, job: str) -> None:
        """Ask a running job to stop."""
        with self.database.writing() as connection:
            connection.execute(update(tables.jobs).where(tables.jobs.c.id == job).values(cancel=True))

    def delete(self, job: str) -> None:
        """Delete a job with its tasks and events; its results stay."""
        with self.database.writing() as connection:
            connection.execute(delete(tables.jobs).where(tables.jobs.c.id == job))

    def forget_progress(self) -> None:
        """Delete what only mattered while a job ran: progress, and panels that the result holds."""
        table = tables.events
        over = select(tables.jobs.c.id).where(tables.jobs.c.state.in_([s for s in State if s.over]))
        with self.database.writing() as connection:
            connection.execute(delete(table).where(table.c.kind.in_(["progress", "panel"]), table.c.job.in_(over)))

    # --- whoever ends it -------------------------------------------------------------------------------------

    def finish(self, job: str, attempt: int | None, state: State, error: Fault | None = None) -> bool:
        """End a job.

        Args:
            job: Its id.
            attempt: The attempt that ends; None where none runs.
            state: done, failed or canceled.
            error: Why it failed.

        Returns:
            Whether it was this call that ended it.
        """
        table = tables.jobs
        with self.database.writing() as connection:
            changed = connection.execute(
                update(table)
                .where(
                    table.c.id == job,
                    table.c.state.in_([State.QUEUED, State.RUNNING]),
                    *_is_attempt(attempt),
                )
                .values(state=state, error=asdict(error) if error else None, finished=now())
            )
            if changed.rowcount == 0:
                return False
            left = tables.tasks.c.state.in_([State.QUEUED, State.RUNNING])
            ended = State.FAILED if state is State.FAILED else State.CANCELED
            connection.execute(
                update(tables.tasks)
                .where(tables.tasks.c.job == job, left)
                .values(state=ended, error=asdict(error) if error else None)
            )
            _emit(connection, job, "state", {"state": state})
            _emit(connection, job, "end", {"state": state, "error": asdict(error) if error else None})
            return True

    # --- the worker ------------------------------------------------------------------------------------------

    def begin(self, job: str, attempt: int, task: TaskRecord | None, process: int, message: str) -> bool:
        """Say which process runs an attempt, and what it does first. Returns whether the attempt shall go on."""
        table = tables.jobs
        with self.database.writing() as connection:
            if not _goes_on(connection, job, attempt):
                return False
            connection.execute(update(table).where(table.c.id == job).values(process=process))
            _progress(connection, job, task, 0, 1, message)
            return True

    def report(self, job: str, attempt: int, task: TaskRecord | None, done: int, total: int, message: str) -> bool:
        """Say how far a task is, or the job where it has none. Returns whether the attempt shall go on."""
        with self.database.writing() as connection:
            if not _goes_on(connection, job, attempt):
                return False
            _progress(connection, job, task, done, total, message)
            return True

    def show(
        self, job: str, attempt: int, task: TaskRecord, panel: dict[str, Any], replaced: int | None = None
    ) -> int | None:
        """Show a panel of a task that still runs.

        Args:
            job, attempt, task: Whose it is.
            panel: The panel as it is kept.
            replaced: Number of the event that showed the panel which this one replaces: nobody needs to see it later.

        Returns:
            The event's number; None where the attempt shall not go on.
        """
        table = tables.events
        with self.database.writing() as connection:
            if not _goes_on(connection, job, attempt):
                return None
            if replaced is not None:
                connection.execute(delete(table).where(table.c.job == job, table.c.number == replaced))
            return _emit(connection, job, "panel", {"panel": panel, "picture": task.picture, "task": task.position})

    def set_comparison(self, job: str, attempt: int, comparison: str) -> bool:
        """Say what came out of a job that compares, and end its tasks. Returns False as `set_task`."""
        with self.database.writing() as connection:
            if not _is_present(connection, job, attempt):
                return False
            table = tables.tasks
            connection.execute(update(table).where(table.c.job == job).values(state=State.DONE))
            table = tables.jobs
            connection.execute(update(table).where(table.c.id == job).values(comparison=comparison))
            return True

    def set_audit(self, job: str, attempt: int, audit: str) -> bool:
        """Say what came out of a job that audits. Returns False as `set_task`."""
        with self.database.writing() as connection:
            if not _is_present(connection, job, attempt):
                return False
            connection.execute(update(tables.jobs).where(tables.jobs.c.id == job).values(audit=audit))
            return True

    def set_film(self, job: str, attempt: int, film: FilmRecord) -> bool:
        """Say what came out of a job that lays maps over a video. Returns False as `set_task`."""
        with self.database.writing() as connection:
            if not _is_present(connection, job, attempt):
                return False
            connection.execute(update(tables.jobs).where(tables.jobs.c.id == job).values(film=asdict(film)))
            return True

    def set_task(
        self,
        task: TaskRecord,
        attempt: int,
        state: State,
        result: str | None = None,
        error: Fault | None = None,
        *,
        stored: bool = False,
    ) -> bool:
        """Change a task. Returns False where the attempt is no longer the present one."""
        table = tables.tasks
        with self.database.writing() as connection:
            if not _is_present(connection, task.job, attempt):
                return False
            connection.execute(
                update(table)
                .where(table.c.job == task.job, table.c.position == task.position)
                .values(state=state, result=result, error=asdict(error) if error else None)
            )
            if result is not None:
                _emit(connection, task.job, "result", _result_event(task.position, task.picture, result, stored))
            return True


def _emit(connection: Connection, job: str, kind: str, data: dict[str, Any]) -> int:
    table = tables.jobs
    connection.execute(update(table).where(table.c.id == job).values(events=table.c.events + 1))
    number = int(connection.execute(select(table.c.events).where(table.c.id == job)).scalar_one())
    connection.execute(insert(tables.events).values(job=job, number=number, kind=kind, data=data))
    return number


def _progress(connection: Connection, job: str, task: TaskRecord | None, done: int, total: int, message: str) -> None:
    table = tables.jobs
    connection.execute(update(table).where(table.c.id == job).values(done=done, total=total, message=message))
    data: dict[str, Any] = {"done": done, "total": total, "message": message}
    if task is not None:
        data |= {"picture": task.picture, "task": task.position}
    else:  # of a job of one piece only the newest says anything; a page that follows later must not time the old ones
        events = tables.events
        connection.execute(delete(events).where(events.c.job == job, events.c.kind == "progress"))
    _emit(connection, job, "progress", data)


def _result_event(position: int, picture: str | None, key: str, stored: bool) -> dict[str, Any]:
    return {"key": key, "picture": picture, "task": position, "stored": stored}


def _is_attempt(attempt: int | None) -> tuple[ColumnElement[bool], ...]:
    return () if attempt is None else (tables.jobs.c.attempts == attempt,)


def _is_present(connection: Connection, job: str, attempt: int) -> bool:
    table = tables.jobs
    query = select(table.c.id).where(table.c.id == job, table.c.state == State.RUNNING, table.c.attempts == attempt)
    return connection.execute(query).first() is not None


def _goes_on(connection: Connection, job: str, attempt: int) -> bool:
    return (
        _is_present(connection, job, attempt)
        and not connection.execute(select(tables.jobs.c.cancel).where(tables.jobs.c.id == job)).scalar_one()
    )


def _requeue_tasks(connection: Connection, job: str) -> None:
    table = tables.tasks
    connection.execute(
        update(table).where(table.c.job == job, table.c.state == State.RUNNING).values(state=State.QUEUED)
    )


def _job(row: Row[Any]) -> JobRecord:
    values = dict(row._mapping)
    values.pop("events")
    return JobRecord(
        **values
        | {
            "state": State(row.state),
            "error": Fault(**row.error) if row.error else None,
            "target": tuple(row.target) if row.target is not None else None,
            "video": None if row.video is None else VideoRecord(**row.video),
            "film": None if row.film is None else FilmRecord(**row.film | {"notes": tuple(row.film["notes"])}),
            "methods": None if row.methods is None else tuple((name, settings) for name, settings in row.methods),
        }
    )


def _task(row: Row[Any]) -> TaskRecord:
    values = dict(row._mapping)
    return TaskRecord(**values | {"state": State(row.state), "error": Fault(**row.error) if row.error else None})
