"""What was saved during a training: the files in a folder, in their order, and the network as it was at each.

The order comes from what `picasso.training` wrote down beside the files, else from the numbers in their names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError, NotFoundError, PicassoError, SettingsError, UnsafeModelError
from picasso.core.model import Model

JOURNAL = "training.jsonl"
"""The file in which the savers write down each checkpoint, a line of JSON each."""
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".h5", ".hdf5", ".keras", ".pth.tar", ".pt.tar")
"""How the names of checkpoints end; what a file is, the network's adapter finds out."""
_NUMBERS = re.compile(r"\d+")
_NAMED = re.compile(r"(?<![a-z])(epoch|step|iter(?:ation)?|global_step|ep|e)[=_.-]?(\d+)", re.IGNORECASE)
_UNITS = ("epoch", "step")
"""What checkpoints are counted by, the finer one last."""
_WORDS = {"e": "epoch", "ep": "epoch", "iter": "step", "iteration": "step", "global_step": "step"}
_LARGEST_JOURNAL = 64 * 2**20


@dataclass(frozen=True)
class Checkpoint:
    """A file that was saved during a training.

    Args:
        path: The file.
        label: What to call it: "epoch 3", "step 1200", "epoch 3, step 1200", or its name.
        step: What it is counted by, steps where both are known, or None where nobody says.
        unit: What is counted: "epoch", "step", or "" where that is not known.
        metrics: What the training had reached: {"loss": 0.31}.
    """

    path: Path
    label: str
    step: int | None = None
    unit: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Unread:
    """A file that could not be read as a checkpoint of the network, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class Reached:
    """The network as it was at a checkpoint."""

    checkpoint: Checkpoint
    model: Model


def list_checkpoints(folder: str | Path) -> tuple[Checkpoint, ...]:
    """Return the files in a folder that may be checkpoints, in the order of the training. None is opened.

    Raises:
        NotFoundError: There is no such folder, or no such file in it.
        SettingsError: The folder is not said.
    """
    if not str(folder):
        raise SettingsError("checkpoints must name a folder of what was saved during the training.", "Give one.")
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise NotFoundError(f"There is no folder of checkpoints '{folder}'.", "Check the path.")
    files = [
        file
        for file in place.iterdir()
        if file.name.lower().endswith(SUFFIXES) and not file.name.startswith(".") and file.is_file()
    ]
    if not files:
        raise NotFoundError(
            f"The folder '{folder}' holds no checkpoints.", f"Their names end in {', '.join(SUFFIXES[:-2])}."
        )
    written = read_journal(place)
    told = {name: place for place, name in enumerate(written)}
    # Files that the journal does not name come last, and so do those without a number: "best.pt", "final.pt".
    files.sort(key=lambda file: (told.get(file.name, len(told)), not _NUMBERS.search(file.name), _natural(file.name)))
    return tuple(_checkpoint(file, written.get(file.name, {})) for file in files)


class Trajectory:
    """The network along a training.

    Args:
        model: The network, in whose place the checkpoints are put.
        folder: The folder of the checkpoints.
        most: How many are opened at most; of more, so many at even distances, the first and the last among them.

    Attributes:
        chosen: The checkpoints that are opened, in their order.
        total: How many files there are.
        unread: Those that could not be read, as far as was tried.

    Raises:
        NotFoundError: There is no such folder, or nothing in it.
    """

    def __init__(self, model: Model, folder: str | Path, most: int) -> None:
        self._model = model
        found = list_checkpoints(folder)
        self.total = len(found)
        self.chosen = _spread(found, most)
        self._unread: dict[Path, Unread] = {}

    @classmethod
    def of_one(cls, model: Model) -> Trajectory:
        """Return the trajectory of a network of which nothing was saved: it is at its only place."""
        made = cls.__new__(cls)
        made._model, made.total, made.chosen, made._unread = model, 1, (Checkpoint(Path(), "as it is"),), {}
        return made

    @property
    def unread(self) -> tuple[Unread, ...]:
        return tuple(self._unread.values())

    def open(self, checkpoint: Checkpoint) -> Model | None:
        """Return the network as it was, or None where the file is none of its checkpoints.

        Raises:
            NotSupportedError: The network takes no parameters from files.
        """
        if checkpoint.path == Path():
            return self._model
        try:
            return self._model.at_checkpoint(checkpoint.path)
        except (ModelFileError, UnsafeModelError, OSError) as error:
            reason = error.message if isinstance(error, PicassoError) else str(error)
            self._unread[checkpoint.path] = Unread(checkpoint.path, reason)
            return None

    def walk(self, report: Callable[[int, int, str], None]) -> Iterator[Reached]:
        """Yield the network at each checkpoint that can be read.

        Args:
            report: Called before each with what is done, the total, and its label; it may raise CanceledError.

        Raises:
            NotFoundError: None can be read.
        """
        count = 0
        for number, checkpoint in enumerate(self.chosen):
            report(number, len(self.chosen), checkpoint.label)
            model = self.open(checkpoint)
            if model is not None:
                count += 1
                yield Reached(checkpoint, model)
        if not count:
            raise self.none_left()

    def last(self) -> Reached:
        """Return the network at the last checkpoint that can be read.

        Raises:
            NotFoundError: None can be read.
        """
        for checkpoint in reversed(self.chosen):
            model = self.open(checkpoint)
            if model is not None:
                return Reached(checkpoint, model)
        raise self.none_left()

    def none_left(self) -> NotFoundError:
        """Return what is raised where no file is a checkpoint of this network."""
        first = self.unread[0]
        return NotFoundError(
            f"None of the {len(self.chosen)} files is a checkpoint of this network. {first.path.name}: {first.reason}",
            "Give the folder of its own training.",
        )

    def said(self) -> str:
        """Return what was left out, in words, or ""."""
        parts = []
        if len(self.chosen) < self.total:
            parts.append(f"{len(self.chosen)} of {self.total} checkpoints are shown, at even distances.")
        if self._unread:
            count = len(self._unread)
            names = "; ".join(f"{one.path.name}: {one.reason.rstrip('.')}" for one in self.unread[:3])
            what = "file is no checkpoint" if count == 1 else "files are no checkpoints"
            parts.append(f"{count} {what} of this network: {names}{'; …' if count > 3 else '.'}")
        return " ".join(parts)


def read_journal(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the savers wrote down, by the file's name, in order; of one that was written again the last."""
    file = folder / JOURNAL
    found: dict[str, dict[str, Any]] = {}
    try:
        if file.stat().st_size > _LARGEST_JOURNAL:
            return {}
        lines = file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:  # the last line of a training that was killed while it wrote
            continue
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            found.pop(entry["file"], None)
            found[entry["file"]] = entry
    return found


def _checkpoint(file: Path, entry: Mapping[str, Any]) -> Checkpoint:
    metrics = {
        str(name): float(value)
        for name, value in (entry.get("metrics") or {}).items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    known = {word: entry[word] for word in _UNITS if isinstance(entry.get(word), int)}
    if not known:
        named = {_WORDS.get(word.lower(), word.lower()): int(number) for word, number in _NAMED.findall(file.name)}
        known = {word: named[word] for word in _UNITS if word in named}
    if known:
        unit = [*known][-1]
        return Checkpoint(file, ", ".join(f"{word} {known[word]}" for word in known), known[unit], unit, metrics)
    numbers = _NUMBERS.findall(file.name.partition(".")[0])
    return Checkpoint(file, file.name, int(numbers[-1]) if numbers else None, metrics=metrics)


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return by what names are put in order as people do it: "epoch 9" before "epoch 10"."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def _spread(found: Sequence[Checkpoint], most: int) -> tuple[Checkpoint, ...]:
    """Return so many at even distances, the first and the last among them."""
    if len(found) <= most:
        return tuple(found)
    if most == 1:
        return (found[-1],)
    return tuple(found[round(number * (len(found) - 1) / (most - 1))] for number in range(most))
