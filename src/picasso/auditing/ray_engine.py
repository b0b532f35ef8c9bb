"""Measures the shards of an audit in workers of a Ray cluster, each with a copy of the model."""

from __future__ import annotations

import os
import platform
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from picasso.auditing.engines import TRIES, Engine, Setup
from picasso.auditing.experiment import Experiment, Measured, Shard
from picasso.auditing.ray_connection import asks_for_a_token, load_ray
from picasso.core import registry
from picasso.core.dataset import Example
from picasso.core.errors import ConfigurationError, DatasetError, PicassoError, WorkerDiedError
from picasso.core.model import Model

PATIENCE = 5.0
"""Seconds after which a silent cluster is asked whether it is still there."""
_SHARED = "Model and pictures must lie on a file system that every worker reads under the same path."
_ALIKE = "Every machine of the cluster needs the same Picasso, model and plug-ins as this one."


@dataclass(frozen=True, eq=False)
class Terms:
    """What a worker must have, so that its numbers are those of this process.

    Args:
        digest: Of the model.
        device: Where the model computes, "" where that is not known.
        versions: Of the packages that decide numbers.
        folder: From which relative paths lead.
        token: Whether the cluster must ask for a token.
    """

    digest: str
    device: str
    versions: Mapping[str, str]
    folder: Path
    token: bool

    @property
    def graphics(self) -> bool:
        """Whether a worker needs a graphics processor."""
        return self.device.startswith("cuda")


@dataclass(frozen=True, eq=False)
class Cluster(Engine):
    """Measures in workers of the cluster with which the program is connected.

    Args:
        setup: What they need.
        model: The model as this process has it.
        workers: How many at most; 0: one for each processor of the cluster.
    """

    setup: Setup
    model: Model
    workers: int = 0
    _tries: dict[Shard, int] = field(default_factory=dict)

    def run(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Measured]]:
        """Yield each shard as it is done; the workers end when the iteration does, however it ends.

        A worker holds one shard at a time, so that nothing else is lost with it, and gets the first when it is ready:
        one for which there is no room keeps nothing waiting.

        Raises:
            WorkerDiedError: Two workers died over the same shard, or no worker is left.
            ConfigurationError: A worker has another model or other versions, or the cluster asks for no token.
            DatasetError: A worker cannot read a picture.
        """
        ray = load_ray()
        # The worker's node died, it was killed, or what it had measured was lost with its node.
        lost = ray.exceptions.RayActorError, ray.exceptions.ObjectLostError, ray.exceptions.OutOfMemoryError
        terms = self._terms()
        kind = ray.remote(num_cpus=1, num_gpus=int(terms.graphics), max_restarts=0)(Worker)
        setup, waiting, left, vain = ray.put(self.setup), deque(shards), len(shards), 0
        # What was asked of a worker -> the worker and its shard, or None where it opens the model.
        team: dict[Any, tuple[Any, Shard | None]] = {}
        hired: list[Any] = []
        idle: list[Any] = []

        def hire() -> None:
            hired.append(worker := kind.remote())
            team[worker.open.remote(setup, terms)] = worker, None

        def hand_out() -> None:
            while waiting and idle:
                worker, shard = idle.pop(), waiting.popleft()
                team[worker.measure.remote(shard)] = worker, shard

        try:
            for _ in range(self._room(ray, terms, left)):
                hire()
            while left:
                done, _ = ray.wait(list(team), timeout=PATIENCE)
                if not done:
                    self._room(ray, terms, left)
                for answer in done:
                    worker, shard = team.pop(answer)
                    try:
                        measured = ray.get(answer)
                    except lost as error:
                        with suppress(Exception):  # it may be alive behind a broken network
                            ray.kill(worker)
                        if shard is not None:
                            self._count(shard, error)
                            waiting.appendleft(shard)
                            hand_out()
                            if waiting:
                                hire()
                        elif not team and not idle:
                            self._room(ray, terms, left)
                            if (vain := vain + 1) >= TRIES:
                                _never_began(error)
                            hire()
                    except ray.exceptions.RayTaskError as error:
                        raise error.cause from None
                    else:
                        idle.append(worker)
                        hand_out()
                        if shard is not None:
                            left -= 1
                            yield shard, measured
        finally:
            for worker in hired:
                with suppress(Exception):  # the cluster may be gone
                    ray.kill(worker)

    def _terms(self) -> Terms:
        device = self.setup.options.get("device") or getattr(self.model, "device", "")
        names = ("picasso", "numpy", *self.model.packages)
        versions = {name: metadata.version(name) for name in names}
        return Terms(self.model.digest, str(device), versions, Path.cwd(), asks_for_a_token())

    def _room(self, ray: Any, terms: Terms, shards: int) -> int:
        """Return how many workers are of use."""
        there = ray.cluster_resources()
        if (room := int(there.get("GPU" if terms.graphics else "CPU", 0))) < 1:
            what = "graphics processor" if terms.graphics else "processor"
            raise WorkerDiedError(f"The Ray cluster has no {what}.", "Add a machine, and start the audit again.")
        return min(room, shards, self.workers or room)

    def _count(self, shard: Shard, error: Exception) -> None:
        self._tries[shard] = self._tries.get(shard, 0) + 1
        if self._tries[shard] >= TRIES:
            raise WorkerDiedError(
                f"{TRIES} workers of the cluster died over the same pictures. The last: {_last_line(error)}.",
                "The memory of its machine may not suffice. Start the audit again: it goes on where it was.",
            ) from error


class Worker:
    """What a process of the cluster holds."""

    experiment: Experiment

    def open(self, setup: Setup, terms: Terms) -> None:
        """Open the model.

        Raises:
            ConfigurationError: The cluster asks for no token; versions, model or interventions are others.
            PicassoError: The model cannot be opened.
        """
        from picasso.core.opening import load_model

        # Each worker has one processor; more threads would only wait for each other.
        os.environ["OMP_NUM_THREADS"] = "1"
        with suppress(OSError):  # absolute paths need no folder
            os.chdir(terms.folder)
        if terms.token and not asks_for_a_token():
            raise ConfigurationError(
                f"{_here()} asks for no token, so that whoever reaches the cluster may run programs there.",
                "Set RAY_AUTH_MODE=token on every machine of the cluster before `ray start`.",
            )
        for name, version in terms.versions.items():
            try:
                found = metadata.version(name)
            except metadata.PackageNotFoundError:
                found = "none"
            if found != version:
                raise ConfigurationError(f"{_here()} has {name} {found}, this audit {version}.", _ALIKE)
        for question in setup.questions:
            if not question.digest.startswith(f"{registry.intervention(question.intervention).digest}:"):
                raise ConfigurationError(f"{_here()} has another intervention '{question.intervention}'.", _ALIKE)
        # Ray shows a worker its own graphics processor alone, whatever its number.
        device = "cuda" if terms.graphics else terms.device
        try:
            model = load_model(setup.source, **{**setup.options, **({"device": device} if device else {})})
        except PicassoError as error:
            raise type(error)(f"{_here()} cannot open the model: {error.message}", f"{error.hint} {_SHARED}") from None
        if model.digest != terms.digest:
            raise ConfigurationError(f"{_here()} finds another model under '{setup.source}'.", _SHARED)
        self.examples = setup.examples
        self.experiment = setup.experiment(model)

    def measure(self, shard: Shard) -> Measured:
        """Measure a shard.

        Raises:
            DatasetError: A picture that it needs cannot be read here.
        """
        donors = [number for one in shard.donors for number in (*one.same, *one.other)]
        for number in (*shard.pictures, *donors):
            for path in _paths(self.examples[number]):
                if not os.access(path, os.R_OK):
                    raise DatasetError(f"{_here()} cannot read {path.absolute()}.", _SHARED)
        return self.experiment.measure(shard)


def _paths(example: Example) -> Iterator[Path]:
    """Yield the files that hold a picture and its mask."""
    for place in (example.source, example.mask):
        for name in ("path", "archive"):
            if isinstance(path := getattr(place, name, None), Path):
                yield path


def _here() -> str:
    return f"The worker on {platform.node()}"


def _never_began(error: Exception) -> NoReturn:
    raise WorkerDiedError(
        f"No worker of the cluster began: {_last_line(error)}.",
        "Every machine needs Picasso, and the same token as this one (RAY_AUTH_MODE=token, RAY_AUTH_TOKEN).",
    ) from error


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
