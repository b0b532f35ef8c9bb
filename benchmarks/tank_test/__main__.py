"""Runs the benchmark of the audit, or goes on where it was stopped.

python -m benchmarks.tank_test                     # everything that is missing, hours
python -m benchmarks.tank_test --count 48          # the first 48 models of the design
python -m benchmarks.tank_test --only models       # train and cache, and measure the truth
python -m benchmarks.tank_test --budget 3600       # stop after an hour on the clock
python -m benchmarks.tank_test --write             # write the page, and the results that it is made of
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.tank_test import report
from benchmarks.tank_test.design import NETWORK_TURNS, design, small
from benchmarks.tank_test.records import Records
from benchmarks.tank_test.running import FULL, PARTS, SMALL, run

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results.jsonl"
PAGE = ROOT / "docs" / "explanation" / "does-the-audit-work.md"


def main(arguments: list[str] | None = None) -> int:
    """Runs what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tank_test", description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, default=Path(__file__).parents[1] / ".cache" / "tank_test")
    parser.add_argument("--count", type=int, help="so many models of the design, from its beginning")
    parser.add_argument("--budget", type=float, help="seconds on the clock after which nothing more is begun")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts; by default all of them")
    parser.add_argument("--networks", nargs="+", choices=sorted(set(NETWORK_TURNS)), default=NETWORK_TURNS)
    parser.add_argument("--half", choices=("seen", "unseen"), help="kinds of one half, and controls without any")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="four models, for the tests")
    parser.add_argument(
        "--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)} and its results at the end"
    )
    asked = parser.parse_args(arguments)
    if asked.small and asked.write:
        parser.error("The page is not written of four models.")
    cases = small() if asked.small else design()[: asked.count]
    cases = tuple(case for case in cases if case.network in asked.networks)
    if asked.half:
        cases = tuple(case for case in cases if case.seen in (None, asked.half == "seen"))
    records = Records(asked.cache, None if asked.small else RESULTS)
    effort = SMALL if asked.small else FULL
    run(
        cases,
        asked.only,
        asked.cache,
        records,
        asked.processes,
        asked.budget,
        effort,
        lambda line: print(line, flush=True),
    )
    if asked.write:
        text = PAGE.read_text("utf-8")
        PAGE.write_text(report.with_section(text, report.section(records, cases)), "utf-8")
        records.publish(design(), RESULTS)
        print(f"{PAGE.relative_to(ROOT)} and {RESULTS.relative_to(ROOT)} are written.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
