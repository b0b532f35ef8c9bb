"""How large a request may be: counted while it is read, since what it says of itself may be left out or be wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from picasso.web.errors import RequestError, error_response


@dataclass(frozen=True)
class Most:
    """How large the requests to one address may be.

    Args:
        size: Bytes, those of the form around a file with them.
        words: What is refused: "A video may have at most 2 GB."
        hint: What to do instead.
    """

    size: int
    words: str
    hint: str


class BodyLimit:
    """Refuses requests that are too large, at once where they say so, else as soon as they are.

    Args:
        app: What it guards.
        most: By path; those of a path that is not among them as `otherwise`.
        otherwise: For all other paths.
    """

    def __init__(self, app: ASGIApp, most: Mapping[str, Most], otherwise: Most) -> None:
        self._app = app
        self._most = most
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        most = self._most.get(request.url.path, self._otherwise)

        async def refuse() -> None:
            await error_response(request, RequestError(most.words, most.hint))(scope, receive, send)

        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most.size:
            await refuse()
            return
        size, answered = 0, False

        async def counted() -> Message:
            nonlocal size
            if size <= most.size:
                message = await receive()
                size += len(message.get("body", b""))
            # To whoever reads it, the sender has gone: all that was kept of it is let go.
            return message if size <= most.size else {"type": "http.disconnect"}

        async def unless_refused(message: Message) -> None:
            nonlocal answered
            if answered or size <= most.size:
                answered = True
                await send(message)

        try:
            await self._app(scope, counted, unless_refused)
        except ClientDisconnect:
            if size <= most.size:
                raise
        if size > most.size and not answered:
            await refuse()
