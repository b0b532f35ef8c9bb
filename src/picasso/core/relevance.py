"""Relevance: a score shared out among what a network reads, operation by operation, so that the parts add up to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from picasso.core.preprocessing import Array


@dataclass(frozen=True, eq=False)
class RescaleRule:
    """DeepLIFT: what a score differs from that of a baseline is shared out among the differences of the inputs.

    Args:
        baseline: The input with nothing to see, (height, width, channels).
    """

    baseline: Array


class LrpRule(StrEnum):
    """How a layer of weights w shares the relevance R of an output z = sum(x w) + b out among its inputs x.

    epsilon: by x w / z, where z is kept from zero by epsilon. gamma: what has the sign of z counts by (1 + gamma) as
    much. z-plus: by what adds to z alone. alpha-beta: by alpha of what adds to z, less (alpha - 1) of what takes from
    it. flat: equally. z-box: by how far x w is above the least that it can be for inputs between two limits.
    """

    EPSILON = "epsilon"
    GAMMA = "gamma"
    Z_PLUS = "z-plus"
    ALPHA_BETA = "alpha-beta"
    FLAT = "flat"
    Z_BOX = "z-box"


@dataclass(frozen=True, eq=False)
class LayerwiseRules:
    """Layer-wise relevance propagation (LRP): a score is shared out from the last layer back to the first.

    Args:
        first: For the layers of weights that read the picture itself.
        convolutions: For the other layers of weights on maps.
        matrices: For those on vectors and tokens.
        epsilon: Of the rule epsilon, and of normalizations and products: in units of the layers' outputs.
        gamma: Of the rule gamma.
        alpha: Of the rule alpha-beta; beta is alpha - 1.
        attention: shared: attention weights get half of the relevance of what they weigh, and hand it on through their
            softmax (AttnLRP). constant: they get nothing, as if they were weights of the network.
        limits: Of the rule z-box: the least and the largest input, (height, width, channels).
    """

    first: LrpRule
    convolutions: LrpRule
    matrices: LrpRule
    epsilon: float = 1e-6
    gamma: float = 0.25
    alpha: float = 2.0
    attention: Literal["shared", "constant"] = "shared"
    limits: tuple[Array, Array] | None = None


RelevanceRules = RescaleRule | LayerwiseRules


@dataclass(frozen=True, eq=False)
class Relevance:
    """What each number of the input has of the targets.

    Args:
        outputs: The network's outputs by name.
        values: (targets, n, height, width, channels).
        shared: What was shared out, (targets, n): the target's score, or its difference from the baseline's.
        scores: The targets' scores, of what was shared out, (targets, n).
        absorbed: What went to biases and other constants on the way, by kind of operation, (targets, n).
        rules: How many operations each rule was applied to; none ran without one.
        before_head: Whether the softmax or sigmoid at the network's end was left out: what goes into it is shared out.
    """

    outputs: Mapping[str, Array]
    values: Array
    shared: Array
    scores: Array
    absorbed: Mapping[str, Array]
    rules: Mapping[str, int]
    before_head: bool = False

    @property
    def residual(self) -> Array:
        """What the values sum to, less what was shared out, (targets, n)."""
        return np.asarray(self.values.sum(axis=(2, 3, 4), dtype=np.float64) - self.shared)

    @property
    def unaccounted(self) -> Array:
        """The part of the residual that nothing has absorbed: rounding, (targets, n)."""
        return np.asarray(self.residual + sum(self.absorbed.values()))
