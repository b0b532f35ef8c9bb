"""A picture divided into regions, and one value for each of them laid over the pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydantic import Field

from picasso.core.attribution import Attribution
from picasso.core.errors import SettingsError
from picasso.core.facts import Sample
from picasso.core.maps.baselines import BASELINES, baseline
from picasso.core.maps.masking import FILL, MASKS_AT_ONCE, ScoreSettings, Watched, score_masked
from picasso.core.pictures.clips import stretches
from picasso.core.preprocessing import Array
from picasso.core.visualization import Context

Labels = NDArray[np.int64]
Division = Literal["slic", "felzenszwalb", "quickshift", "grid"]
Fill = Literal["region", "grey", "black", "white", "mean", "blur", "uniform"]


class RegionSettings(ScoreSettings):
    """Into which regions the picture is divided, what is watched, and what is seen where a region is absent."""

    regions: Division = Field(
        "slic",
        title="Regions",
        description="What the picture is divided into. slic: superpixels of even size. felzenszwalb: superpixels that "
        "follow edges, of uneven size. quickshift: as the lime package does it; slow. grid: rectangles.",
    )
    count: int = Field(
        40,
        ge=1,
        le=400,
        title="Number of regions",
        description="About how many regions; felzenszwalb makes twice as many at most, quickshift as many as it finds.",
    )
    fill: Fill = Field("grey", title="Fill", description=f"{FILL} region: each region's own mean color.")


@dataclass(frozen=True, eq=False)
class Regions:
    """A picture divided into regions.

    Args:
        labels: (h, w), the number of each pixel's region, from 0; -1 where it belongs to none. Of a clip
            (frames, h, w), and so is everything that is laid over its pixels.
        how: What they are, in words: "38 superpixels by SLIC".
        grid: (rows, columns) where they are the cells of a grid, numbered row by row; of a clip (steps, rows, columns).
    """

    labels: Labels
    how: str
    grid: tuple[int, ...] | None = None

    @property
    def count(self) -> int:
        """Number of regions."""
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of pixels of each region, (count,)."""
        return np.bincount(self.labels[self.labels >= 0], minlength=self.count).astype(np.int64)

    def masks(self, kept: NDArray[Any]) -> Array:
        """Return masks (n, h, w) from what is kept of each region, (n, count); what belongs to none is kept."""
        beyond = np.ones((len(kept), 1), np.float32)
        return np.concatenate([np.asarray(kept, np.float32), beyond], axis=1)[:, self.labels]

    def spread(self, values: NDArray[np.float64]) -> Array:
        """Give each pixel its region's value of (count,): float32 (h, w), NaN where it belongs to none."""
        return np.append(values, np.nan).astype(np.float32)[self.labels]

    def means(self, x: Array) -> Array:
        """Return a picture (h, w, c) in which each region has its mean color."""
        sums = [np.bincount(self.labels.ravel() + 1, channel.ravel()) for channel in np.moveaxis(x, -1, 0)]
        sizes = np.maximum(np.bincount(self.labels.ravel() + 1), 1)
        return np.asarray((np.stack(sums, axis=-1) / sizes[:, None])[self.labels + 1], np.float32)

    def boxes(self) -> NDArray[np.int64] | None:
        """Return the regions as boxes (count, 4), top, left, height, width; None where one is no rectangle.

        Of a clip (count, 6): first frame, number of frames, and these.
        """
        places, axes = np.argwhere(self.labels >= 0), self.labels.ndim
        label = self.labels[self.labels >= 0]
        low, high = np.full((self.count, axes), max(self.labels.shape)), np.zeros((self.count, axes), np.int64)
        np.minimum.at(low, label, places)
        np.maximum.at(high, label, places + 1)
        sides = high - low
        if (sides.prod(axis=1) != self.sizes).any():
            return None
        in_time = [low[:, :-2], sides[:, :-2]]  # nothing, of a picture
        return np.concatenate([*in_time, low[:, -2:], sides[:, -2:]], axis=1)

    def absent(self, ctx: Context, sample: Sample, fill: Fill) -> Array:
        """Return what is seen where a region is absent, (h, w, c)."""
        return self.means(sample.x[0]) if fill == "region" else baseline(ctx.model, sample, fill, ctx.seed)


def divide(view: NDArray[np.uint8], division: Division, count: int, seed: int = 0) -> Regions:
    """Divide a picture into regions.

    Args:
        view: What the network sees, uint8 (h, w, 3).
        division: How; see `RegionSettings`.
        count: About how many regions.
        seed: Of how quickshift breaks ties; the other divisions draw nothing.
    """
    height, width = view.shape[:2]
    if division == "grid":
        columns = min(width, max(1, round((count * width / height) ** 0.5)))
        return lay_grid(height, width, min(height, max(1, round(count / columns))), columns)
    from skimage import segmentation

    if division == "slic":
        labels = segmentation.slic(view, n_segments=count, compactness=20, sigma=1, start_label=0, channel_axis=-1)
    elif division == "felzenszwalb":
        least = -(-height * width // (2 * count))
        labels = segmentation.felzenszwalb(view, scale=100, sigma=0.8, min_size=least, channel_axis=-1)
    else:  # the settings of the lime package
        labels = segmentation.quickshift(view, kernel_size=4, max_dist=200, ratio=0.2, rng=seed, channel_axis=-1)
    numbers = np.unique(labels, return_inverse=True)[1].reshape(height, width)
    name = {"slic": "SLIC", "felzenszwalb": "Felzenszwalb", "quickshift": "quickshift"}[division]
    return Regions(numbers.astype(np.int64), f"{numbers.max() + 1} superpixels by {name}")


def divide_sample(sample: Sample, division: Division, count: int, seed: int = 0) -> Regions:
    """Divide a picture into regions, or a clip stretch by stretch, each as its middle frame is divided.

    Args:
        sample: The picture or clip.
        division, count, seed: As for `divide`; the regions of all stretches together are about so many.
    """
    if sample.views is None:
        return divide(sample.view, division, count, seed)
    place = stretches(len(sample.views))
    steps = int(place[-1]) + 1
    middles = [np.flatnonzero(place == step)[np.count_nonzero(place == step) // 2] for step in range(steps)]
    parts = [divide(sample.views[frame], division, max(1, round(count / steps)), seed) for frame in middles]
    first = np.cumsum([0, *(part.count for part in parts)])
    return Regions(
        np.stack([parts[step].labels + first[step] for step in place]),
        f"{first[-1]} regions in {steps} stretches of frames, {parts[0].how} in the first",
        None if parts[0].grid is None else (steps, *parts[0].grid),
    )


def lay_grid(height: int, width: int, rows: int, columns: int) -> Regions:
    """Divide a picture into rows x columns rectangles of nearly equal size, no smaller than a pixel."""
    rows, columns = min(rows, height), min(columns, width)
    down, across = np.arange(height) * rows // height, np.arange(width) * columns // width
    return Regions(down[:, None] * columns + across, f"{rows} x {columns} cells", (rows, columns))


def read_regions(text: str, height: int, width: int, frames: int | None = None) -> Regions:
    """Read regions that somebody gave, in pixels of the network's input; of a clip each lies in all frames.

    Args:
        text: Regions separated by ";". Four numbers are a box: top, left, height, width. Six or more are the corners
            of a polygon: row, column, row, column, ...
        height, width: Size of the input.
        frames: Of a clip, how many.

    Raises:
        SettingsError: A region is not written so, lies outside, or lies over another.
    """
    labels = np.full((height, width), -1, np.int64)
    parts = [part for part in text.split(";") if part.strip()]
    for number, part in enumerate(parts):
        mask = _outlined(part, height, width)
        if not mask.any():
            raise SettingsError(
                f"A region must lie inside the input of {height} x {width} pixels. Got '{part.strip()}'."
            )
        if (labels[mask] >= 0).any():
            raise SettingsError(f"Regions must not lie over each other. '{part.strip()}' lies over an earlier one.")
        labels[mask] = number
    how = f"{len(parts)} given regions"
    return Regions(labels, how) if frames is None else Regions(np.stack([labels] * frames), f"{how} in all frames")


def _outlined(text: str, height: int, width: int) -> NDArray[np.bool_]:
    """Return the pixels (h, w) of one region."""
    try:
        numbers = [int(number) for number in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) < 4 or len(numbers) % 2:
        raise SettingsError(
            "A region must be a box 'top,left,height,width' or the corners of a polygon "
            f"'row,column,row,column,row,column'. Got '{text.strip()}'."
        )
    mask = np.zeros((height, width), bool)
    if len(numbers) == 4:
        top, left, tall, wide = numbers
        if min(numbers) < 0:
            raise SettingsError(f"The numbers of a box must not be negative. Got '{text.strip()}'.")
        mask[top : top + tall, left : left + wide] = True
        return mask
    image = Image.new("1", (width, height))
    ImageDraw.Draw(image).polygon(list(zip(numbers[1::2], numbers[::2], strict=True)), fill=1)
    return np.asarray(image)


def score_coalitions(
    ctx: Context, sample: Sample, regions: Regions, absent: Array, kept: NDArray[np.bool_]
) -> Iterator[Array]:
    """Score the picture with only some of its regions kept, chunk by chunk.

    Args:
        ctx: The run.
        sample: The picture.
        regions: Its regions.
        absent: What is seen in the place of a region that is not kept, (h, w, c).
        kept: Which regions are, (n, count).

    Yields:
        Class scores float32 (at most `MASKS_AT_ONCE`, classes), in the order of `kept`.
    """
    starts = range(0, len(kept), MASKS_AT_ONCE)
    masks = (regions.masks(kept[start : start + MASKS_AT_ONCE]) for start in starts)
    for _, scores in score_masked(ctx, sample.x, absent, masks, len(kept)):
        yield scores


def lay_values(
    ctx: Context,
    regions: Regions,
    values: NDArray[np.float64],
    watched: Watched,
    *,
    units: str,
    fill: str,
    notes: Sequence[tuple[str, ...]],
    drops: bool = False,
    changes: Sequence[float] | NDArray[np.float64] | None = None,
) -> list[Attribution]:
    """Return an attribution for each target from one value for each region; keep regions and values with the result.

    Each pixel gets the whole value of its region, not its share of it: `arrays["region_values"]` adds up, the pixels
    do not.

    Args:
        ctx: The run.
        regions: The regions.
        values: (targets, count).
        watched: What is watched, and the targets.
        units: What a value is.
        fill: What stood for absent, in words.
        notes: What must be known of each target's map.
        drops: Whether "score - value" is what is left without the region.
        changes: To what each target's values add up, where the method promises it.
    """
    ctx.keep("regions", regions.labels.astype(np.int32))
    ctx.keep("region_values", values.astype(np.float32))
    grid = regions.grid
    return [
        Attribution(
            values=regions.spread(value),
            target=target,
            units=units,
            sign="signed",
            score=float(watched.whole[place]),
            baseline=fill if fill in BASELINES else "each region's mean color",
            native=None if grid is None else value.reshape(grid).astype(np.float32),
            laid=f"each pixel: the value of its whole region, one of {regions.how}",
            drops=drops,
            notes=notes[place],
            convergence_error=None if changes is None else abs(float(value.sum() - changes[place])),
            change=None if changes is None else float(changes[place]),
        )
        for place, (target, value) in enumerate(zip(watched.targets, values, strict=True))
    ]
