"""/audits: whether a model is right for the right reason, asked of a whole data set."""

from __future__ import annotations

import json
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from picasso.core.errors import NotFoundError
from picasso.core.result import safe_name
from picasso.service.records import AuditRequest
from picasso.web.answers.audits import AuditAnswer, AuditSummary
from picasso.web.answers.jobs import JobAnswer
from picasso.web.routes import Limit, ServiceNeeded

router = APIRouter(prefix="/audits", tags=["audits"])
MOST_CLASSES = 10_000
_FILES = {
    "html": ("audit.html", "text/html; charset=utf-8"),
    "json": ("audit.json", "application/json"),
    "npz": ("audit.npz", "application/octet-stream"),
    "csv": ("to_fix.csv", "text/csv; charset=utf-8"),
    "zip": ("audit.zip", "application/zip"),
}


class NewAudit(BaseModel):
    """What to audit."""

    model_config = ConfigDict(extra="forbid")

    model: str
    dataset: str
    match: dict[str, str] | None = Field(
        None, max_length=MOST_CLASSES, description="The model's label for each class of the data set; null: by name."
    )
    limit: int | None = Field(
        None, ge=64, le=100_000, description="How many pictures at most; null: as many as an audit takes."
    )
    seed: int = Field(0, ge=0, lt=2**32)
    confirmed: dict[str, bool] = Field(
        {}, max_length=100, description="Of an audit that relies on regions: which of them are the object."
    )

    def to_request(self) -> AuditRequest:
        return AuditRequest(
            model=self.model,
            dataset=self.dataset,
            match=self.match or None,
            limit=self.limit,
            seed=self.seed,
            confirmed=self.confirmed,
        )


class Audits(BaseModel):
    """Audits, the newest first."""

    audits: list[AuditSummary]


@router.post("", status_code=202)
def audit(new: NewAudit, service: ServiceNeeded) -> JobAnswer:
    """Start a job that audits a model on a data set."""
    return JobAnswer.of(service.jobs.audit(new.to_request()), [])


@router.get("")
def list_audits(service: ServiceNeeded, model: str | None = None, limit: Limit = 50) -> Audits:
    """List the newest audits."""
    return Audits(audits=[AuditSummary.of_line(one) for one in service.store.audits(limit, model)])


@router.get("/{key}")
def get_audit(key: str, service: ServiceNeeded) -> AuditAnswer:
    """Return an audit: the verdict, what was measured of every property, the pictures that show it."""
    return AuditAnswer.of(service.store.audit(key))


@router.get("/{key}/export", response_class=Response)
def export_audit(
    key: str,
    service: ServiceNeeded,
    form: Annotated[Literal["html", "json", "npz", "csv", "zip"], Query(alias="format")],
) -> Response:
    """Download an audit: one page with everything in it, every number, the pictures to fix, or all its files."""
    record = service.store.audit(key)
    ending, kind = _FILES[form]
    # Always a download: a page with styles of its own does not belong among those that this server answers for.
    name = quote(f"{safe_name(record.model)}.{ending}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    if form == "zip":  # it may be large
        place = service.artifacts.path(record.files[form])
        if not place.is_file():
            raise NotFoundError("The archive of this audit is gone.", "Audit again.")
        return FileResponse(place, media_type=kind, headers=headers)
    if form == "json":
        data = json.dumps(record.document, indent=2, ensure_ascii=False).encode()
    else:
        data = service.artifacts.get(record.files[form])
    return Response(data, media_type=kind, headers=headers)


@router.delete("/{key}", status_code=204)
def delete_audit(key: str, service: ServiceNeeded) -> Response:
    """Delete an audit."""
    service.store.audit_line(key)
    service.store.delete_audit(key)
    return Response(status_code=204)
