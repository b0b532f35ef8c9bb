"""`picasso serve` and `picasso demo`: the pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picasso.shell.options import DebugOption
from picasso.shell.output import guarded


@guarded
def serve(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="[NAME=]SOURCE", help="A model to offer, besides those of picasso.toml."),
    ] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            metavar="[NAME=]PATH",
            help="Pictures by class to audit models on, besides those of picasso.toml: a folder, a CSV, COCO, a zip.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="Configuration; by default picasso.toml of this folder."),
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", metavar="ADDRESS", help="Address to listen on. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port", metavar="NUMBER", min=0, max=65535, help="Where taken, the next free one. [default: 8000]"
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="FOLDER", help="Folder for pictures and results.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="SECRET", envvar="PICASSO_TOKEN", help="Secret that every request must carry."),
    ] = None,
    allow_add: Annotated[
        bool, typer.Option("--allow-add", help="Pages may add and remove models and data sets.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser.")] = False,
    debug: DebugOption = False,
) -> None:
    """Serve your models as a web page, to yourself or, with a token, to others.

    \b
    picasso serve                                     what picasso.toml says
    picasso serve --model demo:tank-proxy --model tanks=my_model.py:TankDetector --open
    PICASSO_TOKEN=... picasso serve --host 0.0.0.0
    """
    from picasso.shell import serving

    data = data.absolute() if data else None
    options = {"host": host, "port": port, "data": data, "token": token, "allow_add": allow_add or None}
    configuration = serving.project(config, model or (), dataset or (), **options)
    serving.run(configuration, open_browser)


@guarded
def demo(
    port: Annotated[
        int, typer.Option("--port", metavar="NUMBER", min=0, max=65535, help="Where taken, the next free one.")
    ] = 8000,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the browser.")] = True,
    debug: DebugOption = False,
) -> None:
    """Show the demo in the browser: two models that tell tanks from decoys, one of which looks at the sky.

    A segmenter, a detector and a reader of digits are there to try, too.

    \b
    picasso demo
    picasso demo --no-open --port 8080
    """
    from picasso.shell import serving

    serving.run(serving.demonstration(port), open_browser)
