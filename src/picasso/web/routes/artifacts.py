"""/artifacts: the raw numbers of panels. /color-maps: what the page colors them with."""

from __future__ import annotations

import numpy as np
from fastapi import APIRouter, Response
from pydantic import BaseModel

from picasso.core.errors import NotFoundError
from picasso.core.pictures import render
from picasso.core.pictures.colors import color_map
from picasso.web.routes import IMMUTABLE, ServiceNeeded

router = APIRouter(tags=["artifacts"])


class ColorMaps(BaseModel):
    """256 colors each, [red, green, blue] 0..255."""

    signed: list[tuple[int, int, int]]
    unsigned: list[tuple[int, int, int]]


@router.get("/artifacts/{digest}.png", response_class=Response)
def get_image(digest: str, service: ServiceNeeded) -> Response:
    """Return a uint8 array as a picture."""
    values = service.artifacts.get_array(digest)
    if values.dtype != np.uint8 or values.ndim not in (2, 3) or values.shape[2:] not in ((), (1,), (3,)):
        raise NotFoundError(f"The artifact {digest} is no picture.", "Leave out .png for the raw numbers.")
    flat = values[..., 0] if values.shape[2:] == (1,) else values
    return Response(render.png(render.to_image(flat)), media_type="image/png", headers=IMMUTABLE)


@router.get("/artifacts/{digest}", response_class=Response)
def get_array(digest: str, service: ServiceNeeded) -> Response:
    """Return an array's raw little-endian bytes, row by row; dtype and shape stand beside its address."""
    values = service.artifacts.get_array(digest)
    return Response(values.tobytes(), media_type="application/octet-stream", headers=IMMUTABLE)


@router.get("/color-maps")
def get_color_maps() -> ColorMaps:
    """Return the color maps."""
    return ColorMaps(signed=color_map("signed").tolist(), unsigned=color_map("unsigned").tolist())
