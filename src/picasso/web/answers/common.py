"""What more than one answer is made of."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel

from picasso.service.records import Fault

PREFIX = "/api/v1"
"""Of every address of the API."""


class ErrorAnswer(BaseModel):
    """What went wrong, and what to do."""

    code: str
    message: str
    hint: str = ""

    @classmethod
    def of(cls, fault: Fault | None) -> ErrorAnswer | None:
        return None if fault is None else cls(**asdict(fault))
