"""Sample pictures for `picasso inspect`: which preprocessing they speak for, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from picasso.shell import output
from picasso.shell.models import UNDECLARED
from picasso.shell.pictures import find_pictures

if TYPE_CHECKING:
    from picasso.core.model import Model

MOST = 100
"""Pictures that are tried at most; of more, as many at even distances."""


def try_samples(model: Model, words: Iterable[str]) -> dict[str, Any]:
    """Try the usual conventions of preprocessing on sample pictures.

    Args:
        model: The model.
        words: Files, folders or patterns; a folder that is named like a class labels the pictures in it.

    Returns:
        The findings, as JSON.

    Raises:
        PicassoError: There are no pictures, one cannot be read, or the model is no classifier.
    """
    from picasso.core.detective import class_of, try_conventions

    paths = [one.path for one in find_pictures(words)]
    paths = [paths[index * len(paths) // MOST] for index in range(MOST)] if len(paths) > MOST else paths
    labels = [class_of(model.labels, Path(path).absolute().parent.name) for path in paths]
    found = try_conventions(model, paths, labels)
    document = asdict(found)
    for trial, shown in zip(found.trials, document["trials"], strict=True):
        shown["preprocessing"] = trial.preprocessing.model_dump(mode="json")
    return document


def show(facts: dict[str, Any], findings: dict[str, Any] | None) -> None:
    """Print the findings; without any, how to get them where the preprocessing was only assumed."""
    console = output.console()
    if findings is None:
        if any(UNDECLARED in note for note in facts["notes"]) and facts["task"] == "classification":
            console.print(
                "\nIts preprocessing is assumed; --samples PICTURES tries the usual ones on pictures of yours."
            )
        return
    console.print()
    count, labelled = findings["pictures"], findings["labelled"]
    title = f"Preprocessing, tried on {count} pictures" + (f", {labelled} of them labelled" if labelled else "")
    right = ["Right"] if labelled else []
    table = output.columns(
        "Convention", *right, "Best class", "Sure (>= 0.9)", "Classes", "Commonest", "Bits", "", title=title,
        title_justify="left",
    )  # fmt: skip
    for trial in findings["trials"]:
        marks = [word for word, name in (("in use", "used"), ("fits best", "best")) if findings[name] == trial["name"]]
        cells = [f"{trial['accuracy']:.0%}"] if labelled else []
        cells += [f"{trial['confidence']:.3f}", f"{trial['confident']:.0%}", str(trial["classes"])]
        cells += [f"{trial['commonest']:.0%}", f"{trial['information']:.2f}", ", ".join(marks)]
        table.add_row(Text(trial["name"]), *cells)
    console.print(table)
    console.print(Text(findings["verdict"]))
    if findings["warning"]:
        best = next(trial for trial in findings["trials"] if trial["name"] == findings["best"])
        console.print(Text(f"Warning: {findings['warning']}", style="yellow"))
        console.print(Text(f"To use it: {flags(best['preprocessing'])}"))


def flags(preprocessing: dict[str, Any]) -> str:
    """Return the options that declare a preprocessing's colors and scale."""
    numbers = {name: ",".join(f"{value:g}" for value in preprocessing[name]) for name in ("mean", "std")}
    scale = preprocessing["scale"]
    whole = round(1 / scale, 3)
    written = f"1/{whole:g}" if scale < 1 and abs(scale * whole - 1) < 1e-9 else f"{scale:g}"
    return f"--color {preprocessing['color']} --scale {written} --mean {numbers['mean']} --std {numbers['std']}"
