"""Spectral clustering: groups of points that hang together, and how many of them there are.

References:
    Ng, Jordan and Weiss 2001, "On spectral clustering: analysis and an algorithm"; von Luxburg 2007, arXiv:0711.0189
    (the eigengap).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.spatial import distance

Numbers = NDArray[np.float64]
MOST_CLUSTERS = 8
"""The eigengap is looked for among so many; more groups of one class are nothing that a person would look through."""
APART = 0.003
"""An eigenvalue far below it belongs to a group of its own. Points along a line, as of an object that stands anywhere,
have small eigenvalues, too, but each is only a few times the one before; so the gap is looked for in their ratios."""
RESTARTS, STEPS = 10, 100
"""Of k-means."""


def spectral_clusters(points: Numbers, seed: int, count: int | None = None) -> NDArray[np.int64]:
    """Return the cluster of every point, numbered from 0, the largest first. Takes memory for n x n numbers.

    Args:
        points: (n, features).
        seed: Of k-means.
        count: How many clusters; by default as many as the eigengap says.
    """
    if len(points) < 3:
        return np.zeros(len(points), np.int64)
    values, vectors = spectrum(neighbor_graph(points))
    count = eigengap(values) if count is None else count
    found = k_means(_unit_rows(vectors[:, :count]), count, seed)
    sizes = np.bincount(found, minlength=count)
    rank = np.empty(count, np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(count)
    ordered: NDArray[np.int64] = rank[found]
    return ordered


def neighbor_graph(points: Numbers, neighbors: int | None = None) -> Numbers:
    """Link every point with its nearest ones, (n, n): 1 where each is among the other's, half where one of them is.

    Args:
        points: (n, features).
        neighbors: How many; by default twice the logarithm of n, with which a group hangs together.
    """
    many = len(points)
    reach = min(many - 1, neighbors or math.ceil(2 * math.log(many)))
    away = distance.cdist(points, points)
    np.fill_diagonal(away, np.inf)
    nearest = np.argsort(away, axis=1, kind="stable")[:, :reach]
    linked = np.zeros((many, many))
    np.put_along_axis(linked, nearest, 1.0, axis=1)
    return (linked + linked.T) / 2


def spectrum(affinity: Numbers, most: int = MOST_CLUSTERS + 1) -> tuple[Numbers, Numbers]:
    """Return the smallest eigenvalues of a graph's normalized Laplacian, rising, and their vectors (n, most).

    Args:
        affinity: (n, n), symmetric, every point linked with some other.
        most: How many.
    """
    root = np.sqrt(affinity.sum(axis=1))
    laplacian = np.eye(len(affinity)) - affinity / root[:, None] / root[None]
    last = min(most, len(affinity)) - 1
    values, vectors = linalg.eigh(laplacian, subset_by_index=(0, last))
    return np.maximum(values, 0), vectors


def eigengap(values: Numbers) -> int:
    """Return the number of clusters: how many eigenvalues lie before the largest gap, as a ratio.

    Args:
        values: The smallest eigenvalues, rising.
    """
    return int(((values[1:] + APART) / (values[:-1] + APART)).argmax()) + 1


def k_means(points: Numbers, count: int, seed: int) -> NDArray[np.int64]:
    """Return the cluster of every point: the best of several runs from centers that are drawn far apart.

    Args:
        points: (n, features).
        count: How many clusters, n at most.
        seed: Draws the centers.

    References:
        Arthur and Vassilvitskii 2007, "k-means++: the advantages of careful seeding".
    """
    random = np.random.default_rng(seed)
    best, cost = np.zeros(len(points), np.int64), np.inf
    for _ in range(RESTARTS):
        centers = points[[random.integers(len(points))]]
        while len(centers) < count:
            away = distance.cdist(points, centers, "sqeuclidean").min(axis=1)
            chance = away / away.sum() if away.sum() > 0 else None
            centers = np.concatenate([centers, points[[random.choice(len(points), p=chance)]]])
        for _ in range(STEPS):
            near = distance.cdist(points, centers, "sqeuclidean").argmin(axis=1)
            moved = np.stack(
                [points[near == c].mean(axis=0) if (near == c).any() else centers[c] for c in range(count)]
            )
            if np.allclose(moved, centers):
                break
            centers = moved
        away = distance.cdist(points, centers, "sqeuclidean")
        if away.min(axis=1).sum() < cost - 1e-12:
            best, cost = away.argmin(axis=1).astype(np.int64), float(away.min(axis=1).sum())
    return best


def _unit_rows(vectors: Numbers) -> Numbers:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
