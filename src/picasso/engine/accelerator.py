"""The engine on probation: used only where it computes less, and compared with the network itself each time."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import PicassoError
from picasso.core.facts import WORTHWHILE, Patching, Progress, Quality
from picasso.core.graph import Graph
from picasso.core.pictures.clips import place_of
from picasso.core.preprocessing import Array
from picasso.engine.checking import (
    TOLERANCE,
    MismatchError,
    Moment,
    PassedError,
    SlowerError,
    UnfitError,
    Watch,
    chosen,
    compare,
)
from picasso.engine.occlusion import Engine, Read
from picasso.engine.plans import Plan

SMALL = 2e7
"""Multiplications for one picture below which a loop is done before the engine has begun."""
REACH = 0.5
"""Of the approximate mode: the largest part of a map's side on which a window's effect is followed."""
_RACED = 8
"""Whole pictures that are run both ways."""
_TURNS = 4
"""In how many turns these are run."""
_AT_ONCE = 8
"""Whole pictures that run together."""
_CHECKED = {Quality.EXACT: 2, Quality.APPROXIMATE: 4, Quality.PREVIEW: 4}
"""Windows that the network itself runs, too."""
_PLANS_KEPT = 4

Run = Callable[[Array], Array]
PlanKey = tuple[bytes, Quality]
T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """What is asked of an accelerator.

    Args:
        x: One picture, (1, height, width, channels).
        boxes: (m, 4), top, left, height, width.
        contents: From which they take what lies there: (height, width, channels), or one for each, (m, height, width,
            channels).
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
        one[0][place] = (self.contents if self.contents.ndim == 3 else self.contents[window])[place]
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
                except UnfitError as error:
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
            except UnfitError as error:
                if not error.for_now:
                    self._known.reasons[Quality.EXACT] = str(error)
                return run(x)

    def _tried(self, run: Callable[[], T]) -> T:
        """Run; where the engine was right before and is not any more, read the network again and run once more.

        Raises:
            UnfitError: The network itself is to be run.
        """
        was_right = self._known.right
        try:
            return run()
        except MismatchError:
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
            compare(picture, self._own(asked, asked.x), "the picture", asked.parts)
            known.right = True
        gain = engine.gain(plan)
        # The first time weights are packed on the way, for each size of rectangle others, which says nothing about the
        # next. Where nearly all maps are whole, that is over with the first windows.
        steady = _key(asked) in known.followed or gain < WORTHWHILE
        watch = Watch(known.seconds if steady else np.inf, asked.progress)
        try:
            with _failing():
                scores = engine.occluded(base, plan, asked.boxes, laid, asked.read, watch)
        except PassedError as error:
            raise error.inner from None
        except SlowerError:
            known.slower.add(_key(asked))
            raise
        known.followed.add(_key(asked))
        tolerance = TOLERANCE if exact else np.inf
        windows = chosen(scores, picture[0], asked.boxes, _CHECKED[asked.quality], zlib.crc32(asked.x.tobytes()))
        errors = []
        for window in windows:
            own = self._own(asked, asked.patched(window))
            errors.append(compare(scores[window : window + 1], own, "a window", asked.parts, tolerance))
        count = len(asked.boxes)
        return scores, Patching(count, count, "", gain, max(errors), len(windows), asked.quality)

    def _own(self, asked: Asked, x: Array) -> Array:
        """Return the network's own scores of one picture, and note how long it takes."""
        started = Moment.now()
        own = asked.run(x)
        self._known.seconds = min(self._known.seconds, Moment.now().since(started))
        return own

    def _whole(self, x: Array, run: Run, read: Read) -> Array:
        engine = self._engine(Quality.EXACT)
        if x.shape[1:3] != engine.sides:
            raise UnfitError("The pictures are of another size.", for_now=True)
        if self._known.whole_slower is None:
            return self._raced(engine, x, run, read)
        with _failing():
            found = _in_parts(engine, x, read)
        own = run(x[:1])
        compare(found[:1], own, "a picture", ())
        return np.concatenate([own, _finite(found[1:])])

    def _raced(self, engine: Engine, x: Array, run: Run, read: Read) -> Array:
        """Run the first pictures both ways, and the others as was faster."""
        first, rest = x[:_RACED], x[_RACED:]
        with _failing():
            _in_parts(engine, first[:1], read)  # weights are prepared when they are used first
        own: list[Array] = []
        least = np.full(2, np.inf)
        # By turns, and of each the best: what else the machine does must not decide for good.
        for part in np.array_split(first, min(_TURNS, len(first))):
            started = Moment.now()
            with _failing():
                found = _in_parts(engine, part, read)
            middle = Moment.now()
            own.append(run(part))
            least = np.minimum(least, np.array([middle.since(started), Moment.now().since(middle)]) / len(part))
            compare(found, own[-1], "a picture", ())
        self._known.right = True
        self._known.whole_slower = bool(least[0] > least[1])
        if self._known.whole_slower and len(rest):
            own.append(run(rest))
        elif len(rest):
            with _failing():
                own.append(_finite(_in_parts(engine, rest, read)))
        return np.concatenate(own)

    def _engine(self, quality: Quality) -> Engine:
        kind = _kind(quality)
        if kind not in self._known.engines:
            try:
                # Read for the engine alone it is not kept: its weights would be in memory twice.
                graph = self._known.graph or self._read_graph()
                if graph.multiply_adds < SMALL:
                    raise UnfitError("The network is so small that this is as fast.")
                self._known.engines[kind] = Engine(graph, half=kind is Quality.PREVIEW)
            except UnfitError:
                raise
            except PicassoError as error:
                raise UnfitError(error.message) from error
            except Exception as error:  # a file may hold anything; the network itself still runs
                raise UnfitError(f"The network could not be read: {_first_line(error)}") from error
        return self._known.engines[kind]

    def _plan(self, engine: Engine, boxes: NDArray[np.int64], quality: Quality) -> Plan:
        key, known = (boxes.tobytes(), quality), self._known
        if key in known.slower:
            raise SlowerError()
        if key not in known.plans:
            with _failing():
                known.plans[key] = engine.plan(boxes, REACH if quality is Quality.APPROXIMATE else 1.0)
            while len(known.plans) > _PLANS_KEPT:
                known.plans.popitem(last=False)
        known.plans.move_to_end(key)
        return known.plans[key]


@contextmanager
def _failing() -> Iterator[None]:
    """Turn what the engine raises into the sentence for which the network itself is run."""
    try:
        yield
    except (UnfitError, PassedError, PicassoError):
        raise
    except MemoryError as error:
        raise UnfitError("The engine's memory did not suffice.", for_now=True) from error
    except Exception as error:
        # PyTorch's own word for it.
        short = isinstance(error, RuntimeError) and "allocate memory" in str(error)
        raise UnfitError(f"The engine failed: {_first_line(error)}", for_now=short) from error


def _kind(quality: Quality) -> Quality:
    """Return the quality whose engine serves another, too."""
    return Quality.PREVIEW if quality is Quality.PREVIEW else Quality.EXACT


def _key(asked: Asked) -> PlanKey:
    return asked.boxes.tobytes(), asked.quality


def _in_parts(engine: Engine, x: Array, read: Read) -> Array:
    parts = [x[start : start + _AT_ONCE] for start in range(0, len(x), _AT_ONCE)]
    return np.concatenate([read(engine.run(_channels_first(part))) for part in parts])


def _finite(scores: Array) -> Array:
    """Return scores, all of which must be finite numbers."""
    if not np.isfinite(scores).all():
        raise UnfitError("There are scores that are no finite numbers.", for_now=True)
    return scores


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def _channels_first(x: Array) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1), np.float32)
