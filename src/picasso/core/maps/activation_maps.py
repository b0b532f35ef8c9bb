"""Class activation maps: what all of them share, so that each is little more than its paper's formula.

A layer's feature maps are weighed for a target, summed over the channels and laid over the picture; the maps of several
layers are fused.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from picasso.core.attribution import Attribution, enlarge, nearest
from picasso.core.errors import NotSupportedError
from picasso.core.facts import Capability, Sample
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.settings import Settings
from picasso.core.targets import Target
from picasso.core.visualization import AttributionMethod, Context, Family

Wide = NDArray[np.float64]
"""Feature maps (rows, columns, channels), of a clip (steps, rows, columns, channels), and maps made of them."""


class ActivationMapSettings(Settings):
    """Which layers are looked at, and what of their maps is shown."""

    layer: str = Field(
        "",
        title="Layer",
        description="Whose feature maps are weighted; several, separated by commas, are fused into one map. Left "
        "empty: the last layer that ran whose output has space.",
        json_schema_extra={"picasso": {"choices": "spatial-layers", "several": True}},
    )
    fuse: Literal["mean", "max"] = Field(
        "mean",
        title="Fusing",
        description="Of several layers: each map is divided by its largest size, and at each pixel their mean is "
        "taken, or the one of the largest size.",
    )
    keep_negative: bool = Field(
        False, title="Keep negative evidence", description="Also show the places that speak against the class."
    )

    @field_validator("layer", mode="before")
    @classmethod
    def _joined(cls, given: Any) -> Any:
        return ", ".join(map(str, given)) if isinstance(given, list | tuple) else given


class ChannelMapSettings(ActivationMapSettings):
    """The same, where each channel costs a forward pass."""

    most: int = Field(
        0,
        ge=0,
        le=100_000,
        title="Most channels",
        description="How many channels of a layer are tried at most, those with the largest activations; the others "
        "get no weight. Each costs a forward pass, whatever the number of targets. 0: all of them.",
    )


M = TypeVar("M", bound=ActivationMapSettings)
C = TypeVar("C", bound=ChannelMapSettings)


@dataclass(frozen=True, eq=False)
class LayerMap:
    """What a layer says of a target.

    Args:
        values: Both signs, (rows, columns), of a clip (steps, rows, columns).
        notes: What must be known of it, one sentence each.
    """

    values: Wide
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Channels:
    """Channels of a layer that are tried one by one.

    Args:
        layer: The layer's name.
        values: Its output for the picture, (1, ..., channels).
        numbers: Which channels are tried.
        done, total: How many channels, of all layers, were tried before, and will have been at the end.
    """

    layer: str
    values: Array
    numbers: NDArray[np.intp]
    done: int
    total: int


class ActivationMap(AttributionMethod[M]):
    """A map made of a layer's feature maps.

    Class attributes:
        units: What a value is, where one layer is looked at.
    """

    units: ClassVar[str] = "weighted activation"
    family = Family.ACTIVATION_MAPS
    needs = frozenset({Capability.ACTIVATIONS})

    @abstractmethod
    def look(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], layers: Sequence[str], settings: M
    ) -> Iterator[list[LayerMap]]:
        """Yield, layer by layer, one map for each target."""

    def attribute(self, ctx: Context, sample: Sample, targets: Sequence[Target], settings: M) -> list[Attribution]:
        layers = ctx.begun or _layers(ctx.model, settings.layer, self.title)
        looked = list(self.look(ctx, sample, targets, layers, settings))
        return [
            self._attribution(ctx, sample, target, layers, maps, settings)
            for target, maps in zip(targets, zip(*looked, strict=True), strict=True)
        ]

    def _attribution(
        self,
        ctx: Context,
        sample: Sample,
        target: Target,
        layers: Sequence[str],
        maps: Sequence[LayerMap],
        settings: M,
    ) -> Attribution:
        natives: list[Array] = []
        notes: list[str] = []
        for layer, found in zip(layers, maps, strict=True):
            kept = found.values if settings.keep_negative else np.maximum(found.values, 0)
            natives.append(kept.astype(np.float32))
            notes += found.notes
            if found.values.any() and not kept.any():
                notes.append(f"No place of {layer} speaks for the class: all evidence is negative.")
        spread = [_enlarged(native, sample) for native in natives]
        one = len(layers) == 1
        if not one:
            sizes = [float(np.abs(values).max()) for values in spread]
            said = ", ".join(f"{layer} {size:.3g}" for layer, size in zip(layers, sizes, strict=True))
            notes.append(f"The {settings.fuse} of {len(layers)} layers, each map divided by its largest size: {said}.")
        return Attribution(
            values=spread[0] if one else _fused(spread, sizes, settings.fuse),
            target=target,
            units=self.units if one else "share of the layer's largest value",
            sign="signed" if settings.keep_negative else "unsigned",
            score=float(target.of_classes(ctx.scores)),
            native=natives[0] if one else None,
            laid=_laid(natives[0], layers[0], sample) if one else "",
            notes=tuple(dict.fromkeys(notes)),
        )


class GradientMap(ActivationMap[M]):
    """A map made of a layer's feature maps and the gradient of the target by them."""

    needs = frozenset({Capability.ACTIVATIONS, Capability.GRADIENTS})
    takes_clips = True

    @classmethod
    def begins_with(cls, model: Model, settings: M) -> tuple[str, ...]:
        return _layers(model, settings.layer, cls.title)

    @abstractmethod
    def weigh(self, features: Wide, gradient: Wide) -> Wide:
        """Return the map (..., rows, columns), both signs, from what is (..., rows, columns, channels)."""

    def remarks(self, features: Wide, gradient: Wide) -> tuple[str, ...]:
        """Return what must be known of a map where the formula does not hold as its paper has it."""
        return ()

    def look(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], layers: Sequence[str], settings: M
    ) -> Iterator[list[LayerMap]]:
        ctx.progress(0, 1, f"Forward and backward to {', '.join(layers)}")
        pulled = ctx.pullback(sample.x, targets, layers)
        ctx.progress(1, 1)
        for layer in layers:
            features = feature_maps(ctx.model, layer, pulled.values[layer])
            gradients = [feature_maps(ctx.model, layer, one) for one in pulled.gradients[layer]]
            yield [
                LayerMap(
                    self.weigh(features, gradient),
                    (*unmoved(gradient, layer), *self.remarks(features, gradient)),
                )
                for gradient in gradients
            ]


class ChannelMap(ActivationMap[C]):
    """A map whose weights, one for each channel, are found by running the network once for each of them."""

    @abstractmethod
    def scores(self, ctx: Context, sample: Sample, channels: Channels, settings: C) -> Iterator[Array]:
        """Yield the class scores, (n, classes), chunk by chunk, as each of the channels is tried."""

    @abstractmethod
    def weights(self, ctx: Context, target: Target, scores: Array, settings: C) -> Wide:
        """Return the weight of each channel that was tried from the class scores (channels, classes)."""

    def look(
        self, ctx: Context, sample: Sample, targets: Sequence[Target], layers: Sequence[str], settings: C
    ) -> Iterator[list[LayerMap]]:
        outputs = ctx.model.activations(sample.x, layers)
        features = {layer: feature_maps(ctx.model, layer, outputs[layer]) for layer in layers}
        chosen = {layer: _strongest(features[layer], settings.most) for layer in layers}
        done, total = 0, sum(len(numbers) for numbers in chosen.values())
        for layer, numbers in chosen.items():
            channels = Channels(layer, outputs[layer], numbers, done, total)
            scores = np.concatenate(list(self.scores(ctx, sample, channels, settings)))
            done += len(numbers)
            count = features[layer].shape[-1]
            few = f"Only the {len(numbers)} of {count} channels of {layer} with the largest activations were tried."
            yield [
                LayerMap(
                    features[layer][..., numbers] @ self.weights(ctx, target, scores, settings),
                    (few,) if len(numbers) < count else (),
                )
                for target in targets
            ]


def feature_maps(model: Model, layer: str, values: Array) -> Wide:
    """Lay a layer's values or gradients of one picture, (1, ...), out as feature maps.

    Raises:
        NotSupportedError: They have no space.
    """
    maps: Wide = model.postprocess(values)[0].astype(np.float64)
    if maps.shape[-3] * maps.shape[-2] == 1:
        raise NotSupportedError(f"The output of '{layer}' has no space: {maps.shape}.", "Choose another layer.")
    return maps


def unmoved(gradient: NDArray[Any], layer: str) -> tuple[str, ...]:
    """Return what must be known of a map where no gradient reaches the layer."""
    if gradient.any():
        return ()
    return (
        f"The gradient at {layer} is zero everywhere: the score does not move with it (saturation, or another branch "
        "of the network gives it): choose another layer.",
    )


def _layers(model: Model, written: str, title: str) -> tuple[str, ...]:
    """Return the names of the layers that were asked for, or of the one that is taken by default."""
    if written and any(layer.name == written for layer in model.layers()):  # a comma may be part of its name
        return (written,)
    names = tuple(dict.fromkeys(name.strip() for name in written.split(",") if name.strip()))
    if names:
        return names
    layer = model.default_layer()
    if layer is None:
        raise NotSupportedError("No layer of this network has space.", f"{title} needs a convolutional layer.")
    return (layer.name,)


def _strongest(features: Wide, most: int) -> NDArray[np.intp]:
    """Return the numbers of the channels with the largest activations, in their order; all of them for 0."""
    count = features.shape[-1]
    if not 0 < most < count:
        return np.arange(count)
    sizes = np.abs(features).reshape(-1, count).sum(axis=0)
    return np.sort(np.argsort(-sizes, kind="stable")[:most])


def _fused(maps: Sequence[Array], sizes: Sequence[float], how: Literal["mean", "max"]) -> Array:
    """Return one map of several, each divided by its largest size."""
    scaled: Array = np.stack([values / (size or 1) for values, size in zip(maps, sizes, strict=True)])
    largest = np.take_along_axis(scaled, np.abs(scaled).argmax(axis=0)[None], axis=0)[0]
    fused: Array = scaled.mean(axis=0, dtype=np.float32) if how == "mean" else largest
    return fused


def _enlarged(native: Array, sample: Sample) -> Array:
    """Lay a map over the input: in space between the cells' centers, in time to the nearest of the layer's frames."""
    height, width = sample.x.shape[-3:-1]
    if sample.views is None:
        return enlarge(native, height, width)
    steps = native if native.ndim == 3 else native[None]
    return np.stack([enlarge(step, height, width) for step in steps])[nearest(len(steps), len(sample.views))]


def _laid(native: Array, layer: str, sample: Sample) -> str:
    said = f"{native.shape[-2]} x {native.shape[-1]} cells of {layer}, bilinear between their centers"
    if sample.views is None:
        return said
    return f"{said}; {native.shape[0] if native.ndim == 3 else 1} in time, each over the frames nearest to it"
