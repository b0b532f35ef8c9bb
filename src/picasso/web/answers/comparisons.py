"""Comparisons as the API answers them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from picasso.service.records import ComparisonRecord
from picasso.web.answers.common import PREFIX
from picasso.web.answers.panels import with_addresses


class ComparisonSummary(BaseModel):
    """A comparison in a list."""

    key: str
    job: str | None
    model: str
    pictures: list[str]
    titles: list[str] = Field(description="Of the methods that were compared.")
    verdict: list[str] = Field(description="In plain words, which maps to trust here.")
    created: str
    page: str = Field(description="Address of its page.")

    @classmethod
    def summary(cls, record: ComparisonRecord) -> dict[str, Any]:
        """Return the fields that a summary and a whole comparison share."""
        return {
            "key": record.key,
            "job": record.job,
            "model": record.model,
            "pictures": list(record.pictures),
            "titles": [card["title"] for card in record.document["cards"] if not card["control"]],
            "verdict": record.document["verdict"],
            "created": record.created,
            "page": f"/comparisons/{record.key}",
        }


class ComparisonAnswer(ComparisonSummary):
    """A comparison with its cards and drawn maps."""

    masks: list[str | None] = Field(description="For each picture the digest of the mask, or null; empty without any.")
    document: dict[str, Any]
    shown: list[dict[str, Any]] = Field(description="For each shown picture its view and drawn maps, as in panels.")
    exports: dict[str, str] = Field(description="Addresses of downloads by format.")

    @classmethod
    def of(cls, record: ComparisonRecord) -> ComparisonAnswer:
        export = f"{PREFIX}/comparisons/{quote(record.key)}/export?format="
        return cls(
            **ComparisonSummary.summary(record),
            masks=list(record.masks),
            document=record.document,
            shown=with_addresses(list(record.shown), pictures=False),
            exports={form: export + form for form in ("html", "json", "npz")},
        )
