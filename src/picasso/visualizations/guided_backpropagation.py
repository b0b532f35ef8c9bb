"""Guided backpropagation: the gradient, of which each ReLU passes only what is positive."""

from collections.abc import Sequence

from picasso.plugin import (
    Attribution,
    AttributionMethod,
    Capability,
    ChannelSettings,
    Context,
    Family,
    ReluRule,
    Sample,
    Target,
    gradient_map,
    ruled_gradients,
)


class GuidedBackpropagation(AttributionMethod[ChannelSettings]):
    """Crisp outlines of what excites the network: a partial redrawing of the picture, not the model's reasons."""

    name = "guided-backpropagation"
    title = "Guided backpropagation"
    family = Family.RELU_RULES
    references = (
        "Springenberg, Dosovitskiy, Brox and Riedmiller 2015, arXiv:1412.6806",
        "Nie, Zhang and Patel 2018, arXiv:1805.07039",
    )
    formula = "d score / d x, where each ReLU of z passes max(0, g) where z > 0 of what comes back, g"
    pitfalls = (
        "It fails the randomization tests: a network with random weights gives nearly the same picture (Adebayo et al. "
        "2018, arXiv:1810.03292). It shows the picture's edges, not the model's reasons.",
        "Other classes give nearly the same map.",
        "It is not the gradient of the score, and its values add up to nothing.",
        "Other tools return the plain gradient, without a word, where ReLUs are written as functions.",
    )
    needs = frozenset({Capability.GRADIENTS, Capability.RELU_RULES})
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: ChannelSettings
    ) -> list[Attribution]:
        ctx.progress(0, 1, "Forward and backward")
        gradients, notes = ruled_gradients(ctx, sample, targets, ReluRule.GUIDED)
        ctx.progress(1, 1)
        units = f"{ctx.model.facts.units} sent back, per unit of input"
        return [
            gradient_map(ctx, target, gradient, settings.reduction, units, notes)
            for target, gradient in zip(targets, gradients, strict=True)
        ]
