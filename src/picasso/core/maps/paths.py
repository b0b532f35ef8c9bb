"""Gradients at many inputs, chunk by chunk, and their integral along the straight path from a baseline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from picasso.core.facts import INPUT, Sample
from picasso.core.maps.baselines import BASELINES, Baseline, baseline
from picasso.core.maps.gradient_maps import ChannelSettings
from picasso.core.preprocessing import Array
from picasso.core.targets import Target
from picasso.core.visualization import Context

Wide = NDArray[np.float64]
Rule = Literal["gauss-legendre", "trapezoid"]
ROUNDING = 1e-5
"""An error below this part of the scores themselves is that of single precision: more steps do not lower it."""


class BaselineSettings(ChannelSettings):
    """From where the paths come."""

    baselines: str = Field(
        "black",
        title="Baselines",
        description=f"What stands for absent: {', '.join(BASELINES)}; several, separated by commas, are averaged.",
    )

    @field_validator("baselines", mode="before")
    @classmethod
    def _joined(cls, given: Any) -> Any:
        return ", ".join(map(str, given)) if isinstance(given, list | tuple) else given

    @field_validator("baselines")
    @classmethod
    def _known(cls, written: str) -> str:
        kinds = [kind.strip() for kind in written.split(",")]
        if unknown := [kind for kind in kinds if kind not in BASELINES]:
            raise ValueError(f"must be some of {', '.join(BASELINES)}, separated by commas; '{unknown[0]}' is none")
        if len(set(kinds)) < len(kinds):
            raise ValueError("must name each baseline once")
        return ", ".join(kinds)

    @property
    def kinds(self) -> tuple[Baseline, ...]:
        """The baselines, one by one."""
        return tuple(kind for said in self.baselines.split(", ") for kind in BASELINES if kind == said)


class PathSettings(BaselineSettings):
    """How the integral along a path is reckoned."""

    rule: Rule = Field(
        "gauss-legendre",
        title="Quadrature",
        description="Where on the path the gradients are taken, and how they are weighed.",
    )
    steps: int = Field(
        32, ge=2, le=1024, title="Steps", description="At how many points of a path gradients are taken at first."
    )
    max_steps: int = Field(
        128,
        ge=2,
        le=1024,
        title="Most steps",
        description="Where the tolerance is not met the steps are doubled, up to so many. No more than `steps`: once.",
    )
    tolerance: float = Field(
        0.02,
        ge=0,
        le=1,
        title="Tolerance",
        description="How far the attributions may be from adding up to the change in score, as a part of it.",
    )


@dataclass(frozen=True, eq=False)
class Integral:
    """What the picture owes to each number of the input, seen from one baseline.

    Args:
        values: (targets, ...): the difference from the baseline times the mean gradient along the path.
        change: By how much the score changes along the path, (targets,).
        errors: How far the values are from adding up to that, (targets,).
        steps: How many points they were found with, (targets,).
        notes: What must be known of them, for each target.
    """

    values: Wide
    change: Wide
    errors: Wide
    steps: NDArray[np.int64]
    notes: tuple[tuple[str, ...], ...]


def quadrature(rule: Rule, steps: int) -> tuple[Wide, Wide]:
    """Return where on [0, 1] a function is taken and the weights of its values; the weights sum to 1."""
    if rule == "gauss-legendre":
        places, weights = np.polynomial.legendre.leggauss(steps)
        return (places + 1) / 2, weights / 2
    weights = np.full(steps, 1 / (steps - 1))
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, steps), weights


def pulled_back(
    ctx: Context,
    targets: Sequence[Target],
    inputs: Callable[[int], Array],
    count: int,
    done: int = 0,
    noun: str = "points",
) -> Iterator[tuple[slice, Array]]:
    """Pull targets back to many inputs, of which never more than a batch is there.

    Args:
        ctx: The run; it is told of the progress.
        targets: What is differentiated.
        inputs: Makes the input of a number, (h, w, c).
        count: How many there are.
        done: How many were run before, for the progress.
        noun: What they are, for the progress.

    Yields:
        The numbers of a chunk, and its gradients (targets, chunk, ...).
    """
    start, total, most = 0, done + count, ctx.model.facts.fixed_batch
    ctx.progress(done, total, f"{done} of {total} {noun}")
    while start < count:
        chunk = slice(start, min(start + (most or ctx.model.batch_size), count))
        batch = np.stack([inputs(number) for number in range(chunk.start, chunk.stop)]).astype(np.float32, copy=False)
        yield chunk, ctx.model.pullback(batch, targets).gradients[INPUT]
        start = chunk.stop
        ctx.progress(done + start, total, f"{done + start} of {total} {noun}")


def target_scores(ctx: Context, targets: Sequence[Target], x: Array) -> Wide:
    """Return the scores (targets,) of one input (h, w, c)."""
    scores = ctx.model.predict(x[None])[0].astype(np.float64)
    return np.array([target.of_classes(scores) for target in targets])


def integrate(
    ctx: Context, sample: Sample, absent: Array, targets: Sequence[Target], settings: PathSettings, done: int = 0
) -> tuple[Integral, int]:
    """Integrate gradients along the straight path from a baseline to the picture.

    The error does not fall evenly with the steps, so that each target keeps the best that was found.

    Args:
        ctx: The run.
        sample: The picture.
        absent: The baseline, (h, w, c).
        targets: What is explained.
        settings: How.
        done: Points that were run before, for the progress.

    Returns:
        The integral, and the points that have been run.
    """
    x = sample.x[0]
    difference = x - absent
    of_picture = np.array([float(target.of_classes(ctx.scores)) for target in targets])
    of_baseline = target_scores(ctx, targets, absent)
    change = of_picture - of_baseline
    enough = np.maximum(
        settings.tolerance * np.abs(change), ROUNDING * np.maximum(np.abs(of_picture), np.abs(of_baseline))
    )
    tried: list[tuple[int, Wide]] = []
    values, steps = np.zeros((len(targets), *x.shape)), settings.steps
    while True:
        places, weights = quadrature(settings.rule, steps)
        shares: Array = places.astype(np.float32)

        def on_path(number: int, shares: Array = shares) -> Array:
            return np.asarray(absent + shares[number] * difference)

        mean = np.zeros_like(values)
        for chunk, gradients in pulled_back(ctx, targets, on_path, steps, done):
            # In single precision within a chunk, in double over the chunks.
            weighed = weights[chunk].astype(np.float32) @ gradients.reshape(*gradients.shape[:2], -1)
            mean += weighed.reshape(mean.shape)
        done += steps
        found = mean * difference
        errors = np.abs(found.reshape(len(targets), -1).sum(axis=1) - change)
        better = errors < np.min([before for _, before in tried], axis=0) if tried else np.ones(len(targets), bool)
        values[better] = found[better]
        tried.append((steps, errors))
        table = np.array([row for _, row in tried])
        if (table.min(axis=0) <= enough).all() or 2 * steps > settings.max_steps:
            break
        steps *= 2
    best = table.argmin(axis=0)
    numbers = np.array([count for count, _ in tried])
    notes = tuple(
        _remarks(numbers, table[:, place], float(change[place]), float(enough[place])) for place in range(len(targets))
    )
    return Integral(values, change, table.min(axis=0), numbers[best], notes), done


def _remarks(numbers: NDArray[np.int64], errors: Wide, change: float, enough: float) -> tuple[str, ...]:
    """Say where an integral did not converge, and where more steps made it worse."""
    best, notes = int(errors.argmin()), []
    if errors[best] > enough:
        notes.append(
            f"Not converged: with {numbers[best]} steps the values miss the change in score of {change:.3g} by "
            f"{errors[best]:.2g}. Allow more steps."
        )
    if best < len(errors) - 1:
        notes.append(
            f"The error does not fall evenly: {errors[best]:.2g} with {numbers[best]} steps, {errors[-1]:.2g} with "
            f"{numbers[-1]}. The map is that of {numbers[best]} steps."
        )
    return tuple(notes)


def from_baselines(ctx: Context, sample: Sample, targets: Sequence[Target], settings: PathSettings) -> Integral:
    """Integrate from each of several baselines, and average; the steps are the most of them."""
    integrals, done = [], 0
    for kind in settings.kinds:
        integral, done = integrate(ctx, sample, baseline(ctx.model, sample, kind, ctx.seed), targets, settings, done)
        integrals.append(integral)
    values = np.mean([one.values for one in integrals], axis=0)
    change = np.mean([one.change for one in integrals], axis=0)
    errors = np.abs(values.reshape(len(targets), -1).sum(axis=1) - change)
    several = len(integrals) > 1
    notes = tuple(
        tuple(
            f"From {kind}: {note}" if several else note
            for kind, one in zip(settings.kinds, integrals, strict=True)
            for note in one.notes[place]
        )
        for place in range(len(targets))
    )
    ctx.keep("steps", np.array([one.steps for one in integrals]))
    ctx.keep("changes", np.array([one.change for one in integrals]))
    ctx.keep("errors", np.array([one.errors for one in integrals]))
    return Integral(values, change, errors, np.max([one.steps for one in integrals], axis=0), notes)
