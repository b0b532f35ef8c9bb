"""Feature visualization: the picture that a class, a channel, a unit or a layer answers most to."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
from pydantic import Field

from picasso.plugin import (
    Capability,
    Context,
    Curve,
    Family,
    FourierParameters,
    GreyCanvas,
    Images,
    Line,
    MadePicture,
    ModelVisualization,
    NotSupportedError,
    Objective,
    Panel,
    Parametrization,
    PhaseParameters,
    PictureSearch,
    PixelParameters,
    PrincipalParameters,
    SearchPlan,
    Settings,
    SettingsError,
    Shaking,
    Text,
    album,
    falling_magnitudes,
    measured_magnitudes,
    read_objectives,
)

FADING = 0.3
"""The rate of the last step, as a part of the first one's: the picture comes to rest."""
RATES = {
    ("fourier", "adam"): 0.06,
    ("fourier", "l2"): 0.03,
    ("fourier", "linf"): 0.02,
    ("pixels", "adam"): 0.02,
    ("pixels", "l2"): 0.02,
    ("pixels", "linf"): 0.01,
    ("phases", "adam"): 0.2,
    ("phases", "l2"): 0.2,
    ("phases", "linf"): 0.1,
    ("learned", "adam"): 0.1,
    ("learned", "l2"): 0.1,
    ("learned", "linf"): 0.05,
}
"""Where none is given: by what the picture is made of and by the optimizer, chosen by looking."""
OPTIMIZERS = {"adam": "Adam", "l2": "steepest ascent (L2)", "linf": "steepest ascent (L-infinity)"}
SEEN = 16
"""Where somebody watches, the pictures are shown after so many steps."""
CLASSES = 2
"""So many are shown where nothing is asked for."""
MOST = 64
"""Pictures of one run."""
SMALL = 0.01
"""A rate below this moves too little rather than too much."""
LINES = 8
"""So many pictures have their course drawn."""
LEARNED = 500
"""Pictures of an album from which is learned at most."""
AXES = 100
"""Numbers of a code, where codes of learned pictures are searched."""


class FeatureVisualizationSettings(Settings):
    objective: str = Field(
        "",
        title="What for",
        description="A class (zebra; probability:zebra), a channel (conv5:37; conv5:0..7 for eight), a unit "
        "(conv5:37@3,4; conv5:37@center), a layer (conv5, DeepDream). a + 0.5 b - c: jointly; a -> b: from one to the "
        "other; a; b: each for itself. Left empty: the first two classes.",
        json_schema_extra={"picasso": {"choices": "objective"}},
    )
    sign: Literal["positive", "negative", "both"] = Field(
        "positive", title="Sign", description="Whether it is made large, small, or each in a picture of its own."
    )
    between: int = Field(
        5,
        ge=2,
        le=16,
        title="Interpolation",
        description="Pictures from a to b where a -> b is asked for, both included.",
    )
    pictures: int = Field(1, ge=1, le=16, title="Pictures", description="For each objective, from different noise.")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1e6,
        title="Diversity",
        description="Weight of the likeness of several pictures, the cosine of their Gram matrices in the channel's "
        "layer, or the last with space; it is subtracted. 0: none.",
    )
    parametrization: Literal["fourier", "phases", "pixels", "learned"] = Field(
        "fourier",
        title="Searched for as",
        description="fourier: waves. phases: only the phases of the waves, as strong as in photographs (MaCo). pixels: "
        "each number by itself. learned: codes of pictures like those of the album, by a linear autoencoder.",
    )
    decorrelated: bool = Field(
        True,
        title="Decorrelated colors",
        description="Whether waves are of colors that vary independently in photographs.",
    )
    decay: float = Field(
        1.0,
        ge=0,
        le=3,
        title="Fall of the waves",
        description="How their strength falls with the frequency; 1 as in photographs, more makes softer pictures.",
    )
    album: str = Field(
        "",
        title="Learn from",
        description="A folder of pictures, or a data set. phases: its mean spectrum says how strong each wave is; left "
        "empty, the fall of the waves does. learned: its pictures are what codes are of.",
        json_schema_extra={"picasso": {"choices": "album"}},
    )
    steps: int = Field(
        128, ge=1, le=5000, title="Steps", description="For each picture; each is a forward and a backward pass."
    )
    optimizer: Literal["adam", "l2", "linf"] = Field(
        "adam",
        title="Optimizer",
        description="adam; or along the slopes, normalized: l2 by the rate in the mean, linf every number by the rate.",
    )
    rate: float = Field(
        0.0,
        ge=0,
        le=1000,
        title="Rate",
        description="How far the first step goes; later ones go less far. 0: what suits the choices above.",
    )
    noise: float = Field(
        0.01, ge=0, le=10, title="Noise", description="Of the grey picture with which the search begins."
    )
    robust: bool = Field(
        True, title="Robust", description="Whether the picture is moved at random before each step, by the next three."
    )
    jitter: float = Field(0.05, ge=0, le=0.5, title="Shift", description="By up to so much of the side, each way.")
    scaling: float = Field(0.1, ge=0, le=2, title="Scaling", description="Larger or smaller by up to so much.")
    rotation: float = Field(5.0, ge=0, le=180, title="Rotation", description="By up to so many degrees, each way.")
    total_variation: float = Field(
        0.0,
        ge=0,
        le=1e6,
        title="Smoothness",
        description="Weight of the mean square step between neighbors in 0..1; it is subtracted. 0: none.",
    )
    high_frequencies: float = Field(
        0.0,
        ge=0,
        le=1e6,
        title="Against short waves",
        description="Weight of the mean square of each wave times its frequency, 1 for two pixels. 0: none.",
    )
    toward_grey: float = Field(
        0.0,
        ge=0,
        le=1e6,
        title="Toward grey",
        description="Weight of the mean square distance from middle grey, 1 for black and white. 0: none.",
    )
    blur_every: int = Field(
        0,
        ge=0,
        le=1000,
        title="Blur every",
        description="After so many steps the picture is blurred, but for its edges (bilateral filter). 0: never.",
    )
    transparency: bool = Field(
        False,
        title="Transparency",
        description="Whether pixels that the search hardly moved are also shown transparent.",
    )


class FeatureVisualization(ModelVisualization[FeatureVisualizationSettings]):
    """The picture that a class, a channel, a unit or a whole layer answers most to, made from grey."""

    name = "feature-visualization"
    title = "Feature visualization"
    family = Family.MADE
    references = (
        "Erhan et al. 2009, Visualizing Higher-Layer Features of a Deep Network",
        "Simonyan, Vedaldi and Zisserman 2013, arXiv:1312.6034",
        "Olah, Mordvintsev and Schubert 2017, doi:10.23915/distill.00007",
        "Fel et al. 2023, arXiv:2306.06805",
    )
    formula = (
        "argmax_x  mean over small moves T of objective(T x)  - weights (variation, short waves, distance from grey)"
    )
    pitfalls = (
        "It shows what is enough for a large answer, not what the answer is for on photographs: look at both.",
        "One of many pictures that do: others come from other noise (pictures, diversity).",
        "Waves, their fall and the moves are put in, not found: what looks natural need not come from the network.",
        "Before a ReLU the mean of a channel nearly cancels out: ask for a unit (@center), or for the layer behind it.",
        "A channel that answers to several things shows one of them, or a mixture that is in no photograph.",
    )
    needs = frozenset({Capability.GRADIENTS})

    def look(self, ctx: Context, settings: FeatureVisualizationSettings) -> Iterator[Panel]:
        canvas = GreyCanvas(ctx.model)
        searches = _searches(ctx, canvas, settings)
        total, count = settings.steps * len(searches), len(searches)
        for step in range(settings.steps):
            for number, search in enumerate(searches):
                ctx.progress(step * count + number, total, f"step {step + 1} of {settings.steps}")
                group = number // settings.pictures * settings.pictures
                near = searches[group : group + settings.pictures]
                search.step(step, [one.gram for one in near if one is not search and one.gram is not None])
            if ctx.watched and step % SEEN == SEEN - 1 and step + 1 < settings.steps:
                ctx.show(_shown(canvas, [MadePicture(canvas, search) for search in searches]))
        ctx.progress(total, total)
        made = [MadePicture(canvas, search) for search in searches]
        if all(search.dead for search in searches):
            raise NotSupportedError(searches[0].said_dead, "Choose another one, or begin with more noise (noise=...).")
        if all(one.lost for one in made):
            raise SettingsError(
                f"{_blamed(searches, settings)} here: no step raised '{searches[0].objective.text}' above its value on "
                f"grey, {made[0].grey:.4g}. The rate was {plan(settings).rate:g}."
            )
        ctx.keep("made", np.concatenate([canvas.read(one.picture) for one in made]))
        ctx.keep("reached", np.array([one.reached for one in made]))
        ctx.keep("grey", np.array([one.grey for one in made]))
        ctx.keep("course", np.stack([search.course for search in searches]))
        ctx.keep("importance", np.stack([search.importance for search in searches]).astype(np.float32))
        yield Text(id="said", title="What was made", text=_said(ctx, made, settings))
        found = [one for one in made if not one.lost]
        yield _shown(canvas, found)
        if settings.transparency:
            yield Images(
                id="transparent",
                title="The same, opaque where the search moved them",
                caption="Opaque where the sum of the sizes of all gradients is large, white where it is small.",
                pictures=tuple(one.faded(canvas) for one in found),
                captions=tuple(one.search.objective.text for one in found),
            )
        yield _course(searches)


def _searches(ctx: Context, canvas: GreyCanvas, settings: FeatureVisualizationSettings) -> list[PictureSearch]:
    """Return one search for each picture, those for the same objective one after another."""
    if settings.album and settings.parametrization not in ("phases", "learned"):
        raise SettingsError("album needs parametrization to be phases or learned: nothing else learns from pictures.")
    if settings.diversity and settings.pictures == 1:
        raise SettingsError("diversity needs pictures to be at least 2: one is as it is.")
    objectives = read_objectives(ctx.whole, canvas.sample, settings.objective or _first(ctx), settings.between)
    if settings.sign == "negative":
        objectives = [one.negative() for one in objectives]
    elif settings.sign == "both":
        objectives = [each for one in objectives for each in (one, one.negative())]
    if len(objectives) * settings.pictures > MOST:
        raise SettingsError(f"objective, pictures and sign ask for more than {MOST} pictures.")
    made, how = _parametrization(ctx, canvas, settings), plan(settings)
    return [
        # The same noise and moves for every objective, so that pictures differ by it alone.
        PictureSearch(canvas, one, made, how, (ctx.seed, number), _judge(ctx, one) if settings.diversity else "")
        for one in objectives
        for number in range(settings.pictures)
    ]


def _first(ctx: Context) -> str:
    """Return what is looked at where nothing is asked for."""
    if Capability.DETECTION not in ctx.whole.capabilities:
        return "; ".join(f"class:{index}" for index in range(min(CLASSES, len(ctx.whole.labels))))
    spatial = [layer for layer in ctx.whole.layers() if layer.spatial]
    if not spatial:
        raise NotSupportedError("A detector has no classes without a picture, and this one shows no layers.")
    return f"{spatial[-1].name}:0..{min(CLASSES, spatial[-1].shape[-1]) - 1}"


def plan(settings: FeatureVisualizationSettings) -> SearchPlan:
    """Return how pictures are searched for by these settings."""
    moves = Shaking(settings.jitter, settings.scaling, settings.rotation) if settings.robust else Shaking()
    return SearchPlan(
        optimizer=settings.optimizer,
        rate=settings.rate or RATES[settings.parametrization, settings.optimizer],
        steps=settings.steps,
        fading=FADING,
        noise=settings.noise,
        shaking=moves,
        total_variation=settings.total_variation,
        high_frequencies=settings.high_frequencies,
        toward_grey=settings.toward_grey,
        blur_every=settings.blur_every,
        diversity=settings.diversity,
    )


def _parametrization(ctx: Context, canvas: GreyCanvas, settings: FeatureVisualizationSettings) -> Parametrization:
    height, width, channels = canvas.scale.x.shape
    shape = height, width, channels
    if settings.parametrization == "pixels":
        return PixelParameters(shape)
    colors, reverse = canvas.scale.colors and settings.decorrelated, canvas.scale.reverse
    if settings.parametrization == "fourier":
        return FourierParameters(shape, colors, reverse, settings.decay)
    if settings.parametrization == "learned" and not settings.album:
        raise SettingsError("album must name a folder of pictures or a data set where parametrization is learned.")
    if not settings.album:
        return PhaseParameters(falling_magnitudes(shape, settings.decay), width, colors, reverse)
    given = album(
        ctx.whole,
        canvas.scale,
        settings.album,
        LEARNED,
        np.random.default_rng(ctx.seed),
        lambda done, total: ctx.progress(0, 1, f"picture {done + 1} of {total}"),
    )
    if settings.parametrization == "learned":
        return PrincipalParameters.learned([leaf.picture for leaf in given], AXES)
    strengths = measured_magnitudes((leaf.picture for leaf in given), colors, reverse)
    return PhaseParameters(strengths, width, colors, reverse)


def _judge(ctx: Context, objective: Objective) -> str:
    """Return the layer that judges how alike pictures are: the objective's own, or the last with space."""
    place = objective.parts[0][1].layer
    if place:
        return place
    layer = ctx.whole.default_layer() if Capability.ACTIVATIONS in ctx.whole.capabilities else None
    if layer is None or not ctx.whole.pulls_layers:
        raise NotSupportedError(
            "diversity needs a layer that judges how alike pictures are, and this model shows none.", "Set it to 0."
        )
    return layer.name


def _shown(canvas: GreyCanvas, made: list[MadePicture]) -> Images:
    return Images(
        id="made",
        title="Pictures made for the network",
        caption="Beside each: the objective for the picture as it is shown, in 8 bits and unmoved, and for grey.",
        pictures=tuple(canvas.scale.shown(255 * one.picture) for one in made),
        captions=tuple(one.caption for one in made),
    )


def _course(searches: list[PictureSearch]) -> Curve:
    """Show how the objective of each picture went up."""
    return Curve(
        id="course",
        title="The way up",
        caption="Of the pictures as they were moved before each step, so that it trembles."
        + (f" The first {LINES}." if len(searches) > LINES else ""),
        x=tuple(float(step + 1) for step in range(len(searches[0].course))),
        lines=tuple(
            Line(search.objective.text, tuple(float(v) if np.isfinite(v) else None for v in search.course))
            for search in searches[:LINES]
        ),
        x_title="step",
        y_title="objective",
    )


def _blamed(searches: list[PictureSearch], settings: FeatureVisualizationSettings) -> str:
    """Say what must be otherwise where a search did not get beyond grey."""
    if not any(search.failed for search in searches):
        weights = ("diversity", "total_variation", "high_frequencies", "toward_grey")
        if heavy := [name for name in weights if getattr(settings, name)]:
            return f"{' and '.join(heavy)} must be lower, or the rate,"
        if plan(settings).rate < SMALL:
            return "rate must be higher, or steps more,"
    return "rate must be lower"


def _said(ctx: Context, made: list[MadePicture], settings: FeatureVisualizationSettings) -> str:
    """Say in plain words what each picture reached, and how it was made."""
    said = []
    for one in made:
        text = one.search.objective.text
        if one.search.dead:
            said.append(one.search.said_dead)
            continue
        if one.lost:
            blamed = _blamed([one.search], settings).rstrip(",")
            said.append(f"{text}: no picture was better than grey, so nothing is shown: {blamed}.")
            continue
        sure = f" The network gives it a probability of {one.probability:.1%}." if one.probability is not None else ""
        said.append(f"{text}: {one.reached:.4g}, where grey has {one.grey:.4g}.{sure}")
    how = plan(settings)
    kinds = {"fourier": "waves", "phases": "waves of given strengths, by their phases", "pixels": "pixels"}
    kinds["learned"] = f"codes of pictures like those of {settings.album}"
    moves = (
        f"moved before each step by up to {settings.jitter:.0%} of the side, {settings.rotation:g} degrees and "
        f"{settings.scaling:.0%} in size"
        if not how.shaking.still
        else "never moved"
    )
    said.append(
        f"{settings.steps} steps of {OPTIMIZERS[settings.optimizer]} at a rate of {how.rate:g} (seed {ctx.seed}), the "
        f"picture made of {kinds[settings.parametrization]}, {moves}."
    )
    return "\n\n".join(said)
