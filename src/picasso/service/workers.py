"""Warm worker processes: one for each model, the longest unused ones given up when there are too many."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from typing import Any

from pebble import ProcessExpired, ProcessPool

from picasso.core.errors import PicassoError, WorkerDiedError
from picasso.service.limits import cause_of_end
from picasso.service.processes import context, environment, take_environment


class Worker:
    """A process that holds one model.

    Args:
        name: The model's.
        ended: Called, from another thread, whenever a call has ended.
    """

    def __init__(self, name: str, ended: Callable[[], None]) -> None:
        self.name = name
        self.call: Future[Any] | None = None
        self.process: int | None = None
        self._ended = ended
        self._pool = ProcessPool(max_workers=1, context=context(), initializer=take_environment, initargs=environment())
        self._pool.schedule(os.getpid).add_done_callback(self._started)

    @property
    def busy(self) -> bool:
        """Whether a call runs, or has ended and was not looked at yet."""
        return self.call is not None

    @property
    def at_work(self) -> bool:
        """Whether a call runs."""
        return self.call is not None and not self.call.done()

    @property
    def usable(self) -> bool:
        """Whether the process can be called; an idle one may have been killed from outside."""
        return bool(self._pool.active) and not self.vanished

    @property
    def vanished(self) -> bool:
        """Whether the process is gone. The pool does not report one that exits with code 0."""
        alive = {child.pid for child in multiprocessing.active_children()}
        return self.process is not None and self.process not in alive

    def start(self, function: Callable[..., object], *args: object) -> None:
        """Call a function in the process."""
        self.call = self._pool.schedule(function, args=args)
        self.call.add_done_callback(lambda _: self._ended())

    def kill(self) -> None:
        """End the process at once, whatever it does. Returns before it has ended."""
        self._pool.stop()
        if self.process is not None and hasattr(signal, "SIGKILL") and not self.vanished:
            # The pool asks first and waits; native code that runs for a minute does not listen.
            with suppress(ProcessLookupError):
                os.kill(self.process, signal.SIGKILL)
        self._closing = threading.Thread(target=self._pool.join, name=f"picasso-close-{self.name}", daemon=True)
        self._closing.start()

    def wait_closed(self, seconds: float) -> None:
        """Wait until a killed process has ended."""
        self._closing.join(seconds)

    def _started(self, answer: Future[int]) -> None:
        if not answer.cancelled() and answer.exception() is None:
            self.process = answer.result()


class Workers:
    """The warm workers. Not safe for several threads: the jobs' own thread is the only one that calls.

    Args:
        most: How many models are kept in memory.
        ended: Called, from another thread, whenever a call has ended.
    """

    def __init__(self, most: int, ended: Callable[[], None]) -> None:
        self.most = most
        self._ended = ended
        self._workers: OrderedDict[str, Worker] = OrderedDict()
        self.warm: tuple[str, ...] = ()
        """Names of the models that have a process; the only thing that other threads may read."""

    def take(self, name: str) -> Worker | None:
        """Return a model's idle worker, started if there is room; None where it has to wait."""
        worker = self._workers.get(name)
        if worker is not None and not worker.busy and not worker.usable:
            self.drop(worker)
            worker = None
        if worker is None:
            if not self._make_room():
                return None
            worker = self._workers[name] = Worker(name, self._ended)
            self.warm = tuple(self._workers)
        if worker.busy:
            return None
        self._workers.move_to_end(name)
        return worker

    def drop(self, worker: Worker) -> None:
        """End a worker's process and forget it."""
        worker.kill()
        if self._workers.get(worker.name) is worker:
            del self._workers[worker.name]
            self.warm = tuple(self._workers)

    def drop_idle(self, name: str) -> None:
        """End a model's worker unless it is at work."""
        worker = self._workers.get(name)
        if worker is not None and not worker.busy:
            self.drop(worker)

    def close(self, seconds: float) -> None:
        """End all processes."""
        workers = list(self._workers.values())
        for worker in workers:
            self.drop(worker)
        for worker in workers:
            worker.wait_closed(seconds)

    def _make_room(self) -> bool:
        while len(self._workers) >= self.most:
            idle = next((worker for worker in self._workers.values() if not worker.busy), None)
            if idle is None:
                return False
            self.drop(idle)
            # The next model must find the memory that this one held.
            idle.wait_closed(5)
        return True


def reason_of_death(worker: Worker) -> PicassoError | None:
    """Say why a worker's call ended, where it was not because the function returned."""
    call = worker.call
    if call is None or (not call.done() and not worker.vanished):
        return None
    # The process may be gone a moment before the pool says why.
    if not call.done() and call not in wait([call], _REPORTED_SECONDS).done:
        return WorkerDiedError("The process that held the model ended by itself (exit code 0).", _HINT)
    try:
        error = call.exception()
    except CancelledError:
        return WorkerDiedError("The process that held the model was stopped.", _HINT)
    if error is None:
        return None
    if isinstance(error, ProcessExpired):
        return WorkerDiedError(f"The process that held the model {cause_of_end(error.exitcode)}.", _HINT)
    return WorkerDiedError(f"The process that held the model failed ({type(error).__name__}: {error}).", _HINT)


_REPORTED_SECONDS = 2
_HINT = "Run it again; Picasso starts a new process. What the old one said is in workers.log in the data folder."
