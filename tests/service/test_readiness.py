"""What is done before anybody asks, so that the first answer comes soon."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from picasso.service.configuration import DEMO_MODELS, STORY_MODELS
from picasso.service.records import JobRequest, ModelState
from picasso.service.service import Service

from .conftest import configure, ended, picture, wait_until, write

TELLS = """
    import os
    from picasso.plugin import Settings, Text, Visualization

    class Tells(Visualization[Settings]):
        '''Tells how the worker's threads wait.'''

        name = "tells"
        title = "Tells"

        def run(self, ctx, sample, settings):
            yield Text(id="words", title="Words", text=os.environ.get("OMP_WAIT_POLICY", "nothing"))
"""


def test_the_demo_opens_the_detectors_of_its_first_page(tmp_path: Path) -> None:
    assert set(STORY_MODELS) < set(DEMO_MODELS)
    service = Service(configure(tmp_path, names=(), demo=True))
    service.start()
    try:
        states = {name: service.store.model(name).state for name in DEMO_MODELS}
        assert {name for name, state in states.items() if state is ModelState.OPENING} == set(STORY_MODELS)
        wait_until(lambda: set(service.jobs.warm()) == set(STORY_MODELS))
    finally:
        service.stop()


@pytest.mark.parametrize("said", [None, "ACTIVE"])
def test_models_at_work_share_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if said:
        monkeypatch.setenv("OMP_WAIT_POLICY", said)
    configuration = configure(tmp_path)
    write(tmp_path / "plugins" / "tells.py", TELLS)
    service = Service(configuration)
    service.start()
    try:
        assert service.jobs.warm() == ()  # nothing is opened that nobody asked for
        digest = service.pictures.adopt(picture(7), "7.png").digest
        job = ended(service, service.jobs.submit(JobRequest("Toy", "tells", (digest,))))
        (task,) = service.records.tasks([job.id])[job.id]
        assert task.result is not None
        assert service.store.result(task.result).panels[0]["text"] == (said or "PASSIVE")
        assert os.environ.get("OMP_WAIT_POLICY") == said  # the server's own process is left as it was
    finally:
        service.stop()
