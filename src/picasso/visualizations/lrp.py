"""LRP: the class score handed back, layer by layer, to the pixels that it came from."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import (
    SHADES,
    Attribution,
    AttributionMethod,
    Capability,
    Context,
    Family,
    LayerwiseRules,
    LrpRule,
    Relevance,
    Sample,
    Settings,
    Target,
)

Rule = LrpRule
COMPOSITES: dict[str, tuple[LrpRule, LrpRule, LrpRule]] = {
    "epsilon": (Rule.EPSILON, Rule.EPSILON, Rule.EPSILON),
    "epsilon-plus": (Rule.Z_PLUS, Rule.Z_PLUS, Rule.EPSILON),
    "epsilon-plus-flat": (Rule.FLAT, Rule.Z_PLUS, Rule.EPSILON),
    "epsilon-plus-box": (Rule.Z_BOX, Rule.Z_PLUS, Rule.EPSILON),
    "epsilon-alpha2-beta1": (Rule.ALPHA_BETA, Rule.ALPHA_BETA, Rule.EPSILON),
    "epsilon-alpha2-beta1-flat": (Rule.FLAT, Rule.ALPHA_BETA, Rule.EPSILON),
    "epsilon-gamma-box": (Rule.Z_BOX, Rule.GAMMA, Rule.EPSILON),
    "gamma": (Rule.GAMMA, Rule.GAMMA, Rule.GAMMA),
}
"""The rules of the first layer of weights, of convolutions, and of matrices."""
TOLD = 0.01
"""Parts of the score from which on what biases have kept is worth a note."""


class LrpSettings(Settings):
    composite: Literal[
        "epsilon", "epsilon-plus", "epsilon-plus-flat", "epsilon-plus-box", "epsilon-alpha2-beta1",
        "epsilon-alpha2-beta1-flat", "epsilon-gamma-box", "gamma",
    ] = Field(
        "epsilon-plus",
        title="Rules",
        description="Which rule each layer follows. The first word is for matrices, the second for convolutions, the "
        "last for the layer that reads the picture (flat: shared equally; box: by the limits black and white). For "
        "transformers: epsilon or gamma.",
    )  # fmt: skip
    epsilon: float = Field(
        1e-6,
        gt=0,
        le=1e3,
        title="Epsilon",
        description="Added to the size of each output before dividing, in the layer's own units: the larger, the more "
        "weak evidence is left out.",
    )
    gamma: float = Field(
        0.25,
        ge=0,
        le=1e3,
        title="Gamma",
        description="By which part evidence for a value counts more than evidence against it.",
    )
    attention: Literal["shared", "constant"] = Field(
        "shared",
        title="Attention",
        description="shared: attention weights get half of what they weigh (AttnLRP). constant: they get nothing.",
    )
    reduction: Literal["sum", "none"] = Field(
        "sum", title="Over the channels", description="sum: one value for each pixel. none: each channel."
    )


class Lrp(AttributionMethod[LrpSettings]):
    """Where the class score comes from: it is handed back, layer by layer, until the pixels have it."""

    name = "lrp"
    title = "LRP"
    family = Family.RELEVANCE
    references = (
        "Bach et al. 2015, doi:10.1371/journal.pone.0130140",
        "Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10",
        "Achtibat et al. 2024, arXiv:2402.05602",
    )
    formula = "R_i = sum over j of [ x_i w_ij / (sum over i of x_i w_ij) ] R_j, with w as each layer's rule has it"
    pitfalls = (
        "The rules decide what the map looks like: compare two of them before believing either.",
        "z-plus and alpha-beta hardly look at the class: maps of two classes may be nearly the same.",
        "It counts from zero, not from a picture with nothing to see: what speaks by its absence ends up in biases.",
        "Two networks that compute the same function may get different maps: it looks at how a network is built.",
        "Adding up does not prove a map right: it only says that nothing of the score was lost.",
    )
    needs = frozenset({Capability.RELEVANCE})
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: LrpSettings
    ) -> list[Attribution]:
        ctx.progress(0, 1, "Forward, and the score back through each operation")
        first, convolutions, matrices = COMPOSITES[settings.composite]
        limits = None
        if first is LrpRule.Z_BOX:
            limits = ctx.model.plain(sample, SHADES["black"]), ctx.model.plain(sample, SHADES["white"])
        rules = LayerwiseRules(
            first=first,
            convolutions=convolutions,
            matrices=matrices,
            epsilon=settings.epsilon,
            gamma=settings.gamma,
            attention=settings.attention,
            limits=limits,
        )
        found = ctx.model.relevance(sample.x, targets, rules)
        ctx.progress(1, 1)
        return [
            Attribution(
                values=np.ascontiguousarray(values if settings.reduction == "none" else values.sum(axis=-1)),
                target=target,
                units="logit" if found.before_head else ctx.model.facts.units,
                sign="signed",
                score=float(found.scores[number, 0]),
                convergence_error=abs(float(found.residual[number, 0])),
                notes=_notes(found, number),
            )
            for number, (target, values) in enumerate(zip(targets, found.values[:, 0], strict=True))
        ]


def _notes(found: Relevance, number: int) -> tuple[str, ...]:
    notes = []
    score = float(found.shared[number, 0])
    kept = {kind: float(parts[number, 0]) for kind, parts in found.absorbed.items()}
    most = sorted((kind for kind in kept if abs(kept[kind]) > TOLD * abs(score)), key=lambda kind: -abs(kept[kind]))
    if most:
        listed = ", ".join(f"{kind} {kept[kind]:+.3g}" for kind in most[:3])
        notes.append(
            f"Of the score {score:.3g} the pixels have {score + float(found.residual[number, 0]):.3g}; biases and "
            f"other constants kept the rest: {listed}."
        )
    if not found.values[number].any():
        notes.append("No pixel has anything of the score.")
    if found.before_head:
        notes.append("The network gives probabilities; what goes into its softmax or sigmoid is explained.")
    return tuple(notes)
