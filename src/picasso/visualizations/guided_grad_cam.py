"""Guided Grad-CAM: guided backpropagation where Grad-CAM is bright."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Array,
    Attribution,
    AttributionMethod,
    Capability,
    ChannelSettings,
    Context,
    Family,
    NotSupportedError,
    ReluRule,
    Sample,
    Target,
    enlarge,
    gradient_map,
    ruled_gradients,
)


class GuidedGradCamSettings(ChannelSettings):
    layer: str = Field(
        "",
        title="Layer",
        description="Whose feature maps Grad-CAM weighs. Left empty: the last layer that ran whose output has space.",
        json_schema_extra={"picasso": {"choices": "spatial-layers"}},
    )


class GuidedGradCam(AttributionMethod[GuidedGradCamSettings]):
    """Crisp outlines, kept only where the class's evidence lies in the last feature maps."""

    name = "guided-grad-cam"
    title = "Guided Grad-CAM"
    family = Family.RELU_RULES
    references = ("Selvaraju et al. 2017, arXiv:1610.02391",)
    formula = "map = guided backpropagation * Grad-CAM, enlarged to the input's size"
    pitfalls = (
        "The outlines are those of guided backpropagation, which fails the randomization tests (Adebayo et al. 2018, "
        "arXiv:1810.03292): only where they are kept says something of the model. Grad-CAM alone says that, too.",
        "That it is sharp does not mean that the network looks at these lines.",
        "Its values add up to nothing.",
    )
    needs = frozenset({Capability.ACTIVATIONS, Capability.GRADIENTS, Capability.RELU_RULES})
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: GuidedGradCamSettings
    ) -> list[Attribution]:
        layer = settings.layer or _default_layer(ctx)
        ctx.progress(0, 2, f"Forward and backward to {layer}")
        cams = _grad_cams(ctx, sample, targets, layer)
        ctx.progress(1, 2, "Forward and backward to the input")
        gradients, notes = ruled_gradients(ctx, sample, targets, ReluRule.GUIDED)
        ctx.progress(2, 2)
        height, width = sample.x.shape[1:3]
        return [
            gradient_map(
                ctx,
                target,
                gradient * enlarge(cam, height, width)[..., None],
                settings.reduction,
                f"{ctx.model.facts.units} sent back, weighed by Grad-CAM",
                notes,
                silent=f"All zero: no place of {layer} speaks for the class, or nothing comes back to where one does.",
            )
            for target, gradient, cam in zip(targets, gradients, cams, strict=True)
        ]


def _grad_cams(ctx: Context, sample: Sample, targets: Sequence[Target], layer: str) -> list[Array]:
    """Return Grad-CAM's maps at a layer's own resolution."""
    pulled = ctx.model.pullback(sample.x, targets, (layer,))
    features = ctx.model.postprocess(pulled.values[layer])[0]
    if features.shape[0] * features.shape[1] == 1:
        raise NotSupportedError(f"The output of '{layer}' has no space: {features.shape}.", "Choose another layer.")
    weights = [ctx.model.postprocess(one)[0].mean(axis=(0, 1), dtype=np.float64) for one in pulled.gradients[layer]]
    return [np.maximum(features @ weight, 0).astype(np.float32) for weight in weights]


def _default_layer(ctx: Context) -> str:
    layer = ctx.model.default_layer()
    if layer is None:
        raise NotSupportedError("No layer of this network has space.", "Guided Grad-CAM needs a convolutional layer.")
    return layer.name
