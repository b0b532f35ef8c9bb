"""Where a TensorFlow network lies: a SavedModel, a checkpoint of TensorFlow 1 with its meta graph, a frozen graph."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError
from picasso.core.opening import describe
from picasso.core.trust import file_digest, source_digest

SAVED = "saved_model.pb"
STATE = "checkpoint"
"""The file that names the newest checkpoint in its folder."""
GRAPHS = (".pb", ".pbtxt")
PART = re.compile(r"(.+?)(\.meta|\.index|\.data-\d{5}-of-\d{5})")
"""A file of a checkpoint: the name that its files share, and what this one is."""


class Kind(StrEnum):
    """What holds the network."""

    SAVED_MODEL = "SavedModel"
    CHECKPOINT = "checkpoint"
    GRAPH = "frozen graph"


@dataclass(frozen=True)
class Place:
    """Where a network lies.

    Args:
        kind: What holds it.
        path: The SavedModel's folder, the meta graph, or the frozen graph.
        prefix: For a checkpoint, what the names of its files begin with.
        among: How many checkpoints it was chosen from.
    """

    kind: Kind
    path: Path
    prefix: Path | None = None
    among: int = 1

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, or the folder, that decide what the network answers."""
        if self.prefix is None:
            return (self.path,)
        weights = sorted(self.prefix.parent.glob(f"{_literal(self.prefix.name)}.data-*"))
        index = [file for file in (Path(f"{self.prefix}.index"), self.prefix) if file.is_file()]
        return (self.path, *index, *weights)

    @property
    def origin(self) -> str:
        """Digest of what decides what the network answers."""
        if self.prefix is None:
            return source_digest(self.path)
        return hashlib.sha256("".join(file_digest(file) for file in self.files).encode()).hexdigest()


def find(source: str) -> Place | None:
    """Return where a network lies, or None where the source is none of TensorFlow's.

    Args:
        source: A SavedModel's folder or its saved_model.pb; a meta graph, a checkpoint's name, one of its files, or the
            folder with them; a frozen graph.
    """
    path = Path(source)
    try:
        if path.is_dir():
            return _in_folder(path)
        if path.name == STATE and path.is_file():
            return _in_folder(path.parent)
        if path.name == SAVED and path.is_file():
            return Place(Kind.SAVED_MODEL, path.parent)
        if path.suffix in GRAPHS and path.is_file():
            return Place(Kind.GRAPH, path)
        if path.suffix == ".meta" and path.is_file():
            return Place(Kind.CHECKPOINT, path, _beside(path))
        part = PART.fullmatch(path.name)
        prefix = path.with_name(part[1]) if part and path.is_file() else path
        meta = Path(f"{prefix}.meta")
        if prefix.name and (meta.is_file() or Path(f"{prefix}.index").is_file()):
            return Place(Kind.CHECKPOINT, _meta_for(prefix), prefix)
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return None
    return None


def newest_checkpoint(folder: Path) -> Place:
    """Return the newest checkpoint in a folder, with the newest meta graph.

    The original Picasso looked for them so: the date of the files decides, not what the file `checkpoint` says.

    Raises:
        ModelFileError: There is no checkpoint, or no meta graph.
    """
    prefixes = _prefixes(folder)
    if not prefixes:
        raise ModelFileError(f"There is no checkpoint of TensorFlow in {folder}.", "It needs .index, .data and .meta.")
    prefix = max(prefixes, key=lambda prefix: _age(prefix))
    return Place(Kind.CHECKPOINT, _meta_for(prefix), prefix, len(prefixes))


def read_message(path: Path, kind: Any, what: str) -> Any:
    """Return a protocol buffer that a file holds, written in binary or as text.

    Raises:
        ModelFileError: The file holds something else, or is cut short.
    """
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    try:
        if path.suffix == ".pbtxt":
            return text_format.Parse(path.read_text("utf-8"), kind())
        return kind.FromString(path.read_bytes())
    except (DecodeError, text_format.ParseError, UnicodeDecodeError, RecursionError) as error:
        said = "an empty file" if not path.stat().st_size else describe(path)
        raise ModelFileError(
            f"{path.name} is no {what} of TensorFlow, or is damaged: it is {said}.", "Save or copy it again."
        ) from error


def _in_folder(folder: Path) -> Place | None:
    if (folder / SAVED).is_file() or (folder / "saved_model.pbtxt").is_file():
        return Place(Kind.SAVED_MODEL, folder)
    # Keras and others also write a file `checkpoint`: without a meta graph there is no network, which the reader says.
    if not any(folder.glob("*.meta")):
        alone = all(file.name == STATE or PART.fullmatch(file.name) for file in folder.iterdir())
        return newest_checkpoint(folder) if alone and _prefixes(folder) else None
    state = folder / STATE
    if state.is_file():
        named = re.search(r'^model_checkpoint_path:\s*"([^"]+)"', state.read_text("utf-8", "replace"), re.MULTILINE)
        # It may have been written on another machine: only the name counts.
        prefix = folder / re.split(r"[/\\]", named[1])[-1] if named else folder
        if named and (Path(f"{prefix}.index").is_file() or prefix.is_file()):
            return Place(Kind.CHECKPOINT, _meta_for(prefix), prefix, len(_prefixes(folder)))
    return newest_checkpoint(folder)


def _prefixes(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, of the present format (.index) and of that before (one file, no ending)."""
    found = [file.with_suffix("") for file in folder.glob("*.index") if file.is_file()]
    old = [Path(str(meta).removesuffix(".meta")) for meta in folder.glob("*.meta")]
    return found + [prefix for prefix in old if prefix.is_file()]


def _age(prefix: Path) -> tuple[float, int]:
    index = Path(f"{prefix}.index")
    step = re.search(r"-(\d+)$", prefix.name)
    return (index if index.is_file() else prefix).stat().st_mtime, int(step[1]) if step else -1


def _beside(meta: Path) -> Path:
    """Return the checkpoint that belongs to a meta graph: of its name, else the newest beside it."""
    prefix = meta.with_suffix("")
    if Path(f"{prefix}.index").is_file() or prefix.is_file():
        return prefix
    prefixes = _prefixes(meta.parent)
    return max(prefixes, key=_age) if prefixes else prefix


def _meta_for(prefix: Path) -> Path:
    """Return the meta graph of a checkpoint: of its name, else the newest beside it."""
    own = Path(f"{prefix}.meta")
    others = list(prefix.parent.glob("*.meta"))
    return own if own.is_file() or not others else max(others, key=lambda meta: (meta.stat().st_mtime, meta.name))


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
