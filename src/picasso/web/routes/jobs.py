"""/jobs and their event streams"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from picasso.core.errors import PicassoError
from picasso.service.records import EventRecord, JobRecord, JobRequest, State
from picasso.service.service import Service
from picasso.web.answers.jobs import JobAnswer
from picasso.web.answers.panels import panel_answer
from picasso.web.routes import Limit, ServiceNeeded

router = APIRouter(prefix="/jobs", tags=["jobs"])
POLL_SECONDS = 0.1
PING_SECONDS = 15.0
"""A comment is sent this often, so that a connection that nobody reads any more is noticed."""


class NewJob(BaseModel):
    """What a job shall do."""

    model_config = ConfigDict(extra="forbid")

    model: str
    visualization: str
    pictures: list[str] = Field([], max_length=1000, description="Digests; none for a view of the model alone.")
    settings: dict[str, Any] = {}
    target: list[int | str] | int | str | None = Field(
        None, description='Class indices, labels or "a - b"; null for the best classes.'
    )
    top: int = Field(5, ge=1, le=1000)
    seed: int = Field(0, ge=0, lt=2**32)
    at: str | None = Field(
        None,
        max_length=200,
        description='For a segmenter or detector: "x,y", "left,top,width,height" in pixels of the picture, or "#2". '
        'For every network that shows its layers: "channel=LAYER:NUMBER".',
    )

    def to_request(self) -> JobRequest:
        target = self.target if self.target is None or isinstance(self.target, list) else [self.target]
        return JobRequest(
            model=self.model,
            visualization=self.visualization,
            pictures=tuple(self.pictures),
            settings=self.settings,
            target=tuple(target) if target else None,
            top=self.top,
            seed=self.seed,
            at=self.at or None,
        )


class Jobs(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobAnswer]


@router.post("", status_code=202, responses={200: {"model": JobAnswer, "description": "All results were stored."}})
def submit_job(new: NewJob, service: ServiceNeeded, response: Response) -> JobAnswer:
    """Start a job."""
    job = service.jobs.submit(new.to_request())
    if job.state is State.DONE:
        response.status_code = 200
    return _answer(service, job)


@router.get("")
def list_jobs(service: ServiceNeeded, limit: Limit = 50, state: Annotated[list[State] | None, Query()] = None) -> Jobs:
    """List the newest jobs, of some states if asked."""
    jobs = service.records.jobs(limit, state or ())
    tasks = service.records.tasks([job.id for job in jobs])
    return Jobs(jobs=[JobAnswer.of(job, tasks[job.id]) for job in jobs])


@router.get("/{id_}")
def get_job(id_: str, service: ServiceNeeded) -> JobAnswer:
    """Return one job with its tasks."""
    return _answer(service, service.records.job(id_))


@router.post("/{id_}/cancel")
def cancel_job(id_: str, service: ServiceNeeded) -> JobAnswer:
    """Stop a job; it is canceled within two seconds."""
    return _answer(service, service.jobs.cancel(id_))


@router.delete("/{id_}", status_code=204)
def delete_job(id_: str, service: ServiceNeeded) -> Response:
    """Delete a job that is over; its results stay."""
    service.jobs.delete(id_)
    return Response(status_code=204)


@router.get("/{id_}/events", response_class=StreamingResponse)
def stream_events(
    id_: str,
    service: ServiceNeeded,
    request: Request,
    after: int = 0,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Stream what happens to a job: state, progress, panel, result, end. Reconnecting loses nothing."""
    job = service.records.job(id_)
    if last_event_id and last_event_id.isdigit():
        after = int(last_event_id)
    if job.state.over and not service.records.events(id_, after, limit=1):
        # Told this, a browser does not connect again.
        return Response(status_code=204)
    stopping: asyncio.Event = request.app.state.stopping
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _stream(service, job, after, stopping), media_type="text/event-stream; charset=utf-8", headers=headers
    )


async def _stream(service: Service, job: JobRecord, after: int, stopping: asyncio.Event) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    spoken = time.monotonic()
    while not stopping.is_set():
        for event in await run_in_threadpool(_next_events, service, job, after):
            after, spoken = event.number, time.monotonic()
            yield f"id: {event.number}\nevent: {event.kind}\ndata: {json.dumps(event.data)}\n\n"
            if event.kind == "end":
                return
        if time.monotonic() - spoken > PING_SECONDS:
            if await run_in_threadpool(_is_gone, service, job.id):
                return
            spoken = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _next_events(service: Service, job: JobRecord, after: int) -> list[EventRecord]:
    events = service.records.events(job.id, after)
    return [_with_panel(service, job, event) if event.kind == "panel" else event for event in events]


def _with_panel(service: Service, job: JobRecord, event: EventRecord) -> EventRecord:
    visualization = service.catalog.all().get(job.visualization)
    panel = panel_answer(event.data["panel"], visualization.template if visualization else "")
    return EventRecord(event.number, event.kind, event.data | {"panel": panel})


def _is_gone(service: Service, job: str) -> bool:
    try:
        service.records.job(job)
    except PicassoError:
        return True
    return False


def _answer(service: Service, job: JobRecord) -> JobAnswer:
    return JobAnswer.of(job, service.records.tasks([job.id])[job.id])
