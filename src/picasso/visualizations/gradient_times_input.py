"""Gradient x input: the linear term of the class score."""

from collections.abc import Sequence

from picasso.plugin import (
    INPUT,
    SATURATED,
    Attribution,
    AttributionMethod,
    Capability,
    ChannelSettings,
    Context,
    Family,
    Model,
    Sample,
    Target,
    gradient_map,
)


class GradientTimesInput(AttributionMethod[ChannelSettings]):
    """What each pixel adds to the class score if the network were as linear as it is close to this picture."""

    name = "gradient-times-input"
    title = "Gradient x input"
    family = Family.GRADIENTS
    references = (
        "Shrikumar, Greenside, Shcherbina and Kundaje 2016, arXiv:1605.01713",
        "Ancona, Ceolini, Oztireli and Gross 2018, arXiv:1711.06104",
    )
    formula = "map(p) = sum over channels c of x[p, c] * d score(x) / d x[p, c]"
    pitfalls = (
        "It is measured against the number 0 of the network's input, a color that the preprocessing chose: a pixel of "
        "that color gets nothing, however much it counts.",
        "The edges of the picture show through the product, whatever the network looks at.",
        "The values add up to the score only for a network of ReLUs and pooling without biases.",
    )
    needs = frozenset({Capability.GRADIENTS})
    takes_clips = True
    clip = 0.005

    @classmethod
    def begins_with(cls, model: Model, settings: ChannelSettings) -> tuple[str, ...]:
        return (INPUT,)

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: ChannelSettings
    ) -> list[Attribution]:
        ctx.progress(0, 1, "Forward and backward")
        gradients = ctx.pullback(sample.x, targets).gradients[INPUT][:, 0]
        ctx.progress(1, 1)
        return [
            gradient_map(
                ctx,
                target,
                gradient * sample.x[0],
                settings.reduction,
                f"{ctx.model.facts.units} by the linear term",
                baseline="the number 0 of the network's input",
                silent="The network's input is zero wherever the gradient is not." if gradient.any() else SATURATED,
            )
            for target, gradient in zip(targets, gradients, strict=True)
        ]
