"""Results as the API answers them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, Field

from picasso.core.tested import as_now
from picasso.service.records import PictureRecord, ResultRecord
from picasso.web.answers.common import PREFIX
from picasso.web.answers.panels import panel_answer
from picasso.web.answers.pictures import PictureAnswer


class ResultSummary(BaseModel):
    """A result in a list."""

    key: str
    job: str | None
    model: str
    visualization: str
    title: str
    picture: PictureAnswer | None = Field(description="null of a model alone.")
    targets: list[dict[str, Any]]
    at: str | None = Field(description="Where in the picture, as it was asked; null for everywhere and for masks.")
    predictions: list[dict[str, Any]]
    created: str
    page: str = Field(description="Address of its page.")

    @classmethod
    def summary(cls, result: ResultRecord, picture: PictureRecord | None) -> dict[str, Any]:
        """Return the fields that a summary and a whole result share."""
        return {
            "key": result.key,
            "job": result.job,
            "model": result.model,
            "visualization": result.visualization,
            "title": result.document["visualization"]["title"],
            "picture": PictureAnswer.of(picture) if picture else None,
            "targets": result.document["targets"],
            "at": result.document.get("at"),
            "predictions": result.document["predictions"][:5],
            "created": result.created,
            "page": f"/results/{result.key}",
        }


class ResultAnswer(ResultSummary):
    """A result with its panels; an array in them is {"url", "dtype", "shape"}."""

    document: dict[str, Any]
    panels: list[dict[str, Any]]
    exports: dict[str, str] = Field(description="Addresses of downloads by format.")
    comparison: str | None = Field(description="Key of the comparison in which its map was measured.")
    measuring: str | None = Field(description="The job that measures its map at present.")
    classes: int | None = Field(description="How many classes its model has; null where that is not known any more.")

    @classmethod
    def of(
        cls,
        result: ResultRecord,
        picture: PictureRecord | None,
        template: str,
        comparison: str | None,
        measuring: str | None,
        classes: int | None,
    ) -> ResultAnswer:
        export = f"{PREFIX}/results/{quote(result.key)}/export?format="
        return cls(
            **ResultSummary.summary(result, picture),
            document=as_now(result.document),
            comparison=comparison,
            measuring=measuring,
            classes=classes,
            panels=[panel_answer(panel, template) for panel in result.panels],
            exports={form: export + form for form in ("npz", "json", "png", "zip")},
        )
