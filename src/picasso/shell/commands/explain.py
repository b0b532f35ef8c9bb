"""`picasso explain`: maps of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from picasso.shell import output
from picasso.shell.opening import UNSAID, Opening, opens_a_model
from picasso.shell.options import (
    LOOK,
    AllPartsOption,
    BoxOption,
    CutOption,
    DebugOption,
    JsonOption,
    MaskFileOption,
    ModelWord,
    PartOption,
    SeedOption,
    SettingOption,
    SmoothOption,
    complete_visualizations,
)
from picasso.shell.output import guarded


@guarded
@opens_a_model
def explain(
    context: typer.Context,
    model: ModelWord,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PICTURE...",
            help='Files, folders, patterns such as "photos/*.jpg", none where the model alone is looked at; and the '
            "visualization's settings: --window 32px.",
            show_default=False,
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="VISUALIZATION",
            help="Which visualization; `picasso visualizations` lists them. Several times, or with commas between "
            "them, for several, one after another: a setting is then one that each of them has. "
            "[default: partial-occlusion]",
            autocompletion=complete_visualizations,
            rich_help_panel=LOOK,
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="CLASS",
            help='Class to explain: a label, an index, or "a - b" for a difference. Several times for several.',
            rich_help_panel=LOOK,
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option(
            "--top",
            metavar="NUMBER",
            min=1,
            help="Without a target: how many of the best classes.",
            rich_help_panel=LOOK,
        ),
    ] = 5,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="PLACE",
            help="For a segmenter or detector, what is explained: x,y; left,top,width,height in pixels of the "
            'picture; "#2", the second detection; or a mask picture.',
            rich_help_panel=LOOK,
        ),
    ] = "",
    channel: Annotated[
        str,
        typer.Option(
            "--channel",
            metavar="LAYER:NUMBER",
            help="Explain a channel of a layer instead of a class, both counted from 0: conv5:37, its mean; "
            "conv5:37@3,4, its value at row 3, column 4 of the layer's map; conv5:37@max, where it is largest. "
            "`picasso inspect` lists the layers.",
            rich_help_panel=LOOK,
        ),
    ] = "",
    settings: SettingOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FOLDER", help="Folder for the files.", rich_help_panel=LOOK)
    ] = Path("picasso-out"),
    box: BoxOption = False,
    mask: MaskFileOption = False,
    cut: CutOption = "0.2",
    part: PartOption = "positive",
    smooth: SmoothOption = 0.0,
    all_parts: AllPartsOption = False,
    opening: Opening = UNSAID,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Explain what a model sees in pictures: tables on the screen, maps and raw numbers as files.

    Every setting of the visualization is an option, too; `picasso visualizations NAME` lists them.

    \b
    picasso explain demo:tank-proxy photo.jpg --window 32px --stride 16px
    picasso explain demo:tank-proxy photos/ --with grad-cam --target tank --out maps
    picasso explain demo:tank-proxy photo.jpg --with grad-cam,saliency-map
    picasso explain net.pth photo.jpg --factory my_net.py:make --size 224 --mean 0.485,0.456,0.406
    picasso explain demo:tank-proxy photo.jpg --target "tank - decoy" --json
    picasso explain demo:tank-proxy photo.jpg --with grad-cam --box --mask
    picasso explain demo:tank-proxy photo.jpg --with saliency-map --channel conv3:5
    picasso explain demo:tank-proxy --with filters
    """
    from picasso.core import registry
    from picasso.core.asking import place_or_channel
    from picasso.core.fitting import read_settings, refuse_class_of_channel, refuse_subject
    from picasso.core.result_keys import target_key
    from picasso.shell import explaining, extracting, flags, folders, models, pictures, project

    folders.check_folders(out)
    pointed = extracting.Extracting(box, mask, part, cut, smooth, not all_parts)
    place = place_or_channel(at, channel)
    asked: list[explaining.Choices] = []
    for name in flags.read_names(with_ or ()) or ["partial-occlusion"]:
        entry = registry.visualization(name, project.plugin_folders())
        kind = entry.load()
        pointed.check(kind)
        named, given = flags.split_words(words or (), kind.settings_type, name, flags.options_of(context))
        checked = read_settings(entry, flags.read_pairs(settings or ()) | given)
        alone = refuse_subject(kind.title, kind.subject, bool(named), (target, place))
        asked.append(explaining.Choices(entry, checked, tuple(target or ()), top, place, seed, out, pointed))
    found: list[pictures.Found | None] = [None] if alone else [*pictures.find_pictures(named)]
    refuse_class_of_channel(place, target or ())
    opened = models.open_model(model, opening)
    for word in target or ():  # a wrong target is said at once, before any work
        target_key(word, opened.labels, opened.facts.columns, opened.facts.task)
    models.say_assumed(model, opened)
    explaining.refuse_unfitting(opened, asked)
    finished: list[explaining.Done] = []
    for choices in asked:
        done = explaining.explain_all(opened, found, choices, quiet=as_json)
        if not as_json:
            explaining.show(done, out)
        finished += done
    if as_json:
        output.print_json(explaining.as_document(finished))
    if any(one.error for one in finished):
        raise typer.Exit(output.FAILED)
