"""Settings as flags: the words that `picasso explain` does not know itself belong to the visualization."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import typer

from picasso.core.errors import SettingsError
from picasso.core.guessing import did_you_mean
from picasso.core.settings import Settings


def split_words(
    words: Sequence[str], kind: type[Settings], visualization: str, options: Iterable[str]
) -> tuple[list[str], dict[str, Any]]:
    """Separate pictures from settings.

    Args:
        words: What was typed, in its order: "photo.jpg", "--window", "32px", "--stride=16px", "--no-keep-negative".
        kind: The visualization's settings.
        visualization: Its name, for messages.
        options: The command's own options, to guess what a misspelled one was.

    Returns:
        The pictures, and the raw settings by name.

    Raises:
        SettingsError: There is no such setting, or its value is missing.
    """
    pictures: list[str] = []
    values: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            pictures.append(word)
            continue
        flag, equals, given = word.removeprefix("--").partition("=")
        name = flag.replace("-", "_")
        if name.startswith("no_") and name not in kind.model_fields and not equals:
            name = name.removeprefix("no_")
            known = name in kind.model_fields and is_switch(kind, name)
            value: object = False
        else:
            known = name in kind.model_fields
            value = True if not equals and known and is_switch(kind, name) else given
        if not known:
            raise _unknown(flag, kind, visualization, options)
        if not equals and not isinstance(value, bool):
            value = next(rest, None)
            if value is None:
                raise SettingsError(f"--{flag} needs a value.", _known(kind, visualization))
        value = as_value(value)
        if name in values and _takes_several(kind, name):
            value = [*(values[name] if isinstance(values[name], list) else [values[name]]), value]
        values[name] = value
    return pictures, values


def options_of(context: typer.Context) -> list[str]:
    """Return a command's own options: "--with", "--target"."""
    return [option for parameter in context.command.params for option in parameter.opts]


def read_names(words: Iterable[str]) -> list[str]:
    """Return the names that an option was given, again and again or with commas between them; each once."""
    return list(dict.fromkeys(name for word in words for part in word.split(",") if (name := part.strip())))


def only_target(words: Sequence[str]) -> str | None:
    """Return the one target that was named, or None where none was.

    Raises:
        SettingsError: There are several.
    """
    if len(words) > 1:
        raise SettingsError(
            f"One target at a time. Got {', '.join(words)}.", 'A difference of two classes is one: "a - b".'
        )
    return words[0] if words else None


def read_pairs(pairs: Iterable[str]) -> dict[str, Any]:
    """Read settings written as "name=value".

    Raises:
        SettingsError: One is not written so.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SettingsError(f"--set takes name=value. Got '{pair}'.", "For example: --set window=32px")
        values[name.strip().replace("-", "_")] = as_value(value.strip())
    return values


def as_value(text: object) -> object:
    """Return the value that a text stands for: lists and objects are JSON, everything else stays as it was typed."""
    if isinstance(text, str) and text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def is_switch(kind: type[Settings], name: str) -> bool:
    """Say whether a setting is true or false, so that its flag takes no value."""
    annotation = kind.model_fields[name].annotation
    return annotation is bool or set(get_args(annotation)) == {bool, type(None)}


def _takes_several(kind: type[Settings], name: str) -> bool:
    """Say whether a flag that is given again adds a value, and does not replace the one before."""
    extra = kind.model_fields[name].json_schema_extra
    facts = extra.get("picasso") if isinstance(extra, dict) else None
    return isinstance(facts, dict) and bool(facts.get("several"))


def _unknown(flag: str, kind: type[Settings], visualization: str, options: Iterable[str]) -> SettingsError:
    names = [f"--{name.replace('_', '-')}" for name in kind.model_fields]
    guess = did_you_mean(f"--{flag}", [*names, *options], most=1)
    return SettingsError(f"There is no setting '{flag}'.", f"{guess} {_known(kind, visualization)}".strip())


def _known(kind: type[Settings], visualization: str) -> str:
    names = ", ".join(kind.model_fields) or "none"
    return f"The settings of {visualization}: {names}."
