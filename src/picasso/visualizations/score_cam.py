"""Score-CAM: each feature map as a mask over the picture, weighed by the class score behind it."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import (
    MASKS_AT_ONCE,
    Array,
    Capability,
    ChannelMap,
    ChannelMapSettings,
    Channels,
    Context,
    Sample,
    SettingsError,
    Target,
    Wide,
    baseline,
    enlarge,
    score_masked,
)


class ScoreCamSettings(ChannelMapSettings):
    variant: Literal["softmax", "probability"] = Field(
        "softmax",
        title="Variant",
        description="Two were published. softmax: a channel's weight is the softmax, over the channels, of the class "
        "score behind its mask, as in the paper's Algorithm 1. probability: the weight is the class's probability "
        "behind the mask, as in its first version and the authors' code.",
    )
    fill: Literal["zero", "black", "grey", "white", "mean", "blur"] = Field(
        "zero",
        title="Fill",
        description="What is seen where a mask is dark. zero: zeros of the network's input, as in the paper; or a "
        "color, the picture's mean color, or its blur.",
    )


class ScoreCam(ChannelMap[ScoreCamSettings]):
    """Which places speak for the class: the last feature maps, each weighted by the score with only its places seen."""

    name = "score-cam"
    title = "Score-CAM"
    references = ("Wang et al. 2019, arXiv:1910.01279",)
    formula = (
        "map(p) = max(0, sum over channels k of w_k A_k(p)),  w = softmax over k of score(x * H_k),  "
        "H_k = A_k enlarged to pixels and stretched to 0..1"
    )
    pitfalls = (
        "Two variants were published, and they differ: the softmax over the channels gives nearly all weight to one "
        "channel where class scores are large; probabilities give little to any where the class is unlikely.",
        "Weights are never negative: nothing in the map speaks against the class, however the class is chosen.",
        "It runs the network once for each channel, and a masked picture is like none that it was trained on.",
    )
    needs = frozenset({Capability.PREDICT, Capability.ACTIVATIONS})

    def scores(self, ctx: Context, sample: Sample, channels: Channels, settings: ScoreCamSettings) -> Iterator[Array]:
        if settings.variant == "probability" and ctx.model.head == "none":
            raise SettingsError("variant must be softmax: the model's head is none, so it gives no probabilities.")
        zero = settings.fill == "zero"
        absent = np.zeros_like(sample.x[0]) if zero else baseline(ctx.model, sample, settings.fill)  # type: ignore[arg-type]
        maps = ctx.model.postprocess(channels.values)[0][..., channels.numbers]
        height, width = sample.x.shape[1:3]
        chunks = (
            np.stack([_stretched(enlarge(maps[..., k], height, width)) for k in range(start, stop)])
            for start, stop in _chunks(maps.shape[-1])
        )
        for _, scores in score_masked(ctx, sample.x, absent, chunks, channels.total, channels.done):
            yield scores

    def weights(self, ctx: Context, target: Target, scores: Array, settings: ScoreCamSettings) -> Wide:
        if settings.variant == "probability":
            return np.asarray(target.of_classes(ctx.model.probabilities(scores)), np.float64)
        behind = np.asarray(target.of_classes(scores), np.float64)
        powers: Wide = np.exp(behind - behind.max())
        weights: Wide = powers / powers.sum()
        return weights


def _chunks(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, MASKS_AT_ONCE):
        yield start, min(start + MASKS_AT_ONCE, count)


def _stretched(values: Array) -> Array:
    """Stretch a map to 0..1; one without structure masks everything."""
    stretched: Array = (values - values.min()) / (float(np.ptp(values)) or 1.0)
    return stretched
