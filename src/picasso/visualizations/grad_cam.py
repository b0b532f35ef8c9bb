"""Grad-CAM: which places of a layer's feature maps speak for the class."""

from picasso.plugin import ActivationMapSettings, GradientMap, Wide


class GradCam(GradientMap[ActivationMapSettings]):
    """Which places speak for the class, from the last feature maps, weighted by their mean gradient."""

    name = "grad-cam"
    title = "Grad-CAM"
    references = ("Selvaraju et al. 2017, arXiv:1610.02391",)
    formula = "map(p) = max(0, sum over channels k of w_k A_k(p)),  w_k = mean over places q of d score / d A_k(q)"
    pitfalls = (
        "The mean over the places lets evidence at one place color another that the model did not use; HiRes-CAM "
        "does not.",
        "It is as coarse as the layer: a blob of the right place is no outline of the object.",
        "Where a channel's gradients differ in sign from place to place they cancel, and the map may be empty or wrong "
        "in an early layer.",
    )

    def weigh(self, features: Wide, gradient: Wide) -> Wide:
        places = tuple(range(features.ndim - 1))  # of a clip in all frames
        weights = gradient.mean(axis=places)
        evidence: Wide = features @ weights
        return evidence
