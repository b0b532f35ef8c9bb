"""Extremal perturbation: the part of the picture, of a given area, that does most for the score."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    INPUT,
    Array,
    Attribution,
    AttributionMethod,
    Baseline,
    Capability,
    Context,
    Family,
    Sample,
    Settings,
    Target,
    baseline,
    enlarge,
    sketch_due,
)

Numbers = NDArray[np.float64]

TEMPERATURE = 0.05
"""Of the smooth maximum, as in the paper."""
REACH = 2
"""Cells to which a cell of the parameters spreads, by a Gaussian of one cell."""
STEP = 0.05
"""Step of Adam, in units of the mask."""
LEAST, MOST = 5.0, 500.0
"""How hard the area is asked for at the first step and at the last; what is gained is at most about 1."""


class ExtremalPerturbationSettings(Settings):
    area: float = Field(
        0.1, ge=0.01, le=0.9, title="Area", description="How much of the picture may be kept, a fraction of its area."
    )
    iterations: int = Field(
        150,
        ge=10,
        le=2000,
        title="Iterations",
        description="Steps of the search; each is a forward and a backward pass.",
    )
    cells: int = Field(
        28,
        ge=4,
        le=64,
        title="Cells",
        description="Cells a side of the mask that is searched; it is enlarged smoothly.",
    )
    fill: Baseline = Field(
        "blur",
        title="Fill",
        description="What is seen where the mask hides the picture: a color, the mean color, the blur, or noise.",
    )


class ExtremalPerturbation(AttributionMethod[ExtremalPerturbationSettings]):
    """The part of the picture, of a given area, that alone keeps the class score as high as it can."""

    name = "extremal-perturbation"
    title = "Extremal perturbation"
    family = Family.PERTURBATION
    references = ("Fong, Patrick and Vedaldi 2019, arXiv:1910.08485",)
    formula = "argmax_m  f(m x + (1 - m) absent) - strength |sort(m) - r(area)|^2,  m a smooth maximum of Gaussians"
    pitfalls = (
        "The area is given, not found: a mask of any area exists, also where nothing matters; read the score it keeps.",
        "One of several parts that would do is shown, and a search may end in a lesser one.",
        "What it shows suffices for the score; what it leaves out may matter, too.",
    )
    needs = frozenset({Capability.GRADIENTS})

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: ExtremalPerturbationSettings
    ) -> list[Attribution]:
        absent = baseline(ctx.model, sample, settings.fill, ctx.seed)
        nothing = ctx.model.predict(absent[None].astype(np.float32))[0]
        searches = [_Search(ctx, sample, absent, target, nothing, settings) for target in targets]
        total, before = settings.iterations, 0
        for step in range(total):
            # All targets go on together, so that no map waits for the others.
            for place, search in enumerate(searches):
                done = step * len(searches) + place
                ctx.progress(done, total * len(searches), f"Step {step + 1} of {total}")
                search.step(step, total)
            if sketch_due(before, step + 1, total):
                self.sketch(ctx, sample, [search.map(f"Rough: step {step + 1} of {total}.") for search in searches])
                before = step + 1
        ctx.progress(total * len(searches), total * len(searches))
        return [search.map() for search in searches]


class _Search:
    """The search for one target's mask."""

    def __init__(
        self,
        ctx: Context,
        sample: Sample,
        absent: Array,
        target: Target,
        nothing: Numbers,
        settings: ExtremalPerturbationSettings,
    ) -> None:
        self._ctx, self._sample, self._absent, self._target, self._settings = ctx, sample, absent, target, settings
        self._whole, self._nothing = float(target.of_classes(ctx.scores)), float(target.of_classes(nothing))
        self._scale = max(abs(self._whole - self._nothing), 1e-6)
        height, width = sample.x.shape[1:3]
        self._grid = min(settings.cells, height), min(settings.cells, width)
        self._rows, self._columns = (
            enlarge(np.eye(cells, dtype=np.float32), pixels, cells)
            for cells, pixels in zip(self._grid, (height, width), strict=True)
        )
        self._parameters = np.full(self._grid, 0.5)
        self._mean, self._square = np.zeros(self._grid), np.zeros(self._grid)

    def _kept(self, mask: Numbers) -> Array:
        """Return the picture behind a mask (rows, columns): the input (1, h, w, c)."""
        laid = (self._rows @ mask @ self._columns.T)[..., None]
        return np.asarray(laid * self._sample.x + (1 - laid) * self._absent, np.float32)

    def step(self, number: int, total: int) -> None:
        """Go one step of Adam uphill."""
        mask, slopes = smooth_maximum(self._parameters)
        pulled = self._ctx.model.pullback(self._kept(mask), [self._target], (INPUT,))
        pixels = (pulled.gradients[INPUT][0, 0] * (self._sample.x[0] - self._absent)).sum(axis=-1, dtype=np.float64)
        strength = LEAST * (MOST / LEAST) ** (number / total)
        uphill = (
            self._rows.T @ pixels @ self._columns / self._scale - strength * area_penalty(mask, self._settings.area)[1]
        )
        gradient = spread_back(uphill[..., None, None] * slopes)
        self._mean += 0.1 * (gradient - self._mean)
        self._square += 0.01 * (gradient**2 - self._square)
        mean, square = self._mean / (1 - 0.9 ** (number + 1)), self._square / (1 - 0.99 ** (number + 1))
        self._parameters = np.clip(self._parameters + STEP * mean / (np.sqrt(square) + 1e-12), 0, 1)

    def map(self, *notes: str) -> Attribution:
        """Return the mask as it is now."""
        mask = smooth_maximum(self._parameters)[0]
        score = float(self._target.of_classes(self._ctx.model.predict(self._kept(mask)))[0])
        said = (
            f"With {mask.mean():.0%} of the picture kept the score is {score:.4g}; of the whole picture it is "
            f"{self._whole:.4g}, of the absent one {self._nothing:.4g}."
        )
        return Attribution(
            values=np.asarray(self._rows @ mask @ self._columns.T, np.float32),
            target=self._target,
            units="share kept",
            sign="unsigned",
            score=self._whole,
            baseline=self._settings.fill,
            native=mask.astype(np.float32),
            laid=f"{mask.shape[0]} x {mask.shape[1]} cells, bilinear between their centers",
            notes=(*notes, said),
        )


def _kernel() -> Numbers:
    across = np.exp(-0.5 * np.arange(-REACH, REACH + 1.0) ** 2)
    return np.outer(across, across)


def smooth_maximum(parameters: Numbers) -> tuple[Numbers, Numbers]:
    """Return the mask: at each cell the smooth maximum of the Gaussians that the parameters around it weigh.

    Args:
        parameters: (rows, columns) in 0..1.

    Returns:
        The mask (rows, columns), and its slopes by each parameter around a cell, (rows, columns, side, side).
    """
    side = 2 * REACH + 1
    around = np.lib.stride_tricks.sliding_window_view(np.pad(parameters, REACH), (side, side)) * _kernel()
    weights = np.exp((around - 1) / TEMPERATURE)
    weights /= weights.sum(axis=(2, 3), keepdims=True)
    mask = (weights * around).sum(axis=(2, 3))
    return mask, weights * (1 + (around - mask[..., None, None]) / TEMPERATURE) * _kernel()


def spread_back(slopes: Numbers) -> Numbers:
    """Add up what reaches each parameter from the cells around it: (rows, columns, side, side) -> (rows, columns)."""
    rows, columns, side, _ = slopes.shape
    total = np.zeros((rows + 2 * REACH, columns + 2 * REACH))
    for down in range(side):
        for across in range(side):
            total[down : down + rows, across : across + columns] += slopes[:, :, down, across]
    return total[REACH:-REACH, REACH:-REACH]


def area_penalty(mask: Numbers, area: float) -> tuple[float, Numbers]:
    """Return the mean square by which the sorted mask misses zeros and then ones, `area` of these, and its gradient.

    At least one is wanted: a mask of so few cells that `area` is none of them could only be empty.
    """
    flat = mask.ravel()
    wanted = np.zeros(flat.size)
    wanted[np.argsort(flat, kind="stable")[flat.size - max(1, round(area * flat.size)) :]] = 1
    return float(((flat - wanted) ** 2).mean()), (2 * (flat - wanted) / flat.size).reshape(mask.shape)
