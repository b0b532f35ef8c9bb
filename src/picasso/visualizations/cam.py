"""CAM: the class score taken apart by place, where the head is global average pooling and one linear layer."""

from collections.abc import Iterator, Sequence

import numpy as np

from picasso.plugin import (
    ActivationMap,
    ActivationMapSettings,
    Array,
    Capability,
    Context,
    LayerMap,
    NotSupportedError,
    Sample,
    Target,
    Wide,
    feature_maps,
    unmoved,
)

TOLERANCE = 1e-4
"""How far slopes may differ, as a share of the largest, to count as those of one linear layer."""


class Cam(ActivationMap[ActivationMapSettings]):
    """Where the class score comes from: it is the mean of the map and a constant, in networks that end so simply."""

    name = "cam"
    title = "CAM"
    references = ("Zhou et al. 2015, arXiv:1512.04150",)
    formula = "map(p) = max(0, sum over channels k of w_k A_k(p)),  score = sum over k of w_k (mean of A_k) + b"
    pitfalls = (
        "Only networks that end with global average pooling and one linear layer have it. That is tested with this "
        "picture, its negative and noise, and everything else is refused.",
        "The layer's cells see far more of the picture than what lies under them.",
        "The constant b of the class is in no place, so that the map of a likely class may be weak.",
    )
    needs = frozenset({Capability.ACTIVATIONS, Capability.GRADIENTS})
    takes_clips = True

    def look(
        self,
        ctx: Context,
        sample: Sample,
        targets: Sequence[Target],
        layers: Sequence[str],
        settings: ActivationMapSettings,
    ) -> Iterator[list[LayerMap]]:
        ctx.progress(0, 1, f"Forward and backward to {', '.join(layers)}")
        pulled = ctx.model.pullback(_with_probes(sample.x, ctx.seed), targets, layers)
        ctx.progress(1, 1)
        for layer in layers:
            features = feature_maps(ctx.model, layer, pulled.values[layer][:1])
            slopes = [ctx.model.postprocess(gradient) for gradient in pulled.gradients[layer]]
            yield [LayerMap(features @ _head_weights(slope, layer), unmoved(slope, layer)) for slope in slopes]


def _with_probes(x: Array, seed: int) -> Array:
    """Return the input, (1, ...), and others that are unlike it, in whose light a head that is not linear shows."""
    noise = np.random.default_rng(seed).normal(size=x.shape).astype(np.float32) * (x.std() or 1)
    return np.concatenate([x, noise, -x, 5 * noise])


def _head_weights(slopes: Array, layer: str) -> Wide:
    """Return the linear layer's weights, (channels,), from the slopes of the score, (n, ..., rows, columns, channels).

    Raises:
        NotSupportedError: The slopes differ from place to place or from picture to picture.
    """
    each = slopes.reshape(-1, slopes.shape[-1]).astype(np.float64)
    differ = float(np.ptp(each, axis=0).max() / max(np.abs(each).max(), 1e-30))
    if differ > TOLERANCE:
        raise NotSupportedError(
            f"CAM needs global average pooling and one linear layer behind '{layer}', and something else follows "
            f"there: the slopes of the score differ by {differ:.2%} from place to place or picture to picture.",
            "Choose the last layer before the pooling, or take grad-cam or hires-cam, which need no such head.",
        )
    places = len(each) // len(slopes)
    weights: Wide = each[0] * places
    return weights
