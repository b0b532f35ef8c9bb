"""What a worker process does with a question: the answer goes straight back, and nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from picasso.core import registry
from picasso.core.fitting import read_settings
from picasso.core.glance import glance
from picasso.core.model import Model
from picasso.core.pictures.images import decode_picture
from picasso.service import glances
from picasso.service.artifacts import Artifacts
from picasso.service.database import Database
from picasso.service.glances import GlanceQuestion, GlanceReply
from picasso.service.questions import Question, Reply
from picasso.service.records import Fault
from picasso.service.store import Store
from picasso.service.warm_model import WARM
from picasso.service.what_ifs import WhatIfQuestion, WhatIfReply
from picasso.service.work import Place, guarded, ready_model, settle


def answer(place: Place, question: Question) -> Reply | Fault:
    """Answer a question. Nothing is written but the model's card, where it had to be opened."""
    settle(place)
    database = Database(place.database)
    replies: list[Reply] = []
    try:
        error = guarded(lambda: replies.append(_answer(Store(database), place, question)))
    finally:
        database.close()
    return replies[0] if error is None else Fault.of(error)


def _answer(store: Store, place: Place, question: Question) -> Reply:
    model = ready_model(store, question.model, place.opening_seconds)
    card = store.model(question.model).card
    assert card is not None
    if isinstance(question, WhatIfQuestion):
        return _what_if(store, place.artifacts, question, card["digest"])
    assert isinstance(question, GlanceQuestion)
    return _glance(model, place.plugins, question, card["digest"])


def _what_if(store: Store, folder: Path, question: WhatIfQuestion, digest: str) -> WhatIfReply:
    started = time.perf_counter()
    name, artifacts = store.picture(question.picture).name, Artifacts(folder)
    what_if = WARM.what_if(question.picture, question.at, lambda: decode_picture(artifacts.get(question.picture), name))
    change = what_if.ask(question.edit, question.targets, question.top)
    height, width = what_if.sample.view.shape[:2]
    return WhatIfReply(
        model=digest,
        height=height,
        width=width,
        change=change,
        looks=what_if.looks() if question.looks else None,
        seconds=time.perf_counter() - started,
    )


def _glance(model: Model, plugins: tuple[Path, ...], question: GlanceQuestion, digest: str) -> GlanceReply:
    started = time.perf_counter()
    entry = registry.visualization(question.visualization, plugins)
    found = glance(
        model,
        decode_picture(question.frame, "The frame"),
        entry,
        read_settings(entry, question.settings),
        target=question.target,
        top=question.top,
        channel=question.channel,
        digest=digest,
        report=_in_time(entry.load().title, started),
    )
    return GlanceReply(model=digest, seconds=time.perf_counter() - started, glance=found)


def _in_time(title: str, started: float) -> Callable[[int, int, str], None]:
    """Return what stops a map that takes too long, between two of its chunks."""

    def report(done: int, total: int, message: str) -> None:
        if time.perf_counter() - started > glances.MOST_SECONDS:
            raise glances.too_slow(title)

    return report
