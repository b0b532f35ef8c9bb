"""/comparisons: methods measured on one model and some pictures, the scorecard."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from picasso.core.result import safe_name
from picasso.service.comparisons import request_of
from picasso.service.records import ComparisonRequest, State
from picasso.web.answers.comparisons import ComparisonAnswer, ComparisonSummary
from picasso.web.answers.jobs import JobAnswer
from picasso.web.routes import Limit, ServiceNeeded

router = APIRouter(tags=["comparisons"])
MOST_METHODS, MOST_PICTURES = 40, 100


class MethodAsked(BaseModel):
    """A method to compare."""

    model_config = ConfigDict(extra="forbid")

    name: str
    settings: dict[str, Any] = {}


class NewComparison(BaseModel):
    """What to compare."""

    model_config = ConfigDict(extra="forbid")

    model: str
    methods: list[MethodAsked] = Field(min_length=1, max_length=MOST_METHODS)
    pictures: list[str] = Field(min_length=1, max_length=MOST_PICTURES, description="Digests.")
    target: int | str | None = Field(
        None, description='Class index, label or "a - b"; null for the best class of each picture.'
    )
    seed: int = Field(0, ge=0, lt=2**32)
    at: str | None = Field(None, max_length=200, description="For a segmenter or detector, as in a job.")
    masks: list[str | None] = Field(
        [], max_length=MOST_PICTURES, description="For each picture the digest of a mask of its object, or null."
    )

    def to_request(self) -> ComparisonRequest:
        return ComparisonRequest(
            model=self.model,
            methods=tuple((method.name, method.settings) for method in self.methods),
            pictures=tuple(self.pictures),
            target=self.target,
            seed=self.seed,
            at=self.at or None,
            masks=tuple(self.masks),
        )


class Comparisons(BaseModel):
    """Comparisons, the newest first."""

    comparisons: list[ComparisonSummary]


_STORED: dict[int | str, dict[str, Any]] = {200: {"model": JobAnswer, "description": "The comparison was stored."}}


@router.post("/comparisons", status_code=202, responses=_STORED)
def compare(new: NewComparison, service: ServiceNeeded, response: Response) -> JobAnswer:
    """Start a job that compares methods: which of their maps to believe."""
    return _started(service, new.to_request(), response)


@router.post("/results/{key}/comparison", status_code=202, responses=_STORED)
def compare_result(key: str, service: ServiceNeeded, response: Response) -> JobAnswer:
    """Start a job that measures the map of a result: whether to believe it."""
    return _started(service, request_of(service.store, service.catalog, service.store.result(key)), response)


@router.get("/comparisons")
def list_comparisons(service: ServiceNeeded, limit: Limit = 50, model: str | None = None) -> Comparisons:
    """List the newest comparisons, of one model if asked."""
    found = service.store.comparisons(limit, model)
    return Comparisons(
        comparisons=[ComparisonSummary.model_validate(ComparisonSummary.summary(record)) for record in found]
    )


@router.get("/comparisons/{key}")
def get_comparison(key: str, service: ServiceNeeded) -> ComparisonAnswer:
    """Return a comparison: its cards, the verdict, the maps on one scale."""
    return ComparisonAnswer.of(service.store.comparison(key))


@router.get("/comparisons/{key}/export", response_class=Response)
def export_comparison(
    key: str, service: ServiceNeeded, form: Annotated[Literal["html", "json", "npz"], Query(alias="format")]
) -> Response:
    """Download a comparison: one page with everything in it, every number, or the maps and curves."""
    record = service.store.comparison(key)
    if form == "json":
        data, kind = json.dumps(record.document, indent=2, ensure_ascii=False).encode(), "application/json"
    elif form == "html":
        data, kind = service.artifacts.get(record.page), "text/html; charset=utf-8"
    else:
        data, kind = service.artifacts.get(record.arrays), "application/octet-stream"
    # Always a download: a page with styles of its own does not belong among those that this server answers for.
    name = quote(f"{safe_name(record.model)}.comparison.{form}")
    return Response(data, media_type=kind, headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"})


@router.delete("/comparisons/{key}", status_code=204)
def delete_comparison(key: str, service: ServiceNeeded) -> Response:
    """Delete a comparison; what randomization showed of the methods stays."""
    service.store.comparison(key)
    service.store.delete_comparison(key)
    return Response(status_code=204)


def _started(service: ServiceNeeded, request: ComparisonRequest, response: Response) -> JobAnswer:
    job = service.jobs.compare(request)
    if job.state is State.DONE:
        response.status_code = 200
    return JobAnswer.of(job, service.records.tasks([job.id])[job.id])
