"""Integrated gradients: what the score gained on the way from nothing to the picture."""

from collections.abc import Sequence

from picasso.plugin import (
    Attribution,
    AttributionMethod,
    Capability,
    Context,
    Family,
    PathSettings,
    Sample,
    Target,
    from_baselines,
    gradient_map,
)


class IntegratedGradients(AttributionMethod[PathSettings]):
    """How the change in score from a baseline to the picture is shared out among the pixels."""

    name = "integrated-gradients"
    title = "Integrated gradients"
    family = Family.GRADIENTS
    references = (
        "Sundararajan, Taly and Yan 2017, arXiv:1703.01365",
        "Sturmfels, Lundberg and Lee 2020, doi:10.23915/distill.00022 (on baselines)",
    )
    formula = "map = (x - b) * integral from 0 to 1 over t of d score / d x at b + t (x - b), the mean over baselines b"
    pitfalls = (
        "Where the picture has the baseline's color the map is zero: black things are never seen from black. Compare "
        "baselines, or average several.",
        "The path leads through dim or blended pictures that the network was never shown.",
        "That the values add up to the change in score proves that the integral is right, not that the map is.",
        "The pixels of one object may cancel each other; look at sums over regions.",
    )
    needs = frozenset({Capability.GRADIENTS})
    takes_clips = True
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: PathSettings
    ) -> list[Attribution]:
        found = from_baselines(ctx, sample, targets, settings)
        return [
            gradient_map(
                ctx,
                target,
                found.values[place],
                settings.reduction,
                f"part of the change in {ctx.model.facts.units}",
                found.notes[place],
                silent="All zero: the picture is the baseline, or the score does not move on the way (saturation).",
                baseline=settings.baselines,
                convergence_error=float(found.errors[place]),
                change=float(found.change[place]),
            )
            for place, target in enumerate(targets)
        ]
