"""Writes docs/performance.md from what was measured."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from benchmarks.measuring import Grid, Row, Windows
from benchmarks.rivals import AS_MADE, CHANNELS_LAST, SIXTEEN

AGREEMENT = 1e-5
MEMORY = 1000.0
"""MB over the opened network."""
LIBRARY, LOOP, BEST_LOOP = "Captum or Xplique", "a plain loop", "that loop with its best batch"
_PACKAGES = (
    "torch", "captum", "onnxruntime", "torchvision", "timm", "keras", "tensorflow", "xplique", "grad-cam",
    "tf-keras-vis", "numpy",
)  # fmt: skip


@dataclass
class Report:
    """Everything that was measured.

    Args:
        grids: The grids of windows, as in each row.
        rows: The networks.
        rate: Multiplications that the machine's convolutions do in a second.
        memory: MB over the opened network by window, by network.
        series: CPU seconds for one picture after the other, by network.
        missing: What could not be measured, and why.
    """

    grids: tuple[Windows, ...]
    rows: list[Row] = field(default_factory=list)
    rate: float = 0.0
    memory: dict[str, dict[str, float | None]] = field(default_factory=dict)
    series: dict[str, list[float]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """One factor by which Picasso is faster, its goal, and what it would be if only the kernel floor took time."""

    against: str
    factor: float | None
    goal: float | None
    at_most: float | None = None

    @property
    def missed(self) -> bool:
        return self.factor is not None and self.goal is not None and self.factor < self.goal

    def __str__(self) -> str:
        if self.factor is None:
            return "–"
        shown = f"{self.factor:.2f}×" if self.factor < 2 else f"{self.factor:.1f}×"
        if self.goal is None:
            return shown
        return f"**{shown}** (goal {self.goal:g}×, missed)" if self.missed else f"{shown} (goal {self.goal:g}×)"


def results(row: Row, grid: Grid) -> list[Result]:
    """Return the factors against each rival."""
    goals = row.network.goals
    found = [
        (LIBRARY, ("Captum", "Xplique"), goals.library),
        (LOOP, (SIXTEEN, "predict"), goals.loop),
        (BEST_LOOP, (AS_MADE, SIXTEEN), None),
        (CHANNELS_LAST, (CHANNELS_LAST,), None),
        ("ONNX Runtime", ("ONNX Runtime",), goals.runtime),
    ]
    return [
        Result(title, row.ratio(grid, *rivals), goal, row.ratio_within(grid.kernels, grid, *rivals))
        for title, rivals, goal in found
    ]


def page(report: Report) -> str:
    """Return the page."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def summary(row: Row) -> Iterator[str]:
    """Say what was measured of a network, in a few lines."""
    for grid in row.grids:
        found = ", ".join(f"{one.against} {one}" for one in results(row, grid) if one.factor is not None)
        yield f"    {grid.windows} windows in {grid.seconds:.2f} s: {found}; differs by {grid.difference:.0e}"
        yield f"    {grid.said}"
        if grid.kernels is not None:
            yield f"    the kernels and the comparison alone take {grid.kernels:.2f} s"
    if row.two_threads:
        yield "    two threads: " + ", ".join(f"{title} {value:.2f} s" for title, value in row.two_threads.items())
    yield from (f"    {note}" for note in row.notes)


def _lines(report: Report) -> Iterator[str]:
    yield _INTRODUCTION
    if report.rows:
        yield from _measured(report)
    yield _AGAIN


def _measured(report: Report) -> Iterator[str]:
    yield from (f"- {line}" for line in machine(report.rate))
    yield ""
    for number, windows in enumerate(report.grids):
        yield f"## Windows of {windows.side} pixels, stride {windows.stride}"
        yield ""
        yield from _factors(report, number)
    yield from _losses(report)
    yield _COSTS
    yield from _costs(report)
    yield _ELSE
    yield from _memory(report)
    yield from _threads(report)
    yield from _series(report)
    yield from _settings(report)
    if report.missing:
        yield "## Not measured"
        yield ""
        yield from (f"- {line}" for line in report.missing)
        yield ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return a table in Markdown, line by line."""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---'] * len(head))} |"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""


def _factors(report: Report, number: int) -> Iterator[str]:
    if report.rows:
        titles = [one.against for one in results(report.rows[0], report.rows[0].grids[number])]
        yield from table(
            ["Network", "Windows", "Picasso, CPU s", *(f"against {title}" for title in titles)],
            [
                [
                    row.network.title,
                    str(row.grids[number].windows),
                    f"{row.grids[number].seconds:.2f}",
                    *map(str, results(row, row.grids[number])),
                ]
                for row in report.rows
            ],
        )


def _losses(report: Report) -> Iterator[str]:
    yield "## Where a goal is missed, or nothing is gained"
    yield ""
    found = list(_lost(report))
    yield from found or ["- Nowhere in this run."]
    yield ""


def _lost(report: Report) -> Iterator[str]:
    for row in report.rows:
        for grid, windows in zip(row.grids, report.grids, strict=True):
            for one in results(row, grid):
                slower = one.factor is not None and one.factor < 1
                if one.missed or slower:
                    goal = f"the goal is {one.goal:g}×" if one.missed else "no goal was set"
                    yield (
                        f"- {row.network.title}, windows of {windows.side}, against {one.against}: "
                        f"{one.factor:.2f}×; {goal}{_reach(one)}.{' **Picasso is slower.**' if slower else ''}"
                    )
            if grid.difference > AGREEMENT:
                yield (
                    f"- {row.network.title}, windows of {windows.side}: a probability differs by "
                    f"{grid.difference:.1e}; the goal is {AGREEMENT:.0e}.{_rounded(row)}"
                )
            if not grid.fast:
                yield f"- {row.network.title}, windows of {windows.side}: {grid.said}"
        for side, used in report.memory.get(row.network.title, {}).items():
            if used is not None and used > MEMORY:
                yield f"- {row.network.title}, windows of {side}: {used:.0f} MB; the goal is {MEMORY:.0f} MB."


def _reach(one: Result) -> str:
    """Say whether a goal that is missed could be reached with the kernels that there are."""
    if not one.missed or one.goal is None or one.at_most is None:
        return ""
    verdict = "within reach" if one.at_most >= one.goal else "out of reach"
    return f", {verdict}: the kernels and the comparison alone would give {one.at_most:.2f}×"


def _rounded(row: Row) -> str:
    if row.rounding is None:
        return ""
    own, mine = row.rounding
    return f" From double precision the network itself is {own:.1e} off, Picasso {mine:.1e}."


def _costs(report: Report) -> Iterator[str]:
    yield from table(
        [
            "Network", "Window", "Fewer multiplications", "Floor, CPU s", "Picasso / floor", "Loop / floor",
            "Kernel floor, CPU s", "Picasso / kernel floor", "Largest difference", "The network's rounding",
            "Picasso's", "Largest change",
        ],
        [
            [
                row.network.title,
                str(windows.side),
                f"{grid.gain:.1f}×" if grid.fast else "none: a loop",
                *_above(grid.floor, grid),
                _plain(row.ratio_within(grid.floor, grid, AS_MADE, "predict")),
                *_above(grid.kernels, grid),
                f"{grid.difference:.0e}",
                *("–" if row.rounding is None or number else f"{one:.0e}" for one in row.rounding or (0.0, 0.0)),
                f"{row.change:.0e}",
            ]
            for row in report.rows
            for number, (grid, windows) in enumerate(zip(row.grids, report.grids, strict=True))
        ],
    )  # fmt: skip


def _above(floor: float | None, grid: Grid) -> tuple[str, str]:
    """Show a floor, and how many times as long Picasso takes."""
    return ("–", "–") if floor is None else (f"{floor:.2f}", f"{grid.seconds / floor:.2f}")


def _plain(factor: float | None) -> str:
    return "–" if factor is None else f"{factor:.1f}×"


def _memory(report: Report) -> Iterator[str]:
    if report.memory:
        yield (
            "Memory over the opened network at the peak, in a process of its own that has loaded PyTorch, which makes "
            "the maps of all"
        )
        yield f"(170 MB, once, which a Keras model on TensorFlow did not need); the goal is {MEMORY:.0f} MB:"
        yield ""
        sides = [str(windows.side) for windows in report.grids]
        yield from table(
            ["Network", *(f"windows of {side}, MB" for side in sides)],
            [[title, *(_megabytes(used.get(side)) for side in sides)] for title, used in report.memory.items()],
        )


def _megabytes(used: float | None) -> str:
    if used is None:
        return "not measured"
    return f"**{used:.0f}** (missed)" if used > MEMORY else f"{used:.0f}"


def _threads(report: Report) -> Iterator[str]:
    rows = [row for row in report.rows if row.two_threads]
    if rows:
        titles = [
            title for title in (AS_MADE, CHANNELS_LAST, "ONNX Runtime") if any(title in row.two_threads for row in rows)
        ]
        yield (
            f"Two threads, windows of {report.grids[0].side} where the engine follows them, seconds on the clock, each "
            "with its best batch:"
        )
        yield ""
        yield from table(
            ["Network", "Picasso, s", *(f"against {title}" for title in titles)],
            [
                [
                    row.network.title,
                    f"{row.two_threads['Picasso']:.2f}",
                    *(
                        str(Result(title, row.two_threads[title] / row.two_threads["Picasso"], None))
                        if title in row.two_threads
                        else "–"
                        for title in titles
                    ),
                ]
                for row in rows
            ],
        )


def _series(report: Report) -> Iterator[str]:
    if report.series:
        count = len(next(iter(report.series.values())))
        yield (
            f"{count} pictures in a row, windows of {report.grids[0].side}, CPU seconds; the first also reads "
            "the network, plans, and packs its weights:"
        )
        yield ""
        yield from table(
            ["Network", "first", "each of the others", "mean of all"],
            [
                [title, f"{times[0]:.2f}", f"{sum(times[1:]) / (len(times) - 1):.2f}", f"{sum(times) / len(times):.2f}"]
                for title, times in report.series.items()
            ],
        )


def _settings(report: Report) -> Iterator[str]:
    titles = sorted({title for row in report.rows for title in row.rivals})
    yield (
        "What the rivals took for one whole picture, CPU milliseconds, and with how many at once they ran, the best of "
        "some but for the loop of 16:"
    )
    yield ""
    yield from table(
        ["Network", *titles],
        [
            [
                row.network.title,
                *(
                    f"{1000 * row.rivals[title].each:.1f} ({row.rivals[title].batch})" if title in row.rivals else "–"
                    for title in titles
                ),
            ]
            for row in report.rows
        ],
    )


def machine(rate: float) -> Iterator[str]:
    """Name the day, the machine and the versions."""
    yield f"Measured on {datetime.datetime.now(datetime.UTC).date().isoformat()}."
    yield (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}; convolutions do "
        f"{rate / 1e9:.0f} billion multiply-adds a second in one thread at best."
    )
    yield _versions()


def machine_and_versions() -> Iterator[str]:
    """Name the day, the machine and the versions, where no rate was measured."""
    yield f"Measured on {datetime.datetime.now(datetime.UTC).date().isoformat()}."
    yield f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}."
    yield _versions()


def _versions() -> str:
    versions = [f"Python {platform.python_version()}"]
    for package in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions.append(f"{package} {metadata.version(package)}")
    return f"{', '.join(versions)}."


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


_INTRODUCTION = """\
<!-- Written by benchmarks/bench_occlusion.py: run `make bench` instead of editing it. -->

# How fast occlusion maps are

A map of partial occlusion asks a network for its answer to hundreds of pictures that differ in one window. Picasso
runs the picture once, keeps what every layer made of it, and for each window computes again only what the window can
reach: intervals along both axes give that rectangle layer by layer. Where the rectangle covers most of a map, or an
operation mixes all places (attention, squeeze-and-excite, global pooling), the whole map is computed from there on,
and the classifier runs once for all windows.

The result is exact: nothing is interpolated or left out. It differs from whole forward passes as two libraries differ
from each other, in the last digits of float32. It is also compared: at each map the network runs two of the windows,
too, and once the picture itself. Where the scores differ by more than 0.0001 of the largest, or something in the
network has no form in the op graph, Picasso runs whole pictures in a loop and says so.

The numbers below are CPU time in one process with one thread, warm, float32; Picasso and the others by turns, and of
each the fastest of its repeats. Picasso's time holds everything, the comparison with the network included. The
others' time for a window depends neither on its size nor on how many there are, so they run 16 or more windows, and
are counted up to all. The networks have random weights, batch norms calibrated on random pictures and logits scaled
so that the softmax is neither flat nor all on one class. A plain loop is PyTorch in inference mode, the network as it
is made (NCHW), with 16 pictures at once: the goals were set with such a loop. Beside it stand, without a goal, the same
loop with the batch that is best here, and with the network and its pictures laid channels last in memory, which few
people do. For Keras it is `predict` with its best batch. Captum gets the network as it is made, and its best
`perturbations_per_eval`; ONNX Runtime runs a file that PyTorch exported, with its best batch.
"""
_COSTS = """\
## What is saved, and what is left

The floor is what the multiplications inside the rectangles would take at this machine's best measured rate, if
nothing else took time; only Winograd's algorithm, which needs fewer of them, goes below. Loop / floor is therefore the
most that direct convolution could gain here over a plain loop with its best batch: it depends on how well PyTorch's own
kernels use the machine, and so do all factors above.

The kernel floor is what the convolutions and matrices took here when they were called for themselves on patches of the
same sizes, for as many windows at once, each by the fastest of PyTorch's kernels, Picasso's form of Winograd's and ONNX
Runtime's, and what the network itself takes for the two windows that are compared, everything else for nothing: above,
a goal beyond it is called out of reach.

The difference is the largest between a probability from Picasso and from whole forward passes. Rounding is the
largest difference from the network in double precision, of the network itself and of Picasso. The change is by how
much a window changes a probability at most, so that agreement means something.
"""
_ELSE = """\
Gains end where windows reach everything: attention from the first block on (ViT), windows of attention and their
shifts (Swin), and large kernels in deep stages at low resolution. There Picasso computes whole maps, with the same
fused steps and the same comparison, and where even these are slower than the network it runs the plain loop.
Occlusion in the picture's own space passes the preprocessing each time and always is a loop.

## Memory, threads, many pictures
"""
_AGAIN = """\
## To repeat it

```console
$ make bench                                                   # everything; writes this page
$ python benchmarks/bench_occlusion.py --quick --networks resnet18,squeezenet
```

Run it on a machine that does nothing else. Xplique is compared where it is installed (`pip install xplique`), and
networks with real weights where their files are.
"""
