"""What exact maps of partial occlusion cost: Picasso against Captum, plain loops, ONNX Runtime and Xplique.

One process, one thread, processor time, by turns. The whole takes some twenty minutes on a machine that does nothing
else; docs/performance.md is written from it.

    python benchmarks/bench_occlusion.py --write               # everything, and the page
    python benchmarks/bench_occlusion.py --quick --networks resnet18,vit
"""

import argparse
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# Libraries read these when they are imported, and processes that are started from here get them, too.
os.environ.update({f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")})
os.environ.update({"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"})
os.environ["KERAS_BACKEND"] = "tensorflow"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import measuring
from benchmarks.attributions_page import section_of, with_section
from benchmarks.measuring import LARGE, Effort, say
from benchmarks.networks import NETWORKS, ROOT
from benchmarks.occlusion_page import Report, machine, page, summary

PAGE = ROOT / "docs" / "performance.md"
SERIES = ("resnet18", "mobilenetv2", "squeezenet")
"""Networks that explain ten pictures in a row."""
QUICK = Effort((LARGE,), 2, two_threads=False)


def measure(names: list[str], effort: Effort) -> Report:
    """Measure networks, and say what is found as it comes."""
    import torch

    torch.set_num_threads(1)
    report = Report(effort.grids, rate=measuring.convolution_rate())
    for line in machine(report.rate):
        say(line)
    there = []
    for name in names:
        network, began = NETWORKS[name], time.perf_counter()
        say(f"{network.title} ...")
        try:
            row = measuring.measure(network, effort, report.rate)
        except FileNotFoundError as error:
            report.missing.append(f"{network.title}: {error}")
            say(f"    left out: {error}")
            continue
        report.rows.append(row)
        report.missing += [f"{network.title}: {note}" for note in row.notes]
        there.append(name)
        for line in summary(row):
            say(line)
        say(f"    {time.perf_counter() - began:.0f} s")
    for name in there:
        if name in SERIES:
            times = measuring.in_a_row(NETWORKS[name], effort.grids[0])
            report.series[NETWORKS[name].title] = times
            say(f"{NETWORKS[name].title}, one picture after the other: {', '.join(f'{one:.2f}' for one in times)} s")
    # A fresh process for each network: what others left behind would count.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), context, max_tasks_per_child=1) as pool:
        for name, used in zip(there, pool.map(measuring.memory, there, [effort] * len(there)), strict=True):
            report.memory[NETWORKS[name].title] = used
            shown = ", ".join(f"{side}: {value and round(value)}" for side, value in used.items())
            say(f"{NETWORKS[name].title}, MB over the network by window: {shown}")
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", help=f"some of {', '.join(NETWORKS)}; by default all")
    parser.add_argument("--quick", action="store_true", help="large windows only, fewer repeats, one thread only")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}; only of a whole run")
    asked = parser.parse_args()
    names = asked.networks.split(",") if asked.networks else list(NETWORKS)
    if unknown := set(names) - set(NETWORKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if asked.write and (asked.networks or asked.quick):
        parser.error("the page is written from a whole run alone")
    began = time.perf_counter()
    report = measure(names, QUICK if asked.quick else Effort())
    say(f"{time.perf_counter() - began:.0f} s in all")
    if asked.write:
        kept = section_of(PAGE.read_text("utf-8")) if PAGE.exists() else ""
        PAGE.write_text(with_section(page(report), kept) if kept else page(report), "utf-8")
        say(f"{PAGE.relative_to(ROOT)} is written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
