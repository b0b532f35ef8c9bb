"""Sobol: which share of the score's variance each cell of the picture has a hand in."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    MASKS_AT_ONCE,
    Attribution,
    AttributionMethod,
    Context,
    DesignCount,
    Family,
    MaskedSettings,
    Regions,
    Sample,
    SobolShares,
    Target,
    Watched,
    baseline,
    draw_designs,
    jansen,
    lay_grid,
    sampling_note,
    score_masked,
    sketch_due,
)

Numbers = NDArray[np.float64]


class SobolSettings(MaskedSettings):
    cells: int = Field(8, ge=2, le=16, title="Cells", description="Cells a side of the grid.")
    designs: DesignCount = Field(
        32,
        ge=8,
        le=1024,
        title="Designs",
        description="Pairs of masks that are drawn, a power of two. Each takes one picture for every cell, and one.",
    )
    signed: bool = Field(
        False,
        title="Signed",
        description="Give each share the sign of what covering the cell alone does: positive where the score falls.",
    )


class Sobol(AttributionMethod[SobolSettings]):
    """Which share of the score's ups and downs each cell has a hand in, when all cells fade in and out at random."""

    name = "sobol"
    title = "Sobol indices"
    family = Family.PERTURBATION
    references = ("Fel et al. 2021, arXiv:2111.04138", "Jansen 1999, doi:10.1016/S0010-4655(98)00154-4")
    formula = "S(cell) = mean_j (f(A_j) - f(A_j with the cell from B_j))^2 / (2 var_j f(A_j))"
    pitfalls = (
        "A share has no sign: a cell that speaks against the target shows as much as one that speaks for it.",
        "What cells do together is counted for each of them, so that the shares add up to more than one.",
        "It tells how the score moves between pictures that have half faded, not what the whole picture needs.",
    )

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: SobolSettings
    ) -> list[Attribution]:
        watched = Watched(ctx, targets, settings.score)
        absent = baseline(ctx.model, sample, settings.fill, ctx.seed)
        height, width = sample.x.shape[1:3]
        regions = lay_grid(height, width, settings.cells, settings.cells)
        first, second = draw_designs(settings.designs, regions.count, ctx.seed)
        total = settings.designs * (regions.count + 1)
        signs = np.ones((len(targets), regions.count))
        if settings.signed:
            boxes = regions.boxes()
            assert boxes is not None  # the cells of a grid
            done, total = regions.count, total + regions.count
            covered = ctx.model.predict_patched(
                sample.x, boxes, absent, lambda some, _: ctx.progress(some, total, f"{some} of {total} masks")
            )
            signs = np.sign(watched.whole - watched(covered)).T
        else:
            done = 0
        scores, before = np.zeros((0, len(targets))), 0
        masks = (regions.masks(part) for part in _in_chunks(first, second))

        def maps() -> list[Attribution]:
            rows = len(scores) // (regions.count + 1)
            found = scores[: rows * (regions.count + 1)].reshape(rows, regions.count + 1, len(targets))
            return _maps(ctx, regions, jansen(found), signs, watched, settings, rows)

        for _, part in score_masked(ctx, sample.x, absent, masks, total, done):
            scores = np.concatenate([scores, watched(part)])
            if len(scores) >= 4 * (regions.count + 1) and sketch_due(before, len(scores), total):
                self.sketch(ctx, sample, maps())
                before = len(scores)
        return maps()


def _in_chunks(first: Numbers, second: Numbers) -> Iterator[Numbers]:
    """Yield, design after design, the first's masks, and those with one cell after the other from the second."""
    count, cells = first.shape
    for start in range(0, count * (cells + 1), MASKS_AT_ONCE):
        design, place = np.divmod(np.arange(start, min(start + MASKS_AT_ONCE, count * (cells + 1))), cells + 1)
        kept = first[design]
        mixed = np.flatnonzero(place > 0)
        kept[mixed, place[mixed] - 1] = second[design[mixed], place[mixed] - 1]
        yield kept


def _maps(
    ctx: Context,
    regions: Regions,
    shares: SobolShares,
    signs: Numbers,
    watched: Watched,
    settings: SobolSettings,
    designs: int,
) -> list[Attribution]:
    ctx.keep("standard_errors", shares.errors.astype(np.float32))
    assert regions.grid is not None
    drawn = f"{designs} of {settings.designs} designs of a scrambled Sobol sequence, seed {ctx.seed}"
    maps = []
    for place, (target, value) in enumerate(zip(watched.targets, shares.values * signs, strict=True)):
        still = shares.variance[place] == 0
        note = "The score did not move under any mask." if still else ""
        maps.append(
            Attribution(
                values=regions.spread(value),
                target=target,
                units=f"share of the variance of the {watched.units}",
                sign="signed" if settings.signed else "unsigned",
                score=float(watched.whole[place]),
                baseline=settings.fill,
                native=value.reshape(regions.grid).astype(np.float32),
                laid=f"each pixel: the share of its whole cell, one of {regions.how}",
                notes=(note or sampling_note(value, shares.errors[place], drawn),),
            )
        )
    return maps
