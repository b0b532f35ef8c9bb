"""Jobs, their tasks and what came of films as the API answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from picasso.service.records import JobRecord, State, TaskRecord
from picasso.web.answers.common import PREFIX, ErrorAnswer


class TaskAnswer(BaseModel):
    """One picture of a job, or the model alone."""

    position: int
    picture: str | None
    name: str
    state: str
    result: str | None = Field(description="Key of the result.")
    error: ErrorAnswer | None
    mask: str | None = Field(description="Of a job that compares methods: digest of the mask of its object.")


class ProgressAnswer(BaseModel):
    """How far the present picture is."""

    done: int
    total: int
    message: str


class MethodAnswer(BaseModel):
    """A method that is compared."""

    name: str
    settings: dict[str, Any]


class VideoAnswer(BaseModel):
    """A video that was sent, and how it is looked at."""

    name: str
    channel: int | None
    every: int


class FilmAnswer(BaseModel):
    """A video with maps over it."""

    frames: int = Field(description="How many were explained.")
    notes: list[str]
    film: str = Field(description="Address of the film, MP4.")
    document: str = Field(description="Address of what the model said of each frame, JSON.")
    table: str = Field(description="The same, CSV.")

    @classmethod
    def of(cls, job: JobRecord) -> FilmAnswer | None:
        if job.film is None:
            return None
        export = f"{PREFIX}/films/{job.id}/export?format="
        addresses = {"film": f"{export}mp4", "document": f"{export}json", "table": f"{export}csv"}
        return cls(frames=job.film.frames, notes=list(job.film.notes), **addresses)


class JobAnswer(BaseModel):
    """A job."""

    id: str
    state: str = Field(description="queued, running, done, failed or canceled.")
    model: str
    visualization: str
    settings: dict[str, Any]
    target: list[int | str] | None
    top: int
    seed: int
    at: str | None
    pictures: list[str]
    error: ErrorAnswer | None
    attempts: int
    progress: ProgressAnswer
    tasks: list[TaskAnswer]
    events: str = Field(description="Address of the event stream.")
    created: str
    started: str | None
    finished: str | None
    methods: list[MethodAnswer] | None = Field(description="Of a job that compares methods: these; else null.")
    comparison: str | None = Field(description="Of such a job that is done: key of the comparison.")
    dataset: str | None = Field(description="Of a job that audits: name of the data set; its choices are the settings.")
    audit: str | None = Field(description="Of such a job that is done: key of the audit.")
    video: VideoAnswer | None = Field(description="Of a job that lays maps over a video: that video; else null.")
    film: FilmAnswer | None = Field(description="Of such a job that is done: what came out.")

    @classmethod
    def of(cls, job: JobRecord, tasks: Sequence[TaskRecord]) -> JobAnswer:
        return cls(
            id=job.id,
            state=job.state,
            model=job.model,
            visualization=job.visualization,
            settings=job.settings,
            target=list(job.target) if job.target is not None else None,
            top=job.top,
            seed=job.seed,
            at=job.at,
            pictures=[task.picture for task in tasks if task.picture],
            error=ErrorAnswer.of(job.error),
            attempts=job.attempts,
            progress=ProgressAnswer(done=job.done, total=job.total, message=job.message),
            tasks=[
                TaskAnswer(
                    position=task.position,
                    picture=task.picture,
                    name=task.name,
                    state=task.state,
                    result=task.result,
                    error=ErrorAnswer.of(task.error),
                    mask=task.mask,
                )
                for task in tasks
            ],
            events=f"{PREFIX}/jobs/{job.id}/events",
            created=job.created,
            started=job.started,
            finished=job.finished,
            methods=None
            if job.methods is None
            else [MethodAnswer(name=name, settings=settings) for name, settings in job.methods],
            comparison=job.comparison if job.state is State.DONE else None,
            dataset=job.dataset,
            audit=job.audit,
            video=None
            if job.video is None
            else VideoAnswer(name=job.video.name, channel=job.video.channel, every=job.video.every),
            film=FilmAnswer.of(job),
        )
