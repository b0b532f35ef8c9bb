"""The loss of a network around what it has learned: along a line or over a plane through its parameters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ModelOutputError
from picasso.core.hooks import Head
from picasso.core.learning.kept_points import KeptPoints
from picasso.core.learning.labelled import Labelled
from picasso.core.learning.parameter_space import moved_along, point_digest
from picasso.core.model import Model
from picasso.core.preprocessing import Array

FORMAT = 1
"""Of what is kept; a change means that everything is measured anew."""
COARSEST = 8
"""At first so many points are skipped between two that are measured."""

BATCH = 32
"""Pictures for one pass at least: a network that lives for one point only is not asked for them one by one."""

LossKind = Literal["cross-entropy", "squared"]
Numbers = NDArray[np.float64]


def usual_loss(model: Model) -> LossKind:
    """Return the loss that a model's head speaks of: squared where its scores are no logits."""
    return "squared" if model.head == Head.NONE else "cross-entropy"


def mean_loss(scores: Array, classes: NDArray[np.int64], loss: LossKind, head: Head) -> float:
    """Return the mean loss of pictures.

    Args:
        scores: Class scores, (n, classes).
        classes: The class of each picture, (n,).
        loss: cross-entropy: of the softmax, or, where the head is a sigmoid, the mean over the classes of the binary
            one. squared: the sum over the classes of the squared distance from 1 for the picture's class, else 0.
        head: What turns scores into probabilities.

    Returns:
        In nats, or in squared units of a score.
    """
    s = scores.astype(np.float64)
    wanted = np.zeros_like(s)
    wanted[np.arange(len(s)), classes] = 1
    if loss == "squared":
        return float(((s - wanted) ** 2).sum(axis=1).mean())
    if head == Head.SIGMOID:
        return float((np.logaddexp(0, s) - wanted * s).mean())
    top = s.max(axis=1, keepdims=True)
    return float((np.log(np.exp(s - top).sum(axis=1)) + top[:, 0] - (s * wanted).sum(axis=1)).mean())


@dataclass(frozen=True, eq=False)
class ParameterSlice:
    """A line or a plane through a network's parameters, and the points on it that are measured.

    Args:
        directions: One or two directions, of the shapes of the parameters.
        amounts: How far along each, ascending; 0 is the network itself.
    """

    directions: tuple[dict[str, Array], ...]
    amounts: tuple[Numbers, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many points along each direction."""
        return tuple(map(len, self.amounts))

    def order(self) -> list[tuple[int, ...]]:
        """Return the places of all points, coarsely spread ones first: a sketch of the whole is there early."""
        places: dict[tuple[int, ...], None] = {}
        step = COARSEST
        while step:
            places |= dict.fromkeys(product(*(range(0, count, step) for count in self.shape)))
            step //= 2
        return list(places)


@dataclass(frozen=True, eq=False)
class Measured:
    """What is known of a slice.

    Args:
        losses: Mean loss, of the slice's shape; NaN where it is not known yet, or no finite number.
        accuracies: Share of the pictures that are right there, 0..1; NaN where it is not known yet.
        done: How many points are known.
    """

    losses: Numbers
    accuracies: Numbers
    done: int


def measure(
    model: Model,
    cut: ParameterSlice,
    pictures: Labelled,
    loss: LossKind,
    report: Callable[[int, int], None],
    kept: KeptPoints | None = None,
) -> Iterator[Measured]:
    """Measure the points of a slice; what was measured before, by whichever process, is not measured again.

    Norms keep the statistics that they have.

    Args:
        model: The network at 0.
        cut: Where around it.
        pictures: On what.
        loss: Which loss.
        report: Called before each point with what is done and the total; it may raise CanceledError.
        kept: Where points are kept; by default under the digest of all of these in Picasso's home.

    Yields:
        What is known, after each finer grid; the last is complete.
    """
    order = cut.order()
    losses, accuracies = np.full(cut.shape, np.nan), np.full(cut.shape, np.nan)
    with closing(kept or KeptPoints(landscape_key(model, cut, pictures, loss))) as points:
        known = points.read()
        for place, (value, right) in known.items():
            losses[place], accuracies[place] = value, right
        here = model.parameters()
        sketches = {len(order) // 16, len(order) // 4}
        for done, place in enumerate(order):
            report(done, len(order))
            if done in sketches:
                yield Measured(losses.copy(), accuracies.copy(), done)
            if place in known:
                continue
            amounts = [float(steps[number]) for steps, number in zip(cut.amounts, place, strict=True)]
            losses[place], accuracies[place] = _at(model, moved_along(here, cut.directions, amounts), pictures, loss)
            points.write(place, (float(losses[place]), float(accuracies[place])))
    report(len(order), len(order))
    yield Measured(losses, accuracies, len(order))


def landscape_key(model: Model, cut: ParameterSlice, pictures: Labelled, loss: LossKind) -> str:
    """Return the digest of all that decides the numbers of a landscape."""
    parts = {
        "format": FORMAT,
        "model": model.digest,
        "directions": [point_digest(direction) for direction in cut.directions],
        "amounts": [[float(amount).hex() for amount in amounts] for amounts in cut.amounts],
        "pictures": list(pictures.digests),
        "classes": pictures.classes.tolist(),
        "loss": loss,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _at(model: Model, parameters: dict[str, Array], pictures: Labelled, loss: LossKind) -> tuple[float, float]:
    """Return loss and accuracy with other parameters; NaN and 0 where the network no longer gives finite scores."""
    there = model
    if parameters:
        there = model.with_parameters(parameters)
        there.batch_size = max(there.batch_size, BATCH)
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            scores = there.predict(pictures.x)
    except ModelOutputError:
        return float("nan"), 0.0
    return mean_loss(scores, pictures.classes, loss, model.head), pictures.accuracy(scores)


def spread_around(places: Sequence[float], count: int, margin: float = 0.2) -> Numbers:
    """Return amounts that reach from before the first to behind the last of some places, 0 among what they span.

    Args:
        places: Where the training was along a direction; 0 is its end.
        count: How many amounts.
        margin: How much further on both sides, as a part of the whole.
    """
    low, high = min(0.0, *places), max(0.0, *places)
    more = margin * ((high - low) or 1.0)
    return np.linspace(low - more, high + more, count)
