"""Ablation-CAM: each feature map weighed by what the score loses without it."""

from collections.abc import Iterator

import numpy as np

from picasso.plugin import (
    Array,
    Capability,
    ChannelMap,
    ChannelMapSettings,
    Channels,
    Context,
    NotSupportedError,
    Sample,
    Target,
    Wide,
)


class AblationCam(ChannelMap[ChannelMapSettings]):
    """Which places speak for the class: the last feature maps, each weighted by what the score loses without it."""

    name = "ablation-cam"
    title = "Ablation-CAM"
    references = ("Desai and Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360",)
    formula = "map(p) = max(0, sum over channels k of w_k A_k(p)),  w_k = score - score with A_k set to zero"
    pitfalls = (
        "The paper divides the weights by the score, which changes no picture of a positive score and turns that of a "
        "negative one upside down; here they stay undivided.",
        "Zero is nothing only behind a ReLU: elsewhere a channel at zero is one more activation.",
        "A channel that is active everywhere loses much when it is taken away, and all its places light up, the "
        "background among them.",
        "Channels are taken away one at a time: of two that say the same, neither seems to matter.",
    )
    units = "activation times change of the score"
    needs = frozenset({Capability.ACTIVATIONS, Capability.INTERVENTIONS})
    takes_clips = True

    def scores(self, ctx: Context, sample: Sample, channels: Channels, settings: ChannelMapSettings) -> Iterator[Array]:
        values, numbers, done = channels.values, channels.numbers, channels.done
        if ctx.model.postprocess(values).shape[-1] != values.shape[-1]:
            raise NotSupportedError(
                f"The postprocess hook lays '{channels.layer}' out with other channels than it has: none can be taken "
                "away.",
                "Choose another layer.",
            )
        ctx.progress(done, channels.total, f"{done} of {channels.total} channels")
        size = ctx.model.batch_size  # it shrinks where memory runs out
        for start in range(0, len(numbers), size):
            chunk = numbers[start : start + size]
            without = np.repeat(values, len(chunk), axis=0)
            for row, number in enumerate(chunk):
                without[row, ..., number] = 0
            yield ctx.model.predict_replaced(sample.x, channels.layer, without)
            done += len(chunk)
            ctx.progress(done, channels.total, f"{done} of {channels.total} channels")

    def weights(self, ctx: Context, target: Target, scores: Array, settings: ChannelMapSettings) -> Wide:
        lost = target.of_classes(ctx.scores) - target.of_classes(scores)
        return np.asarray(lost, np.float64)
