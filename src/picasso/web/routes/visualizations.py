"""/visualizations"""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter
from pydantic import BaseModel

from picasso.service.plugin_process import Description
from picasso.service.service import Service
from picasso.web.answers.visualizations import VisualizationAnswer
from picasso.web.routes import ServiceNeeded

router = APIRouter(prefix="/visualizations", tags=["visualizations"])


class Visualizations(BaseModel):
    """All visualizations, broken ones with their traceback, and the folders where own ones are dropped."""

    visualizations: list[VisualizationAnswer]
    folders: list[str]


@router.get("")
def list_visualizations(service: ServiceNeeded) -> Visualizations:
    """List the visualizations as their files are now."""
    return _answer(service, service.catalog.all())


@router.post("/reload")
def reload_visualizations(service: ServiceNeeded) -> Visualizations:
    """Read all plug-ins afresh, also where no file has changed."""
    return _answer(service, service.catalog.reload())


def _answer(service: Service, known: Mapping[str, Description]) -> Visualizations:
    return Visualizations(
        visualizations=[VisualizationAnswer.of(item) for item in known.values()],
        folders=[str(folder) for folder in service.catalog.folders],
    )
