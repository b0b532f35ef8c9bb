"""The options of every command that opens a model, written once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

PANEL = "How the model is opened"


def _option(flag: str, metavar: str, help_: str, **more: Any) -> Any:
    return typer.Option(flag, metavar=metavar, help=help_, rich_help_panel=PANEL, **more)


@dataclass(frozen=True)
class Opening:
    """What was said of how a model is opened; None or "" where nothing was."""

    labels: Annotated[Path | None, _option("--labels", "FILE", "File with one label for each class.")] = None
    preprocessing: Annotated[
        Path | None,
        _option(
            "--preprocessing",
            "FILE",
            "JSON or TOML file that says how a picture becomes the input; the options below go before it.",
        ),
    ] = None
    size: Annotated[str, _option("--size", "PIXELS", "Side of the input: 224, or height x width: 240x320.")] = ""
    resize: Annotated[str, _option("--resize", "HOW", "stretch, crop or pad.")] = ""
    color: Annotated[str, _option("--color", "ORDER", "rgb, bgr, grey or values.")] = ""
    scale: Annotated[str, _option("--scale", "NUMBER", "Pixels are multiplied by it: 1/255.")] = ""
    mean: Annotated[str, _option("--mean", "NUMBERS", "Subtracted: 0.485,0.456,0.406.")] = ""
    std: Annotated[str, _option("--std", "NUMBERS", "Divided by: 0.229,0.224,0.225.")] = ""
    head: Annotated[
        str | None, _option("--head", "HEAD", "What turns scores into probabilities: softmax, sigmoid or none.")
    ] = None
    factory: Annotated[
        str | None, _option("--factory", "FILE:NAME", "For bare weights: what makes the network, my_net.py:make.")
    ] = None
    device: Annotated[str | None, _option("--device", "NAME", "cpu, cuda, cuda:1 or mps; else the fastest.")] = None
    batch_size: Annotated[
        int | None, _option("--batch-size", "NUMBER", "Pictures for one forward pass at most.", min=1)
    ] = None
    weights: Annotated[
        str | None, _option("--weights", "FILE", 'For a named model such as timm:resnet18: its weights, or "random".')
    ] = None
    input: Annotated[
        str | None, _option("--input", "NAME", "The input that reads the picture, where there are several.")
    ] = None
    output: Annotated[
        str | None, _option("--output", "NAME", "The output to explain, by name or place, where there are several.")
    ] = None
    hold: Annotated[
        list[str] | None,
        _option(
            "--hold", "NAME=VALUE", "What another input gets: a number, or a .npy file. Several times for several."
        ),
    ] = None
    trust: Annotated[
        list[str] | None,
        _option(
            "--trust",
            "SHA256",
            "Let the file of this digest run code that comes with it; the message that refuses it says the digest.",
        ),
    ] = None


UNSAID = Opening()


def opens_a_model(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Opening` in the place of its parameter `opening`, which receives them."""
    hints = get_type_hints(command, include_extras=True)
    options = get_type_hints(Opening, include_extras=True)
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name != "opening":
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
            continue
        parameters += [
            inspect.Parameter(option.name, parameter.kind, default=option.default, annotation=options[option.name])
            for option in fields(Opening)
        ]

    @functools.wraps(command)
    def run(**said: Any) -> None:
        opening = Opening(**{name: said.pop(name) for name in options})
        command(**said, opening=opening)

    # Typer reads both.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
