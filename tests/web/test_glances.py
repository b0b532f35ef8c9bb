"""The API of the live page, and every bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from ..service.conftest import picture, wait_until
from .conftest import API, finished, refused

FRAME = picture(120)
QUESTION = {"model": "Toy", "visualization": "glow", "target": "red"}


def ask(client: httpx.Client, frame: bytes = FRAME, **changes: Any) -> httpx.Response:
    question = json.dumps(QUESTION | changes)
    return client.post(f"{API}/glances", files={"frame": ("frame.png", frame)}, data={"question": question})


def unpack(answer: httpx.Response) -> tuple[dict[str, Any], np.ndarray[Any, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["cache-control"] == "no-store"
    length = int.from_bytes(answer.content[:4], "little")
    assert (4 + length) % 4 == 0
    said = json.loads(answer.content[4 : 4 + length])
    return said, np.frombuffer(answer.content[4 + length :], "<f4").reshape(said["values"]["shape"])


@pytest.fixture(scope="module")
def warm(client: httpx.Client) -> httpx.Client:
    client.post(f"{API}/models/Toy/open")
    wait_until(lambda: client.get(f"{API}/models/Toy").json()["state"] == "ready")
    return client


def test_a_warm_model_answers_at_once_in_one_piece(warm: httpx.Client) -> None:
    said, values = unpack(ask(warm))
    assert said["values"] == {"dtype": "float32", "shape": [16, 16]}
    # "red" is the third class, and the plug-in's map is the brightness times one more than the class's number.
    assert values[-1].mean() == pytest.approx(3 * 120 / 255, rel=1e-3)
    assert values[0].mean() == pytest.approx(3 * 60 / 255, rel=1e-3)
    assert said["limits"] == [0, pytest.approx(float(values.max()))]
    assert (said["subject"], said["explained"], said["size"], said["sign"]) == ("red", 2, [16, 16], "unsigned")
    assert said["frame"] == {"top": 0, "left": 0, "height": 24, "width": 24}
    assert {one["label"] for one in said["classes"]} == {"dark", "bright", "red"}
    assert sum(one["probability"] for one in said["classes"]) == pytest.approx(1, abs=1e-5)
    assert said["certainty"] == "probability"
    assert said["model"] == warm.get(f"{API}/models/Toy").json()["card"]["digest"]


def test_a_busy_model_is_waited_for_and_said_so(warm: httpx.Client, upload: Callable[[int], str]) -> None:
    settings = {"steps": 45, "pause": 0.1}
    body = {"model": "Toy", "visualization": "behave", "pictures": [upload(121)], "settings": settings}
    job = warm.post(f"{API}/jobs", json=body).json()
    wait_until(lambda: warm.get(f"{API}/jobs/{job['id']}").json()["progress"]["done"] > 0)
    answer = ask(warm, viewer="one")
    assert answer.status_code == 202
    waiting = answer.json()
    assert waiting["doing"] == "Waiting until a job with this model is over"
    refused(warm.get(f"{API}/what-ifs/{waiting['id']}"), 404, "not-found")
    stopped = ask(warm).json()
    assert warm.post(f"{API}/glances/{stopped['id']}/cancel").json()["state"] == "canceled"
    refused(warm.get(f"{API}/glances/{stopped['id']}"), 409, "canceled")
    newer = ask(warm, viewer="one").json()
    refused(warm.get(f"{API}/glances/{waiting['id']}"), 409, "canceled")
    finished(warm, job)
    unpack(warm.get(f"{API}/glances/{newer['id']}?wait=5"))


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model": "nobody"}, 404, "not-found"),
        ({"visualization": "nobody"}, 404, "not-found"),
        ({"visualization": "partial-occlusion"}, 409, "not-supported"),
        ({"visualization": "class-probabilities"}, 409, "not-supported"),
        ({"target": "aircraft"}, 422, "bad-target"),
        ({"target": [1]}, 422, "bad-request"),
        ({"top": 0}, 422, "bad-request"),
        ({"channel": -1}, 422, "bad-request"),
        ({"channel": 1}, 422, "bad-settings"),
        ({"settings": {"pause": "long"}}, 422, "bad-settings"),
        ({"settings": 3}, 422, "bad-request"),
        ({"viewer": "v" * 65}, 422, "bad-request"),
        ({"code": "import os"}, 422, "bad-request"),
        ({"frame": b"nothing"}, 422, "bad-picture"),
        ({"frame": b""}, 422, "bad-picture"),
        ({"frame": bytes(4 * 2**20 + 1)}, 422, "bad-picture"),
    ],
)
def test_bad_input_is_refused_in_one_form(warm: httpx.Client, changes: dict[str, Any], status: int, code: str) -> None:
    refused(ask(warm, **changes), status, code)


def test_what_is_not_a_form_or_not_there_is_refused(warm: httpx.Client) -> None:
    refused(warm.post(f"{API}/glances", json=QUESTION), 422, "bad-request")
    refused(warm.post(f"{API}/glances", files={"frame": ("f", FRAME)}), 422, "bad-request")
    refused(warm.post(f"{API}/glances", files={"frame": ("f", FRAME)}, data={"question": "{"}), 422, "bad-request")
    refused(warm.get(f"{API}/glances/0123456789abcdef"), 404, "not-found")
    refused(warm.post(f"{API}/glances/nothing/cancel"), 404, "not-found")
    refused(warm.get(f"{API}/glances/nothing?wait=99"), 422, "bad-request")
    answer = warm.post(
        f"{API}/glances",
        files={"frame": ("f", FRAME)},
        data={"question": json.dumps(QUESTION)},
        headers={"Origin": "http://evil.example"},
    )
    refused(answer, 403, "forbidden")


def test_a_question_of_the_brush_is_no_frame(warm: httpx.Client, upload: Callable[[int], str]) -> None:
    asked = warm.post(f"{API}/what-ifs", json={"model": "Toy", "picture": upload(122)}).json()
    refused(warm.get(f"{API}/glances/{asked['id']}"), 404, "not-found")
    refused(warm.post(f"{API}/glances/{asked['id']}/cancel"), 404, "not-found")
