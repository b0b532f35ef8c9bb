"""Models and visualizations as text for the shell, and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from picasso.shell import output

if TYPE_CHECKING:
    from picasso.core.registry import Entry
    from picasso.core.settings import Settings

_MANY = 12


def show_model(facts: dict[str, Any]) -> None:
    """Print what `models.describe` found out about a model."""
    console = output.console()
    size = facts["input"]
    clips = f", clips of {size['frames']} frames" if "frames" in size else ""
    labels: list[str] = facts["labels"]
    shown = " · ".join(labels[:_MANY]) + (f" · ... ({len(labels)} in all)" if len(labels) > _MANY else "")
    table = output.columns("", "", show_header=False, title=f"Model {facts['name']}", title_justify="left")
    rows = {
        "Framework": facts["framework"],
        "Task": facts["task"],
        "Input": f"{size['height']} x {size['width']} pixels, {_channels(size['channels'])}{clips}",
        "Preprocessing": _preprocessing(facts["preprocessing"]),
        "Own hooks": ", ".join(facts["own_hooks"]) or "none",
        "Head": f"{facts['head']}; what is explained is a {facts['score_units']}",
        "How that was found": "\n".join(facts["notes"]) or "declared",
        "Labels": shown,
        "Parameters": f"{facts['parameters']:,}" if facts["parameters"] else "not known",
        "Batch size": _batch(facts),
        "Digest": facts["digest"][:16],
    }
    for name, value in rows.items():
        table.add_row(Text(name, style="bold"), Text(value))
    console.print(table)
    console.print()
    if facts["layers"]:
        layers = output.columns("Layer", "Kind", "Output", "")
        for layer in facts["layers"]:
            mark = "for class activation maps" if layer["name"] == facts["default_layer"] else ""
            layers.add_row(Text(layer["name"]), layer["kind"], " x ".join(map(str, layer["shape"])), mark)
        console.print(layers)
    else:
        console.print(f"{facts['framework']} models do not show their layers.")
    console.print()
    fits = output.columns("Visualization", "")
    for item in facts["visualizations"]:
        fits.add_row(Text(item["name"]), "fits" if item["fits"] else Text(item["reason"], style="yellow"))
    console.print(fits)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _preprocessing(declared: dict[str, Any] | None) -> str:
    if declared is None:
        return "the model's own preprocess hook"
    return ", ".join(f"{name} {_words(value)}" for name, value in declared.items() if value is not None)


def _words(value: object) -> str:
    if isinstance(value, list | tuple):
        return "(" + ", ".join(_words(item) for item in value) + ")"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def visualization_document(entry: Entry) -> dict[str, Any]:
    """Return what is known of a visualization, as JSON; settings as a JSON schema."""
    known: dict[str, Any] = {"name": entry.name, "origin": entry.origin, "path": str(entry.path)}
    if entry.kind is None:
        return known | {"error": entry.error}
    kind = entry.kind
    return known | {
        "title": kind.title,
        "family": kind.family,
        "description": kind.description(),
        "formula": kind.formula,
        "pitfalls": list(kind.pitfalls),
        "references": list(kind.references),
        "needs": sorted(kind.needs),
        "subject": str(kind.subject),
        "version": kind.version,
        "has_template": bool(entry.template),
        "settings": kind.settings_type.model_json_schema(),
        "error": "",
    }


def show_visualizations(entries: dict[str, Entry]) -> None:
    """Print the list of all visualizations, and the tracebacks of the broken ones on stderr."""
    table = output.columns("Name", "From", "What it shows")
    family = ""
    for name, entry in entries.items():
        said = entry.kind.family if entry.kind else "Broken"
        if said != family:
            if family:
                table.add_row()
            table.add_row(Text(said, style="bold"))
            family = said
        what = Text(entry.kind.description()) if entry.kind else Text("broken, see below", style="red")
        table.add_row(Text(name), entry.origin, what)
    output.console().print(table)
    errors = output.console(stderr=True)
    for name, entry in entries.items():
        if entry.kind is None:
            errors.print(Text(f"\n{name} ({entry.path}) is broken:", style="red"), soft_wrap=True)
            errors.print(Text(entry.error.rstrip()), soft_wrap=True)


def show_visualization(entry: Entry) -> None:
    """Print one visualization with its settings."""
    kind = entry.load()
    console = output.console()
    console.print(Text(kind.title, style="bold"))
    console.print(Text(kind.description()))
    if kind.formula:
        console.print(Text(f"\n    {kind.formula}\n", style="cyan"), soft_wrap=True)
    for pitfall in kind.pitfalls:
        console.print(Text(f"Take care: {pitfall}"))
    for reference in kind.references:
        console.print(Text(f"Reference: {reference}"))
    console.print(Text(f"Needs: {', '.join(sorted(kind.needs))}"))
    console.print(Text(f"From: {entry.path} ({entry.origin})"), soft_wrap=True)
    console.print()
    rows = setting_rows(kind.settings_type)
    if not rows:
        console.print("It has no settings.")
        return
    table = output.columns("Setting", "Value", "Default", "What it does")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def setting_rows(kind: type[Settings]) -> list[tuple[str, str, str, str]]:
    """Return flag, kind of value, default and description of each setting."""
    schema = kind.model_json_schema()
    definitions = schema.get("$defs", {})
    defaults = kind().model_dump(mode="json")
    rows = []
    for name, field in schema.get("properties", {}).items():
        default = defaults[name]
        # By their text, since 1 equals True and 0 equals False.
        written = {"True": "on", "False": "off", "None": "not given", "": "empty"}.get(str(default), str(default))
        flag = f"--{name.replace('_', '-')}"
        rows.append((flag, value_words(field, definitions), written, str(field.get("description", ""))))
    return rows


def value_words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """Say in words what values a piece of JSON schema allows."""
    if "$ref" in schema:
        return value_words(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        parts = [value_words(part, definitions) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts))
    if "allOf" in schema and len(schema["allOf"]) == 1:
        return value_words(schema["allOf"][0], definitions)
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("format") == "extent":
        return "pixels (32px) or a share (20%)"
    kind = {"integer": "whole number", "number": "number", "boolean": "on or off", "string": "text"}
    if "prefixItems" in schema:
        return "[" + ", ".join(value_words(part, definitions) for part in schema["prefixItems"]) + "]"
    if schema.get("type") == "array":
        return "list of " + value_words(schema.get("items", {}), definitions)
    return " ".join(filter(None, (kind.get(schema.get("type", ""), "value"), _range(schema))))


def _range(schema: dict[str, Any]) -> str:
    low = next((f"{sign} {schema[key]:g}" for key, sign in _LOW.items() if key in schema), "")
    high = next((f"{sign} {schema[key]:g}" for key, sign in _HIGH.items() if key in schema), "")
    return ", ".join(filter(None, (low, high)))


_LOW = {"minimum": ">=", "exclusiveMinimum": ">"}
_HIGH = {"maximum": "<=", "exclusiveMaximum": "<"}


def _batch(facts: dict[str, Any]) -> str:
    fixed = facts["fixed_batch"]
    return f"{fixed}, which the network demands; fewer pictures are filled up" if fixed else str(facts["batch_size"])
