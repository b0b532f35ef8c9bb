"""A process beside the web process, for what that must not do: import plug-ins, read what strangers have sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TimedOut
from contextlib import contextmanager
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessPool

from picasso.core.errors import PluginError
from picasso.service import plugin_process
from picasso.service.limits import cause_of_end
from picasso.service.processes import context, environment
from picasso.service.records import Fault

T = TypeVar("T")
_IDLE_SECONDS = 30.0
"""The process ends when nobody asked it anything for that long."""
_WAITING_SECONDS = 60.0
"""So long whoever asks waits for others: each of them holds one of the few threads that answer pages."""


class SideProcess:
    """A process that answers one question after the other; it is started when the first is asked.

    As a worker does, it ends when it takes more memory than it may, and when the server ends. How long it may take each
    question says, and how long whoever asks waits for others is bounded, too.

    Args:
        purpose: What it does, for whoever asks too late: "The catalogue of visualizations".
        memory: Gigabytes that it may take; None for most of the computer's.
        waiting: Seconds that whoever asks waits at most while it answers others.
    """

    def __init__(self, purpose: str, memory: float | None = None, waiting: float = _WAITING_SECONDS) -> None:
        self.purpose = purpose
        self.memory, self.waiting = memory, waiting
        self._lock = threading.RLock()
        self._pool: ProcessPool | None = None
        self._timer: threading.Timer | None = None
        self._call: Future[Any] | None = None
        self._closed = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have the process to oneself: whoever asks several things that belong together takes one turn for them.

        Raises:
            PluginError: Others have asked it all the time that one may wait.
        """
        if not self._lock.acquire(timeout=self.waiting):
            raise PluginError(
                f"{self.purpose} has been busy for {self.waiting:.0f} seconds with what was asked before.",
                "Try again later.",
            )
        try:
            yield
        finally:
            self._lock.release()

    def ask(self, question: Callable[..., T], *arguments: object, seconds: float) -> T:
        """Have the process answer a question; the answer is JSON.

        Args:
            question: A function of a module.
            arguments: Its arguments.
            seconds: How long it may take; one that never ends must not hang the page.

        Raises:
            PicassoError: As the question raises.
            PluginError: It took too long, or was busy too long, or the process ended.
        """
        with self.turn():
            if self._closed:
                raise PluginError(f"{self.purpose} is closed.")
            try:
                if self._pool is None or not self._pool.active:
                    self._pool = ProcessPool(
                        max_workers=1,
                        context=context(),
                        initializer=plugin_process.settle,
                        initargs=(self.memory, *environment()),
                    )
                self._call = self._pool.schedule(plugin_process.answer, args=(question, *arguments), timeout=seconds)
                said = json.loads(self._call.result(seconds + 10))
            except TimedOut:
                self.end()
                raise PluginError(f"{self.purpose} took more than {seconds:.0f} seconds.") from None
            except ProcessExpired as error:
                self.end()
                raise PluginError(f"{self.purpose} failed: its process {cause_of_end(error.exitcode)}.") from None
            except Exception as error:
                self.end()
                raise PluginError(f"{self.purpose} failed ({type(error).__name__}: {error}).") from None
            self._end_later()
        if "fault" in said:
            raise Fault(**said["fault"]).to_error()
        answer: T = said["answer"]
        return answer

    def end(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            if self._pool is not None:
                self._pool.stop()
                self._pool.join()
                self._pool = None

    def close(self) -> None:
        """End the process for good, also while it is being asked."""
        self._closed = True
        if (call := self._call) is not None:
            call.cancel()
        self.end()

    def _end_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(_IDLE_SECONDS, self.end)
        self._timer.daemon = True
        self._timer.start()
