"""A user's file may import the files beside it; what it imported belongs to its digest."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_MARK = "__picasso_neighbor__"
_ASKED_FOR = ("picasso_models", "picasso_plugins")
"""Where the files that Picasso was asked to import are; they are no neighbors."""


@contextmanager
def neighbors(folder: Path) -> Iterator[set[Path]]:
    """Let imports find the files of a folder, each read afresh.

    Args:
        folder: The folder of the user's file.

    Yields:
        The files of that folder that were imported, complete when the block has ended.
    """
    place = folder.absolute()
    for name, module in list(sys.modules.items()):
        # Those of other folders, too: two folders may each have a net.py.
        if getattr(module, _MARK, None) is not None:
            del sys.modules[name]
    # A virtual environment may lie in the folder: what is installed there is imported once, like everything installed.
    within = {Path(entry).absolute() for entry in sys.path if Path(entry).absolute().is_relative_to(place)} - {place}
    before = set(sys.modules)
    found: set[Path] = set()
    writes = sys.dont_write_bytecode
    # Bytecode is dated to the second only: a file edited twice within one would not be read again.
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(place))
    importlib.invalidate_caches()
    try:
        yield found
    finally:
        sys.dont_write_bytecode = writes
        if str(place) in sys.path:
            sys.path.remove(str(place))
        for name in set(sys.modules) - before:
            module = sys.modules[name]
            file = getattr(module, "__file__", None)
            if not file or name.partition(".")[0] in _ASKED_FOR:
                continue
            if Path(file).is_relative_to(place) and not any(Path(file).is_relative_to(other) for other in within):
                found.add(Path(file))
                setattr(module, _MARK, True)


def digest_of(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the contents of files, in the order of their names."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()
