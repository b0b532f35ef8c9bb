"""Opens one file, and says how long that took and how much memory: run in a process of its own."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import picasso
from picasso.core.errors import UnsafeModelError
from picasso.core.trust import source_digest


def main(source: str, options: str) -> None:
    chosen = json.loads(options)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
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
    taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"first": round(seconds[0], 2), "again": round(seconds[1], 3), "megabytes": round(taken)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
