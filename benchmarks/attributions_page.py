"""Writes the section of docs/performance.md about the attribution methods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.attributing import EXPLAIN, PICASSO, Cost, Row
from benchmarks.attribution_rivals import FORWARD
from benchmarks.occlusion_page import machine_and_versions, table

MARK = "<!-- Written by benchmarks/bench_attributions.py: run `make bench` instead of editing it. -->"
SAME = 0.999
"""A correlation below which two maps that should be one are named."""


def with_section(text: str, section: str) -> str:
    """Return a page with this section at its end, in the place of an earlier one."""
    return f"{text.partition(MARK)[0].rstrip()}\n\n{section.rstrip()}\n"


def section_of(text: str) -> str:
    """Return the section that a page has, or ""."""
    _, mark, after = text.partition(MARK)
    return mark + after


def section(rows: Sequence[Row]) -> str:
    """Return the section."""
    return "\n".join(_lines(rows)).rstrip() + "\n"


def _lines(rows: Sequence[Row]) -> Iterator[str]:
    yield MARK
    yield ""
    yield _INTRODUCTION
    yield from (f"- {line}" for line in machine_and_versions())
    yield ""
    for place, method in enumerate(cost.method for cost in rows[0].costs):
        costs = [(row, row.costs[place]) for row in rows]
        yield f"### {method.title}"
        yield ""
        yield from _table(costs)
    yield "### Where these goals are missed"
    yield ""
    yield from list(_missed(rows)) or ["- Nowhere in this run."]
    yield ""
    notes = [f"{row.network.title}: {note}" for row in rows for note in row.notes]
    if notes:
        yield "### What was not compared"
        yield ""
        yield from (f"- {note}" for note in notes)
        yield ""


def _table(costs: Sequence[tuple[Row, Cost]]) -> Iterator[str]:
    method = costs[0][1].method
    titles = list(dict.fromkeys(t for _, cost in costs for t in cost.seconds if t not in (PICASSO, EXPLAIN, FORWARD)))
    each = "in forwards" if method.passes == 1 else f"in forwards, each of {method.passes}"
    head = ["Network", "A forward, ms", "Picasso, ms", each] + (
        ["whole `explain`, in forwards"] if method.whole else []
    )
    head += [f"against {title}" for title in titles] + (["Correlation of the maps"] if method.compared else [])
    yield from table(
        head,
        [
            [
                row.network.title,
                f"{1000 * cost.seconds[FORWARD]:.1f}",
                f"{1000 * cost.seconds[PICASSO]:.1f}",
                _most(cost.forwards(), method.goal),
                *([f"{cost.forwards(EXPLAIN):.2f}"] if method.whole else []),
                *(_least(cost.factor(title), method.goals.get(title)) for title in titles),
                *([_correlation(cost)] if method.compared else []),
            ]
            for row, cost in costs
        ],
    )


def _most(value: float, goal: float | None) -> str:
    if goal is None:
        return f"{value:.2f}"
    return f"**{value:.2f}** (goal {goal:g}, missed)" if value > goal else f"{value:.2f} (goal {goal:g})"


def _least(factor: float | None, goal: float | None) -> str:
    if factor is None:
        return "–"
    if goal is None:
        return f"{factor:.2f}×"
    return f"**{factor:.2f}×** (goal {goal:g}×, missed)" if factor < goal else f"{factor:.2f}× (goal {goal:g}×)"


def _correlation(cost: Cost) -> str:
    return f"{min(cost.agreement.values()):.4f}" if cost.agreement else "–"


def _missed(rows: Sequence[Row]) -> Iterator[str]:
    for row in rows:
        for cost in row.costs:
            method = cost.method
            if method.goal is not None and cost.forwards() > method.goal:
                own = [t for t in cost.seconds if "own gradient" in t]
                floor = f"; {own[0]} takes {cost.forwards(own[0]):.2f}" if own else ""
                yield (
                    f"- {method.title}, {row.network.title}: {cost.forwards():.2f} forwards; the goal is "
                    f"{method.goal:g}{floor}."
                )
            for title, goal in method.goals.items():
                factor = cost.factor(title)
                if factor is not None and factor < goal:
                    slower = " **Picasso is slower.**" if factor < 1 else ""
                    yield (
                        f"- {method.title}, {row.network.title}, against {title}: {factor:.2f}×; the goal is "
                        f"{goal:g}×.{slower}"
                    )
            for title, value in cost.agreement.items():
                if value < SAME:
                    yield f"- {method.title}, {row.network.title}: the map of {title} correlates with {value:.4f} only."


_INTRODUCTION = """\
## How fast the other methods are

CPU time in one process with one thread, warm, float32, pictures of 224 x 224; Picasso and the others by turns, and of
each the fastest of its repeats. A forward is one pass of one picture through the network as it is made, without
gradients, measured between the others. Picasso's time runs from what the network reads to the values of the map, the
class scores included. The whole of `explain` also reads the picture, draws the panels and writes the record: for a
live PyTorch network that means hashing all parameters and asking the network once more, so that a network that was
changed is never taken for another.

The others run with their best batch; the masks of a plain loop are drawn beforehand. pytorch-grad-cam gets a network
whose weights can be trained, as libraries hand it out, and beside it one whose weights are frozen. Integrated
gradients are taken at 16 points; RISE, LIME and Score-CAM run 64 perturbed pictures, and their time for each is
compared.
"""
