"""The engine on probation: used only where it computes less, and compared with the network itself each time."""

from __future__ import annotations

import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

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
PlanKey = tuple[bytes, Quality]
T = TypeVar("T")


class _UnfitError(Exception):
    """The network itself is to be run: why, and whether for this once alone."""

    def __init__(self, reason: str, *, for_now: bool = False) -> None:
        super().__init__(reason)
        self.for_now = for_now


class _MismatchError(_UnfitError):
    """The engine does not give what the network does."""


class _SlowerError(_UnfitError):
    """The engine takes longer than the network."""

    def __init__(self) -> None:
        super().__init__("The network itself is faster here than following its windows.", for_now=True)


class _PassedError(Exception):
    """What a callback raised, on its way through the engine."""

    def __init__(self, inner: Exception) -> None:
        super().__init__()
        self.inner = inner


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
        parts: Where among the columns of the scores others begin, which have another scale.
    """

    x: Array
    boxes: NDArray[np.int64]
    contents: Array
    run: Run
    read: Read
    progress: Progress
    quality: Quality = Quality.EXACT
    parts: Sequence[int] = ()

    def patched(self, window: int) -> Array:
        """Return the picture with one box replaced."""
        one = self.x.copy()
        place = place_of(self.boxes[window])
        one[0][place] = self.contents[place] if self.contents.ndim == 3 else self.contents[window]
        return one


@dataclass
class _Known:
    """What is known of a network as it is now.

    Args:
        graph: The network, once it was read.
        engines: What runs it, in single and in half precision.
        plans: The last ways of windows through it.
        followed: The windows that were followed before, by plan.
        slower: Those that the network itself ran faster.
        reasons: Why it is not accelerated, for each quality that was tried in vain.
        right: Whether the engine gave the network's own scores for a picture.
        seconds: What the network itself takes for one picture, the least so far.
        whole_slower: Whether whole pictures are run faster by the network itself; None before that was tried.
    """

    graph: Graph | None = None
    engines: dict[Quality, Engine] = field(default_factory=dict)
    plans: OrderedDict[PlanKey, Plan] = field(default_factory=OrderedDict)
    followed: set[PlanKey] = field(default_factory=set)
    slower: set[PlanKey] = field(default_factory=set)
    reasons: dict[Quality, str] = field(default_factory=dict)
    right: bool = False
    seconds: float = np.inf
    whole_slower: bool | None = None


class Accelerator:
    """Answers for one network, and remembers why it cannot.

    Args:
        read_graph: Reads the network; raises an error of Picasso's where that is not possible.
        version: Tells whether the network is still the one that was read.
    """

    def __init__(self, read_graph: Callable[[], Graph], version: Callable[[], object]) -> None:
        self._read_graph, self._version = read_graph, version
        self._lock = threading.RLock()
        self._seen: object = self  # equal to no version
        self._known = _Known()

    def graph(self) -> Graph:
        """Return the network as an op graph.

        Raises:
            GraphError: It cannot be written as one.
        """
        with self._lock:
            self._renew()
            if self._known.graph is None:
                self._known.graph = self._read_graph()
            return self._known.graph

    def scores(self, asked: Asked) -> tuple[Array | None, Patching]:
        """Return the class scores (m, classes), or None where the network itself is to be run, and how or why."""
        with self._lock:
            self._renew()
            reason = self._known.reasons.get(asked.quality)
            if reason is None:
                try:
                    return self._tried(lambda: self._scores(asked))
                except _UnfitError as error:
                    reason = str(error)
                    if not error.for_now:
                        self._known.reasons[asked.quality] = reason
                        self._known.engines.pop(_kind(asked.quality), None)
                        self._known.plans.clear()
            return None, Patching(reason=reason, windows=len(asked.boxes))

    def whole(self, x: Array, run: Run, read: Read) -> Array:
        """Return the class scores (n, classes) of whole pictures (n, height, width, channels).

        The first pictures are run both ways, once for a network, to know which is faster; the first of each call
        always.
        """
        with self._lock:
            self._renew()
            if len(x) < 2 or self._known.whole_slower or Quality.EXACT in self._known.reasons:
                return run(x)
            try:
                return self._tried(lambda: self._whole(x, run, read))
            except _UnfitError as error:
                if not error.for_now:
                    self._known.reasons[Quality.EXACT] = str(error)
                return run(x)

    def _tried(self, run: Callable[[], T]) -> T:
        """Run; where the engine was right before and is not any more, read the network again and run once more.

        Raises:
            _UnfitError: The network itself is to be run.
        """
        was_right = self._known.right
        try:
            return run()
        except _MismatchError:
            if not was_right:
                raise
            self._known = _Known()
            return run()

    def _renew(self) -> None:
        version = self._version()
        if version != self._seen:
            self._seen, self._known = version, _Known()

    def _scores(self, asked: Asked) -> tuple[Array, Patching]:
        engine = self._engine(asked.quality)
        plan = self._plan(engine, asked.boxes, asked.quality)
        known, exact = self._known, asked.quality is Quality.EXACT
        contents = asked.contents if asked.contents.ndim == 4 else asked.contents[None]
        laid = _channels_first(contents) if asked.contents.ndim == 4 else _channels_first(contents)[0]
        with _failing():
            base = engine.base(_channels_first(asked.x))
            picture = asked.read(base.outputs)
        if exact and not known.right:
            _compare(picture, asked.run(asked.x), "the picture", asked.parts)
            known.right = True
        # The first time weights are packed on the way, which says nothing about the next.
        watch = _Watch(known.seconds if _key(asked) in known.followed else np.inf, asked.progress)
        try:
            with _failing():
                scores = engine.occluded(base, plan, asked.boxes, laid, asked.read, watch)
        except _PassedError as error:
            raise error.inner from None
        except _SlowerError:
            known.slower.add(_key(asked))
            raise
        known.followed.add(_key(asked))
        tolerance = TOLERANCE if exact else np.inf
        windows = _chosen(scores, picture[0], asked)
        errors = []
        for window in windows:
            patched, started = asked.patched(window), time.perf_counter()
            own = asked.run(patched)
            known.seconds = min(known.seconds, time.perf_counter() - started)
            errors.append(_compare(scores[window : window + 1], own, "a window", asked.parts, tolerance))
        count = len(asked.boxes)
        gain = engine.multiply_adds * count / max(1, plan.multiply_adds)
        return scores, Patching(count, count, "", gain, max(errors), len(windows), asked.quality)

    def _whole(self, x: Array, run: Run, read: Read) -> Array:
        engine = self._engine(Quality.EXACT)
        if x.shape[1:3] != engine.sides:
            raise _UnfitError("The pictures are of another size.", for_now=True)
        raced = self._known.whole_slower is None
        first = x[: _RACED if raced else 1]
        with _failing():
            _in_parts(engine, first[:1], read)  # weights are prepared when they are used first
            started = time.perf_counter()
            found = _in_parts(engine, first, read)
        middle = time.perf_counter()
        own = run(first)
        _compare(found, own, "a picture", ())
        self._known.right = True
        if raced:
            self._known.whole_slower = middle - started > time.perf_counter() - middle
        rest = x[len(first) :]
        if not len(rest):
            return own
        if self._known.whole_slower:
            return np.concatenate([own, run(rest)])
        with _failing():
            found = _in_parts(engine, rest, read)
        if not np.isfinite(found).all():
            raise _UnfitError("There are scores that are no finite numbers.", for_now=True)
        return np.concatenate([own, found])

    def _engine(self, quality: Quality) -> Engine:
        kind = _kind(quality)
        if kind not in self._known.engines:
            try:
                graph = self.graph()
                if graph.multiply_adds < SMALL:
                    raise _UnfitError("The network is so small that this is as fast.")
                self._known.engines[kind] = Engine(graph, half=kind is Quality.PREVIEW)
            except _UnfitError:
                raise
            except PicassoError as error:
                raise _UnfitError(error.message) from error
            except Exception as error:  # a file may hold anything; the network itself still runs
                raise _UnfitError(f"The network could not be read: {_first_line(error)}") from error
        return self._known.engines[kind]

    def _plan(self, engine: Engine, boxes: NDArray[np.int64], quality: Quality) -> Plan:
        key, known = (boxes.tobytes(), quality), self._known
        if key in known.slower:
            raise _SlowerError()
        if key not in known.plans:
            with _failing():
                known.plans[key] = engine.plan(boxes, REACH if quality is Quality.APPROXIMATE else 1.0)
            while len(known.plans) > _PLANS_KEPT:
                known.plans.popitem(last=False)
        known.plans.move_to_end(key)
        plan = known.plans[key]
        if plan.multiply_adds * WORTHWHILE > engine.multiply_adds * len(boxes):
            gain = engine.multiply_adds * len(boxes) / max(1, plan.multiply_adds)
            raise _UnfitError(f"They reach nearly all of it: {gain:.2f} times fewer multiplications.", for_now=True)
        return plan


@contextmanager
def _failing() -> Iterator[None]:
    """Turn what the engine raises into the sentence for which the network itself is run."""
    try:
        yield
    except (_UnfitError, _PassedError, PicassoError):
        raise
    except MemoryError as error:
        raise _UnfitError("The engine's memory did not suffice.", for_now=True) from error
    except Exception as error:
        # PyTorch's own word for it.
        short = isinstance(error, RuntimeError) and "allocate memory" in str(error)
        raise _UnfitError(f"The engine failed: {_first_line(error)}", for_now=short) from error


def _kind(quality: Quality) -> Quality:
    """Return the quality whose engine serves another, too."""
    return Quality.PREVIEW if quality is Quality.PREVIEW else Quality.EXACT


def _key(asked: Asked) -> PlanKey:
    return asked.boxes.tobytes(), asked.quality


class _Watch:
    """Passes progress on, and stops an engine that takes longer than the network itself.

    Args:
        seconds: What the network itself takes for one picture.
        progress: Where progress goes.
    """

    def __init__(self, seconds: float, progress: Progress) -> None:
        self._seconds, self._progress = seconds, progress
        self._ends: list[tuple[int, float]] = []
        self._elsewhere = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.perf_counter()
        self._ends.append((done, now - self._elsewhere))
        if len(self._ends) == _WATCHED + 1:
            (before, start), (after, end) = self._ends[0], self._ends[-1]
            if (end - start) / (after - before) > _NOISE * self._seconds:
                raise _SlowerError()
        try:
            self._progress(done, total)
        except Exception as error:
            raise _PassedError(error) from error
        self._elsewhere += time.perf_counter() - now


def _compare(found: Array, own: Array, what: str, parts: Sequence[int], limit: float = TOLERANCE) -> float:
    """Return the largest difference between class scores.

    Raises:
        _MismatchError: In one of the parts it is too large.
    """
    if found.shape != own.shape:
        raise _MismatchError(f"The engine's scores of {what} have the shape {found.shape} instead of {own.shape}.")
    for some, wanted in zip(np.split(found, parts, axis=1), np.split(own, parts, axis=1), strict=True):
        size = float(np.abs(wanted).max(initial=1e-30))  # not 0: an infinite limit times it would be no number
        error = float(np.abs(some - wanted).max(initial=0))
        if not error <= limit * size + 1e-6:
            raise _MismatchError(f"The engine's scores of {what} differ from the network's own by {error:.1e}.")
    return float(np.abs(found - own).max(initial=0))


def _chosen(scores: Array, base: Array, asked: Asked) -> list[int]:
    """Return the windows that the network itself runs, too: at an edge and anywhere, each where the most changes.

    The others are drawn.
    """
    changes = np.abs(scores - base).max(axis=1)
    top, left, bottom, right = asked.boxes[:, :2].T.tolist() + (asked.boxes[:, :2] + asked.boxes[:, 2:]).T.tolist()
    sides = np.array([top, left, bottom, right])
    outermost = (sides[:2] == sides[:2].min(axis=1, keepdims=True)).any(axis=0)
    outermost |= (sides[2:] == sides[2:].max(axis=1, keepdims=True)).any(axis=0)
    found = {int(changes.argmax()), int(np.where(outermost, changes, -1).argmax())}
    drawn = np.random.default_rng(zlib.crc32(asked.x.tobytes())).permutation(len(scores))
    for window in drawn.tolist():
        if len(found) >= _CHECKED[asked.quality]:
            break
        found.add(window)
    return sorted(found)


def _in_parts(engine: Engine, x: Array, read: Read) -> Array:
    parts = [x[start : start + _AT_ONCE] for start in range(0, len(x), _AT_ONCE)]
    return np.concatenate([read(engine.run(_channels_first(part))) for part in parts])


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def _channels_first(x: Array) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1), np.float32)
