"""Opens one file, and says how long that took and how much memory: run in a process of its own."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import picasso
from picasso.core.errors import UnsafeModelError
from picasso.core.trust import source_digest


def main(source: str, options: str) -> None:
    chosen = json.loads(options)
    before = _peak()
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        try:
            model = picasso.load_model(source, **chosen)
        except UnsafeModelError:
            chosen["trust"] = source_digest(Path(source))
            model = picasso.load_model(source, **chosen)
        seconds.append(time.perf_counter() - start)
        model.close()
    print(json.dumps({"first": round(seconds[0], 2), "again": round(seconds[1], 3), "megabytes": _peak() - before}))


def _peak() -> int:
    """Return the most memory that the process has held, megabytes (Linux; a limit of the parent's is not inherited)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text("ascii"))
    assert found
    return int(found[1]) // 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
