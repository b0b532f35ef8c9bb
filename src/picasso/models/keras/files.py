"""What a Keras file is, whatever its name says: a whole model, its weights alone, or its architecture alone."""

from __future__ import annotations

import importlib.util
import io
import json
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from picasso.core.errors import MissingExtraError, ModelFileError, UnsafeModelError
from picasso.core.opening import describe
from picasso.models.keras.mending import decoded
from picasso.models.keras.safety import WAY_OUT, check_archive, check_hdf5

HDF5_SUFFIXES = (".h5", ".hdf5")
SUFFIXES = (".keras", *HDF5_SUFFIXES)
WEIGHTS = "model.weights.h5"
ARCHIVE = frozenset({"config.json", WEIGHTS})
"""What every Keras archive holds."""
HDF5, ZIP = b"\x89HDF", b"PK\x03\x04"
LARGEST_ARCHITECTURE = 2**27
"""Bytes of JSON at most; the largest known have a few million."""


class Kind(StrEnum):
    """What a file holds."""

    ARCHIVE = "archive"
    WHOLE = "whole model in HDF5"
    WEIGHTS = "weights in HDF5"
    ARCHITECTURE = "architecture in JSON"


def is_archive(path: Path) -> bool:
    """Say whether a file, whatever its name, is an archive that Keras wrote."""
    try:
        with path.open("rb") as file:
            if file.read(4) != ZIP:
                return False
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= ARCHIVE
    except (OSError, zipfile.BadZipFile):
        return False


def is_architecture(path: Path) -> bool:
    """Say whether a file begins as the JSON of a Keras architecture does."""
    try:
        with path.open("rb") as file:
            start = file.read(4096).replace(b"\\", b"").replace(b" ", b"")
    except (OSError, ValueError):
        return False
    kinds = (b'"Sequential"', b'"Functional"', b'"Model"')
    return start.lstrip()[:1] in (b"{", b'"') and any(b'"class_name":' + kind in start for kind in kinds)


def kind_of(path: Path) -> Kind:
    """Return what the file's content is.

    Raises:
        ModelFileError: It is no Keras file, or damaged.
        UnsafeModelError: It is a pickle, or leads to other files.
    """
    if path.is_dir():
        raise ModelFileError(f"{path.name} is a folder, not a model file.", "Save the model as one .keras file.")
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}.", "Check the path.")
    what = describe(path)
    with path.open("rb") as file:
        start = file.read(4)
    if start == HDF5:
        with opened_hdf5(path) as content:
            return Kind.WHOLE if "model_config" in content.attrs else _weights(content, path)
    if start == ZIP:
        return _zip(path)
    if is_architecture(path):
        return Kind.ARCHITECTURE
    if "pickle" in what:
        raise UnsafeModelError(f"{path.name} is {what}: opening it would run code that comes with it.", WAY_OUT)
    raise ModelFileError(
        f"{path.name} is no Keras model: it is {what}.", "Save the model with model.save('name.keras')."
    )


def _weights(content: Any, path: Path) -> Kind:
    if "layer_names" in content.attrs or {"layers", "_layer_checkpoint_dependencies", "vars"} & set(content):
        return Kind.WEIGHTS
    raise ModelFileError(
        f"{path.name} is an HDF5 file, but neither a Keras model nor the weights of one.",
        "Save the model with model.save('name.keras').",
    )


def _zip(path: Path) -> Kind:
    """Name a zip archive for what it is."""
    if is_archive(path):
        return Kind.ARCHIVE
    if not zipfile.is_zipfile(path):
        raise ModelFileError(f"{path.name} is a damaged zip archive; it may be cut short.", "Save or copy it again.")
    with zipfile.ZipFile(path) as archive:
        names = {name.rpartition("/")[2] for name in archive.namelist()}
    what, hint = "not one that Keras wrote", "Save the model with model.save('name.keras')."
    if names & {"saved_model.pb", "saved_model.pbtxt"}:
        what, hint = "with a TensorFlow SavedModel in it", "Unpack it, and open the folder that holds saved_model.pb."
    elif "data.pkl" in names or "constants.pkl" in names:
        what, hint = "written by PyTorch", "Name it .pt, and open it again."
    elif "model.json" in names or "model.weights.bin" in names:
        what, hint = "of a TensorFlow.js export", "Export the model as Keras (.h5), and open that."
    elif any(name.endswith((*SUFFIXES, ".json")) for name in names):
        what, hint = "with model files in it", "Unpack it, and open the model file."
    elif any(name.endswith(".npy") for name in names):
        what, hint = "of NumPy arrays", hint
    raise ModelFileError(
        f"{path.name} is a zip archive, but {what}." if "not" in what else f"{path.name} is a zip archive {what}.", hint
    )


@contextmanager
def opened_hdf5(source: Any, name: str = "") -> Iterator[Any]:
    """Open an HDF5 file to read.

    Args:
        source: Its path, or a file-like object.
        name: What to call it.

    Raises:
        MissingExtraError: There is no h5py.
        ModelFileError: It is damaged.
    """
    if importlib.util.find_spec("h5py") is None:
        raise MissingExtraError("Reading HDF5 files needs h5py.", "Run pip install 'picasso[keras]'.")
    import h5py

    name = name or Path(source).name
    try:
        file = h5py.File(source, "r")
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{name} is damaged; it may be cut short.", "Save or copy it again.") from error
    with file:
        try:
            yield file
        except (OSError, RuntimeError, UnicodeError) as error:
            # As h5py names what it finds broken behind the head.
            raise ModelFileError(f"{name} is damaged; it may be cut short.", "Save or copy it again.") from error


@contextmanager
def archived_weights(path: Path) -> Iterator[Any]:
    """Open the HDF5 file of weights inside a .keras archive."""
    with zipfile.ZipFile(path) as archive, archive.open(WEIGHTS) as inner:
        stored = archive.getinfo(WEIGHTS).compress_type == zipfile.ZIP_STORED
        # Jumping about within an archive reads it again and again from its start.
        if not stored:
            with opened_hdf5(io.BytesIO(inner.read()), path.name) as content:
                yield content
            return
        with path.open("rb") as file, opened_hdf5(_stretch(file, archive.getinfo(WEIGHTS)), path.name) as content:
            yield content


def _stretch(file: BinaryIO, entry: zipfile.ZipInfo) -> Stretch:
    """Return what an archive stores uncompressed, as it lies there."""
    file.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    return Stretch(file, entry.header_offset + 30 + name + extra, entry.compress_size)


class Stretch(io.RawIOBase):
    """A stretch of a file, read as if it were one of its own."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        content = self._file.read(max(0, min(len(buffer), self._size - self._at)))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)


def read_archive(path: Path) -> tuple[Any, str, int]:
    """Return the architecture in a .keras archive, the version of Keras that wrote it, and how many numbers it holds.

    Raises:
        ModelFileError: It is damaged.
        UnsafeModelError: It leads to other files, or declares more than it holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive, path.name)
            config = json.loads(archive.read("config.json"))
            metadata = json.loads(archive.read("metadata.json")) if "metadata.json" in archive.namelist() else {}
        with archived_weights(path) as content:
            held = check_hdf5(content, path.name)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
        raise ModelFileError(
            f"{path.name} is damaged: its content cannot be read.", "Save or copy it again."
        ) from error
    version = metadata.get("keras_version") if isinstance(metadata, dict) else ""
    return config, str(version or ""), held


def read_whole(path: Path, content: Any) -> tuple[Any, str]:
    """Return the architecture in an HDF5 file, and the version of Keras that wrote it."""
    try:
        config = decoded(content.attrs["model_config"])
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path.name} is damaged: its architecture cannot be read.") from error
    return config, text_of(content, "keras_version") or _version(config)


def text_of(content: Any, key: str) -> str:
    """Return an attribute of an HDF5 file, or of the group of its weights, as text."""
    homes = [content, content["model_weights"]] if "model_weights" in content else [content]
    found = next((home.attrs[key] for home in homes if key in home.attrs), "")
    return found.decode() if isinstance(found, bytes) else str(found)


def read_architecture(path: Path) -> tuple[Any, str]:
    """Return the architecture in a JSON file, and the version of Keras that wrote it."""
    if path.stat().st_size > LARGEST_ARCHITECTURE:
        raise ModelFileError(f"{path.name} is too large to be the architecture of a model.")
    try:
        config = decoded(path.read_bytes())
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path.name} is damaged: it is no JSON.", "Save or copy it again.") from error
    return config, _version(config)


def _version(config: Any) -> str:
    return str(config.get("keras_version") or "") if isinstance(config, dict) else ""


def find_weights(path: Path, given: str | None) -> Path:
    """Return the weights that belong to an architecture: those given, or those beside it by name.

    Raises:
        ModelFileError: There are none, or several.
    """
    if given:
        return Path(given)
    beside = sorted(file for file in path.absolute().parent.iterdir() if file.suffix.lower() in HDF5_SUFFIXES)
    for stem in _stems(path):
        fitting = [file for file in beside if _stem(file) == stem]
        if len(fitting) == 1:
            return fitting[0]
    if len(beside) == 1:
        return beside[0]
    listed = ", ".join(file.name for file in beside[:6])
    raise ModelFileError(
        f"{path.name} is an architecture without weights, and "
        + (f"several files beside it may hold them: {listed}." if beside else "no HDF5 file lies beside it."),
        "Say where they are, with --weights FILE (in Python weights=...).",
    )


def find_architecture(path: Path) -> Path:
    """Return the architecture that belongs to weights: a JSON file beside them, by name.

    Raises:
        ModelFileError: There is none, or several.
    """
    beside = sorted(file for file in path.absolute().parent.glob("*.json") if is_architecture(file))
    for stem in _stems(path):
        fitting = [file for file in beside if _stem(file) == stem]
        if len(fitting) == 1:
            return fitting[0]
    if len(beside) == 1:
        return beside[0]
    listed = f" Beside it lie {', '.join(file.name for file in beside[:6])}." if beside else ""
    raise ModelFileError(
        f"{path.name} holds weights only: the architecture is missing.{listed}",
        "Say what builds the network, with --factory my_net.py:make, or put its .json of the same name beside it.",
    )


def _stem(path: Path) -> str:
    """Return a file's name without its endings and without the word for what it holds."""
    stem = path.name.lower()
    for ending in (*HDF5_SUFFIXES, ".json", ".weights"):
        stem = stem.removesuffix(ending)
    for word in ("weights", "architecture", "arch", "config"):
        for mark in "_-.":
            stem = stem.removesuffix(mark + word)
    return stem


def _stems(path: Path) -> tuple[str, ...]:
    """Return the names under which the other half of a model is looked for, the likeliest first."""
    return tuple(dict.fromkeys((_stem(path), "model", "weights", "model_weights", "architecture", "config")))
