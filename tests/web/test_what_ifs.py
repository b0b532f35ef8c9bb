"""The API of the what-if brush, and every bad input."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ..service.conftest import wait_until
from .conftest import API, finished, refused

Upload = Callable[[int], str]
EDIT = {"height": 16, "width": 16, "paints": [{"fill": "black", "runs": [0, 128]}]}


@pytest.fixture
def asked(client: httpx.Client, upload: Upload) -> dict[str, Any]:
    """A question to an open model."""
    client.post(f"{API}/models/Toy/open")
    wait_until(lambda: client.get(f"{API}/models/Toy").json()["state"] == "ready")
    return {"model": "Toy", "picture": upload(120), "edit": EDIT, "target": ["red"]}


def test_a_warm_model_answers_at_once(client: httpx.Client, asked: dict[str, Any]) -> None:
    client.post(f"{API}/what-ifs", json=asked)
    started = time.monotonic()
    answer = client.post(f"{API}/what-ifs", json=asked)
    assert answer.status_code == 200, answer.text
    assert time.monotonic() - started < 30
    found = answer.json()
    assert (found["state"], found["doing"], found["error"]) == ("done", "", None)
    reply = found["reply"]
    assert (reply["height"], reply["width"], reply["painted"], reply["looks"]) == (16, 16, 128, None)
    first = reply["moved"][0]
    assert (first["label"], first["asked"], first["units"]) == ("red", True, "logit")
    assert first["score"][1] < first["score"][0]
    assert {one["label"] for one in reply["moved"]} == {"dark", "bright", "red"}
    assert client.get(f"{API}/what-ifs/{found['id']}").json() == found
    assert client.post(f"{API}/what-ifs/{found['id']}/cancel").json() == found


def test_no_edit_is_the_unpainted_picture(client: httpx.Client, asked: dict[str, Any]) -> None:
    reply = client.post(f"{API}/what-ifs", json=asked | {"edit": None, "looks": True}).json()["reply"]
    assert reply["painted"] == 0
    assert all(one["score"][0] == one["score"][1] for one in reply["moved"])
    assert reply["looks"]["picture"].startswith("data:image/png;base64,")


def test_behind_a_long_job_it_is_answered_202_and_later(client: httpx.Client, asked: dict[str, Any]) -> None:
    settings = {"steps": 25, "pause": 0.1, "text": "long"}
    body = {"model": "Toy", "visualization": "behave", "pictures": [asked["picture"]], "settings": settings}
    job = client.post(f"{API}/jobs", json=body).json()
    wait_until(lambda: client.get(f"{API}/jobs/{job['id']}").json()["progress"]["done"] > 0)
    answer = client.post(f"{API}/what-ifs", json=asked)
    assert answer.status_code == 202
    waiting = answer.json()
    assert (waiting["state"], waiting["reply"]) == ("queued", None)
    assert waiting["doing"] == "Waiting until a job with this model is over"
    other = client.post(f"{API}/what-ifs", json=asked).json()
    assert client.post(f"{API}/what-ifs/{other['id']}/cancel").json()["state"] == "canceled"
    finished(client, job)
    assert client.get(f"{API}/what-ifs/{waiting['id']}?wait=5").json()["state"] == "done"


def test_a_model_that_does_not_open_says_why(client: httpx.Client, asked: dict[str, Any]) -> None:
    answer = client.post(f"{API}/what-ifs", json=asked | {"model": "Unopenable"})
    if answer.status_code == 202:
        found = client.get(f"{API}/what-ifs/{answer.json()['id']}?wait=5").json()
        wait_until(lambda: client.get(f"{API}/what-ifs/{found['id']}").json()["state"] == "failed")
        assert client.get(f"{API}/what-ifs/{found['id']}").json()["error"]["code"] == "bad-model"
    else:
        refused(answer, 422, "bad-model")


def paint(**changes: Any) -> dict[str, Any]:
    return {"edit": EDIT | {"paints": [{"fill": "black", "runs": [0, 1]} | changes]}}


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model": "nobody"}, 404, "not-found"),
        ({"picture": "0" * 64}, 404, "not-found"),
        ({"picture": "../../etc/passwd"}, 404, "not-found"),
        ({"target": ["aircraft"]}, 422, "bad-target"),
        ({"target": ["red"] * 101}, 422, "bad-request"),
        ({"at": "1,1"}, 422, "bad-target"),
        ({"top": 0}, 422, "bad-request"),
        ({"code": "import os"}, 422, "bad-request"),
        ({"edit": "black"}, 422, "bad-request"),
        ({"edit": EDIT | {"height": 8}}, 422, "bad-edit"),
        ({"edit": EDIT | {"height": 10**9}}, 422, "bad-request"),
        ({"edit": EDIT | {"height": 16.5}}, 422, "bad-request"),
        ({"edit": EDIT | {"paints": [{"fill": "black", "runs": []}] * 256}}, 422, "bad-request"),
        (paint(fill="pink"), 422, "bad-request"),
        (paint(fill="uniform"), 422, "bad-request"),
        (paint(color="#fff"), 422, "bad-request"),
        (paint(runs=[0]), 422, "bad-edit"),
        (paint(runs=[0, 0]), 422, "bad-edit"),
        (paint(runs=[-4, 4]), 422, "bad-edit"),
        (paint(runs=[250, 7]), 422, "bad-edit"),
        (paint(runs=[5, 2, 3, 1]), 422, "bad-edit"),
        (paint(runs=[0, 10**40]), 422, "bad-request"),
        (paint(runs=["0", "1"]), 422, "bad-request"),
        (paint(runs=[0, True]), 422, "bad-request"),
        (paint(right=3), 422, "bad-edit"),
        (paint(fill="clone", right=16), 422, "bad-edit"),
        (paint(fill="clone", right=-1), 422, "bad-edit"),
    ],
)
def test_bad_input_is_refused_in_one_form(
    client: httpx.Client, asked: dict[str, Any], changes: dict[str, Any], status: int, code: str
) -> None:
    refused(client.post(f"{API}/what-ifs", json=asked | changes), status, code)


def test_what_is_not_json_or_not_there_is_refused(client: httpx.Client, asked: dict[str, Any]) -> None:
    refused(
        client.post(f"{API}/what-ifs", content=b"\xff", headers={"Content-Type": "application/json"}),
        422,
        "bad-request",
    )
    refused(client.get(f"{API}/what-ifs/0123456789abcdef"), 404, "not-found")
    refused(client.post(f"{API}/what-ifs/nothing/cancel"), 404, "not-found")
    refused(client.get(f"{API}/what-ifs/nothing?wait=99"), 422, "bad-request")
    refused(client.post(f"{API}/what-ifs", json=asked, headers={"Origin": "http://evil.example"}), 403, "forbidden")
