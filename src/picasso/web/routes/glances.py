"""/glances: one frame of a camera or a video, the model's answer and one map of it."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from picasso.core.errors import CanceledError, NotFoundError
from picasso.core.glance import Glance
from picasso.service.glances import FRAME_TOO_LARGE, MOST_BYTES, GlanceQuestion, GlanceReply
from picasso.service.questions import Asked
from picasso.service.service import Service
from picasso.web.answers.common import ErrorAnswer
from picasso.web.body_limit import Most
from picasso.web.routes import ServiceNeeded, get_service
from picasso.web.waiting import WAIT_SECONDS, when_over

router = APIRouter(prefix="/glances", tags=["glances"])
_FORM_BYTES = 2**20
"""What a frame is sent with: the question, and the form's own lines."""
MOST = Most(MOST_BYTES + _FORM_BYTES, *FRAME_TOO_LARGE)
_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}


class NewGlance(BaseModel):
    """What is asked of a frame."""

    model_config = ConfigDict(extra="forbid")

    model: str
    visualization: str = Field(description="An attribution method that is no perturbation, or activations.")
    settings: dict[str, Any] = Field({}, description="Of the visualization; those left out have their defaults.")
    target: int | str | None = Field(None, description='The class to explain, or "a - b"; null: the frame\'s best one.')
    top: int = Field(5, ge=1, le=20, description="How many of the best classes.")
    channel: int | None = Field(None, ge=0, description="Of activations: one channel; null: the mean size over all.")
    viewer: str = Field(
        "", max_length=64, description="Of one viewer's questions that wait only the newest is answered."
    )

    def to_question(self, frame: bytes) -> GlanceQuestion:
        return GlanceQuestion(frame=frame, **dict(self))


class ClassAnswer(BaseModel):
    """A class and its number."""

    index: int
    label: str
    probability: float


class GlanceAnswer(BaseModel):
    """What the model says of a frame; the map's values follow, as `values` says."""

    model: str = Field(description="Digest of the model that answered.")
    seconds: float
    classes: list[ClassAnswer] = Field(description="The best, then the explained one where it is not among them.")
    certainty: str = Field(description='What the numbers of the classes are: "probability", "score", ...')
    subject: str = Field(description="What the map is of.")
    explained: int | None = Field(description="Index of the explained class.")
    score: float | None
    units: str
    sign: str
    limits: tuple[float, float] = Field(description="The color scale that this frame would have alone.")
    size: tuple[int, int] = Field(description="(height, width) of the network's input.")
    frame: dict[str, float] | None = Field(description="Which part of the picture the model saw, in its pixels.")
    values: dict[str, Any] = Field(description="dtype and shape of the bytes that follow.")

    @classmethod
    def of(cls, reply: GlanceReply) -> GlanceAnswer:
        glance: Glance = reply.glance
        known: dict[str, Any] = vars(glance) | {
            "classes": [ClassAnswer(**vars(one)) for one in glance.classes],
            "frame": None if glance.frame is None else vars(glance.frame),
            "values": {"dtype": "float32", "shape": list(glance.values.shape)},
        }
        return cls(model=reply.model, seconds=reply.seconds, **known)


class WaitingGlance(BaseModel):
    """A question that has no answer yet, or will have none."""

    id: str
    state: str = Field(description="queued, running, failed or canceled.")
    doing: str = Field(description='What it waits for, in words; "" where it is over.')
    error: ErrorAnswer | None


@router.post(
    "",
    response_class=Response,
    responses={200: {"content": _BINARY}, 202: {"model": WaitingGlance, "description": "Not ready yet; ask again."}},
)
async def ask_glance(
    request: Request,
    frame: Annotated[UploadFile, File(description="A picture's file, best as small as the network reads it.")],
    question: Annotated[str, Form(description="What is asked, as JSON: see NewGlance.")],
) -> Response:
    """Look at one frame: the best classes, and one map as numbers."""
    try:
        new = NewGlance.model_validate_json(question)
    except ValidationError as error:
        found = [one | {"loc": ("question", *one["loc"])} for one in error.errors(include_url=False)]
        raise RequestValidationError(found) from None
    service = get_service(request)
    data = await frame.read(MOST_BYTES + 1)
    asked = await run_in_threadpool(lambda: service.jobs.ask(new.to_question(data)))
    over = await when_over(request, service, asked.id, WAIT_SECONDS)
    return await run_in_threadpool(_answer, service, over)


@router.get("/{id_}", response_class=Response, responses={200: {"content": _BINARY}, 202: {"model": WaitingGlance}})
async def get_glance(id_: str, request: Request, wait: Annotated[float, Query(ge=0, le=5)] = 0) -> Response:
    """Return the answer to a frame that was not answered at once, as soon as it is there or after so many seconds."""
    service = get_service(request)
    over = await when_over(request, service, id_, wait)
    return await run_in_threadpool(_answer, service, over)


@router.post("/{id_}/cancel")
def cancel_glance(id_: str, service: ServiceNeeded) -> WaitingGlance:
    """Stop a question; a process that does not stop within two seconds is ended."""
    _of_frame(service.jobs.questions.get(id_))
    return _waiting(service, service.jobs.cancel_question(id_))


def pack(reply: GlanceReply) -> bytes:
    """Return an answer in one piece: JSON and the map's numbers.

    Returns:
        Four bytes, the length n of the JSON, little-endian; n bytes of JSON (a `GlanceAnswer`), with spaces at its
        end so that 4 + n is a multiple of 4; the values, row by row, little-endian.
    """
    said = json.dumps(GlanceAnswer.of(reply).model_dump()).encode()
    said += b" " * (-len(said) % 4)
    return len(said).to_bytes(4, "little") + said + reply.glance.values.astype("<f4").tobytes()


def _answer(service: Service, asked: Asked) -> Response:
    _of_frame(asked)
    if asked.error is not None:
        raise asked.error.to_error()
    if isinstance(asked.reply, GlanceReply):
        return Response(pack(asked.reply), media_type="application/octet-stream")
    if asked.state.over:
        raise CanceledError("This frame was stopped, or a newer one has taken its place.", "Ask again.")
    return JSONResponse(_waiting(service, asked).model_dump(), status_code=202)


def _waiting(service: Service, asked: Asked) -> WaitingGlance:
    doing = service.jobs.questions.doing(asked)
    return WaitingGlance(id=asked.id, state=asked.state, doing=doing, error=ErrorAnswer.of(asked.error))


def _of_frame(asked: Asked) -> None:
    """Refuse a question of another kind.

    Raises:
        NotFoundError: It is one.
    """
    if not isinstance(asked.question, GlanceQuestion):
        raise NotFoundError(f"There is no frame '{asked.id}'.", "It is a question of the what-if brush.")
