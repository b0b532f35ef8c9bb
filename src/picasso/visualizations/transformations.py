"""Transformations: how scores and features change as the picture is moved or its look is changed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from picasso.plugin import (
    Array,
    Capability,
    Context,
    Curve,
    Family,
    Head,
    Images,
    Likeness,
    Line,
    Model,
    Move,
    NotSupportedError,
    Panel,
    Sample,
    Settings,
    Visualization,
    baseline,
    blurred,
    map_strides,
    moved,
    trunk_layers,
)

Color = Literal["mean", "grey", "black"]
COLORS: tuple[Color, ...] = get_args(Color)
Fill = Literal["mean", "grey", "black", "edge", "reflect", "wrap"]
Kind = Literal["shift-right", "shift-down", "rotate", "scale", "flip", "brighten", "blur"]
FAR: dict[str, tuple[float, float, float]] = {
    "shift-right": (0.0, 0.25, 1.0),
    "shift-down": (0.0, 0.25, 1.0),
    "rotate": (0.0, 180.0, 360.0),
    "scale": (1.0, 2.0, 10.0),
    "brighten": (1.0, 2.0, 10.0),
    "blur": (0.0, 0.05, 0.5),
}
"""More than the first, by default the second, at most the third."""
FLIPS = ("none", "left and right", "top and bottom", "both")
PICTURES = 9
"""Pictures in the filmstrip at most."""
LAYERS = 3
"""Layers that are looked at by default."""
SHADES: tuple[Literal["black"], Literal["white"]] = ("black", "white")
UNTOUCHED = "the picture as it is"
NAMES = {
    "shift-right": ("shift to the right", "shift to the right, pixels of the network's input"),
    "shift-down": ("shift downward", "shift downward, pixels of the network's input"),
    "rotate": ("rotation", "rotation counterclockwise, degrees"),
    "scale": ("scale", "scale, times"),
    "flip": ("flip", "what is exchanged"),
    "brighten": ("brightness", "brightness, times"),
    "blur": ("blur", "standard deviation of the blur, % of the side"),
}
"""Of each transformation what it is called, and what is along its axis."""


class TransformationsSettings(Settings):
    kind: Kind = Field("shift-right", title="Transformation", description="What is done to the network's input.")
    far: float | None = Field(
        None,
        gt=0,
        le=360,
        title="How far",
        description="To both sides. Shifts: a fraction of the side. rotate: degrees, counterclockwise. scale and "
        "brighten: a factor above 1, and 1 over it. blur: standard deviation of the Gaussian, a fraction of the side. "
        "Left empty: 0.25, 180, 2, 2 and 0.05. A flip has none.",
    )
    steps: int = Field(
        6,
        ge=1,
        le=60,
        title="Steps",
        description="How many amounts to each side; a blur has twice as many, a shift may have fewer, of whole cells.",
    )
    fill: Fill = Field(
        "mean",
        title="Fill",
        description="What comes in from outside. mean, grey, black: one color. edge: the outermost pixels repeated. "
        "reflect: the picture mirrored. wrap: what left at the other side.",
    )
    score: Literal["probability", "logit"] = Field(
        "probability",
        title="Score",
        description="What is shown of each class: its probability, or the class score itself.",
    )
    layers: str = Field(
        "",
        title="Layers",
        description="Whose features are compared; several, separated by commas. Left empty: three at even distances, "
        "up to the last whose output has space.",
        json_schema_extra={"picasso": {"choices": "layers", "several": True}},
    )

    @field_validator("layers", mode="before")
    @classmethod
    def _joined(cls, given: Any) -> Any:
        return ", ".join(map(str, given)) if isinstance(given, list | tuple) else given

    @model_validator(mode="after")
    def _reachable(self) -> "TransformationsSettings":
        if self.far is not None and self.kind in FAR:
            low, _, high = FAR[self.kind]
            if not low < self.far <= high:
                raise ValueError(f"needs a far above {low:g} and at most {high:g} for {self.kind}. Got {self.far:g}")
        return self


Look = Callable[[Array, Any, Any], Array]
"""Changes how a picture (h, w, c) looks, given its black and its white."""


@dataclass(frozen=True, eq=False)
class Amount:
    """One amount of a transformation.

    Args:
        x: Its place on the axis; 0 leaves the picture as it is.
        words: The same for people.
        change: How places move, or what happens to the look.
    """

    x: float
    words: str
    change: Move | Look

    @property
    def move(self) -> Move | None:
        """How places move; None where the look changes."""
        return self.change if isinstance(self.change, Move) else None

    def of(self, values: NDArray[Any], outside: Any, black: Any, white: Any) -> Array:
        """Return a picture (h, w, c) changed by this amount."""
        if self.x == 0:
            return np.asarray(values, np.float32)
        if isinstance(self.change, Move):
            return moved(values, self.change, outside).values.astype(np.float32)
        return self.change(np.asarray(values, np.float32), black, white)


class Transformations(Visualization[TransformationsSettings]):
    """How scores and features change as the picture is shifted, turned, scaled, flipped, brightened or blurred."""

    name = "transformations"
    title = "Transformations"
    family = Family.FEATURES
    references = ("Zeiler and Fergus 2014, arXiv:1311.2901", "Lenc and Vedaldi 2015, arXiv:1411.5908")
    formula = (
        "invariance = cos(F(T x), F(x));  equivariance = cos(F(T x), T F(x)) over the cells that T F(x) has inside,  "
        "T the transformation, F a layer"
    )
    pitfalls = (
        "What comes in from outside is seen, too: compare two fills before calling a network sensitive to shifts.",
        "The network's input is transformed, after cropping and resizing: what a larger picture would have shown at "
        "the edge is not there.",
        "After a ReLU all features are positive, and even unlike pictures have a cosine well above 0: compare amounts "
        "and layers, not with 1.",
        "Where the network asks about a region or a box, that stays in its place while the picture moves.",
    )

    def run(self, ctx: Context, sample: Sample, settings: TransformationsSettings) -> Iterator[Panel]:
        model = ctx.model
        layers = _layers(model, settings.layers)
        strides = map_strides(model.layers(), model.input_shape) if layers else {}
        amounts = _amounts(settings, model.input_shape, [strides[name] for name in layers if name in strides])
        ctx.progress(0, len(amounts), f"0 of {len(amounts)} amounts")
        outside = baseline(model, sample, settings.fill) if settings.fill in COLORS else settings.fill
        black, white = (baseline(model, sample, shade) for shade in SHADES)
        compared = {
            name: Likeness(model, values, strides.get(name), settings.fill == "wrap")
            for name, values in (model.activations(sample.x, layers) if layers else {}).items()
        }
        scores: list[Array] = []
        for start in range(0, len(amounts), model.batch_size):
            chunk = amounts[start : start + model.batch_size]
            x = np.stack([amount.of(sample.x[0], outside, black, white) for amount in chunk])
            scores.append(model.predict(x))
            for name, values in (model.activations(x, layers) if layers else {}).items():
                for row, amount in enumerate(chunk):
                    compared[name].add(values[row : row + 1], amount.move)
            ctx.progress(start + len(chunk), len(amounts), f"{start + len(chunk)} of {len(amounts)} amounts")
        found = np.concatenate(scores)
        ctx.keep("amounts", np.array([amount.x for amount in amounts]))
        ctx.keep("scores", found)
        values, unit = _scores(model, found, settings.score)
        axis = _axis(amounts, settings)
        yield _by_amount(ctx, settings, axis, values, unit)
        yield _filmstrip(ctx, sample, settings, amounts, values, unit)
        if compared:
            ctx.keep("invariance", _numbers([one.invariance for one in compared.values()]))
            yield _invariance(axis, compared)
        mapped = {name: one for name, one in compared.items() if any(v is not None for v in one.equivariance)}
        if mapped:
            ctx.keep("equivariance", _numbers([one.equivariance for one in mapped.values()]))
            yield _equivariance(axis, mapped, len(amounts), settings)


def _layers(model: Model, written: str) -> list[str]:
    """Return the names of the layers that were asked for; else some at even distances."""
    if Capability.ACTIVATIONS not in model.capabilities:
        if written:
            raise NotSupportedError(f"This {model.framework} model does not show its layers.", "Leave Layers empty.")
        return []
    if any(layer.name == written for layer in model.layers()):  # a comma may be part of its name
        return [written]
    if written:
        return list(dict.fromkeys(name.strip() for name in written.split(",") if name.strip()))
    last = model.default_layer()
    if last is None:
        return []
    order = [layer.name for layer in model.layers()]
    names = [layer.name for layer in trunk_layers(model) if order.index(layer.name) <= order.index(last.name)]
    return [names[place] for place in np.unique(np.linspace(0, len(names) - 1, LAYERS).round().astype(int))]


def _amounts(
    settings: TransformationsSettings, input_shape: Sequence[int], strides: Sequence[tuple[float, float]]
) -> list[Amount]:
    """Return the amounts, ascending, the untransformed picture among them."""
    kind, steps = settings.kind, settings.steps
    if kind == "flip":
        signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        return [Amount(i, FLIPS[i], Move.scaled(*signs[i])) for i in range(4)]
    far = settings.far or FAR[kind][1]
    both = np.arange(-steps, steps + 1) / steps
    if kind in ("shift-right", "shift-down"):
        axis = 1 if kind == "shift-right" else 0
        reach = far * input_shape[axis]
        # Whole cells of the coarsest layer for which most of the steps remain: by them its map is moved exactly.
        unit = max((round(s[axis]) for s in strides if 1 <= s[axis] <= 1.5 * reach / steps), default=1)
        pixels = sorted({int(np.rint(reach * part / unit)) * unit for part in both})
        return [Amount(p, f"{p} px".replace("-", "−"), Move.shifted(*((0, p) if axis else (p, 0)))) for p in pixels]
    if kind == "rotate":
        return [Amount(far * part, f"{far * part:.4g}°".replace("-", "−"), Move.turned(far * part)) for part in both]
    if kind == "blur":
        shares = far * np.arange(2 * steps + 1) / (2 * steps)
        return [Amount(100 * share, f"{100 * share:.3g}%", _blurs(share)) for share in shares]
    factors = [far**part for part in both]
    make: Callable[[float], Move | Look] = (lambda f: Move.scaled(f, f)) if kind == "scale" else _brightens
    return [Amount(float(np.log2(f)), f"{f:.3g}", make(f)) for f in factors]


def _brightens(factor: float) -> Look:
    def look(values: Array, black: Any, white: Any) -> Array:
        bright: Array = black + factor * (values - black)
        return np.clip(bright, np.minimum(black, white), np.maximum(black, white))

    return look


def _blurs(share: float) -> Look:
    return lambda values, black, white: blurred(values, share)


def _scores(model: Model, scores: Array, wanted: str) -> tuple[Array, str]:
    """Return what is shown of each class, (amounts, classes), and what it is."""
    if wanted == "probability" and model.head != Head.NONE:
        return model.probabilities(scores), "probability"
    return scores, model.facts.units


def _axis(amounts: Sequence[Amount], settings: TransformationsSettings) -> dict[str, Any]:
    named = settings.kind in ("flip", "scale", "brighten")
    return {
        "x": tuple(float(amount.x) for amount in amounts),
        "ticks": tuple(amount.words for amount in amounts) if named else (),
        "x_title": NAMES[settings.kind][1],
        "mark": 0.0,
        "mark_label": UNTOUCHED,
    }


def _by_amount(
    ctx: Context, settings: TransformationsSettings, axis: dict[str, Any], values: Array, unit: str
) -> Curve:
    plain = unit == "probability" and all(target.minus is None for target in ctx.targets)
    moving = settings.kind not in ("flip", "brighten", "blur")
    return Curve(
        id="scores",
        title=f"{unit.capitalize()} by {NAMES[settings.kind][0]}",
        caption=f"What comes in from outside: {settings.fill}." if moving else "",
        lines=tuple(Line(t.label, tuple(float(v) for v in t.of_classes(values))) for t in ctx.targets),
        y_title=unit,
        limits=(0.0, 1.0) if plain else None,
        **axis,
    )


def _filmstrip(
    ctx: Context,
    sample: Sample,
    settings: TransformationsSettings,
    amounts: Sequence[Amount],
    values: Array,
    unit: str,
) -> Images:
    """Return what the network sees at some of the amounts, at even distances, the first and the last among them."""
    view = sample.view
    outside: Any = settings.fill
    if settings.fill in COLORS:
        color = {"mean": view.mean(axis=(0, 1)), "grey": 128.0, "black": 0.0}[settings.fill]
        outside = np.broadcast_to(color, view.shape)
    places = np.unique(np.linspace(0, len(amounts) - 1, PICTURES).round().astype(int))
    target = ctx.targets[0]
    pictures, captions = [], []
    for place in places:
        pixels = amounts[place].of(view, outside, 0, 255)
        pictures.append(np.clip(np.round(pixels), 0, 255).astype(np.uint8))
        value = float(target.of_classes(values[place]))
        said = f"{value:.0%}" if unit == "probability" and target.minus is None else f"{value:.3g}"
        captions.append(f"{amounts[place].words}: {target.label} {said}")
    return Images(
        id="pictures",
        title="What the network sees",
        caption=f"{len(places)} of {len(amounts)} amounts." if len(places) < len(amounts) else "",
        pictures=tuple(pictures),
        captions=tuple(captions),
    )


def _invariance(axis: dict[str, Any], compared: dict[str, Likeness]) -> Curve:
    return Curve(
        id="invariance",
        title="Invariance of features",
        caption="How alike the features stay to those of the untransformed picture: 1 where nothing changes but their "
        "size.",
        lines=tuple(Line(name, tuple(one.invariance)) for name, one in compared.items()),
        y_title="cosine similarity",
        limits=_cosines([one.invariance for one in compared.values()]),
        **axis,
    )


def _cosines(lines: Sequence[Sequence[float | None]]) -> tuple[float, float]:
    """Return the ends of the axis of cosines: from 0, or from the tenth below the least, to 1."""
    least = min((value for line in lines for value in line if value is not None), default=0.0)
    return min(0.0, float(np.floor(least * 10) / 10)), 1.0


def _equivariance(
    axis: dict[str, Any], mapped: dict[str, Likeness], count: int, settings: TransformationsSettings
) -> Curve:
    exact = ", ".join(f"{name} {one.exact}" for name, one in mapped.items())
    said = (
        "How alike the features of the moved picture are to the moved features: 1 where the layer moves along. "
        f"A map moves exactly by whole cells, flips and quarter turns, at so many of the {count} amounts: {exact}; but "
        "flips and turns suppose that its cells lie centered in the picture, which more padding on one side spoils by "
        "a part of a cell. Elsewhere it is interpolated between its cells, which costs likeness that the network is "
        "not to blame for."
    )
    if settings.fill != "wrap":
        said += " Cells that come from beyond the map's edge are left out."
    return Curve(
        id="equivariance",
        title="Equivariance of features",
        caption=said,
        lines=tuple(Line(name, tuple(one.equivariance)) for name, one in mapped.items()),
        y_title="cosine similarity",
        limits=_cosines([one.equivariance for one in mapped.values()]),
        **axis,
    )


def _numbers(lines: Sequence[Sequence[float | None]]) -> NDArray[np.float64]:
    """Return lines as an array (lines, amounts), NaN where nothing is known."""
    return np.array([[np.nan if value is None else value for value in line] for line in lines], np.float64)
