"""The web application: pages, and the API under /api/v1."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata, resources
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.concurrency import run_in_threadpool

from picasso.service.configuration import Configuration
from picasso.service.service import Service
from picasso.web.answers.common import PREFIX
from picasso.web.body_limit import BodyLimit, Most
from picasso.web.errors import add_error_handlers
from picasso.web.routes import (
    albums,
    artifacts,
    audits,
    checkpoints,
    comparisons,
    datasets,
    films,
    glances,
    jobs,
    masks,
    models,
    pages,
    pictures,
    results,
    samples,
    visualizations,
    what_ifs,
)
from picasso.web.security import Security

_HERE = Path(__file__).parent
_MOST = Most(32 * 2**20, "A request may hold at most 32 MB.", "Ask for less at a time.")
"""Of all requests that bring no file, or no more than a mask."""


def create_app(configuration: Configuration, started: Service | None = None) -> FastAPI:
    """Make the application.

    Args:
        configuration: What the server is told.
        started: A service that runs already; by default the application starts one of its own with the server.

    Returns:
        The application; the service ends with the server.

    Raises:
        ConfigurationError: The configuration cannot be used.
    """
    configuration.check()
    version = metadata.version("picasso")

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.stopping = asyncio.Event()
        service = started or Service(configuration)
        if started is None:
            await run_in_threadpool(service.start)
        app.state.service = service
        try:
            yield
        finally:
            app.state.stopping.set()
            await run_in_threadpool(service.stop)

    # The interactive documentation of the framework loads scripts from elsewhere, which the pages' policy forbids.
    app = FastAPI(
        title="Picasso",
        version=version,
        summary="See what a trained image model looks at.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=life,
    )
    app.state.templates = Jinja2Templates(directory=_HERE / "templates")
    app.state.page_context = {
        "demo": configuration.demo,
        "allow_add": configuration.allow_add,
        "version": version,
    }
    api = APIRouter(prefix=PREFIX)
    for nouns in (
        models,
        pictures,
        masks,
        samples,
        visualizations,
        jobs,
        what_ifs,
        glances,
        films,
        comparisons,
        datasets,
        checkpoints,
        audits,
        results,
        artifacts,
        albums,
    ):
        api.include_router(nouns.router)
    app.include_router(api)
    app.include_router(pages.router)
    if configuration.demo:
        # Pictures and numbers of the first page; files only, nothing of the demo is imported.
        story = Path(str(resources.files("picasso") / "demo" / "story"))
        app.mount("/story-assets", StaticFiles(directory=story, check_dir=False), name="story-assets")
    app.mount("/static", StaticFiles(directory=_HERE / "static", check_dir=False), name="static")
    add_error_handlers(app)
    most = {
        f"{PREFIX}/pictures": pictures.MOST,
        f"{PREFIX}/films": films.MOST,
        f"{PREFIX}/glances": glances.MOST,
        f"{PREFIX}/datasets/archives": datasets.MOST,
    }
    app.add_middleware(BodyLimit, most=most, otherwise=_MOST)
    app.add_middleware(Security, configuration=configuration)  # the outermost: who may not ask is not read
    return app
