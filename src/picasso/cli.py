"""The command line: which commands there are."""

from __future__ import annotations

from typing import Annotated

import typer

from picasso.shell.commands.audit import audit
from picasso.shell.commands.compare import compare
from picasso.shell.commands.explain import explain
from picasso.shell.commands.inspect import inspect
from picasso.shell.commands.new import new_config, new_model, new_pictures, new_visualization
from picasso.shell.commands.serve import demo, serve
from picasso.shell.commands.video import video
from picasso.shell.commands.visualizations import visualizations
from picasso.shell.usage import Commands

_SETTINGS_ARE_OPTIONS = {"ignore_unknown_options": True, "allow_interspersed_args": True}

app = typer.Typer(
    name="picasso",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
new = typer.Typer(no_args_is_help=True, help="Write files to begin with.")
app.add_typer(new, name="new")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"picasso {version('picasso')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """See what a trained image model looks at: the tank, or the sky.

    \b
    picasso demo                                the demo, in the browser
    picasso explain demo:tank-proxy photo.jpg   maps of one picture, as files
    picasso explain my_model.py:Net photos/     of your own model
    picasso compare demo:tank-proxy photo.jpg   which of the maps to believe
    picasso audit demo:tank-proxy demo:tanks    right for the right reason?
    picasso video demo:tank-proxy drive.mp4     maps over a video
    picasso visualizations                      what else there is to see
    """


app.command(context_settings=_SETTINGS_ARE_OPTIONS)(explain)
app.command(context_settings=_SETTINGS_ARE_OPTIONS)(video)
for command in (compare, audit, inspect, visualizations):
    app.command()(command)
new.command("visualization")(new_visualization)
new.command("model")(new_model)
new.command("config")(new_config)
new.command("pictures")(new_pictures)
for command in (serve, demo):
    app.command()(command)
