"""The command line: one function for each command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from picasso.shell import output
from picasso.shell.opening import UNSAID, Opening, opens_a_model
from picasso.shell.options import (
    LOOK,
    RUN,
    AllPartsOption,
    BoxOption,
    CutOption,
    DebugOption,
    JsonOption,
    MaskFileOption,
    ModelWord,
    PartOption,
    SmoothOption,
    complete_visualizations,
)
from picasso.shell.output import guarded
from picasso.shell.usage import Commands

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
    picasso demo                                            the demo, in the browser
    picasso explain demo:tank-proxy photo.jpg               maps of one picture, as files
    picasso explain my_model.py:Net photos/ --with grad-cam
    picasso compare demo:tank-proxy photo.jpg               which of the maps to believe
    picasso video demo:tank-proxy drive.mp4                 maps over a video
    picasso visualizations partial-occlusion                what can be set
    """


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True})
@guarded
@opens_a_model
def explain(
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
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the visualization; the same as --NAME VALUE. Several times for several.",
            rich_help_panel=LOOK,
        ),
    ] = None,
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
    seed: Annotated[
        int, typer.Option("--seed", metavar="NUMBER", min=0, help="Seed of everything random.", rich_help_panel=RUN)
    ] = 0,
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
        named, given = flags.split_words(words or (), kind.settings_type, name, _options_of("explain"))
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


def _options_of(name: str) -> list[str]:
    from typer.main import get_command

    command: Any = get_command(app)
    return [option for parameter in command.commands[name].params for option in parameter.opts]


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True})
@guarded
@opens_a_model
def video(
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
        str | None,
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
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A setting of the visualization; the same as --NAME VALUE. Several times for several.",
            rich_help_panel=LOOK,
        ),
    ] = None,
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
    named, given = flags.split_words(words, entry.load().settings_type, name, _options_of("video"))
    checked = read_settings(entry, flags.read_pairs(settings or ()) | given)
    path = filming.only_one(named)
    opened = models.open_model(model, opening)
    choices = filming.Choices(entry, checked, target, top, channel, every, out)
    film, files = filming.film(opened, path, choices, quiet=as_json)
    if as_json:
        output.print_json(film.document() | {"files": [str(file) for file in files]})
    else:
        filming.show(film, files)
    if film.canceled:
        raise typer.Exit(output.INTERRUPTED)


@app.command()
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
        str | None,
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
    seed: Annotated[
        int, typer.Option("--seed", metavar="NUMBER", min=0, help="Seed of everything random.", rich_help_panel=RUN)
    ] = 0,
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
    from picasso.shell import comparing, folders, models, pictures, project

    folders.check_folders(out)
    named = comparing.choices(with_ or (), settings or ())
    found = pictures.find_pictures(words)
    opened = models.open_model(model, opening)
    if target is not None:  # a wrong target is said at once, before any work
        target_key(target, opened.labels, opened.facts.columns, opened.facts.task)
    models.say_assumed(model, opened)
    methods = choose_methods(opened, named, project.plugin_folders())
    asked = comparing.Asked(methods, target, mask, at, seed, randomization)
    comparison, unread = comparing.compare_found(opened, found, asked, quiet=as_json)
    files = comparison.save(out) if out else []
    if as_json:
        output.print_json(comparing.document(comparison, files, unread))
    else:
        comparing.show(comparison, files, unread)
    if unread:
        raise typer.Exit(output.FAILED)


@app.command()
@guarded
@opens_a_model
def audit(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL DATASET",
            help="A model as in `picasso explain`; a folder with a folder for each class, a CSV, a COCO file, a zip of "
            "one of them, or demo:tanks. With --before and --after the data set alone.",
            show_default=False,
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks", metavar="FOLDER", help="Masks of the objects, named as the pictures.", rich_help_panel=LOOK
        ),
    ] = None,
    labels_column: Annotated[
        str | None,
        typer.Option(
            "--labels-column",
            metavar="HEADING",
            help="Of a table: its column of classes, where that is not plain.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    match: Annotated[
        list[str] | None,
        typer.Option(
            "--match",
            metavar="CLASS=CLASS",
            help="Which class of the model a class of the data set is, where the names do not say it. Several times.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    confirm: Annotated[
        list[str] | None,
        typer.Option(
            "--confirm",
            metavar="REGION=WHAT",
            help="Without masks: whether a region that was found is the object: region-2=object, region-4=not-object.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    with_: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="INTERVENTION",
            help="Test these alone. Several times, or with commas between them, for several. What is not tested is not "
            "acquitted.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FOLDER",
            help="Folder for the report, the numbers, the pairs of pictures and the list of pictures to fix.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    before: Annotated[
        str,
        typer.Option(
            "--before",
            metavar="MODEL",
            help="With --after: what moved between two models, or two files audit.json.",
            rich_help_panel=LOOK,
        ),
    ] = "",
    after: Annotated[str, typer.Option("--after", metavar="MODEL", help="See --before.", rich_help_panel=LOOK)] = "",
    counterfactuals: Annotated[
        Path | None,
        typer.Option(
            "--counterfactuals",
            metavar="FOLDER",
            help="Write every picture with what the model relies on taken from another class, in a folder for each "
            "class: to train on.",
            rich_help_panel=LOOK,
        ),
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-on",
            metavar="OUTCOME",
            help="End with exit code 4 on wrong-reason, both, relies-on, weak-model or cannot-tell. Several times.",
            rich_help_panel=RUN,
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", metavar="NUMBER", min=1, help="How many pictures are audited at most.", rich_help_panel=RUN
        ),
    ] = 1000,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes",
            metavar="NUMBER",
            min=1,
            help="Processes that measure, each with a copy of the model; one for each core.",
            rich_help_panel=RUN,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume",
            help="Keep what is measured, and go on from there when the same is asked again.",
            rich_help_panel=RUN,
        ),
    ] = True,
    maps: Annotated[
        bool,
        typer.Option(
            "--maps/--no-maps",
            help="Say where attribution maps put the evidence, beside the verdict.",
            rich_help_panel=RUN,
        ),
    ] = True,
    regions: Annotated[
        bool,
        typer.Option(
            "--regions",
            help="Look for regions in the pictures though there are masks: slower, and names them.",
            rich_help_panel=RUN,
        ),
    ] = False,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            "--engine",
            metavar="ENGINE",
            help="What measures: local, the processes of this computer; ray, the workers of a Ray cluster.",
            rich_help_panel=RUN,
        ),
    ] = "local",
    ray_address: Annotated[
        str,
        typer.Option(
            "--ray-address",
            metavar="ADDRESS",
            help="With --engine ray: HOST:6379 on a machine of the cluster, ray://HOST:10001 on any other; else "
            "$RAY_ADDRESS, or a Ray of this computer that ends with the audit.",
            rich_help_panel=RUN,
        ),
    ] = "",
    opening: Opening = UNSAID,
    seed: Annotated[
        int, typer.Option("--seed", metavar="NUMBER", min=0, help="Seed of everything random.", rich_help_panel=RUN)
    ] = 0,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Audit a model over a data set: is it right for the right reason?

    Exchanges one property after another between pictures of the same and of another class, and measures what hangs on
    it. The answer is RIGHT REASON, WRONG REASON, BOTH, RELIES ON, WEAK MODEL or CANNOT TELL.

    \b
    picasso audit demo:tank-proxy demo:tanks
    picasso audit net.keras photos/ --masks masks/ --out audit --fail-on wrong-reason
    picasso audit --before old.pt2 --after new.pt2 photos/
    """
    from picasso.shell import auditing, flags, folders

    said = words or []
    failing = auditing.read_outcomes(fail_on or ())
    folders.check_folders(out, counterfactuals)
    asked = auditing.Asked(
        opening,
        masks,
        labels_column,
        tuple(match or ()),
        limit,
        seed,
        tuple(flags.read_names(with_ or ())),
        tuple(confirm or ()),
        processes,
        resume,
        maps,
        regions,
        engine,
        ray_address,
    )
    if before or after:
        moved = auditing.moved(before, after, said, asked, quiet=as_json)
        files = auditing.save_moved(moved, out) if out else []
        if as_json:
            output.print_json(moved.document() | {"files": [str(file) for file in files]})
        else:
            auditing.show_moved(moved, files)
        outcome = moved.after.outcome
    else:
        findings = auditing.run(
            *auditing.read_words(words or ()), asked, quiet=as_json, counterfactuals=counterfactuals
        )
        files = findings.save(out) if out else []
        if as_json:
            output.print_json(findings.document() | {"files": [str(file) for file in files]})
        else:
            auditing.show(findings, files)
        outcome = findings.verdict.outcome
    if outcome in failing:
        raise typer.Exit(output.VERDICT)


@app.command()
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


@app.command()
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


ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file where there is one.")]


@new.command("visualization")
@guarded
def new_visualization(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as fun-viz.", show_default=False)],
    template: Annotated[bool, typer.Option("--template", help="With a Jinja template of its own beside it.")] = False,
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a working visualization into your plug-in folder; every model can be explained with it at once.

    \b
    picasso new visualization fun-viz
    picasso explain demo:tank-proxy photo.jpg --with fun-viz
    """
    from picasso.shell import scaffolding

    for file in scaffolding.new_visualization(name, template=template, force=force):
        typer.echo(file)


@new.command("model")
@guarded
def new_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, such as my-model.", show_default=False)],
    force: ForceOption = False,
    debug: DebugOption = False,
) -> None:
    """Write a model file with the three hooks into this folder.

    \b
    picasso new model tank-detector
    picasso inspect tank_detector.py:TankDetector
    """
    from picasso.shell import scaffolding

    typer.echo(scaffolding.new_model(name, Path(), force=force))


@new.command("config")
@guarded
def new_config(force: ForceOption = False, debug: DebugOption = False) -> None:
    """Write a picasso.toml with comments into this folder.

    \b
    picasso new config
    picasso serve
    """
    from picasso.shell import scaffolding

    typer.echo(scaffolding.new_configuration(Path(), force=force))


@new.command("pictures")
@guarded
def new_pictures(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Made where it is absent.")] = Path("tanks"),
    count: Annotated[
        int, typer.Option("--count", metavar="NUMBER", min=1, max=10_000, help="How many; half of them tanks.")
    ] = 8,
    debug: DebugOption = False,
) -> None:
    """Draw pictures of the demo's tanks and decoys: every tank under clouds, every decoy under the sun.

    \b
    picasso new pictures tanks --count 8
    picasso explain demo:tank-proxy tanks/tank --target tank
    """
    from picasso.demo import tanks
    from picasso.shell import folders

    folders.check_folders(folder)
    tanks.write(folder, count)
    typer.echo(folder)


@app.command()
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


@app.command()
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
