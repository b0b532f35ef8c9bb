"""Attention: what the tokens of a transformer take from each other, and how targets move with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotSupportedError
from picasso.core.preprocessing import Array

if TYPE_CHECKING:
    from picasso.core.facts import Layer

Grid = tuple[int, int]


@dataclass(frozen=True, eq=False)
class AttentionLayer:
    """One layer of attention.

    Args:
        name: The layer that the weights come from.
        weights: How much each query takes of each key, (n, heads, queries, keys); each query's sum to 1.
        gradients: The derivative of each target by each weight, (targets, n, heads, queries, keys).
    """

    name: str
    weights: Array
    gradients: Array


@dataclass(frozen=True, eq=False)
class Attention:
    """All layers of attention of a network, in the order of execution.

    Args:
        outputs: The network's outputs by name.
        layers: They have the same keys: the tokens.
        read: Which queries of the last layer the outputs depend on, (queries,): the class token's, or the patches'.
        grid: The (rows, columns) of the patches. They are the last tokens; class and register tokens come before them.
    """

    outputs: Mapping[str, Array]
    layers: tuple[AttentionLayer, ...]
    read: NDArray[np.bool_]
    grid: Grid

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return int(self.layers[0].weights.shape[-1])

    @property
    def extra(self) -> int:
        """Number of class and register tokens before the patches."""
        return self.tokens - self.grid[0] * self.grid[1]


def token_grid(layers: Sequence[Layer], found: Sequence[AttentionLayer]) -> Grid:
    """Return the grid of the patches that all layers of attention are over.

    Args:
        layers: The network's layers.
        found: Those of attention.

    Raises:
        NotSupportedError: They are over different tokens, or over something else than the picture's patches.
    """
    first = found[0]
    tokens = first.weights.shape[-1]
    for other in found:
        if other.weights.shape[-1] != tokens:
            raise NotSupportedError(
                f"The attention of '{first.name}' is over {tokens} tokens, that of '{other.name}' over "
                f"{other.weights.shape[-1]}: the network does not keep its tokens.",
                "Choose a method that does not follow tokens through the layers, such as Grad-CAM.",
            )
    grids = {layer.shape[0]: layer.grid for layer in layers if layer.grid is not None}
    grid = grids.get(tokens)
    if grid is None:
        raise NotSupportedError(
            f"The attention of '{first.name}' is over {tokens} positions, which are not the patches of the picture.",
            "Choose a method that does not look at attention, such as Grad-CAM.",
        )
    return grid
