"""Audits as the API answers them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from picasso.service.records import AuditLine, AuditRecord
from picasso.web.answers.common import PREFIX
from picasso.web.answers.panels import with_addresses


class AuditSummary(BaseModel):
    """An audit in a list."""

    key: str
    job: str | None
    model: str
    dataset: str
    pictures: int = Field(description="How many were audited.")
    outcome: str = Field(description="right-reason, wrong-reason, both, relies-on, weak-model or cannot-tell.")
    headline: str
    sentence: str
    seconds: float = Field(description="How long it took.")
    created: str
    page: str = Field(description="Address of its page.")

    @classmethod
    def of_line(cls, line: AuditLine) -> AuditSummary:
        return cls(**cls.fields(line))

    @staticmethod
    def fields(line: AuditLine) -> dict[str, Any]:
        """Return the fields that a summary and a whole audit share."""
        return asdict(line) | {"page": f"/audits/{line.key}"}


class AuditAnswer(AuditSummary):
    """An audit with everything that it found."""

    asked: dict[str, Any] = Field(description="The choices: match, limit, confirmed, seed.")
    document: dict[str, Any]
    pairs: list[dict[str, Any]] = Field(description="Pictures before and after, as in panels.")
    shown: dict[str, str] = Field(description="Digests of the pictures that can be explained, by their names.")
    exports: dict[str, str] = Field(description="Addresses of downloads by format.")

    @classmethod
    def of(cls, record: AuditRecord) -> AuditAnswer:
        export = f"{PREFIX}/audits/{quote(record.key)}/export?format="
        return cls(
            **AuditSummary.fields(record.line),
            asked=record.asked,
            document=record.document,
            pairs=with_addresses(list(record.pairs), pictures=False),
            shown=record.pictures,
            exports={form: export + form for form in ("json", *record.files)},
        )
