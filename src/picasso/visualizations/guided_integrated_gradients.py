"""Guided integrated gradients: on the way from the baseline, the pixels that matter least come first."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    BASELINES,
    INPUT,
    Array,
    Attribution,
    AttributionMethod,
    Baseline,
    Capability,
    ChannelSettings,
    Context,
    Family,
    Sample,
    Target,
    baseline,
    gradient_map,
    target_scores,
)

Wide = NDArray[np.float64]
MISSED = 0.05
"""Error, as a part of the change in score, from which on the reader is told."""


class GuidedIntegratedGradientsSettings(ChannelSettings):
    baseline: Baseline = Field(
        "black", title="Baseline", description=f"From where the path comes: {', '.join(BASELINES)}."
    )
    steps: int = Field(
        64,
        ge=1,
        le=1000,
        title="Steps",
        description="How many steps the path has. Each needs the one before it, so that no batch helps.",
    )
    fraction: float = Field(
        0.1,
        ge=0.01,
        le=1,
        title="Fraction",
        description="What part of the numbers, those of the smallest gradients, is moved at once.",
    )
    distance: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Distance",
        description="How far a number may be from the straight path, as a part of it. 1: anywhere between the baseline "
        "and the picture. 0: integrated gradients. Small ones may not add up at all: see the convergence error.",
    )


class GuidedIntegratedGradients(AttributionMethod[GuidedIntegratedGradientsSettings]):
    """How the change in score is shared out along a path that keeps away from steep slopes: less noise."""

    name = "guided-integrated-gradients"
    title = "Guided integrated gradients"
    family = Family.GRADIENTS
    references = ("Kapishnikov, Venugopalan, Avci, Wedin, Terry and Bolukbasi 2021, arXiv:2106.09788",)
    formula = "map = sum over steps of d score / d x * dx, where dx moves the numbers of the smallest |d score / d x|"
    pitfalls = (
        "The path is another one for each class, so that maps of two classes do not subtract to that of their "
        "difference.",
        "From a baseline of one color many gradients are equal at first, and rounding decides which numbers go first: "
        "the map may differ in places between frameworks.",
        "Where the picture has the baseline's color the map is zero: black things are never seen from black.",
        "The steps are of the first order, and move numbers while their gradients are small, which may miss most of "
        "the change in score, above all where the path is kept close to the straight one. The convergence error says "
        "by how much.",
    )
    needs = frozenset({Capability.GRADIENTS})
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: GuidedIntegratedGradientsSettings
    ) -> list[Attribution]:
        absent = baseline(ctx.model, sample, settings.baseline, ctx.seed)
        difference = sample.x[0].astype(np.float64) - absent
        before, total, maps = target_scores(ctx, targets, absent), settings.steps * len(targets), []
        for place, target in enumerate(targets):

            def slope(progress: Wide, step: int, place: int = place, target: Target = target) -> Wide:
                ctx.progress(place * settings.steps + step, total, f"Step {step} of {settings.steps}: {target.label}")
                x = np.asarray(absent + progress * difference, np.float32)
                return np.asarray(ctx.model.pullback(x[None], [target]).gradients[INPUT][0, 0], np.float64)

            values = along_guided_path(difference, slope, settings.steps, settings.fraction, settings.distance)
            change = float(target.of_classes(ctx.scores)) - float(before[place])
            error = abs(float(values.sum()) - change)
            missed = f"The values miss the change in score of {change:.3g} by {error:.2g}: take more steps or distance."
            maps.append(
                gradient_map(
                    ctx,
                    target,
                    values,
                    settings.reduction,
                    f"part of the change in {ctx.model.facts.units}",
                    (missed,) if error > MISSED * abs(change) + 1e-5 * abs(before[place]) else (),
                    silent="All zero: the picture is the baseline, or the score does not move on the way (saturation).",
                    baseline=settings.baseline,
                    convergence_error=error,
                    change=change,
                )
            )
        ctx.progress(total, total)
        return maps


def along_guided_path(
    difference: Array, slope: Callable[[Wide, int], Wide], steps: int, fraction: float, distance: float
) -> Wide:
    """Add up gradients along the guided path.

    Args:
        difference: What lies between the baseline and the picture, of the input's shape.
        slope: Returns the gradient where each number has gone a part of its way, 0..1.
        steps: How many steps.
        fraction: What part of the numbers is moved at once.
        distance: How far a number's part may be from that of the straight path.
    """
    lengths = np.abs(difference)
    gone, values = np.zeros_like(lengths), np.zeros_like(lengths)
    for step in range(steps):
        gradient = slope(gone, step)
        part = (step + 1) / steps
        low, high = max(part - distance, 0.0), min(part + distance, 1.0)
        moved = np.maximum(gone, low)  # who has fallen behind catches up
        missing = float((lengths * (part - moved)).sum())
        while missing > 1e-9 * max(1.0, float(lengths.sum())):
            open_ = (moved < high) & (lengths > 0)
            sizes = np.where(open_, np.abs(gradient), np.inf)
            chosen = open_ & (sizes <= np.quantile(sizes, fraction, method="lower"))
            room = float((lengths * (high - moved))[chosen].sum())
            # All that is chosen moves by the same part of its room: just enough, or up to the limit.
            share = min(1.0, missing / room)
            moved[chosen] = high if share == 1 else moved[chosen] + share * (high - moved[chosen])
            missing = float((lengths * (part - moved)).sum())
        values += (moved - gone) * difference * gradient
        gone = moved
    return values
