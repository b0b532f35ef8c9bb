"""Kinds of regions of a data set's pictures, found from the pictures alone.

A kind is what takes the same part in every picture: the sky, the ground, the thing in front. The audited model has no
say in it: what it relies on would then be taken for the object, and acquitted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.regions.belonging import Prior, belong
from picasso.auditing.regions.border import Border, find_borders
from picasso.auditing.regions.foreground import Proposal, outline, propose
from picasso.auditing.regions.marks import Mark, find_marks
from picasso.auditing.regions.merging import HARDLY, LEAST, group
from picasso.auditing.regions.names import Look, different, name_of
from picasso.auditing.regions.patches import Floats, Patches, cut
from picasso.auditing.regions.telling import auc_of
from picasso.auditing.regions.things import Things, learn_things
from picasso.core.interventions.intervention import Mask, Pixels

FITTED_ON = 200
"""Pictures from which kinds are found, drawn evenly over the classes; more of them change hardly a boundary."""

_WORTH = 0.001
"""A kind that takes less than this share of the pictures is not worth a test."""


@dataclass(frozen=True, eq=False)
class RegionKinds:
    """Kinds of regions that the pictures of a data set share.

    Args:
        names: Of the kinds, all different; each completes "The model relies on ...".
        presence: Share of the pictures of each class that have each kind, (kinds, classes).
        telling: How well each kind's presence, size, place and look tell the classes apart without any model: area
            under the ROC curve of a cross-validated probe, (kinds,). 0.5 is chance.
        object: Which kind is likely the object. Only a proposal, until a person confirms it.
        size: (height, width) of the pictures, pixels.
    """

    names: tuple[str, ...]
    presence: NDArray[np.float64]
    telling: NDArray[np.float64]
    object: Proposal
    size: tuple[int, int]
    _things: Things
    _prior: Prior
    _fixed: tuple[Border | Mark, ...]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def digest(self) -> str:
        """What tells these kinds from any others, whose numbers would mean something else."""
        digest = hashlib.sha256()
        for content in _contents(self):
            digest.update(content)
        return digest.hexdigest()

    def label(self, view: Pixels) -> NDArray[np.int64]:
        """Return the kind of each pixel, int64 (h, w), from 0.

        Where a border or a mark lies in many pictures it is labelled in every one, also in one that lacks it. So what
        lies there can be taken from any picture.

        Args:
            view: uint8 RGB (h, w, 3), of `size`.

        Raises:
            ValueError: The picture has another size.
        """
        if view.shape[:2] != self.size:
            raise ValueError(f"A picture must be {self.size[0]} x {self.size[1]} pixels. Got {view.shape[:2]}.")
        patches = self._things.figure(view, cut(view))
        kinds = _kinds(patches, belong(patches, self._prior), self.object)
        labels = np.append(kinds, -1)[patches.labels]
        for number, fixed in enumerate(self._fixed, start=len(self._prior)):
            labels[fixed.place(patches)] = number
        return _spread(labels)

    def object_proposal(self, view: Pixels) -> Mask:
        """Return where the object likely is, bool (h, w); nowhere where `object.kind` is None.

        Args:
            view: uint8 RGB (h, w, 3), of `size`.

        Raises:
            ValueError: The picture has another size.
        """
        labels = self.label(view)
        return labels == self.object.kind if self.object.kind is not None else np.zeros(self.size, np.bool_)


def find_kinds(views: Sequence[Pixels], labels: NDArray[np.int64], seed: int = 0) -> RegionKinds:
    """Find the kinds of regions that pictures share. Equal arguments give equal kinds.

    Args:
        views: The pictures, uint8 RGB (h, w, 3), all of one size.
        labels: Class of each, from 0, (pictures,). Kinds do not depend on them; `presence` and `telling` do.
        seed: Of the pictures drawn, where there are more than `FITTED_ON`, and of where the search begins.

    Raises:
        ValueError: There is no picture, or they differ in size.

    References:
        Superpixels: Achanta et al. 2012, "SLIC superpixels compared to state-of-the-art superpixel methods".
        Standing out from the edge: Wei et al. 2012, "Geodesic saliency using background priors".
    """
    sizes = {view.shape[:2] for view in views}
    if len(sizes) != 1:
        raise ValueError(f"Pictures must be of one size, and at least one. Got the sizes {sorted(sizes)}.")
    chosen = _drawn(labels, seed)
    shown = [views[number] for number in chosen]
    pictures = [cut(view) for view in shown]
    things = learn_things(shown, pictures, seed)
    pictures = [things.figure(view, one) for view, one in zip(shown, pictures, strict=True)]
    prior, proposal = _settled(pictures, group(pictures, seed).prior)
    kinds = [_kinds(one, belong(one, prior), proposal) for one in pictures]
    fixed: list[Border | Mark] = [*find_borders(pictures), *find_marks(shown, labels[chosen])]
    described = [_described(pictures, kinds, number) for number in range(len(prior))]
    names = [name_of(_look(numbers)) for numbers in described]
    classes = int(labels.max()) + 1
    seen = [numbers[:, 0] >= LEAST for numbers in described]
    for thing in fixed:
        there = np.array([thing.is_on(view) for view in shown])
        place = [thing.place(one) for one in pictures]
        names.append(thing.name)
        seen.append(there)
        described.append(np.array([view[where].mean(axis=0) for view, where in zip(shown, place, strict=True)]))
    ours = labels[chosen]
    return RegionKinds(
        names=tuple(different(names)),
        presence=np.array(
            [[there[ours == c].mean() if (ours == c).any() else 0.0 for c in range(classes)] for there in seen]
        ),
        telling=np.array([auc_of(_filled(*known), ours, seed) for known in zip(described, seen, strict=True)]),
        object=proposal,
        size=sizes.pop(),
        _things=things,
        _prior=prior,
        _fixed=tuple(fixed),
    )


def _drawn(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return which pictures kinds are found from: at most `FITTED_ON`, each class in turn."""
    order = np.random.default_rng(seed).permutation(len(labels))
    turn = np.empty(len(labels), np.int64)
    for number in np.unique(labels):
        ours = order[labels[order] == number]
        turn[ours] = np.arange(len(ours))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:FITTED_ON])


def _settled(pictures: Sequence[Patches], prior: Prior) -> tuple[Prior, Proposal]:
    """Choose the likely object, and leave out the kinds of which its outline leaves hardly anything."""
    parts = [belong(one, prior) for one in pictures]
    proposal = propose(pictures, parts)
    kinds = [_kinds(one, part, proposal) for one, part in zip(pictures, parts, strict=True)]
    sizes = np.stack([np.bincount(kind, one.share, len(prior)) for one, kind in zip(pictures, kinds, strict=True)])
    enough = ((sizes >= LEAST).mean(axis=0) >= HARDLY) & (sizes.mean(axis=0) >= _WORTH)
    left = np.flatnonzero(enough | (np.arange(len(prior)) == proposal.kind))
    if proposal.kind is not None:
        proposal = replace(proposal, kind=int(np.searchsorted(left, proposal.kind)))
    return prior.only(left), proposal


def _kinds(patches: Patches, part: Floats, proposal: Proposal) -> NDArray[np.int64]:
    """Return the kind of each patch, (n,), with the likely object outlined in this picture's own colors."""
    kinds: NDArray[np.int64] = part.argmax(axis=1)
    if proposal.kind is None or part.shape[1] == 1:
        return kinds
    inside = outline(patches, kinds == proposal.kind)
    others = part.copy()
    others[:, proposal.kind] = -1
    return np.where(inside, proposal.kind, others.argmax(axis=1))


def _spread(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the pixels of an unusual border, which are of no kind, the kind of the nearest pixel."""
    if (labels >= 0).all():
        return labels
    from scipy import ndimage

    rows, columns = ndimage.distance_transform_edt(labels < 0, return_distances=False, return_indices=True)
    return np.asarray(labels[rows, columns], np.int64)


def _described(pictures: Sequence[Patches], kinds: Sequence[NDArray[np.int64]], number: int) -> NDArray[np.float64]:
    """Return what a kind is like in each picture, (pictures, 11): size, middle, width, color, texture, figure; NaN
    (but for the size, 0) where it is not there."""
    rows = []
    for one, kind in zip(pictures, kinds, strict=True):
        weight = one.share * (kind == number)
        size = float(weight.sum())
        if size < LEAST:
            rows.append(np.array([size, *[np.nan] * 9]))
            continue
        middle = weight @ one.place / size
        wide = np.sqrt(weight @ (one.place - middle) ** 2 / size)
        look = weight @ np.column_stack([one.color, one.texture, one.figure]) / size
        rows.append(np.concatenate([[size], middle, wide, look]))
    return np.asarray(rows, np.float64)


def _look(numbers: NDArray[np.float64]) -> Look:
    seen = numbers[~np.isnan(numbers[:, 1])]
    if not len(seen):
        seen = np.nan_to_num(numbers)
    color = seen[:, 5:8]
    return Look(
        color=np.median(color, axis=0),
        varied=float(np.linalg.norm(color.std(axis=0))),
        middle=np.median(seen[:, 1:3], axis=0),
        moves=seen[:, 1:3].std(axis=0),
        wide=np.median(seen[:, 3:5], axis=0),
        size=float(np.median(seen[:, 0])),
        figure=float(np.median(seen[:, 9])),
    )


def _filled(numbers: NDArray[np.float64], there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the numbers with whether the kind is there, and the mean where it is not."""
    with_mean = np.where(np.isnan(numbers), np.nanmean(numbers, axis=0) if there.any() else 0, numbers)
    return np.column_stack([there.astype(np.float64), np.nan_to_num(with_mean)])


def _contents(part: Any) -> Iterator[bytes]:
    """Yield what lies in a dataclass, fractions to three digits: machines differ in the last ones."""
    if is_dataclass(part):
        for field in fields(part):
            yield from _contents(getattr(part, field.name))
    elif isinstance(part, tuple):
        for one in part:
            yield from _contents(one)
    elif isinstance(part, np.ndarray):
        yield repr(part.shape).encode() + (np.round(part.astype(np.float64), 3) + 0.0).tobytes()
    else:
        yield repr(round(part, 3) if isinstance(part, float) else part).encode()
