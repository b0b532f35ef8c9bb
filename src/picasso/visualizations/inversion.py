"""Inversion: the picture as a layer's output alone brings it back."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from picasso.plugin import (
    INPUT,
    LAYER,
    Adam,
    Array,
    Bars,
    Capability,
    Context,
    EightBit,
    Family,
    FourierParameters,
    Images,
    NotSupportedError,
    Panel,
    Parametrization,
    PixelParameters,
    Sample,
    Settings,
    SettingsError,
    Target,
    Text,
    Visualization,
    alpha_norm,
    eight_bit,
    read_layers,
    total_variation,
)

Numbers = NDArray[np.floating[Any]]

SPREAD_OVER = (1 / 12, 1 / 2, 1)
"""Where those layers lie that are looked at by default, from the first to the last through which everything flows."""
NOISE = 0.01
"""Of the grey picture with which the search begins, so that no two channels of the network are alike to it."""
FALL = 1.7
"""How the waves fall with their frequency: faster than in photographs (1), since a layer says least of the long ones,
and those are found last."""
FORGETS = 0.9
"""How much of the mean square slope a step keeps: the slopes shrink fast, and an older mean would make steps short."""
LAST_RATE = 0.05
"""The rate of the last step, as a part of the first one's."""
SEEN = 10
"""Where somebody watches, the picture is shown after so many steps."""
NOTHING = 0.95
"""Where this part of the first error is left at the best step, nothing was found."""


class InversionSettings(Settings):
    layers: str = Field(
        "",
        title="Layers",
        description="Whose output is turned back into a picture; several, separated by commas. Left empty: three, "
        "spread over the depth.",
        json_schema_extra={"picasso": {"choices": "layers", "several": True}},
    )
    parametrization: Literal["fourier", "pixels"] = Field(
        "fourier",
        title="Searched for as",
        description="fourier: waves, long ones as easily as photographs have them, in colors that vary independently "
        "there. pixels: each number by itself.",
    )
    steps: int = Field(
        150, ge=1, le=5000, title="Steps", description="For each layer; each step is a forward and a backward pass."
    )
    rate: float = Field(
        0.2,
        gt=0,
        le=1000,
        title="Rate",
        description="How far the first step goes; later ones go less far. Halve it where the search diverges.",
    )
    total_variation: float = Field(
        1.0,
        ge=0,
        le=10_000,
        title="Smoothness",
        description="Weight of the total variation, the mean square step between neighbors in 0..1. 0: none.",
    )
    alpha_norm: float = Field(
        0.1,
        ge=0,
        le=10_000,
        title="Near grey",
        description="Weight of the mean sixth power of the distance from middle grey, 1 for black and white. 0: none.",
    )
    jitter: int = Field(
        0,
        ge=0,
        le=64,
        title="Jitter",
        description="Before each step the picture is moved by up to so many pixels, so that what depends on the exact "
        "place fades.",
    )

    @field_validator("layers", mode="before")
    @classmethod
    def _joined(cls, given: Any) -> Any:
        return ", ".join(map(str, given)) if isinstance(given, list | tuple) else given


class Inversion(Visualization[InversionSettings]):
    """What each layer keeps of the picture: the picture that its output alone brings back."""

    name = "inversion"
    title = "Inversion"
    family = Family.MADE
    references = (
        "Mahendran and Vedaldi 2015, arXiv:1412.0035",
        "Olah, Mordvintsev and Schubert 2017, doi:10.23915/distill.00007",
    )
    formula = "argmin_x  |layer(x) - layer(picture)|^2 / |layer(picture)|^2 + weight variation(x) + weight |x - grey|^6"
    pitfalls = (
        "One of many pictures with nearly this output is shown: which one, the search and its priors decide.",
        "What is missing may be kept by the layer all the same, and not be found in so many steps: compare the errors.",
        "Smoothness and waves are put in, not found: what looks natural need not come from the network.",
    )
    needs = frozenset({Capability.ACTIVATIONS, Capability.GRADIENTS})

    def run(self, ctx: Context, sample: Sample, settings: InversionSettings) -> Iterator[Panel]:
        model = ctx.whole
        if not model.pulls_layers:
            raise NotSupportedError(f"Gradients of {model.framework} models begin at their scores, not at a layer.")
        names, scale = read_layers(model, settings.layers, SPREAD_OVER), eight_bit(model, sample)
        codes = model.activations(sample.x, names)
        searches = [_Search(ctx, scale, name, codes[name], settings) for name in names]
        total = settings.steps * len(searches)
        for number, search in enumerate(searches):
            for step in range(settings.steps):
                ctx.progress(
                    number * settings.steps + step, total, f"{search.layer}, step {step + 1} of {settings.steps}"
                )
                if not search.step(step):
                    break
                if ctx.watched and step % SEEN == SEEN - 1:
                    ctx.show(_row(sample, scale, searches[: number + 1], search.now))
            search.end()
        ctx.progress(total, total)
        if all(search.lost for search in searches):
            if all(search.outweighed for search in searches):
                raise SettingsError(
                    "total_variation and alpha_norm must be lower here: even the picture itself counts as worse than "
                    f"grey. Got {settings.total_variation:g} and {settings.alpha_norm:g}."
                )
            raise SettingsError(
                f"rate must be {'lower' if any(search.diverged for search in searches) else 'higher, or steps more,'} "
                f"here: no step came nearer to the output of {', '.join(names)} than grey is. Got {settings.rate:g}."
            )
        ctx.keep("errors", np.array([search.error for search in searches]))
        ctx.keep("course", np.array([search.course for search in searches]))
        ctx.keep("inverted", np.stack([scale.read(255 * search.picture) for search in searches]))
        yield Text(id="said", title="What each layer keeps", text=_said(searches, scale, settings, ctx.seed))
        yield _row(sample, scale, [search for search in searches if not search.lost])
        yield Bars(
            id="errors",
            title="What is left of the difference",
            caption="|layer(x) - layer(picture)|^2 / |layer(picture)|^2: 0 is the same output, 1 as far as no output.",
            labels=tuple(search.layer for search in searches),
            values=tuple(search.error for search in searches),
            units="relative square error",
            maximum=1.0,
        )


@dataclass(frozen=True, eq=False)
class Code(Target):
    """How far a layer's output is from that of the picture: the square distance, by the square size of the latter.

    Args:
        place: The layer.
        code: Its output for the picture, (1, ..., channels).
    """

    index: int = 0
    label: str = ""
    terms: tuple[tuple[int, float], ...] = ()
    place: str = ""
    code: Array | None = None

    @property
    def layer(self) -> str:
        return self.place

    @property
    def size(self) -> float:
        """The square size of the picture's own output."""
        assert self.code is not None
        return float(np.square(self.code, dtype=np.float64).sum())

    def __call__(self, outputs: Mapping[str, Array]) -> Array:
        assert self.code is not None
        apart = outputs[LAYER].astype(np.float64) - self.code
        return np.asarray((apart.reshape(len(apart), -1) ** 2).sum(axis=1) / self.size, np.float32)

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        assert self.code is not None
        return {LAYER: np.asarray((outputs[LAYER] - self.code) * np.float32(2 / self.size))}


class _Search:
    """The search for the picture of one layer.

    Attributes:
        layer: Its name.
        picture: The best picture that was found, priors included, (h, w, c) in 0..1.
        error: How far its output is from the picture's.
        course: That of every step, NaN where the search had ended.
        lost: Whether no step was better than the grey picture with which it began.
        diverged: Whether the end was worse than that grey.
        rose: Whether the end was much worse than the best step.
        outweighed: Whether not even the true picture would be better, since it is not as smooth and grey as was asked.
        now: The picture of the last step, and how far its output was from the picture's, shifted as it was.
    """

    def __init__(self, ctx: Context, scale: EightBit, layer: str, code: Array, settings: InversionSettings) -> None:
        self._model, self._scale, self._settings, self.layer = ctx.whole, scale, settings, layer
        self._target = Code(place=layer, code=code, label=layer)
        if self._target.size == 0:
            raise NotSupportedError(
                f"The output of '{layer}' is zero everywhere for this picture: nothing can be brought back from it.",
                "Choose another layer.",
            )
        self._random = np.random.default_rng(ctx.seed)
        self._made = _parametrization(settings, scale)
        self._parameters = self._made.start(self._random, NOISE)
        self._adam = Adam(settings.rate, slower=FORGETS)
        self.picture = self._made.picture(self._parameters)
        self.now = self.picture, np.inf
        self.error, self.lost, self.diverged, self.rose, self.outweighed = np.inf, False, False, False, False
        self.course = np.full(settings.steps + 1, np.nan)
        self._best, self._ended_early = np.inf, False
        self._first = self._loss(self.picture, self._error(self.picture))[0]

    def step(self, number: int) -> bool:
        """Go one step downhill; return whether the search can go on."""
        most = self._settings.jitter
        made = self._made.picture(self._parameters)
        shift = self._random.integers(-most, most + 1, 2) if most else np.zeros(2, np.int64)
        moved = np.roll(made, shift, axis=(0, 1))
        pulled = self._model.pullback(self._scale.read(255 * moved)[None], [self._target], (INPUT,), swift=True)
        self.course[number] = error = float(self._target(pulled.outputs)[0])
        self.now = made, error
        loss, slopes = self._loss(made, error)
        if not shift.any():
            self._note(made, error, loss)
        slopes += np.roll(255 * self._scale.unit * pulled.gradients[INPUT][0, 0], -shift, axis=(0, 1))
        done = number / self._settings.steps
        self._adam.rate = self._settings.rate * (LAST_RATE + (1 - LAST_RATE) * (1 + np.cos(np.pi * done)) / 2)
        after = self._parameters + self._adam.step(self._made.pull(self._parameters, slopes))
        if not np.isfinite(after).all():
            self._ended_early = True
            return False
        self._parameters = self._made.bounded(after)
        return True

    def end(self) -> None:
        """Look at the last picture, and judge the search."""
        made = self._made.picture(self._parameters)
        self.course[-1] = error = self._error(made)
        loss = self._loss(made, error)[0]
        self._note(made, error, loss)
        self.lost = self._best > NOTHING * self._first
        self.diverged = self._ended_early or loss > self._first
        self.rose = loss > 2 * self._best
        self.outweighed = self._loss(self._scale.levels / 255, 0.0)[0] > NOTHING * self._first

    def _error(self, made: Numbers) -> float:
        outputs = self._model.activations(self._scale.read(255 * made)[None], [self.layer])
        return float(self._target({LAYER: outputs[self.layer]})[0])

    def _loss(self, made: Numbers, error: float) -> tuple[float, Numbers]:
        """Return what is to become small, and the slopes of the priors in it, by the picture."""
        loss, slopes = error, np.zeros_like(made)
        for weight, prior in (
            (self._settings.total_variation, total_variation),
            (self._settings.alpha_norm, alpha_norm),
        ):
            if weight:
                value, by_picture = prior(made)
                loss += weight * value
                slopes += weight * by_picture
        return loss, slopes

    def _note(self, made: Numbers, error: float, loss: float) -> None:
        if loss < self._best:
            self.picture, self.error, self._best = made, error, loss


def _parametrization(settings: InversionSettings, scale: EightBit) -> Parametrization:
    height, width, channels = scale.x.shape
    if settings.parametrization == "pixels":
        return PixelParameters((height, width, channels))
    return FourierParameters((height, width, channels), scale.colors, scale.reverse, FALL, squash=False)


def _row(sample: Sample, scale: EightBit, searches: list[_Search], now: tuple[Numbers, float] | None = None) -> Images:
    """Show the picture, and beside it what each layer brings back; of the last one at work what it is at `now`."""
    found = [(search.picture, search.error) for search in searches]
    if now is not None:
        found[-1] = now
    return Images(
        id="inverted",
        title="The picture, and what each layer brings back",
        pictures=(sample.view, *(scale.shown(255 * picture) for picture, _ in found)),
        captions=(
            "the picture",
            *(f"{search.layer}: error {error:.2g}" for search, (_, error) in zip(searches, found, strict=True)),
        ),
    )


def _alike(search: _Search, scale: EightBit) -> float:
    """Return the correlation of what was brought back with the picture, over all numbers that depend on it."""
    found, given = (search.picture * 255)[scale.movable], scale.levels[scale.movable]
    return float(np.corrcoef(found, given)[0, 1]) if found.std() > 0 and given.std() > 0 else 0.0


def _said(searches: list[_Search], scale: EightBit, settings: InversionSettings, seed: int) -> str:
    """Say in plain words how near each layer's picture came to the output and to the picture itself."""
    said = []
    for search in searches:
        if search.lost:
            why = (
                "the priors outweigh it, so smoothness and nearness to grey must be lower"
                if search.outweighed
                else f"the rate of {settings.rate:g} is too high"
                if search.diverged
                else "more steps or a higher rate may help"
            )
            said.append(f"{search.layer}: no step came nearer to its output than grey is, so nothing is shown: {why}.")
            continue
        said.append(
            f"{search.layer}: the picture that is shown gives its output but for {search.error:.2g} (square error, 1 "
            f"for no output at all). It correlates with the picture by {_alike(search, scale):.2f}."
        )
        if search.rose:
            said.append(f"The search for {search.layer} went astray after its best step: lower the rate.")
    made = "waves" if settings.parametrization == "fourier" else "pixels"
    said.append(f"{settings.steps} steps of Adam from grey (seed {seed}), the picture made of {made}.")
    return "\n\n".join(said)
