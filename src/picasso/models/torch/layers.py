"""The layers of a PyTorch network: what they return, how it lies, and taps on it while the network runs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from picasso.core.facts import Layer
from picasso.core.preprocessing import Array
from picasso.models.torch import axes as torch_axes
from picasso.models.torch.axes import NOWHERE, Axes

Path = tuple[Any, ...]
"""Keys and places that lead to a tensor in what a module returned; () where that is the tensor itself."""
_CLOSE = 0.03
_MOST_STRETCHED = 4.0


@dataclass(frozen=True)
class Layout:
    """How a layer's tensor lies, and how to lay it as Picasso's contract asks: pictures first, channels last.

    Args:
        path: Where the tensor is in what the module returned.
        batch: The axis of the pictures.
        folds: How many rows for each picture lie on that axis: 1, or the number of windows.
        interleaved: Where there are several, whether the pictures alternate on it.
        channels: The axis of the channels, or None to leave the others in their order.
    """

    path: Path = ()
    batch: int = 0
    folds: int = 1
    interleaved: bool = False
    channels: int | None = None

    def arrange(self, tensor: Any) -> Any:
        """Return the tensor as (n, ..., channels)."""
        channels = self.channels
        if self.batch:
            tensor = tensor.movedim(self.batch, 0)
            channels = None if channels is None else channels + (channels < self.batch)
        if self.folds != 1:
            count = tensor.shape[0] // self.folds
            inner = tensor.shape[1:]
            folded = (self.folds, count) if self.interleaved else (count, self.folds)
            tensor = tensor.reshape(*folded, *inner)
            tensor = tensor.transpose(0, 1) if self.interleaved else tensor
            channels = None if channels is None else channels + 1
        return tensor if channels is None else tensor.movedim(channels, -1)

    def restore(self, arranged: Any, like: Any) -> Any:
        """Return the tensor that `arrange` lays as (n, ..., channels), in the shape of one of the same layer."""
        import torch

        places = self.arrange(torch.arange(like.numel(), device=like.device).reshape(like.shape))
        tensor = torch.empty(like.numel(), dtype=like.dtype, device=like.device)
        tensor[places.reshape(-1)] = arranged.to(like.device, like.dtype).reshape(-1)
        return tensor.reshape(like.shape)


@dataclass(frozen=True)
class _Seen:
    """One tensor that a layer returned, as one run showed it.

    Args:
        shape: Its shape.
        axis: Its channel axis, `NOWHERE`, or None.
        rows: For each of the first two axes the mean of each row along it, to find the pictures.
        size: The mean size of its numbers.
    """

    path: Path
    kind: str
    shape: tuple[int, ...]
    axis: int | None
    rows: tuple[Array, ...]
    size: float


Run = Callable[[int, Axes], None]
"""Runs the network on that many pictures of the probe, and first notes how its input lies."""


def find_layers(
    module: Any, input_shape: tuple[int, ...], fixed: int | None, run: Run
) -> dict[str, tuple[Layer, Layout]]:
    """Trace a network and return its layers in the order of execution, with how their tensors lie.

    Two runs, with one picture and with two, tell the axis of the pictures from all others. What does not depend on
    the picture, as a table of positions, is no layer of the picture.

    Args:
        module: The network.
        input_shape: (height, width, channels), of clips (frames, height, width, channels).
        fixed: The only number of pictures that it takes, or None.
        run: Runs it.
    """
    one = _trace(module, fixed or 1, run)
    two = _trace(module, 2, run) if fixed is None else {}
    found: dict[str, tuple[Layer, Layout]] = {}
    maps: set[tuple[int, ...]] = set()
    for name, seen in one.items():
        for tensor in seen:
            if fixed is None:
                other = next((t for t in two.get(name, ()) if t.path == tensor.path), None)
                layout = None if other is None else _by_comparison(tensor, other)
            else:
                layout = _by_count(tensor, fixed)
            if layout is not None:
                found[name] = _placed(name, tensor, layout, input_shape, maps)
                break
    return found


@contextmanager
def taps(module: Any, wanted: Mapping[str, Layout], seen: dict[str, Any]) -> Iterator[None]:
    """Note the tensors of layers while the network runs.

    A noted tensor starts a graph of its own where nothing before it needs a gradient, so that backward stops there;
    the network goes on with a copy, so that an in-place ReLU behind the layer does not overwrite what is noted. Without
    gradients the copy is what is noted: the network's answer stays the very tensor by which its head is known.

    Args:
        module: The network.
        wanted: How the tensors lie, by the layer's name: "name:2" for a second run.
        seen: Gets the tensors by name.
    """
    import torch

    def tap(part: Any, key: str, output: Any) -> Any:
        if key not in wanted:
            return None
        tensor = _at(output, wanted[key].path)
        if not torch.is_grad_enabled():
            seen[key] = tensor.clone()
            return None
        if not tensor.requires_grad:
            tensor = tensor.detach().requires_grad_()
        seen[key] = tensor
        return _put(output, wanted[key].path, tensor.clone())

    names = {name.partition(":")[0] for name in wanted}
    with _hooks(module, names, tap):
        yield


@contextmanager
def replacing(module: Any, layer: str, layout: Layout, values: Any) -> Iterator[list[str]]:
    """Let a layer return other values, (n, ..., channels), while the network runs.

    Yields:
        The layer's name once it was replaced.
    """
    done: list[str] = []

    def tap(part: Any, key: str, output: Any) -> Any:
        if key != layer:
            return None
        done.append(key)
        return _put(output, layout.path, layout.restore(values, _at(output, layout.path)))

    with _hooks(module, {layer.partition(":")[0]}, tap):
        yield done


@contextmanager
def _hooks(module: Any, names: Collection[str] | None, tap: Callable[..., Any]) -> Iterator[None]:
    """Call tap(part, key, output) after each module of these names, or each at all, with the key of this run of it."""
    runs: dict[str, int] = {}

    def hook(name: str, part: Any, args: Any, named: Any, output: Any) -> Any:
        runs[name] = runs.get(name, 0) + 1
        return tap(part, name if runs[name] == 1 else f"{name}:{runs[name]}", output)

    handles = []
    try:
        for name, part in _open_parts(module, names):
            handles.append(part.register_forward_hook(partial(hook, name), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _open_parts(module: Any, names: Collection[str] | None = None) -> Iterator[tuple[str, Any]]:
    """Yield the parts of a network that take hooks, or those of these names: all but those in TorchScript."""
    import torch

    parts = module.named_modules() if names is None else ((name, module.get_submodule(name)) for name in names)
    for name, part in parts:
        if name and not isinstance(part, torch.jit.ScriptModule):
            yield name, part


def _trace(module: Any, count: int, run: Run) -> dict[str, list[_Seen]]:
    axes = Axes()
    seen: dict[str, list[_Seen]] = {}
    entered: dict[int, list[Any]] = {}

    def before(part: Any, args: Any, named: Any) -> None:
        entered[id(part)] = list(torch_axes.tensors_in([*args, *named.values()]))

    def tap(part: Any, key: str, output: Any) -> None:
        given = entered.pop(id(part), [])
        found = [_noted(path, part, tensor, given, axes) for path, tensor in _tensors(output)]
        if found:
            seen[key] = found

    handles = [part.register_forward_pre_hook(before, with_kwargs=True) for _, part in _open_parts(module)]
    try:
        with _hooks(module, None, tap), torch_axes.following(axes):
            run(count, axes)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _noted(path: Path, part: Any, tensor: Any, given: Sequence[Any], axes: Axes) -> _Seen:
    axis = axes[tensor]
    if axis is None or axis == NOWHERE:
        # Blocks mostly return what lies as what they were given.
        same = [axes[one] for one in given if one.shape == tensor.shape and axes[one] not in (None, NOWHERE)]
        if same and same[0] is not None:
            axis = axes[tensor] = same[0]
    kind = getattr(part, "kind", type(part).__name__)
    wide = tensor.detach().float()
    rows = tuple(wide.mean([other for other in range(tensor.ndim) if other != axis]).cpu().numpy() for axis in (0, 1))
    return _Seen(path, kind, tuple(tensor.shape), axis, rows, float(wide.abs().mean()))


def _tensors(output: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the tensors of numbers in what a module returned, with where they are."""
    import torch

    if torch.is_tensor(output):
        if output.is_floating_point() and output.ndim >= 2 and output.numel() and not output.is_quantized:
            yield path, output
    elif isinstance(output, Mapping):
        for key in list(output):
            yield from _tensors(output[key], (*path, key))
    elif isinstance(output, list | tuple):
        for place, part in enumerate(output):
            yield from _tensors(part, (*path, place))


def _at(output: Any, path: Path) -> Any:
    for key in path:
        output = output[key]
    return output


def _put(output: Any, path: Path, tensor: Any) -> Any:
    """Return what a module returned with another tensor in one place, and all else as it was."""
    if not path:
        return tensor
    key, inner = path[0], _put(output[path[0]], path[1:], tensor)
    if isinstance(output, tuple):
        parts = [*output[:key], inner, *output[key + 1 :]]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    changed = copy.copy(output)
    changed[key] = inner
    return changed


def _by_comparison(one: _Seen, two: _Seen) -> Layout | None:
    """Find the axis of the pictures from a run with one picture and a run with two."""
    if len(one.shape) != len(two.shape):
        return None
    grown = [axis for axis in range(len(one.shape)) if one.shape[axis] != two.shape[axis]]
    if len(grown) != 1 or grown[0] > 1 or two.shape[grown[0]] != 2 * one.shape[grown[0]]:
        return None
    axis, folds = grown[0], one.shape[grown[0]]
    first, both = one.rows[axis], two.rows[axis]
    for interleaved, part in ((False, both[:folds]), (True, both[::2])):
        if np.allclose(part, first, rtol=0, atol=_CLOSE * max(one.size, two.size) + 1e-12, equal_nan=True):
            return Layout(one.path, axis, folds, interleaved)
    return None


def _by_count(seen: _Seen, fixed: int) -> Layout | None:
    """Guess the axis of the pictures of a network that takes one number of them only."""
    if seen.shape[0] == fixed:
        return Layout(seen.path)
    if len(seen.shape) >= 3 and seen.shape[1] == fixed:
        return Layout(seen.path, 1)
    return Layout(seen.path, 0, seen.shape[0] // fixed) if seen.shape[0] % fixed == 0 else None


def _placed(
    name: str,
    seen: _Seen,
    layout: Layout,
    input_shape: tuple[int, ...],
    maps: set[tuple[int, ...]],
) -> tuple[Layer, Layout]:
    """Complete a layout with its channels, and say what the layer is."""
    axis, positions, dimensions = seen.axis, None, len(seen.shape)
    if len(input_shape) == 4 and _has_frames(seen, layout, input_shape):
        positions = True
    elif layout.folds != 1 or axis == NOWHERE or dimensions > 4:
        positions = False
    elif dimensions == 4 and layout.batch == 0:
        axis = _likely(seen.shape, input_shape, maps) if axis is None else axis
        sides = tuple(side for place, side in enumerate(seen.shape[1:], 1) if place != axis)
        positions = axis is not None and _is_picture(sides, input_shape)
        if positions:
            maps.add(sides)
    elif dimensions == 4:
        positions = False
    known = axis is not None and axis not in (NOWHERE, layout.batch)
    layout = replace(layout, channels=axis if known else None)
    shape = tuple(side for place, side in enumerate(seen.shape) if place != layout.batch)
    if known and axis is not None:
        rest = [side for place, side in enumerate(seen.shape) if place not in (layout.batch, axis)]
        shape = (*rest, seen.shape[axis])
    shape = shape if layout.folds == 1 else (layout.folds, *shape)
    return Layer(name, seen.kind, shape, positions=positions), layout


def _has_frames(seen: _Seen, layout: Layout, input_shape: tuple[int, ...]) -> bool:
    """Say whether a layer of a network of clips has a map for each frame.

    Its tensor has an axis of frames before those of the map, or has the frames of all clips on the axis of the clips.
    """
    if seen.axis in (None, NOWHERE, layout.batch) or layout.batch != 0:
        return False
    sides = tuple(side for place, side in enumerate(seen.shape) if place not in (0, seen.axis))
    frames = sides[:-2] if layout.folds == 1 else (layout.folds, *sides[:-2])
    return len(frames) == 1 and len(sides) >= 2 and _is_picture(sides[-2:], input_shape)


def _likely(shape: tuple[int, ...], input_shape: tuple[int, ...], maps: set[tuple[int, ...]]) -> int | None:
    """Guess the channels of a map that no known operation made: the other sides are those of a map, or of the input."""
    ends = {1: (shape[2], shape[3]), 3: (shape[1], shape[2])}
    fitting = [axis for axis, sides in ends.items() if sides in maps]
    if not fitting:
        height, width = input_shape[-3:-1]
        fitting = [axis for axis, (rows, columns) in ends.items() if rows * width == columns * height]
    return fitting[0] if fitting else None


def _is_picture(sides: tuple[int, ...], input_shape: tuple[int, ...]) -> bool:
    """Say whether a map has about the proportions of the input: windows by their positions have not."""
    height, width = input_shape[-3:-1]
    stretched = sides[0] * width / (sides[1] * height)
    return 1 / _MOST_STRETCHED <= stretched <= _MOST_STRETCHED
