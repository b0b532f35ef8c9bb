"""The smallest change of a picture with which a model gives another answer: gradient attacks, and bisection.

References:
    Goodfellow, Shlens and Szegedy 2014, arXiv:1412.6572 (FGSM). Madry et al. 2017, arXiv:1706.06083 (PGD).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.facts import INPUT
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.synthesis.eight_bit import EightBit
from picasso.core.targets import SCORES, Target
from picasso.core.visualization import Context

Numbers = NDArray[np.float64]
Method = Literal["pgd", "fgsm"]
Norm = Literal["linf", "l2"]
HALVINGS = 12
"""How often the interval that holds the smallest radius is halved at most."""
NEAR_ENOUGH = 0.02
"""The search ends where that interval is so small a part of the radius."""
OVERSHOT = 6
"""How often one step is halved where the largest does nothing: it may have gone beyond what turns the class."""
STRIDE = 2.5
"""The steps of an attack add up to so many radii, so that it can cross the ball and still turn."""


@dataclass(frozen=True)
class Attack:
    """How a changed picture is looked for.

    Args:
        method: pgd: many steps, each projected back. fgsm: one step.
        norm: linf: the largest change of a number. l2: the root mean square over those that can change.
        largest: The largest change that is tried, in 255ths, by the norm.
        steps: Of pgd.
        starts: How often pgd also begins at a random place within the radius.
    """

    method: Method = "pgd"
    norm: Norm = "linf"
    largest: float = 16.0
    steps: int = 20
    starts: int = 1


@dataclass(frozen=True)
class Goal(Target):
    """The lead that has to go: the best score among some classes minus the best among others.

    It is pulled back for every picture of a batch by that picture's own scores.

    Args:
        model: Whose class scores.
        have, want: The classes that lead now, and those of which one is to lead.
        soft: Whether the best is the log of the sum of exponentials. Its gradient has the direction of the
            cross-entropy's, but does not fade where the model is sure.
    """

    model: Model | None = None
    have: tuple[int, ...] = ()
    want: tuple[int, ...] = ()
    soft: bool = False

    def lead(self, scores: Array) -> Numbers:
        """Return the lead, (n,), from class scores (n, classes): below 0 where the model is fooled."""
        wide = scores.astype(np.float64)
        return np.asarray(wide[:, self.have].max(axis=1) - wide[:, self.want].max(axis=1))

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        assert self.model is not None
        scores = self.model.class_scores(outputs)
        slopes = np.zeros_like(scores)
        for classes, sign in ((self.have, 1), (self.want, -1)):
            slopes[:, classes] = sign * self._weights(scores[:, classes])
        # A binary classifier has one column for both classes.
        return {SCORES: slopes if slopes.shape == outputs[SCORES].shape else slopes[:, 1:] - slopes[:, :1]}

    def _weights(self, scores: Array) -> Numbers:
        if not self.soft:
            return np.asarray(np.arange(scores.shape[1]) == scores.argmax(axis=1)[:, None], np.float64)
        powers = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False)
class Change:
    """A changed picture.

    Args:
        levels: The picture in 0..255, (h, w, c).
        radius: The size of the change in 255ths, by the norm.
        lead: What is left of the lead.
    """

    levels: Numbers
    radius: float
    lead: float

    @property
    def fooled(self) -> bool:
        """Whether the model is."""
        return self.lead < 0


class SmallestChange:
    """The search for the smallest change.

    Args:
        ctx: The run.
        scale: The picture.
        goal: What is to happen.
        attack: How.

    Attributes:
        attack: How.
        tried: Pairs of a radius and whether an attack succeeded there.
        low: The largest radius at which none did, below the smallest at which one did.
        total: How far progress goes.
    """

    def __init__(self, ctx: Context, scale: EightBit, goal: Goal, attack: Attack) -> None:
        self._ctx, self._scale, self._goal, self.attack = ctx, scale, goal, attack
        self._levels, self._movable = scale.levels, scale.movable
        self._steps = attack.steps if attack.method == "pgd" else 1
        self._slope: Numbers | None = None
        self.total = (HALVINGS + 1) * self._steps + 1
        self.tried: list[tuple[float, bool]] = []
        self.low = 0.0

    def begin(self) -> Change:
        """Return the picture as it is where the model gives another answer already; else the largest change tried."""
        self._ctx.progress(0, self.total, "Looking")
        lead = float(self._goal.lead(self._ctx.scores[None])[0])
        if lead < 0:
            return Change(self._levels, 0.0, lead)
        first = found = self._attack(self.attack.largest, None)
        while self.attack.method == "fgsm" and not found.fooled and len(self.tried) <= OVERSHOT:
            found = self._attack(self.tried[-1][0] / 2, None)
        return found if found.fooled else first

    def smaller(self, found: Change) -> Iterator[Change]:
        """Halve the interval in which the smallest radius lies, and yield each smaller change that does."""
        while found.fooled and found.radius - self.low > NEAR_ENOUGH * found.radius and len(self.tried) <= HALVINGS:
            middle = (self.low + found.radius) / 2
            other = self._attack(middle, found)
            if other.fooled:
                found = other
                yield found
            else:
                self.low = middle

    def size(self, change: Numbers) -> Numbers:
        """Return the norm of changes (..., h, w, c) in 255ths."""
        if self.attack.norm == "linf":
            return np.asarray(np.abs(change).max(axis=(-3, -2, -1)))
        return np.asarray(np.sqrt((change**2).sum(axis=(-3, -2, -1)) / self._movable.sum()))

    def project(self, levels: Numbers, radius: float) -> Numbers:
        """Return the nearest pictures whose change is no larger, within 0..255."""
        change = (levels - self._levels) * self._movable
        if self.attack.norm == "linf":
            change = change.clip(-radius, radius)
        else:
            size = self.size(change)[..., None, None, None]
            change = change * np.where(size > radius, radius / np.where(size > 0, size, 1), 1)
        # The picture itself is within, so that this makes no change larger.
        return np.clip(self._levels + change, 0, 255)

    def direction(self, slopes: Numbers) -> Numbers:
        """Return the change of size 1 that lowers the lead most, by its slopes (n, h, w, c) in levels."""
        if self.attack.norm == "linf":
            return np.asarray(-np.sign(slopes))
        size = self.size(slopes)[:, None, None, None]
        return np.asarray(-slopes / np.where(size > 0, size, 1))

    def _attack(self, radius: float, known: Change | None) -> Change:
        done = len(self.tried) * self._steps
        found = self._one_step(radius) if self.attack.method == "fgsm" else self._many_steps(radius, known, done)
        if found.fooled and self.attack.method == "pgd":  # what rounds otherwise has found it; the network decides
            lead = self._goal.lead(self._ctx.model.predict(self._scale.read(found.levels[None])))
            found = replace(found, lead=float(lead[0]))
        self.tried.append((radius, found.fooled))
        return found

    def _pulled(self, levels: Numbers) -> tuple[Numbers, Numbers]:
        """Return the lead of pictures (n, h, w, c), and its slopes in levels."""
        pulled = self._ctx.model.pullback(self._scale.read(levels), [self._goal], (INPUT,), swift=True)
        lead = self._goal.lead(self._ctx.model.class_scores(pulled.outputs))
        return lead, pulled.gradients[INPUT][0] * self._scale.unit

    def _chosen(self, levels: Numbers, lead: Numbers) -> Change:
        """Return the picture of the smallest lead."""
        best = int(lead.argmin())
        return Change(levels[best], float(self.size(levels[best] - self._levels)), float(lead[best]))

    def _one_step(self, radius: float) -> Change:
        """Take one step from the picture, along a gradient that is the same for every radius."""
        self._ctx.progress(len(self.tried), self.total, f"A change of {radius:.3g} of 255")
        if self._slope is None:
            self._slope = self._pulled(self._levels[None])[1]
        levels = self.project(self._levels + radius * self.direction(self._slope), radius)
        return self._chosen(levels, self._goal.lead(self._ctx.model.predict(self._scale.read(levels))))

    def _many_steps(self, radius: float, known: Change | None, done: int) -> Change:
        """Step along the gradient from the picture, from random places, and from what was found before."""
        random = np.random.default_rng((self._ctx.seed, len(self.tried)))
        starts = [self._levels, *(self._somewhere(random, radius) for _ in range(self.attack.starts))]
        if known is not None:
            starts.append(known.levels)
        levels = self.project(np.stack(starts), radius)
        for step in range(self._steps):
            self._ctx.progress(
                done + step, self.total, f"A change of {radius:.3g} of 255, step {step + 1} of {self._steps}"
            )
            lead, slopes = self._pulled(levels)
            if (lead < 0).any():
                return self._chosen(levels, lead)
            levels = self.project(levels + STRIDE * radius / self._steps * self.direction(slopes), radius)
        return self._chosen(levels, self._goal.lead(self._ctx.model.predict(self._scale.read(levels))))

    def _somewhere(self, random: np.random.Generator, radius: float) -> Numbers:
        """Draw a picture whose change is no larger than a radius."""
        if self.attack.norm == "linf":
            return self._levels + random.uniform(-radius, radius, self._levels.shape)
        drawn = random.normal(size=self._levels.shape) * self._movable
        return self._levels + drawn * (radius * random.random() / float(self.size(drawn)))
