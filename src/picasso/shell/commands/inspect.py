"""`picasso inspect`: what is known of a model."""

from __future__ import annotations

from typing import Annotated

import typer

from picasso.shell import output
from picasso.shell.opening import UNSAID, Opening, opens_a_model
from picasso.shell.options import LOOK, DebugOption, JsonOption, ModelWord
from picasso.shell.output import guarded


@guarded
@opens_a_model
def inspect(
    model: ModelWord,
    samples: Annotated[
        list[str] | None,
        typer.Option(
            "--samples",
            metavar="PICTURES",
            help="Files or a folder to try the usual preprocessings on; folders named like classes label what is in "
            "them. Several times for several.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    opening: Opening = UNSAID,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what is known of a model: input, preprocessing, head, labels, layers, and which visualizations fit it.

    \b
    picasso inspect demo:tank-proxy
    picasso inspect net.safetensors --factory my_net.py:make --json
    picasso inspect net.keras --samples photos/
    """
    from picasso.shell import inspecting, models, tables

    opened = models.open_model(model, opening)
    facts = models.describe(opened)
    findings = inspecting.try_samples(opened, samples) if samples else None
    if as_json:
        output.print_json(facts | ({"samples": findings} if findings else {}))
        return
    tables.show_model(facts)
    inspecting.show(facts, findings)
