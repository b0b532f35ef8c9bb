"""Grad-CAM: which places of a layer's feature maps speak for the class."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Attribution,
    AttributionMethod,
    Capability,
    Context,
    NotSupportedError,
    Sample,
    Settings,
    Target,
    enlarge,
)


class GradCamSettings(Settings):
    layer: str = Field(
        "",
        title="Layer",
        description="Whose feature maps are weighted. Left empty: the last layer that ran whose output has space.",
        json_schema_extra={"picasso": {"choices": "spatial-layers"}},
    )
    keep_negative: bool = Field(
        False, title="Keep negative evidence", description="Also show the places that speak against the class."
    )


class GradCam(AttributionMethod[GradCamSettings]):
    """Which places speak for the class, from the last feature maps, weighted by their mean gradient."""

    name = "grad-cam"
    title = "Grad-CAM"
    references = ("Selvaraju et al. 2017, arXiv:1610.02391",)
    needs = frozenset({Capability.ACTIVATIONS, Capability.GRADIENTS})

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: GradCamSettings
    ) -> list[Attribution]:
        layer = settings.layer or _default_layer(ctx)
        ctx.progress(0, 1, f"Forward and backward to {layer}")
        pulled = ctx.model.pullback(sample.x, targets, (layer,))
        ctx.progress(1, 1)
        features = ctx.model.postprocess(pulled.values[layer])[0]
        if features.shape[0] * features.shape[1] == 1:
            raise NotSupportedError(f"The output of '{layer}' has no space: {features.shape}.", "Choose another layer.")
        height, width = sample.x.shape[1:3]
        maps = []
        for target, gradient in zip(targets, pulled.gradients[layer], strict=True):
            weights = ctx.model.postprocess(gradient)[0].mean(axis=(0, 1), dtype=np.float64)
            native = (features * weights).sum(axis=2)
            silent = not settings.keep_negative and bool((native <= 0).all()) and bool(weights.any())
            if not settings.keep_negative:
                native = np.maximum(native, 0)
            native = native.astype(np.float32)
            maps.append(
                Attribution(
                    values=enlarge(native, height, width),
                    target=target,
                    units="weighted activation",
                    sign="signed" if settings.keep_negative else "unsigned",
                    score=float(target.of_classes(ctx.scores)),
                    native=native,
                    laid=f"{native.shape[0]} x {native.shape[1]} cells of {layer}, bilinear between their centers",
                    notes=("No place of this layer speaks for the class: all evidence is negative.",) if silent else (),
                )
            )
        return maps


def _default_layer(ctx: Context) -> str:
    layer = ctx.model.default_layer()
    if layer is None:
        raise NotSupportedError("No layer of this network has space.", "Grad-CAM needs a convolutional layer.")
    return layer.name
