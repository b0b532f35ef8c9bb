"""DeepLIFT: which pixels make the score differ from that of a picture with nothing to see."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Attribution,
    AttributionMethod,
    Baseline,
    Capability,
    Context,
    Family,
    RescaleRule,
    Sample,
    Settings,
    Target,
    baseline,
)


class DeepliftSettings(Settings):
    baseline: Baseline = Field(
        "black",
        title="Baseline",
        description="The picture with nothing to see: a color, the picture's mean color, its blur, or drawn numbers.",
    )
    reduction: Literal["sum", "none"] = Field(
        "sum", title="Over the channels", description="sum: one value for each pixel. none: each channel."
    )


class Deeplift(AttributionMethod[DeepliftSettings]):
    """Which pixels make the class score differ from that of a baseline: their parts add up to the difference."""

    name = "deeplift"
    title = "DeepLIFT"
    family = Family.RELEVANCE
    references = ("Shrikumar et al. 2017, arXiv:1704.02685",)
    formula = "map(p) = (x_p - x'_p) m_p, where m is the gradient with dy / dx replaced by (y - y') / (x - x')"
    pitfalls = (
        "The map is of differences from the baseline: what is as in the baseline (black on black) gets nothing.",
        "Two networks that compute the same function may get different maps: it looks at how a network is built.",
        "Adding up does not prove a map right: it only says that nothing of the difference was lost.",
    )
    needs = frozenset({Capability.RELEVANCE})
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: DeepliftSettings
    ) -> list[Attribution]:
        ctx.progress(0, 1, "Forward and backward, differences in place of gradients")
        absent = baseline(ctx.model, sample, settings.baseline, ctx.seed)
        found = ctx.model.relevance(sample.x, targets, RescaleRule(absent))
        ctx.progress(1, 1)
        notes = []
        if np.array_equal(absent, sample.x[0]):
            notes.append("The picture is the baseline itself, so that nothing differs.")
        elif not found.values.any():
            notes.append("Every part is zero: nothing of the picture changes the score.")
        if found.before_head:
            notes.append("The network gives probabilities; what goes into its softmax or sigmoid is explained.")
        return [
            Attribution(
                values=np.ascontiguousarray(values if settings.reduction == "none" else values.sum(axis=-1)),
                target=target,
                units=f"change in {'logit' if found.before_head else ctx.model.facts.units}",
                sign="signed",
                score=float(found.scores[number, 0]),
                baseline=settings.baseline,
                convergence_error=abs(float(found.residual[number, 0])),
                change=float(found.shared[number, 0]),
                notes=tuple(notes),
            )
            for number, (target, values) in enumerate(zip(targets, found.values[:, 0], strict=True))
        ]
