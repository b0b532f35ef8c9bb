"""`picasso compare`: which of several maps to trust."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picasso.shell import output
from picasso.shell.opening import UNSAID, Opening, opens_a_model
from picasso.shell.options import LOOK, RUN, DebugOption, JsonOption, ModelWord, SeedOption, complete_visualizations
from picasso.shell.output import guarded


@guarded
@opens_a_model
def compare(
    model: ModelWord,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="PICTURE...", help='Files, folders, patterns such as "photos/*.jpg".', show_default=False
        ),
    ],
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="METHODS",
            help='Attribution methods, several times or with commas between them; or "all" that the model can do. '
            "[default: partial-occlusion,saliency-map,grad-cam]",
            autocompletion=complete_visualizations,
            rich_help_panel=LOOK,
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="CLASS",
            help='Class to explain: a label, an index, or "a - b" for a difference; else the best of each picture.',
            rich_help_panel=LOOK,
        ),
    ] = None,
    mask: Annotated[
        str,
        typer.Option(
            "--mask",
            metavar="MASK",
            help="Where the object is: a mask picture, left,top,width,height, or a folder of masks of the same names.",
            rich_help_panel=LOOK,
        ),
    ] = "",
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="PLACE",
            help="For a segmenter or detector, what is explained, as in `picasso explain`.",
            rich_help_panel=LOOK,
        ),
    ] = "",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="METHOD.NAME=VALUE",
            help="A setting of one of the methods. Several times for several.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    randomization: Annotated[
        bool,
        typer.Option(
            "--randomize/--no-randomize",
            help="Test once for each model and method whether maps depend on the weights; the result is kept.",
            rich_help_panel=RUN,
        ),
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FOLDER", help="Folder for comparison.html, .json and .npz.", rich_help_panel=LOOK
        ),
    ] = None,
    opening: Opening = UNSAID,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Compare attribution methods: measure their maps, and say in plain words which to trust here.

    \b
    picasso compare demo:tank-proxy photo.jpg
    picasso compare demo:tank-honest photos/ --with grad-cam,saliency-map --out card
    picasso compare demo:tank-honest photo.jpg --with all --mask 40,60,120,80 --json
    """
    from picasso.core.result_keys import target_key
    from picasso.scorecard.comparing import choose_methods
    from picasso.shell import comparing, flags, folders, models, pictures, project

    folders.check_folders(out)
    aim = flags.only_target(target or ())
    named = comparing.choices(with_ or (), settings or ())
    found = pictures.find_pictures(words)
    opened = models.open_model(model, opening)
    if aim is not None:  # a wrong target is said at once, before any work
        target_key(aim, opened.labels, opened.facts.columns, opened.facts.task)
    models.say_assumed(model, opened)
    methods = choose_methods(opened, named, project.plugin_folders())
    asked = comparing.Asked(methods, aim, mask, at, seed, randomization)
    comparison, unread = comparing.compare_found(opened, found, asked, quiet=as_json)
    files = comparison.save(out) if out else []
    if as_json:
        output.print_json(comparing.document(comparison, files, unread))
    else:
        comparing.show(comparison, files, unread)
    if unread:
        raise typer.Exit(output.FAILED)
