"""Questions of the what-if brush, with real worker processes."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytest

from picasso.core import errors
from picasso.core.edits import Edit, Paint
from picasso.core.maps.baselines import baseline
from picasso.core.opening import load_model
from picasso.core.pictures.images import decode_picture
from picasso.service import questions
from picasso.service.questions import Asked
from picasso.service.records import JobRequest, State
from picasso.service.service import Service
from picasso.service.what_ifs import WhatIfQuestion

from .conftest import ended, picture, request, running, wait_until

HALF = Edit(16, 16, (Paint("white", (0, 128)),))


def question(service: Service, model: str = "Toy", edit: Edit | None = HALF, **more: Any) -> WhatIfQuestion:
    return WhatIfQuestion(model, service.pictures.adopt(picture(90), "90.png").digest, edit, **more)


def over(service: Service, record: Asked) -> Asked:
    wait_until(lambda: service.jobs.questions.get(record.id).state.over)
    return service.jobs.questions.get(record.id)


def test_the_answer_is_what_python_gives(service: Service) -> None:
    found = over(service, service.jobs.ask(question(service, targets=("red",), looks=True)))
    assert found.reply is not None, found.error
    model = load_model(service.model("Toy").record.specification["source"])
    sample = model.prepare(decode_picture(picture(90)))
    x = sample.x.copy()
    x[0, :8] = baseline(model, sample, "white")[:8]
    (first, *_) = found.reply.change.moved
    assert first.label == "red"
    assert first.score == pytest.approx((model.predict(sample.x)[0, 2], model.predict(x)[0, 2]), abs=1e-5)
    assert (found.reply.height, found.reply.width, found.reply.change.painted) == (16, 16, 128)
    assert found.reply.model == model.digest
    assert found.reply.looks is not None


def test_questions_leave_no_trace_in_the_store(service: Service) -> None:
    asked = question(service)
    before = len(service.records.jobs(None)), sorted(service.artifacts.folder.glob("??/*"))
    over(service, service.jobs.ask(asked))
    assert (len(service.records.jobs(None)), sorted(service.artifacts.folder.glob("??/*"))) == before


def test_a_question_waits_behind_a_job_and_goes_before_the_next(service: Service) -> None:
    first = service.jobs.submit(request(service, 1, steps=20, pause=0.05))
    running(service, first)
    second = service.jobs.submit(request(service, 2, steps=20, pause=0.05))
    asked = service.jobs.ask(question(service))
    assert service.jobs.questions.doing(asked) == "Waiting until a job with this model is over"
    assert over(service, asked).state is State.DONE
    assert service.records.job(first.id).state is State.DONE
    assert not service.records.job(second.id).state.over
    assert ended(service, second).state is State.DONE


def test_a_cold_model_is_opened_and_said_so(service: Service) -> None:
    service.jobs.close_model("Other")
    asked = service.jobs.ask(question(service, "Other"))
    wait_until(lambda: service.jobs.questions.get(asked.id).state is not State.QUEUED)
    now = service.jobs.questions.get(asked.id)
    assert now.state.over or service.jobs.questions.doing(now) == "Opening the model"
    assert over(service, asked).state is State.DONE


@pytest.mark.parametrize(("model", "code"), [("Unopenable", "bad-model"), ("Deadly", "worker-died")])
def test_a_model_that_does_not_open_fails_the_question(service: Service, model: str, code: str) -> None:
    found = over(service, service.jobs.ask(question(service, model)))
    assert found.state is State.FAILED
    assert found.error is not None
    assert found.error.code == code


def test_a_canceled_question_ends_at_once_and_its_process_soon(service: Service) -> None:
    asked = service.jobs.ask(question(service, "Sleepy"))
    wait_until(lambda: service.jobs.questions.get(asked.id).state is State.RUNNING)
    assert service.jobs.cancel_question(asked.id).state is State.CANCELED
    wait_until(lambda: "Sleepy" not in service.jobs.warm(), 10)


def test_a_waiting_question_is_canceled_without_harm(service: Service) -> None:
    job = service.jobs.submit(request(service, 3, steps=10, pause=0.05))
    running(service, job)
    asked = service.jobs.ask(question(service))
    assert service.jobs.cancel_question(asked.id).state is State.CANCELED
    assert ended(service, job).state is State.DONE
    assert service.jobs.cancel_question(asked.id).state is State.CANCELED


def test_after_a_crash_the_next_question_finds_a_new_process(service: Service) -> None:
    job = ended(service, service.jobs.submit(request(service, 4)))
    assert job.process is not None
    os.kill(job.process, signal.SIGKILL)
    time.sleep(0.3)
    assert over(service, service.jobs.ask(question(service))).state is State.DONE


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "nobody"}, errors.NotFoundError),
        ({"picture": "0" * 64}, errors.NotFoundError),
        ({"at": "1,1"}, errors.TargetError),
        ({"at": "here"}, errors.TargetError),
        ({"edit": Edit(8, 8)}, errors.EditError),
    ],
)
def test_what_does_not_fit_is_refused_at_once(
    service: Service, changes: dict[str, Any], error: type[Exception]
) -> None:
    over(service, service.jobs.ask(question(service)))  # the model's card is there
    asked = question(service)
    with pytest.raises(error):
        service.jobs.ask(WhatIfQuestion(**(vars(asked) | changes)))


def test_what_only_the_worker_knows_fails_the_question(service: Service) -> None:
    found = over(service, service.jobs.ask(question(service, targets=("aircraft",))))
    assert found.error is not None
    assert found.error.code == "bad-target"


def test_there_is_a_limit_to_what_waits(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST_WAITING", 1)
    job = service.jobs.submit(JobRequest("Toy", "behave", request(service, 5).pictures, {"steps": 10, "pause": 0.05}))
    running(service, job)
    asked = service.jobs.ask(question(service))
    with pytest.raises(errors.NotSupportedError, match="wait for their models"):
        service.jobs.ask(question(service))
    assert over(service, asked).state is State.DONE


def test_old_answers_are_forgotten(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_KEPT", 2)
    first = over(service, service.jobs.ask(question(service)))
    for _ in range(3):
        over(service, service.jobs.ask(question(service)))
    with pytest.raises(errors.NotFoundError):
        service.jobs.questions.get(first.id)
