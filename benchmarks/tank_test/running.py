"""Does what of the benchmark has not been done, in a few processes of one thread each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.tank_test import auditing, peers, training, truth
from benchmarks.tank_test.auditing import Mode
from benchmarks.tank_test.design import Case
from benchmarks.tank_test.records import Record, Records
from benchmarks.tank_test.training import Recipe
from picasso.demo.planted.scenes import Scenes, scenes

PARTS = ("models", "peers", *(f"audit-{mode}" for mode in Mode), "audit-power")
POWER_EVERY = 4
"""Pairs of cases of which one is audited with fewer pictures, too."""
POWER_PICTURES = (64, 100, 140)


FULL_RECIPE = Recipe()


@dataclass(frozen=True)
class Effort:
    """How much is done for each model.

    Attributes:
        recipe: how it is trained.
        truth: scenes on which the truth is measured.
        pictures: of an audit.
        interventions: names of those that an audit tries; empty: all.
    """

    recipe: Recipe = FULL_RECIPE
    truth: int = 300
    pictures: int = auditing.PICTURES
    interventions: tuple[str, ...] = ()


FULL = Effort()
SMALL = Effort(Recipe(300, longest=6), 60, 70, ("context", "bands", "corners", "object-swap"))
"""What the tests can afford."""


@dataclass(frozen=True)
class Task:
    """One part of one case that is to be measured, and the version that it will have."""

    case: Case
    part: str
    version: str


def audit_scenes(case: Case, pictures: int) -> Scenes:
    """The pictures that a case is audited on: tied as they are for its maker, and never trained on."""
    return scenes(pictures, 20_000 + case.seed, case.classes, case.ties)


def tasks(cases: Sequence[Case], parts: Sequence[str], records: Records, effort: Effort) -> Iterator[Task]:
    """Everything that is missing, case by case."""
    model = f"{training.VERSION} {effort.recipe.pictures}"
    versions = {
        **dict.fromkeys(("truth", "truth-again"), f"{model} {effort.truth}"),
        "peers": f"{model} {effort.pictures} {peers.VERSION}",
    }
    versions |= {
        f"audit-{mode}": f"{model} {effort.pictures} {' '.join(effort.interventions)} {auditing.version(mode)}"
        for mode in Mode
    }
    for number, case in enumerate(cases):
        wanted = ["truth", "truth-again"] if "models" in parts else []
        wanted += [part for part in PARTS[1:-1] if part in parts]
        if "audit-power" in parts and number // 2 % POWER_EVERY == 0:
            wanted += [f"audit-{count}" for count in POWER_PICTURES]
        for part in wanted:
            version = versions.get(part, versions[f"audit-{Mode.MASKS}"])
            if records.get(case, part, version) is None:
                yield Task(case, part, version)


def measure(task: Task, folder: Path, effort: Effort) -> Record:
    """Measures one part of one case."""
    torch.set_num_threads(1)
    case, part = task.case, task.part
    network = training.trained(case, folder / "models", effort.recipe)
    start = time.process_time()
    if part.startswith("truth"):
        seed = truth.SEED if part == "truth" else truth.OTHER_SEED
        found = asdict(truth.truth(network, case, effort.truth, seed))
    elif part == "peers":
        found = peers.compared(network, audit_scenes(case, effort.pictures))
    else:
        how = part.removeprefix("audit-")
        mode, pictures = (Mode.MASKS, int(how)) if how.isdigit() else (Mode(how), effort.pictures)
        kept = folder / "measured" / auditing.measured_by()
        found = asdict(auditing.audited(network, audit_scenes(case, pictures), mode, effort.interventions, kept))
    return Record(case, part, task.version, time.process_time() - start, found)


def run(
    cases: Sequence[Case],
    parts: Sequence[str],
    folder: Path,
    records: Records,
    processes: int = 2,
    budget: float | None = None,
    effort: Effort = FULL,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Measures what is missing and keeps each result as it comes.

    Args:
        cases: the design, or a part of it.
        parts: of `PARTS`.
        folder: of the models.
        records: what is there, and where results go.
        processes: 0: this one.
        budget: seconds on the clock after which nothing more is begun.
        effort: how much is done for each model.
        say: gets a line for each result.
    """
    todo = list(tasks(cases, parts, records, effort))
    end = time.monotonic() + (budget if budget is not None else float("inf"))

    def keep(record: Record) -> None:
        records.put(record)
        case = record.case
        text = f"{case.sort} {'+'.join(case.kinds) or '-'} {case.rho:g} {case.classes} {case.network} {record.part}"
        brief = {name: value for name, value in record.found.items() if not isinstance(value, dict)}
        say(f"{text}: {brief} in {record.seconds:.1f} s; {len(todo)} to go")

    if processes == 0:
        while todo and time.monotonic() < end:
            keep(measure(todo.pop(0), folder, effort))
        return
    waiting: set[Future[Record]] = set()
    # Spawned: a fork of a process in which PyTorch has run may hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        while waiting or (todo and time.monotonic() < end):
            # Two processes never train the same model: the tasks of a case go to one of them, one after the other.
            while todo and len(waiting) < processes and time.monotonic() < end:
                own = [task for task in todo if task.case == todo[0].case]
                todo = todo[len(own) :]
                waiting.add(pool.submit(_all, own, folder, effort))
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                for record in future.result():
                    keep(record)


def _all(own: Sequence[Task], folder: Path, effort: Effort) -> list[Record]:
    return [measure(task, folder, effort) for task in own]
