"""What measures the shards of an audit: this process, or a pool of them."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

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
        masks: Whether the data set's own objects are used.
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
    masks: bool
    questions: tuple[Question, ...]
    seed: int

    def experiment(self, model: Model) -> Experiment:
        """Return the experiment on a model."""
        gallery = Gallery(self.dataset, self.examples, self.labels, Eye(model), self.parts, self.masks)
        names = dict.fromkeys(question.intervention for question in self.questions)
        interventions = {name: registry.intervention(name).load()() for name in names}
        return Experiment(model, self.columns, gallery, self.questions, interventions, self.seed)


class Engine(ABC):
    """Measures shards, in any order, as often as it is asked until it is closed."""

    @abstractmethod
    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Measured]]:
        """Yield each shard with what was measured of it, as it is done."""

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what was begun to measure with."""


@dataclass(frozen=True, eq=False)
class Here(Engine):
    """Measures in this process, with the model at hand."""

    experiment: Experiment

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Measured]]:
        """Yield each shard with what was measured of it."""
        for shard in shards:
            yield shard, self.experiment.measure(shard)


class Pool(Engine):
    """Measures in processes of this computer, each with a copy of the model, that last until it is closed.

    Args:
        setup: What they need.
        processes: How many.
    """

    def __init__(self, setup: Setup, processes: int) -> None:
        from multiprocessing import get_context

        from pebble import ProcessPool

        self._tries: Counter[Shard] = Counter()
        self._pool = ProcessPool(
            max_workers=processes, context=get_context("spawn"), initializer=_open, initargs=(setup,)
        )

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Measured]]:
        """Yield each shard as it is done.

        Raises:
            WorkerDiedError: A process died twice over the same shard.
        """
        from pebble import ProcessExpired

        waiting = {self._pool.schedule(_measure, args=[shard]): shard for shard in shards}
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                shard = waiting.pop(future)
                try:
                    measured = future.result()
                except ProcessExpired as error:
                    self._tries[shard] += 1
                    if self._tries[shard] >= TRIES:
                        raise WorkerDiedError(
                            f"A process of the audit died (exit code {error.exitcode}).",
                            "Close other programs, or use fewer processes: the memory may not suffice.",
                        ) from error
                    waiting[self._pool.schedule(_measure, args=[shard])] = shard
                else:
                    yield shard, measured

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        self._pool.stop()
        with suppress(TimeoutError):
            self._pool.join(timeout=5)


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
