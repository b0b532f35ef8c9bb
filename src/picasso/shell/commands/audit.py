"""`picasso audit`: whether a model is right for the right reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from picasso.shell import output
from picasso.shell.opening import UNSAID, Opening, opens_a_model
from picasso.shell.options import LOOK, RUN, DebugOption, JsonOption, SeedOption
from picasso.shell.output import guarded


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
    seed: SeedOption = 0,
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
