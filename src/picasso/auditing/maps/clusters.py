"""Groups of pictures of one class whose maps point at one place: proposals, until a transplant confirms them.

References:
    Lapuschkin et al. 2019, arXiv:1902.10178 (spectral relevance analysis of maps); Anders et al. 2022, arXiv:1912.11425
    (of what lies between).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from picasso.auditing.findings import Effect, Interval
from picasso.auditing.maps.spectral import spectral_clusters
from picasso.core.facts import Capability, Sample
from picasso.core.interventions.intervention import Property
from picasso.core.model import Model
from picasso.core.preprocessing import Array

SIDE = 16
"""Maps are compared at 16 x 16 cells: where, not what outline."""
LEAST = 10
"""Maps of a class with evidence for it: fewer have no groups worth the name."""
SMALLEST = 0.05
"""Share of a class's maps below which a group is not proposed: what a few pictures do is noise of the maps."""
STRONG = 0.5
"""Of the largest value of a group's map: what lies above it, and hangs together with it, is the group's place."""

Box = tuple[float, float, float, float]


class Basis(StrEnum):
    """What was grouped: where the maps point, or what the model finds there."""

    MAPS = "maps"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, eq=False)
class Cluster:
    """Pictures of one class whose maps point at the same place.

    Args:
        label: The class, a number from 0.
        basis: What was grouped.
        number: Among the groups of its class and basis, from 0, the largest first.
        members: The numbers of its pictures.
        share: Of the class's pictures that are in it, 0..1.
        mean_map: Mean of its maps, each made to sum up to 1, float32 (16, 16).
        box: What sets it apart in place: (top, left, height, width) as shares of the picture, around the strongest
            area of what its map has more than the class's other groups; of its whole map where there is no other.
        confirmed: Whether a transplant of the box moves the model's answers; None: not tried, a proposal.
        drop: The accuracy that hangs on the box, where that was tried.
    """

    label: int
    basis: Basis
    number: int
    members: tuple[int, ...]
    share: float
    mean_map: Array
    box: Box
    confirmed: bool | None = None
    drop: Interval | None = None

    def measured(self, effect: Effect) -> Cluster:
        """Return the cluster with what the transplant of `as_property` has shown."""
        return replace(self, confirmed=effect.suspect, drop=effect.drop)

    def sentence(self, classes: Sequence[str]) -> str:
        """Say what it is, and whether it was confirmed.

        Args:
            classes: Names of the classes.
        """
        what = "maps point" if self.basis is Basis.MAPS else "maps point, by what the model finds there,"
        said = f'Of {self.share:.0%} of the pictures of "{classes[self.label]}" the {what} at the {place(self.box)}'
        if self.confirmed is None or self.drop is None:
            return f"{said}. Unconfirmed: nothing was transplanted there."
        if self.confirmed:
            return f"{said}. Confirmed: {100 * self.drop.value:.0f} points of accuracy hang on what lies there."
        return f"{said}. Not confirmed: a transplant there moved accuracy by {100 * self.drop.value:.0f} points."

    def document(self, classes: Sequence[str]) -> dict[str, Any]:
        """Return it as JSON.

        Args:
            classes: Names of the classes.
        """
        return {
            "label": self.label,
            "basis": str(self.basis),
            "number": self.number,
            "members": list(self.members),
            "share": self.share,
            "mean_map": self.mean_map.tolist(),
            "box": list(self.box),
            "confirmed": self.confirmed,
            "drop": None if self.drop is None else vars(self.drop),
            "sentence": self.sentence(classes),
        }


def find_clusters(
    maps: Array, labels: Sequence[int], embeddings: NDArray[np.float64] | None = None, seed: int = 0
) -> tuple[Cluster, ...]:
    """Group the pictures of each class by where their maps point, and by what the model finds there.

    A class whose maps all point at one place is one group: that, too, is a proposal. What the model finds there is one
    only where it parts the pictures.

    Args:
        maps: A method's map of each picture for its class, float32 (n, h, w); positive where something speaks for it.
            A picture whose map is positive nowhere is left out.
        labels: The class of each picture, a number from 0.
        embeddings: From `weighted_embeddings`, (n, channels); None: only the maps are grouped.
        seed: Of k-means.

    Returns:
        The groups by class, those of maps first, the largest first; none of classes with fewer than `LEAST` maps.
    """
    small = np.stack([_small(values) for values in maps]) if len(maps) else np.zeros((0, SIDE, SIDE))
    pointing = small.sum(axis=(1, 2)) > 0
    known = np.asarray(labels)
    found: list[Cluster] = []
    for label in np.unique(known):
        members = np.flatnonzero((known == label) & pointing)
        if len(members) < LEAST:
            continue
        total = int((known == label).sum())
        found += _grouped(int(label), Basis.MAPS, members, small, small.reshape(len(small), -1), total, seed)
        if embeddings is not None:
            apart = _grouped(int(label), Basis.EMBEDDINGS, members, small, embeddings, total, seed)
            found += apart if len(apart) > 1 else []  # one group of all is no news
    return tuple(found)


def weighted_embeddings(model: Model, samples: Sequence[Sample], maps: Array) -> NDArray[np.float64] | None:
    """Return what the model finds where the maps point: its features there, weighted by the maps.

    Args:
        model: The model; the features are those of its last layer with space.
        samples: The pictures.
        maps: Of each, float32 (n, h, w).

    Returns:
        (n, channels), each of length 1; zeros where a map is positive nowhere. None where the model does not show its
        layers, or none of them has space.
    """
    layer = model.default_layer() if Capability.ACTIVATIONS in model.capabilities else None
    if layer is None:
        return None
    found = []
    for sample, values in zip(samples, maps, strict=True):
        features = model.postprocess(model.activations(sample.x, [layer.name])[layer.name])[0].astype(np.float64)
        weights = _small(values, (features.shape[0], features.shape[1]))
        vector = np.tensordot(weights, features, axes=2)
        length = np.linalg.norm(vector)
        found.append(vector / length if length > 0 else vector)
    return np.stack(found) if found else None


def as_property(cluster: Cluster) -> Property:
    """Return what has to be transplanted, so that the audit's experiment can confirm a cluster.

    The name is unique for the clusters of one audit.
    """
    name = f"cluster-{cluster.basis}-{cluster.label + 1}-{cluster.number + 1}"
    where = place(cluster.box)
    return Property(name, f"Where maps point: the {where}", f"what lies at the {where}", cluster.box)


def place(box: Box) -> str:
    """Say where a box lies: "top left", "middle", "top", "whole picture"; completes "at the ...".

    Args:
        box: (top, left, height, width) as shares of the picture.
    """
    top, left, height, width = box
    row = "" if height > 0.6 else ("top", "middle", "bottom")[min(2, int(3 * (top + height / 2)))]
    column = "" if width > 0.6 else ("left", "middle", "right")[min(2, int(3 * (left + width / 2)))]
    if not row and not column:
        return "whole picture"
    words = [word for word in (row, column) if word and word != "middle"]
    return " ".join(words) or "middle"


def box_of(values: NDArray[np.float64]) -> Box:
    """Return the box around the strongest area of a map: (top, left, height, width) as shares of it.

    Args:
        values: (rows, columns), positive somewhere.
    """
    groups, _ = ndimage.label(values >= STRONG * values.max(), np.ones((3, 3)))
    rows, columns = np.nonzero(groups == groups.flat[values.argmax()])
    height, width = values.shape
    top, left = rows.min(), columns.min()
    return (
        float(top / height),
        float(left / width),
        float((rows.max() + 1 - top) / height),
        float((columns.max() + 1 - left) / width),
    )


def _grouped(
    label: int,
    basis: Basis,
    members: NDArray[np.int64],
    small: NDArray[np.float64],
    points: NDArray[np.float64],
    total: int,
    seed: int,
) -> list[Cluster]:
    """Group the pictures of one class; `total` is how many it has."""
    group = spectral_clusters(points[members], seed)
    means = [small[members[group == number]].mean(axis=0) for number in range(group.max() + 1)]
    made = []
    for number, mean in enumerate(means):
        inside = members[group == number]
        if len(inside) < SMALLEST * len(members):
            continue
        others = small[members[group != number]]
        more = np.maximum(mean - others.mean(axis=0), 0) if len(others) else mean
        box = box_of(more if more.any() else mean)
        share = len(inside) / total
        made.append(Cluster(label, basis, number, tuple(inside.tolist()), share, mean.astype(np.float32), box))
    return made


def _small(values: Array, size: tuple[int, int] = (SIDE, SIDE)) -> NDArray[np.float64]:
    """Return the positive part of a map (h, w) at another size, made to sum up to 1; zeros where there is none."""
    positive = np.maximum(np.nan_to_num(values), 0).astype(np.float32)
    made = np.asarray(Image.fromarray(positive).resize(size[::-1], Image.Resampling.BOX), np.float64)
    total = made.sum()
    return made / total if total > 0 else np.zeros(size)
