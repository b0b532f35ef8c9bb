"""The pages. They are thin: what they show, their scripts ask the API for."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.templating import Jinja2Templates

from picasso.core.video.reading import has_av
from picasso.web.routes import ServiceNeeded

router = APIRouter(include_in_schema=False)


@router.get("/")
def home(request: Request, service: ServiceNeeded) -> Response:
    return _page(request, "story" if service.configuration.demo else "workbench")


@router.get("/explain")
def workbench(request: Request) -> Response:
    return _page(request, "workbench")


@router.get("/jobs/{id_}")
def job(id_: str, request: Request, service: ServiceNeeded) -> Response:
    return _page(request, "job", job=service.records.job(id_).id)


@router.get("/results/{key}")
def result(key: str, request: Request, service: ServiceNeeded) -> Response:
    return _page(request, "result", result=service.store.result(key).key)


@router.get("/network")
def network(request: Request) -> Response:
    return _page(request, "network")


@router.get("/live")
def live(request: Request) -> Response:
    return _page(request, "live", films=has_av())


@router.get("/compare")
def compare(request: Request) -> Response:
    return _page(request, "compare")


@router.get("/comparisons/{key}")
def comparison(key: str, request: Request, service: ServiceNeeded) -> Response:
    return _page(request, "comparison", comparison=service.store.comparison(key).key)


@router.get("/audit")
def audit(request: Request) -> Response:
    return _page(request, "audit")


@router.get("/audits/{key}")
def audited(key: str, request: Request, service: ServiceNeeded) -> Response:
    return _page(request, "findings", audit=service.store.audit_line(key).key)


@router.get("/history")
def history(request: Request) -> Response:
    return _page(request, "history")


@router.get("/visualizations")
def visualizations(request: Request) -> Response:
    return _page(request, "visualizations")


@router.get("/models")
def models(request: Request) -> Response:
    return _page(request, "models")


def _page(request: Request, page: str, **context: Any) -> Response:
    templates: Jinja2Templates = request.app.state.templates
    return templates.TemplateResponse(
        request, f"{page}.html", {**request.app.state.page_context, "page": page, **context}
    )
