"""The options that several commands share, each written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MODEL, LOOK, RUN = "How the model is opened", "What is shown", "How it runs"
EXTRACT = "What each map points at"


def complete_visualizations(incomplete: str) -> list[str]:
    from picasso.core import registry
    from picasso.shell import project

    return [name for name in registry.visualizations(project.plugin_folders()) if name.startswith(incomplete)]


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
LabelsOption = Annotated[
    Path | None,
    typer.Option("--labels", metavar="FILE", help="File with one label for each class.", rich_help_panel=MODEL),
]
PreprocessingOption = Annotated[
    Path | None,
    typer.Option(
        "--preprocessing",
        metavar="FILE",
        help="JSON or TOML file that says how a picture becomes the input; the options below go before it.",
        rich_help_panel=MODEL,
    ),
]
SizeOption = Annotated[
    str,
    typer.Option(
        "--size", metavar="PIXELS", help="Side of the input: 224, or height x width: 240x320.", rich_help_panel=MODEL
    ),
]
ResizeOption = Annotated[
    str, typer.Option("--resize", metavar="HOW", help="stretch, crop or pad.", rich_help_panel=MODEL)
]
ColorOption = Annotated[
    str, typer.Option("--color", metavar="ORDER", help="rgb, bgr, grey or values.", rich_help_panel=MODEL)
]
ScaleOption = Annotated[
    str, typer.Option("--scale", metavar="NUMBER", help="Pixels are multiplied by it: 1/255.", rich_help_panel=MODEL)
]
MeanOption = Annotated[
    str, typer.Option("--mean", metavar="NUMBERS", help="Subtracted: 0.485,0.456,0.406.", rich_help_panel=MODEL)
]
StdOption = Annotated[
    str, typer.Option("--std", metavar="NUMBERS", help="Divided by: 0.229,0.224,0.225.", rich_help_panel=MODEL)
]
HeadOption = Annotated[
    str | None,
    typer.Option(
        "--head",
        metavar="HEAD",
        help="What turns scores into probabilities: softmax, sigmoid or none.",
        rich_help_panel=MODEL,
    ),
]
FactoryOption = Annotated[
    str | None,
    typer.Option(
        "--factory",
        metavar="FILE:NAME",
        help="For bare weights: what makes the network, my_net.py:make.",
        rich_help_panel=MODEL,
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or mps; else the fastest.", rich_help_panel=MODEL),
]
BatchOption = Annotated[
    int | None,
    typer.Option(
        "--batch-size", metavar="NUMBER", min=1, help="Pictures for one forward pass at most.", rich_help_panel=MODEL
    ),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help='For a named model such as timm:resnet18: its weights, or "random".',
        rich_help_panel=MODEL,
    ),
]
InputOption = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="NAME",
        help="The input that reads the picture, where there are several.",
        rich_help_panel=MODEL,
    ),
]
OutputOption = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="NAME",
        help="The output to explain, by name or place, where there are several.",
        rich_help_panel=MODEL,
    ),
]
HoldOption = Annotated[
    list[str] | None,
    typer.Option(
        "--hold",
        metavar="NAME=VALUE",
        help="What another input gets: a number, or a .npy file. Several times for several.",
        rich_help_panel=MODEL,
    ),
]
TrustOption = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="SHA256",
        help="Let the file of this digest run code that comes with it; the message that refuses it says the digest.",
        rich_help_panel=MODEL,
    ),
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
