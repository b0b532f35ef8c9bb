"""What the maps of the attribution methods cost, in forward passes, and against other libraries.

One process, one thread, processor time, by turns.

    python benchmarks/bench_attributions.py --write               # everything, and its section of the page
    python benchmarks/bench_attributions.py --networks resnet18 --methods grad-cam,rise
"""

import argparse
import os
import sys
import time
from pathlib import Path

# Libraries read these when they are imported.
os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")})
os.environ.update({"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"})
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import attributing, attributions_page
from benchmarks.attributing import METHODS
from benchmarks.measuring import say
from benchmarks.networks import NETWORKS, ROOT

PAGE = ROOT / "docs" / "performance.md"
CHOSEN = ("resnet18", "resnet50", "vgg16", "mobilenetv2", "vit", "keras-mobilenetv2")
"""Keras last, since TensorFlow is not loaded before."""


def main() -> int:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", help=f"some of {', '.join(NETWORKS)}; by default {', '.join(CHOSEN)}")
    parser.add_argument("--methods", help=f"some of {', '.join(method.name for method in METHODS)}; by default all")
    parser.add_argument("--write", action="store_true", help=f"write into {PAGE.name}; only with all methods")
    asked = parser.parse_args()
    names = asked.networks.split(",") if asked.networks else CHOSEN
    methods = tuple(m for m in METHODS if not asked.methods or m.name in asked.methods.split(","))
    if unknown := set(names) - set(NETWORKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if asked.write and asked.methods:
        parser.error("the page is written from a run of all methods")
    torch.set_num_threads(1)
    began = time.perf_counter()
    rows = []
    for name in names:
        say(f"{NETWORKS[name].title} ...")
        rows.append(attributing.measure(NETWORKS[name], methods, say))
        for note in rows[-1].notes:
            say(f"    {note}")
        if asked.write:  # after each network: what was measured is kept where a later one fails
            section = attributions_page.section(rows)
            PAGE.write_text(attributions_page.with_section(PAGE.read_text("utf-8"), section), "utf-8")
            say(f"{PAGE.relative_to(ROOT)} is written.")
    say(f"{time.perf_counter() - began:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
