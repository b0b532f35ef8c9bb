"""The life of a job: queued, running, done, failed or canceled."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import BinaryIO

from picasso.core.asking import read_place
from picasso.core.errors import NotFoundError, NotSupportedError, TargetError
from picasso.core.facts import Task
from picasso.core.fitting import refuse_class_of_channel, refuse_subject
from picasso.core.result_keys import result_key, target_key
from picasso.core.sources import pinned
from picasso.service import audits, comparisons, films
from picasso.service.artifacts import Artifacts
from picasso.service.cards import Card, unfit
from picasso.service.catalog import Catalog
from picasso.service.database import now
from picasso.service.dispatcher import Dispatcher, in_folder
from picasso.service.job_store import JobStore
from picasso.service.plugin_process import Description
from picasso.service.questions import Asked, Question, Questions
from picasso.service.records import (
    AuditRequest,
    ComparisonRequest,
    FilmRequest,
    JobRecord,
    JobRequest,
    ModelState,
    PictureRecord,
    State,
    TaskRecord,
)
from picasso.service.store import Store
from picasso.service.work import Place


class Jobs:
    """Takes jobs and questions, and has them run.

    Args:
        store: Models, pictures, results.
        records: Jobs, tasks, events.
        catalog: The visualizations.
        place: Where a worker finds everything.
        warm: How many models are kept in memory.
        folder_free: Called, from the jobs' own thread, when a job that works in a folder of its own has ended.
    """

    def __init__(
        self,
        store: Store,
        records: JobStore,
        catalog: Catalog,
        place: Place,
        warm: int,
        folder_free: Callable[[], object],
    ) -> None:
        self.store = store
        self.records = records
        self.catalog = catalog
        self.questions = Questions(store, catalog, records)
        self.dispatcher = Dispatcher(store, records, self.questions, place, warm, folder_free)
        self._artifacts = Artifacts(place.artifacts)
        self._videos = threading.Lock()
        """Held from keeping a video until its job is there, so that no other job's end takes the same video away."""

    def start(self) -> None:
        """Put back what ran when the last server ended, and begin to work."""
        self.records.resume()
        self.records.forget_progress()
        self.dispatcher.start()

    def stop(self) -> None:
        """End all processes. What ran is queued again, for the next server."""
        self.dispatcher.stop()
        self.questions.close()

    def submit(self, request: JobRequest) -> JobRecord:
        """Take a job.

        Args:
            request: What to do.

        Returns:
            The job: queued, or done where all its results are stored.

        Raises:
            NotFoundError: There is no such model, visualization or picture.
            PictureError: There are pictures where none is looked at, or none where one is.
            SettingsError, TargetError: A value is not allowed.
            NotSupportedError: The model lacks what the visualization needs.
        """
        visualization = self.catalog.get(request.visualization)
        title, subject = visualization.title, visualization.subject
        alone = refuse_subject(title, subject, bool(request.pictures), (request.target, request.at))
        pictures = [] if alone else self._pictures(request)
        settings = self.catalog.read_settings(request.visualization, request.settings)
        if request.top < 1:
            raise TargetError(f"top must be at least 1. Got {request.top}.")
        place = read_place(request.at)
        if place is not None and place.mask is not None:
            raise TargetError("A job explains a pixel, a box or a detection.", "Give x,y or left,top,width,height.")
        keys = self._keys(request, visualization, settings, pictures)
        stored = self.store.stored(keys)
        id_ = secrets.token_hex(8)
        subjects: list[tuple[str | None, str]] = [(None, request.model)] if alone else []
        subjects += [(picture.digest, picture.name) for picture in pictures]
        tasks = [
            TaskRecord(
                job=id_,
                position=position,
                picture=picture,
                name=name,
                state=State.DONE if key in stored else State.QUEUED,
                result=key if key in stored else None,
                error=None,
            )
            for position, ((picture, name), key) in enumerate(zip(subjects, keys or [""] * len(subjects), strict=True))
        ]
        return self._take(_new_job(id_, request, settings, all(task.state is State.DONE for task in tasks)), tasks)

    def compare(self, request: ComparisonRequest) -> JobRecord:
        """Take a job that compares methods.

        Args:
            request: What to compare.

        Returns:
            The job: queued, or done where the comparison is stored. Where another job is at work on the same, that one.

        Raises:
            PicassoError: As `comparisons.checked`.
        """
        complete, key = comparisons.checked(self.store, self.catalog, request)
        if key and (going := self.records.comparing(key)) is not None:
            return going
        stored = bool(key) and self.store.has_comparison(key)
        state = State.DONE if stored else State.QUEUED
        names, id_ = self.store.pictures_of(request.pictures), secrets.token_hex(8)
        masks = complete.masks or [None] * len(request.pictures)
        tasks = [
            TaskRecord(id_, position, digest, names[digest].name, state, result=None, error=None, mask=mask)
            for position, (digest, mask) in enumerate(zip(request.pictures, masks, strict=True))
        ]
        target = None if request.target is None else (request.target,)
        asked = JobRequest(
            request.model, comparisons.NAME, request.pictures, {}, target, top=1, seed=request.seed, at=request.at
        )
        job = replace(_new_job(id_, asked, {}, stored), methods=complete.methods, comparison=key or None)
        return self._take(job, tasks)

    def audit(self, request: AuditRequest) -> JobRecord:
        """Take a job that audits a model.

        Args:
            request: What to audit.

        Returns:
            The job, queued: whether the pictures are those of an audit that is stored the worker finds out. Where
            another job is at work on the same, that one.

        Raises:
            PicassoError: As `audits.check`.
        """
        audits.check(self.store, request)
        if (going := self.records.auditing(request)) is not None:
            return going
        asked = JobRequest(request.model, audits.NAME, (), top=1, seed=request.seed)
        job = _new_job(secrets.token_hex(8), asked, request.asked(), done=False)
        return self._take(replace(job, dataset=request.dataset), [])

    def film(self, request: FilmRequest, video: BinaryIO) -> JobRecord:
        """Keep a video, and take a job that lays maps over it.

        Args:
            request: What to do; the digest of its video is not known yet.
            video: The file.

        Returns:
            The job, queued.

        Raises:
            PicassoError: As `films.check`.
        """
        settings = films.check(self.store, self.catalog, request)
        target = None if request.target is None else (request.target,)
        asked = JobRequest(request.model, request.visualization, (), target=target, top=request.top)
        job = _new_job(secrets.token_hex(8), asked, settings, done=False)
        with self._videos:
            kept = replace(request.video, digest=films.keep_video(self._artifacts, video))
            return self._take(replace(job, video=kept), [])

    def _take(self, job: JobRecord, tasks: list[TaskRecord]) -> JobRecord:
        self.records.add(job, tasks)
        if not job.state.over:
            self.dispatcher.wake()
        return job

    def cancel(self, job: str) -> JobRecord:
        """Stop a job, within two seconds; a job that is over stays as it is.

        Raises:
            NotFoundError: There is none of that id.
        """
        record = self.records.job(job)
        if record.state is State.QUEUED and self.records.finish(job, record.attempts, State.CANCELED):
            return self.records.job(job)
        if not self.records.job(job).state.over:
            self.records.ask_cancel(job)
            self.dispatcher.stop_within(job)
        return self.records.job(job)

    def ask(self, question: Question) -> Asked:
        """Take a question.

        Raises:
            PicassoError: As `Questions.add`.
        """
        asked = self.questions.add(question)
        self.dispatcher.wake()
        return asked

    def cancel_question(self, id_: str) -> Asked:
        """Stop a question; a process that goes on with it for longer than with a canceled job is ended.

        Raises:
            NotFoundError: There is none of that id.
        """
        was = self.questions.get(id_)
        if self.questions.cancel(id_) and was.state is State.RUNNING:
            self.dispatcher.stop_within(id_)
        return self.questions.get(id_)

    def delete(self, job: str) -> None:
        """Delete a job that is over; its results stay, but the video and the film of one that makes a film go with it.

        Raises:
            NotFoundError: There is none of that id.
            NotSupportedError: It is not over.
        """
        record = self.records.job(job)
        if not record.state.over:
            raise NotSupportedError("A job that is not over cannot be deleted.", "Cancel it first.")
        if record.video is None:
            self.records.delete(job)
            return
        with self._videos:
            self.records.delete(job)
            films.discard_files(self.store, self._artifacts, record)

    def open_model(self, name: str) -> None:
        """Have a model opened, so that its card is there and its process warm."""
        record = self.store.model(name)
        if record.card is None or record.state is not ModelState.READY or not Card.read(record.card).fresh():
            self.store.set_model_state(name, ModelState.OPENING)
        self.dispatcher.open_model(name)

    def close_model(self, name: str) -> None:
        """Have a model's process ended, unless it is at work."""
        self.dispatcher.close_model(name)

    def warm(self) -> tuple[str, ...]:
        """Return the names of the models that have a process."""
        return self.dispatcher.warm

    def in_folders(self) -> list[tuple[str, int]]:
        """Return the jobs that run in a folder of their own, each with the number of its attempt."""
        return [(job.id, job.attempts) for job in self.records.jobs(None, [State.RUNNING]) if in_folder(job)]

    def _pictures(self, request: JobRequest) -> list[PictureRecord]:
        known = self.store.pictures_of(request.pictures)
        for digest in request.pictures:
            if digest not in known:
                raise NotFoundError(f"There is no picture '{digest[:80]}'.", "Upload it first.")
        return [known[digest] for digest in request.pictures]

    def _keys(
        self,
        request: JobRequest,
        visualization: Description,
        settings: dict[str, object],
        pictures: list[PictureRecord],
    ) -> list[str]:
        """Return the results' keys; none where the model has to be opened (again) to know."""
        model = self.store.model(request.model)
        if model.card is None or model.state is ModelState.FAILED:
            return []
        card = Card.read(model.card)
        if not card.fresh():
            return []
        if reason := unfit(visualization, card):
            raise NotSupportedError(reason, "Choose another visualization.")
        task, place = Task(card.task), read_place(request.at)
        refuse_class_of_channel(place, request.target or ())
        if place is not None and place.channel is None and task is Task.CLASSIFICATION:
            raise TargetError("A classifier answers for the whole picture, not for a place in it.", "Leave it out.")
        targets = [target_key(target, card.labels, card.columns, task) for target in request.target or ()]
        return [
            result_key(
                model=card.digest,
                visualization=(visualization.name, visualization.digest, visualization.version),
                settings=pinned(visualization.settings, settings, self._stamp),
                picture=picture,
                targets=targets,
                top=request.top,
                seed=request.seed,
                at=place.key if place else "",
            )
            for picture in [one.digest for one in pictures] or [""]
        ]

    def _stamp(self, visualization: str) -> str:
        """Return what tells a visualization from its earlier versions.

        Raises:
            NotFoundError: There is none of that name.
        """
        known = self.catalog.get(visualization)
        return f"{known.digest} {known.version}"


def _new_job(id_: str, request: JobRequest, settings: dict[str, object], done: bool) -> JobRecord:
    """Return a job that is born, queued or done."""
    moment = now()
    return JobRecord(
        id=id_,
        model=request.model,
        visualization=request.visualization,
        settings=settings,
        target=request.target,
        top=request.top,
        seed=request.seed,
        at=request.at,
        state=State.DONE if done else State.QUEUED,
        error=None,
        attempts=0,
        cancel=False,
        done=0,
        total=0,
        message="",
        process=None,
        created=moment,
        started=None,
        finished=moment if done else None,
    )
