"""Which kinds are one: those that cannot be told apart within a picture, and those that never meet in one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.regions.belonging import Prior, begin, belong, learn
from picasso.auditing.regions.patches import Floats, Patches

START = 14
"""Kinds to begin with: more than come out, so that each begins as one place."""
MOST = 10
"""Kinds at most: what is tested more often is found with less power."""
APART = 0.25
"""Kinds that differ less than this within the typical picture are one. 0 is the same colors and textures, 1 two flat
colors that have nothing in common; halves of a drawn sky differ by 0.1, a tank and its meadow by 0.4 to 0.6."""
LEAST = 0.003
"""Share of a picture from which a kind is there."""
HARDLY = 0.03
"""A kind that is there in fewer of the pictures is an accident."""
_RIM = 0.03
_STANDS_OUT = 0.35
"""A kind that takes less of the pictures than `_RIM` and stands out less than this is the rim or shadow of another."""
_MEET = 0.2
"""Kinds that share a picture in fewer of the cases in which they could are two faces of one kind, if ..."""
_SAME_PLACE = 0.5
"""... they share this much of their places."""
_MEET_ALIKE = 0.5
"""Things that share a picture in fewer of the cases, parts of one thing among them, are one kind, if ..."""
_SAME_COLOR = 15.0
"""... their colors differ by no more than they vary and this, units of CIELAB: a thing may stand anywhere."""
_ROUNDS = 8
_AGAIN = 2


@dataclass(frozen=True, eq=False)
class Grouped:
    """What was found.

    Args:
        prior: The kinds.
        parts: How far each patch belongs to each kind, (n, kinds) for each picture.
    """

    prior: Prior
    parts: list[Floats]


def group(pictures: Sequence[Patches], seed: int) -> Grouped:
    """Find the kinds of patches of pictures.

    Args:
        pictures: The pictures.
        seed: Of where the search begins.
    """
    found = _settle(pictures, begin(pictures, START, seed), _ROUNDS)
    while len(found.prior) > 1:
        pair = _next(pictures, found)
        if pair is None:
            break
        found = _settle(pictures, [_merged(part, pair) for part in found.parts], _AGAIN)
    return found


def shares(pictures: Sequence[Patches], parts: Sequence[Floats]) -> NDArray[np.float64]:
    """Return the share of each picture that is of each kind, (pictures, kinds)."""
    return np.stack([one.share @ _sure(part) for one, part in zip(pictures, parts, strict=True)]).astype(np.float64)


def _settle(pictures: Sequence[Patches], parts: list[Floats], rounds: int) -> Grouped:
    for _ in range(rounds):
        prior = learn(pictures, parts)
        parts = [belong(one, prior) for one in pictures]
    return Grouped(prior, parts)


def _next(pictures: Sequence[Patches], found: Grouped) -> tuple[int, int] | None:
    """Return the two kinds that should be one next; None where all are apart."""
    sizes = shares(pictures, found.parts)
    there = sizes >= LEAST
    present = there.sum(axis=0)
    meet = (there.T.astype(np.int64) @ there) / np.maximum(np.minimum(present[:, None], present), 1)
    np.fill_diagonal(meet, 1)
    apart = _contrast(pictures, found, there)
    rare = int(sizes.mean(axis=0).argmin())
    # A kind of hardly a picture, or a rim of another, is none: it goes where it differs least.
    flat = found.prior.figure[rare] < _STANDS_OUT and sizes[:, rare].mean() < _RIM
    if flat or present[rare] < max(2, HARDLY * len(pictures)) or sizes[:, rare].mean() < LEAST:
        return _ordered(rare, int(apart[rare].argmin()) if np.isfinite(apart[rare]).any() else int(present.argmax()))
    strangers = np.where(meet < _MEET, _overlap(found.prior), 0)
    strangers[_things_alike(pictures, found) & (meet < _MEET_ALIKE)] = 1
    if strangers.max() >= _SAME_PLACE:
        return _ordered(*np.unravel_index(int(strangers.argmax()), strangers.shape))
    if apart.min() < APART or (len(found.prior) > MOST and np.isfinite(apart.min())):
        return _ordered(*np.unravel_index(int(apart.argmin()), apart.shape))
    return None


def _contrast(pictures: Sequence[Patches], found: Grouped, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how far kinds differ within the typical picture that has both, (kinds, kinds), 0 to 1; else infinity.

    References:
        Székely and Rizzo 2013, "Energy statistics: a class of statistics based on distances".
    """
    count = len(found.prior)
    every = np.full((len(pictures), count, count), np.nan)
    for number, (one, part) in enumerate(zip(pictures, found.parts, strict=True)):
        weight = _sure(part) * one.share[:, None]
        total = weight.sum(axis=0)
        mean = (weight.T @ one.distance @ weight) / np.maximum(total[:, None] * total, 1e-12)
        within = np.diag(mean)
        energy = (2 * mean - within[:, None] - within) / np.maximum(2 * mean, 1e-6)
        both = there[number][:, None] & there[number]
        every[number] = np.where(both, energy, np.nan)
    apart = np.full((count, count), np.inf)
    for i in range(count):
        for j in range(count):
            values = every[:, i, j][~np.isnan(every[:, i, j])]
            if i != j and len(values) >= max(2, HARDLY * len(pictures)):
                apart[i, j] = np.median(values)
    return apart


def _overlap(prior: Prior) -> NDArray[np.float64]:
    """Return how much of the places of the smaller kind are places of the larger, (kinds, kinds)."""
    places = prior.where.reshape(len(prior), -1)
    places = places / places.sum(axis=1, keepdims=True)
    both = np.minimum(places[:, None], places).sum(axis=2)
    np.fill_diagonal(both, 0)
    return np.asarray(both, np.float64)


def _things_alike(pictures: Sequence[Patches], found: Grouped) -> NDArray[np.bool_]:
    """Return which kinds are things that look alike, (kinds, kinds): a thing may stand anywhere."""
    weights = np.concatenate(
        [_sure(part) * one.share[:, None] for one, part in zip(pictures, found.parts, strict=True)]
    )
    colors = np.concatenate([one.color for one in pictures])
    total = np.maximum(weights.sum(axis=0), 1e-9)[:, None]
    mean = weights.T @ colors / total
    spread = np.sqrt(np.maximum((weights.T @ colors**2 / total - mean**2).sum(axis=1), 0))
    apart = np.linalg.norm(mean[:, None] - mean, axis=2)
    things = found.prior.figure >= _STANDS_OUT
    alike: NDArray[np.bool_] = (apart <= _SAME_COLOR + (spread[:, None] + spread) / 2) & things & things[:, None]
    np.fill_diagonal(alike, False)
    return alike


def _ordered(a: int | np.intp, b: int | np.intp) -> tuple[int, int]:
    return min(int(a), int(b)), max(int(a), int(b))


def _merged(part: Floats, pair: tuple[int, int]) -> Floats:
    keep, gone = pair
    part = part.copy()
    part[:, keep] += part[:, gone]
    return np.delete(part, gone, axis=1)


def _sure(part: Floats) -> Floats:
    """Return which kind each patch belongs to most, (n, kinds) of 0 and 1."""
    return np.asarray(np.eye(part.shape[1])[part.argmax(axis=1)], np.float32)
