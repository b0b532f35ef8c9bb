"""The engine on probation: used only where it computes less, and compared with the network itself each time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.clips import place_of
from picasso.core.errors import PicassoError
from picasso.core.facts import Patching, Progress
from picasso.core.graph import Graph
from picasso.core.preprocessing import Array
from picasso.engine.occlusion import Engine
from picasso.engine.plans import Plan

TOLERANCE = 1e-4
"""How far the engine may be from the network itself, as a part of the largest class score."""
WORTHWHILE = 1.25
"""By what factor there must be fewer multiplications for the engine to be tried."""
SMALL = 2e7
"""Multiplications for one picture below which a loop is done before the engine has begun."""
_PLANS_KEPT = 4

Run = Callable[[Array], Array]


@dataclass(frozen=True)
class Asked:
    """What is asked of an accelerator.

    Args:
        x: One picture, (1, height, width, channels).
        boxes: (m, 4), top, left, height, width.
        contents: What they show: (height, width, channels), or (m, box height, box width, channels).
        run: The network itself: class scores (n, classes) of pictures (n, height, width, channels).
        read: Class scores from the outputs of the op graph, by name.
        progress: Called with (done, m).
    """

    x: Array
    boxes: NDArray[np.int64]
    contents: Array
    run: Run
    read: Callable[[dict[str, Array]], Array]
    progress: Progress

    def patched(self, window: int) -> Array:
        """Return the picture with one box replaced."""
        one = self.x.copy()
        place = place_of(self.boxes[window])
        one[0][place] = self.contents[place] if self.contents.ndim == 3 else self.contents[window]
        return one


class Accelerator:
    """Answers for one network, and remembers why it cannot.

    Args:
        read_graph: Reads the network; raises an error of Picasso's where that is not possible.
        version: Tells whether the network is still the one that was read.
    """

    def __init__(self, read_graph: Callable[[], Graph], version: Callable[[], object]) -> None:
        self._read_graph, self._version = read_graph, version
        self._lock = threading.RLock()
        self._known: object = self
        self._graph: Graph | None = None
        self._engine: Engine | None = None
        self._reason = ""
        self._plans: OrderedDict[bytes, Plan] = OrderedDict()

    def graph(self) -> Graph:
        """Return the network as an op graph.

        Raises:
            GraphError: It cannot be written as one.
        """
        with self._lock:
            self._renew()
            if self._graph is None:
                self._graph = self._read_graph()
            return self._graph

    def scores(self, asked: Asked) -> tuple[Array | None, Patching]:
        """Return the class scores (m, classes), or None where the network itself is to be run, and how or why."""
        with self._lock:
            self._renew()
            if not self._reason:
                try:
                    return self._scores(asked)
                except _UnfitError as error:
                    if error.windows:
                        return None, Patching(exact=False, reason=str(error), windows=len(asked.boxes))
                    self._reason, self._engine = str(error), None
            return None, Patching(exact=False, reason=self._reason, windows=len(asked.boxes))

    def _renew(self) -> None:
        version = self._version()
        if version != self._known:
            self._known, self._graph, self._engine, self._reason = version, None, None, ""
            self._plans.clear()

    def _scores(self, asked: Asked) -> tuple[Array, Patching]:
        engine, plan = self._prepared(asked.boxes)
        x = _channels_first(asked.x)
        contents = _channels_first(asked.contents if asked.contents.ndim == 4 else asked.contents[None])
        contents = contents if asked.contents.ndim == 4 else contents[0]
        try:
            base = engine.base(x)
            started = time.perf_counter()
            own = asked.run(asked.x)
            watch = _Watch(time.perf_counter() - started, asked.progress)
            _compare(asked.read(base.outputs), own, "the picture")
            scores = engine.occluded(base, plan, asked.boxes, contents, asked.read, watch)
        except (_UnfitError, PicassoError):
            raise
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise _UnfitError(f"The engine failed: {type(error).__name__}: {str(error).splitlines()[0]}") from error
        windows = _chosen(scores, own[0])
        errors = [
            _compare(scores[window : window + 1], asked.run(asked.patched(window)), "a window") for window in windows
        ]
        gain = engine.multiply_adds * len(asked.boxes) / max(1, plan.multiply_adds)
        return scores, Patching(True, "", len(asked.boxes), gain, max(errors), len(windows))

    def _prepared(self, boxes: NDArray[np.int64]) -> tuple[Engine, Plan]:
        if self._engine is None:
            try:
                graph = self.graph()
                if graph.multiply_adds < SMALL:
                    raise _UnfitError("The network is so small that this is as fast.")
                self._engine = Engine(graph)
            except PicassoError as error:
                raise _UnfitError(str(error)) from error
        key = boxes.tobytes()
        if key not in self._plans:
            self._plans[key] = self._engine.plan(boxes)
            while len(self._plans) > _PLANS_KEPT:
                self._plans.popitem(last=False)
        self._plans.move_to_end(key)
        plan = self._plans[key]
        if plan.multiply_adds * WORTHWHILE > self._engine.multiply_adds * len(boxes):
            gain = self._engine.multiply_adds * len(boxes) / max(1, plan.multiply_adds)
            raise _UnfitError(f"They reach nearly all of it: {gain:.2f} times fewer multiplications.", windows=True)
        return self._engine, plan


class _UnfitError(Exception):
    """The network itself is to be run: why, and whether for these windows alone."""

    def __init__(self, reason: str, *, windows: bool = False) -> None:
        super().__init__(reason)
        self.windows = windows


class _Watch:
    """Passes progress on, and stops an engine that takes longer than the network itself.

    Args:
        seconds: What the network itself takes for one picture.
        progress: Where progress goes.
    """

    def __init__(self, seconds: float, progress: Progress) -> None:
        self._seconds, self._progress = seconds, progress
        self._before: list[tuple[int, float]] = []

    def __call__(self, done: int, total: int) -> None:
        self._before.append((done, time.perf_counter()))
        if len(self._before) == 2:  # the first chunk also prepares the weights
            (first, start), (second, end) = self._before
            if (end - start) / (second - first) > self._seconds:
                raise _UnfitError("The network itself is faster here than following its windows.")
        self._progress(done, total)


def _compare(found: Array, own: Array, what: str) -> float:
    """Return the largest difference between class scores.

    Raises:
        _UnfitError: It is too large.
    """
    size = float(np.abs(own).max(initial=0))
    error = float(np.abs(found - own).max(initial=0)) if found.shape == own.shape else np.inf
    if not error <= TOLERANCE * size + 1e-6:
        raise _UnfitError(f"The engine's scores of {what} differ from the network's own by {error:.1e}.")
    return error


def _chosen(scores: Array, base: Array) -> list[int]:
    """Return the windows that the network itself runs, too: where the scores change most, and one far from it."""
    most = int(np.abs(scores - base).max(axis=1).argmax())
    return sorted({most, (most + len(scores) // 2) % len(scores)})


def _channels_first(x: Array) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1), np.float32)
