"""`picasso visualizations`: what there is to see."""

from __future__ import annotations

from typing import Annotated

import typer

from picasso.shell import output
from picasso.shell.options import DebugOption, JsonOption, complete_visualizations
from picasso.shell.output import guarded


@guarded
def visualizations(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", autocompletion=complete_visualizations, help="One of them, in full.")
    ] = "",
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the visualizations; with a name: its settings, references and needs.

    \b
    picasso visualizations
    picasso visualizations partial-occlusion
    """
    from picasso.core import registry
    from picasso.shell import project, tables

    if name:
        entry = registry.visualization(name, project.plugin_folders())
        if as_json:
            output.print_json(tables.visualization_document(entry))
        else:
            tables.show_visualization(entry)
        return
    entries = registry.visualizations(project.plugin_folders())
    if as_json:
        output.print_json([tables.visualization_document(entry) for entry in entries.values()])
    else:
        tables.show_visualizations(entries)
