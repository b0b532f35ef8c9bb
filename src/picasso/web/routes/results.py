"""/results"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from picasso.service.exports import Format, export
from picasso.web.answers.results import ResultAnswer, ResultSummary
from picasso.web.routes import Limit, ServiceNeeded

router = APIRouter(prefix="/results", tags=["results"])


class Results(BaseModel):
    """Results, the newest first."""

    results: list[ResultSummary]


@router.get("")
def list_results(
    service: ServiceNeeded, limit: Limit = 50, model: str | None = None, visualization: str | None = None
) -> Results:
    """List the newest results, of one model or one visualization if asked."""
    found = service.store.results(limit, model, visualization)
    pictures = service.store.pictures_of({result.picture for result in found if result.picture})
    return Results(
        results=[
            ResultSummary.model_validate(ResultSummary.summary(result, pictures.get(result.picture or "")))
            for result in found
        ]
    )


@router.get("/{key}")
def get_result(key: str, service: ServiceNeeded) -> ResultAnswer:
    """Return a result with its panels."""
    result = service.store.result(key)
    visualization = service.catalog.all().get(result.visualization)
    template = visualization.template if visualization else ""
    comparison, measuring = service.measured(result)
    picture = service.store.picture(result.picture) if result.picture else None
    return ResultAnswer.of(result, picture, template, comparison, measuring, service.classes(result))


@router.get("/{key}/export", response_class=Response)
def export_result(
    key: str,
    service: ServiceNeeded,
    form: Annotated[Format, Query(alias="format")],
    panel: str | None = None,
    bar: bool = False,
) -> Response:
    """Download a result: raw numbers, every choice, one panel as a picture, or everything."""
    file = export(service.store.result(key), service.artifacts, form, panel, bar)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}"}
    return Response(file.data, media_type=file.media_type, headers=headers)


@router.delete("/{key}", status_code=204)
def delete_result(key: str, service: ServiceNeeded) -> Response:
    """Delete a result."""
    service.store.result(key)
    service.store.delete_result(key)
    return Response(status_code=204)
