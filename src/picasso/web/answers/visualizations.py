"""A visualization as the API answers it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field

from picasso.service.plugin_process import Description


class VisualizationAnswer(BaseModel):
    """A visualization; a broken plug-in has an error and no settings."""

    name: str
    title: str
    family: str = Field(description="What it works with; lists are grouped by it.")
    description: str
    formula: str = Field(description='What is computed, in plain text, or "".')
    pitfalls: list[str] = Field(description="How its pictures are misread, or where it fails.")
    references: list[str]
    needs: list[str]
    version: int
    subject: str
    attributes: bool = Field(description="Whether it explains targets with maps.")
    form: dict[str, Any] = Field(alias="schema", description="JSON schema of its settings.")
    defaults: dict[str, Any]
    origin: str
    file: str
    digest: str
    error: str = Field(description='The traceback of a broken plug-in, or "".')

    @classmethod
    def of(cls, item: Description) -> VisualizationAnswer:
        values = {key: value for key, value in asdict(item).items() if key not in ("template", "settings")}
        return cls.model_validate(values | {"schema": item.settings})
