"""/what-ifs: the scores of a picture that was painted over."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from picasso.core.edits import MOST_PAINTS, MOST_RUNS, MOST_SIDE, Edit, Fill, Paint
from picasso.core.errors import NotFoundError
from picasso.core.what_if import Moved
from picasso.service.questions import Asked
from picasso.service.service import Service
from picasso.service.what_ifs import WhatIfQuestion, WhatIfReply
from picasso.web.answers.common import ErrorAnswer
from picasso.web.routes import ServiceNeeded, get_service
from picasso.web.waiting import WAIT_SECONDS, when_over

router = APIRouter(prefix="/what-ifs", tags=["what-ifs"])
Number = Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)]


class PaintAsked(BaseModel):
    """What some pixels become."""

    model_config = ConfigDict(extra="forbid")

    fill: Fill = Field(description="As in occlusion; clone: what lies elsewhere in the unpainted picture.")
    runs: list[Number] = Field(
        max_length=2 * MOST_RUNS,
        description="first, length, first, length, ...: stretches of pixels, counted row by row from the top left.",
    )
    right: Number = Field(0, description="For clone: a pixel takes what lies so many pixels to its right.")
    down: Number = Field(0, description="For clone: a pixel takes what lies so many pixels below it.")


class EditAsked(BaseModel):
    """A painted picture, in pixels of the network's input."""

    model_config = ConfigDict(extra="forbid")

    height: Number = Field(ge=1, le=MOST_SIDE)
    width: Number = Field(ge=1, le=MOST_SIDE)
    paints: list[PaintAsked] = Field(max_length=MOST_PAINTS, description="Where two meet, the later one holds.")

    def to_edit(self) -> Edit:
        paints = tuple(Paint(one.fill, tuple(one.runs), one.right, one.down) for one in self.paints)
        return Edit(self.height, self.width, paints)


class NewWhatIf(BaseModel):
    """What is asked."""

    model_config = ConfigDict(extra="forbid")

    model: str
    picture: str = Field(description="Digest.")
    edit: EditAsked | None = Field(None, description="null: the unpainted picture.")
    target: list[int | str] = Field([], max_length=100, description='Classes that are wanted anyhow, or "a - b".')
    top: int = Field(5, ge=1, le=20, description="How many of the best classes, before and after.")
    at: str | None = Field(None, max_length=200, description="For a segmenter or detector, as in a job.")
    looks: bool = Field(False, description="Whether to send how the input and the fills look.")

    def to_question(self) -> WhatIfQuestion:
        return WhatIfQuestion(
            model=self.model,
            picture=self.picture,
            edit=self.edit.to_edit() if self.edit else None,
            targets=tuple(self.target),
            top=self.top,
            at=self.at or None,
            looks=self.looks,
        )


class MovedAnswer(BaseModel):
    """A class, or a difference of two, before and after."""

    index: int
    label: str
    minus: int | None
    asked: bool = Field(description="Whether it was asked for, rather than being among the best.")
    score: tuple[float, float]
    probability: tuple[float, float] | None
    units: str = Field(description='What the score is: "logit", ...')

    @classmethod
    def of(cls, moved: Moved) -> MovedAnswer:
        return cls(**vars(moved))


class ReplyAnswer(BaseModel):
    """What the model says."""

    model: str = Field(description="Digest of the model that answered.")
    height: int
    width: int
    painted: int = Field(description="Number of painted pixels.")
    moved: list[MovedAnswer]
    looks: dict[str, str] | None = Field(
        description='"picture" and every fill: "#808080", or a PNG as a data: address.'
    )
    seconds: float


class WhatIfAnswer(BaseModel):
    """A question and how far it is."""

    id: str
    state: str = Field(description="queued, running, done, failed or canceled.")
    doing: str = Field(description='What it waits for, in words; "" where it is over.')
    reply: ReplyAnswer | None
    error: ErrorAnswer | None

    @classmethod
    def of(cls, service: Service, asked: Asked) -> WhatIfAnswer:
        if not isinstance(asked.question, WhatIfQuestion):
            raise NotFoundError(f"There is no question '{asked.id}' of the brush.", "It is one of the live page.")
        reply, shown = asked.reply, None
        if isinstance(reply, WhatIfReply):
            values: dict[str, Any] = vars(reply) | {"painted": reply.change.painted}
            moved = [MovedAnswer.of(one) for one in reply.change.moved]
            shown = ReplyAnswer.model_validate(values | {"moved": moved})
        return cls(
            id=asked.id,
            state=asked.state,
            doing=service.jobs.questions.doing(asked),
            reply=shown,
            error=ErrorAnswer.of(asked.error),
        )


@router.post("", responses={202: {"model": WhatIfAnswer, "description": "The model is not ready yet; ask again."}})
async def ask_what_if(new: NewWhatIf, request: Request, response: Response) -> WhatIfAnswer:
    """Say what a model makes of a painted picture: the scores before and after."""
    service = get_service(request)
    asked = await run_in_threadpool(lambda: service.jobs.ask(new.to_question()))
    found = await when_over(request, service, asked.id, WAIT_SECONDS)
    if not found.state.over:
        response.status_code = 202
    if found.error is not None:
        raise found.error.to_error()
    return await run_in_threadpool(WhatIfAnswer.of, service, found)


@router.get("/{id_}")
async def get_what_if(id_: str, request: Request, wait: Annotated[float, Query(ge=0, le=5)] = 0) -> WhatIfAnswer:
    """Return a question that was not answered at once, as soon as it is over or after so many seconds."""
    service = get_service(request)
    found = await when_over(request, service, id_, wait)
    return await run_in_threadpool(WhatIfAnswer.of, service, found)


@router.post("/{id_}/cancel")
def cancel_what_if(id_: str, service: ServiceNeeded) -> WhatIfAnswer:
    """Stop a question; a process that does not stop within two seconds is ended."""
    return WhatIfAnswer.of(service, service.jobs.cancel_question(id_))
