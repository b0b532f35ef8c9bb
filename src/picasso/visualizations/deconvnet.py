"""Deconvnet: the score sent back through the network, where each ReLU keeps what is positive on the way back."""

from collections.abc import Sequence

import numpy as np

from picasso.plugin import (
    INPUT,
    Attribution,
    AttributionMethod,
    Capability,
    ChannelSettings,
    Context,
    Family,
    ReluRule,
    Rules,
    Sample,
    Target,
    baseline,
    gradient_map,
    ruled_gradients,
    switches,
)

PICTURELESS = (
    "A grey picture has this same map: the way back passes no max pooling, or nothing else that depends on the picture."
)


class Deconvnet(AttributionMethod[ChannelSettings]):
    """What the network's filters would draw if the score were sent back through them: patterns, not reasons.

    Max pooling is undone with switches: what comes back goes to the place where the maximum was. That is what the
    gradient of max pooling does by itself, so it needs no rule of its own.
    """

    name = "deconvnet"
    title = "Deconvnet"
    family = Family.RELU_RULES
    references = ("Zeiler and Fergus 2014, arXiv:1311.2901", "Nie, Zhang and Patel 2018, arXiv:1805.07039")
    formula = "d score / d x, where each ReLU passes max(0, g) of what comes back, g, whatever went forward"
    pitfalls = (
        "It fails the randomization tests: a network with random weights gives nearly the same picture (Adebayo et al. "
        "2018, arXiv:1810.03292). It shows the picture's edges, not the model's reasons.",
        "In a network without max pooling nothing on the way back depends on the picture: all pictures have one map.",
        "Other classes give nearly the same map.",
        "It is not the gradient of the score, and its values add up to nothing.",
    )
    needs = frozenset({Capability.GRADIENTS, Capability.RELU_RULES})
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: ChannelSettings
    ) -> list[Attribution]:
        ctx.progress(0, 1, "Forward and backward")
        gradients, notes = ruled_gradients(ctx, sample, targets, ReluRule.DECONVNET)
        notes += switches(ctx.model)
        blank = baseline(ctx.model, sample, "grey")[None]
        of_blank = ctx.model.pullback(blank, targets, rules=Rules(ReluRule.DECONVNET)).gradients[INPUT][:, 0]
        if gradients.any() and np.allclose(of_blank, gradients, rtol=0, atol=1e-5 * np.abs(gradients).max(initial=0)):
            notes = (PICTURELESS, *notes)
        ctx.progress(1, 1)
        units = f"{ctx.model.facts.units} sent back, per unit of input"
        return [
            gradient_map(ctx, target, gradient, settings.reduction, units, notes)
            for target, gradient in zip(targets, gradients, strict=True)
        ]
