"""/pictures/{digest}/masks: where the object of a picture is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from picasso.service.service import Service
from picasso.web.answers.pictures import MaskAnswer
from picasso.web.errors import RequestError
from picasso.web.routes import FILE, IMMUTABLE, ServiceNeeded, form_schema, get_service

router = APIRouter(prefix="/pictures/{picture}/masks", tags=["masks"])
_FORM = form_schema(file=FILE)


class Masks(BaseModel):
    """Masks of a picture, the newest first."""

    masks: list[MaskAnswer]


@router.post("", openapi_extra=_FORM)
async def upload_mask(picture: str, request: Request) -> MaskAnswer:
    """Upload a mask of a picture's object: a picture of the same size in which everything but black is meant."""
    service = get_service(request)
    async with request.form(max_files=1) as form:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            raise RequestError("The request holds no file.", "Send the mask as multipart/form-data.")
        return await run_in_threadpool(_adopt, service, picture, files[0])


@router.get("")
def list_masks(picture: str, service: ServiceNeeded) -> Masks:
    """List the masks that are known of a picture, those of the data set that it comes from with them."""
    service.store.picture(picture)
    return Masks(masks=[MaskAnswer.of(record) for record in service.store.masks(picture)])


@router.get("/{digest}", response_class=Response)
def get_mask(picture: str, digest: str, service: ServiceNeeded) -> Response:
    """Return a mask as PNG, white on black."""
    data = service.artifacts.get(service.store.mask(picture, digest).digest)
    return Response(data, media_type="image/png", headers=IMMUTABLE)


def _adopt(service: Service, picture: str, file: UploadFile) -> MaskAnswer:
    known = service.store.picture(picture)
    return MaskAnswer.of(service.masks.adopt(known, file.file.read(), file.filename or "mask"))
