"""The search for the picture that makes something in a network large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.facts import INPUT, Sample
from picasso.core.model import Model
from picasso.core.pictures.bilateral import bilateral
from picasso.core.pictures.images import read_picture
from picasso.core.preprocessing import Array
from picasso.core.synthesis.descent import Adam, Descent, Steepest
from picasso.core.synthesis.diversity import Alike, gram
from picasso.core.synthesis.eight_bit import EightBit, eight_bit
from picasso.core.synthesis.objective import Joint, Objective
from picasso.core.synthesis.parametrization import Parametrization, Wide
from picasso.core.synthesis.priors import alpha_norm, high_frequencies, total_variation
from picasso.core.synthesis.shaking import Shaking
from picasso.core.targets import LAYER, SCORES

RESTARTS = (1.0, 10.0, *(100.0,) * 8)
"""How much more noise the search begins with, again and again, where nothing moves what is to become large."""


OPAQUE = 98.0
"""The percentile of the importance from which a pixel is opaque."""
STILL = Shaking()


@dataclass(frozen=True)
class SearchPlan:
    """How a picture is searched for.

    Args:
        optimizer: "adam", or the steepest step by "l2" or "linf".
        rate: Of its steps, at first.
        steps: How many.
        fading: The rate of the last step, as a part of the first one's.
        noise: Of the grey picture with which the search begins, in the parameters' units.
        shaking: How the picture is moved before each step.
        total_variation, high_frequencies, toward_grey: Weights of these, in the objective's units.
        blur_every: After so many steps the picture is blurred but for its edges; 0 for never.
        diversity: Weight of the likeness to the other pictures for the same objective, in the objective's units.
    """

    optimizer: str
    rate: float
    steps: int
    fading: float = 1.0
    noise: float = 0.01
    shaking: Shaking = STILL
    total_variation: float = 0.0
    high_frequencies: float = 0.0
    toward_grey: float = 0.0
    blur_every: int = 0
    diversity: float = 0.0

    def descent(self) -> Descent:
        """Return what makes the steps."""
        if self.optimizer == "adam":
            return Adam(self.rate)
        return Steepest(self.rate, "l2" if self.optimizer == "l2" else "linf")


class GreyCanvas:
    """The empty picture on which all are made: grey, of the size that the network reads.

    Attributes:
        sample: That picture, as the network reads it.
        scale: What the levels 0..255 are to the network.
        unit: What the whole way from black to white is in its numbers, (h, w, c).
        grey: The empty picture in 0..1, (h, w, c).
    """

    def __init__(self, model: Model) -> None:
        height, width = model.input_shape[:2]
        self.model = model.whole
        self.sample: Sample = model.prepare(read_picture(np.full((height, width, 3), 128, np.uint8), "grey"))
        self.scale: EightBit = eight_bit(model, self.sample)
        self.unit = (255 * self.scale.unit).astype(np.float32)
        self.grey = np.full(self.scale.x.shape, 0.5, np.float32)

    def read(self, picture: Wide) -> Array:
        """Return what the network reads of a picture (h, w, c) in 0..1, as a batch of one."""
        return self.scale.read(np.float32(255) * picture.astype(np.float32, copy=False))[None]

    def value(self, objective: Objective, picture: Wide) -> float:
        """Return what an objective is of a picture (h, w, c) in 0..1."""
        x, total = self.read(picture), 0.0
        for target in objective.joined():
            place = target.layer
            outputs = {LAYER: self.model.activations(x, [place])[place]} if place else self.model.outputs(x)
            total += float(target(outputs)[0])
        return total

    def probability(self, objective: Objective, picture: Wide) -> float | None:
        """Return the probability of an objective's class for a picture; None where it is of no class."""
        outputs = {} if objective.index is None or self.model.head == "none" else self.model.outputs(self.read(picture))
        if SCORES not in outputs:
            return None
        scores = self.model.class_scores(outputs)
        return float(self.model.probabilities(scores)[0, objective.index])


class PictureSearch:
    """The search for one picture.

    Args:
        canvas: Where it is made.
        objective: What is to become large.
        made: What the picture is made of.
        plan: How it is searched for.
        seed: Of the noise and of the moves.
        diverse: The layer that judges how alike pictures are; "" where nobody asks.

    Attributes:
        picture: What was found so far, (h, w, c) in 0..1.
        course: The objective of each step's picture, as it was moved; NaN for steps not made.
        importance: How much each pixel was moved in all, (h, w).
        failed: Whether numbers became too large to go on.
        dead: Whether nothing moves the objective, wherever the search begins.
    """

    def __init__(
        self,
        canvas: GreyCanvas,
        objective: Objective,
        made: Parametrization,
        plan: SearchPlan,
        seed: Sequence[int],
        diverse: str = "",
    ) -> None:
        self.objective, self._canvas, self._made, self._plan = objective, canvas, made, plan
        self._targets, self._diverse = objective.joined(), diverse
        self._random = np.random.default_rng(list(seed))
        self._parameters = made.start(self._random, plan.noise).astype(np.float32)
        self._descent = plan.descent()
        self._gram: Wide | None = None
        self.picture = self.begun = made.picture(self._parameters)
        self.course = np.full(plan.steps, np.nan)
        self.importance = np.zeros(canvas.grey.shape[:2])
        self.failed = self.dead = False

    @property
    def gram(self) -> Wide | None:
        """What its last step's picture looks like to the layer that judges likeness."""
        return self._gram

    @property
    def said_dead(self) -> str:
        """Say that nothing moves the objective."""
        return (
            f"Nothing moves '{self.objective.text}': its gradient is exactly zero at grey and at {len(RESTARTS)} noisy "
            "pictures. The unit is dead, or its ReLUs are far from firing."
        )

    def step(self, number: int, others: Sequence[Wide] = ()) -> None:
        """Go one step uphill.

        Args:
            number: Which, from 0.
            others: The Gram matrices of the pictures that it is to differ from.
        """
        if self.failed or self.dead:
            return
        value, slopes = self._up(others)
        for more in RESTARTS if number == 0 else ():
            if slopes.any():
                break
            self._parameters = self._made.start(self._random, (self._plan.noise or 0.01) * more).astype(np.float32)
            self.picture = self._made.picture(self._parameters)
            value, slopes = self._up(others)
        if number == 0 and not slopes.any():
            self.dead = True
            return
        self.course[number] = value
        self.importance += np.abs(slopes).mean(axis=-1)
        down = self._priors() - slopes
        self._descent.rate = self._plan.rate * self._faded(number)
        move = self._descent.step(self._made.pull(self._parameters, down, self.picture))
        after = self._parameters + move.astype(np.float32)
        if not (np.isfinite(value) and np.isfinite(after).all()):
            self.failed = True
            return
        self._parameters = self._made.bounded(after)
        self.picture = self._made.picture(self._parameters)
        every = self._plan.blur_every
        if every and number % every == every - 1 and number + 1 < self._plan.steps:
            self._parameters = self._made.of(bilateral(self.picture)).astype(np.float32)
            self.picture = self._made.picture(self._parameters)

    def _up(self, others: Sequence[Wide]) -> tuple[float, Wide]:
        """Return the objective of the picture, moved at random, and its slopes by the picture itself."""
        canvas, shape = self._canvas, self.picture.shape
        shake = self._plan.shaking.draw(self._random, (shape[0], shape[1]))
        x = canvas.read(self.picture if shake is None else shake.apply(self.picture))
        value, total = 0.0, np.zeros(shape, np.float32)
        for target in self._asked(others):
            pulled = canvas.model.pullback(x, [target], (INPUT,), swift=True)
            total += pulled.gradients[INPUT][0, 0]
            for weight, part in target.parts:
                if not isinstance(part, Alike):
                    value += weight * float(part(pulled.outputs)[0])
                else:
                    self._gram = gram(pulled.outputs[LAYER][0])
        slopes = canvas.unit * total
        return value, slopes if shake is None else shake.pull(slopes)

    def _asked(self, others: Sequence[Wide]) -> list[Joint]:
        """Return what is pulled back: the objective, and the likeness to other pictures where that is asked for."""
        asked = list(self._targets)
        if not self._diverse:
            return asked
        alike = Alike(label="likeness", place=self._diverse, others=np.stack(others) if others else None)
        for place, target in enumerate(asked):
            if target.layer == self._diverse:
                asked[place] = Joint.of([*target.parts, (-self._plan.diversity, alike)])
                return asked
        return [*asked, Joint.of([(-self._plan.diversity, alike)])]

    def _priors(self) -> Wide:
        """Return the slopes of what is asked of the picture for its own sake."""
        plan, slopes = self._plan, np.zeros_like(self.picture)
        if plan.total_variation:
            slopes += plan.total_variation * total_variation(self.picture)[1]
        if plan.high_frequencies:
            slopes += plan.high_frequencies * high_frequencies(self.picture)[1]
        if plan.toward_grey:
            slopes += plan.toward_grey * alpha_norm(self.picture, 2)[1]
        return slopes

    def _faded(self, number: int) -> float:
        done = number / self._plan.steps
        return self._plan.fading + (1 - self._plan.fading) * (1 + float(np.cos(np.pi * done))) / 2


class MadePicture:
    """A picture that was made, and what the network says of it.

    Args:
        canvas: Where it was made.
        search: That found it.

    Attributes:
        picture: As 8 bits have it, (h, w, c) in 0..1.
        grey, reached: The objective for grey and for the picture, without moves.
        probability: Of the objective's class for the picture; None where there is none.
        lost: Whether grey was as good, and what the search began with, too: no grey can be made of learned codes.
    """

    def __init__(self, canvas: GreyCanvas, search: PictureSearch) -> None:
        self.search, self.picture = search, np.round(255 * search.picture) / 255
        self.grey = canvas.value(search.objective, canvas.grey)
        self.reached = canvas.value(search.objective, self.picture)
        self.probability = canvas.probability(search.objective, self.picture)
        begun = canvas.value(search.objective, search.begun)
        self.lost = search.failed or search.dead or self.reached <= min(self.grey, begun)

    @property
    def caption(self) -> str:
        """What it is for, and what it reached."""
        sure = "" if self.probability is None else f", probability {self.probability:.0%}"
        return f"{self.search.objective.text}: {self.reached:.3g} (grey {self.grey:.3g}){sure}"

    def faded(self, canvas: GreyCanvas) -> NDArray[np.uint8]:
        """Return the picture over white, as opaque as the search moved its pixels."""
        most = float(np.percentile(self.search.importance, OPAQUE)) or 1.0
        opaque = np.clip(self.search.importance / most, 0, 1)[..., None]
        return canvas.scale.shown(255 * (self.picture * opaque + 1 - opaque))
