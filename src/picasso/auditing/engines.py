"""What measures the shards of an audit: this process, or a pool of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from picasso.auditing.experiment import Experiment, Measured, Question, Shard
from picasso.auditing.eye import Eye
from picasso.auditing.gallery import Gallery, Parts
from picasso.core import registry
from picasso.core.dataset import Dataset, Example
from picasso.core.errors import WorkerDiedError
from picasso.core.model import Model

TRIES = 2
"""How often a shard is begun whose process dies under it."""


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that a process needs to measure shards; can be sent to another process.

    Args:
        source: What `load_model` opens, and with which words; "" for a live model, which stays in its process.
        columns: For each class of the audit, the column of the model's scores.
        dataset: Where the pictures come from.
        examples, labels: Those that are audited, and their classes.
        parts: The kinds of regions, or None.
        questions: What is asked.
        seed: Of what interventions draw.
    """

    source: str
    options: Mapping[str, Any]
    columns: tuple[int, ...]
    dataset: Dataset
    examples: tuple[Example, ...]
    labels: tuple[int, ...]
    parts: Parts | None
    questions: tuple[Question, ...]
    seed: int

    def experiment(self, model: Model) -> Experiment:
        """Return the experiment on a model."""
        gallery = Gallery(self.dataset, self.examples, self.labels, Eye(model), self.parts)
        names = dict.fromkeys(question.intervention for question in self.questions)
        interventions = {name: registry.intervention(name).load()() for name in names}
        return Experiment(model, self.columns, gallery, self.questions, interventions, self.seed)


class Engine(Protocol):
    """Measures shards, in any order."""

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Measured]]:
        """Yield each shard with what was measured of it, as it is done."""


@dataclass(frozen=True, eq=False)
class Here:
    """Measures in this process, with the model at hand."""

    experiment: Experiment

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Measured]]:
        """Yield each shard with what was measured of it."""
        for shard in shards:
            yield shard, self.experiment.measure(shard)


@dataclass(frozen=True, eq=False)
class Pool:
    """Measures in processes of this computer, each with a copy of the model.

    Args:
        setup: What they need.
        processes: How many.
    """

    setup: Setup
    processes: int
    _tries: dict[Shard, int] = field(default_factory=dict)

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Measured]]:
        """Yield each shard as it is done; the processes end when the iteration does, however it ends.

        Raises:
            WorkerDiedError: A process died twice over the same shard.
        """
        from multiprocessing import get_context

        from pebble import ProcessExpired, ProcessPool

        pool = ProcessPool(
            max_workers=self.processes, context=get_context("spawn"), initializer=_open, initargs=(self.setup,)
        )
        try:
            waiting = {pool.schedule(_measure, args=[shard]): shard for shard in shards}
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    shard = waiting.pop(future)
                    try:
                        measured = future.result()
                    except ProcessExpired as error:
                        self._tries[shard] = self._tries.get(shard, 0) + 1
                        if self._tries[shard] >= TRIES:
                            raise WorkerDiedError(
                                f"A process of the audit died (exit code {error.exitcode}).",
                                "Close other programs, or use fewer processes: the memory may not suffice.",
                            ) from error
                        waiting[pool.schedule(_measure, args=[shard])] = shard
                    else:
                        yield shard, measured
        finally:
            pool.stop()
            with suppress(TimeoutError):
                pool.join(timeout=5)


class _Process:
    """What a process of the pool holds."""

    experiment: Experiment | None = None
    setup: Setup | None = None


def _open(setup: Setup) -> None:
    # Each process has a core of its own; threads of the same core would only wait for each other.
    os.environ["OMP_NUM_THREADS"] = "1"
    _Process.setup = setup


def _measure(shard: Shard) -> Measured:
    if _Process.experiment is None:
        from picasso.core.opening import load_model

        assert _Process.setup is not None, "set when the process began"
        _Process.experiment = _Process.setup.experiment(load_model(_Process.setup.source, **_Process.setup.options))
    return _Process.experiment.measure(shard)
