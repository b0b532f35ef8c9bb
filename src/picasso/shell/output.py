"""What the shell gets to see: text and JSON on stdout, errors and progress on stderr, and an exit code."""

from __future__ import annotations

import errno
import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any, ParamSpec

import typer
from rich.console import Console
from rich.text import Text

from picasso.core.errors import PicassoError

P = ParamSpec("P")
OK, FAILED, BAD_INPUT, BAD_MODEL, VERDICT, INTERRUPTED = 0, 1, 2, 3, 4, 130
_EXITS = {
    "bad-picture": BAD_INPUT,
    "bad-settings": BAD_INPUT,
    "bad-target": BAD_INPUT,
    "bad-edit": BAD_INPUT,
    "bad-labels": BAD_INPUT,
    "bad-dataset": BAD_INPUT,
    "bad-configuration": BAD_INPUT,
    "not-found": BAD_INPUT,
    "bad-model": BAD_MODEL,
    "unsafe-model": BAD_MODEL,
    "model-failed": BAD_MODEL,
    "bad-output": BAD_MODEL,
    "out-of-memory": BAD_MODEL,
    "missing-extra": BAD_MODEL,
    "not-supported": BAD_MODEL,
    "canceled": INTERRUPTED,
}


def exit_code(error: PicassoError) -> int:
    """Return what the shell is told: 2 for bad input, 3 for the model's errors, 130 for a cancel, else 1."""
    return _EXITS.get(error.code, FAILED)


def console(*, stderr: bool = False) -> Console:
    """Return a console; where nobody looks at it, lines are wide enough not to break names of files."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or os.environ.get("COLUMNS") else 200
    return Console(file=stream, stderr=stderr, width=width, highlight=False)


def print_json(value: object) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def as_document(error: PicassoError) -> dict[str, str]:
    """Return an error as the page and the shell write it in JSON."""
    return {"code": error.code, "message": error.message, "hint": error.hint}


def print_error(error: PicassoError, *, where: str = "", to: Console | None = None) -> None:
    """Print one red line on stderr: what was wrong, what to do, and the error's code.

    Args:
        error: What went wrong.
        where: What it went wrong with, or "".
        to: The console of a progress bar that is on the screen now, so that the line is printed above it.
    """
    place = f"{where}: " if where else ""
    line = " ".join(f"error: {place}{error} ({error.code})".split())
    (to or console(stderr=True)).print(Text(line, style="red"), soft_wrap=True)


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what a command raises into one line, or JSON, and an exit code; with --debug the traceback, too.

    Args:
        command: A command; its parameters `as_json` and `debug` say how an error is shown.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if isinstance(error, typer.Exit | typer.Abort | typer.BadParameter) or _pipe_closed(error):
                raise
            if kwargs.get("debug"):
                console(stderr=True).print_exception()
            known = error if isinstance(error, PicassoError) else _unforeseen(error)
            if kwargs.get("as_json"):
                print_json({"error": as_document(known)})
            else:
                print_error(known)
            raise typer.Exit(exit_code(known)) from None

    return run


def _unforeseen(error: Exception) -> PicassoError:
    if isinstance(error, OSError) and error.strerror:
        return PicassoError(f"{error.filename or 'A file'}: {error.strerror}.")
    return PicassoError(f"{type(error).__name__}: {error}.", "Add --debug to see the traceback.")


def _pipe_closed(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def columns(*headings: str, **options: Any) -> Any:
    """Return an empty table with these headings; a long cell is folded, never cut."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", **options)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
