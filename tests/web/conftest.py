"""A real server on a real port, with real worker processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from picasso.service.configuration import Configuration, SampleFolder
from picasso.web.app import create_app
from picasso.web.serve import bind

from ..service.conftest import configure, picture, wait_until

API = "/api/v1"


@contextmanager
def serving(configuration: Configuration) -> Iterator[httpx.Client]:
    """Run a server for as long as the block lasts, and give a client of it."""
    listener = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(create_app(configuration), log_level="warning", timeout_graceful_shutdown=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive())
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="package")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the server that all tests share."""
    folder = tmp_path_factory.mktemp("web")
    samples = folder / "samples"
    samples.mkdir()
    (samples / "scene.png").write_bytes(picture(123))
    configuration = configure(
        folder, names=("Toy", "Unopenable"), allow_add=True, samples=(SampleFolder(model="Toy", folder=samples),)
    )
    with serving(configuration) as made:
        yield made


@pytest.fixture
def upload(client: httpx.Client) -> Callable[[int], str]:
    """Upload a picture of a shade and return its digest."""

    def send(shade: int) -> str:
        answer = client.post(f"{API}/pictures", files={"files": (f"{shade}.png", picture(shade))})
        return str(answer.json()["pictures"][0]["digest"])

    return send


def finished(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """Wait until a job is over."""

    def over() -> bool:
        return client.get(f"{API}/jobs/{job['id']}").json()["state"] in ("done", "failed", "canceled")

    wait_until(over)
    answer: dict[str, Any] = client.get(f"{API}/jobs/{job['id']}").json()
    return answer


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, str]:
    """Check that an answer is an error of the one form, and return it."""
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    error: dict[str, str] = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == code
    assert error["message"]
    return error


def files_under(folder: Path) -> set[str]:
    """Return the files below a folder, with their times."""
    return {f"{path} {path.stat().st_mtime_ns}" for path in folder.rglob("*") if path.is_file()}
