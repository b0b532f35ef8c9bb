"""XGrad-CAM: gradients averaged by how active each place is."""

import numpy as np

from picasso.plugin import ActivationMapSettings, GradientMap, Wide


class XGradCam(GradientMap[ActivationMapSettings]):
    """Which places speak for the class: as Grad-CAM, but gradients count where the feature maps are active."""

    name = "xgrad-cam"
    title = "XGrad-CAM"
    references = ("Fu et al. 2020, arXiv:2008.02312",)
    formula = (
        "map(p) = max(0, sum over channels k of w_k A_k(p)),  "
        "w_k = sum over places q of A_k(q) / (sum of A_k) * d score / d A_k(q)"
    )
    pitfalls = (
        "Before the negative places are cut off the map sums to gradient times activation, which is the score only "
        "where nothing but ReLUs, pooling and layers without bias follow.",
        "Behind no ReLU a channel's activations may nearly cancel: its weight is huge then.",
        "As with Grad-CAM, one weight for a whole channel may show places that the score does not depend on.",
    )

    def weigh(self, features: Wide, gradient: Wide) -> Wide:
        places = tuple(range(features.ndim - 1))
        sums, moved = features.sum(axis=places), (features * gradient).sum(axis=places)
        weights = np.divide(moved, sums, out=np.zeros_like(sums), where=sums != 0)  # a silent channel has none
        evidence: Wide = features @ weights
        return evidence

    def remarks(self, features: Wide, gradient: Wide) -> tuple[str, ...]:
        if (features >= 0).all():
            return ()
        return ("This layer has negative activations, which may cancel within a channel: choose one behind a ReLU.",)
