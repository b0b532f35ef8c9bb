"""A model as the API answers it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, Field

from picasso.service.service import ModelView
from picasso.web.answers.common import ErrorAnswer


class CardAnswer(BaseModel):
    """What is known of a model that was opened."""

    framework: str
    input_shape: tuple[int, int, int]
    labels: list[str]
    head: str
    score_units: str
    columns: int
    parameters: int
    notes: list[str]
    capabilities: list[str]
    preprocessing: dict[str, Any] | None
    layers: list[dict[str, Any]]
    default_layer: str | None
    digest: str
    task: str = Field(description="classification, segmentation or detection.")
    visualizations: dict[str, str] = Field(description='For every visualization "", or why it does not fit.')


class ModelAnswer(BaseModel):
    """A model that the server knows."""

    name: str
    source: str
    added: bool
    state: str = Field(description="new, opening, ready or failed.")
    error: ErrorAnswer | None
    warm: bool = Field(description="Whether a process holds it.")
    opened: str | None
    card: CardAnswer | None

    @classmethod
    def of(cls, view: ModelView) -> ModelAnswer:
        record, card = view.record, view.card
        return cls(
            name=record.name,
            source=str(record.specification["source"]),
            added=record.added,
            state=view.state,
            error=ErrorAnswer.of(record.error),
            warm=view.warm,
            opened=record.opened,
            card=CardAnswer.model_validate(asdict(card) | {"visualizations": view.missing}) if card else None,
        )
