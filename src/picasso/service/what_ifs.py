"""Questions of the what-if brush: asked by a page, answered by a model's warm worker, and forgotten soon after.

They are no jobs. A hand that paints asks several times a second, and nobody wants to find these among the jobs; what is
lost when the server ends is asked again by the page. So they live in memory, are answered before the jobs that wait for
the same worker, and leave nothing in the store.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from picasso.core.asking import read_place
from picasso.core.edits import Edit
from picasso.core.errors import EditError, NotFoundError, NotSupportedError, TargetError
from picasso.core.facts import Task
from picasso.core.what_if import Change, stills_only
from picasso.service.cards import Card
from picasso.service.job_store import JobStore
from picasso.service.records import Fault, ModelState, State
from picasso.service.store import Store

MOST_WAITING = 32
_KEPT = 64
"""How many answered questions can still be read."""


@dataclass(frozen=True)
class Question:
    """What is asked.

    Args:
        model: Name.
        picture: Digest.
        edit: What was painted; None asks for the unpainted picture.
        targets: Class indices, labels or differences whose scores are wanted in any case.
        top: How many of the best classes, before and after.
        at: Where a segmenter or detector is asked, as in a job.
        looks: Whether to send how the input and the fills look.
    """

    model: str
    picture: str
    edit: Edit | None
    targets: tuple[int | str, ...] = ()
    top: int = 5
    at: str | None = None
    looks: bool = False


@dataclass(frozen=True)
class Reply:
    """What a worker found.

    Args:
        model: Digest of the model that answered.
        height, width: Of the network's input.
        change: The scores before and after.
        looks: How the input and the fills look, where that was asked for.
        seconds: How long the worker took, once the model was open.
    """

    model: str
    height: int
    width: int
    change: Change
    looks: dict[str, str] | None
    seconds: float


@dataclass(frozen=True)
class WhatIfRecord:
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


class WhatIfs:
    """The questions that wait, run, or were answered lately.

    Args:
        store: Models and pictures.
        records: Jobs, for what a question waits behind.
    """

    def __init__(self, store: Store, records: JobStore) -> None:
        self._store = store
        self._records = records
        self._lock = threading.Lock()
        self._known: OrderedDict[str, WhatIfRecord] = OrderedDict()

    # --- called by the web process ---------------------------------------------------------------------------

    def add(self, question: Question) -> WhatIfRecord:
        """Take a question.

        Raises:
            NotFoundError: There is no such model or picture.
            EditError, TargetError: It does not fit the model, as far as that is known.
            NotSupportedError: The model reads clips, or too many questions wait.
        """
        self._check(question)
        record = WhatIfRecord(secrets.token_hex(8), question)
        with self._lock:
            waiting = sum(not one.state.over for one in self._known.values())
            if waiting >= MOST_WAITING:
                raise NotSupportedError(
                    f"{waiting} questions wait for their models already.", "Wait for an answer, then ask again."
                )
            self._known[record.id] = record
            ended = [one.id for one in self._known.values() if one.state.over]
            for id_ in ended[: max(0, len(self._known) - _KEPT)]:
                del self._known[id_]
        return record

    def get(self, id_: str) -> WhatIfRecord:
        """Return a question.

        Raises:
            NotFoundError: There is none of that id, or not any more.
        """
        with self._lock:
            found = self._known.get(id_)
        if found is None:
            raise NotFoundError(f"There is no question '{id_[:80]}'.", "It was forgotten; ask again.")
        return found

    def doing(self, record: WhatIfRecord) -> str:
        """Say what a question that is not over waits for; "" where it is over."""
        if record.state.over:
            return ""
        name = record.question.model
        if record.cold or self._store.model(name).state is ModelState.OPENING:
            return "Opening the model"
        if record.state is State.RUNNING:
            return "Asking the model"
        running = self._records.jobs(None, [State.RUNNING])
        if any(job.model == name for job in running):
            return "Waiting until a job with this model is over"
        return "Waiting until another model is no longer at work" if running else "Asking the model"

    # --- called by the jobs' own thread, `cancel` also by the web process ------------------------------------

    def waiting(self) -> list[WhatIfRecord]:
        """Return the questions that nobody works on, the oldest first."""
        with self._lock:
            return [record for record in self._known.values() if record.state is State.QUEUED]

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
        with self._lock:
            open_ = [record.id for record in self._known.values() if not record.state.over]
        for id_ in open_:
            self.cancel(id_)

    def _change(self, id_: str, before: tuple[State, ...], **changes: object) -> bool:
        with self._lock:
            record = self._known.get(id_)
            if record is None or record.state not in before:
                return False
            changed = self._known[id_] = replace(record, **changes)  # type: ignore[arg-type]
        if changed.state.over:
            changed.over.set_result(None)
        return True

    def _check(self, question: Question) -> None:
        """Refuse at once what is known not to fit; the worker looks again."""
        model = self._store.model(question.model)
        self._store.picture(question.picture)
        place = read_place(question.at)
        if place is not None and place.mask is not None:
            raise TargetError(
                "A question is about a pixel, a box or a detection.", "Give x,y or left,top,width,height."
            )
        if model.card is None or not (card := Card.read(model.card)).fresh():
            return
        if reason := stills_only(card.frames):
            raise NotSupportedError(reason, "Look at a network of pictures.")
        if place is not None and place.channel is None and card.task == Task.CLASSIFICATION:
            raise TargetError("A classifier answers for the whole picture, not for a place in it.", "Leave it out.")
        edit, (height, width, _) = question.edit, card.input_shape
        if edit is not None and (edit.height, edit.width) != (height, width):
            raise EditError(
                f"The network reads {width} x {height} pixels. Got an edit of {edit.width} x {edit.height}."
            )
