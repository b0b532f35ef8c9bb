"""Questions: asked by a page again and again, answered by a model's warm worker, and forgotten soon after.

They are no jobs. A hand that paints and a camera ask several times a second, and nobody wants to find these among the
jobs; what is lost when the server ends is asked again by the page. So they live in memory, are answered before the
jobs that wait for the same worker, and leave nothing in the store.
"""

from __future__ import annotations

import secrets
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Self

from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.service.cards import Card
from picasso.service.catalog import Catalog
from picasso.service.job_store import JobStore
from picasso.service.records import Fault, ModelState, State
from picasso.service.store import Store

MOST_WAITING = 32
_KEPT = 64
"""How many answered questions can still be read."""


@dataclass(frozen=True)
class Reply:
    """What a worker found.

    Args:
        model: Digest of the model that answered.
        seconds: How long the worker took, once the model was open.
    """

    model: str
    seconds: float


@dataclass(frozen=True)
class Question(ABC):
    """What is asked.

    Args:
        model: Name.
    """

    model: str

    @property
    def asker(self) -> str:
        """Who asks, where only the newest question of one asker matters; "" where each is to be answered."""
        return ""

    @abstractmethod
    def checked(self, store: Store, catalog: Catalog, card: Card | None) -> Self:
        """Refuse at once what is known not to fit, and return the question as the worker gets it, which looks again.

        Args:
            store: Models and pictures.
            catalog: The visualizations.
            card: What is known of the model; None before it was opened, or where its files have changed.
        """

    def answered(self) -> Self:
        """Return what is kept of the question once it is over, without what was large."""
        return self


@dataclass(frozen=True)
class Asked:
    """A question and how far it is.

    Args:
        id: Its name.
        question: What is asked.
        state: How far it is.
        cold: Whether it had to start a process for the model.
        reply: What was found, where the state is done.
        error: Why there is no answer, where the state is failed.
        over: Is set when nothing more will happen.
    """

    id: str
    question: Question
    state: State = State.QUEUED
    cold: bool = False
    reply: Reply | None = None
    error: Fault | None = None
    over: Future[None] = field(default_factory=Future)


class Questions:
    """The questions that wait, run, or were answered lately.

    Args:
        store: Models and pictures.
        catalog: The visualizations.
        records: Jobs, for what a question waits behind.
    """

    def __init__(self, store: Store, catalog: Catalog, records: JobStore) -> None:
        self._store = store
        self._catalog = catalog
        self._records = records
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Asked] = OrderedDict()

    # --- called by the web process ---------------------------------------------------------------------------

    def add(self, question: Question) -> Asked:
        """Take a question; one that waits and that the same asker has replaced by it is canceled.

        Raises:
            NotFoundError: There is no such model.
            NotSupportedError: Too many questions wait.
            PicassoError: It does not fit the model, as far as that is known.
        """
        model = self._store.model(question.model)
        card = None if model.card is None else Card.read(model.card)
        question = question.checked(self._store, self._catalog, card if card is not None and card.fresh() else None)
        asked = Asked(secrets.token_hex(8), question)
        for old in self._all(lambda one: one.state is State.QUEUED and one.question.asker == question.asker != ""):
            self._change(old, (State.QUEUED,), state=State.CANCELED)
        with self._lock:
            waiting = sum(not one.state.over for one in self._known.values())
            if waiting >= MOST_WAITING:
                raise NotSupportedError(
                    f"{waiting} questions wait for their models already.", "Wait for an answer, then ask again."
                )
            self._known[asked.id] = asked
            ended = [one.id for one in self._known.values() if one.state.over]
            for id_ in ended[: max(0, len(self._known) - _KEPT)]:
                del self._known[id_]
        return asked

    def get(self, id_: str) -> Asked:
        """Return a question.

        Raises:
            NotFoundError: There is none of that id, or not any more.
        """
        with self._lock:
            found = self._known.get(id_)
        if found is None:
            raise NotFoundError(f"There is no question '{id_[:80]}'.", "It was forgotten; ask again.")
        return found

    def doing(self, asked: Asked) -> str:
        """Say what a question that is not over waits for; "" where it is over."""
        if asked.state.over:
            return ""
        name = asked.question.model
        if asked.cold or self._store.model(name).state is ModelState.OPENING:
            return "Opening the model"
        if asked.state is State.RUNNING:
            return "Asking the model"
        running = self._records.jobs(None, [State.RUNNING])
        if any(job.model == name for job in running):
            return "Waiting until a job with this model is over"
        return "Waiting until another model is no longer at work" if running else "Asking the model"

    # --- called by the jobs' own thread, `cancel` also by the web process ------------------------------------

    def waiting(self) -> list[Asked]:
        """Return the questions that nobody works on, the oldest first."""
        with self._lock:
            return [asked for asked in self._known.values() if asked.state is State.QUEUED]

    def start(self, id_: str, *, cold: bool) -> bool:
        """Turn a waiting question into a running one; return False where it does not wait any more."""
        return self._change(id_, (State.QUEUED,), state=State.RUNNING, cold=cold)

    def finish(self, id_: str, found: Reply | Fault) -> bool:
        """End a question with its answer, or with the reason why there is none."""
        if isinstance(found, Fault):
            return self._change(id_, (State.QUEUED, State.RUNNING), state=State.FAILED, error=found)
        return self._change(id_, (State.QUEUED, State.RUNNING), state=State.DONE, reply=found)

    def cancel(self, id_: str) -> bool:
        """End a question that nobody wants answered any more; return whether it was not over."""
        return self._change(id_, (State.QUEUED, State.RUNNING), state=State.CANCELED)

    def close(self) -> None:
        """End all questions: the server ends."""
        for id_ in self._all(lambda one: not one.state.over):
            self.cancel(id_)

    def _all(self, wanted: Callable[[Asked], bool]) -> list[str]:
        with self._lock:
            return [asked.id for asked in self._known.values() if wanted(asked)]

    def _change(self, id_: str, before: tuple[State, ...], **changes: object) -> bool:
        with self._lock:
            asked = self._known.get(id_)
            if asked is None or asked.state not in before:
                return False
            changed = replace(asked, **changes)  # type: ignore[arg-type]
            if changed.state.over:
                changed = replace(changed, question=changed.question.answered())
            self._known[id_] = changed
        if changed.state.over:
            changed.over.set_result(None)
        return True
