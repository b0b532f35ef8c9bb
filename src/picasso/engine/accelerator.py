"""The engine on probation: used only where it computes less, and compared with the network itself each time."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.clips import place_of
from picasso.core.errors import PicassoError
from picasso.core.facts import Patching, Progress, Quality
from picasso.core.graph import Graph
from picasso.core.preprocessing import Array
from picasso.engine.occlusion import Engine, Read
from picasso.engine.plans import Plan

TOLERANCE = 1e-4
"""How far the engine may be from the network itself, as a part of the largest class score."""
WORTHWHILE = 1.25
"""By what factor there must be fewer multiplications for the engine to be tried."""
SMALL = 2e7
"""Multiplications for one picture below which a loop is done before the engine has begun."""
REACH = 0.5
"""Of the approximate mode: the largest part of a map's side on which a window's effect is followed."""
_RACED = 8
"""Whole pictures that are run both ways."""
_AT_ONCE = 16
_PLANS_KEPT = 4
_WATCHED = 3
"""Chunks of windows after which the engine must have been faster than the network itself."""
_NOISE = 1.1
"""By what factor times that are measured so shortly may be wrong."""
_CHECKED = {Quality.EXACT: 2, Quality.APPROXIMATE: 4, Quality.PREVIEW: 4}

Run = Callable[[Array], Array]


class _UnfitError(Exception):
    """The network itself is to be run: why, and whether for these windows alone."""

    def __init__(self, reason: str, *, windows: bool = False) -> None:
        super().__init__(reason)
        self.windows = windows


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
        quality: How true the scores must be.
        about: The part of the picture that the scores are about, or None.
    """

    x: Array
    boxes: NDArray[np.int64]
    contents: Array
    run: Run
    read: Read
    progress: Progress
    quality: Quality = Quality.EXACT
    about: object = None

    def patched(self, window: int) -> Array:
        """Return the picture with one box replaced."""
        one = self.x.copy()
        place = place_of(self.boxes[window])
        one[0][place] = self.contents[place] if self.contents.ndim == 3 else self.contents[window]
        return one


@dataclass
class _Read:
    """What is known of a network as it is now.

    Args:
        graph: The network, once it was read.
        engines: What runs it, in single and in half precision.
        plans: The last ways of windows through it.
        reasons: Why it is not accelerated, for each quality that was tried in vain.
        whole_slower: Whether whole pictures are run faster by the network itself; None before that was tried.
        seen: Of the last picture its digest, the part that was asked about, and the network's own scores.
    """

    graph: Graph | None = None
    engines: dict[Quality, Engine] = field(default_factory=dict)
    plans: OrderedDict[tuple[bytes, Quality], Plan] = field(default_factory=OrderedDict)
    reasons: dict[Quality, str] = field(default_factory=dict)
    whole_slower: bool | None = None
    seen: tuple[str, object, Array] | None = None


class Accelerator:
    """Answers for one network, and remembers why it cannot.

    Args:
        read_graph: Reads the network; raises an error of Picasso's where that is not possible.
        version: Tells whether the network is still the one that was read.
    """

    def __init__(self, read_graph: Callable[[], Graph], version: Callable[[], object]) -> None:
        self._read_graph, self._version = read_graph, version
        self._lock = threading.RLock()
        self._known: object = self  # equal to no version
        self._read = _Read()

    def graph(self) -> Graph:
        """Return the network as an op graph.

        Raises:
            GraphError: It cannot be written as one.
        """
        with self._lock:
            self._renew()
            if self._read.graph is None:
                self._read.graph = self._read_graph()
            return self._read.graph

    def scores(self, asked: Asked) -> tuple[Array | None, Patching]:
        """Return the class scores (m, classes), or None where the network itself is to be run, and how or why."""
        with self._lock:
            self._renew()
            reason = self._read.reasons.get(asked.quality)
            if reason is None:
                try:
                    return self._scores(asked)
                except _UnfitError as error:
                    reason = str(error)
                    if not error.windows:
                        self._read.reasons[asked.quality] = reason
                        self._read.engines.pop(_kind(asked.quality), None)
            return None, Patching(reason=reason, windows=len(asked.boxes))

    def whole(self, x: Array, run: Run, read: Read) -> Array:
        """Return the class scores (n, classes) of whole pictures (n, height, width, channels).

        The first pictures are run both ways, once for a network; the faster one of two that agree is kept.
        """
        with self._lock:
            self._renew()
            try:
                if Quality.EXACT in self._read.reasons or self._read.whole_slower:
                    return run(x)
                engine = self._engine(Quality.EXACT)
                if self._read.whole_slower is not None:
                    return _in_parts(engine, x, read)
                first = x[:_RACED]
                _in_parts(engine, first[:1], read)  # weights are prepared when they are used first
                started = time.perf_counter()
                found = _in_parts(engine, first, read)
                middle = time.perf_counter()
                own = run(first)
                self._read.whole_slower = middle - started > time.perf_counter() - middle
                _compare(found, own, "a picture")
            except _UnfitError as error:
                self._read.reasons[Quality.EXACT] = str(error)
                return run(x)
            except (PicassoError, MemoryError):
                raise
            except Exception as error:
                self._read.reasons[Quality.EXACT] = f"The engine failed: {_first_line(error)}"
                return run(x)
            rest = x[_RACED:]
            if not len(rest):
                return own
            return np.concatenate([own, run(rest) if self._read.whole_slower else _in_parts(engine, rest, read)])

    def _renew(self) -> None:
        version = self._version()
        if version != self._known:
            self._known, self._read = version, _Read()

    def _scores(self, asked: Asked) -> tuple[Array, Patching]:
        engine = self._engine(asked.quality)
        plan = self._plan(engine, asked.boxes, asked.quality)
        exact = asked.quality is Quality.EXACT
        contents = asked.contents if asked.contents.ndim == 4 else asked.contents[None]
        laid = _channels_first(contents) if asked.contents.ndim == 4 else _channels_first(contents)[0]
        try:
            base = engine.base(_channels_first(asked.x))
            own, seconds = self._own(asked)
            if exact:
                _compare(asked.read(base.outputs), own, "the picture")
            watch = _Watch(seconds, asked.progress)
            scores = engine.occluded(base, plan, asked.boxes, laid, asked.read, watch)
        except (_UnfitError, PicassoError, MemoryError):
            raise
        except Exception as error:
            raise _UnfitError(f"The engine failed: {_first_line(error)}") from error
        windows = _chosen(scores, own[0], _CHECKED[asked.quality])
        limit = TOLERANCE if exact else np.inf
        errors = [_compare(scores[w : w + 1], asked.run(asked.patched(w)), "a window", limit) for w in windows]
        gain = engine.multiply_adds * len(asked.boxes) / max(1, plan.multiply_adds)
        return scores, Patching(True, "", len(asked.boxes), gain, max(errors), len(windows), asked.quality)

    def _own(self, asked: Asked) -> tuple[Array, float]:
        """Return the network's own scores of the picture, and the seconds that it took, or infinity."""
        digest = hashlib.sha256(asked.x.tobytes()).hexdigest()
        if self._read.seen is not None and self._read.seen[0] == digest and self._read.seen[1] is asked.about:
            return self._read.seen[2], np.inf
        started = time.perf_counter()
        own = asked.run(asked.x)
        self._read.seen = digest, asked.about, own
        return own, time.perf_counter() - started

    def _engine(self, quality: Quality) -> Engine:
        kind = _kind(quality)
        if kind not in self._read.engines:
            try:
                graph = self.graph()
                if graph.multiply_adds < SMALL:
                    raise _UnfitError("The network is so small that this is as fast.")
                self._read.engines[kind] = Engine(graph, half=kind is Quality.PREVIEW)
            except _UnfitError:
                raise
            except PicassoError as error:
                raise _UnfitError(error.message) from error
            except Exception as error:  # a file may hold anything; the network itself still runs
                raise _UnfitError(f"The network could not be read: {_first_line(error)}") from error
        return self._read.engines[kind]

    def _plan(self, engine: Engine, boxes: NDArray[np.int64], quality: Quality) -> Plan:
        key = boxes.tobytes(), quality
        if key not in self._read.plans:
            self._read.plans[key] = engine.plan(boxes, REACH if quality is Quality.APPROXIMATE else 1.0)
            while len(self._read.plans) > _PLANS_KEPT:
                self._read.plans.popitem(last=False)
        self._read.plans.move_to_end(key)
        plan = self._read.plans[key]
        if plan.multiply_adds * WORTHWHILE > engine.multiply_adds * len(boxes):
            gain = engine.multiply_adds * len(boxes) / max(1, plan.multiply_adds)
            raise _UnfitError(f"They reach nearly all of it: {gain:.2f} times fewer multiplications.", windows=True)
        return plan


def _kind(quality: Quality) -> Quality:
    """Return the quality whose engine serves another, too."""
    return Quality.PREVIEW if quality is Quality.PREVIEW else Quality.EXACT


class _Watch:
    """Passes progress on, and stops an engine that takes longer than the network itself.

    Args:
        seconds: What the network itself takes for one picture.
        progress: Where progress goes.
    """

    def __init__(self, seconds: float, progress: Progress) -> None:
        self._seconds, self._progress = seconds, progress
        self._ends: list[tuple[int, float]] = []

    def __call__(self, done: int, total: int) -> None:
        self._ends.append((done, time.perf_counter()))
        if len(self._ends) == _WATCHED + 1:  # the first chunk also prepares the weights
            (before, start), (after, end) = self._ends[0], self._ends[-1]
            if (end - start) / (after - before) > _NOISE * self._seconds:
                raise _UnfitError("The network itself is faster here than following its windows.")
        self._progress(done, total)


def _compare(found: Array, own: Array, what: str, limit: float = TOLERANCE) -> float:
    """Return the largest difference between class scores.

    Raises:
        _UnfitError: It is too large.
    """
    size = float(np.abs(own).max(initial=1e-30))  # not 0: an infinite limit times it would be no number
    error = float(np.abs(found - own).max(initial=0)) if found.shape == own.shape else np.inf
    if not error <= limit * size + 1e-6:
        raise _UnfitError(f"The engine's scores of {what} differ from the network's own by {error:.1e}.")
    return error


def _chosen(scores: Array, base: Array, count: int) -> list[int]:
    """Return the windows that the network itself runs, too: where the scores change most, and some far from it."""
    most = int(np.abs(scores - base).max(axis=1).argmax())
    return sorted({(most + part * len(scores) // count) % len(scores) for part in range(count)})


def _in_parts(engine: Engine, x: Array, read: Read) -> Array:
    parts = [x[start : start + _AT_ONCE] for start in range(0, len(x), _AT_ONCE)]
    return np.concatenate([read(engine.run(_channels_first(part))) for part in parts])


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def _channels_first(x: Array) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1), np.float32)
