"""The API of data sets and audits, and every bad input."""

from __future__ import annotations

import io
import socket
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from ..service.conftest import configure, wait_until
from .conftest import API, finished, refused, serving

TOGETHER = 70


def draw(folder: Path, count: int = TOGETHER) -> Path:
    """Draw dark and bright noise with a square of the same look in it, and masks of the square."""
    rng = np.random.default_rng(1)
    for label, light in (("dark", 60), ("bright", 190)):
        for number in range(count // 2):
            pixels = np.clip(light + rng.integers(-20, 20, (24, 24, 3)), 0, 255).astype(np.uint8)
            mask = np.zeros((24, 24), np.uint8)
            mask[8:15, 9:16] = 255
            pixels[8:15, 9:16] = (200, 90, 40)
            for kind, image in (("", pixels), ("masks/", mask)):
                place = folder / f"{kind}{label}" / f"{number:02d}.png"
                place.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(place)
    return folder


@pytest.fixture(scope="module")
def shades(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a data set whose brightness gives the class away."""
    answer = client.post(f"{API}/datasets", json={"path": str(draw(tmp_path_factory.mktemp("sets") / "shades"))})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["name"])


@pytest.fixture(scope="module")
def audited(client: httpx.Client, shades: str) -> dict[str, Any]:
    """The job of an audit that is done, and the audit."""
    started = client.post(f"{API}/audits", json={"model": "Toy", "dataset": shades})
    assert started.status_code == 202, started.text
    job = finished(client, started.json())
    assert job["state"] == "done", job["error"]
    return {"job": job, "audit": client.get(f"{API}/audits/{job['audit']}").json()}


def test_a_data_set_is_listed_and_described(client: httpx.Client, shades: str) -> None:
    assert shades == "shades"
    listed = client.get(f"{API}/datasets").json()["datasets"]
    assert next(one for one in listed if one["name"] == shades)["added"]
    client.post(f"{API}/models/Toy/open")
    wait_until(lambda: client.get(f"{API}/models/Toy").json()["state"] == "ready")
    found = client.get(f"{API}/datasets/{shades}?model=Toy").json()
    assert (found["pictures"], found["objects"], found["least"]) == (TOGETHER, TOGETHER, 64)
    assert [(one["name"], one["pictures"]) for one in found["classes"]] == [("bright", 35), ("dark", 35)]
    assert [one["label"] for one in found["classes"]] == ["bright", "dark"]
    assert client.get(f"{API}/datasets/{shades}").json()["classes"][0]["label"] is None
    assert {"name": "object-swap", "title": "The object", "role": "object", "needs": ["object"]} in found[
        "interventions"
    ]


def test_an_audit_says_what_was_found(client: httpx.Client, audited: dict[str, Any]) -> None:
    found, job = audited["audit"], audited["job"]
    assert job["dataset"] == "shades"
    assert job["settings"] == {"match": None, "limit": None, "confirmed": {}}
    assert found["outcome"] == found["document"]["verdict"]["outcome"] == "wrong-reason"
    assert found["headline"].startswith("WRONG REASON: ")
    assert (found["pictures"], found["asked"]["seed"]) == (TOGETHER, 0)
    image = found["pairs"][0]["after"]
    assert client.get(f"{image['url']}.png").headers["content-type"] == "image/png"
    digest = found["shown"][found["pairs"][0]["name"]]
    assert client.get(f"{API}/pictures/{digest}/thumbnail").status_code == 200
    assert found["key"] in [one["key"] for one in client.get(f"{API}/audits").json()["audits"]]
    assert client.get(found["page"]).status_code == 200
    assert client.get(f"/jobs/{job['id']}").status_code == 200
    assert client.get("/audit").status_code == 200


def test_its_progress_names_its_stages(client: httpx.Client, audited: dict[str, Any]) -> None:
    with client.stream("GET", audited["job"]["events"]) as stream:
        said = "".join(stream.iter_text())
    assert "event: end" in said
    assert '"state": "done"' in said


def test_the_same_is_found_again(client: httpx.Client, audited: dict[str, Any]) -> None:
    again = finished(client, client.post(f"{API}/audits", json={"model": "Toy", "dataset": "shades"}).json())
    assert again["audit"] == audited["job"]["audit"]
    assert client.get(f"{API}/audits/{again['audit']}").json()["created"] == audited["audit"]["created"]


def test_classes_are_matched_by_hand(client: httpx.Client, audited: dict[str, Any]) -> None:
    body = {"model": "Toy", "dataset": "shades", "match": {"bright": "red", "dark": "dark"}}
    job = finished(client, client.post(f"{API}/audits", json=body).json())
    assert job["state"] == "done", job["error"]
    found = client.get(f"{API}/audits/{job['audit']}").json()
    assert found["asked"]["match"] == body["match"]
    assert found["key"] != audited["audit"]["key"]
    assert client.delete(f"{API}/audits/{found['key']}").status_code == 204
    refused(client.get(f"{API}/audits/{found['key']}"), 404, "not-found")


@pytest.mark.parametrize(
    ("form", "kind", "begins"),
    [
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("json", "application/json", b"{"),
        ("npz", "application/octet-stream", b"PK"),
        ("csv", "text/csv; charset=utf-8", b"picture,class,answer,moved"),
        ("zip", "application/zip", b"PK"),
    ],
)
def test_it_is_downloaded_and_never_shown_as_a_page(
    client: httpx.Client, audited: dict[str, Any], form: str, kind: str, begins: bytes
) -> None:
    answer = client.get(audited["audit"]["exports"][form])
    assert answer.headers["content-type"] == kind
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.content.startswith(begins)


def test_an_archive_becomes_a_data_set(client: httpx.Client, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(draw(tmp_path / "sent", 4).rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "sent"))
    added = client.post(f"{API}/datasets/archives", files={"file": ("few.zip", buffer.getvalue())})
    assert added.status_code == 201, added.text
    assert added.json()["name"] == "few"
    assert client.get(f"{API}/datasets/few").json()["pictures"] == 4
    job = finished(client, client.post(f"{API}/audits", json={"model": "Toy", "dataset": "few"}).json())
    assert job["error"]["code"] == "bad-dataset"
    assert client.delete(f"{API}/datasets/few").status_code == 204
    refused(client.get(f"{API}/datasets/few"), 404, "not-found")


def begun(client: httpx.Client, name: str) -> socket.socket:
    """Begin to send an archive under a name: the head of the request, and nothing of the archive."""
    address = client.base_url
    connection = socket.create_connection((address.host, address.port or 80), timeout=20)
    head = (
        f"POST {API}/datasets/archives?name={name} HTTP/1.1",
        f"Host: {address.host}:{address.port}",
        "Content-Type: multipart/form-data; boundary=edge",
        "Content-Length: 1000000000",
    )
    connection.sendall("\r\n".join((*head, "", "")).encode())
    return connection


def test_a_taken_name_is_refused_before_the_archive_is_sent(client: httpx.Client, shades: str) -> None:
    with begun(client, shades) as connection:
        answer = b""
        while b"}}" not in answer:
            more = connection.recv(4096)
            assert more, answer
            answer += more
    assert b"409" in answer.splitlines()[0]
    assert f"There is a data set '{shades}' already.".encode() in answer


def test_of_two_archives_of_one_name_the_second_is_refused_at_once(client: httpx.Client, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path in sorted(draw(tmp_path / "sent", 4).rglob("*.png")):
            archive.write(path, path.relative_to(tmp_path / "sent"))

    def send() -> httpx.Response:
        body = {"file": ("any.zip", buffer.getvalue())}
        return client.post(f"{API}/datasets/archives", params={"name": "my v1.2"}, files=body)

    def refused_it() -> bool:
        with begun(client, "my%20v1.2"):
            time.sleep(0.2)
            answer = send()
        if answer.status_code == 201:  # the first has not arrived in time
            client.delete(f"{API}/datasets/my v1.2")
        return answer.status_code == 409 and "is being sent already" in answer.text

    wait_until(refused_it)
    wait_until(lambda: send().status_code == 201)  # the first was broken off
    assert client.get(f"{API}/datasets/my v1.2").json()["pictures"] == 4
    assert client.delete(f"{API}/datasets/my v1.2").status_code == 204


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"model": "nobody"}, 404, "not-found"),
        ({"dataset": "nothing"}, 404, "not-found"),
        ({"dataset": None}, 422, "bad-request"),
        ({"limit": 0}, 422, "bad-request"),
        ({"seed": -1}, 422, "bad-request"),
        ({"match": {"dark": "horse"}}, 422, "bad-settings"),
        ({"match": ["dark"]}, 422, "bad-request"),
        ({"confirmed": ["region-1"]}, 422, "bad-request"),
        ({"code": "import os"}, 422, "bad-request"),
    ],
)
def test_bad_input_is_refused_in_one_form(
    client: httpx.Client, audited: dict[str, Any], changes: dict[str, Any], status: int, code: str
) -> None:
    refused(client.post(f"{API}/audits", json={"model": "Toy", "dataset": "shades"} | changes), status, code)


def test_what_is_not_there_is_said(client: httpx.Client, audited: dict[str, Any], tmp_path: Path) -> None:
    refused(client.get(f"{API}/audits/nothing"), 404, "not-found")
    refused(client.delete(f"{API}/audits/nothing"), 404, "not-found")
    refused(client.get(f"{API}/audits/nothing/export?format=html"), 404, "not-found")
    refused(client.get(f"{audited['audit']['exports']['html']}5"), 422, "bad-request")
    refused(client.get(f"{API}/datasets/nothing"), 404, "not-found")
    refused(client.delete(f"{API}/datasets/nothing"), 404, "not-found")
    refused(client.post(f"{API}/datasets", json={"path": str(tmp_path / "nothing")}), 422, "bad-dataset")
    refused(client.post(f"{API}/datasets", json={"path": ""}), 422, "bad-request")
    refused(client.post(f"{API}/datasets/archives", files={"file": ("words.zip", b"words")}), 422, "bad-dataset")
    refused(client.post(f"{API}/datasets/archives", data={"file": "words"}), 422, "bad-request")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert client.post(f"{API}/datasets", json={"path": str(empty)}).status_code == 201
    refused(client.get(f"{API}/datasets/empty"), 422, "bad-dataset")
    assert client.delete(f"{API}/datasets/empty").status_code == 204
    assert client.get("/audits/nothing").status_code == 404


def test_pages_add_data_sets_only_where_they_may(tmp_path: Path) -> None:
    with serving(configure(tmp_path)) as client:
        refused(client.post(f"{API}/datasets", json={"path": str(tmp_path)}), 403, "forbidden")
        refused(client.post(f"{API}/datasets/archives", files={"file": ("a.zip", b"PK")}), 403, "forbidden")
        refused(client.delete(f"{API}/datasets/demo"), 403, "forbidden")
        assert client.get(f"{API}/datasets").json() == {"datasets": []}
