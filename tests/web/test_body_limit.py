"""Requests that are too large: refused before they are read, or while they are, whatever they say of themselves."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from fastapi import FastAPI, File, Request, UploadFile
from starlette.types import Receive, Scope, Send

from picasso.web.body_limit import BodyLimit, Most
from picasso.web.errors import add_error_handlers

from .conftest import API, refused

MOST = Most(1000, "A video may have at most 1 kB.", "Send less.")


def guarded() -> tuple[FastAPI, list[str]]:
    """An application with a route that reads a stream and one that takes a file, and what these have done."""
    app, done = FastAPI(), list[str]()

    @app.post("/stream")
    async def stream(request: Request) -> int:
        size = sum([len(chunk) async for chunk in request.stream()])
        done.append("stream")
        return size

    @app.post("/file")
    async def file(file: UploadFile = File()) -> int:  # noqa: B008
        done.append("file")
        return len(await file.read())

    add_error_handlers(app)
    app.add_middleware(BodyLimit, most={"/file": MOST}, otherwise=Most(50, "At most 50 bytes.", "Send less."))
    return app, done


def send(app: FastAPI, path: str, body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 40):
            yield body[start : start + 40]

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            return await client.post(path, content=chunks(), headers=headers)

    return asyncio.run(ask())


def form(size: int) -> tuple[bytes, dict[str, str]]:
    request = httpx.Request("POST", "http://here", files={"file": ("a.mp4", bytes(size))})
    return request.read(), {"Content-Type": request.headers["content-type"]}


def test_what_does_not_say_its_size_is_counted() -> None:
    app, done = guarded()
    assert send(app, "/stream", bytes(50)).json() == 50
    assert refused(send(app, "/stream", bytes(51)), 422, "bad-request")["message"] == "At most 50 bytes."
    assert send(app, "/file", *form(700)).json() == 700
    assert refused(send(app, "/file", *form(1000)), 422, "bad-request")["message"] == MOST.words
    assert done == ["stream", "file"]


def test_nothing_is_read_after_the_limit() -> None:
    taken = 0

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] == "http.request":
            pass

    async def receive() -> dict[str, object]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": bytes(10), "more_body": True}

    sent: list[dict[str, object]] = []

    async def keep(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"here")], "query_string": b""}
    limit = BodyLimit(endless, {}, Most(95, "At most 95 bytes.", "Send less."))
    asyncio.run(limit(scope, receive, keep))
    assert taken == 10
    assert sent[0]["status"] == 422


@pytest.fixture
def connection(client: httpx.Client) -> Iterator[http.client.HTTPConnection]:
    made = http.client.HTTPConnection(client.base_url.host, client.base_url.port or 80, timeout=20)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("pictures", "One upload may hold at most 4 GB."),
        ("films", "A video may have at most 2 GB."),
        ("glances", "A frame may hold 4 MB. This one is larger."),
        ("datasets/archives?name=a", "An archive may have at most 4 GB."),
        ("jobs", "A request may hold at most 32 MB."),
    ],
)
def test_what_says_that_it_is_too_large_is_refused_unread(
    connection: http.client.HTTPConnection, path: str, words: str
) -> None:
    connection.putrequest("POST", f"{API}/{path}")
    connection.putheader("Content-Length", str(5 * 2**30))
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 422
    assert words in answer.read().decode()
