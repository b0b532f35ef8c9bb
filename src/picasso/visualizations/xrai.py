"""XRAI: integrated gradients gathered over regions that follow the picture's edges."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    BASELINES,
    Attribution,
    AttributionMethod,
    Capability,
    Context,
    Family,
    PathSettings,
    Sample,
    Target,
    from_baselines,
)

Wide = NDArray[np.float64]
SCALES = (50, 100, 150, 250, 500, 1200)
"""How large Felzenszwalb's regions are, from fine to coarse; regions of all of them compete."""
SIDE = 224
"""Side to which the picture is brought for them, so that these scales mean the same for every network."""
WIDENED = 5
"""Pixels, of that side, by which each region is widened, so that it holds its own edges."""


class XraiSettings(PathSettings):
    baselines: str = Field(
        "black, white",
        title="Baselines",
        description=f"What stands for absent: {', '.join(BASELINES)}; several, separated by commas, are averaged.",
    )
    reduction: Literal["sum", "max"] = Field(  # type: ignore[assignment]  # other words than for gradients
        "sum",
        title="Over the channels",
        description="sum: the map adds up to the change in score. max: the largest, as the authors' code has it.",
    )
    least: float = Field(
        0.001,
        ge=0,
        le=1,
        title="Least region",
        description="How much a region must add to those that were taken before, as a part of the picture.",
    )


class Xrai(AttributionMethod[XraiSettings]):
    """Which regions of the picture the score owes most to, on average over their pixels."""

    name = "xrai"
    title = "XRAI"
    family = Family.GRADIENTS
    references = (
        "Kapishnikov, Bolukbasi, Viegas and Terry 2019, arXiv:1906.02825",
        "Felzenszwalb and Huttenlocher 2004, doi:10.1023/B:VISI.0000022288.19776.77 (the regions)",
    )
    formula = "take the region r of the largest mean of integrated gradients over what is new in it; map there = mean"
    pitfalls = (
        "The outlines are the picture's, not the model's: a region looks like an object because it follows its edges.",
        "A region's value is a mean: one strong pixel colors all of it.",
        "It inherits what integrated gradients cannot see from its baselines.",
    )
    needs = frozenset({Capability.GRADIENTS})

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: XraiSettings
    ) -> list[Attribution]:
        integral = from_baselines(ctx, sample, targets, settings)
        regions = overlapping_regions(sample.view)
        least = max(1, round(settings.least * regions[0].size))
        maps, sums = [], settings.reduction == "sum"
        for place, target in enumerate(targets):
            values, notes = integral.values[place], integral.notes[place]
            each = values.sum(axis=-1) if sums else values.max(axis=-1)
            found = gathered(each, regions, least)
            maps.append(
                Attribution(
                    values=found.astype(np.float32),
                    target=target,
                    units=f"part of the change in {ctx.model.facts.units}, per pixel",
                    sign="signed",
                    score=float(target.of_classes(ctx.scores)),
                    baseline=settings.baselines,
                    laid=f"each pixel: the mean over its region, chosen from {len(regions)} that overlap",
                    convergence_error=float(integral.errors[place]) if sums else None,
                    change=float(integral.change[place]) if sums else None,
                    notes=notes if found.any() else ("All zero: the score does not move.", *notes),
                )
            )
        return maps


def overlapping_regions(view: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the regions of a picture at all scales, widened by a few pixels, (regions, h, w). Nobody writes there."""
    return _regions_of(view.tobytes(), view.shape)


@lru_cache(maxsize=1)  # it takes longer than all else, and other settings are tried on the same picture
def _regions_of(pixels: bytes, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    from scipy.ndimage import find_objects
    from skimage.morphology import dilation, disk
    from skimage.segmentation import felzenszwalb
    from skimage.transform import resize

    view = np.frombuffer(pixels, np.uint8).reshape(shape)
    height, width = shape[:2]
    span = max(float(np.ptp(view)), 1.0)
    scaled = (view.astype(np.float64) - view.min()) / span * 2 - 1
    if (height, width) != (SIDE, SIDE):
        scaled = resize(scaled, (SIDE, SIDE), order=3, mode="edge", preserve_range=True, anti_aliasing=True)
    rows = np.minimum(((np.arange(height) + 0.5) * SIDE / height).astype(np.intp), SIDE - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * SIDE / width).astype(np.intp), SIDE - 1)
    masks = []
    for scale in SCALES:
        labels = felzenszwalb(scaled, scale=scale, sigma=0.8, min_size=150, channel_axis=-1)
        for label, box in enumerate(find_objects(labels + 1)):
            place = tuple(slice(max(0, side.start - WIDENED), side.stop + WIDENED) for side in box)
            mask = np.zeros(labels.shape, bool)
            mask[place] = dilation(labels[place] == label, disk(WIDENED))
            masks.append(mask[rows][:, columns])
    return np.stack(masks)


def gathered(attribution: Wide, regions: NDArray[np.bool_], least: int) -> Wide:
    """Give each pixel the mean of the attribution over the region by which it is taken, best regions first.

    Args:
        attribution: (h, w).
        regions: (regions, h, w); they may overlap.
        least: How many pixels a region must add.
    """
    flat, masks = attribution.ravel(), regions.reshape(len(regions), -1)
    sums, sizes = masks @ flat, masks.sum(axis=1)
    free, found = np.ones(flat.size, bool), np.zeros(flat.size)
    while (sizes >= least).any():
        means = np.where(sizes >= least, sums / np.maximum(sizes, 1), -np.inf)
        best = int(means.argmax())
        new = np.flatnonzero(masks[best] & free)
        found[new] = flat[new].mean()
        free[new] = False
        sums = sums - masks[:, new] @ flat[new]
        sizes = sizes - masks[:, new].sum(axis=1)
    if free.any():
        found[free] = flat[free].mean()
    return np.reshape(found, attribution.shape)
