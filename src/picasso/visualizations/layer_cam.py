"""Layer-CAM: each place of a layer's feature maps by its own positive gradient."""

import numpy as np

from picasso.plugin import ActivationMapSettings, GradientMap, Wide


class LayerCam(GradientMap[ActivationMapSettings]):
    """Which places speak for the class, each weighted by its own positive gradient: made for early layers, too."""

    name = "layer-cam"
    title = "Layer-CAM"
    references = ("Jiang et al. 2021, doi:10.1109/TIP.2021.3089943",)
    formula = "map(p) = max(0, sum over channels k of max(0, d score / d A_k(p)) A_k(p))"
    pitfalls = (
        "Negative gradients are dropped, so that evidence against the class at a place does not show.",
        "The values do not add up to the score, nor to a change of it.",
        "In an early layer it comes close to gradients times edges: fine detail is not proof of what the model used.",
    )
    units = "positive gradient times activation"

    def weigh(self, features: Wide, gradient: Wide) -> Wide:
        evidence: Wide = (features * np.maximum(gradient, 0)).sum(axis=-1)
        return evidence
