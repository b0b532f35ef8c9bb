"""/albums: pictures of a folder or data set that a result leads to, and what people say that they show."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from picasso.core.labels.annotations import LONGEST
from picasso.service.records import Fault
from picasso.web.answers.common import ErrorAnswer
from picasso.web.answers.pictures import PictureAnswer, RefusedPicture
from picasso.web.routes import ServiceNeeded

router = APIRouter(prefix="/albums", tags=["albums"])
MOST_TAKEN = 24
"""Pictures of one request."""


class Wanted(BaseModel):
    """Pictures of an album."""

    album: str = Field(max_length=4000, description="A data set of this server, or a path where pages may name one.")
    names: list[Annotated[str, Field(max_length=4000)]] = Field(min_length=1, max_length=MOST_TAKEN)


class Taken(BaseModel):
    """What became of each picture, in the order in which they were named."""

    pictures: list[PictureAnswer | RefusedPicture]


class Opinion(BaseModel):
    """What somebody says that a picture shows."""

    album: str = Field(max_length=4000)
    picture: str = Field(min_length=1, max_length=4000)
    annotator: str = Field(min_length=1, max_length=LONGEST)
    label: str = Field(max_length=LONGEST, description="A class; empty to take an earlier one back.")


@router.post("/pictures")
async def take_pictures(wanted: Wanted, service: ServiceNeeded) -> Taken:
    """Take pictures of an album in, so that they can be explained."""
    found = await run_in_threadpool(service.take_pictures, wanted.album, wanted.names)
    return Taken(
        pictures=[
            RefusedPicture(name=name, error=_fault(one)) if isinstance(one, Fault) else PictureAnswer.of(one)
            for name, one in zip(wanted.names, found, strict=True)
        ]
    )


@router.post("/labels", status_code=204)
def label_picture(opinion: Opinion, service: ServiceNeeded) -> Response:
    """Keep what somebody says that a picture shows, beside the album's own label."""
    service.label_picture(opinion.album, opinion.picture, opinion.annotator, opinion.label)
    return Response(status_code=204)


def _fault(fault: Fault) -> ErrorAnswer:
    answer = ErrorAnswer.of(fault)
    assert answer is not None
    return answer
