"""Partition SHAP: Owen values of a picture that is halved again and again."""

import heapq
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    MASKS_AT_ONCE,
    Attribution,
    AttributionMethod,
    Context,
    Family,
    MaskedSettings,
    Regions,
    Sample,
    Target,
    Watched,
    baseline,
    lay_grid,
    lay_values,
    score_masked,
    sketch_due,
)

Numbers = NDArray[np.float64]


class PartitionShapSettings(MaskedSettings):
    evaluations: int = Field(
        1000,
        ge=16,
        le=20_000,
        title="Evaluations",
        description="How many pictures are scored at most. They go where halving a block tells most.",
    )
    cells: int = Field(
        16, ge=2, le=32, title="Cells", description="Cells a side of the grid at which the halving ends."
    )


class PartitionShap(AttributionMethod[PartitionShapSettings]):
    """What each block of the picture adds to the score, halved further where it matters."""

    name = "partition-shap"
    title = "Partition SHAP"
    family = Family.PERTURBATION
    references = ("Owen 1977, Values of games with a priori unions", "Lundberg and Lee 2017, arXiv:1705.07874")
    formula = "v(block) = mean over contexts of [ f(context + block) - f(context) ],  v(half) with its twin out and in"
    pitfalls = (
        "Blocks that were not halved show their mean: even color in a block is ignorance, not evenness.",
        "The halving is blind to the picture: an object cut by the first halves gets another value than one inside.",
        "The values add up to the score minus that of the absent picture: what stands for absent decides what is told.",
    )

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: PartitionShapSettings
    ) -> list[Attribution]:
        watched = Watched(ctx, targets, settings.score)
        absent = baseline(ctx.model, sample, settings.fill, ctx.seed)
        height, width = sample.x.shape[1:3]
        regions = lay_grid(height, width, settings.cells, settings.cells)
        nothing = watched(ctx.model.predict_whole(absent[None].astype(np.float32)))[0]
        halving = Halving(regions, nothing, watched.whole)
        gain, total, before = watched.whole - nothing, min(settings.evaluations // 2 * 2, halving.all_evaluations), 0

        def maps() -> list[Attribution]:
            values = halving.values().reshape(len(targets), -1)
            adds = [f"The values add up to {change:.4g}, the change from the absent picture." for change in gain]
            return lay_values(
                ctx,
                regions,
                values,
                watched,
                units=f"share of {watched.units}",
                fill=settings.fill,
                notes=[(_note(halving), add) for add in adds],
                changes=gain,
            )

        while halving.scored < total:
            kept = halving.ask((total - halving.scored) // 2)
            for _, scores in score_masked(ctx, sample.x, absent, [regions.masks(kept)], total, halving.scored):
                halving.tell(watched(scores))
            if sketch_due(before, halving.scored, total):
                self.sketch(ctx, sample, maps())
                before = halving.scored
        ctx.progress(total, total)
        return maps()


class Block(NamedTuple):
    """Cells of a grid: rows from `top` to before `bottom`, columns from `left` to before `right`."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def cells(self) -> tuple[slice, slice]:
        """Its place in the grid."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def halves(self) -> tuple["Block", "Block"] | None:
        """Return its halves across the longer side, the upper or left first; None for a single cell."""
        top, bottom, left, right = self
        tall, wide = bottom - top, right - left
        if tall == wide == 1:
            return None
        if tall >= wide:
            middle = top + tall // 2
            return Block(top, middle, left, right), Block(middle, bottom, left, right)
        middle = left + wide // 2
        return Block(top, bottom, left, middle), Block(top, bottom, middle, right)


class _Open(NamedTuple):
    """A block in one context that has not been halved; those that tell most come first.

    Args:
        urgency: How little it tells: minus the largest change, weighted.
        number: Tells blocks of the same urgency apart.
        block: The block.
        context: Which other cells are there, (rows, columns).
        without, present: Scores of the context, and with the block, (targets,).
        weight: The context's share of the mean.
    """

    urgency: float
    number: int
    block: Block
    context: NDArray[np.bool_]
    without: Numbers
    present: Numbers
    weight: float

    @property
    def credit(self) -> Numbers:
        return (self.present - self.without) * self.weight


class Halving:
    """Halves the block that tells most, again and again, and shares out what was found.

    Args:
        regions: The grid of the smallest cells.
        nothing, whole: Scores of the absent and the whole picture, (targets,).

    Attributes:
        scored: Pictures that were scored so far.
        all_evaluations: How many there are to score until every block is a cell, in every context.
    """

    def __init__(self, regions: Regions, nothing: Numbers, whole: Numbers) -> None:
        assert regions.grid is not None
        self._grid, self._sizes = regions.grid, regions.sizes.reshape(regions.grid)
        self._values = np.zeros((len(nothing), *self._grid))
        self._open: list[_Open] = []
        self._asked: list[_Open] = []
        self._number = self.scored = 0
        root = Block(0, self._grid[0], 0, self._grid[1])
        self.all_evaluations = _evaluations(root, 1)
        self._push(root, np.zeros(self._grid, bool), nothing, whole, 1.0)

    def ask(self, most: int) -> NDArray[np.bool_]:
        """Return which cells are to be kept, (n, cells), of at most so many blocks and of one chunk."""
        while self._open and len(self._asked) < min(most, MASKS_AT_ONCE // 2):
            self._asked.append(heapq.heappop(self._open))
        return np.stack(list(self._masks())).reshape(2 * len(self._asked), -1)

    def _masks(self) -> Iterator[NDArray[np.bool_]]:
        for one in self._asked:
            for half in one.block.halves() or ():
                kept = one.context.copy()
                kept[half.cells] = True
                yield kept

    def tell(self, scores: Numbers) -> None:
        """Take the scores (n, targets) of what was asked for."""
        kept = list(self._masks())
        self.scored += len(kept)
        for place, one in enumerate(self._asked):
            halves = one.block.halves()
            assert halves is not None
            for half, alone, twin in ((0, 2 * place, 2 * place + 1), (1, 2 * place + 1, 2 * place)):
                weight = one.weight / 2
                self._push(halves[half], one.context, one.without, scores[alone], weight)
                self._push(halves[half], kept[twin], scores[twin], one.present, weight)
        self._asked = []

    def _push(
        self, block: Block, context: NDArray[np.bool_], without: Numbers, present: Numbers, weight: float
    ) -> None:
        urgency = -float(np.abs(present - without).max()) * weight
        one = _Open(urgency, self._number, block, context, without, present, weight)
        self._number += 1
        if block.halves() is None:
            self._values[:, block.top, block.left] += one.credit
        else:
            heapq.heappush(self._open, one)

    def values(self) -> Numbers:
        """Return the value of each cell, (targets, rows, columns); what is open is shared out by area."""
        values = self._values.copy()
        for one in self._open:
            sizes = self._sizes[one.block.cells]
            values[(slice(None), *one.block.cells)] += one.credit[:, None, None] * sizes / sizes.sum()
        return values

    def open_blocks(self) -> int:
        """Return how many blocks were not halved in each of their contexts."""
        return len({one.block for one in self._open})


def _evaluations(block: Block, contexts: int) -> int:
    halves = block.halves()
    return 0 if halves is None else 2 * contexts + sum(_evaluations(half, 2 * contexts) for half in halves)


def _note(halving: Halving) -> str:
    if not halving.open_blocks():
        return f"Exact Owen values, from {halving.scored} pictures."
    return (
        f"{halving.scored} of {halving.all_evaluations} pictures were scored; {halving.open_blocks()} blocks were not "
        "halved in every context: what they hold is shared out evenly. Nothing was drawn at random."
    )
