"""Waits for the answer to a question that a model's worker has."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request

from picasso.service.questions import Asked
from picasso.service.service import Service

WAIT_SECONDS = 1.0
"""A warm model answers within milliseconds; what takes longer is answered 202, and asked for again."""


async def when_over(request: Request, service: Service, id_: str, seconds: float) -> Asked:
    """Wait until a question is over, the time is up, or the server ends.

    Raises:
        NotFoundError: There is none of that id.
    """
    over: asyncio.Future[Any] = asyncio.wrap_future(service.jobs.questions.get(id_).over)
    stopping: asyncio.Event = request.app.state.stopping
    ending: asyncio.Future[Any] = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait([over, ending], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ending.cancel()
    return service.jobs.questions.get(id_)
