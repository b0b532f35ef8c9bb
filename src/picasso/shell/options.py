"""The options that several commands share, each written once."""

from __future__ import annotations

from typing import Annotated

import typer

LOOK, RUN = "What is shown", "How it runs"
EXTRACT = "What each map points at"


def complete_visualizations(incomplete: str) -> list[str]:
    from picasso.core import registry
    from picasso.shell import project

    before, comma, last = incomplete.rpartition(",")
    known = registry.visualizations(project.plugin_folders())
    return [f"{before}{comma}{name}" for name in known if name.startswith(last)]


ModelWord = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A file or folder (.keras, .h5, .pt, .pt2, .safetensors, .onnx, a SavedModel, a TF1 checkpoint), a class "
        "in a file (my_model.py:TankDetector), a name (demo:tank-proxy, timm:resnet18, keras:VGG16, hf:...), an "
        "endpoint (http://...), or a name from picasso.toml in this folder.",
        show_default=False,
    ),
]
SettingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A setting of the visualization; the same as --NAME VALUE. Several times for several.",
        rich_help_panel=LOOK,
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", metavar="NUMBER", min=0, help="Seed of everything random.", rich_help_panel=RUN)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="On an error show the traceback, too.")]
BoxOption = Annotated[
    bool,
    typer.Option(
        "--box",
        help="Print the box around what each map points at, left,top,width,height in pixels of the picture, and write "
        "it into the JSON file.",
        rich_help_panel=EXTRACT,
    ),
]
MaskFileOption = Annotated[
    bool,
    typer.Option("--mask", help="Write what each map points at as a black and white picture.", rich_help_panel=EXTRACT),
]
CutOption = Annotated[
    str,
    typer.Option(
        "--cut",
        metavar="THRESHOLD",
        help='From where on a pixel counts: a share of the maximum; "otsu"; or "quantile:0.9".',
        rich_help_panel=EXTRACT,
    ),
]
PartOption = Annotated[
    str,
    typer.Option(
        "--part",
        metavar="PART",
        help="positive: what speaks for the target; absolute: the size of the values.",
        rich_help_panel=EXTRACT,
    ),
]
SmoothOption = Annotated[
    float,
    typer.Option(
        "--smooth",
        metavar="SHARE",
        help="Smooth the map before: the Gaussian's standard deviation as a share of the shorter side.",
        rich_help_panel=EXTRACT,
    ),
]
AllPartsOption = Annotated[
    bool,
    typer.Option(
        "--all-parts", help="Take all connected parts together instead of the largest.", rich_help_panel=EXTRACT
    ),
]
