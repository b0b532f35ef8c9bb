"""The addresses, one file for each noun."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request

from picasso.service.service import Service
from picasso.web.errors import ForbiddenError


def get_service(request: Request) -> Service:
    """Return the application's service."""
    return cast(Service, request.app.state.service)


def may_add(service: Annotated[Service, Depends(get_service)]) -> None:
    """Refuse where the server was not started so that pages may change its models and data sets.

    Raises:
        ForbiddenError: It was not.
    """
    if not service.configuration.allow_add:
        raise ForbiddenError(
            "This Picasso does not let pages add or remove models or data sets.", "Start it with --allow-add."
        )


ServiceNeeded = Annotated[Service, Depends(get_service)]
Limit = Annotated[int, Query(ge=1, le=500)]
IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
"""For addresses that hold a digest: what lies there never changes."""


def form_schema(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return what the schema says of a form that is read by hand.

    Args:
        fields: The schema of each field, by its name.
    """
    schema = {"type": "object", "properties": fields}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


FILE = {"type": "string", "format": "binary"}
"""The schema of a field that holds a file."""
