"""The API of films, and every bad input."""

from __future__ import annotations

import io
import json
from typing import Any

import av
import httpx
import pytest

from ..service.test_films import video
from .conftest import API, finished, refused

QUESTION = {"model": "Toy", "visualization": "glow", "target": "red"}


def send(client: httpx.Client, data: bytes, name: str = "a drive.mp4", **changes: Any) -> httpx.Response:
    question = json.dumps(QUESTION | changes)
    return client.post(f"{API}/films", files={"video": (name, data)}, data={"question": question})


def test_a_video_is_sent_and_a_film_is_downloaded(client: httpx.Client) -> None:
    answer = send(client, video(), every=2)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["video"], job["film"]) == ({"name": "a drive.mp4", "channel": None, "every": 2}, None)
    job = finished(client, job)
    assert job["state"] == "done", job["error"]
    film = job["film"]
    assert (film["frames"], film["notes"]) == (2, [])
    downloaded = client.get(film["film"])
    assert downloaded.headers["content-type"] == "video/mp4"
    assert downloaded.headers["content-disposition"] == "attachment; filename*=UTF-8''a%20drive.glow.mp4"
    with av.open(io.BytesIO(downloaded.content)) as container:
        assert len(list(container.decode(video=0))) == 2
    assert client.get(film["document"]).json()["every"] == 2
    assert len(client.get(film["table"]).text.splitlines()) == 1 + 2 * 3
    assert client.get(f"{API}/films").json()["films"] == [job]
    assert client.get(f"/jobs/{job['id']}", headers={"Accept": "text/html"}).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model": "nobody"}, 404, "not-found"),
        ({"visualization": "nobody"}, 404, "not-found"),
        ({"target": [1]}, 422, "bad-request"),
        ({"every": 0}, 422, "bad-request"),
        ({"settings": {"pause": "long"}}, 422, "bad-settings"),
        ({"code": "import os"}, 422, "bad-request"),
    ],
)
def test_bad_input_is_refused_in_one_form(
    client: httpx.Client, changes: dict[str, Any], status: int, code: str
) -> None:
    refused(send(client, b"anything", **changes), status, code)


def test_what_is_no_form_or_no_film_is_refused(client: httpx.Client) -> None:
    refused(client.post(f"{API}/films", json=QUESTION), 422, "bad-request")
    refused(client.post(f"{API}/films", files={"video": ("a.mp4", b"x")}), 422, "bad-request")
    refused(client.get(f"{API}/films/nothing/export?format=mp4"), 404, "not-found")
    refused(client.get(f"{API}/films/nothing/export?format=exe"), 422, "bad-request")
    other = client.get(f"{API}/jobs").json()["jobs"]
    for job in [one for one in other if one["video"] is None][:1]:
        refused(client.get(f"{API}/films/{job['id']}/export?format=mp4"), 404, "not-found")
