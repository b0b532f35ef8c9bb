"""Grad-CAM: which places of a layer's feature maps speak for the class."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Array,
    Attribution,
    AttributionMethod,
    Capability,
    Context,
    NotSupportedError,
    Sample,
    Settings,
    Target,
    enlarge,
    nearest,
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
    takes_clips = True

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: GradCamSettings
    ) -> list[Attribution]:
        layer = settings.layer or _default_layer(ctx)
        ctx.progress(0, 1, f"Forward and backward to {layer}")
        pulled = ctx.model.pullback(sample.x, targets, (layer,))
        ctx.progress(1, 1)
        features = ctx.model.postprocess(pulled.values[layer])[0]
        if features.shape[-3] * features.shape[-2] == 1:
            raise NotSupportedError(f"The output of '{layer}' has no space: {features.shape}.", "Choose another layer.")
        places = tuple(range(features.ndim - 1))  # of a clip in all frames
        maps = []
        for target, gradient in zip(targets, pulled.gradients[layer], strict=True):
            weights = ctx.model.postprocess(gradient)[0].mean(axis=places, dtype=np.float64)
            native = (features * weights).sum(axis=-1)
            silent = not settings.keep_negative and bool((native <= 0).all()) and bool(weights.any())
            if not settings.keep_negative:
                native = np.maximum(native, 0)
            native = native.astype(np.float32)
            maps.append(
                Attribution(
                    values=_enlarged(native, sample),
                    target=target,
                    units="weighted activation",
                    sign="signed" if settings.keep_negative else "unsigned",
                    score=float(target.of_classes(ctx.scores)),
                    native=native,
                    laid=_laid(native, layer, sample),
                    notes=("No place of this layer speaks for the class: all evidence is negative.",) if silent else (),
                )
            )
        return maps


def _enlarged(native: Array, sample: Sample) -> Array:
    """Lay a map over the input: in space between the cells' centers, in time to the nearest of the layer's frames."""
    height, width = sample.x.shape[-3:-1]
    if sample.views is None:
        return enlarge(native, height, width)
    steps = native if native.ndim == 3 else native[None]
    return np.stack([enlarge(step, height, width) for step in steps])[nearest(len(steps), len(sample.views))]


def _laid(native: Array, layer: str, sample: Sample) -> str:
    said = f"{native.shape[-2]} x {native.shape[-1]} cells of {layer}, bilinear between their centers"
    if sample.views is None:
        return said
    return f"{said}; {native.shape[0] if native.ndim == 3 else 1} in time, each over the frames nearest to it"


def _default_layer(ctx: Context) -> str:
    layer = ctx.model.default_layer()
    if layer is None:
        raise NotSupportedError("No layer of this network has space.", "Grad-CAM needs a convolutional layer.")
    return layer.name
