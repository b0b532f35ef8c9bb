"""A network with one window of its input replaced at a time: of each map only what it reaches is computed again."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from picasso.core.facts import WORTHWHILE, Progress
from picasso.core.graph import NO_PADDING, Graph
from picasso.core.preprocessing import Array
from picasso.engine.fusing import Fused, fuse
from picasso.engine.kernels import LAST, tensor
from picasso.engine.plans import Chunk, Plan, Rectangles
from picasso.engine.regions import Starts
from picasso.engine.steps import SAME, Joined, Link, Step

AT_ONCE = 32
"""Windows that run together at most."""
_WHOLE_AT_ONCE = 8
"""Windows that run together where they reach nearly everything: few whole maps stay in the processor's cache."""
_NUMBERS = 2**27
"""Numbers of the largest value, of all windows that run together, at most."""
_THREADS = 8
"""Chunks that run at the same time at most: each needs its own memory."""
_HANDED_AT_MOST = 2**25
"""Numbers that may wait for all windows to have come so far; else a chunk is ended before the next begins."""

Read = Callable[[dict[str, Array]], Array]


class Engine:
    """Runs an op graph on a CPU: on whole pictures, and exactly on pictures with a window replaced.

    Args:
        graph: The network.
        half: Whether it computes in half precision, bfloat16.

    Attributes:
        multiply_adds: Multiplications by weights for one whole picture.
        sides: Height and width of the pictures.
    """

    def __init__(self, graph: Graph, half: bool = False) -> None:
        self._fused = fuse(graph, half)
        self._dtype = torch.bfloat16 if half else torch.float32
        self.sides = self._fused.shape[1:]
        self.multiply_adds = sum(step.multiply_adds for step in self._fused.steps)
        self._constants = {name: tensor(value)[None].to(self._dtype) for name, value in self._fused.constants.items()}
        self._body, self._tail = _divided(self._fused)
        self._shapes = {step.name: step.shape for step in self._fused.steps}
        self._handed = _read_by(self._tail, self._fused.outputs.values(), self._body)
        self._last_body = _last_readers(self._body, self._handed)
        self._last_all = _last_readers(self._fused.steps, set(self._fused.outputs.values()))

    def run(self, x: Array) -> dict[str, Array]:
        """Return the network's outputs by name, (n, ...), from x (n, channels, height, width)."""
        with torch.inference_mode():
            values = {self._fused.input: self._laid(x), **self._constants}
            self._run(self._fused.steps, values, self._last_all)
            return {name: _array(values[made]) for name, made in self._fused.outputs.items()}

    def plan(self, boxes: NDArray[np.int64], reach: float = 1.0) -> Plan:
        """Return how windows go through the network; boxes are (m, 4), top, left, height, width. See `Plan`."""
        largest = max(math.prod(step.shape) for step in self._fused.steps)
        at_once = min(AT_ONCE, max(1, _NUMBERS // largest))
        later = sum(step.multiply_adds for step in self._tail)
        plan = Plan(self._fused, self._body, boxes, at_once, later, reach)
        if self.gain(plan) < WORTHWHILE and at_once > _WHOLE_AT_ONCE:
            return Plan(self._fused, self._body, boxes, _WHOLE_AT_ONCE, later, reach)
        return plan

    def gain(self, plan: Plan) -> float:
        """Return by what factor a plan takes fewer multiplications than whole pictures."""
        return self.multiply_adds * sum(len(chunk.windows) for chunk in plan.chunks) / max(1, plan.multiply_adds)

    def base(self, x: Array) -> Base:
        """Run one picture (1, channels, height, width) and keep what its windows need."""
        with torch.inference_mode():
            values = {self._fused.input: self._laid(x), **self._constants}
            for step in self._fused.steps:
                values[step.name] = step.whole([values[name] for name in step.inputs])
            return Base(values, {name: _array(values[made]) for name, made in self._fused.outputs.items()})

    def occluded(
        self, base: Base, plan: Plan, boxes: NDArray[np.int64], contents: Array, read: Read, progress: Progress
    ) -> Array:
        """Return what is read of the network's outputs, (m, ...), each with one box of the picture replaced.

        Args:
            base: The picture.
            plan: How the boxes go through the network.
            boxes: (m, 4).
            contents: (channels, height, width), from which each box takes what lies there; or one for each, (m,
                channels, height, width).
            read: Gives what is returned of each picture from the outputs by name, (n, ...).
            progress: Called after each chunk with (done, m).
        """
        found: list[Array] = []
        parts: list[dict[str, Any]] = []
        done, total = 0, len(boxes)
        numbers = sum(math.prod(self._shapes[name]) for name in self._handed)
        whole = torch.from_numpy(np.ascontiguousarray(contents, np.float32)).to(self._dtype)
        # A generator that is closed, not just left, lets go of its threads at once.
        with closing(self._chunks(base, plan, boxes, whole)) as chunks:
            for chunk, values in chunks:
                if numbers * total > _HANDED_AT_MOST:
                    found.append(read(self._ended(base, values)))
                else:
                    # A view would keep all that it is a view of.
                    parts.append({name: values[name].clone() for name in self._handed})
                done += len(chunk.windows)
                progress(done, total)
            if parts:
                joined = {name: torch.cat([part[name] for part in parts]) for name in self._handed}
                found.append(read(self._ended(base, joined)))
        order = np.argsort(np.concatenate([chunk.windows for chunk in plan.chunks]), kind="stable")
        return np.concatenate(found)[order]

    def _chunks(
        self, base: Base, plan: Plan, boxes: NDArray[np.int64], contents: Any
    ) -> Generator[tuple[Chunk, dict[str, Any]]]:
        """Run the chunks, on each of PyTorch's threads another: that shares the work better than within a patch."""

        def run(chunk: Chunk) -> dict[str, Any]:
            with torch.inference_mode():
                return self._chunk(base, chunk, boxes, contents)

        usual = torch.get_num_threads()
        threads = min(usual, len(plan.chunks), _THREADS)
        if threads == 1:
            yield from ((chunk, run(chunk)) for chunk in plan.chunks)
            return
        pool, ready = ThreadPoolExecutor(threads), Barrier(threads + 1)

        def begin() -> None:
            torch.set_num_threads(1)
            ready.wait()

        try:
            for _ in range(threads):
                pool.submit(begin)
            ready.wait()
            # What a thread sets for itself becomes the default of all that begin later.
            torch.set_num_threads(usual)
            ahead = deque[tuple[Chunk, Future[dict[str, Any]]]]()
            for chunk in plan.chunks:
                ahead.append((chunk, pool.submit(run, chunk)))
                if len(ahead) > threads:
                    done, future = ahead.popleft()
                    yield done, future.result()
            yield from ((done, future.result()) for done, future in ahead)
        finally:
            ready.abort()  # where a thread could not begin, the others would wait for it
            pool.shutdown(cancel_futures=True)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _ended(self, base: Base, values: dict[str, Any]) -> dict[str, Array]:
        """Run the tail, and return the outputs by name."""
        values = {**self._constants, **values}
        count = max(len(value) for value in values.values())
        for step in self._tail:
            for name in step.inputs:
                # What the window does not reach is as it is in the picture.
                values.setdefault(name, base.values[name])
            values[step.name] = step.whole([values[name] for name in step.inputs])
        outputs = {name: values.get(made, base.values[made]) for name, made in self._fused.outputs.items()}
        return {name: _array(value.expand(count, *value.shape[1:])) for name, value in outputs.items()}

    def _laid(self, x: Array) -> Any:
        return torch.from_numpy(np.ascontiguousarray(x, np.float32)).to(self._dtype, memory_format=LAST)

    def _run(self, steps: Sequence[Step], values: dict[str, Any], last: Mapping[int, list[str]]) -> None:
        for place, step in enumerate(steps):
            values[step.name] = step.whole([values[name] for name in step.inputs])
            for name in last.get(place, ()):
                values.pop(name, None)

    def _chunk(self, base: Base, chunk: Chunk, boxes: NDArray[np.int64], contents: Any) -> dict[str, Any]:
        first = self._fused.input
        patches = {first: _replaced(base.values[first], chunk, boxes, contents, chunk.made[first])}
        values: dict[str, Any] = dict(self._constants)
        count = len(chunk.windows)
        for place, step in enumerate(self._body):
            there = chunk.made.get(step.name)
            if there is None:
                for name in step.inputs:
                    if name not in values:
                        patch = patches.get(name)
                        values[name] = (
                            base.values[name] if patch is None else base.filled(name, patch, chunk.made[name])
                        )
                made = step.whole([values[name] for name in step.inputs])
                values[step.name] = made if len(made) in (count, 1) else made.expand(count, *made.shape[1:])
            else:
                patches[step.name] = self._patch(base, chunk, step, there, patches, values)
            for name in self._last_body.get(place, ()):
                patches.pop(name, None)
                values.pop(name, None)
        for name in self._handed:
            if name in patches:
                values[name] = base.filled(name, patches[name], chunk.made[name])
            one = values[name] if name in values else base.values[name]
            values[name] = one if len(one) == count else one.expand(count, *one.shape[1:])
        return values

    def _patch(
        self, base: Base, chunk: Chunk, step: Step, there: Rectangles, patches: dict[str, Any], values: dict[str, Any]
    ) -> Any:
        assert step.links is not None
        if isinstance(step, Joined):
            return base.joined(step, patches, chunk.made)
        read, operands = there.places, []
        for number, (link, name) in enumerate(zip(step.links, step.inputs, strict=True)):
            if name not in patches:
                operands.append(values[name])
                continue
            wanted = chunk.read[step.name][number]
            if number == 0:
                read = wanted.places
            operands.append(base.around(name, patches[name], chunk.made[name], wanted, link))
        return step.patch(operands, read, there.places, there.sides)


class Base:
    """One picture's values, and patches put into them.

    Args:
        values: All values by name, (1, ...).
        outputs: The network's outputs.
    """

    def __init__(self, values: dict[str, Any], outputs: dict[str, Array]) -> None:
        self.values, self.outputs = values, outputs
        self._bordered: dict[tuple[str, tuple[int, ...], float], NDArray[Any]] = {}

    def filled(self, name: str, patch: Any, there: Rectangles) -> Any:
        """Return whole maps (n, channels, height, width) with the patches in their places."""
        whole = self.values[name]
        if there.sides == whole.shape[2:]:
            return patch
        out = torch.empty((len(patch), *whole.shape[1:]), dtype=whole.dtype, memory_format=LAST, device="cpu")
        out.copy_(whole)
        _paste(_view(out), _view(patch), there.top, there.left)
        return out

    def around(self, name: str, patch: Any, have: Rectangles, wanted: Rectangles, link: Link) -> Any:
        """Return other rectangles than those of the patches: around them lies the picture, beyond it the border."""
        down, across = have.top - wanted.top, have.left - wanted.left
        if have.sides == wanted.sides and not down.any() and not across.any():
            return patch
        top, left = link.padding[:2]
        bordered = self._with_border(name, link)
        out = _rectangles(bordered, wanted.sides)[wanted.top + top, wanted.left + left]
        _paste(out, _view(patch), down, across)
        return _tensor(out, patch.dtype)

    def joined(self, step: Joined, patches: Mapping[str, Any], made: Mapping[str, Rectangles]) -> Any:
        """Return the rectangles of joined maps: the picture's own, and in it what there is of each map."""
        there = made[step.name]
        out = _rectangles(self._with_border(step.name, SAME), there.sides)[there.top, there.left]
        for number, name in enumerate(step.inputs):
            if name in patches:
                part, have = _view(step.limited(number, patches[name])), made[name]
                _paste(out, part, have.top - there.top, have.left - there.left, step.channels[number])
        return _tensor(out, self.values[step.name].dtype)

    def _with_border(self, name: str, link: Link) -> NDArray[Any]:
        """Return the picture's map (height, width, channels) with a border, made once."""
        key = (name, link.padding, link.border)
        if key not in self._bordered:
            top, left, bottom, right = link.padding
            whole = self.values[name]
            if link.padding != NO_PADDING:
                whole = functional.pad(whole, (left, right, top, bottom), value=link.border)
            self._bordered[key] = _view(whole.contiguous(memory_format=LAST))[0]
        return self._bordered[key]


def _replaced(picture: Any, chunk: Chunk, boxes: NDArray[np.int64], contents: Any, there: Rectangles) -> Any:
    """Return the rectangles of the input with the boxes replaced."""
    out = torch.empty(
        (len(chunk.windows), picture.shape[1], *there.sides), dtype=picture.dtype, memory_format=LAST, device="cpu"
    )
    for row, window in enumerate(chunk.windows.tolist()):
        y, x = int(there.top[row]), int(there.left[row])
        top, left, height, width = (int(side) for side in boxes[window])
        out[row] = picture[0, :, y : y + there.height, x : x + there.width]
        source = contents[window] if contents.ndim == 4 else contents
        inside = source[:, top : top + height, left : left + width]
        out[row, :, top - y : top - y + height, left - x : left - x + width] = inside
    return out


def _divided(fused: Fused) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Divide steps into those that run for each chunk of windows, and those on vectors, which run once for all."""
    steps, made = fused.steps, {step.name: step for step in fused.steps}
    tail: set[str] = set()

    def has_places(name: str) -> bool:
        return name not in made or (len(made[name].shape) > 1 and math.prod(made[name].shape[1:]) > 1)

    # From the end: a step belongs to the tail if all that reads it does, and neither it nor its inputs have places.
    readers: dict[str, list[Step]] = {}
    for step in reversed(steps):
        if not has_places(step.name) and all(reader.name in tail for reader in readers.get(step.name, [])):
            inputs_small = all(name in fused.constants or not has_places(name) for name in step.inputs)
            if inputs_small:
                tail.add(step.name)
        for name in step.inputs:
            readers.setdefault(name, []).append(step)
    return (
        tuple(step for step in steps if step.name not in tail),
        tuple(step for step in steps if step.name in tail),
    )


def _read_by(tail: Sequence[Step], outputs: Any, body: Sequence[Step]) -> list[str]:
    """Return the values of the body that the tail or the outputs need."""
    made = {step.name for step in body}
    wanted = {name for step in tail for name in step.inputs} | set(outputs)
    return sorted(wanted & made)


def _last_readers(steps: Sequence[Step], kept: Any) -> dict[int, list[str]]:
    """Return for the place of each step the values that nothing reads after it."""
    last: dict[str, int] = {}
    for place, step in enumerate(steps):
        last[step.name] = place
        for name in step.inputs:
            last[name] = place
    found: dict[int, list[str]] = {}
    for name, place in last.items():
        if name not in kept:
            found.setdefault(place, []).append(name)
    return found


def _view(x: Any) -> NDArray[Any]:
    """Return a tensor (n, channels, height, width) as an array (n, height, width, channels) of the same memory.

    NumPy knows no bfloat16; to be moved about it may as well be whole numbers.
    """
    last = x.permute(0, 2, 3, 1)
    return (last if x.dtype == torch.float32 else last.view(torch.int16)).numpy()  # type: ignore[no-any-return]


def _tensor(x: NDArray[Any], dtype: Any) -> Any:
    """Return an array (n, height, width, channels) as a tensor (n, channels, height, width) of the same memory."""
    return torch.from_numpy(x).view(dtype).permute(0, 3, 1, 2)


def _rectangles(x: NDArray[Any], sides: tuple[int, int], channels: slice = slice(None)) -> NDArray[Any]:
    """Return a view of all rectangles of some size in maps: to take some of them copies rows, not single places.

    Args:
        x: (..., height, width, channels), without gaps.
        sides: Height and width of the rectangles.
        channels: Which of them.

    Returns:
        (..., tops, lefts, rectangle height, rectangle width, channels).
    """
    *outer, height, width, count = x.shape
    *strides, down, across, one = x.strides
    first, last, _ = channels.indices(count)
    shape = (*outer, height - sides[0] + 1, width - sides[1] + 1, *sides, last - first)
    return np.ndarray(shape, x.dtype, x, first * one, (*strides, down, across, down, across, one))


def _paste(
    maps: NDArray[Any], parts: NDArray[Any], down: Starts, across: Starts, channels: slice = slice(None)
) -> None:
    """Put a rectangle into some channels of each map.

    Args:
        maps: (n, height, width, channels), without gaps.
        parts: (n, rectangle height, rectangle width, some channels); they may reach beyond the maps, or lie beside.
        down, across: Where they begin, (n,).
        channels: Which of the maps' channels.
    """
    height, width = parts.shape[1:3]
    below, beside = maps.shape[1] - height, maps.shape[2] - width
    if down.min() >= 0 and across.min() >= 0 and down.max() <= below and across.max() <= beside:
        _rectangles(maps, (height, width), channels)[np.arange(len(maps)), down, across] = parts
        return
    for window, (y, x) in enumerate(zip(down.tolist(), across.tolist(), strict=True)):
        a, b, c, d = max(y, 0), max(x, 0), min(y + height, maps.shape[1]), min(x + width, maps.shape[2])
        if a < c and b < d:
            maps[window, a:c, b:d, channels] = parts[window, a - y : c - y, b - x : d - x]


def _array(x: Any) -> Array:
    return x.float().contiguous().numpy()  # type: ignore[no-any-return]
