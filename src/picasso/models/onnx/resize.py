"""ONNX's Resize in all its modes, and sampling on a grid.

Along each axis every new number is a weighted sum of a few old ones, so that one differentiable path serves all modes.
Imports PyTorch, so it is imported itself only where a graph is opened.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from picasso.models.onnx.operators import Call, Operator, make_room, reading

Floats = NDArray[np.float64]


def _places(mode: str, scale: float, old: int, new: int, part: tuple[float, float]) -> Floats:
    """Return where each new number lies among the old ones."""
    i = np.arange(new, dtype=np.float64)
    if mode == "asymmetric":
        return i / scale
    if mode == "align_corners":
        return i * ((old - 1) / (new - 1)) if new > 1 else np.zeros(1)
    if mode == "tf_half_pixel_for_nn":
        return (i + 0.5) / scale
    if mode == "tf_crop_and_resize":
        start, end = part
        if new == 1:
            return np.array([0.5 * (start + end) * (old - 1)])
        return start * (old - 1) + i * (end - start) * (old - 1) / (new - 1)
    if mode == "half_pixel_symmetric":
        return old / 2 * (1 - new / (scale * old)) + (i + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel" and new == 1:
        return np.zeros(1)
    return (i + 0.5) / scale - 0.5


def _triangle(distance: Floats) -> Floats:
    return np.asarray(np.maximum(1 - np.abs(distance), 0))


def _cubic(a: float) -> Callable[[Floats], Floats]:
    def weigh(distance: Floats) -> Floats:
        d = np.abs(distance)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.where(d <= 1, near, np.where(d < 2, far, 0))

    return weigh


def _rounded(places: Floats, how: str, scale: float) -> Floats:
    if how == "simple":  # as before version 11
        return np.ceil(places) if scale < 1 else np.floor(places)
    if how in ("floor", "ceil"):
        return np.floor(places) if how == "floor" else np.ceil(places)
    return np.floor(places + 0.5) if how == "round_prefer_ceil" else np.ceil(places - 0.5)


def _taps(places: Floats, mode: str, scale: float, old: int, call: Call, nearest: str) -> tuple[NDArray[Any], Floats]:
    """Return which old numbers each new one is made of, (taps, new), and their weights."""
    if mode == "nearest":
        return np.clip(_rounded(places, nearest, scale), 0, old - 1).astype(np.int64)[None], np.ones((1, len(places)))
    weigh, radius = (_triangle, 1) if mode == "linear" else (_cubic(call.get("cubic_coeff_a", -0.75)), 2)
    shrink = min(scale, 1.0) if call.get("antialias", 0) else 1.0
    reach = math.ceil(radius / shrink)
    index = np.floor(places)[None] + np.arange(1 - reach, reach + 1)[:, None]
    weights = weigh((index - places[None]) * shrink)
    excluding = call.get("exclude_outside", 0) and (mode == "cubic" or call.get("antialias", 0))
    if excluding:
        weights = np.where((index >= 0) & (index < old), weights, 0)
    if excluding or call.get("antialias", 0):
        weights = weights / weights.sum(axis=0)
    return np.clip(index, 0, old - 1).astype(np.int64), weights


def _resize_axis(x: Any, axis: int, index: NDArray[Any], weights: Floats) -> Any:
    shape = [1] * x.ndim
    shape[axis] = -1
    total = None
    for row, weight in zip(index, weights, strict=True):
        if not weight.any():
            continue
        part = x.index_select(axis, torch.from_numpy(row).to(x.device))
        if (weight != 1).any():
            part = part * torch.from_numpy(weight).to(x.device, x.dtype).reshape(shape)
        total = part if total is None else total + part
    return total


@dataclass(frozen=True)
class Resized:
    """What happens along one axis.

    Args:
        axis: The axis.
        index, weights: Which old numbers each new one is made of, (taps, new), and how much of each.
        outside: Which new numbers lie beyond the old ones and get a value of their own, (new,); or None.
    """

    axis: int
    index: NDArray[Any]
    weights: Floats
    outside: NDArray[Any] | None = None


Numbers = Sequence[float] | None


def _resized_axes(
    call: Call, shape: Sequence[int], roi: Numbers, scales: Numbers, sizes: Numbers, coordinates: str, nearest: str
) -> list[Resized]:
    """Return what happens along each axis that changes."""
    axes = [axis % len(shape) for axis in call.get("axes") or range(len(shape))]
    mode = call.get("mode", "nearest")
    old = [shape[axis] for axis in axes]
    if sizes:
        factors = [size / length for size, length in zip(sizes, old, strict=True)]
        policy = call.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            factors = [min(factors) if policy == "not_larger" else max(factors)] * len(old)
            sizes = [math.floor(factor * length + 0.5) for factor, length in zip(factors, old, strict=True)]
    else:
        factors = list(scales or ())
        sizes = [
            math.floor(np.float32(factor) * np.float32(length)) for factor, length in zip(factors, old, strict=True)
        ]
    new = [int(size) for size in sizes]
    make_room(new)
    found = []
    for place, axis in enumerate(axes):
        part = (roi[place], roi[place + len(axes)]) if roi else (0.0, 1.0)
        crop = coordinates == "tf_crop_and_resize"
        if new[place] == old[place] and factors[place] == 1 and not (crop and part != (0, 1)):
            continue
        places = _places(coordinates, factors[place], old[place], new[place], part)
        outside = (places < 0) | (places > old[place] - 1) if crop else None
        found.append(Resized(axis, *_taps(places, mode, factors[place], old[place], call, nearest), outside))
    return found


def resize_of(kind: str, call: Call, shape: Sequence[int], rest: Sequence[Numbers]) -> list[Resized]:
    """Return what a node does along each axis that changes.

    Args:
        kind: Resize or Upsample.
        call: The node's attributes.
        shape: Of its first input.
        rest: Its other inputs.
    """
    if kind == "Upsample" or call.opset < 11:  # (x, scales)
        scales = rest[0] if rest and rest[0] else call.get("scales")
        return _resized_axes(call, shape, None, scales, None, "asymmetric", "simple")
    roi, scales, sizes = [*rest, None, None, None][:3]
    coordinates = call.get("coordinate_transformation_mode", "half_pixel")
    nearest = call.get("nearest_mode", "round_prefer_floor")
    return _resized_axes(call, shape, roi, scales, sizes, coordinates, nearest)


def _run(kind: str, call: Call, x: Any, rest: Sequence[Numbers]) -> Any:
    changes = resize_of(kind, call, x.shape, rest)
    for change in changes:
        x = _resize_axis(x, change.axis, change.index, change.weights)
    for change in changes:
        if change.outside is not None:
            shape = [1] * x.ndim
            shape[change.axis] = -1
            beyond = torch.from_numpy(change.outside).to(x.device).reshape(shape)
            x = torch.where(beyond, call.get("extrapolation_value", 0.0), x)
    return x


@reading(1, 2, 3)
def _resize(call: Call, x: Any, *rest: Any) -> Any:
    return _run("Resize", call, x, rest)


@reading(1)
def _upsample(call: Call, x: Any, scales: Any = None) -> Any:
    return _run("Upsample", call, x, (scales,))


def _grid_sample(call: Call, x: Any, grid: Any) -> Any:
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(call.get("mode", "linear"), call.get("mode", "linear"))
    padding, corners = call.get("padding_mode", "zeros"), bool(call.get("align_corners", 0))
    return F.grid_sample(x, grid, mode, padding, corners)


OPERATORS: dict[str, Operator] = {
    "Resize": _resize,
    "Upsample": _upsample,
    "GridSample": Operator(_grid_sample),
}
"""Every operator of this file by its name in the format."""
