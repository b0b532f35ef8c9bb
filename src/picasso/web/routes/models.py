"""/models"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from picasso.service.configuration import ModelSpecification
from picasso.web.answers.models import ModelAnswer
from picasso.web.routes import ServiceNeeded, may_add

router = APIRouter(prefix="/models", tags=["models"])


class Models(BaseModel):
    """All models."""

    models: list[ModelAnswer]


@router.get("")
def list_models(service: ServiceNeeded) -> Models:
    """List the models that the server knows."""
    return Models(models=[ModelAnswer.of(view) for view in service.models()])


@router.get("/{name}")
def get_model(name: str, service: ServiceNeeded) -> ModelAnswer:
    """Return one model."""
    return ModelAnswer.of(service.model(name))


@router.post("", status_code=201, dependencies=[Depends(may_add)])
def add_model(specification: ModelSpecification, service: ServiceNeeded) -> ModelAnswer:
    """Add a model by the path of its file."""
    return ModelAnswer.of(service.add_model(specification.beside(Path.cwd())))


@router.delete("/{name}", status_code=204, dependencies=[Depends(may_add)])
def delete_model(name: str, service: ServiceNeeded) -> Response:
    """Forget a model that was added; its results stay."""
    service.delete_model(name)
    return Response(status_code=204)


@router.post("/{name}/open", status_code=202)
def open_model(name: str, service: ServiceNeeded) -> ModelAnswer:
    """Have a model opened, so that its card is filled and its process warm."""
    service.jobs.open_model(name)
    return ModelAnswer.of(service.model(name))
