"""The journal of a training: a line of JSON for each checkpoint, written once its file is whole."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from picasso.core.errors import ConfigurationError
from picasso.core.learning.checkpoints import JOURNAL, read_journal


@dataclass(frozen=True)
class Moment:
    """When in a training something was saved, and what it had reached.

    Args:
        epoch: Epochs that were finished.
        step: Steps of the optimizer that were made.
        metrics: Loss, accuracy and the like, by name; numbers of any library.

    Raises:
        ConfigurationError: Neither epoch nor step is said, or one is negative.
    """

    epoch: int | None = None
    step: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.epoch is None and self.step is None:
            raise ConfigurationError("A checkpoint needs its epoch or its step.", "Give epoch=... or step=...")
        for name in ("epoch", "step"):
            value = getattr(self, name)
            if value is not None and int(value) < 0:
                raise ConfigurationError(f"{name} must not be negative. Got {value}.")

    @property
    def stem(self) -> str:
        """What its file is called, without the ending."""
        known = [(word, getattr(self, word)) for word in ("epoch", "step")]
        return "-".join(f"{word}-{int(value):06d}" for word, value in known if value is not None)

    def numbers(self) -> dict[str, float]:
        """Return the metrics that are finite numbers."""
        found = {str(name): float(value) for name, value in self.metrics.items()}
        return {name: value for name, value in found.items() if math.isfinite(value)}


def last_epoch(folder: Path) -> int:
    """Return the last epoch in a folder's journal; 0 where there is none."""
    epochs = (entry.get("epoch") for entry in read_journal(folder).values())
    return max((epoch for epoch in epochs if isinstance(epoch, int)), default=0)


def keep(folder: Path, moment: Moment, suffix: str, write: Callable[[Path], object]) -> Path:
    """Write a checkpoint and its line in the journal; a training that is killed meanwhile leaves no half file.

    Args:
        folder: Where; it is made.
        moment: When in the training.
        suffix: How the file's name ends.
        write: Called with the path to write to.

    Returns:
        The checkpoint's path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{moment.stem}{suffix}"
    partial = folder / f".{moment.stem}{suffix}"
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    known = {name: int(value) for name in ("epoch", "step") if (value := getattr(moment, name)) is not None}
    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        journal.write(json.dumps({"file": path.name} | known | {"metrics": moment.numbers()}) + "\n")
    return path
