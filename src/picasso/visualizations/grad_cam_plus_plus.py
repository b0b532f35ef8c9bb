"""Grad-CAM++: Grad-CAM whose gradients are weighed place by place, so that several objects count alike."""

import numpy as np

from picasso.plugin import ActivationMapSettings, GradientMap, Wide


class GradCamPlusPlus(GradientMap[ActivationMapSettings]):
    """Which places speak for the class: as Grad-CAM, but several objects, or parts of one, are meant to count alike."""

    name = "grad-cam-plus-plus"
    title = "Grad-CAM++"
    references = ("Chattopadhyay et al. 2017, arXiv:1710.11063",)
    formula = (
        "map(p) = max(0, sum over channels k of w_k A_k(p)),  w_k = sum over places q of a_k(q) max(0, g_k(q)),  "
        "a_k = g_k^2 / (2 g_k^2 + (sum of A_k) g_k^3),  g = d score / d A"
    )
    pitfalls = (
        "It assumes that what is explained is the exponential of the class score, so that the second and third "
        "derivatives are powers of the first; the score itself enters by its gradient alone.",
        "The weights are never negative: behind a ReLU a channel that speaks against the class cannot lower the map, "
        "and the maps of two classes look much alike.",
        "Before a ReLU the sum of a channel may be negative, where the weights of the paper mean nothing.",
    )

    def weigh(self, features: Wide, gradient: Wide) -> Wide:
        places = tuple(range(features.ndim - 1))
        # The sum over the places comes first, then each place's own gradient to the third.
        below = 2 * gradient**2 + features.sum(axis=places) * gradient**3
        alpha = np.divide(gradient**2, below, out=np.zeros_like(below), where=below != 0)
        weights = (alpha * np.maximum(gradient, 0)).sum(axis=places)
        evidence: Wide = features @ weights
        return evidence

    def remarks(self, features: Wide, gradient: Wide) -> tuple[str, ...]:
        if (features.sum(axis=tuple(range(features.ndim - 1))) >= 0).all():
            return ()
        return ("Channels of this layer have negative sums, for which the weights mean nothing: choose a later layer.",)
