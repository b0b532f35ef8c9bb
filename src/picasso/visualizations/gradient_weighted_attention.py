"""Gradient-weighted attention: relevance passed through the layers by those heads that move the score."""

import numpy as np

from picasso.plugin import Attention, AttentionMethod, QuerySettings, Wide, among_tokens, of_query


class GradientWeightedAttention(AttentionMethod[QuerySettings]):
    """Which patches speak for the class: attention followed through the layers where more of it raises the score."""

    name = "gradient-weighted-attention"
    title = "Gradient-weighted attention"
    references = ("Chefer, Gur and Wolf 2021, arXiv:2103.15679",)
    formula = (
        "map = row of R - I for the query,  R = I at first, then layer by layer R <- R + M R,  "
        "M = mean over heads of max(0, A * dscore/dA)"
    )
    pitfalls = (
        "Only what speaks for the class is kept, head by head: evidence against it is never seen.",
        "Attention is followed, not what was attended to: what the values and the perceptrons do is in the gradient "
        "alone.",
        "Where the score is saturated, gradients are small or rule by noise: compare a few like pictures.",
        "Numbers of two networks do not compare: they grow with the layers and the size of the gradient.",
    )
    units = "relevance"

    def weigh(self, attention: Attention, target: int, settings: QuerySettings) -> Wide:
        identity = np.eye(attention.tokens)
        relevance = identity
        for layer, weights in zip(attention.layers, among_tokens(attention), strict=True):
            gradient = layer.gradients[target, 0].astype(np.float64)
            relevance = relevance + np.maximum(gradient * weights, 0).mean(axis=0) @ relevance
        # Without the identity, in which each token has itself: where patches are read it would be the same for all.
        return of_query(attention, relevance - identity, settings.query)
