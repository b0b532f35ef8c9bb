"""/pictures"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from picasso.core.errors import PicassoError
from picasso.core.pictures.images import MAX_BYTES
from picasso.service.pictures import clean_name
from picasso.service.records import Fault
from picasso.service.service import Service
from picasso.web.answers.common import ErrorAnswer
from picasso.web.answers.pictures import PictureAnswer, RefusedPicture
from picasso.web.body_limit import Most
from picasso.web.errors import RequestError
from picasso.web.routes import FILE, IMMUTABLE, Limit, ServiceNeeded, form_schema, get_service

router = APIRouter(prefix="/pictures", tags=["pictures"])
MAX_FILES = 500
MOST = Most(4 * 2**30, "One upload may hold at most 4 GB.", "Send fewer pictures at a time.")
_FORM = form_schema(files={"type": "array", "items": FILE})


class Uploaded(BaseModel):
    """What became of each file, in the order in which they were sent."""

    pictures: list[PictureAnswer | RefusedPicture]


class Pictures(BaseModel):
    """Pictures, the newest first."""

    pictures: list[PictureAnswer]


@router.post("", openapi_extra=_FORM)
async def upload_pictures(request: Request) -> Uploaded:
    """Upload pictures; each is accepted or refused by itself."""
    service = get_service(request)
    async with request.form(max_files=MAX_FILES) as form:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            raise RequestError("The request holds no file.", "Send pictures as multipart/form-data.")
        return Uploaded(pictures=[await run_in_threadpool(_adopt, service, file) for file in files])


@router.get("")
def list_pictures(service: ServiceNeeded, limit: Limit = 100) -> Pictures:
    """List the newest pictures that someone brought or explained."""
    return Pictures(pictures=[PictureAnswer.of(record) for record in service.store.pictures(limit)])


@router.get("/{digest}")
def get_picture(digest: str, service: ServiceNeeded) -> PictureAnswer:
    """Return one picture."""
    return PictureAnswer.of(service.store.picture(digest))


@router.get("/{digest}/file", response_class=Response)
def get_file(digest: str, service: ServiceNeeded) -> Response:
    """Return a rendition that every browser shows, upright."""
    record = service.store.picture(digest)
    return Response(service.artifacts.get(record.file), media_type=record.file_type, headers=IMMUTABLE)


@router.get("/{digest}/thumbnail", response_class=Response)
def get_thumbnail(digest: str, service: ServiceNeeded) -> Response:
    """Return a small rendition."""
    record = service.store.picture(digest)
    return Response(service.artifacts.get(record.thumbnail), media_type="image/jpeg", headers=IMMUTABLE)


def _adopt(service: Service, file: UploadFile) -> PictureAnswer | RefusedPicture:
    name = clean_name(file.filename or "picture")
    try:
        # One byte more than is allowed is enough to be refused.
        return PictureAnswer.of(service.pictures.adopt(file.file.read(MAX_BYTES + 1), name))
    except PicassoError as error:
        fault = ErrorAnswer.of(Fault.of(error))
        assert fault is not None
        return RefusedPicture(name=name, error=fault)
