"""A map that sharpens in place: only its last state is kept, and what it leaves behind is cleared away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event

from picasso.core.diagram import Arc, Box, Role
from picasso.core.errors import NotFoundError
from picasso.core.panels import Drawing, FeatureMaps, NetworkGraph
from picasso.core.panels.feature_maps import ChannelMeasure
from picasso.service.artifacts import Artifacts
from picasso.service.panel_store import Replaced, keep_panel, read_drawing, read_feature_maps, read_graph
from picasso.service.records import JobRequest, State
from picasso.service.service import Service

from .conftest import configure, ended, picture, wait_until, write

SHARPEN = """
    import time
    import numpy as np
    from picasso.plugin import Heatmap, Settings, Text, Visualization

    class SharpenSettings(Settings):
        pause: float = 0.0
        fail: bool = False

    class Sharpen(Visualization[SharpenSettings]):
        '''One map, three times, each time sharper.'''

        name = "sharpen"
        title = "Sharpen"

        def run(self, ctx, sample, settings):
            for step, side in enumerate((2, 4, 8)):
                native = np.linspace(-1, 1, side * side, dtype=np.float32).reshape(side, side)
                yield Heatmap(
                    id="map-0", title="red", target="red",
                    values=np.kron(native, np.ones((16 // side,) * 2, np.float32)),
                    native=native, picture=sample.view, units="change in logit", sign="signed", limits=(-1.0, 1.0),
                    score=1.0,
                )
                yield Text(id="words", title="Words", text=f"step {step}")
                time.sleep(settings.pause)
            if settings.fail:
                raise RuntimeError("on purpose")
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("panels")
    configuration = configure(folder)
    write(folder / "plugins" / "sharpen.py", SHARPEN)
    made = Service(configuration)
    made.start()
    yield made
    made.stop()


def ask(service: Service, *shades: int, **settings: Any) -> JobRequest:
    digests = [service.pictures.adopt(picture(shade), f"{shade}.png").digest for shade in shades]
    return JobRequest(model="Toy", visualization="sharpen", pictures=tuple(digests), settings=settings)


def panels(service: Service, job: str) -> list[dict[str, Any]]:
    return [event.data["panel"] for event in service.records.events(job, 0) if event.kind == "panel"]


def files(service: Service) -> set[str]:
    return {path.name for path in Path(service.artifacts.folder).glob("??/*")}


@pytest.fixture
def no_grace(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is replaced goes at the end of its task."""
    dispatcher = service.jobs.dispatcher
    monkeypatch.setattr(dispatcher, "place", replace(dispatcher.place, grace=0.0))


@pytest.mark.usefixtures("no_grace")
@pytest.mark.parametrize("fails", [False, True])
def test_only_the_last_state_of_a_panel_is_kept(service: Service, fails: bool) -> None:
    job = service.jobs.submit(ask(service, 60 + fails, fail=fails))
    over = ended(service, job)
    assert over.state is (State.FAILED if fails else State.DONE)
    shown = panels(service, job.id)
    assert [panel["id"] for panel in shown] == ["map-0", "words"]
    assert shown[0]["native"]["shape"] == [8, 8]
    assert shown[1]["text"] == "step 2"
    # Files that nothing refers to are those of the replaced maps; none may be left.
    wait_until(lambda: files(service) <= service.store.referred_artifacts(), 5)
    assert shown[0]["values"]["artifact"] in files(service)


def test_what_a_page_was_told_of_can_still_be_read(service: Service) -> None:
    before = files(service)
    job = service.jobs.submit(ask(service, 65))
    assert ended(service, job).state is State.DONE
    replaced = files(service) - before - service.store.referred_artifacts()
    assert len(replaced) == 4  # values and native of the first two maps


def test_replaced_arrays_go_when_their_time_has_come(tmp_path: Path) -> None:
    artifacts, replaced = Artifacts(tmp_path), Replaced()
    gone, wanted = (artifacts.put(name) for name in (b"gone", b"wanted"))
    for digest in (gone, wanted):
        os.utime(artifacts.path(digest), (1, 1))
    replaced.add(artifacts, [gone, wanted, "0" * 64])
    replaced.delete(older_than=60)
    assert artifacts.get(gone) == b"gone"
    artifacts.put(b"wanted")  # by another task meanwhile
    replaced.delete(older_than=0)
    assert artifacts.get(wanted) == b"wanted"
    with pytest.raises(NotFoundError):
        artifacts.get(gone)


def test_each_state_is_told_while_it_is_the_last(service: Service) -> None:
    job = service.jobs.submit(ask(service, 70, pause=0.3))
    seen: list[int] = []

    def sharp() -> bool:
        sides = [panel["native"]["shape"][0] for panel in panels(service, job.id) if panel["kind"] == "heatmap"]
        assert len(sides) <= 1
        seen.extend(side for side in sides if side not in seen)
        return service.records.job(job.id).state.over

    wait_until(sharp)
    assert seen == [2, 4, 8]


def test_what_another_result_holds_is_left(service: Service) -> None:
    first = ended(service, service.jobs.submit(ask(service, 80)))
    kept = panels(service, first.id)[0]
    # The same picture under another seed: the same arrays, the last ones of which were there before.
    request = ask(service, 80)
    ended(service, service.jobs.submit(JobRequest(**(vars(request) | {"seed": 1}))))
    for name in ("values", "native", "picture"):
        assert service.artifacts.get_array(kept[name]["artifact"]).shape == tuple(kept[name]["shape"])


def statements(service: Service, request: JobRequest) -> int:
    """Return how many statements a job takes whose results are all stored."""
    counted: list[str] = []

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        counted.append(statement)

    engine = service.database._reader
    event.listen(engine, "before_cursor_execute", count)
    try:
        job = service.jobs.submit(request)
    finally:
        event.remove(engine, "before_cursor_execute", count)
    assert job.state is State.DONE
    assert job.attempts == 0
    return len(counted)


def test_a_stored_job_takes_as_many_statements_for_many_pictures_as_for_one(service: Service) -> None:
    shades = tuple(range(100, 130))
    ended(service, service.jobs.submit(ask(service, *shades)))
    one = statements(service, ask(service, shades[0]))
    many = statements(service, ask(service, *shades))
    assert many == one <= 12


def test_kept_channels_come_back_as_they_were(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    panel = FeatureMaps(
        id="channels",
        title="t",
        values=random.normal(size=(4, 3, 5)).astype(np.float32),
        picture=random.integers(0, 256, (6, 10, 3)).astype(np.uint8),
        layer="conv1",
        units="activation",
        sign="signed",
        limits=(-2.0, 2.0),
        measures=(ChannelMeasure("strength", "Strength", "mean size", np.array([1, np.nan, 3, 0], np.float32)),),
        order="strength",
        sheet=3,
    )
    artifacts = Artifacts(tmp_path)
    again = read_feature_maps(keep_panel(panel, artifacts)[0], artifacts)
    assert (again.limits, again.order, again.layer) == (panel.limits, panel.order, panel.layer)
    np.testing.assert_array_equal(again.values, panel.values)
    np.testing.assert_array_equal(again.measures[0].values, panel.measures[0].values)
    assert again.contact_sheet().tobytes() == panel.contact_sheet().tobytes()


def test_kept_graphs_and_drawings_come_back_as_they_were(tmp_path: Path) -> None:
    artifacts = Artifacts(tmp_path)
    boxes = (
        Box("input", "input", "input", Role.INPUT, (8, 8, 3), "", None, None, -1, 1, -1),
        Box("stem", "stem", "Sequential", Role.BLOCK, (4, 4, 6), "stem", 12, 34, -1, 2, -1, 1, True),
        Box("stem.conv", "conv", "Conv2d", Role.CONV, (4, 4, 6), "stem.conv", 12, 34, 1, 1, 0),
    )
    graph = NetworkGraph(
        id="graph",
        title="t",
        caption="c",
        boxes=boxes,
        arcs=(Arc(-1, 0, 1), Arc(1, 1, 2, 1)),
        elsewhere=5,
        notes=("n",),
    )
    again = read_graph(keep_panel(graph, artifacts)[0])
    assert vars(again) == vars(graph)
    assert again.files() == graph.files()
    drawing = Drawing(id="d", title="t", svg="<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert vars(read_drawing(keep_panel(drawing, artifacts)[0])) == vars(drawing)
