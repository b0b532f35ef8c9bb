"""Eigen-CAM: the pattern that most of a layer's activations share, whatever the class."""

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from picasso.plugin import ActivationMap, ActivationMapSettings, Context, LayerMap, Sample, Target, Wide, feature_maps


class EigenCamSettings(ActivationMapSettings):
    center: bool = Field(
        False,
        title="Center the channels",
        description="Subtract each channel's mean over the places first, as a principal component analysis does. The "
        "paper does not, some libraries do.",
    )


class EigenCam(ActivationMap[EigenCamSettings]):
    """Which places most of the last feature maps share: what stands out to the network, the same for every class."""

    name = "eigen-cam"
    title = "Eigen-CAM"
    references = ("Muhammad and Yeasin 2020, arXiv:2008.00299",)
    formula = "map = max(0, A v),  A = feature maps (places x channels) = U S V^T,  v = first column of V"
    pitfalls = (
        "It knows no class: the map is the same for every target, and says what stands out, not what speaks for it.",
        "A singular vector has no sign of its own: the one is taken that gives more active places larger values.",
        "Where two patterns are about equally strong, a small change of the picture swaps them.",
    )
    units = "activation along the first singular vector"
    takes_clips = True

    def look(
        self,
        ctx: Context,
        sample: Sample,
        targets: Sequence[Target],
        layers: Sequence[str],
        settings: EigenCamSettings,
    ) -> Iterator[list[LayerMap]]:
        ctx.progress(0, 1, f"Forward to {', '.join(layers)}")
        outputs = ctx.model.activations(sample.x, layers)
        ctx.progress(1, 1)
        for layer in layers:
            values = _first_component(feature_maps(ctx.model, layer, outputs[layer]), settings.center)
            yield [LayerMap(values, ("Eigen-CAM knows no class: this map is the same for every target.",))] * len(
                targets
            )


def _first_component(features: Wide, center: bool) -> Wide:
    """Return the features along their first right singular vector, (..., rows, columns)."""
    rows = features.reshape(-1, features.shape[-1])
    matrix = rows - rows.mean(axis=0) if center else rows
    _, _, vectors = np.linalg.svd(matrix, full_matrices=False)
    along: Wide = matrix @ vectors[0]
    agreement = along @ rows.sum(axis=1)
    if agreement == 0:  # no place is more active than another: the largest decides
        agreement = along[np.abs(along).argmax()]
    return (-along if agreement < 0 else along).reshape(features.shape[:-1])
