"""The life of a job, with real worker processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from picasso.core import errors
from picasso.core.explaining import explain
from picasso.core.opening import load_model
from picasso.core.result import Result
from picasso.service import work
from picasso.service.exports import export
from picasso.service.job_store import JobStore
from picasso.service.records import JobRequest, ModelState, State
from picasso.service.service import Service
from tests.core.plugins import ALONE, drop

from .conftest import configure, ended, picture, request, running, wait_until

LEARNER = """
class LearnerSettings(Settings):
    album: str = Field("", title="Album", description="A folder.", json_schema_extra={"picasso": {"choices": "album"}})

class Learner(Visualization[LearnerSettings]):
    '''Learn nothing.'''

    name, title = "learner", "Learner"

    def run(self, ctx, sample, settings):
        ctx.progress(1, 1)
        yield Text(id="said", title="Learned from", text=settings.album or "nothing")
"""


OUTER = """
class OuterSettings(Settings):
    view: str = Field(
        "count", title="View", description="Another.", json_schema_extra={"picasso": {"choices": "visualization"}}
    )

class Outer(ModelVisualization[OuterSettings]):
    '''Show what another one shows.'''

    name, title = "outer", "Outer"

    def look(self, ctx, settings):
        ctx.progress(1, 1)
        yield from ctx.explain(settings.view, {"times": "3"}, ctx.model, None, ctx.progress)
"""


def test_a_job_is_done_and_its_result_is_what_python_gives(service: Service) -> None:
    digest = service.pictures.adopt(picture(180), "grey.png").digest
    job = service.jobs.submit(JobRequest("Toy", "partial-occlusion", (digest,), {"window": "4px"}, target=("red",)))
    assert job.state is State.QUEUED
    assert ended(service, job).state is State.DONE
    (task,) = service.records.tasks([job.id])[job.id]
    assert task.result is not None
    stored = service.store.result(task.result)

    model = load_model(service.model("Toy").record.specification["source"])
    result = explain(model, picture(180), "partial-occlusion", window=4, target="red")
    assert isinstance(result, Result)
    kept = next(panel for panel in stored.panels if panel["id"] == "map-0")
    values = service.artifacts.get_array(kept["values"]["artifact"])
    assert (values == result.attributions[0].values).all()
    assert stored.document["targets"] == result.document()["targets"]
    assert stored.document["settings"] == result.document()["settings"]


def test_the_model_alone_is_looked_at_without_a_picture(service: Service) -> None:
    drop(service.configuration.plugins[0], ALONE, "count.py")
    asked = JobRequest("Toy", "count", (), {"times": 2})
    job = ended(service, service.jobs.submit(asked))
    assert job.state is State.DONE, job.error
    (task,) = service.records.tasks([job.id])[job.id]
    assert (task.picture, task.name) == (None, "Toy")
    assert task.result is not None
    stored = service.store.result(task.result)
    assert stored.picture is None
    assert stored.document["picture"] is None
    assert stored.panels[0]["text"].endswith(" in Toy")
    assert stored in service.store.results(50)
    assert service.jobs.submit(asked).state is State.DONE  # at once: it is stored
    for form, name in (("json", "Toy.count.json"), ("zip", "Toy.count.zip")):
        assert export(stored, service.artifacts, form).name == name
    digest = service.pictures.adopt(picture(181), "grey.png").digest
    with pytest.raises(errors.PictureError, match="looks at the model alone"):
        service.jobs.submit(replace(asked, pictures=(digest,)))
    with pytest.raises(errors.TargetError, match="explains nothing of a picture"):
        service.jobs.submit(replace(asked, target=(0,)))
    with pytest.raises(errors.PictureError, match="looks at pictures"):
        service.jobs.submit(JobRequest("Toy", "behave", ()))


def test_a_page_names_data_sets_and_no_folders(service: Service, tmp_path: Path) -> None:
    drop(service.configuration.plugins[0], LEARNER, "learner.py")
    digest = service.pictures.adopt(picture(182), "grey.png").digest
    asked = JobRequest("Toy", "learner", (digest,))
    with pytest.raises(errors.SettingsError, match="album must be a data set of this server"):
        service.jobs.submit(replace(asked, settings={"album": str(tmp_path)}))
    assert service.store.add_dataset("mine", str(tmp_path))
    for name in ("mine", str(tmp_path), ""):
        job = ended(service, service.jobs.submit(replace(asked, settings={"album": name})))
        assert job.state is State.DONE, job.error
        assert job.settings == {"album": name and str(tmp_path)}


def test_a_view_within_a_view_is_found_where_the_server_looks_and_its_version_counts(service: Service) -> None:
    folder = service.configuration.plugins[0]
    drop(folder, ALONE, "count.py")
    drop(folder, OUTER, "outer.py")
    asked = JobRequest("Toy", "outer", ())

    def result() -> str:
        job = ended(service, service.jobs.submit(asked))
        assert job.state is State.DONE, job.error
        (task,) = service.records.tasks([job.id])[job.id]
        assert task.result is not None
        return task.result

    key = result()
    assert key == result()
    assert len(service.store.result(key).panels) >= 1
    drop(folder, ALONE + "\n# changed", "count.py")
    assert result() != key
    with pytest.raises(errors.NotFoundError, match="no-such"):
        service.jobs.submit(replace(asked, settings={"view": "no-such"}))


def test_events_tell_the_whole_story_in_order(service: Service) -> None:
    job = service.jobs.submit(request(service, 10, 20, steps=2))
    ended(service, job)
    events = service.records.events(job.id, 0)
    numbers = [event.number for event in events]
    assert numbers == sorted(set(numbers))
    assert [event.data["state"] for event in events if event.kind == "state"] == ["queued", "running", "done"]
    assert [event.data["task"] for event in events if event.kind == "result"] == [0, 1]
    panels = [event.data for event in events if event.kind == "panel"]
    assert [panel["panel"]["text"] for panel in panels] == ["hello 1"] * 2  # "hello 0" was replaced
    assert events[-1].kind == "end"
    assert any(event.kind == "progress" and event.data["total"] == 2 for event in events)


def test_a_stored_result_is_given_at_once(service: Service) -> None:
    asked = request(service, 30, text="stored")
    first = ended(service, service.jobs.submit(asked))
    again = service.jobs.submit(asked)
    assert again.state is State.DONE
    assert again.attempts == 0
    key = service.records.tasks([first.id])[first.id][0].result
    assert [task.result for task in service.records.tasks([again.id])[again.id]] == [key]
    assert [event.kind for event in service.records.events(again.id, 0)] == ["state", "result", "end"]


def test_of_several_pictures_only_the_new_ones_are_run(service: Service) -> None:
    ended(service, service.jobs.submit(request(service, 31, text="some")))
    job = service.jobs.submit(request(service, 31, 32, text="some"))
    assert [task.state for task in service.records.tasks([job.id])[job.id]] == [State.DONE, State.QUEUED]
    assert ended(service, job).state is State.DONE
    assert {e.data["task"] for e in service.records.events(job.id, 0) if e.kind == "progress"} == {1}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model": "nobody"}, errors.NotFoundError),
        ({"visualization": "nothing"}, errors.NotFoundError),
        ({"pictures": ("0" * 64,)}, errors.NotFoundError),
        ({"pictures": ()}, errors.PictureError),
        ({"settings": {"steps": "many"}}, errors.SettingsError),
        ({"settings": {"stepps": 1}}, errors.SettingsError),
        ({"target": ("tank",)}, errors.TargetError),
        ({"top": 0}, errors.TargetError),
        ({"visualization": "grad-cam"}, errors.NotSupportedError),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    service: Service, changes: dict[str, object], error: type[Exception]
) -> None:
    ended(service, service.jobs.submit(request(service, 40)))  # the model's card is there
    asked = {"model": "Toy", "visualization": "behave", "pictures": request(service, 40).pictures} | changes
    with pytest.raises(error):
        service.jobs.submit(JobRequest(**asked))  # type: ignore[arg-type]


def test_a_plugin_that_raises_fails_the_job_and_nothing_else(service: Service) -> None:
    failed = ended(service, service.jobs.submit(request(service, 50, act="raise")))
    assert failed.state is State.FAILED
    assert failed.error is not None
    assert failed.error.code == "bad-plugin"
    assert "on purpose" in failed.error.message
    quitting = ended(service, service.jobs.submit(request(service, 50, act="quit")))
    assert quitting.error is not None
    assert quitting.error.code == "bad-plugin"
    after = ended(service, service.jobs.submit(request(service, 51)))
    assert after.state is State.DONE
    assert after.process == failed.process == quitting.process


def test_one_bad_picture_does_not_stop_the_others(service: Service, tmp_path: Path) -> None:
    job = service.jobs.submit(request(service, 52, 53, act="raise", once=str(tmp_path / "once")))
    over = ended(service, job)
    assert over.state is State.FAILED
    assert [task.state for task in service.records.tasks([job.id])[job.id]] == [State.FAILED, State.DONE]


def test_a_model_that_cannot_be_opened_fails_the_job_and_says_why(service: Service) -> None:
    over = ended(service, service.jobs.submit(request(service, 60, model="Unopenable")))
    assert over.error is not None
    assert over.error.code == "bad-model"
    view = service.model("Unopenable")
    assert view.state is ModelState.FAILED
    assert view.record.error == over.error


# --- cancel ------------------------------------------------------------------------------------------------------


def test_canceling_work_that_reports_keeps_the_process_warm(service: Service) -> None:
    job = service.jobs.submit(request(service, 70, steps=2000, pause=0.02))
    at_work = running(service, job, done=1)
    started = time.monotonic()
    service.jobs.cancel(job.id)
    over = ended(service, job)
    assert over.state is State.CANCELED
    assert time.monotonic() - started < 1.5
    after = ended(service, service.jobs.submit(request(service, 71)))
    assert after.state is State.DONE
    assert after.process == at_work.process


def test_canceling_work_that_does_not_report_ends_its_process(service: Service) -> None:
    job = service.jobs.submit(request(service, 72, act="sleep"))
    at_work = running(service, job)
    started = time.monotonic()
    service.jobs.cancel(job.id)
    assert ended(service, job).state is State.CANCELED
    assert time.monotonic() - started < 5
    after = ended(service, service.jobs.submit(request(service, 73)))
    assert after.state is State.DONE
    assert after.process != at_work.process
    assert at_work.process is not None
    wait_until(lambda: not _alive(at_work.process), 5)


def test_a_job_is_canceled_while_its_model_is_opened(service: Service) -> None:
    job = service.jobs.submit(request(service, 72, model="Sleepy"))
    wait_until(lambda: service.model("Sleepy").state is ModelState.OPENING)
    started = time.monotonic()
    service.jobs.cancel(job.id)
    assert ended(service, job).state is State.CANCELED
    assert time.monotonic() - started < 5
    wait_until(lambda: service.model("Sleepy").state is ModelState.NEW)


def test_a_waiting_job_is_canceled_at_once(service: Service) -> None:
    first = service.jobs.submit(request(service, 74, steps=2000, pause=0.02))
    second = service.jobs.submit(request(service, 75))
    running(service, first)
    assert service.jobs.cancel(second.id).state is State.CANCELED
    service.jobs.cancel(first.id)
    assert ended(service, first).state is State.CANCELED
    assert service.jobs.cancel(first.id).state is State.CANCELED
    assert service.records.events(second.id, 0)[-1].data == {"state": "canceled", "error": None}


def test_a_job_is_deleted_only_when_it_is_over(service: Service) -> None:
    job = service.jobs.submit(request(service, 76, steps=2000, pause=0.02))
    with pytest.raises(errors.NotSupportedError):
        service.jobs.delete(job.id)
    service.jobs.cancel(job.id)
    ended(service, job)
    service.jobs.delete(job.id)
    with pytest.raises(errors.NotFoundError):
        service.records.job(job.id)


def test_a_result_outlives_its_job(service: Service) -> None:
    job = service.jobs.submit(request(service, 77))
    ended(service, job)
    key = str(service.records.tasks([job.id])[job.id][0].result)
    assert service.store.result(key).job == job.id
    service.jobs.delete(job.id)
    assert service.store.result(key).job is None


# --- workers that die --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "says"),
    [("kill", "memory ran out"), ("exit-7", "exit code 7"), ("exit-0", "exit code 0"), ("segfault", "SIGSEGV")],
)
def test_a_worker_that_dies_fails_its_job_and_the_next_one_works(
    service: Service, tmp_path: Path, act: str, says: str
) -> None:
    asked = request(service, 80, act=act, once=str(tmp_path / "once"))
    over = ended(service, service.jobs.submit(asked))
    assert over.state is State.FAILED
    assert over.error is not None
    assert over.error.code == "worker-died"
    assert says in over.error.message
    again = ended(service, service.jobs.submit(asked))
    assert again.state is State.DONE
    assert again.process != over.process
    if act == "segfault":
        assert "Segmentation fault" in (service.configuration.data / "workers.log").read_text("utf-8")


def test_a_model_that_takes_its_process_with_it_is_failed(service: Service) -> None:
    service.jobs.open_model("Deadly")
    wait_until(lambda: service.model("Deadly").state is ModelState.FAILED)
    error = service.model("Deadly").record.error
    assert error is not None
    assert (error.code, "exit code 5" in error.message) == ("worker-died", True)
    over = ended(service, service.jobs.submit(request(service, 83, model="Deadly")))
    assert over.error == error


def test_an_idle_worker_killed_from_outside_is_replaced(service: Service) -> None:
    first = ended(service, service.jobs.submit(request(service, 81, text="idle")))
    assert first.process is not None
    os.kill(first.process, signal.SIGKILL)
    wait_until(lambda: not _alive(first.process))
    second = ended(service, service.jobs.submit(request(service, 82, text="idle")))
    assert second.state is State.DONE


# --- warm models -------------------------------------------------------------------------------------------------


def test_two_models_work_at_the_same_time(service: Service) -> None:
    slow = service.jobs.submit(request(service, 85, steps=5000, pause=0.02))
    running(service, slow)
    quick = ended(service, service.jobs.submit(request(service, 85, model="Other")))
    assert quick.state is State.DONE
    assert service.jobs.cancel(slow.id).process != quick.process
    ended(service, slow)


def test_the_longest_unused_model_gives_way(tmp_path: Path) -> None:
    service = Service(configure(tmp_path, names=("Toy", "Other"), warm=1))
    service.start()
    try:
        ended(service, service.jobs.submit(request(service, 1)))
        assert service.jobs.warm() == ("Toy",)
        job = service.jobs.submit(request(service, 1, model="Other", steps=1000, pause=0.02))
        running(service, job)
        assert service.jobs.warm() == ("Other",)
        waiting = service.jobs.submit(request(service, 2))
        time.sleep(0.3)
        assert service.records.job(waiting.id).state is State.QUEUED
        service.jobs.cancel(job.id)
        assert ended(service, waiting).state is State.DONE
        assert service.jobs.warm() == ("Toy",)
    finally:
        service.stop()


def test_a_changed_model_file_is_noticed(tmp_path: Path) -> None:
    service = Service(configure(tmp_path))
    service.start()
    try:
        asked = request(service, 90)
        first = ended(service, service.jobs.submit(asked))
        assert service.model("Toy").state is ModelState.READY
        digest = service.model("Toy").card
        file = tmp_path / "my_model.py"
        file.write_text(file.read_text("utf-8").replace("gain = 5.0", "gain = 50.0"), "utf-8")
        assert service.model("Toy").state is ModelState.NEW
        again = ended(service, service.jobs.submit(asked))
        assert again.attempts == 1
        assert again.process == first.process
        assert service.model("Toy").card != digest
        keys = {task.result for job in (first, again) for task in service.records.tasks([job.id])[job.id]}
        assert len(keys) == 2
    finally:
        service.stop()


def test_an_edited_plugin_is_never_stale(tmp_path: Path) -> None:
    service = Service(configure(tmp_path))
    service.start()
    try:
        asked = request(service, 91, steps=1)
        first = ended(service, service.jobs.submit(asked))
        file = tmp_path / "plugins" / "behave.py"
        file.write_text(file.read_text("utf-8").replace('"hello"', '"goodbye"'), "utf-8")
        again = ended(service, service.jobs.submit(asked))
        texts = [
            service.store.result(str(task.result)).panels[0]["text"]
            for job in (first, again)
            for task in service.records.tasks([job.id])[job.id]
        ]
        assert texts == ["hello 0", "goodbye 0"]
        assert again.process == first.process
    finally:
        service.stop()


# --- restarts ----------------------------------------------------------------------------------------------------


def test_what_ran_when_the_server_ended_is_run_again(tmp_path: Path) -> None:
    configuration = configure(tmp_path)
    service = Service(configuration)
    service.start()
    once = tmp_path / "once"
    job = service.jobs.submit(request(service, 1, 2, act="sleep", once=str(once)))
    wait_until(once.exists)
    service.stop()
    put_back = Service(configuration)
    assert put_back.records.job(job.id).state is State.QUEUED
    put_back.start()
    try:
        over = ended(put_back, job)
        assert over.state is State.DONE
        assert over.attempts == 1
    finally:
        put_back.stop()


def test_a_job_that_takes_the_server_with_it_is_tried_three_times(tmp_path: Path) -> None:
    configuration = configure(tmp_path)
    service = Service(configuration)
    service.start()
    job = service.jobs.submit(request(service, 1, act="sleep"))
    running(service, job)
    service.stop()
    database = tmp_path / "data" / "picasso.db"
    for attempts, state in ((2, State.QUEUED), (3, State.FAILED)):
        # As a server leaves it that is killed.
        with sqlite3.connect(database) as connection:
            connection.execute("UPDATE jobs SET state = 'running', attempts = ?", (attempts,))
        connection.close()
        service.records.resume()
        assert service.records.job(job.id).state is state
    error = service.records.job(job.id).error
    assert error is not None
    assert error.code == "worker-died"
    service.database.close()


def test_a_second_server_on_the_same_folder_is_refused(service: Service) -> None:
    second = Service(service.configuration)
    with pytest.raises(errors.ConfigurationError, match="Another Picasso"):
        second.start()
    second.database.close()


def _alive(process: int | None) -> bool:
    assert process is not None
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


class Written(JobStore):
    """Counts what is written of a job's progress."""

    def __init__(self) -> None:
        self.count = 0

    def report(self, *progress: object) -> bool:
        self.count += 1
        return True


@pytest.mark.parametrize(("total", "count"), [(0, 1), (500, 2)])
def test_progress_is_written_seldom_and_its_end_always_where_it_is_known(
    total: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "REPORT_SECONDS", 3600)
    written = Written()
    reporter = work._Reporter(written, "job", None, 1)
    reporter._written = -1e9  # the first is due
    for done in range(501):
        reporter.report(done, total, "")
    assert written.count == count
