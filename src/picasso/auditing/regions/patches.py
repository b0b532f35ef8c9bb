"""A picture as a few hundred patches of one color each, and how far each stands out from the picture's edge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.regions.frame import frame_of
from picasso.core.interventions.intervention import Pixels

if TYPE_CHECKING:
    from scipy import sparse

Floats = NDArray[np.float32]

COUNT = 300
"""About how many patches a picture has: small enough that a patch rarely lies in two things at once."""
_SLACK = 3.0
"""Differences of neighbors below this many units of CIELAB are shading, not an edge."""
_STANDS_OUT = 10.0
"""At this distance from the ground, units of CIELAB added up along the way, a patch is as much figure as ground; in a
picture whose figure stands out strongly, at half of its distance."""
_CORNER = 0.1
"""What lies at an edge within this share of a side from a corner is ground."""
_COLOR = 9.0
_TEXTURE = 0.5
_FIGURE = 0.25
"""Patches that differ by this much, units of CIELAB, logarithm of the texture and figure, are e^-0.5 alike."""


@dataclass(frozen=True, eq=False)
class Patches:
    """A picture in patches.

    Args:
        labels: The patch of each pixel, from 0, int64 (h, w); -1 on the picture's border.
        color: Median CIELAB color of each patch, (n, 3).
        texture: How much the lightness varies within each patch, logarithm of (1 + units of CIELAB), (n,).
        place: Centers, (n, 2): row and column as shares of height and width.
        share: Shares of the picture's area, (n,).
        pairs: Patches that touch, (m, 2).
        figure: How far each is the thing in front, (n,), 0 to 1: as it is cut, how far it stands out from what lies
            near the picture's corners.
    """

    labels: NDArray[np.int64]
    color: Floats
    texture: Floats
    place: Floats
    share: Floats
    pairs: NDArray[np.int64]
    figure: Floats

    def __len__(self) -> int:
        return len(self.share)

    @cached_property
    def edge(self) -> NDArray[np.int64]:
        """The patches at the edge of what lies inside the border, sorted."""
        inside = self.labels[np.ix_((self.labels >= 0).any(axis=1), (self.labels >= 0).any(axis=0))]
        return np.unique(np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]]))

    @cached_property
    def distance(self) -> Floats:
        """How far patches differ in color, texture and standing out, (n, n)."""
        look = np.column_stack([self.color / _COLOR, self.texture / _TEXTURE, self.figure / _FIGURE])
        square = (look**2).sum(axis=1)
        distance: Floats = np.sqrt(np.maximum(square[:, None] + square - 2 * look @ look.T, 0))
        return distance

    @cached_property
    def alike(self) -> Floats:
        """How far patches are one stuff, 0 to 1, times the share of the column's patch, (n, n)."""
        alike: Floats = np.exp(-0.5 * self.distance**2) * self.share
        return alike

    @cached_property
    def near(self) -> sparse.csr_array:
        """Rows that average over the patches that touch a patch, (n, n)."""
        from scipy import sparse

        first, second = np.concatenate([self.pairs, self.pairs[:, ::-1]]).T
        degree = np.maximum(np.bincount(first, minlength=len(self)), 1)
        weights = (1 / degree[first]).astype(np.float32)
        return sparse.csr_array((weights, (first, second)), shape=(len(self), len(self)))


def cut(view: Pixels) -> Patches:
    """Cut a picture into patches; a border of one color belongs to none.

    Args:
        view: uint8 (h, w, 3).
    """
    from skimage import color, segmentation

    height, width = view.shape[:2]
    frame = frame_of(view)
    inside = frame.inside(view)
    lab = np.asarray(color.rgb2lab(inside), np.float32)
    count = min(COUNT, max(1, inside.shape[0] * inside.shape[1] // 16))
    found = segmentation.slic(inside, n_segments=count, compactness=8, sigma=0.6, start_label=0, channel_axis=-1)
    inner = np.unique(found, return_inverse=True)[1].reshape(inside.shape[:2]).astype(np.int64)
    rows, columns = np.mgrid[: inside.shape[0], : inside.shape[1]]
    place = (rows + frame.top + 0.5) / height, (columns + frame.left + 0.5) / width
    means = _means(inner, np.dstack([lab[..., 0], lab[..., 0] ** 2, *place]))
    colors = _medians(inner, lab)
    labels = np.full((height, width), -1, np.int64)
    frame.inside(labels)[...] = inner
    pairs = _touching(inner)
    return Patches(
        labels,
        colors,
        np.log1p(np.sqrt(np.maximum(means[:, 1] - means[:, 0] ** 2, 0))),
        means[:, 2:],
        (np.bincount(inner.ravel()) / labels.size).astype(np.float32),
        pairs,
        _figure(inner, colors, pairs),
    )


def _medians(labels: NDArray[np.int64], values: Floats) -> Floats:
    """Return the median of each channel of values (h, w, c) over each patch, (n, c).

    A patch that reaches over an edge has the color of its larger part so, not one that is nowhere in the picture.
    """
    from scipy import ndimage

    numbers = np.arange(labels.max() + 1)
    return np.stack([ndimage.median(channel, labels, numbers) for channel in np.moveaxis(values, -1, 0)], 1).astype(
        np.float32
    )


def _means(labels: NDArray[np.int64], values: Floats) -> Floats:
    """Return the mean of each channel of values (h, w, c) over each patch, (n, c)."""
    sizes = np.bincount(labels.ravel())
    sums = [np.bincount(labels.ravel(), channel.ravel()) for channel in np.moveaxis(values, -1, 0)]
    return (np.stack(sums, axis=1) / sizes[:, None]).astype(np.float32)


def _touching(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of patches that share a side of a pixel, (m, 2), each once."""
    sides = [
        np.stack([a.ravel(), b.ravel()], 1) for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1]))
    ]
    pairs = np.sort(np.concatenate(sides), axis=1)
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    return np.unique(pairs, axis=0)


def _figure(labels: NDArray[np.int64], color: Floats, pairs: NDArray[np.int64]) -> Floats:
    """Return how far each patch stands out, (n,): the least change of color on any way to the ground."""
    from scipy import sparse

    count = len(color)
    edge, cost = _ground(labels, color)
    steps = np.maximum(np.linalg.norm(color[pairs[:, 0]] - color[pairs[:, 1]], axis=1) - _SLACK, 0) + 1e-3
    # One more node, from which every way begins: entering at a patch of the edge costs how unlike the ground it is.
    first = np.concatenate([pairs[:, 0], np.full(len(edge), count)])
    second = np.concatenate([pairs[:, 1], edge])
    graph = sparse.csr_array((np.concatenate([steps, cost + 1e-3]), (first, second)), shape=(count + 1, count + 1))
    way = sparse.csgraph.dijkstra(graph, directed=False, indices=count)[:count]
    usual = max(_STANDS_OUT, float(np.percentile(way, 95)) / 2)
    return np.asarray(way / (way + usual), np.float32)


def _ground(labels: NDArray[np.int64], color: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the patches at the picture's edge and how unlike the ground each is, units of CIELAB.

    The ground fills corners. What goes through from the left to the right is ground, too, unless it is a wide thing:
    half as unlike. A thing may reach the edge elsewhere.
    """
    height, width = labels.shape
    down, across = max(1, round(_CORNER * height)), max(1, round(_CORNER * width))
    sides = [(labels[0], across), (labels[-1], across), (labels[:, 0], down), (labels[:, -1], down)]
    corners = np.unique(np.concatenate([np.concatenate([side[:reach], side[-reach:]]) for side, reach in sides]))
    left, right = np.unique(labels[:, 0]), np.unique(labels[:, -1])
    edge = np.unique(np.concatenate([side for side, _ in sides]))
    cost = _nearest(color[edge], color[corners])
    for here, there in ((left, right), (right, left)):
        place = np.searchsorted(edge, here)
        cost[place] = np.minimum(cost[place], cost[place] / 2 + _nearest(color[here], color[there]))
    return edge, np.maximum(cost - _SLACK, 0)


def _nearest(colors: Floats, others: Floats) -> Floats:
    """Return how far each color is from the nearest of others, (n,)."""
    apart: Floats = np.linalg.norm(colors[:, None] - others, axis=2).min(axis=1)
    return apart
