"""What a network has learned, taken as a point: distances, directions and planes through it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.preprocessing import Array

Point = Mapping[str, Array]
"""Parameters by name, as `Model.parameters` gives them; or a direction of the same shapes."""


def layer_of(parameter: str) -> str:
    """Return the name of the layer whose parameter this is: "conv1.weight" -> "conv1", "dense/kernel" -> "dense"."""
    return parameter[: max(parameter.rfind("."), parameter.rfind("/"), 0)] or parameter


def layer_distances(point: Point, reference: Point) -> dict[str, float]:
    """Return how far each layer's parameters are from those of a reference, as a part of their own length there.

    Returns:
        The distance over the length of the reference, by the layer's name, in the network's order; NaN for a layer
        whose reference is all zero.
    """
    far: dict[str, float] = {}
    long: dict[str, float] = {}
    for name, value in reference.items():
        layer = layer_of(name)
        far[layer] = far.get(layer, 0.0) + float(np.sum((point[name].astype(np.float64) - value) ** 2))
        long[layer] = long.get(layer, 0.0) + float(np.sum(value.astype(np.float64) ** 2))
    return {layer: (far[layer] / long[layer]) ** 0.5 if long[layer] else float("nan") for layer in far}


def filter_normalized(
    point: Point, random: np.random.Generator, axes: Mapping[str, tuple[int, ...]]
) -> dict[str, Array]:
    """Draw a random direction in which each filter is as long as the network's own.

    Parameters of one dimension (biases, the scales and shifts of norms) do not move, as in the paper.

    Args:
        point: The network's parameters.
        random: Where the numbers come from, standard normal.
        axes: Along which axes of each weight its filters, or the rows of a matrix, are counted; `Model.filter_axes`.

    Returns:
        float32 by name, of the shapes of `point`.

    References:
        Li et al. 2018, arXiv:1712.09913, section 4.
    """
    direction: dict[str, Array] = {}
    for name, value in point.items():
        drawn = random.standard_normal(value.shape)
        if value.ndim < 2:
            direction[name] = np.zeros(value.shape, np.float32)
            continue
        counted = {axis % value.ndim for axis in axes[name]}
        others = tuple(place for place in range(value.ndim) if place not in counted)
        own = np.sqrt(np.sum(value.astype(np.float64) ** 2, axis=others, keepdims=True))
        length = np.sqrt(np.sum(drawn**2, axis=others, keepdims=True))
        direction[name] = (drawn * own / length).astype(np.float32)
    return direction


@dataclass(frozen=True, eq=False)
class Plane:
    """The plane in which a training moved most.

    Args:
        directions: Two directions of length 1, orthogonal to each other.
        places: Where each point of the training lies in it, relative to the last, float64 (n, 2).
        explained: Which part of all movement lies along each direction, 0..1.
    """

    directions: tuple[dict[str, Array], dict[str, Array]]
    places: NDArray[np.float64]
    explained: tuple[float, float]


def principal_plane(points: Iterable[Point]) -> Plane:
    """Return the plane of the first two principal components of a training, seen from its last point.

    The components are those of the matrix of differences from the last point, not centered, as in the paper: its end
    lies in the plane.

    Args:
        points: Parameters in the order of the training, at least 3; of each only one row is held, which matters for
            networks of many parameters.

    References:
        Li et al. 2018, arXiv:1712.09913, section 7.
    """
    steps: list[Array] = []
    for last in points:
        steps.append(np.concatenate([np.asarray(value, np.float32).ravel() for value in last.values()]))
    end = steps.pop()
    for step in steps:
        step -= end
    gram = np.array([[float(np.dot(a, b)) for b in steps] for a in steps])
    values, vectors = np.linalg.eigh(gram)
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    directions, places = [], np.zeros((len(steps) + 1, 2))
    for rank in (0, 1):
        length = float(np.sqrt(values[rank]))
        unit = np.zeros_like(steps[0])
        for weight, step in zip(vectors[:, rank], steps, strict=True):
            unit += np.float32(weight / length if length > 0 else 0.0) * step
        # The training comes from the right and from above: an eigenvector has no sign of its own.
        turned = -1.0 if float(steps[0] @ unit) < 0 else 1.0
        places[:-1, rank] = [turned * float(step @ unit) for step in steps]
        directions.append(_shaped(np.float32(turned) * unit, last))
    whole = float(values.sum()) or 1.0
    return Plane((directions[0], directions[1]), places, (float(values[0]) / whole, float(values[1]) / whole))


def moved_along(point: Point, directions: Sequence[Point], amounts: Sequence[float]) -> dict[str, Array]:
    """Return the parameters of a point moved by amounts along directions; those that stay are left out."""
    made: dict[str, Array] = {}
    for name, value in point.items():
        change = sum(amount * direction[name] for amount, direction in zip(amounts, directions, strict=True))
        if np.any(change):
            made[name] = (value + change).astype(np.float32)
    return made


def point_digest(point: Point) -> str:
    """Return the SHA-256 of parameters or of a direction."""
    digest = hashlib.sha256()
    for name, value in point.items():
        digest.update(f"{name}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _shaped(row: Array, like: Point) -> dict[str, Array]:
    """Return a row as parameters."""
    made, start = dict[str, Array](), 0
    for name, value in like.items():
        made[name] = row[start : start + value.size].reshape(value.shape).astype(np.float32)
        start += value.size
    return made
