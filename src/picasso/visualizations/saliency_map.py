"""Saliency map: the gradient of the class score."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import (
    INPUT,
    Attribution,
    AttributionMethod,
    Capability,
    Context,
    NotSupportedError,
    ReluRule,
    Rules,
    Sample,
    Settings,
    Target,
)


class SaliencyMapSettings(Settings):
    reduction: Literal["max_abs", "sum", "none"] = Field(
        "max_abs",
        title="Over the channels",
        description="max_abs: the largest size, without sign. sum: the sum, with sign. none: each channel.",
    )
    times_input: bool = Field(
        False, title="Times the input", description="Multiply the gradient by the network's input."
    )
    relu: ReluRule = Field(
        ReluRule.STANDARD,
        title="ReLU rule",
        description="standard: the true gradient. guided and deconvnet pass only positive gradients; their maps show "
        "edges of the picture more than the model's reasons.",
    )


class SaliencyMap(AttributionMethod[SaliencyMapSettings]):
    """Which pixels, changed a little, would change the class score most."""

    name = "saliency-map"
    title = "Saliency map"
    references = ("Simonyan, Vedaldi and Zisserman 2013, arXiv:1312.6034",)
    needs = frozenset({Capability.GRADIENTS})
    takes_clips = True
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: SaliencyMapSettings
    ) -> list[Attribution]:
        if settings.relu is not ReluRule.STANDARD and Capability.RELU_RULES not in ctx.model.capabilities:
            raise NotSupportedError(
                f"This {ctx.model.framework} model does not let its ReLUs follow the rule {settings.relu}.",
                "Choose the rule standard.",
            )
        ctx.progress(0, 1, "Forward and backward")
        pulled = ctx.model.pullback(sample.x, targets, (INPUT,), Rules(relu=settings.relu))
        ctx.progress(1, 1)
        score = ctx.model.facts.units
        units = f"{score} by the linear term" if settings.times_input else f"change in {score} per unit of input"
        maps = []
        for target, gradient in zip(targets, pulled.gradients[INPUT][:, 0], strict=True):
            values = gradient * sample.x[0] if settings.times_input else gradient
            if settings.reduction == "max_abs":
                values = np.abs(values).max(axis=-1)
            elif settings.reduction == "sum":
                values = values.sum(axis=-1)
            maps.append(
                Attribution(
                    values=np.ascontiguousarray(values, dtype=np.float32),
                    target=target,
                    units=f"|{units}|" if settings.reduction == "max_abs" else units,
                    sign="unsigned" if settings.reduction == "max_abs" else "signed",
                    score=float(target.of_classes(ctx.scores)),
                    notes=_notes(settings, bool(values.any()), pulled.ruled),
                )
            )
        return maps


def _notes(settings: SaliencyMapSettings, anything: bool, ruled: int | None) -> tuple[str, ...]:
    notes = []
    if settings.relu is not ReluRule.STANDARD and ruled == 0:
        notes.append("No ReLU was found in this network, so that the rule changed nothing.")
    elif settings.relu is not ReluRule.STANDARD:
        notes.append(f"The ReLU rule {settings.relu} is not the gradient of the score.")
    if not anything:
        notes.append("Every gradient is zero: the score does not move here (saturation), which is no explanation.")
    return tuple(notes)
