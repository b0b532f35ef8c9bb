"""Attention maps: what one layer of a transformer takes from where."""

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Attention,
    AttentionMethod,
    NotSupportedError,
    QuerySettings,
    Wide,
    of_query,
)


class AttentionMapSettings(QuerySettings):
    layer: int = Field(
        -1,
        ge=-1000,
        le=999,
        title="Layer",
        description="Which layer of attention: 0 is the first, -1 the last, -2 the one before it.",
    )
    head: int = Field(
        -1, ge=-1, le=999, title="Head", description="Which head of that layer: 0 is the first. -1: the mean of all."
    )


class AttentionMap(AttentionMethod[AttentionMapSettings]):
    """Where one layer of attention looks: how much the class token takes from each patch."""

    name = "attention-map"
    title = "Attention map"
    references = ("Vaswani et al. 2017, arXiv:1706.03762", "Caron et al. 2021, arXiv:2104.14294")
    formula = "map(k) = mean over heads of A[query, k],  A = softmax(Q K^T / sqrt(d)) of one layer"
    pitfalls = (
        "It knows no class: the map is the same for every target, and says where is looked, not what speaks for it.",
        "What a token holds in a late layer comes from all over the picture: its place is not where that was seen.",
        "Weights say how much is taken, not what: much of a value that is near zero is nothing.",
        "Large networks keep notes in a few patches of plain background, which then draw attention.",
    )
    units = "attention weight"
    knows_class = False

    def weigh(self, attention: Attention, target: int, settings: AttentionMapSettings) -> Wide:
        layers = attention.layers
        if not -len(layers) <= settings.layer < len(layers):
            raise NotSupportedError(
                f"layer must be in {-len(layers)}..{len(layers) - 1}: there are {len(layers)} layers of attention. Got "
                f"{settings.layer}."
            )
        heads = layers[settings.layer].weights[0].astype(np.float64)
        if settings.head >= len(heads):
            raise NotSupportedError(f"head must be in -1..{len(heads) - 1}. Got {settings.head}.")
        weights = heads.mean(axis=0) if settings.head < 0 else heads[settings.head]
        return of_query(attention, weights, settings.query)
