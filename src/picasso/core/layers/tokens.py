"""Where the tokens of a transformer lie in the picture, and which layer still tells the answer something about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from picasso.core.preprocessing import Array
from picasso.core.targets import Target

if TYPE_CHECKING:
    from picasso.core.facts import Layer
    from picasso.core.model import Model

Grid = tuple[int, int]
MOST_EXTRA = 16
"""Class, distillation and register tokens before the patches, where the patches' own grid was seen to run."""
USUAL_EXTRA = (0, 1, 2, 5)
"""The same where only the number of tokens is known: none, class, class and distillation, class and four registers."""
TRACED = 60
"""Layers from the end that are looked at for the default layer."""


def with_grids(layers: Sequence[Layer], input_shape: tuple[int, int, int]) -> tuple[Layer, ...]:
    """Return layers whose tokens know their grid, and in which what attention weighs is no map of the picture.

    A layer (tokens, channels) belongs to the last map before it that has as many positions, a few extra tokens aside:
    the embedding of the patches. Where none has, as behind the merging of patches, to a grid of half the sides; where
    there is no map at all, to one of the input's proportions.

    Args:
        layers: In the order of execution.
        input_shape: (height, width, channels) of the input.
    """
    maps: list[Grid] = []
    tokens: set[int] = set()
    found = []
    for layer in layers:
        if layer.positions is None and _weighs(layer, tokens):
            layer = replace(layer, positions=False)
        if layer.positions is not False:
            if len(layer.shape) == 3:
                maps.append((layer.shape[0], layer.shape[1]))
            if len(layer.shape) == 2 and layer.shape[0] > 1:
                grid = layer.grid or _grid(layer.shape[0], maps, input_shape)
                layer = replace(layer, grid=grid)
                if grid is not None:
                    tokens.add(layer.shape[0])
                    maps.append(grid)
        found.append(layer)
    return tuple(found)


def _weighs(layer: Layer, tokens: Collection[int]) -> bool:
    """Say whether a layer holds what attention weighs: tokens by tokens for each head, in whatever order."""
    if len(layer.shape) != 3 or "conv" in layer.kind.lower():
        return False
    return any(layer.shape.count(count) >= 2 for count in tokens)


def _grid(tokens: int, maps: Sequence[Grid], input_shape: tuple[int, int, int]) -> Grid | None:
    fitting = [grid for grid in reversed(maps) if 0 <= tokens - grid[0] * grid[1] <= MOST_EXTRA and min(grid) > 1]
    if fitting:
        return min(fitting, key=lambda grid: tokens - grid[0] * grid[1])
    for rows, columns in reversed(maps):
        half = -(-rows // 2), -(-columns // 2)
        if half[0] * half[1] == tokens and min(half) > 1:
            return half
    if maps:  # the queries of a detector may be as many as a square, and lie nowhere
        return None
    height, width, _ = input_shape
    for extra in USUAL_EXTRA:
        rows = round(((tokens - extra) * height / width) ** 0.5) if tokens > extra else 0
        columns = (tokens - extra) // rows if rows else 0
        if rows > 1 and rows * columns == tokens - extra and rows * width == columns * height:
            return rows, columns
    return None


@dataclass(frozen=True)
class _Everything(Target):
    """A fixed random weighing of every number of every output: no gradient of it cancels by chance."""

    index: int = 0
    label: str = "everything"
    terms: tuple[tuple[int, float], ...] = ()

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        random = np.random.default_rng(0)
        return {name: random.normal(size=values.shape).astype(np.float32) for name, values in outputs.items()}


def last_heard(model: Model, spatial: Sequence[Layer]) -> Layer | None:
    """Return the last layer with space whose positions the answer depends on.

    The class token alone leaves a vision transformer, so the last layers have a place for each patch, and no gradient
    there. Where the last layer that is heard is a projection, as queries, keys and values are, what it projects is
    taken: the last normalization before it on the same grid, where one is near.

    Args:
        model: Which gives gradients; else the last layer is returned.
        spatial: Its layers with space, in the order of execution.
    """
    candidates = list(spatial[-TRACED:])
    if not candidates or "gradients" not in model.capabilities:
        return candidates[-1] if candidates else None
    x = np.random.default_rng(0).normal(size=(1, *model.x_shape)).astype(np.float32)
    names = [layer.name for layer in candidates]
    pulled = model.pullback(x, [_Everything()], names)
    gradients = pulled.gradients
    heard = [layer for layer in candidates if _heard(gradients[layer.name][0, 0], layer.grid)]
    if not heard:
        return candidates[-1]
    # A wrapper that returns what a layer inside it returned is that layer.
    returned = pulled.values[heard[-1].name]
    last = next(layer for layer in heard if np.array_equal(pulled.values[layer.name], returned))
    whole = last.kind == "add" or any(layer.name.startswith(f"{last.name}.") for layer in heard)
    before = heard[: heard.index(last) + 1]
    near = [layer for layer in before[-12:] if "norm" in layer.kind.lower() and _sides(layer) == _sides(last)]
    return near[-1] if near and last.grid and not whole else last


def _sides(layer: Layer) -> Grid:
    return layer.grid or (layer.shape[0], layer.shape[1])


def _heard(gradient: Array, grid: Grid | None) -> bool:
    """Say whether a gradient, (tokens, channels) or (h, w, channels), reaches more than half of the positions."""
    cells = gradient[len(gradient) - grid[0] * grid[1] :] if grid else gradient.reshape(-1, gradient.shape[-1])
    return float(np.abs(cells).max(axis=1).astype(bool).mean()) > 0.5
