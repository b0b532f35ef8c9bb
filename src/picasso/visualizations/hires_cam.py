"""HiRes-CAM: each place of a layer's feature maps by its own gradient."""

from picasso.plugin import ActivationMapSettings, GradientMap, Wide


class HiResCam(GradientMap[ActivationMapSettings]):
    """Which places the score was made of, from the last feature maps, each place weighted by its own gradient."""

    name = "hires-cam"
    title = "HiRes-CAM"
    references = ("Draelos and Carin 2020, arXiv:2011.08891",)
    formula = "map(p) = max(0, sum over channels k of A_k(p) d score / d A_k(p))"
    pitfalls = (
        "Only where one linear layer follows does the map show what the score was made of; elsewhere it is a slope.",
        "The paper keeps the negative places; here they are cut off unless they are asked for.",
        "In an early layer single places get gradients of either sign by chance, and the map is grainy.",
    )
    units = "gradient times activation"

    def weigh(self, features: Wide, gradient: Wide) -> Wide:
        evidence: Wide = (features * gradient).sum(axis=-1)
        return evidence
