"""From what a person types to an open model: a source or a name from picasso.toml, and the options beside it."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from picasso.core.declared import read_declared
from picasso.core.errors import ConfigurationError, NotFoundError, PicassoError
from picasso.core.names import scheme_of
from picasso.core.opening import load_model
from picasso.core.preprocessing import Preprocessing
from picasso.shell import output, project
from picasso.shell.opening import Opening

if TYPE_CHECKING:
    from rich.console import Console

    from picasso.core.model import Model
    from picasso.service.configuration import ModelSpecification

UNDECLARED = "was not declared"
"""In the notes of a model whose preprocessing is only assumed."""


def open_model(word: str, chosen: Opening) -> Model:
    """Open a model.

    Args:
        word: A source as `load_model` takes it, or a name from picasso.toml in the current folder.
        chosen: The options; they go before what picasso.toml says.

    Raises:
        PicassoError: It cannot be opened.
    """
    source, arguments, notes = read_opening(word, chosen)
    model = load_model(source, **arguments)
    model.facts = replace(model.facts, notes=tuple(dict.fromkeys((*notes, *model.facts.notes))))
    return model


def read_opening(word: str, chosen: Opening) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    """Return what `load_model` is given, as data that other processes can open the same model with, too.

    Args:
        word, chosen: As for `open_model`.

    Returns:
        The source, the keyword arguments, and notes on what was found out on the way.

    Raises:
        PicassoError: As `open_model`.
    """
    listed = _from_configuration(word)
    arguments: dict[str, Any] = {}
    source: str = word
    if listed is not None:
        source = listed.source
        arguments = listed.arguments()
    names = ("labels", "head", "factory", "device", "batch_size", "weights", "input", "output", "trust")
    arguments |= {name: said for name in names if (said := getattr(chosen, name)) not in (None, [])}
    if chosen.hold:
        arguments["hold"] = arguments.get("hold", {}) | dict(_held(word) for word in chosen.hold)
    declared = _declared(chosen)
    notes: tuple[str, ...] = ()
    if declared:
        base = None
        if chosen.preprocessing is None:
            base = arguments.get("preprocessing")
            if base is None:
                base, notes = _found_preprocessing(source, arguments, "size" in declared)
        arguments["preprocessing"] = read_declared(declared, base)
        notes = _still_true(notes, declared.keys(), arguments["preprocessing"])
    return source, arguments, notes


def _found_preprocessing(
    source: str, arguments: dict[str, Any], sized: bool
) -> tuple[Preprocessing | None, tuple[str, ...]]:
    """Open a model once to see what preprocessing it has: what is not said in options stays so.

    Args:
        source, arguments: Of `load_model`.
        sized: Whether the options say a size, without which some models cannot be opened.

    Returns:
        The preprocessing, None where it has none to change, and the model's notes.
    """
    try:
        found = load_model(source, **arguments)
    except PicassoError:
        if sized:
            return None, ()  # where it is for another reason, it is said when the model is opened with the size
        raise
    preprocessing, notes = found.hooks.preprocessing, found.facts.notes
    found.close()
    return preprocessing, notes


def _still_true(notes: Sequence[str], declared: Iterable[str], chosen: Preprocessing) -> tuple[str, ...]:
    """Return a model's notes, of an assumed preprocessing only what is still assumed beside what is declared."""
    others = [note for note in notes if UNDECLARED not in note]
    if len(others) < len(notes) and not {"color", "scale", "mean", "std"} & set(declared):
        scaled = "" if chosen.color == "values" else ", scaled to 0..1"
        others.append(f"How colors are scaled {UNDECLARED}; assumed: {chosen.color}{scaled}.")
    return tuple(others)


def say_assumed(word: str, model: Model, to: Console | None = None, notes: Sequence[str] = ()) -> None:
    """Print on stderr that the preprocessing of a model is only assumed, and what to do; nothing where it is declared.

    Args:
        word: What the model was opened from.
        model: It.
        to: The console of a progress bar that is on the screen now, so that the line is printed above it.
        notes: Of `read_opening`, where they are not among the model's own.
    """
    note = next((note for note in (*notes, *model.facts.notes) if UNDECLARED in note), "")
    if note:
        tries = model.facts.task == "classification" and model.head != "none" and model.facts.frames is None
        inspect = f"`picasso inspect {shlex.quote(word)} --samples FOLDER` tries others."
        line = f"{note} {inspect if tries else 'Declare it with --color, --scale, --mean and --std.'}"
        shown = to or output.console(stderr=True)
        shown.print(line, style="yellow", soft_wrap=True, markup=False, highlight=False)


def _from_configuration(word: str) -> ModelSpecification | None:
    found = None if Path(word).exists() or ".py:" in word else project.configuration()
    if found is None:
        return None
    listed = {model.known_as(): model for model in found.all_models()}
    if word in listed:
        return listed[word]
    if scheme_of(word):
        return None
    raise NotFoundError(
        f"There is no file '{word}', and {project.CONFIGURATION} lists no model of that name.",
        f"It lists: {', '.join(listed) or 'none'}.",
    )


def _declared(chosen: Opening) -> dict[str, Any]:
    """Return what was said about the preprocessing, in a file and in options, which go first."""
    values: dict[str, Any] = _read(chosen.preprocessing) if chosen.preprocessing else {}
    if chosen.size:
        values["size"] = _size(chosen.size)
    if chosen.scale:
        values["scale"] = _number(chosen.scale, "--scale")
    for name in ("mean", "std"):
        if text := getattr(chosen, name):
            values[name] = tuple(_number(part, f"--{name}") for part in text.split(","))
    return values | {name: getattr(chosen, name) for name in ("resize", "color") if getattr(chosen, name)}


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text("utf-8")
        values = json.loads(text) if text.lstrip()[:1] == "{" else tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    except ValueError as error:
        raise ConfigurationError(f"{path} is neither JSON nor TOML: {error}.", "Correct it.") from None
    inner = values.get("preprocessing", values)
    return dict(inner) if isinstance(inner, dict) else {"preprocessing": inner}


def _held(word: str) -> tuple[str, float | str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise ConfigurationError(f"--hold takes NAME=NUMBER or NAME=FILE.npy. Got '{word}'.")
    try:
        return name, float(value)
    except ValueError:
        return name, value


def _size(text: str) -> int | tuple[int, int]:
    sides = text.lower().split("x")
    try:
        numbers = [int(side) for side in sides]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2):
        raise ConfigurationError(f"--size must be 224, or 240x320 for height x width. Got '{text}'.")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _number(text: str, flag: str) -> float:
    above, slash, below = text.partition("/")
    try:
        return float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        raise ConfigurationError(f"{flag} must be a number such as 0.5 or 1/255. Got '{text}'.") from None


def describe(model: Model) -> dict[str, Any]:
    """Return everything that is known of a model, as JSON."""
    from picasso.core import registry
    from picasso.core.fitting import abilities, missing
    from picasso.core.hooks import ModelFile

    height, width, channels = model.input_shape
    clip = {} if model.facts.frames is None else {"frames": model.facts.frames}
    preprocessing = model.hooks.preprocessing
    hooks = ("preprocess", "postprocess", "decode_prob")
    own = [name for name in hooks if getattr(type(model.hooks), name) is not getattr(ModelFile, name)]
    default = model.default_layer()
    fits, able = [], abilities(model)
    for name, entry in registry.visualizations(project.plugin_folders()).items():
        try:
            reason = missing(model, entry, able)
        except PicassoError as error:
            reason = str(error)
        fits.append({"name": name, "fits": not reason, "reason": reason})
    return {
        "name": model.name,
        "framework": model.framework,
        "task": str(model.facts.task),
        "input": {"height": height, "width": width, "channels": channels} | clip,
        "preprocessing": preprocessing.model_dump(mode="json") if preprocessing else None,
        "own_hooks": own,
        "head": str(model.head),
        "score_units": model.facts.units,
        "notes": list(model.facts.notes),
        "labels": list(model.labels),
        "parameters": model.facts.size,
        "batch_size": model.batch_size,
        "fixed_batch": model.facts.fixed_batch,
        "digest": model.digest,
        "files": [str(file) for file in model.files],
        "capabilities": sorted(able),
        "layers": [{"name": la.name, "kind": la.kind, "shape": list(la.shape)} for la in model.layers()],
        "default_layer": default.name if default else None,
        "visualizations": fits,
    }
