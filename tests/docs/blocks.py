"""Reads the code blocks of a page, and runs them in order, as a reader would."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import Result
from typer.testing import CliRunner

from picasso.cli import app
from picasso.core import registry
from picasso.shell import output
from tests.homes import furnish_home

_FENCE = re.compile(r"^(?P<fence>`{3,}|:{3,})\s*(?P<info>\S.*)?$")
_SKIP = re.compile(r"^<!-- not run: (?P<reason>.+) -->$")
_FOLDERS = {
    " (in the plug-in folder)": registry.VISUALIZATIONS.folder,
    " (in the folder of interventions)": registry.INTERVENTIONS.folder,
}
"""What follows a file's name that lies in Picasso's folder, and in which folder there."""


@dataclass(frozen=True)
class Block:
    """A code block of a page.

    Args:
        language: "python", "console", "toml", ...
        text: What is in it.
        caption: The file that it is, or "".
        line: Where it begins.
        skip: Why it is not run, or "".
    """

    language: str
    text: str
    caption: str
    line: int
    skip: str


def blocks(page: str) -> Iterator[Block]:
    """Find the code blocks of a page in Markdown."""
    lines = iter(enumerate(page.splitlines(), 1))
    reason = ""
    for number, line in lines:
        if skip := _SKIP.match(line):
            reason = skip["reason"]
            continue
        fence = _FENCE.match(line)
        if fence is None or not fence["info"]:
            reason = reason if not line.strip() else ""
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.strip() == fence["fence"]:
                break
            body.append(inner)
        language = fence["info"].strip()
        caption = ""
        if language.startswith("{code-block}"):
            language = language.removeprefix("{code-block}").strip()
            while body and body[0].startswith(":"):
                key, _, value = body.pop(0).removeprefix(":").partition(":")
                caption = value.strip() if key == "caption" else caption
        if not language.startswith("{"):
            yield Block(language, "\n".join(body) + "\n", caption, number, reason)
        reason = ""


class Reader:
    """Does what a page says, in the current folder.

    Args:
        page: Name of the page, for messages.
    """

    def __init__(self, page: str) -> None:
        self.page = page
        self.names: dict[str, object] = {"__name__": "__main__"}

    def do(self, block: Block) -> None:
        """Run a block: write a file, run Python, type commands."""
        if block.caption:
            self._write(block)
        elif block.language == "python":
            code = compile("\n" * block.line + block.text, self.page, "exec")
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, self.names)
        elif block.language == "console":
            for command, shown in commands(block.text):
                compare(self._type(command), shown, f"{self.page}:{block.line}: {command}")

    @staticmethod
    def _write(block: Block) -> None:
        path = Path(block.caption)
        for words, folder in _FOLDERS.items():
            if block.caption.endswith(words):
                path = registry.home() / folder / block.caption.removesuffix(words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
        for name in [name for name, module in sys.modules.items() if getattr(module, "__file__", "") == str(path)]:
            del sys.modules[name]

    def _type(self, command: str) -> str:
        command, _, file = command.partition(" > ")
        words = shlex.split(command)
        assert words[0] == "picasso", f"{self.page}: the test types only picasso. Got: {command}"
        if words[1:3] == ["new", "pictures"]:
            return self._drawn(words)
        # Any number of processes gives the same findings, and so few pictures are measured before others have begun.
        alone = ["--processes", "1"] if words[1] == "audit" else []
        result = invoke([*words[1:], *alone])
        said: str = result.stdout + result.stderr
        expected = (output.OK, output.VERDICT) if "--fail-on" in words else (output.OK,)
        assert result.exit_code in expected or '"error"' in said, f"{self.page}: {command}\n{said}"
        if file:
            Path(file).write_text(result.stdout, "utf-8")
            return ""
        return said

    @staticmethod
    def _drawn(words: list[str]) -> str:
        """Draw pictures; those that another page of this run has drawn are copied, since they are always the same."""
        kept = registry.home() / "datasets" / "_".join(["pages", *words[4:]])
        if not kept.exists():
            part = kept.with_name(f"{kept.name}.{os.getpid()}")
            result = invoke([*words[1:3], str(part), *words[4:]])
            assert result.stdout == f"{part}\n"
            with contextlib.suppress(OSError):  # the other process was first
                part.rename(kept)
        shutil.copytree(kept, words[3])
        return f"{words[3]}\n"


def invoke(words: list[str]) -> Result:
    """Run picasso with these words."""
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Split a console block into commands and what the page shows of their output."""
    command, shown = "", []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line.removeprefix("$ "), []
        else:
            shown.append(line)
    yield command, shown


def compare(said: str, shown: list[str], where: str) -> None:
    """Hold what a page shows against what was said: spaces do not count, and "..." stands for anything."""
    if not shown:
        return
    parts = [re.escape(" ".join(part.split())) for part in "\n".join(shown).split("...")]
    pattern = r"\s*" + r".*?".join(part.replace(r"\ ", r"\s+") for part in parts) + r"\s*"
    flat = " ".join(said.split())
    assert re.fullmatch(pattern, flat, re.DOTALL), f"{where}\nThe page shows:\n{chr(10).join(shown)}\nIt said:\n{said}"


@contextlib.contextmanager
def folder_of_its_own(folder: Path) -> Iterator[None]:
    """Read a page in an empty folder, with a PICASSO_HOME in it."""
    before = Path.cwd()
    environment = {name: os.environ.get(name) for name in ("PICASSO_HOME", "COLUMNS")}
    home = furnish_home(folder / "home")
    os.chdir(folder)
    os.environ.update(PICASSO_HOME=str(home), COLUMNS="200")
    sys.path.insert(0, str(folder))
    for name, module in list(sys.modules.items()):  # what other tests' model files imported from beside themselves
        if hasattr(module, "__picasso_neighbor__"):
            del sys.modules[name]
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))
        for name, value in environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(str(folder)):
                del sys.modules[name]
