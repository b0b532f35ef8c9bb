"""Token occlusion: take one patch's token away inside the network, and watch the score."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Array,
    Attribution,
    AttributionMethod,
    Capability,
    Context,
    Family,
    Layer,
    NotFoundError,
    NotSupportedError,
    Sample,
    ScoreSettings,
    Target,
    Watched,
    enlarge,
)


class TokenOcclusionSettings(ScoreSettings):
    layer: str = Field(
        "",
        title="Layer",
        description="At whose output a token is replaced. Left empty: where the patches are embedded.",
        json_schema_extra={"picasso": {"choices": "spatial-layers"}},
    )
    fill: Literal["mean", "zero"] = Field(
        "mean",
        title="Fill",
        description="What stands in a token's place. mean: the mean of all patches' tokens there. zero: nothing.",
    )


class TokenOcclusion(AttributionMethod[TokenOcclusionSettings]):
    """By how much the score falls when the token of one patch is taken away inside the network.

    Each patch costs a forward pass.
    """

    name = "token-occlusion"
    title = "Token occlusion"
    family = Family.TRANSFORMERS
    references = ("Zeiler and Fergus 2014, arXiv:1311.2901",)
    formula = "map(k) = score - score with the output z_k of a layer at patch k replaced by the mean over patches, or 0"
    pitfalls = (
        "What a token holds in a late layer comes from all over the picture: its place is not where that was seen.",
        "A layer beside a residual connection, as a normalization before attention, has only part of what goes on: the "
        "rest of the token stays.",
        "Evidence that stands in two tokens is found in neither: taking one away leaves the other.",
        "Positions that are added later stay: the network still knows that a patch is there.",
    )
    needs = frozenset({Capability.ACTIVATIONS, Capability.INTERVENTIONS})

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: TokenOcclusionSettings
    ) -> list[Attribution]:
        layers = ctx.model.layers()
        layer = _chosen(layers, settings.layer) if settings.layer else _embedding(layers)
        rows, columns = layer.grid or (layer.shape[0], layer.shape[1])
        count = rows * columns
        ctx.progress(0, count, f"0 of {count} tokens")
        values = ctx.model.activations(sample.x, [layer.name])[layer.name]
        tokens = values.reshape(1, -1, values.shape[-1])
        extra = tokens.shape[1] - count
        fill = tokens[0, extra:].mean(axis=0) if settings.fill == "mean" else np.float32(0)
        watched, scores = Watched(ctx, targets, settings.score), list[Array]()
        size = ctx.model.batch_size  # it shrinks where memory runs out
        for start in range(0, count, size):
            chunk = range(start, min(start + size, count))
            without = np.repeat(tokens, len(chunk), axis=0)
            for row, patch in enumerate(chunk):
                without[row, extra + patch] = fill
            scores.append(ctx.model.predict_replaced(sample.x, layer.name, without.reshape(-1, *values.shape[1:])))
            ctx.progress(chunk.stop, count, f"{chunk.stop} of {count} tokens")
        drops = (watched.whole - watched(np.concatenate(scores))).astype(np.float32)
        return [
            Attribution(
                values=enlarge(native, *sample.x.shape[1:3]),
                target=target,
                units=f"change in {watched.units}",
                sign="signed",
                score=float(watched.whole[number]),
                baseline="the mean of all patches' tokens" if settings.fill == "mean" else "zero",
                native=native,
                laid=f"{rows} x {columns} tokens of {layer.name}, bilinear between their centers",
            )
            for number, target in enumerate(targets)
            for native in [drops[:, number].reshape(rows, columns)]
        ]


def _chosen(layers: Sequence[Layer], name: str) -> Layer:
    """Return the layer of a name.

    Raises:
        NotFoundError: There is none.
        NotSupportedError: It has no tokens.
    """
    layer = next((layer for layer in layers if layer.name == name), None)
    if layer is None:
        raise NotFoundError(f"There is no layer '{name}'.", "Leave it empty, or choose one that inspect lists.")
    if not layer.spatial:
        raise NotSupportedError(f"The output of '{name}' has no tokens of patches.", "Choose another layer.")
    return layer


def _embedding(layers: Sequence[Layer]) -> Layer:
    """Return the layer that embeds the patches: the last map with a place for each, else the first layer of tokens.

    Raises:
        NotSupportedError: The network has no tokens.
    """
    first = next((place for place, layer in enumerate(layers) if layer.grid is not None), None)
    if first is None:
        raise NotSupportedError(
            "No layer of this network has tokens.", "Choose partial-occlusion, which covers the picture itself."
        )
    maps = [layer for layer in layers[:first] if len(layer.shape) == 3 and layer.shape[:2] == layers[first].grid]
    return maps[-1] if maps else layers[first]
