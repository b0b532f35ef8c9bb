"""Attention rollout: attention followed through all layers, back to the patches."""

from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import Attention, AttentionMethod, QuerySettings, Wide, among_tokens, of_query


class AttentionRolloutSettings(QuerySettings):
    heads: Literal["mean", "max", "min"] = Field(
        "mean",
        title="Heads",
        description="What is taken of a layer's heads, weight by weight. The paper takes the mean.",
    )
    residual: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Residual",
        description="Which part of a token goes past the attention of each layer, 0..1. The paper takes a half.",
    )


class AttentionRollout(AttentionMethod[AttentionRolloutSettings]):
    """Which patches the answer's tokens are mixed of, if every layer passes on what it attends to."""

    name = "attention-rollout"
    title = "Attention rollout"
    references = ("Abnar and Zuidema 2020, arXiv:2005.00928",)
    formula = (
        "map = row of R for the query,  R = B_L ... B_2 B_1,  B_l = (1 - r) mean over heads of A_l + r I,  r = 1/2"
    )
    pitfalls = (
        "It knows no class: the map is the same for every target, and says what was mixed, not what speaks for it.",
        "It takes every layer for attention and a sum: what the values, the projections and the perceptrons do is left "
        "out, and whether they add or cancel.",
        "The half that goes past each layer is an assumption: networks differ in it, and so do their layers.",
        "With many layers the rows become alike, and the map shows which patches attract attention at all.",
    )
    units = "share of what is mixed"
    knows_class = False

    def weigh(self, attention: Attention, target: int, settings: AttentionRolloutSettings) -> Wide:
        identity = np.eye(attention.tokens)
        mixed = identity
        for heads in among_tokens(attention):
            fused = getattr(heads, settings.heads)(axis=0)
            passed = (1 - settings.residual) * fused + settings.residual * identity
            # A row sums to 1 by itself for the mean of heads only.
            mixed = passed / np.maximum(passed.sum(axis=1, keepdims=True), 1e-12) @ mixed
        return of_query(attention, mixed, settings.query)
