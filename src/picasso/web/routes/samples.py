"""/samples: pictures that come with Picasso."""

from __future__ import annotations

from fastapi import APIRouter, Response
from pydantic import BaseModel

from picasso.core.pictures.images import read_picture
from picasso.service.pictures import thumbnail
from picasso.service.samples import find_sample, find_samples
from picasso.web.answers.pictures import PictureAnswer, SampleAnswer
from picasso.web.routes import ServiceNeeded

router = APIRouter(prefix="/samples", tags=["samples"])


class Samples(BaseModel):
    """Sample pictures."""

    samples: list[SampleAnswer]


@router.get("")
def list_samples(service: ServiceNeeded) -> Samples:
    """List the sample pictures."""
    return Samples(samples=[SampleAnswer.of(sample) for sample in find_samples(service.configuration.samples)])


@router.get("/{id_}/thumbnail", response_class=Response)
def get_thumbnail(id_: str, service: ServiceNeeded) -> Response:
    """Return a small rendition of a sample."""
    sample = find_sample(service.configuration.samples, id_)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(thumbnail(read_picture(sample.path)), media_type="image/jpeg", headers=headers)


@router.post("/{id_}")
def adopt_sample(id_: str, service: ServiceNeeded) -> PictureAnswer:
    """Make a sample one of the pictures."""
    sample = find_sample(service.configuration.samples, id_)
    return PictureAnswer.of(service.take_sample(sample))
