"""The API of comparisons, what it says of maps, and every bad input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from .conftest import API, finished, refused

Upload = Callable[[int], str]
METHOD = {"name": "partial-occlusion", "settings": {"window": "8px"}}


@pytest.fixture(scope="module")
def measured(client: httpx.Client) -> dict[str, Any]:
    """A result whose map was measured, the job that did it, and the comparison."""
    from ..service.conftest import picture

    answer = client.post(f"{API}/pictures", files={"files": ("77.png", picture(77))})
    digest = answer.json()["pictures"][0]["digest"]
    body = {"model": "Toy", "visualization": METHOD["name"], "settings": METHOD["settings"], "pictures": [digest]}
    key = finished(client, client.post(f"{API}/jobs", json=body).json())["tasks"][0]["result"]
    before = client.get(f"{API}/results/{key}").json()
    started = client.post(f"{API}/results/{key}/comparison")
    assert started.status_code == 202
    job = finished(client, started.json())
    assert job["state"] == "done", job["error"]
    comparison = client.get(f"{API}/comparisons/{job['comparison']}").json()
    return {"key": key, "before": before, "job": job, "comparison": comparison, "picture": digest}


def test_a_result_says_that_its_map_is_untested(measured: dict[str, Any]) -> None:
    before = measured["before"]
    assert before["document"]["tested"] == {"standing": "untested", "similarity": None, "sentence": "untested"}
    assert (before["comparison"], before["measuring"]) == (None, None)


def test_the_card_is_kept_with_the_result(client: httpx.Client, measured: dict[str, Any]) -> None:
    now = client.get(f"{API}/results/{measured['key']}").json()
    assert now["comparison"] == measured["comparison"]["key"]
    again = client.post(f"{API}/results/{measured['key']}/comparison")
    assert again.status_code == 200
    assert again.json()["comparison"] == measured["comparison"]["key"]
    assert measured["job"]["methods"][0]["name"] == "partial-occlusion"
    assert measured["job"]["methods"][0]["settings"]["window"] == "8px"


def test_a_comparison_shows_cards_and_maps(client: httpx.Client, measured: dict[str, Any]) -> None:
    found = measured["comparison"]
    assert found["titles"] == ["Partial occlusion"]
    card = found["document"]["cards"][0]
    assert card["untested"] == "Not testable: function models do not show their parameters."
    assert card["gain"]["pictures"] == 1
    (shown,) = found["shown"]
    assert [one["name"] for one in shown["maps"]] == ["partial-occlusion", "sobel", "gaussian", "noise"]
    for image in (shown["view"], shown["maps"][0]["image"]):
        answer = client.get(f"{image['url']}.png")
        assert answer.headers["content-type"] == "image/png"
        raw = np.frombuffer(client.get(image["url"]).content, np.uint8)
        assert raw.size == np.prod(image["shape"])
    assert found["key"] in [one["key"] for one in client.get(f"{API}/comparisons").json()["comparisons"]]
    assert client.get(found["page"]).status_code == 200


@pytest.mark.parametrize(
    ("form", "kind", "begins"),
    [
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("json", "application/json", b"{"),
        ("npz", "application/octet-stream", b"PK"),
    ],
)
def test_it_is_downloaded_and_never_shown_as_a_page(
    client: httpx.Client, measured: dict[str, Any], form: str, kind: str, begins: bytes
) -> None:
    answer = client.get(measured["comparison"]["exports"][form])
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.content.startswith(begins)


def test_a_result_without_a_map_is_not_measured(client: httpx.Client, measured: dict[str, Any]) -> None:
    body = {"model": "Toy", "visualization": "class-probabilities", "pictures": [measured["picture"]]}
    key = finished(client, client.post(f"{API}/jobs", json=body).json())["tasks"][0]["result"]
    assert "tested" not in client.get(f"{API}/results/{key}").json()["document"]
    refused(client.post(f"{API}/results/{key}/comparison"), 409, "not-supported")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model": "nobody"}, 404, "not-found"),
        ({"methods": []}, 422, "bad-request"),
        ({"methods": ["partial-occlusion"]}, 422, "bad-request"),
        ({"methods": [METHOD] * 41}, 422, "bad-request"),
        ({"methods": [{"name": "nothing"}]}, 404, "not-found"),
        ({"methods": [{"name": "behave"}]}, 409, "not-supported"),
        ({"methods": [{"name": "grad-cam"}]}, 409, "not-supported"),
        ({"methods": [METHOD | {"settings": {"windw": 3}}]}, 422, "bad-settings"),
        ({"pictures": []}, 422, "bad-request"),
        ({"pictures": ["../../etc/passwd"]}, 404, "not-found"),
        ({"target": "aircraft"}, 422, "bad-target"),
        ({"target": ["red"]}, 422, "bad-request"),
        ({"at": "1,1"}, 422, "bad-target"),
        ({"seed": -1}, 422, "bad-request"),
        ({"code": "import os"}, 422, "bad-request"),
    ],
)
def test_bad_input_is_refused_in_one_form(
    client: httpx.Client, measured: dict[str, Any], changes: dict[str, Any], status: int, code: str
) -> None:
    asked = {"model": "Toy", "methods": [METHOD], "pictures": [measured["picture"]]}
    refused(client.post(f"{API}/comparisons", json=asked | changes), status, code)


def test_what_is_not_there_is_said(client: httpx.Client, measured: dict[str, Any]) -> None:
    refused(client.get(f"{API}/comparisons/nothing"), 404, "not-found")
    refused(client.delete(f"{API}/comparisons/nothing"), 404, "not-found")
    refused(client.get(f"{API}/comparisons/nothing/export?format=html"), 404, "not-found")
    refused(client.post(f"{API}/results/nothing/comparison"), 404, "not-found")
    refused(client.get(f"{measured['comparison']['exports']['html']}5"), 422, "bad-request")
    assert client.get("/comparisons/nothing").status_code == 404


def test_several_pictures_are_compared_and_deleted(client: httpx.Client, upload: Upload) -> None:
    asked = {"model": "Toy", "methods": [METHOD], "pictures": [upload(11), upload(12)], "target": "red"}
    job = finished(client, client.post(f"{API}/comparisons", json=asked).json())
    assert job["state"] == "done", job["error"]
    assert all(task["state"] == "done" for task in job["tasks"])
    address = f"{API}/comparisons/{job['comparison']}"
    found = client.get(address).json()
    assert {one["target"] for one in found["document"]["pictures"]} == {"red"}
    assert found["document"]["cards"][0]["gain"]["low"] is not None
    assert client.delete(address).status_code == 204
    refused(client.get(address), 404, "not-found")
