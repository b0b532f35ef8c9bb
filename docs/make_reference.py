"""Writes the pages of the reference that are drawn from the code.

Run `python docs/make_reference.py` after a change of a visualization, an intervention, a threshold, a command, an
error or the configuration. The pages are committed, so that they can be read where the source is; a test fails where
one of them is behind the code.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from picasso.auditing import moved, thresholds
from picasso.core import registry, runner
from picasso.core.errors import NotSupportedError, PicassoError, SettingsError, by_code
from picasso.core.interventions.intervention import Intervention, Role
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import Picture, read_picture
from picasso.core.preprocessing import Preprocessing
from picasso.core.registry import Entry
from picasso.core.result import Result
from picasso.core.sources import SourceKind
from picasso.core.visualization import Subject
from picasso.service.configuration import (
    CheckpointFolder,
    Configuration,
    DatasetSpecification,
    ModelSpecification,
    SampleFolder,
)
from picasso.shell import output
from picasso.shell.tables import setting_rows, value_words
from picasso.testing import small_model, small_transformer
from picasso.testing.common import trial_picture
from picasso.web.app import create_app
from picasso.web.errors import status_of

FOLDER = Path(__file__).parent / "reference"
_NOTE = "<!-- Written by docs/make_reference.py; change the code and run it again. -->"


def pages() -> dict[str, str]:
    """Return the text of every page by its file's name."""
    return {
        "visualizations.md": visualizations(),
        "interventions.md": interventions(),
        "thresholds.md": audit_thresholds(),
        "command-line.md": command_line(),
        "http-api.md": http_api(),
        "errors.md": errors(),
        "configuration.md": configuration(),
    }


def visualizations() -> str:
    """Describe every built-in visualization: what it shows, its settings, its units, its papers."""
    parts = [
        "# Visualizations",
        _NOTE,
        "Every visualization with its settings. A setting is a flag in the shell (`--window 32px`), an argument in "
        "Python (`window=32`), and a field on the page. A length such as a window is pixels of the network's input or "
        "a share of its side: `32px` or `20%`, in Python an int or a float.",
        "The pictures show, for the class *tank*, a tank under its sky, what `demo:tank-proxy` looks at, which has "
        "learned the sky, and what `demo:tank-honest` looks at, which has learned the tank: with the defaults, each "
        "map on its own scale. Methods of transformers have none, since the demo has no transformer. Of pictures that "
        "are made for a model, those made for `demo:tank-honest` are shown.",
    ]
    family = ""
    for entry in registry.visualizations([]).values():
        if entry.origin != "built-in":
            continue
        if (said := entry.load().family) != family:
            parts.append(f"## {said}")
            family = said
        parts.append(_visualization(entry))
    return "\n\n".join(parts) + "\n"


def _visualization(entry: Entry) -> str:
    kind = entry.load()
    parts = [f"### {kind.title}", f"`{entry.name}`. {kind.description()}"]
    if kind.formula:
        parts.append(f"```text\n{kind.formula}\n```")
    for form in ("webp", "svg"):
        if (FOLDER.parent / "images" / "methods" / f"{entry.name}.{form}").is_file():
            parts.append(f"![What {kind.title} shows of the demo's networks](../images/methods/{entry.name}.{form})")
    facts = [f"Needs: {', '.join(sorted(kind.needs))}", *_measured(entry)]
    facts += [f"Reference: {reference}" for reference in kind.references]
    parts.append("\n".join(f"- {fact}" for fact in facts))
    if kind.pitfalls:
        parts.append("Take care: " + " ".join(kind.pitfalls))
    rows = setting_rows(kind.settings_type)
    parts.append(
        _table(("Setting", "Value", "Default", "What it does"), rows, code=0) if rows else "It has no settings."
    )
    return "\n\n".join(parts)


def _measured(entry: Entry) -> Iterator[str]:
    """Run it once on a small model of the kind that it needs, or on the demo's of its task, to say what it returns."""
    named = {"segmentation": "demo:segmenter", "detection": "demo:detector"}
    demo = next((named[kind] for kind in named if kind in entry.load().needs), "demo:tank-proxy")
    makers: list[Callable[[], Model]] = [] if demo in named.values() else [small_model, small_transformer]
    for make in (*makers, partial(load_model, demo)):
        model = make()
        alone = entry.load().subject is Subject.MODEL
        picture = None if alone else read_picture(model.prepare(read_picture(_plain())).view, "trial")
        with suppress(NotSupportedError):  # the network is built otherwise than it needs
            result = _run(model, picture, entry)
            break
    if result.attributions:
        one = result.attributions[0]
        yield f"Values, with the defaults: {one.units}, {one.sign}" + (
            f"; baseline: {one.baseline}" if one.baseline else ""
        )
    if result.arrays:
        yield "Raw arrays: " + ", ".join(
            f"`{name}` {len(array.shape)}-dimensional" for name, array in result.arrays.items()
        )


def _run(model: Model, picture: Picture | None, entry: Entry) -> Result:
    """Run a visualization with its defaults; one that refuses to be without a folder of pictures gets one."""
    kind = entry.load().settings_type
    try:
        return runner.run(model, picture, entry, kind(), top=1)
    except SettingsError:
        fields = kind.model_json_schema()["properties"].items()
        albums = [name for name, facts in fields if facts.get("picasso", {}).get("choices") == SourceKind.ALBUM]
        with TemporaryDirectory() as folder:
            for number in range(12):
                place = Path(folder) / model.labels[number % 2]
                place.mkdir(exist_ok=True)
                Image.fromarray(trial_picture(number, 40, 56).pixels).save(place / f"{number}.png")
            return runner.run(model, picture, entry, kind(**dict.fromkeys(albums, folder)), top=1)


def _plain() -> Any:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)


_ROLES = {
    Role.PROPERTY: (
        "Properties",
        "What a model should not rely on, unless a person says that it should. What counts here makes the verdict "
        "WRONG REASON, or BOTH.",
    ),
    Role.SURFACE: (
        "The object's surface",
        "A part of the object. What counts here and carries most of what hangs on the object makes the verdict BOTH; "
        "less is said as a part of it.",
    ),
    Role.SIZE: (
        "The object's size",
        "A part of what the object is. What counts here and moves the margin by a tenth of what another object does, "
        "or more, makes the verdict WRONG REASON, or BOTH; less is said as a part of it.",
    ),
    Role.OBJECT: (
        "The object",
        "What a model should rely on. What counts here makes the verdict RIGHT REASON, or BOTH.",
    ),
    Role.ERASURE: (
        "Erasure",
        "Says how much the model needs the object to be there at all. It is shown, and has no part in the verdict.",
    ),
}


def interventions() -> str:
    """Describe every built-in intervention of the audit: what it takes, what an effect says, what it needs to know."""
    parts = [
        "# Interventions",
        _NOTE,
        "What `picasso audit` exchanges between pictures. Each intervention takes a property from one picture and "
        "gives it to another: once from a picture of the same class, the control, once from one of another "
        "class. `--with NAME` tests one alone; "
        "[an intervention of your own](../how-to/write-an-intervention.md) is one file.",
        "An intervention that needs `object` is tried where masks or boxes say where the objects are, or a person has "
        "said which region is the object; one that needs `regions` where the data set does not say it, or with "
        "`--regions`.",
    ]
    found = [entry.load() for entry in registry.interventions([]).values() if entry.origin == "built-in"]
    for role, (title, said) in _ROLES.items():
        parts += [f"## {title}", said, *(_intervention(kind) for kind in found if kind.role is role)]
    return "\n\n".join(parts) + "\n"


def _intervention(kind: type[Intervention]) -> str:
    listed = kind().properties((224, 224), ("KIND",))
    rows = [(what.name.replace("-0", "-NUMBER"), what.phrase.replace("KIND", "a kind of region")) for what in listed]
    head = f"`{kind.name}`. {' '.join(inspect.cleandoc(kind.__doc__ or '').split())}"
    needs = f"- Needs: {', '.join(sorted(kind.needs)) or 'nothing but the pictures'}"
    return "\n\n".join(
        [f"### {kind.title}", head, needs, _table(("Property", '"The model relies on ..."'), rows, code=0)]
    )


def audit_thresholds() -> str:
    """List every threshold of the audit with its reason, as the source says it."""
    body = ast.parse(inspect.getsource(thresholds)).body
    rows = [
        (name.target.id, _number(getattr(thresholds, name.target.id)), said.value.value)
        for name, said in pairwise(body)
        if isinstance(name, ast.AnnAssign)
        and isinstance(name.target, ast.Name)
        and isinstance(said, ast.Expr)
        and isinstance(said.value, ast.Constant)
    ]
    parts = [
        "# Thresholds of the audit",
        _NOTE,
        "Every number on which a verdict of `picasso audit` hangs, with its reason. They lie in one file of "
        "the source, `auditing/thresholds.py`, written down with every audit (`record.thresholds` in `audit.json`). "
        "No option changes them: two audits are to mean the same. "
        "[How the audit decides](../explanation/how-the-audit-decides.md) says how they work together.",
        _table(("Name", "Value", "Why"), rows, code=0),
    ]
    return "\n\n".join(parts) + "\n"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def command_line() -> str:
    """Describe every command with its options."""
    from typer.main import get_command

    from picasso.cli import app

    group: Any = get_command(app)
    parts = [
        "# Command line",
        _NOTE,
        "`picasso --help` and `picasso COMMAND --help` say the same in the shell. `picasso --install-completion` makes "
        "the shell complete commands, options and the names of visualizations.",
    ]
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            parts += [_command(f"picasso {name} {inner}", part) for inner, part in command.commands.items()]
        else:
            parts.append(_command(f"picasso {name}", command))
    exits = [
        ("0", "all went well; also a server that was ended with Ctrl-C"),
        ("1", "some of several pictures failed, or anything not named below"),
        ("2", "a picture, setting, target, label or configuration that cannot be used, or a wrong command line"),
        ("3", "the model: it cannot be opened, raised, or lacks what the visualization needs"),
        ("4", "the verdict of `picasso audit` is one of those that `--fail-on` names"),
        ("130", "interrupted with Ctrl-C"),
    ]
    return "\n\n".join([*parts, "## Exit codes", _table(("Code", "Means"), exits)]) + "\n"


def _command(name: str, command: Any) -> str:
    parts = [f"## {name}", *_prose(command.help or "")]
    words = [p.metavar for p in command.params if not p.opts[0].startswith("-")]
    parts.insert(1, f"```text\n{' '.join([name, *words, '[OPTIONS]'])}\n```")
    rows = [(_flag(p), p.help or "", _default(p)) for p in command.params if p.name != "help"]
    parts.append(_table(("Word", "What it is", "Default"), rows, code=0))
    return "\n\n".join(parts)


def _prose(text: str) -> list[str]:
    """Turn a docstring into paragraphs; what is marked to be kept as it is becomes an example."""
    parts = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            lines = [line for line in paragraph.splitlines()[1:] if line.strip()]
            said = [re.sub(r"\s{3,}(?=\S)", "  # ", line.strip()) for line in lines]
            parts.append("```console\n" + "\n".join(f"$ {line}" for line in said) + "\n```")
        else:
            parts.append(" ".join(paragraph.split()))
    return parts


def _flag(parameter: Any) -> str:
    names = "/".join(parameter.opts + parameter.secondary_opts)
    if not parameter.opts[0].startswith("-"):
        return str(parameter.metavar)
    if parameter.is_flag:
        return names
    return f"{names} {parameter.metavar}"


def _default(parameter: Any) -> str:
    if parameter.default in (None, "", False, ()) or parameter.required or callable(parameter.default):
        return ""
    return parameter.opts[0] if parameter.default is True else str(parameter.default)


def http_api() -> str:
    """List every address of the HTTP API."""
    schema = create_app(Configuration()).openapi()
    rows = [
        (f"{method.upper()} {path}", operation["description"])
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    parts = [
        "# HTTP API",
        _NOTE,
        "The page talks to the server through this API, and so can you. `GET` never writes; long work answers 202 with "
        "a job, whose events can be followed as a stream; an error has one body, [with a code](errors.md). With a "
        "token, send `Authorization: Bearer ...`. The whole schema is at `/api/v1/openapi.json`.",
        _table(("Address", "What it does"), rows, code=0),
    ]
    return "\n\n".join(parts) + "\n"


def errors() -> str:
    """List every error with its code, its exit code and its HTTP status."""
    assert moved.AuditsError in PicassoError.__subclasses__()  # it is known once its module is, which is not core's
    rows = []
    for code, kind in sorted(by_code().items()):
        error = kind("")
        exit_code = "" if kind.__module__.startswith("picasso.web") else str(output.exit_code(error))
        rows.append(
            (
                f"`{code}`",
                f"`{kind.__name__}`",
                inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0],
                exit_code,
                str(status_of(error)),
            )
        )
    parts = [
        "# Errors",
        _NOTE,
        "Everything that Picasso refuses, or that fails in a known way, is a `PicassoError` with a message, a hint and "
        "a code. The code is the same in Python (`error.code`), in the shell (on stderr, and with `--json` in the "
        'document), in the HTTP API (`{"error": {"code", "message", "hint"}}`) and on the page.',
        _table(("Code", "In Python", "Means", "Exit code", "HTTP status"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def configuration() -> str:
    """List everything that picasso.toml may hold."""
    parts = [
        "# Configuration",
        _NOTE,
        "`picasso serve` reads the `picasso.toml` of the folder in which it is started, or the file that `--config` "
        "names. Relative paths are those of the folder that holds the file. `picasso new config` writes one with "
        "comments.",
        "## The server",
        _fields(Configuration, skip=("models", "datasets", "checkpoints")),
        "## [[model]]",
        "One for each model.",
        _fields(ModelSpecification),
        "## [model.preprocessing]",
        "How a picture becomes the input of the model above it: `(pixels * scale - mean) / std`.",
        _fields(Preprocessing),
        "## [[datasets]]",
        "Pictures by class, on which models are audited. One for each data set.",
        _fields(DatasetSpecification),
        "## [[checkpoints]]",
        "What was saved during a training. One for each folder.",
        _fields(CheckpointFolder),
        "## [[samples]]",
        "A folder of pictures that the page offers for a model.",
        _fields(SampleFolder),
        "## Environment",
        _table(
            ("Variable", "What it does"),
            [
                (
                    "`PICASSO_HOME`",
                    "Picasso's folder: plug-ins in `visualizations`, data in `data`. By default the platform's.",
                ),
                ("`PICASSO_TOKEN`", "The token of `picasso serve`, where `--token` would show it to other users."),
            ],
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _fields(model: Any, skip: Iterable[str] = ()) -> str:
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    rows = []
    for name, field in schema["properties"].items():
        if name in skip:
            continue
        facts = model.model_fields[name]
        default = "needed" if facts.is_required() else _written(None if facts.default_factory else facts.default)
        words = "a table" if name == "preprocessing" else _kind(field, definitions)
        rows.append((name, words, default, field.get("description", "")))
    return _table(("Name", "Value", "Default", "What it is"), rows, code=0)


def _kind(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    return (
        "list of tables"
        if field.get("type") == "array" and "$ref" in field.get("items", {})
        else value_words(field, definitions)
    )


def _written(value: Any) -> str:
    if value is None or value == ():
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(headings: Iterable[str], rows: Iterable[Iterable[str]], code: int | None = None) -> str:
    lines = [list(headings)]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
        if code is not None:
            cells[code] = f"`{cells[code]}`"
        lines.append(cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Write the pages that are not as they should be, and say which."""
    for name, text in pages().items():
        path = FOLDER / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
