"""/films: videos with maps over them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from picasso.core.errors import NotFoundError
from picasso.core.video.reading import need_av
from picasso.service.pictures import clean_name
from picasso.service.records import FilmRequest, VideoRecord
from picasso.service.service import Service
from picasso.web.answers.jobs import JobAnswer
from picasso.web.body_limit import Most
from picasso.web.errors import RequestError
from picasso.web.routes import FILE, Limit, ServiceNeeded, form_schema, get_service

router = APIRouter(prefix="/films", tags=["films"])
MOST = Most(2 * 2**30, "A video may have at most 2 GB.", "Use `picasso video` in the shell.")
_KINDS = {"mp4": "video/mp4", "json": "application/json", "csv": "text/csv; charset=utf-8"}
_FORM = form_schema(video=FILE, question={"type": "string", "description": "What is asked, as JSON: see NewFilm."})


class NewFilm(BaseModel):
    """What is asked of a video."""

    model_config = ConfigDict(extra="forbid")

    model: str
    visualization: str = Field(description="An attribution method, or activations.")
    settings: dict[str, Any] = Field({}, description="Of the visualization; those left out have their defaults.")
    target: int | str | None = Field(
        None, description='The class to explain, or "a - b"; null: each frame\'s best one.'
    )
    top: int = Field(3, ge=1, le=20, description="How many of the best classes.")
    channel: int | None = Field(None, ge=0, description="Of activations: one channel; null: the mean size over all.")
    every: int = Field(1, ge=1, le=1000, description="Every Nth frame is explained; the film holds these alone.")

    def to_request(self, name: str) -> FilmRequest:
        video = VideoRecord("", name, self.channel, self.every)
        return FilmRequest(self.model, self.visualization, video, self.settings, self.target, self.top)


class Films(BaseModel):
    """The jobs that lay maps over a video, the newest first; those that were stopped have no film."""

    films: list[JobAnswer]


@router.post("", status_code=202, openapi_extra=_FORM)
async def make_film(request: Request) -> JobAnswer:
    """Send a video, and start a job that lays maps over it."""
    need_av()  # before gigabytes are read
    service = get_service(request)
    async with request.form(max_files=1) as form:
        file, question = form.get("video"), form.get("question")
        if not isinstance(file, UploadFile) or not isinstance(question, str):
            raise RequestError("The request needs a file 'video' and a text 'question'.", "Send multipart/form-data.")
        try:
            new = NewFilm.model_validate_json(question)
        except ValidationError as error:
            found = [one | {"loc": ("question", *one["loc"])} for one in error.errors(include_url=False)]
            raise RequestValidationError(found) from None
        return await run_in_threadpool(_begin, service, new, file)


def _begin(service: Service, new: NewFilm, file: UploadFile) -> JobAnswer:
    return JobAnswer.of(service.jobs.film(new.to_request(clean_name(file.filename or "video")), file.file), [])


@router.get("")
def list_films(
    service: ServiceNeeded, model: str | None = None, visualization: str | None = None, limit: Limit = 50
) -> Films:
    """List the newest films, also those that are being made or were stopped."""
    return Films(films=[JobAnswer.of(job, []) for job in service.records.filmed(limit, model, visualization)])


@router.get("/{id_}/export", response_class=Response)
def export_film(
    id_: str,
    service: ServiceNeeded,
    form: Annotated[Literal["mp4", "json", "csv"], Query(alias="format")],
) -> Response:
    """Download the film of a job, or what the model said of each frame."""
    job = service.records.job(id_)
    if job.film is None or job.video is None:
        raise NotFoundError(f"The job '{id_}' has made no film.", "Wait until it is done.")
    place = service.artifacts.path({"mp4": job.film.film, "json": job.film.document, "csv": job.film.table}[form])
    if not place.is_file():
        raise NotFoundError("The film is gone.", "Make it again.")
    name = quote(f"{Path(job.video.name).stem}.{job.visualization}.{form}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return FileResponse(place, media_type=_KINDS[form], headers=headers)
