"""/checkpoints: folders of what was saved during a training."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from picasso.web.routes import ServiceNeeded

router = APIRouter(prefix="/checkpoints", tags=["checkpoints"])


class CheckpointFolderAnswer(BaseModel):
    """A folder of checkpoints that a setting may name."""

    name: str


class CheckpointFolders(BaseModel):
    """All folders of checkpoints."""

    checkpoints: list[CheckpointFolderAnswer]


@router.get("")
def list_checkpoints(service: ServiceNeeded) -> CheckpointFolders:
    """List the folders of checkpoints that the server knows."""
    names = service.configuration.checkpoint_folders()
    return CheckpointFolders(checkpoints=[CheckpointFolderAnswer(name=name) for name in names])
