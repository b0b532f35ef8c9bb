"""`picasso video`: maps over a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picasso.shell import output
from picasso.shell.opening import UNSAID, Opening, opens_a_model
from picasso.shell.options import LOOK, RUN, DebugOption, JsonOption, ModelWord, SettingOption, complete_visualizations
from picasso.shell.output import guarded


@guarded
@opens_a_model
def video(
    context: typer.Context,
    model: ModelWord,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO", help="A video file; and the visualization's settings: --layer relu4.", show_default=False
        ),
    ],
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="VISUALIZATION",
            help="An attribution method, or activations. [default: grad-cam]",
            autocompletion=complete_visualizations,
            rich_help_panel=LOOK,
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="CLASS",
            help='Class to explain: a label, an index, or "a - b"; else the best of each frame.',
            rich_help_panel=LOOK,
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option("--top", metavar="NUMBER", min=1, help="How many of the best classes.", rich_help_panel=LOOK),
    ] = 3,
    channel: Annotated[
        int | None,
        typer.Option(
            "--channel",
            metavar="NUMBER",
            min=0,
            help="Of activations the channel to show, from 0; else the mean size over all.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    every: Annotated[
        int,
        typer.Option(
            "--every",
            metavar="NUMBER",
            min=1,
            help="Explain every Nth frame; the film holds these alone, and lasts as long.",
            rich_help_panel=RUN,
        ),
    ] = 1,
    settings: SettingOption = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="The film, .mp4, .mov or .mkv; what the model said lies beside it as .json and .csv.",
            rich_help_panel=LOOK,
        ),
    ] = Path("maps.mp4"),
    opening: Opening = UNSAID,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Lay a model's maps over a video, frame by frame, on one color scale; Ctrl C keeps what is done so far.

    \b
    picasso video demo:tank-proxy drive.mp4 --with grad-cam --out maps.mp4
    picasso video demo:tank-proxy drive.mp4 --target tank --every 5
    picasso video demo:tank-proxy drive.mp4 --with activations --layer relu4 --channel 5
    """
    from picasso.core import registry
    from picasso.core.fitting import read_settings
    from picasso.shell import filming, flags, models, project

    name = filming.only_visualization(flags.read_names(with_ or ()) or ["grad-cam"])
    entry = registry.visualization(name, project.plugin_folders())
    named, given = flags.split_words(words, entry.load().settings_type, name, flags.options_of(context))
    aim = flags.only_target(target or ())
    checked = read_settings(entry, flags.read_pairs(settings or ()) | given)
    path = filming.only_one(named)
    opened = models.open_model(model, opening)
    choices = filming.Choices(entry, checked, aim, top, channel, every, out)
    film, files = filming.film(opened, path, choices, quiet=as_json)
    if as_json:
        output.print_json(film.document() | {"files": [str(file) for file in files]})
    else:
        filming.show(film, files)
    if film.canceled:
        raise typer.Exit(output.INTERRUPTED)
