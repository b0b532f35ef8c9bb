"""KernelSHAP: the Shapley values of superpixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.plugin import (
    Attribution,
    AttributionMethod,
    Context,
    Family,
    RegionSettings,
    Sample,
    SettingsError,
    Target,
    Watched,
    divide_sample,
    lay_values,
    sampling_note,
    score_coalitions,
    sketch_due,
)

Numbers = NDArray[np.float64]

FEWEST = 4
"""Coalitions for each region at least: the fit of fewer says nothing."""


class KernelShapSettings(RegionSettings):
    samples: int = Field(
        1000,
        ge=16,
        le=20_000,
        title="Coalitions",
        description="How many sets of regions are scored. Where no more than that exist, all are, and the values are "
        "exact.",
    )


class KernelShap(AttributionMethod[KernelShapSettings]):
    """What each superpixel adds to the score, on average over all orders in which the picture could be uncovered."""

    name = "kernel-shap"
    title = "KernelSHAP"
    family = Family.PERTURBATION
    references = ("Lundberg and Lee 2017, arXiv:1705.07874", "Covert and Lee 2021, arXiv:2012.01536")
    formula = "argmin_b sum_z k(z) (f(x with z kept) - f(absent) - b z)^2  so that  sum b = f(x) - f(absent)"
    pitfalls = (
        "The values add up to the score minus that of the absent picture: what stands for absent decides what is told.",
        "Of superpixels that say the same, each gets a share, so that none looks as needed as it would be alone.",
        "Most coalitions are pictures with half of their regions missing, which the network may never have learned.",
    )
    takes_clips = True

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: KernelShapSettings
    ) -> list[Attribution]:
        watched = Watched(ctx, targets, settings.score)
        regions = divide_sample(sample, settings.regions, settings.count, ctx.seed)
        absent = regions.absent(ctx, sample, settings.fill)
        drawn = draw_coalitions(regions.count, settings.samples, ctx.seed)
        nothing = watched(ctx.model.predict_whole(absent[None].astype(np.float32)))[0]
        gain, worths, before = watched.whole - nothing, np.zeros((0, len(targets))), 0

        def maps() -> list[Attribution]:
            n = len(worths) if drawn.exact else len(worths) // 2 * 2
            values, errors = solve(drawn.kept[:n], drawn.weights[:n], worths[:n], gain)
            if drawn.exact:
                said = [f"Exact: all coalitions of {regions.how}."] * len(targets)
            else:
                how = f"{n} of {len(drawn.kept)} coalitions of {regions.how}, in pairs, seed {ctx.seed}"
                said = [sampling_note(value, error, how) for value, error in zip(values, errors, strict=True)]
            adds = [f"The values add up to {change:.4g}, the change from the absent picture." for change in gain]
            return lay_values(
                ctx,
                regions,
                values,
                watched,
                units=f"share of {watched.units}",
                fill=settings.fill,
                notes=list(zip(said, adds, strict=True)),
                changes=gain,
            )

        for part in score_coalitions(ctx, sample, regions, absent, drawn.kept):
            worths = np.concatenate([worths, watched(part) - nothing])
            enough = not drawn.exact and len(worths) >= FEWEST * regions.count
            if enough and sketch_due(before, len(worths), len(drawn.kept)):
                self.sketch(ctx, sample, maps())
                before = len(worths)
        return maps()


@dataclass(frozen=True, eq=False)
class Coalitions:
    """Sets of regions: which are kept (n, regions), their weights (n,), and whether these are all there are."""

    kept: NDArray[np.bool_]
    weights: Numbers
    exact: bool


def draw_coalitions(regions: int, samples: int, seed: int) -> Coalitions:
    """Return all coalitions with their Shapley weights where there are few; else draw them by these weights.

    They are drawn in pairs, each beside what it leaves out, which takes the even part of the error away. Neither the
    empty nor the whole coalition is among them: these two are met exactly.

    Raises:
        SettingsError: The samples are too few for so many regions.
    """
    if regions < 40 and 2**regions - 2 <= samples:
        numbers = np.arange(1, 2**regions - 1)
        kept = (numbers[:, None] >> np.arange(regions) & 1).astype(bool)
        sizes = [int(size) for size in kept.sum(axis=1)]
        weights = [(regions - 1) / (comb(regions, size) * size * (regions - size)) for size in sizes]
        return Coalitions(kept, np.array(weights, np.float64), True)
    if samples < FEWEST * regions:
        raise SettingsError(
            f"samples must be at least {FEWEST * regions}, {FEWEST} for each of the {regions} regions. Got {samples}."
        )
    random, pairs = np.random.default_rng(seed), samples // 2
    sizes_there = np.arange(1, regions)
    chances = 1 / (sizes_there * (regions - sizes_there))
    sizes_drawn = random.choice(sizes_there, pairs, p=chances / chances.sum())
    ranks = random.random((pairs, regions)).argsort(axis=1).argsort(axis=1)
    one = ranks < sizes_drawn[:, None]
    return Coalitions(np.stack([one, ~one], axis=1).reshape(-1, regions), np.ones(2 * pairs), False)


def solve(kept: NDArray[np.bool_], weights: Numbers, worths: Numbers, gain: Numbers) -> tuple[Numbers, Numbers]:
    """Solve the weighted least squares under the constraint that the values add up.

    Args:
        kept: (n, regions), drawn in pairs that follow each other, or all.
        weights: (n,).
        worths: Score of each coalition minus that of the absent picture, (n, targets).
        gain: That of the whole picture, (targets,).

    Returns:
        Values and their standard errors over pairs that were drawn, (targets, regions).
    """
    regions = kept.shape[1]
    if regions == 1:
        return gain[:, None].astype(np.float64), np.zeros((len(gain), 1))
    z, share = kept.astype(np.float64), weights / weights.sum()
    inverse = np.linalg.pinv((z.T * share) @ z, hermitian=True)
    ones = inverse.sum(axis=1)
    free = inverse @ (z.T * share) @ worths
    values = free - ones[:, None] * (free.sum(axis=0) - gain) / ones.sum()
    # How much each pair pulls at the values, within those that add up.
    along = inverse - np.outer(ones, ones) / ones.sum()
    left = worths - z @ values
    pulls = np.stack([(z * left[:, [target]] * share[:, None]) @ along for target in range(len(gain))])
    pairs = pulls[:, : len(z) // 2 * 2].reshape(len(gain), -1, 2, regions).sum(axis=2)
    return values.T, np.sqrt((pairs**2).sum(axis=1))
