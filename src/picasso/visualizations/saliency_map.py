"""Saliency map: the gradient of the class score."""

from collections.abc import Sequence

from pydantic import Field

from picasso.plugin import (
    INPUT,
    Attribution,
    AttributionMethod,
    Capability,
    ChannelSettings,
    Context,
    Family,
    Model,
    Reduction,
    Sample,
    Target,
    gradient_map,
)


class SaliencyMapSettings(ChannelSettings):
    reduction: Reduction = Field(
        "max_abs",
        title="Over the channels",
        description="max_abs: the largest size, without sign. sum: the sum, with sign. none: each channel.",
    )


class SaliencyMap(AttributionMethod[SaliencyMapSettings]):
    """Which pixels, changed a little, would change the class score most."""

    name = "saliency-map"
    title = "Saliency map"
    family = Family.GRADIENTS
    references = ("Simonyan, Vedaldi and Zisserman 2013, arXiv:1312.6034",)
    formula = "map(p) = max over channels c of | d score(x) / d x[p, c] |"
    pitfalls = (
        "It says what a tiny change would do, not what the score is made of: a feature that the network is sure of may "
        "have no gradient at all.",
        "It is noisy: max pooling and strides leave a grain that is the network's, not the picture's.",
        "Without sign a pixel that speaks against the class is as bright as one that speaks for it.",
    )
    needs = frozenset({Capability.GRADIENTS})
    version = 2
    takes_clips = True
    clip = 0.005

    @classmethod
    def begins_with(cls, model: Model, settings: SaliencyMapSettings) -> tuple[str, ...]:
        return (INPUT,)

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: SaliencyMapSettings
    ) -> list[Attribution]:
        ctx.progress(0, 1, "Forward and backward")
        gradients = ctx.pullback(sample.x, targets).gradients[INPUT][:, 0]
        ctx.progress(1, 1)
        units = f"change in {ctx.model.facts.units} per unit of input"
        return [
            gradient_map(ctx, target, gradient, settings.reduction, units)
            for target, gradient in zip(targets, gradients, strict=True)
        ]
