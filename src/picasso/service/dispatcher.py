"""The thread that has jobs and questions run by warm workers, and looks after them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from picasso.core.errors import NotFoundError, PicassoError
from picasso.service import answering, work
from picasso.service.job_store import JobStore
from picasso.service.questions import Questions
from picasso.service.records import Fault, JobRecord, ModelState, State
from picasso.service.store import Store
from picasso.service.work import Place
from picasso.service.workers import Worker, Workers, reason_of_death

_LOG = logging.getLogger(__name__)
CANCEL_SECONDS = 1.0
"""A job that does not stop by itself within this time is stopped by ending its process."""
_TICK_SECONDS = 1.0
"""While something runs, the workers' processes are looked at this often."""


@dataclass
class _Running:
    """What a worker does at present."""

    worker: Worker
    job: str | None = None
    attempt: int = 0
    question: str | None = None
    in_folder: bool = False


class Dispatcher:
    """Has jobs and questions run by warm workers: questions first, then jobs in their order.

    Args:
        store: Models.
        records: Jobs, tasks, events.
        questions: What is asked beside them.
        place: Where a worker finds everything.
        warm: How many models are kept in memory.
        folder_free: Called, from this thread, when a job that works in a folder of its own has ended.
    """

    def __init__(
        self,
        store: Store,
        records: JobStore,
        questions: Questions,
        place: Place,
        warm: int,
        folder_free: Callable[[], object],
    ) -> None:
        self.store = store
        self.records = records
        self.questions = questions
        self.place = place
        self._folder_free = folder_free
        self._workers = Workers(warm, self.wake)
        self._condition = threading.Condition()
        self._awake = True
        self._ending = False
        self._to_open: list[str] = []
        self._to_close: list[str] = []
        self._deadlines: dict[str, float] = {}
        self._running: list[_Running] = []
        self._thread = threading.Thread(target=self._loop, name="picasso-jobs", daemon=True)

    # --- called from any thread ------------------------------------------------------------------------------

    @property
    def warm(self) -> tuple[str, ...]:
        """The names of the models that have a process."""
        return self._workers.warm

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self) -> None:
        """End all processes. What ran is queued again, for the next server."""
        with self._condition:
            self._ending = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join(10)

    def open_model(self, name: str) -> None:
        """Have a model opened in a process that stays warm."""
        with self._condition:
            if name not in self._to_open:
                self._to_open.append(name)
        self.wake()

    def close_model(self, name: str) -> None:
        """Have a model's process ended, unless it is at work."""
        with self._condition:
            self._to_close.append(name)
        self.wake()

    def stop_within(self, id_: str) -> None:
        """Have the process of a canceled job or question ended, unless it stops by itself in time."""
        with self._condition:
            self._deadlines.setdefault(id_, time.monotonic() + CANCEL_SECONDS)
        self.wake()

    def wake(self) -> None:
        """Have the thread look after everything now."""
        with self._condition:
            self._awake = True
            self._condition.notify_all()

    # --- its own thread --------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._awake, self._pause())
                self._awake = False
                if self._ending:
                    break
            try:
                self._collect()
                self._stop_overdue()
                self._dispatch()
            except Exception:  # a full disk, say: this thread must outlive it, or no job runs any more
                _LOG.exception("The jobs could not be looked after.")
                time.sleep(_TICK_SECONDS)
                self.wake()
        for running in self._running:
            if running.job is not None:
                self.records.put_back(running.job)
        self._workers.close(seconds=3)

    def _pause(self) -> float | None:
        """Return how long nothing will happen by itself."""
        pauses = [deadline - time.monotonic() for deadline in self._deadlines.values()]
        if self._running:
            pauses.append(_TICK_SECONDS)
        return max(0.0, min(pauses)) if pauses else None

    def _collect(self) -> None:
        """Look after workers whose call has ended."""
        for running in list(self._running):
            worker = running.worker
            died = reason_of_death(worker)
            if died is None and worker.call is not None and not worker.call.done():
                continue
            if died is not None:
                self._blame(running, died)
                self._workers.drop(worker)
            elif running.question is not None and worker.call is not None:
                self.questions.finish(running.question, worker.call.result())
            worker.call = None
            self._over(running)

    def _over(self, running: _Running) -> None:
        self._running.remove(running)
        if running.in_folder:
            self._folder_free()

    def _blame(self, running: _Running, died: PicassoError) -> None:
        name = running.worker.name
        if running.job is not None:
            with suppress(NotFoundError):  # a job that was canceled may have been deleted before its process ended
                canceled = self.records.job(running.job).cancel
                state = State.CANCELED if canceled else State.FAILED
                self.records.finish(running.job, running.attempt, state, None if canceled else Fault.of(died))
        if running.question is not None:
            self.questions.finish(running.question, Fault.of(died))
        self._not_opening(name, ModelState.FAILED, Fault.of(died))

    def _not_opening(self, name: str, state: ModelState, error: Fault | None = None) -> None:
        """Correct the state of a model whose process ended while it was being opened."""
        if any(model.name == name and model.state is ModelState.OPENING for model in self.store.models()):
            self.store.set_model_state(name, state, error)

    def _stop_overdue(self) -> None:
        """End the processes of canceled jobs and questions that did not stop by themselves."""
        with self._condition:
            overdue = [id_ for id_, deadline in self._deadlines.items() if deadline <= time.monotonic()]
        for id_ in overdue:
            for running in [one for one in self._running if id_ in (one.job, one.question) and one.worker.at_work]:
                if running.job is not None:
                    self.records.finish(id_, running.attempt, State.CANCELED)
                self._workers.drop(running.worker)
                self._over(running)
                self._not_opening(running.worker.name, ModelState.NEW)
            self.records.finish(id_, None, State.CANCELED)
            with self._condition:
                self._deadlines.pop(id_, None)

    def _dispatch(self) -> None:
        """Give workers what waits."""
        with self._condition:
            opening, self._to_open = self._to_open, []
            closing, self._to_close = self._to_close, []
        for name in closing:
            self._workers.drop_idle(name)
        for name in opening:
            if (worker := self._workers.take(name)) is not None:
                self._run(_Running(worker), work.open_model, self.place, name)
            else:
                with self._condition:
                    self._to_open.append(name)
        for asked in self.questions.waiting():
            cold = asked.question.model not in self._workers.warm
            worker = self._workers.take(asked.question.model)
            if worker is not None and self.questions.start(asked.id, cold=cold):
                self._run(_Running(worker, question=asked.id), answering.answer, self.place, asked.question)
        for job in self.records.jobs(None, [State.QUEUED], oldest_first=True):
            if (worker := self._workers.take(job.model)) is None:
                continue
            attempt = self.records.start(job.id)
            if attempt is not None:
                running = _Running(worker, job.id, attempt, in_folder=in_folder(job))
                self._run(running, work.run_job, self.place, job.id, attempt)

    def _run(self, running: _Running, function: object, *args: object) -> None:
        self._running.append(running)
        running.worker.start(function, *args)  # type: ignore[arg-type]


def in_folder(job: JobRecord) -> bool:
    """Say whether a job works in a folder of its own: an audit, and one that lays maps over a video."""
    return job.dataset is not None or job.video is not None
