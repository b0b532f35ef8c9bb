"""RISE: show the picture through many random masks, and ask which pixels were seen when the score was high."""

from collections.abc import Iterator, Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    MASKS_AT_ONCE,
    Array,
    Attribution,
    AttributionMethod,
    Context,
    Family,
    MaskedSettings,
    Sample,
    Target,
    Watched,
    baseline,
    sampling_note,
    score_masked,
    sketch_due,
    stretches,
)

Numbers = NDArray[np.float64]


class RiseSettings(MaskedSettings):
    masks: int = Field(2000, ge=32, le=100_000, title="Masks", description="How many random masks are laid over.")
    cells: int = Field(
        8, ge=2, le=32, title="Cells", description="Cells a side of the grid that is drawn; details are no finer."
    )
    kept: float = Field(
        0.5, ge=0.1, le=0.9, title="Kept", description="Probability with which each cell is kept, a fraction."
    )
    debiased: bool = Field(
        True,
        title="Debiased",
        description="Compare where a pixel was seen with where it was hidden. Off: the paper's sum, in which every "
        "pixel also carries the mean score over all masks.",
    )


class Rise(AttributionMethod[RiseSettings]):
    """Show the picture through random masks: pixels that were seen when the score was high stand out."""

    name = "rise"
    title = "RISE"
    family = Family.PERTURBATION
    references = ("Petsiuk, Das and Saenko 2018, arXiv:1806.07421",)
    formula = "map(p) = sum_i f(x m_i) m_i(p) / sum_i m_i(p) - sum_i f(x m_i) (1 - m_i(p)) / sum_i (1 - m_i(p))"
    pitfalls = (
        "It is an estimate: a map of too few masks is blotchy where nothing is; read the standard error in the note.",
        "Nothing in it is finer than a cell of the masks, however sharp it looks.",
        "The network sees pictures that are half hidden, which it may never have learned.",
        "Of a clip, a quarter of the frames is one step in time: nothing in it is finer.",
    )
    takes_clips = True

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: RiseSettings
    ) -> list[Attribution]:
        watched = Watched(ctx, targets, settings.score)
        absent = baseline(ctx.model, sample, settings.fill, ctx.seed)
        height, width = sample.view.shape[:2]
        # A clip is masked stretch by stretch: its masks and maps have one step for each, laid over the frames.
        place = None if sample.views is None else stretches(len(sample.views))
        steps = None if place is None else int(place[-1]) + 1
        drawn = draw_masks(settings.masks, settings.cells, settings.kept, height, width, ctx.seed, steps)
        masks = drawn if place is None else (chunk[:, place] for chunk in drawn)
        sums, before = _Sums((height, width) if steps is None else (steps, height, width), watched.whole), 0

        def maps() -> list[Attribution]:
            return _maps(ctx, sums, watched, settings, place)

        for chunk, scores in score_masked(ctx, sample.x, absent, masks, settings.masks):
            sums.add(chunk if place is None else chunk[:, np.unique(place, return_index=True)[1]], watched(scores))
            if sketch_due(before, sums.count, settings.masks):
                self.sketch(ctx, sample, maps())
                before = sums.count
        return maps()


def draw_masks(
    count: int, cells: int, kept: float, height: int, width: int, seed: int, steps: int | None = None
) -> Iterator[Array]:
    """Draw masks in chunks: a small grid of zeros and ones, enlarged bilinearly and shifted by less than a cell.

    Args:
        count: How many.
        cells: Cells of the grid a side.
        kept: Probability of a one. A pixel's expected value is the same.
        height, width: Size of a mask. The grid is enlarged to one cell more, as in the paper, and cut at the shift.
        seed: Seed of the drawing.
        steps: Of a clip: how many steps in time, each with a grid and a shift of its own.

    Yields:
        float32 (n, height, width) in 0..1, of a clip (n, steps, height, width).
    """
    random = np.random.default_rng(seed)
    tall, wide = -(-height // cells), -(-width // cells)
    rows, columns = _weights(cells, (cells + 1) * tall), _weights(cells, (cells + 1) * wide)
    for start in range(0, count, MASKS_AT_ONCE):
        n = min(MASKS_AT_ONCE, count - start)
        each = n * (steps or 1)
        grids = (random.random((each, cells, cells)) < kept).astype(np.float32)
        down = rows[random.integers(0, tall, each)[:, None] + np.arange(height)]
        across = columns[random.integers(0, wide, each)[:, None] + np.arange(width)]
        masks = down @ grids @ across.transpose(0, 2, 1)
        yield masks if steps is None else masks.reshape(n, steps, height, width)


def _weights(cells: int, pixels: int) -> Array:
    """Return how much of each cell a pixel gets, (pixels, cells): linear between the centers, constant beyond."""
    place = (np.arange(pixels) + 0.5) * cells / pixels - 0.5
    return np.stack([np.interp(place, np.arange(cells), one) for one in np.eye(cells)], axis=1).astype(np.float32)


class _Sums:
    """Sums over the masks m and scores f seen so far: all that the estimate and its standard error need.

    Args:
        shape: Of a mask.
        center: Subtracted from the scores, (targets,), so that their squares stay small.
    """

    def __init__(self, shape: tuple[int, ...], center: Numbers) -> None:
        targets, pixels = len(center), prod(shape)
        self.shape, self.center, self.count = shape, center, 0
        # Of m f^k and m^2 f^k for k = 0, 1, 2.
        self.first = [np.zeros((1 if k == 0 else targets, pixels)) for k in range(3)]
        self.second = [np.zeros_like(part) for part in self.first]
        self.scores = [np.zeros((1 if k == 0 else targets, 1)) for k in range(3)]

    def add(self, masks: Array, scores: Numbers) -> None:
        """Take a chunk of masks (n, *shape) and what they scored, (n, targets)."""
        flat, f = masks.reshape(len(masks), -1), scores - self.center
        square = flat * flat
        for k, power in enumerate((np.ones((len(f), 1)), f, f * f)):
            self.first[k] += power.T.astype(np.float32) @ flat
            self.second[k] += power.T.astype(np.float32) @ square
            self.scores[k] += power.sum(axis=0)[:, None]
        self.count += len(masks)

    def difference(self) -> tuple[Numbers, Numbers]:
        """Return the mean score where a pixel is seen minus where it is hidden, and its standard error, (targets, p).

        The error is that of two weighted means over the same masks, by the delta method.
        """
        n, (m, mf, mff), (mm, mmf, mmff) = self.count, self.first, self.second
        _, f, ff = self.scores
        with np.errstate(divide="ignore", invalid="ignore"):
            seen, hidden = mf / m, (f - mf) / (n - m)
            # One mask's share of the error is  a m f - b m - c f + d.
            a, c = n / m + n / (n - m), n / (n - m)
            b, d = seen * n / m + hidden * c, hidden * c
            squares = a * a * mmff + b * b * mm + c * c * ff + n * d * d
            products = -a * b * mmf - a * c * mff + a * d * mf + b * c * mf - b * d * m - c * d * f
            error = np.sqrt(np.maximum(squares + 2 * products, 0)) / n
        known = (m > 0) & (m < n)
        return np.where(known, seen - hidden, np.nan), np.where(known, error, np.nan)

    def paper(self, kept: float) -> tuple[Numbers, Numbers]:
        """Return the paper's sum, and its standard error, (targets, p)."""
        n, (m, mf, _), (mm, mmf, mmff) = self.count, self.first, self.second
        center = self.center[:, None]
        mean = (mf + center * m) / n
        square = (mmff + 2 * center * mmf + center**2 * mm) / n
        return mean / kept, np.sqrt(np.maximum(square - mean**2, 0) / n) / kept


def _maps(
    ctx: Context, sums: _Sums, watched: Watched, settings: RiseSettings, place: NDArray[np.intp] | None
) -> list[Attribution]:
    found = sums.difference() if settings.debiased else sums.paper(settings.kept)
    values, errors = (part.reshape(-1, *sums.shape).astype(np.float32) for part in found)
    cells = f"{settings.cells} x {settings.cells} cells"
    if place is not None:
        values, errors, cells = values[:, place], errors[:, place], f"{cells} in each of {sums.shape[0]} stretches"
    ctx.keep("standard_errors", errors)
    drawn = (
        f"{sums.count} of {settings.masks} masks of {cells}, each kept with probability {settings.kept:g}, "
        f"seed {ctx.seed}"
    )
    notes: tuple[str, ...] = ()
    if not settings.debiased:
        notes = ("The paper's sum: a pixel that does not matter has the mean score over the masks, not zero.",)
    units = f"{watched.units} where seen - where hidden" if settings.debiased else f"mean {watched.units} where seen"
    return [
        Attribution(
            values=value,
            target=target,
            units=units,
            sign="signed",
            score=float(watched.whole[place]),
            baseline=settings.fill,
            notes=(sampling_note(value, error, drawn), *notes),
        )
        for place, (target, value, error) in enumerate(zip(watched.targets, values, errors, strict=True))
    ]
