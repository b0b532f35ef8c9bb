"""LeGrad: how the score of every layer moves with that layer's attention."""

import numpy as np
from pydantic import Field

from picasso.plugin import Attention, AttentionMethod, Settings, Wide, among_tokens


class LeGradSettings(Settings):
    last: int = Field(
        0, ge=0, le=1000, title="Last layers", description="How many layers of attention count, from the last. 0: all."
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
        "Early layers are read by a head that was never trained on them: count fewer layers if the map is all noise.",
        "Only what would raise the score is kept: evidence against the class is never seen.",
        "The paper stretches the map to 0..1; here it keeps its units, and the picture is stretched.",
    )
    units = "gradient by attention"
    early = True

    def weigh(self, attention: Attention, target: int, settings: LeGradSettings) -> Wide:
        among_tokens(attention)  # refuses what else would be averaged over other tokens
        layers = attention.layers[-settings.last :]
        found: Wide = np.mean(
            [np.maximum(layer.gradients[target, 0], 0).mean(axis=(0, 1), dtype=np.float64) for layer in layers], axis=0
        )
        return found
