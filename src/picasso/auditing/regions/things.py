"""What the thing looks like that the pictures of a data set are of, learned from the pictures alone.

A single picture does not say where its thing ends: paint hides it, and shadows, trees and furrows stand out as well.
Many pictures do: what surrounds the thing in one of them is without it in others, and the thing is there in all. So
looks are learned that tell one window of each picture from everything else in all pictures, and the windows move to
where those looks are, by turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from picasso.auditing.regions.looks import look
from picasso.auditing.regions.patches import Floats, Patches
from picasso.core.interventions.intervention import Mask, Pixels

_TURNS = 4
_STEP = 2
"""Every other row and column is learned from."""
_INTERIOR = 0.2
"""A thing is first looked for no nearer to the edges than this share of the sides."""
_SIDES = (0.19, 0.25, 0.31, 0.4, 0.5, 0.62, 0.75, 0.9)
"""Heights and widths of the windows, as shares of the picture's."""
_ASPECT = 3.0
"""A window is at most this much wider than high or higher than wide: what goes through is ground."""
_ROUND = 1.2
"""Squared radius of the ellipse in a window: a little more than touches its sides, as few things are ellipses."""
_ABOVE = 0.7
"""What is expected more than this many standard deviations above the mean speaks for a window, all else against it."""
_TOP = 98
"""Percentile of what is expected from which on more counts no more."""
_MIXED = 120
"""Mixtures of looks: striped and bright is another thing than striped or bright."""
_RIDGE = 0.002
"""Penalty of a weight, as a share of the places."""
_MOST_BELIEVED = 0.8
"""Exponent of either at most: where nothing stands out there is no thing, whatever looks like it."""
_LEAST_SPREAD = 0.1
"""Looks that vary less than this over all pictures, units of CIELAB, are noise."""


@dataclass(frozen=True, eq=False)
class Things:
    """How much each look is that of the thing.

    Args:
        mean, spread: Of looks over all pictures, (looks,).
        mixing, shift: How looks are mixed, (looks, mixed) and (mixed,).
        weight: Of each look, each mixture and 1, (looks + mixed + 1,).
    """

    mean: Floats
    spread: Floats
    mixing: Floats
    shift: Floats
    weight: Floats

    def figure(self, view: Pixels, patches: Patches) -> Patches:
        """Return the patches of a picture with `figure` as how far they are the thing.

        Args:
            view: uint8 RGB (h, w, 3).
            patches: It, cut, with `figure` as they stand out by themselves.
        """
        looks, known = look(view)
        expected = np.clip(self.expected(looks), 0, 1) * known
        rows, columns = _places(known.shape, patches.labels.shape)
        inside = patches.labels >= 0
        sums = np.bincount(patches.labels[inside], expected[rows[:, None], columns][inside], len(patches))
        means = sums / np.bincount(patches.labels[inside], minlength=len(patches))
        return replace(patches, figure=_together(means.astype(np.float32), patches.figure, patches.share))

    def expected(self, looks: Floats) -> Floats:
        """Return how much each place of looks (rows, columns, looks) is expected to be of the thing."""
        found: Floats = self.mixed(looks) @ self.weight
        return found

    def mixed(self, looks: Floats) -> Floats:
        """Return what `weight` is of: looks in units of their spread, mixtures of them, and 1."""
        plain = (looks - self.mean) / self.spread
        ones = np.ones((*looks.shape[:-1], 1), np.float32)
        return np.concatenate([plain, np.maximum(plain @ self.mixing + self.shift, 0), ones], axis=-1)


def learn_things(views: Sequence[Pixels], pictures: Sequence[Patches], seed: int) -> Things:
    """Learn what the thing looks like that pictures are of.

    Args:
        views: uint8 RGB (h, w, 3), all of one size.
        pictures: The same, cut, with `figure` as they stand out by themselves: where the search begins.
        seed: Of how looks are mixed.

    References:
        Learning from windows that move: multiple-instance learning, Dietterich et al. 1997. One thing in many
        pictures: Deselaers et al. 2012, "Weakly supervised localization and learning with generic knowledge".
        Mixing at random: Rahimi and Recht 2008, "Random features for large-scale kernel machines".
    """
    seen = [look(view) for view in views]
    looks = [one[::_STEP, ::_STEP] for one, _ in seen]
    known = [one[::_STEP, ::_STEP] for _, one in seen]
    wanted = [_first(patches, one.shape)[::_STEP, ::_STEP] for patches, (_, one) in zip(pictures, seen, strict=True)]
    every = np.concatenate([one[there] for one, there in zip(looks, known, strict=True)])
    spread = np.maximum(every.std(axis=0), _LEAST_SPREAD)
    rng = np.random.default_rng(seed)
    mixing = rng.normal(0, len(spread) ** -0.5, (len(spread), _MIXED)).astype(np.float32)
    shift = rng.normal(0, 1, _MIXED).astype(np.float32)
    weight = np.zeros(len(spread) + _MIXED + 1, np.float32)
    things = Things(every.mean(axis=0), spread, mixing, shift, weight)
    # At first plain looks alone: mixtures would learn the first guess itself, with all that is wrong in it.
    things = _fitted(things, looks, known, wanted, mixtures=False)
    for _ in range(_TURNS):
        things = _fitted(things, looks, known, list(_windows(things, looks, known)))
    return things


def _together(expected: Floats, stands: Floats, share: Floats) -> Floats:
    """Return how far patches are the thing, (n,), from what is expected of them and how they stand out by themselves.

    It is their geometric mean, in which each counts the more, the more it is decided in this picture. On a plain ground
    nothing outlines a thing as well as that it stands out; of a painted thing in a meadow that says little.

    Args:
        expected, stands, share: Of each patch, (n,), 0 to 1.
    """
    one, other = (_decided(value, share) ** 2 for value in (expected, stands))
    exponent = min(max(one / max(one + other, 1e-9), 1 - _MOST_BELIEVED), _MOST_BELIEVED)
    found = np.maximum(expected, 1e-6) ** exponent * np.maximum(stands, 1e-6) ** (1 - exponent)
    return np.asarray(found, np.float32)


def _decided(values: Floats, share: Floats) -> float:
    """Return how near values are to all being 0 or 1, in 0 to 1: their variance as a share of the largest there is."""
    mean = float(share @ values / share.sum())
    return float(share @ (values - mean) ** 2 / share.sum()) / max(mean * (1 - mean), 1e-6)


def _first(patches: Patches, shape: tuple[int, ...]) -> Floats:
    """Return how far each place stands out by itself, (rows, columns), 0 near the edges."""
    rows, columns = _places(patches.labels.shape, shape)
    found = np.append(patches.figure, np.float32(0))[patches.labels[rows[:, None], columns]]
    down, across = ((np.arange(side) + 0.5) / side for side in shape)
    near = np.minimum(np.minimum(down, 1 - down)[:, None], np.minimum(across, 1 - across))
    return np.asarray(found * (near > _INTERIOR), np.float32)


def _fitted(
    things: Things,
    looks: Sequence[Floats],
    known: Sequence[Mask],
    wanted: Sequence[Floats],
    mixtures: bool = True,
) -> Things:
    """Return the weights by which looks best say what is wanted: a ridge regression.

    Args:
        things: What looks are and how they are mixed.
        looks, known, wanted: Of each picture, on one grid.
        mixtures: Whether mixtures have weights, too.
    """
    size = len(things.weight)
    square, product, count = np.zeros((size, size)), np.zeros(size), 0
    for one, there, want in zip(looks, known, wanted, strict=True):
        numbers = things.mixed(one[there])
        square += numbers.T @ numbers
        product += numbers.T @ want[there]
        count += len(numbers)
    used = np.arange(size) if mixtures else np.append(np.arange(len(things.mean)), size - 1)
    penalty = np.full(len(used), _RIDGE * count)
    penalty[-1] = 1e-6  # the mean is free
    weight = np.zeros(size, np.float32)
    weight[used] = np.linalg.solve(square[np.ix_(used, used)] + np.diag(penalty), product[used])
    return replace(things, weight=weight)


def _windows(things: Things, looks: Sequence[Floats], known: Sequence[Mask]) -> Iterator[Floats]:
    """Yield for each picture the ellipse in the window that most speaks for, 0 or 1 (rows, columns)."""
    from scipy.ndimage import gaussian_filter as blur

    expected = [things.expected(one) for one in looks]
    every = np.concatenate([one[there] for one, there in zip(expected, known, strict=True)])
    bar = float(every.mean() + _ABOVE * every.std())
    reach = max(float(np.percentile(every, _TOP)) - bar, 1e-6)
    for one, there in zip(expected, known, strict=True):
        smooth = blur(np.where(there, one, every.min()), 1)
        yield _ellipse(np.clip((smooth - bar) / reach, -1, 1))


def _ellipse(speaks: Floats) -> Floats:
    """Return the ellipse, 0 or 1 (rows, columns), in the window in which most speaks for, less what speaks against."""
    height, width = speaks.shape
    sums = np.zeros((height + 1, width + 1))
    sums[1:, 1:] = speaks.cumsum(axis=0).cumsum(axis=1)
    best, found = -np.inf, (0, 0, height, width)
    for down in _SIDES:
        for across in _SIDES:
            if not 1 / _ASPECT <= across / down <= _ASPECT:
                continue
            tall, wide = max(1, round(down * height)), max(1, round(across * width))
            inside = sums[tall:, wide:] - sums[:-tall, wide:] - sums[tall:, :-wide] + sums[:-tall, :-wide]
            place = np.unravel_index(int(inside.argmax()), inside.shape)
            if inside[place] > best:
                best, found = float(inside[place]), (int(place[0]), int(place[1]), tall, wide)
    top, left, tall, wide = found
    down, across = np.arange(height) + 0.5 - top - tall / 2, np.arange(width) + 0.5 - left - wide / 2
    return np.asarray((2 * down[:, None] / tall) ** 2 + (2 * across / wide) ** 2 <= _ROUND, np.float32)


def _places(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return in which row and column of one grid (h, w) the middle of each row and column of another lies."""
    rows, columns = (((np.arange(to) + 0.5) * of / to).astype(np.int64) for of, to in zip(one, other, strict=True))
    return rows, columns
