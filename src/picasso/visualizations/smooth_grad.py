"""SmoothGrad and its kin: the mean, mean square or variance of the gradient under noise."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from picasso.plugin import (
    Array,
    Attribution,
    AttributionMethod,
    Capability,
    ChannelSettings,
    Context,
    Family,
    Reduction,
    Sample,
    Target,
    gradient_map,
    pulled_back,
)

ROUNDING = 1e-6
"""Deviations of a gradient below this part of its largest size are those of single precision."""


class SmoothGradSettings(ChannelSettings):
    reduction: Reduction = Field(
        "max_abs",
        title="Over the channels",
        description="max_abs: the largest size, without sign. sum: the sum, with sign. none: each channel.",
    )
    variant: Literal["smoothgrad", "smoothgrad-squared", "vargrad"] = Field(
        "smoothgrad",
        title="Variant",
        description="smoothgrad: the mean of the gradients. smoothgrad-squared: the mean of their squares. vargrad: "
        "their variance.",
    )
    samples: int = Field(32, ge=1, le=1000, title="Samples", description="How many noisy pictures are looked at.")
    noise: float = Field(
        0.15,
        ge=0,
        le=1,
        title="Noise",
        description="Standard deviation of the noise, as a part of the range of the numbers that the network reads.",
    )

    @model_validator(mode="after")
    def _enough(self) -> "SmoothGradSettings":
        if self.variant == "vargrad" and self.samples < 2:
            raise ValueError("vargrad needs at least 2 samples")
        return self


class SmoothGrad(AttributionMethod[SmoothGradSettings]):
    """Which pixels change the class score, on average over pictures like this one with noise on them."""

    name = "smooth-grad"
    title = "SmoothGrad"
    family = Family.GRADIENTS
    references = (
        "Smilkov, Thorat, Kim, Viegas and Wattenberg 2017, arXiv:1706.03825",
        "Hooker, Erhan, Kindermans and Kim 2019, arXiv:1806.10758 (SmoothGrad-squared)",
        "Adebayo, Gilmer, Goodfellow and Kim 2018, arXiv:1810.03307 (VarGrad)",
    )
    formula = "map = mean over noise e of g(x + e); the mean of g^2; or the variance of g, where g = d score / d x"
    pitfalls = (
        "It explains the network around the picture, not at it: with much noise the class may be another one.",
        "A smooth map is no truer for being smooth; the amount of noise is a choice that changes it.",
        "SmoothGrad-squared and VarGrad have no sign, and VarGrad says where the gradient is unsure, not where it is "
        "large.",
    )
    needs = frozenset({Capability.GRADIENTS})
    takes_clips = True
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: SmoothGradSettings
    ) -> list[Attribution]:
        x = sample.x[0]
        spread = settings.noise * float(np.ptp(x))

        def noisy(number: int) -> Array:
            drawn = np.random.default_rng((ctx.seed, number))
            return np.asarray(x + spread * drawn.standard_normal(x.shape, np.float32), np.float32)

        mean, square = np.zeros((2, len(targets), *x.shape))
        for _, gradients in pulled_back(ctx, targets, noisy, settings.samples, noun="noisy pictures"):
            wide = gradients.astype(np.float64)
            mean += wide.sum(axis=1) / settings.samples
            square += (wide**2).sum(axis=1) / settings.samples
        values = {"smoothgrad": mean, "smoothgrad-squared": square, "vargrad": _variance(mean, square)}[
            settings.variant
        ]
        signed = settings.variant == "smoothgrad"
        units = f"change in {ctx.model.facts.units} per unit of input"
        notes: tuple[str, ...] = (f"A mean over {settings.samples} noisy pictures, drawn by seed {ctx.seed}.",)
        if not spread:
            notes += ("There is no noise: the setting is 0, or the picture is of one color.",)
        return [
            gradient_map(
                ctx,
                target,
                value,
                settings.reduction,
                units if signed else f"({units})^2",
                notes,
                unsigned=not signed,
                silent="All zero: the gradient is zero at every noisy picture (saturation), or it never varies.",
            )
            for target, value in zip(targets, values, strict=True)
        ]


def _variance(mean: Array, square: Array) -> Array:
    """Return the variance; what single precision alone makes of a constant gradient is none."""
    variance = square - mean**2
    return np.where(variance > (ROUNDING**2) * square.max(), variance, 0)
