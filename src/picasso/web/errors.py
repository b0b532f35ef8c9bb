"""One error body and its status for everything that goes wrong."""

from __future__ import annotations

from typing import ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.templating import Jinja2Templates
from starlette.exceptions import HTTPException

from picasso.core.errors import NotFoundError, PicassoError

API = "/api/"
_STATUSES = {
    "not-found": 404,
    "not-supported": 409,
    "missing-extra": 409,
    "canceled": 409,
    "forbidden": 403,
    "unsafe-model": 422,
}


class ForbiddenError(PicassoError):
    """The request is not allowed."""

    code: ClassVar[str] = "forbidden"


class RequestError(PicassoError):
    """The request itself is malformed."""

    code: ClassVar[str] = "bad-request"


def status_of(error: PicassoError) -> int:
    """Return the HTTP status of an error."""
    return 422 if error.code.startswith("bad-") else _STATUSES.get(error.code, 500)


def body_of(error: PicassoError) -> dict[str, dict[str, str]]:
    """Return the error body."""
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def error_response(request: Request, error: PicassoError, status: int | None = None) -> Response:
    """Answer with an error: the page for people, JSON for programs."""
    status = status or status_of(error)
    wants_page = not request.url.path.startswith(API) and "text/html" in request.headers.get("accept", "")
    if wants_page and request.method in ("GET", "HEAD"):
        templates: Jinja2Templates = request.app.state.templates
        context = {**request.app.state.page_context, "page": "error", "status": status, **body_of(error)["error"]}
        return templates.TemplateResponse(request, "error.html", context, status_code=status)
    return JSONResponse(body_of(error), status_code=status)


def add_error_handlers(app: FastAPI) -> None:
    """Have every error answered in the same way."""

    @app.exception_handler(PicassoError)
    def known(request: Request, error: PicassoError) -> Response:
        return error_response(request, error)

    @app.exception_handler(RequestValidationError)
    def malformed(request: Request, error: RequestValidationError) -> Response:
        return error_response(request, RequestError(_sentence(error)))

    @app.exception_handler(HTTPException)
    def refused(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            return error_response(request, _nothing_there(request), 404)
        status = 422 if error.status_code == 400 else error.status_code
        response = error_response(request, RequestError(f"{error.detail.rstrip('.')}."), status)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> Response:
        found = PicassoError(
            f"The server failed: {type(error).__name__}.", "This is a bug in Picasso; the server's log has more."
        )
        return error_response(request, found)


def _nothing_there(request: Request) -> PicassoError:
    return NotFoundError(f"There is nothing at {request.url.path[:200]}.", "Check the address.")


def _sentence(error: RequestValidationError) -> str:
    item = error.errors()[0]
    place = ".".join(str(part) for part in item["loc"][1:]) or str(item["loc"][0])
    if item["type"] == "missing":
        return f"{place} is missing."
    if item["type"] == "extra_forbidden":
        return f"There is no field '{place}'."
    said = str(item["msg"]).removeprefix("Value error, ").replace("Input should be", "must be").rstrip(".")
    got = repr(item.get("input"))
    return f"{place} {said}. Got {got if len(got) <= 80 else got[:77] + '...'}."
