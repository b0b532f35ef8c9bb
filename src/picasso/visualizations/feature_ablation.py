"""Feature ablation: take one region of the picture away after the other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    Array,
    Attribution,
    AttributionMethod,
    Context,
    Family,
    Regions,
    RegionSettings,
    Sample,
    Target,
    Watched,
    divide_sample,
    lay_values,
    read_regions,
    score_coalitions,
)


class FeatureAblationSettings(RegionSettings):
    given: str = Field(
        "",
        max_length=20_000,
        title="Given regions",
        description="Regions of your own instead, in pixels of the network's input, separated by ';': boxes "
        "'top,left,height,width', or the corners of polygons 'row,column,row,column,row,column'.",
    )


class FeatureAblation(AttributionMethod[FeatureAblationSettings]):
    """By how much the score falls when one region of the picture is taken away."""

    name = "feature-ablation"
    title = "Feature ablation"
    family = Family.PERTURBATION
    references = ("Zeiler and Fergus 2014, arXiv:1311.2901", "Kokhlikyan et al. 2020, arXiv:2009.07896")
    formula = "map(region) = score(x) - score(x without the region)"
    pitfalls = (
        "Large regions change more than small ones: compare regions of like size.",
        "Evidence that stands in two regions is found in neither: taking one away leaves the other.",
        "What stands in a region's place is itself something to see: compare two fills.",
    )
    takes_clips = True

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: FeatureAblationSettings
    ) -> list[Attribution]:
        watched = Watched(ctx, targets, settings.score)
        if settings.given.strip(" ;"):
            height, width = sample.view.shape[:2]
            frames = None if sample.views is None else len(sample.views)
            regions = read_regions(settings.given, height, width, frames)
        else:
            regions = divide_sample(sample, settings.regions, settings.count, ctx.seed)
        absent, boxes = regions.absent(ctx, sample, settings.fill), regions.boxes()
        without = _masked(ctx, sample, regions, absent) if boxes is None else _patched(ctx, sample, boxes, absent)
        drops = watched.whole[:, None] - watched(without).T
        return lay_values(
            ctx,
            regions,
            drops,
            watched,
            units=f"change in {watched.units}",
            fill=settings.fill,
            notes=[()] * len(targets),
            drops=True,
        )


def _patched(ctx: Context, sample: Sample, boxes: NDArray[np.int64], absent: Array) -> Array:
    """Score the picture without each box, (count, classes), by what the box reaches where the model can."""
    return ctx.model.predict_patched(
        sample.x, boxes, absent, lambda done, total: ctx.progress(done, total, f"{done} of {total} regions")
    )


def _masked(ctx: Context, sample: Sample, regions: Regions, absent: Array) -> Array:
    """Score the picture without each region, (count, classes)."""
    kept = ~np.eye(regions.count, dtype=bool)
    return np.concatenate(list(score_coalitions(ctx, sample, regions, absent, kept)))
