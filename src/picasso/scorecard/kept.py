"""What randomization showed of a model and a method, kept on disk: it holds for every picture."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from picasso.core.model import Model
from picasso.core.tested import kept_file
from picasso.scorecard.method import Method
from picasso.scorecard.randomization import Randomization


def read(model: Model, method: Method) -> Randomization | None:
    """Return what was found before of a model and a method with these settings; None: it is untested."""
    try:
        return Randomization.of(json.loads(_file(model, method).read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(model: Model, method: Method, found: Randomization) -> None:
    """Keep what was found. Where the folder cannot be written, it is found again the next time."""
    file = _file(model, method)
    part = file.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(found.document(), indent=2), "utf-8")
        part.replace(file)


def _file(model: Model, method: Method) -> Path:
    known = (method.name, method.entry.digest, method.entry.load().version)
    return kept_file(model.whole.digest, known, method.settings.model_dump(mode="json"))
