"""What the last linear layer of a classifier reads of a picture and of training pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotSupportedError
from picasso.core.index import PictureIndex, Reading, index_pictures
from picasso.core.layers.channel_statistics import channel_maps
from picasso.core.layers.linear_head import LinearHead, find_linear_head, read_linear_head
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.statistics.logistic import Logistic, with_ones

Numbers = NDArray[np.float64]
Report = Callable[[int, int, str], None]
ROUNDS = 200
"""Rounds that solving usually takes at most, for the progress bar alone."""
_SAME = 1e-4
"""Of the largest number of a code: by so much codes of one picture may differ, as batches of other sizes round."""


@dataclass(frozen=True, eq=False)
class HeadCodes:
    """What a head reads of a picture and of training pictures, and what it should answer.

    Args:
        index: The training pictures.
        head: The head.
        codes: float64 (n, channels + 1), the last of each a one.
        own: The picture's, (channels + 1,).
        truth: float64 (n, columns) of 0 and 1; of pictures whose class is not known only 0.
        own_truth: The explained class, (columns,).
    """

    index: PictureIndex
    head: LinearHead
    codes: Numbers
    own: Numbers
    truth: Numbers
    own_truth: Numbers

    @property
    def known(self) -> NDArray[np.intp]:
        """Numbers of the pictures whose class is known."""
        return np.flatnonzero(self.index.truth >= 0)

    @property
    def same(self) -> NDArray[np.bool_]:
        """Which pictures have the picture's own code, number by number, (n,)."""
        near = _SAME * np.abs(self.own[:-1]).max()
        return np.asarray(np.abs(self.codes - self.own).max(axis=1) <= near)

    def alike(self) -> Numbers:
        """Return the cosine of each picture's code and the picture's own, (n,)."""
        codes, own = self.codes[:, :-1], self.own[:-1]
        sizes = np.linalg.norm(codes, axis=1) * np.linalg.norm(own)
        return np.asarray((codes @ own) / np.where(sizes > 0, sizes, 1))

    def logistic(self, regularization: float) -> Logistic:
        """Return the head with the pictures whose class is known."""
        return Logistic(
            self.head.weights, self.codes[self.known], self.truth[self.known], self.head.kind, regularization
        )

    def settled(self, regularization: float, report: Report) -> HeadCodes:
        """Return the same with the head at which the loss over the pictures is smallest.

        Raises:
            NotSupportedError: It was not found.
        """
        fitted = self.logistic(regularization).fitted(_rounds(report, "Refitting the head"))
        return replace(self, head=replace(self.head, weights=fitted.weights))

    def own_residual(self) -> Numbers:
        """Return the slope of the picture's own loss by its scores, (columns,)."""
        own = Logistic(self.head.weights, self.own[None], self.own_truth[None], self.head.kind, 0.0)
        return own.residuals().ravel()

    def influence(self, regularization: float, report: Report) -> Numbers:
        """Return the change of the picture's loss when each picture is left out, (n,); NaN where no class is known.

        Raises:
            NotSupportedError: The curvature could not be inverted.
        """
        learned = self.logistic(regularization)
        solved = learned.solve(np.outer(self.own_residual(), self.own), _rounds(report, "Solving for the curvature"))
        found: Numbers = np.full(len(self.codes), np.nan)
        found[self.known] = (learned.residuals() * (learned.codes @ solved.T)).sum(axis=1) / len(learned.codes)
        return found

    def lowest(self, regularization: float, report: Report) -> float | None:
        """Return the smallest loss that a head has over the pictures; None where it could not be found."""
        try:
            return self.logistic(regularization).fitted(_rounds(report, "Looking for the smallest loss")).loss()
        except NotSupportedError:
            return None

    def products(self) -> Numbers:
        """Return the products of each picture's slope and the picture's own, (n,); NaN where no class is known."""
        learned = self.logistic(1.0)
        found: Numbers = np.full(len(self.codes), np.nan)
        found[self.known] = (learned.residuals() @ self.own_residual()) * (learned.codes @ self.own)
        return found


def read_head_codes(
    model: Model, x: Array, target: int, album: str, most: int, report: Report, layer: str = ""
) -> HeadCodes:
    """Find the head of a network, and what it reads of all pictures.

    Args:
        model: A classifier, not focused.
        x: The picture, float32 (1, h, w, c).
        target: The class that is explained.
        album: The training pictures.
        most: How many of them at most.
        report: Called before each part; it may raise CanceledError.
        layer: The layer that feeds the head, where that is known; "" to look for it.

    Raises:
        NotSupportedError: The head is not linear.
        NotFoundError: There are no such pictures.
    """
    if layer:
        head = read_linear_head(model, x, layer)
    else:
        head = find_linear_head(model, x, lambda done, total: report(done, total, "Looking for the head"))
    reading = Reading(head.layer)
    index = index_pictures(model, album, [reading], report, most)
    codes = with_ones(index.strongest(reading, "mean"))
    columns, classes = model.facts.columns, len(model.labels)
    if not head.holds(codes, index.scores[:, -columns:]):
        raise NotSupportedError(f"The scores of this network are not made linearly of '{head.layer}' alone.")
    own = channel_maps(model, model.activations(x, [head.layer])[head.layer]).mean(axis=(1, 2), dtype=np.float64)
    return HeadCodes(
        index,
        head,
        codes,
        np.append(own, 1.0),
        _one_hot(index.truth, columns, classes),
        _one_hot(np.array([target]), columns, classes)[0],
    )


def _one_hot(truth: NDArray[np.int64], columns: int, classes: int) -> Numbers:
    """Return what the columns of the scores should have been, (n, columns); one column says whether it is class 1."""
    if columns < classes:
        return np.asarray(truth == 1, np.float64)[:, None]
    return np.asarray(truth[:, None] == np.arange(columns), np.float64)


def _rounds(report: Report, message: str) -> Callable[[int], None]:
    """Return what reports the rounds of something that ends nobody knows when."""
    return lambda done: report(min(done, ROUNDS), ROUNDS, message)
