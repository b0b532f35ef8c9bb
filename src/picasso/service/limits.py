"""What a process of the server may take: memory at any time, and time while it opens a model; and no life of its own.

A hostile or broken file must not take the server with it. A process that goes beyond a limit ends itself with an exit
code of its own, from which the server tells the reason.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection
from pathlib import Path

TOO_LARGE, TOO_SLOW = 77, 78
"""Exit codes of a process that took too much memory, and of one that opened a model for too long."""
REASONS = {
    TOO_LARGE: "took more memory than it may ('memory' in picasso.toml)",
    TOO_SLOW: "opened the model for longer than it may ('opening_seconds' in picasso.toml)",
}
SHARE = 0.8
"""Share of the computer's memory that one process may take where nothing is said."""
_LOOK_SECONDS = 0.2


def guard_memory(gigabytes: float | None) -> None:
    """End this process when it takes more memory than it may; offer it first where the computer's own runs out."""
    most = int((gigabytes or 0) * 1e9) or int(_whole() * SHARE)
    with suppress(OSError):  # Linux: of all processes this one is given up first, and never the server
        Path("/proc/self/oom_score_adj").write_text("800", "ascii")
    if not most or taken() is None:
        return

    def watch() -> None:
        while (taken() or 0) <= most:
            time.sleep(_LOOK_SECONDS)
        _end(TOO_LARGE)

    threading.Thread(target=watch, name="picasso-memory", daemon=True).start()


@contextmanager
def time_to_open(seconds: float) -> Iterator[None]:
    """End this process when what runs within takes longer."""
    timer = threading.Timer(seconds, _end, [TOO_SLOW])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def end_with_parent() -> None:
    """End this process when the server does, however it ends: nobody would read what it finds."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        _end(1)

    threading.Thread(target=watch, name="picasso-parent-watch", daemon=True).start()


def cause_of_end(code: int | None) -> str:
    """Say why a process ended by its exit code: "took more memory than it may", "crashed (SIGSEGV)"."""
    if code in REASONS:
        return REASONS[code]
    if code is None or code >= 0:
        return f"ended by itself (exit code {code})"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        return "was killed (SIGKILL), most likely because the memory ran out"
    return (
        f"crashed ({name})" if name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT") else f"was ended ({name})"
    )


def taken() -> int | None:
    """Return the bytes of memory that this process holds; None where that cannot be read."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _whole() -> int:
    """Return the computer's memory in bytes; 0 where that cannot be read."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def _end(code: int) -> None:
    os._exit(code)
