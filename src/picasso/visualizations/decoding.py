"""Decoding: what a decoder that was learned from other pictures makes of a layer's output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    Bars,
    Capability,
    Context,
    Decoder,
    Family,
    Grid,
    Images,
    Panel,
    Sample,
    Settings,
    Text,
    Visualization,
    album,
    channel_maps,
    eight_bit,
    read_layers,
)

SPREAD_OVER = (1 / 12, 1 / 2, 1)
"""Where those layers lie that are looked at by default, from the first to the last through which everything flows."""
HELD = 4
"""Every so many pictures one is held out."""


class DecodingSettings(Settings):
    layers: str = Field(
        "",
        title="Layers",
        description="Whose output is decoded; several, separated by commas. Left empty: three, spread over the depth.",
        json_schema_extra={"picasso": {"choices": "layers", "several": True}},
    )
    album: str = Field(
        "",
        title="Learn from",
        description="A folder of pictures like this one, or a data set. Left empty: random waves, as strong as in "
        "photographs.",
        json_schema_extra={"picasso": {"choices": "album"}},
    )
    pictures: int = Field(48, ge=4, le=2000, title="Pictures", description="So many are learned from at most.")
    reach: int = Field(
        3,
        ge=1,
        le=7,
        title="Reach",
        description="Cells along each axis from which a block is made, where that is not too much; an even number "
        "counts as the odd one above it.",
    )


class Decoding(Visualization[DecodingSettings]):
    """What each layer still says of the picture in a simple way: a decoder learned from other pictures reads it."""

    name = "decoding"
    title = "Decoding"
    family = Family.MADE
    references = ("Dosovitskiy and Brox 2016, arXiv:1506.02753",)
    formula = "argmin_W  sum over pictures x of |x - W * layer(x)|^2 + penalty |W|^2;   shown: W * layer(picture)"
    pitfalls = (
        "The decoder is linear, one up-convolution: what it cannot bring back may still be there. Inversion searches.",
        "It fills in what was usual in the pictures that it learned from: a blurred mean is not what the layer sees.",
    )
    needs = frozenset({Capability.ACTIVATIONS})

    def run(self, ctx: Context, sample: Sample, settings: DecodingSettings) -> Iterator[Panel]:
        model, scale = ctx.whole, eight_bit(ctx.whole, sample)
        names, shape = read_layers(model, settings.layers, SPREAD_OVER), sample.x.shape[1:]
        own = model.activations(sample.x, names)
        maps = {name: channel_maps(model, own[name]) for name in names}
        random = np.random.default_rng(ctx.seed)
        grids = {name: Grid.of(maps[name], shape, settings.reach | 1) for name in names}
        decoders = {name: Decoder(grid, random) for name, grid in grids.items()}
        total, steps = settings.pictures, settings.pictures + len(names)

        def report(done: int, among: int) -> None:
            ctx.progress(min(total, done * total // max(among, 1)), steps, f"picture {done + 1} of {among}")

        count = 0
        given = album(model, scale, settings.album, settings.pictures, random, report, without=sample.picture.digest)
        for leaf in given:
            codes = model.activations(leaf.x, names)
            for name, decoder in decoders.items():
                decoder.add(channel_maps(model, codes[name]), leaf.picture, leaf.movable, held=count % HELD == 1)
            count += 1
        for done, (name, decoder) in enumerate(decoders.items()):
            ctx.progress(total + done, steps, f"Solving for {name}")
            decoder.solve()
        made = {name: decoder.decode(maps[name], shape) for name, decoder in decoders.items()}
        ctx.progress(steps, steps)
        true = scale.levels / 255
        alike = {name: _correlation(picture[scale.movable], true[scale.movable]) for name, picture in made.items()}
        ctx.keep("decoded", np.stack(list(made.values())))
        ctx.keep("explained", np.array([decoder.explained for decoder in decoders.values()]))
        yield Text(id="said", title="What each layer says", text=_said(decoders, alike, count, settings.album))
        yield Images(
            id="decoded",
            title="The picture, and what the decoder makes of each layer",
            pictures=(sample.view, *(scale.shown(255 * picture) for picture in made.values())),
            captions=("the picture", *(f"{name}: correlation {value:.2f}" for name, value in alike.items())),
        )
        yield Bars(
            id="explained",
            title="What a linear decoder can know",
            caption=f"Share of the variance of pictures that it did not learn from ({(count + 2) // HELD} of {count}).",
            labels=tuple(names),
            values=tuple(_share(decoder) for decoder in decoders.values()),
            units="explained variance",
            maximum=1.0,
        )


def _share(decoder: Decoder) -> float:
    """Return what a decoder explains, 0 where that is nothing, or where there is nothing to explain."""
    return max(0.0, decoder.explained) if np.isfinite(decoder.explained) else 0.0


def _correlation(found: NDArray[Any], given: NDArray[Any]) -> float:
    return float(np.corrcoef(found, given)[0, 1]) if np.std(found) > 0 and np.std(given) > 0 else 0.0


def _said(decoders: dict[str, Decoder], alike: dict[str, float], count: int, source: str) -> str:
    said = [
        f"{name}: a linear decoder explains {_share(decoder):.0%} of other pictures, and what it makes of this one "
        f"correlates with it by {alike[name]:.2f}. It looks at {decoder.grid.reach} x {decoder.grid.reach} cells for "
        f"each block{', their channels mixed' if decoder.mixed else ''} (penalty {decoder.penalty:.0e})."
        for name, decoder in decoders.items()
    ]
    learned = f"pictures of {source}" if source else "pictures of random waves"
    return "\n\n".join([*said, f"Learned from {count} {learned}, of which every fourth only judged."])
