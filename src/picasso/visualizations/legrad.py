"""LeGrad: how the score of every layer moves with that layer's attention."""

import numpy as np
from pydantic import Field

from picasso.plugin import Attention, AttentionMethod, NotSupportedError, Settings, Wide, among_tokens


class LeGradSettings(Settings):
    first: int = Field(
        0,
        ge=-1000,
        le=999,
        title="First layer",
        description="The layer of attention from which on layers count: 0 is the first, -1 the last.",
    )


class LeGrad(AttentionMethod[LeGradSettings]):
    """Which patches make the class, layer after layer: where more attention would raise the score of that layer."""

    name = "legrad"
    title = "LeGrad"
    references = ("Bousselham et al. 2024, arXiv:2404.03214",)
    formula = (
        "map(k) = mean over layers l, heads and queries q of max(0, ds_l/dA_l[q, k]),  "
        "s_l = score if the network ended with the block of layer l"
    )
    pitfalls = (
        "A gradient says how the score would move with more attention to a patch, also where there is none now.",
        "Early layers are read by a head that was never trained on them: start later if the map is all noise.",
        "Only what would raise the score is kept: evidence against the class is never seen.",
        "The paper stretches the map to 0..1; here it keeps its units, and the picture is stretched.",
    )
    units = "gradient by attention"
    early = True

    def weigh(self, attention: Attention, target: int, settings: LeGradSettings) -> Wide:
        count = len(among_tokens(attention))
        if not -count <= settings.first < count:
            raise NotSupportedError(
                f"first must be in {-count}..{count - 1}: there are {count} layers of attention. Got {settings.first}."
            )
        layers = attention.layers[settings.first :]
        found: Wide = np.mean(
            [np.maximum(layer.gradients[target, 0], 0).mean(axis=(0, 1), dtype=np.float64) for layer in layers], axis=0
        )
        return found
