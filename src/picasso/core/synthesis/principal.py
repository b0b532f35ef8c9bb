"""A prior that is learned from pictures: what they have in common, and the ways in which they differ most.

It is the best linear autoencoder: codes of few numbers, from which pictures are made by one matrix, such that the
pictures that were learned from are told apart as well as may be.

References:
    Baldi and Hornik 1989, Neural Networks and Principal Component Analysis, doi:10.1016/0893-6080(89)90014-2.
    Nguyen et al. 2016, arXiv:1605.09304, for searching in the codes of a learned generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.synthesis.parametrization import Parametrization

Wide = NDArray[np.floating[Any]]
LEAST = 1e-5
"""Differences smaller than this, of 0..1, are rounding."""
FARTHEST = 3.0
"""So many standard deviations from the mean a code may be along each axis: beyond, no picture was ever seen."""


@dataclass(frozen=True)
class PrincipalParameters(Parametrization):
    """Codes of pictures, each number in standard deviations of the pictures that were learned from.

    Args:
        mean: The mean picture, (h, w, c) in 0..1.
        axes: What one standard deviation along each axis changes, (axes, h, w, c).
    """

    mean: Wide
    axes: Wide

    @classmethod
    def learned(cls, pictures: Sequence[Wide], most: int) -> PrincipalParameters:
        """Learn from pictures (h, w, c) in 0..1, at least two; return at most so many axes, the largest first."""
        stack = np.stack([np.float32(picture) for picture in pictures])
        mean = stack.mean(axis=0)
        apart = (stack - mean).reshape(len(stack), -1)
        # As many numbers as pictures instead of pixels: both matrices have the same eigenvalues.
        squares, mixed = np.linalg.eigh(apart.astype(np.float64) @ apart.T.astype(np.float64))
        squares, mixed = squares[::-1], mixed[:, ::-1]
        kept = squares[:most] > max(1e-9 * squares[0], LEAST**2 * apart.size)
        count = min(int(kept.sum()), len(stack) - 1)
        axes = mixed[:, :count].T.astype(np.float32) @ apart / np.float32(np.sqrt(len(stack)))
        return cls(mean, axes.reshape(count, *mean.shape))

    def start(self, random: np.random.Generator, spread: float = 0.0) -> Wide:
        return np.asarray(spread * random.normal(size=len(self.axes)))

    def picture(self, parameters: Wide) -> Wide:
        made = self.mean + np.tensordot(parameters.astype(self.axes.dtype), self.axes, 1)
        return np.asarray(np.clip(made, 0, 1))

    def pull(self, parameters: Wide, slopes: Wide, made: Wide | None = None) -> Wide:
        made = self.picture(parameters) if made is None else made
        # What is black or white already stays so; only what would bring it back counts.
        free = ((made > 0) | (slopes < 0)) & ((made < 1) | (slopes > 0))
        return np.asarray(np.tensordot(self.axes, np.where(free, slopes, 0).astype(self.axes.dtype), 3))

    def of(self, picture: Wide) -> Wide:
        apart = (np.asarray(picture, np.float64) - self.mean).ravel()
        axes = self.axes.reshape(len(self.axes), -1).astype(np.float64)
        return np.asarray(axes @ apart / np.square(axes).sum(axis=1))

    def bounded(self, parameters: Wide) -> Wide:
        return np.clip(parameters, -FARTHEST, FARTHEST)
