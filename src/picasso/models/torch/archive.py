"""Checks an exported program's archive before PyTorch reads it: it may describe a graph, and not run code.

`torch.export.load` falls back to pickle for some entries, evaluates symbolic sizes as Python and looks operators up
by dotted name; each of these would let a file run code of its own.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError, UnsafeModelError

_MOST_UNPACKED, _SPARE = 4, 64 * 2**20
_PICKLED = ("custom_obj", "opaque_obj")
_OPERATOR = re.compile(r"torch\.ops\.\w+(\.\w+)+|_operator\.[a-z]\w*|math\.\w+|torch\.(_)?sym_\w+")
_CALLING_OPERATORS = {"_operator.attrgetter", "_operator.methodcaller", "_operator.call"}
_SYMBOL = re.compile(r"'[a-z]+\d+'")
_NAME = re.compile(r"[A-Za-z_]\w*")
_SIZE_NAMES = frozenset(
    _NAME.findall(
        "Symbol Integer Rational Float Add Mul Pow Mod PythonMod Max Min FloorDiv CeilDiv CleanDiv ModularIndexing "
        "PowByNatural TruncToInt RoundToInt FloatTrueDiv IntTrueDiv ToFloat Identity Where Eq Ne Ge Le Gt Lt And Or "
        "Not True False positive negative integer nonnegative nonzero zero real floor ceiling int_oo oo"
    )
)
_SIZE_CHARACTERS = re.compile(r"[\w\s()+\-*/,.<>=&|~%']*")


def check_archive(path: Path) -> None:
    """Refuse an archive that could run code.

    Args:
        path: A .pt2 file.

    Raises:
        UnsafeModelError: It holds pickled objects, or names what is no operator or no size.
        ModelFileError: It is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if any(prefix in name for prefix in _PICKLED):
                    raise _refusal(path, "pickled objects")
                if name.endswith(".json"):
                    _check_document(path, json.loads(archive.read(name)))
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise ModelFileError(f"{path.name} is damaged: {error}.") from error


def check_size(path: Path) -> None:
    """Refuse an archive that is small on the disk and enormous in memory.

    Raises:
        ModelFileError: It is, or it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ModelFileError(f"{path.name} is damaged: {error}.") from error
    if unpacked > _MOST_UNPACKED * path.stat().st_size + _SPARE:
        raise ModelFileError(
            f"{path.name} would unpack to {unpacked / 2**30:.1f} GB.", "PyTorch does not write such files."
        )


@contextmanager
def weights_only() -> Iterator[None]:
    """Make every torch.load inside refuse pickled objects, also where PyTorch itself asks for them."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _check_document(path: Path, value: Any, key: str = "") -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _check_document(path, item, name)
    elif isinstance(value, list):
        for item in value:
            _check_document(path, item, key)
    elif isinstance(value, str):
        if key == "path_name" and any(prefix in value for prefix in _PICKLED):
            raise _refusal(path, "pickled objects")
        if key == "target" and (not _OPERATOR.fullmatch(value) or value in _CALLING_OPERATORS):
            raise _refusal(path, f"a call of '{value[:60]}'")
        if key == "expr_str" and not _is_size(value):
            raise _refusal(path, f"the expression '{value[:60]}'")


def _is_size(text: str) -> bool:
    """Say whether a text is arithmetic on sizes, and nothing that evaluation could misuse."""
    bare = _SYMBOL.sub("", text)
    names = _NAME.findall(bare)
    return (
        bool(_SIZE_CHARACTERS.fullmatch(bare))
        and "'" not in bare
        and all(name in _SIZE_NAMES or re.fullmatch(r"[a-z]+\d+", name) for name in names)
    )


def _refusal(path: Path, what: str) -> UnsafeModelError:
    return UnsafeModelError(
        f"{path.name} holds {what}, which would run code that comes with the file.",
        "Export the network again without it, or load it yourself in a model file.",
    )
