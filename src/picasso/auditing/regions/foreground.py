"""Which kind of region is likely the object that pictures are labelled for, and where it ends in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.regions.merging import LEAST, shares
from picasso.auditing.regions.patches import Floats, Patches

_ROUNDS = 6
_TOUCH = 4.0
_STANDS = 8.0
_GROUND = 0.4
"""A patch whose `figure` is above speaks for the object, below against it."""
_REACH = 4.0
_LOSS = 0.3
"""A patch farther from the object's middle than two of its standard deviations loses log-odds with the square."""


@dataclass(frozen=True)
class Proposal:
    """Which kind is likely the object. A person has to confirm it.

    Args:
        kind: Its number; None where no kind stands out.
        confidence: How far it is ahead of the next kind, 0 to 1: below 0.1 it is hardly more than a guess.
    """

    kind: int | None
    confidence: float


def propose(pictures: Sequence[Patches], parts: Sequence[Floats]) -> Proposal:
    """Choose the kind that is there in every picture, stands out from the ground and keeps off the edge.

    Args:
        pictures: The pictures.
        parts: How far each patch belongs to each kind, (n, kinds) for each picture.
    """
    present = (shares(pictures, parts) >= LEAST).mean(axis=0)
    total = np.zeros(parts[0].shape[1])
    figure, edge = total.copy(), total.copy()
    for one, part in zip(pictures, parts, strict=True):
        weight = part * one.share[:, None]
        total += weight.sum(axis=0)
        figure += weight.T @ one.figure
        edge += weight[one.edge].sum(axis=0)
    total = np.maximum(total, 1e-9)
    score = present * (figure / total) * (1 - edge / total) ** 2
    order = np.argsort(-score)
    best = float(score[order[0]])
    if figure[order[0]] / total[order[0]] < _GROUND:
        return Proposal(None, 0.0)
    return Proposal(int(order[0]), best - (float(score[order[1]]) if len(order) > 1 else 0.0))


def outline(patches: Patches, core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find where in a picture a thing ends: what has its colors, touches it, stands out and is near is the thing, too.

    Args:
        patches: The picture.
        core: Which patches are known to be of the thing, (n,).

    Returns:
        Which patches are, (n,).

    References:
        The idea of GrabCut (Rother, Kolmogorov and Blake 2004) on patches: two color models that sharpen each other.
    """
    if not core.any():
        return core
    weight = patches.share * core
    middle = weight @ patches.place / weight.sum()
    wide = np.sqrt(weight @ (patches.place - middle) ** 2 / weight.sum()) + 0.02
    away = (((patches.place - middle) / wide) ** 2).sum(axis=1)
    known = _STANDS * (patches.figure - _GROUND) - _LOSS * np.maximum(away - _REACH, 0)
    inside = core.astype(np.float32)
    for _ in range(_ROUNDS):
        odds = known + _TOUCH * (patches.near @ (2 * inside - 1))
        odds = odds + _density(patches, inside) - _density(patches, 1 - inside)
        inside = (0.5 + 0.5 * np.tanh(odds / 2)).astype(np.float32)
    return inside > 0.5


def _density(patches: Patches, weight: Floats) -> Floats:
    """Return how usual the color of each patch is among the weighted ones, logarithm, (n,)."""
    density: Floats = np.log((patches.alike @ weight + 1e-6) / (patches.share @ weight + 1e-3))
    return density
