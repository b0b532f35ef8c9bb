"""Expected gradients (GradientSHAP): integrated gradients from baselines that are drawn, one point of each path."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from picasso.plugin import (
    BASELINES,
    Array,
    Attribution,
    AttributionMethod,
    BaselineSettings,
    Capability,
    Context,
    Family,
    Sample,
    Target,
    baseline,
    gradient_map,
    pulled_back,
    target_scores,
)


class ExpectedGradientsSettings(BaselineSettings):
    baselines: str = Field(
        "black, white, blur, uniform",
        title="Baselines",
        description=f"From which kinds baselines are drawn, separated by commas: {', '.join(BASELINES)}; uniform is "
        "noise, new for each sample.",
    )
    samples: int = Field(
        64, ge=1, le=2000, title="Samples", description="How many baselines are drawn, each with one point of its path."
    )


class ExpectedGradients(AttributionMethod[ExpectedGradientsSettings]):
    """How the change in score, from baselines drawn at random to the picture, is shared out among the pixels."""

    name = "expected-gradients"
    title = "Expected gradients (GradientSHAP)"
    family = Family.GRADIENTS
    references = (
        "Erion, Janizek, Sturmfels, Lundberg and Lee 2021, arXiv:1906.10670",
        "Lundberg and Lee 2017, arXiv:1705.07874",
    )
    formula = "map = mean over drawn baselines b and t in [0, 1] of (x - b) * d score / d x at b + t (x - b)"
    pitfalls = (
        "It is a sample: the error falls with the root of the number of samples, and other seeds give other maps.",
        "The paper draws its baselines from the training data; these are blank or blurred pictures, which ask a "
        "different question.",
        "It adds up to the change in score only on average; the convergence error says how far this map is from it.",
    )
    needs = frozenset({Capability.GRADIENTS})
    takes_clips = True
    clip = 0.005

    def attribute(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: ExpectedGradientsSettings
    ) -> list[Attribution]:
        x, draws = sample.x[0], _Draws(ctx, sample, settings)
        values = np.zeros((len(targets), *x.shape))
        absent_score = np.zeros(len(targets))

        def on_path(number: int) -> Array:
            absent, part = draws(number)
            return np.asarray(absent + part * (x - absent), np.float32)

        for chunk, gradients in pulled_back(ctx, targets, on_path, settings.samples, noun="samples"):
            for place, number in enumerate(range(chunk.start, chunk.stop)):
                values += gradients[:, place] * (x - draws(number)[0]).astype(np.float64) / settings.samples
                absent_score += draws.scores(number, targets) / settings.samples
        change = [float(target.of_classes(ctx.scores)) for target in targets] - absent_score
        errors = np.abs(values.reshape(len(targets), -1).sum(axis=1) - change)
        return [
            gradient_map(
                ctx,
                target,
                values[place],
                settings.reduction,
                f"part of the change in {ctx.model.facts.units}",
                (f"A mean of {settings.samples} samples, drawn by seed {ctx.seed}.",),
                silent="All zero: the picture is every baseline, or the score does not move on the way (saturation).",
                baseline=f"drawn from {settings.baselines}",
                convergence_error=float(errors[place]),
            )
            for place, target in enumerate(targets)
        ]


class _Draws:
    """The baselines and the points of their paths, by number: the same whatever the batch."""

    def __init__(self, ctx: Context, sample: Sample, settings: ExpectedGradientsSettings) -> None:
        self._ctx, self._sample, self._kinds = ctx, sample, settings.kinds
        self._fixed: dict[str, Array] = {
            kind: baseline(ctx.model, sample, kind) for kind in self._kinds if kind != "uniform"
        }
        self._scores: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {}

    def __call__(self, number: int) -> tuple[Array, float]:
        """Return a baseline (h, w, c) and how far the point lies from it, 0..1."""
        kind, part, seed = self._draw(number)
        absent = self._fixed[kind] if kind in self._fixed else self._noise(seed)
        return absent, part

    def scores(self, number: int, targets: Sequence[Target]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Return the targets' scores of a baseline, (targets,)."""
        kind, _, seed = self._draw(number)
        if kind == "uniform":
            return target_scores(self._ctx, targets, self._noise(seed))
        if kind not in self._scores:
            self._scores[kind] = target_scores(self._ctx, targets, self._fixed[kind])
        return self._scores[kind]

    def _draw(self, number: int) -> tuple[str, float, int]:
        drawn = np.random.default_rng((self._ctx.seed, number))
        return self._kinds[drawn.integers(len(self._kinds))], drawn.random(), int(drawn.integers(2**31))

    def _noise(self, seed: int) -> Array:
        return baseline(self._ctx.model, self._sample, "uniform", seed)
