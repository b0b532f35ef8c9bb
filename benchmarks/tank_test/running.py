"""Does what of the benchmark has not been done, in a few processes of one thread each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.tank_test import auditing, peers, training, truth
from benchmarks.tank_test.auditing import Mode
from benchmarks.tank_test.design import Case
from benchmarks.tank_test.records import Record, Records
from picasso.demo.planted.scenes import Scenes, scenes

PARTS = ("models", "peers", *(f"audit-{mode}" for mode in Mode), "audit-power")
POWER_EVERY = 4
"""Pairs of cases of which one is audited with fewer pictures, too."""
POWER_PICTURES = (64, 100, 140)


def audit_scenes(case: Case, pictures: int = auditing.PICTURES) -> Scenes:
    """The pictures that a case is audited on: tied as they are for its maker, and never trained on."""
    return scenes(pictures, 20_000 + case.seed, case.classes, case.ties)


def tasks(cases: Sequence[Case], parts: Sequence[str], records: Records) -> Iterator[tuple[Case, str, str]]:
    """Case, part and version of everything that is missing; of every case its truth comes first."""
    versions = {"truth": f"{training.VERSION}-{truth.PICTURES}", "peers": str(peers.VERSION)}
    by_audit = auditing.version()
    for number, case in enumerate(cases):
        wanted = ["truth"] if "models" in parts else []
        wanted += [part for part in PARTS[1:-1] if part in parts]
        if "audit-power" in parts and number // 2 % POWER_EVERY == 0:
            wanted += [f"audit-{count}" for count in POWER_PICTURES]
        for part in wanted:
            version = versions.get(part, by_audit)
            if records.get(case, part, version) is None:
                yield case, part, version


def measure(case: Case, part: str, version: str, folder: str) -> Record:
    """Measures one part of one case."""
    torch.set_num_threads(1)
    network = training.trained(case, Path(folder) / "models")
    start = time.process_time()
    if part == "truth":
        found = asdict(truth.truth(network, case))
    elif part == "peers":
        found = peers.compared(network, audit_scenes(case))
    else:
        how = part.removeprefix("audit-")
        mode, pictures = (Mode.MASKS, int(how)) if how.isdigit() else (Mode(how), auditing.PICTURES)
        result, seconds = auditing.audited(network, audit_scenes(case, pictures), mode)
        return Record(case, part, version, seconds, asdict(result))
    return Record(case, part, version, time.process_time() - start, found)


def run(
    cases: Sequence[Case],
    parts: Sequence[str],
    folder: Path,
    records: Records,
    processes: int = 2,
    budget: float | None = None,
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
        say: gets a line for each result.
    """
    todo = list(tasks(cases, parts, records))
    end = time.monotonic() + (budget if budget is not None else float("inf"))

    def keep(record: Record) -> None:
        records.put(record)
        case = record.case
        text = f"{case.sort} {'+'.join(case.kinds) or '-'} {case.rho:g} {case.classes} {case.network} {record.part}"
        brief = {name: value for name, value in record.found.items() if not isinstance(value, dict)}
        say(f"{text}: {brief} in {record.seconds:.1f} s; {len(todo)} to go")

    if processes == 0:
        while todo and time.monotonic() < end:
            keep(measure(*todo.pop(0), str(folder)))
        return
    waiting: set[Future[Record]] = set()
    # Spawned: a fork of a process in which PyTorch has run may hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        while waiting or (todo and time.monotonic() < end):
            # Two processes never train the same model: the tasks of a case go to one of them, one after the other.
            while todo and len(waiting) < processes and time.monotonic() < end:
                first = todo[0][0]
                own = [task for task in todo if task[0] == first]
                todo = [task for task in todo if task[0] != first]
                waiting.add(pool.submit(_all, own, str(folder)))
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                for record in future.result():
                    keep(record)


def _all(own: Sequence[tuple[Case, str, str]], folder: str) -> list[Record]:
    return [measure(*task, folder) for task in own]
