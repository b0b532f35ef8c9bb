"""The server as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from picasso.core.errors import ConfigurationError
from picasso.service.configuration import DatasetSpecification
from picasso.web.serve import bind, serve

from ..service.conftest import configure, picture, wait_until
from .conftest import API, serving

PROGRAM = """
import json, sys, time
if __name__ == "__main__":
    from picasso.service.configuration import Configuration
    from picasso.web.serve import serve

    def ready(url):
        print(json.dumps({"url": url, "seconds": time.process_time()}), flush=True)

    serve(Configuration.model_validate_json(sys.argv[1]), False, ready)
    frameworks = ("torch", "keras", "tensorflow", "jax", "onnxruntime", "alembic", "scipy", "skimage", "sklearn")
    print(json.dumps([n for n in sys.modules if n.split(".")[0] in frameworks or n.startswith("picasso.models")
                      or n.startswith("picasso.visualizations") or n.startswith("picasso_plugins")]), flush=True)
"""


@contextmanager
def program(folder: Path, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], dict[str, object]]]:
    file = folder / "program.py"
    file.write_text(PROGRAM, "utf-8")
    for label in ("dark", "bright"):
        place = folder / "set" / label / "1.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture(9))
    datasets = (DatasetSpecification(path=str(folder / "set")),)
    configuration = configure(folder, port=port, datasets=datasets).model_dump_json()
    with subprocess.Popen([sys.executable, file, configuration], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


def descendants(process: int) -> list[int]:
    """Its children, theirs, and so on: workers are forked from a process of the server's."""
    found = Path(f"/proc/{process}/task/{process}/children")
    own = [int(pid) for pid in found.read_text().split()] if found.exists() else []
    return [*own, *(one for child in own for one in descendants(child))]


def run_a_job(client: httpx.Client, **settings: object) -> str:
    digest = client.post(f"{API}/pictures", files={"f": picture(5)}).json()["pictures"][0]["digest"]
    body = {"model": "Toy", "visualization": "behave", "pictures": [digest], "settings": settings}
    return str(client.post(f"{API}/jobs", json=body).json()["id"])


def test_it_starts_quickly_imports_no_framework_and_ends_in_order(tmp_path: Path) -> None:
    with program(tmp_path) as (process, said):
        assert float(str(said["seconds"])) < 2.5  # about 1 on an idle computer
        with httpx.Client(base_url=str(said["url"])) as client:
            job = run_a_job(client)
            wait_until(lambda: client.get(f"{API}/jobs/{job}").json()["state"] == "done")
            assert client.get(f"{API}/datasets/set").json()["pictures"] == 2
            audit = client.post(f"{API}/audits", json={"model": "Toy", "dataset": "set"}).json()["id"]
            wait_until(lambda: client.get(f"{API}/jobs/{audit}").json()["state"] == "failed")  # it is too small
            endless = run_a_job(client, steps=100000, pause=0.05)
            with client.stream("GET", f"{API}/jobs/{endless}/events") as stream:
                lines = stream.iter_lines()
                next(lines)
                started = time.monotonic()
                process.send_signal(signal.SIGINT)
                for _ in lines:
                    pass
        process.wait(10)
        assert time.monotonic() - started < 8
        assert process.stdout is not None
        assert json.loads(process.stdout.read()) == []


def test_workers_end_with_a_server_that_is_killed(tmp_path: Path) -> None:
    with program(tmp_path) as (process, said):
        with httpx.Client(base_url=str(said["url"])) as client:
            job = run_a_job(client, act="sleep", once=str(tmp_path / "once"))
            wait_until((tmp_path / "once").exists)
            workers = descendants(process.pid)
            process.kill()
            process.wait()
        wait_until(lambda: not any(_alive(worker) for worker in workers), 10)
    with program(tmp_path) as (_, said), httpx.Client(base_url=str(said["url"])) as client:
        wait_until(lambda: client.get(f"{API}/jobs/{job}").json()["state"] == "done")
        assert client.get(f"{API}/jobs/{job}").json()["attempts"] == 2


def test_what_prevents_a_start_is_one_clear_error(tmp_path: Path) -> None:
    configuration = configure(tmp_path)
    with serving(configuration), pytest.raises(ConfigurationError, match="Another Picasso"):
        serve(configuration, False, print)
    with pytest.raises(ConfigurationError, match="token"):
        serve(configure(tmp_path, host="0.0.0.0"), False, print)


def test_a_taken_port_gives_way_to_the_next() -> None:
    first = bind("127.0.0.1", 0)
    first.listen()
    port = first.getsockname()[1]
    second = bind("127.0.0.1", port)
    assert second.getsockname()[1] != port
    first.close()
    second.close()


def test_an_address_of_another_computer_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot listen"):
        bind("192.0.2.1", 8000)
    if socket.has_ipv6:
        with pytest.raises(ConfigurationError, match="cannot listen"):
            bind("2001:db8::1", 8000)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # A process without a parent to collect it stays in the table.
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
