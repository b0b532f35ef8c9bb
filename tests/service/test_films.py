"""Jobs that lay maps over a video, with real worker processes."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import picasso
from picasso.core import errors
from picasso.service.records import FilmRequest, JobRecord, State, VideoRecord
from picasso.service.service import Service

from .conftest import configure, ended, wait_until


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    made = Service(configure(tmp_path_factory.mktemp("films"), names=("Toy",)))
    made.start()
    yield made
    made.stop()


def video(count: int = 4) -> bytes:
    """A light that grows."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("mpeg4", rate=10)
        stream.height = stream.width = 32
        for step in range(count):
            pixels = np.full((32, 32, 3), 40 + 20 * step % 200, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def begin(service: Service, data: bytes, **more: Any) -> JobRecord:
    record = VideoRecord("", "drive.mp4", more.pop("channel", None), more.pop("every", 1))
    request = FilmRequest("Toy", more.pop("visualization", "glow"), record, **more)
    return service.jobs.film(request, io.BytesIO(data))


def test_a_film_comes_out_with_its_numbers(service: Service, tmp_path: Path) -> None:
    job = ended(service, begin(service, video(), target="red", every=2))
    assert job.state is State.DONE, job.error
    assert job.film is not None
    assert (job.film.frames, job.film.notes) == (2, ())
    document = json.loads(service.artifacts.get(job.film.document))
    assert document["video"]["name"] == "drive.mp4"
    assert service.artifacts.get(job.film.table).startswith(b"frame,seconds,map_of,score,rank,class,label,probability")
    with av.open(io.BytesIO(service.artifacts.get(job.film.film))) as film:
        assert len(list(film.decode(video=0))) == 2
    # The numbers are those of Python.
    (tmp_path / "drive.mp4").write_bytes(video())
    model = picasso.load_model(service.model("Toy").record.specification["source"])
    from picasso.core import registry
    from picasso.core.video.filming import film_video

    entry = registry.visualization("glow", service.configuration.plugins)
    settings = entry.load().settings_type()
    out = tmp_path / "out.mp4"
    here = film_video(model, tmp_path / "drive.mp4", entry, settings, out=out, target="red", every=2)
    assert json.loads(json.dumps(here.document())) == document
    # It leaves no folder behind, and its files are those that a sweep keeps.
    assert not [path for path in service.place.audits.iterdir() if path.is_dir()]
    assert job.video is not None
    kept = {job.video.digest, job.film.film, job.film.document, job.film.table}
    assert kept <= service.store.referred_artifacts()
    again = ended(service, begin(service, video(), settings={"steps": 2}))  # of the same video another film
    service.jobs.delete(job.id)
    assert not service.artifacts.path(job.film.document).exists()
    assert service.artifacts.path(job.video.digest).is_file()
    service.jobs.delete(again.id)
    assert not service.artifacts.path(job.video.digest).exists()


def test_a_canceled_one_stops_and_its_worker_lives_on(service: Service) -> None:
    first = ended(service, begin(service, video(2)))
    slow = begin(service, video(40), settings={"pause": 0.05})
    wait_until(lambda: service.records.job(slow.id).done > 1)
    service.jobs.cancel(slow.id)
    over = ended(service, slow)
    assert (over.state, over.film) == (State.CANCELED, None)
    assert service.records.filmed(1, "Toy", "glow")[0].id == slow.id
    assert service.records.filmed(9, "Toy", "grad-cam") == []
    wait_until(lambda: not [path for path in service.place.audits.iterdir() if path.is_dir()])
    again = ended(service, begin(service, video(2)))
    assert again.process == first.process


def test_what_is_no_video_fails_the_job_by_the_name_that_it_was_sent_under(service: Service) -> None:
    job = ended(service, begin(service, b"la la la" * 99))
    assert job.error is not None
    assert (job.error.code, job.error.message.startswith("drive.mp4 is no video that can be read")) == (
        "bad-picture",
        True,
    )


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"visualization": "nothing"}, errors.NotFoundError),
        ({"visualization": "grad-cam"}, errors.NotSupportedError),
        ({"settings": {"pause": "long"}}, errors.SettingsError),
        ({"target": "aircraft"}, errors.TargetError),
        ({"visualization": "behave"}, errors.NotSupportedError),
    ],
)
def test_what_does_not_fit_is_refused_at_once(
    service: Service, changes: dict[str, Any], error: type[Exception]
) -> None:
    ended(service, begin(service, video(1)))  # the model's card is there
    with pytest.raises(error):
        begin(service, video(1), **changes)
