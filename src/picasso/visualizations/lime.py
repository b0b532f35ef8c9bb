"""LIME: a linear model of the score, fitted to pictures of which some superpixels are missing."""

from collections.abc import Sequence
from dataclasses import dataclass

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
    Target,
    Watched,
    divide_sample,
    lay_values,
    sampling_note,
    score_coalitions,
    sketch_due,
)

Numbers = NDArray[np.float64]


class LimeSettings(RegionSettings):
    samples: int = Field(
        1000, ge=16, le=20_000, title="Samples", description="How many pictures with regions missing are scored."
    )
    kernel_width: float = Field(
        0.25,
        ge=0.01,
        le=100.0,
        title="Kernel width",
        description="How fast a picture loses weight with its cosine distance (0..1) from the whole one.",
    )
    ridge: float = Field(
        1.0, ge=0.0, le=1000.0, title="Ridge", description="Penalty on the squared weights of the linear model."
    )


class Lime(AttributionMethod[LimeSettings]):
    """How much each superpixel adds to the score, in the linear model that fits best near the picture."""

    name = "lime"
    title = "LIME"
    family = Family.PERTURBATION
    references = ("Ribeiro, Singh and Guestrin 2016, arXiv:1602.04938",)
    formula = "argmin_b sum_i exp(-d_i^2 / (2 width^2)) (f(x with z_i kept) - b0 - b z_i)^2 + ridge |b|^2"
    pitfalls = (
        "It explains the linear model, not the network: with a small R-squared it explains little.",
        "The regions, the kernel's width and the fill are choices, and change the map as much as the picture does.",
        "The fill of the lime package, each region's own mean color (region), misses what a model knows by color.",
        "It is an estimate of samples drawn at random: another seed gives another map; read the standard error.",
    )
    takes_clips = True

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: LimeSettings
    ) -> list[Attribution]:
        watched = Watched(ctx, targets, settings.score)
        regions = divide_sample(sample, settings.regions, settings.count, ctx.seed)
        kept = draw_samples(settings.samples, regions.count, ctx.seed)
        weights = kernel(kept, settings.kernel_width)
        scores, before = np.zeros((0, len(targets))), 0

        def maps() -> list[Attribution]:
            n = len(scores)
            fit = fit_ridge(kept[:n], scores, weights[:n], settings.ridge)
            return lay_values(
                ctx,
                regions,
                fit.weights,
                watched,
                units=f"change in {watched.units} by the linear model",
                fill=settings.fill,
                notes=[_notes(ctx, fit, place, f"{n} of {len(kept)} samples") for place in range(len(targets))],
            )

        for part in score_coalitions(ctx, sample, regions, regions.absent(ctx, sample, settings.fill), kept):
            scores = np.concatenate([scores, watched(part)])
            if sketch_due(before, len(scores), len(kept)):
                self.sketch(ctx, sample, maps())
                before = len(scores)
        return maps()


@dataclass(frozen=True, eq=False)
class Fit:
    """A linear model of several targets.

    Args:
        weights, errors: Weights and their standard errors, (targets, regions).
        r_squared: Of the samples that were fitted, (targets,), 0..1.
        left_out: R-squared of each sample by the fit of all the others; below 0 it tells less than the mean does.
    """

    weights: Numbers
    errors: Numbers
    r_squared: Numbers
    left_out: Numbers


def draw_samples(count: int, regions: int, seed: int) -> NDArray[np.bool_]:
    """Draw which regions are kept, each with probability 1/2; the first sample is the whole picture."""
    kept = np.random.default_rng(seed).integers(0, 2, (count, regions), np.int8).astype(bool)
    kept[0] = True
    return kept


def kernel(kept: NDArray[np.bool_], width: float) -> Numbers:
    """Return the weight of each sample by its cosine distance d from the whole picture: sqrt(exp(-d^2 / width^2)).

    Of so many kept of so many, the cosine is sqrt(share); of nothing it is taken as 0.
    """
    distance = 1 - np.sqrt(kept.mean(axis=1))
    return np.asarray(np.sqrt(np.exp(-((distance / width) ** 2))))


def fit_ridge(kept: NDArray[np.bool_], scores: Numbers, weights: Numbers, ridge: float) -> Fit:
    """Fit scores (n, targets) by the regions kept (n, regions) with weights (n,), in closed form.

    The standard errors are those of the sandwich: they hold however the network is curved. They are of each
    sample by the fit of all the others, so that a model of more regions than samples does not look good.

    References:
        MacKinnon and White 1985, HC3; Allen 1974, PRESS.
    """
    share = weights / weights.sum()
    z, y = kept - share @ kept, scores - share @ scores
    inverse = np.linalg.pinv((z.T * weights) @ z + ridge * np.eye(z.shape[1]), hermitian=True)
    slopes = inverse @ (z.T * weights) @ y
    pulls = (z * weights[:, None]) @ inverse
    own = y - z @ slopes
    left = _by_the_others(own, share + (pulls * z).sum(axis=1), y)
    errors = np.sqrt(np.einsum("nr,nt->tr", pulls**2, left**2))
    predicted = _told(left, _by_the_others(y, share, y), weights)
    return Fit(slopes.T, errors, _told(own, y, weights), predicted)


def _by_the_others(missed: Numbers, own: Numbers, unknown: Numbers) -> Numbers:
    """Return by how much each sample is missed where it is left out.

    Args:
        missed: By how much it is missed by a fit that it has a part in, (n, targets).
        own: Which part that is, (n,), 0..1.
        unknown: What is taken where nobody else has a part in it.
    """
    others = (1 - own)[:, None]
    return np.asarray(np.divide(missed, others, out=unknown.copy(), where=others > 1e-9))


def _told(left: Numbers, spread: Numbers, weights: Numbers) -> Numbers:
    """Return R-squared of what is left of a spread, each (n, targets), with weights (n,); 0 where nothing spreads."""
    rest, whole = (np.einsum("n,nt->t", weights, values**2) for values in (left, spread))
    return np.asarray(1 - np.divide(rest, whole, out=np.ones_like(whole), where=whole > 0))


def _notes(ctx: Context, fit: Fit, place: int, drawn: str) -> tuple[str, ...]:
    told = max(fit.left_out[place], 0.0)
    said = (
        f"R-squared {told:.2f} of samples left out of the fit, {fit.r_squared[place]:.2f} of its own: the linear model "
        "tells that share of how the score varies near the picture."
    )
    if told < 0.5:
        said += " Less than half: this map says little about the network."
    return said, sampling_note(fit.weights[place], fit.errors[place], f"{drawn}, seed {ctx.seed}")
