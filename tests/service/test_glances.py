"""Questions about the frames of a camera, with real worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core import errors
from picasso.core.pictures.images import decode_picture
from picasso.service import glances
from picasso.service.glances import GlanceQuestion, GlanceReply
from picasso.service.questions import Asked
from picasso.service.records import State
from picasso.service.service import Service

from .conftest import configure, ended, picture, request, running, wait_until

FRAME = picture(90)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(configure(tmp_path_factory.mktemp("glances"), names=("Toy",)))
    made.start()
    yield made
    made.stop()


def question(frame: bytes = FRAME, visualization: str = "glow", **more: Any) -> GlanceQuestion:
    return GlanceQuestion("Toy", frame, visualization, more.pop("settings", {}), **more)


def over(service: Service, asked: Asked) -> Asked:
    wait_until(lambda: service.jobs.questions.get(asked.id).state.over)
    return service.jobs.questions.get(asked.id)


def test_the_answer_is_what_explain_gives_exactly(service: Service) -> None:
    found = over(service, service.jobs.ask(question(target="red")))
    assert isinstance(found.reply, GlanceReply), found.error
    model = picasso.load_model(service.model("Toy").record.specification["source"])
    entry = service.configuration.plugins[0] / "glow.py"
    assert entry.is_file()
    from picasso.core import registry
    from picasso.core.glance import glance

    kind = registry.visualization("glow", service.configuration.plugins)
    here = glance(model, decode_picture(FRAME), kind, kind.load().settings_type(), target="red")
    np.testing.assert_array_equal(found.reply.glance.values, here.values)
    assert found.reply.glance.classes == here.classes
    assert found.reply.model == model.digest


def test_frames_leave_no_trace_in_the_store(service: Service) -> None:
    before = len(service.records.jobs(None)), len(service.store.pictures(100)), _files(service)
    over(service, service.jobs.ask(question(picture(77))))
    assert (len(service.records.jobs(None)), len(service.store.pictures(100)), _files(service)) == before


def _files(service: Service) -> list[Any]:
    return sorted(service.artifacts.folder.glob("??/*"))


def test_of_one_viewer_only_the_newest_frame_matters(service: Service) -> None:
    first = service.jobs.ask(question(viewer="a", settings={"pause": 1.0}))
    wait_until(lambda: service.jobs.questions.get(first.id).state is State.RUNNING)
    waiting = [service.jobs.ask(question(picture(shade), viewer="a")) for shade in (10, 20, 30)]
    other = service.jobs.ask(question(picture(40), viewer="b"))
    anybody = [service.jobs.ask(question(picture(50))) for _ in range(2)]
    states = [service.jobs.questions.get(one.id).state for one in waiting]
    assert states == [State.CANCELED, State.CANCELED, State.QUEUED]
    assert over(service, first).state is State.DONE  # what runs is not thrown away: it is answered next
    newest = over(service, waiting[2])
    assert isinstance(newest.reply, GlanceReply)
    light = decode_picture(picture(30)).pixels.mean() / 255
    assert newest.reply.glance.values.mean() / (newest.reply.glance.explained + 1) == pytest.approx(light, abs=0.02)  # type: ignore[operator]
    assert all(over(service, one).state is State.DONE for one in (other, *anybody))
    kept = [service.jobs.questions.get(one.id).question for one in (first, *waiting, other)]
    assert [one.frame for one in kept if isinstance(one, GlanceQuestion)] == [b""] * 5  # frames are held no longer


def test_a_frame_goes_before_the_next_job(service: Service) -> None:
    first = service.jobs.submit(request(service, 1, steps=8, pause=0.05))
    running(service, first)
    second = service.jobs.submit(request(service, 2, steps=8, pause=0.05))
    asked = service.jobs.ask(question())
    assert service.jobs.questions.doing(asked) == "Waiting until a job with this model is over"
    assert over(service, asked).state is State.DONE
    assert not service.records.job(second.id).state.over
    assert ended(service, second).state is State.DONE


def test_a_map_that_takes_too_long_is_given_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from picasso.service import answering

    monkeypatch.setattr(glances, "MOST_SECONDS", 0.1)
    report = answering._in_time("Glow", -1e9)
    with pytest.raises(errors.NotSupportedError, match=r"Glow took more than 0\.1 seconds for one frame"):
        report(0, 1, "")
    assert answering._in_time("Glow", 1e18)(0, 1, "") is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"visualization": "partial-occlusion"}, errors.NotSupportedError, "too slow to watch"),
        ({"visualization": "nothing"}, errors.NotFoundError, "no visualization"),
        ({"visualization": "grad-cam"}, errors.NotSupportedError, "needs"),
        ({"visualization": "filters"}, errors.NotSupportedError, "gives no map"),
        ({"visualization": "behave"}, errors.NotSupportedError, "gives no map"),
        ({"settings": {"pause": "long"}}, errors.SettingsError, "pause"),
        ({"settings": {"nothing": 1}}, errors.SettingsError, "nothing"),
        ({"target": "aircraft"}, errors.TargetError, "no class"),
        ({"frame": bytes(5 * 2**20)}, errors.PictureError, "may hold 4 MB"),
    ],
)
def test_what_does_not_fit_is_refused_at_once(
    service: Service, changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    over(service, service.jobs.ask(question()))  # the model's card is there
    with pytest.raises(error, match=said):
        service.jobs.ask(question(**changes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"frame": b"no picture"}, "bad-picture"),
        ({"channel": 3}, "bad-settings"),
    ],
)
def test_what_only_the_worker_knows_fails_the_question(service: Service, changes: dict[str, Any], code: str) -> None:
    found = over(service, service.jobs.ask(question(**changes)))
    assert found.error is not None
    assert found.error.code == code
