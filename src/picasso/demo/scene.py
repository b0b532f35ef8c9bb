"""A drawn scene: an object in a landscape under a sky, and the masks that say which is which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from picasso.demo.landscape import (
    Layer,
    Light,
    light_of,
    paint_foreground,
    paint_land,
    paint_trees,
    shrink,
)
from picasso.demo.noise import Color, FloatArray, blend, fractal, mix, scaled, smoothstep, stream
from picasso.demo.objects import Pose, draw_object
from picasso.demo.sky import paint_sky

SIZE = 256
Kind = Literal["tank", "truck", "boulder", "shed"]

_PAINTS: tuple[tuple[Color, Color, Color], ...] = (
    ((112, 122, 72), (72, 84, 50), (134, 116, 78)),
    ((142, 134, 92), (94, 102, 60), (112, 88, 60)),
    ((126, 126, 98), (84, 92, 74), (98, 84, 66)),
    ((98, 112, 80), (66, 74, 58), (126, 122, 88)),
)
_FACTOR = 3
# Lightness of an object's pixels from the darkest to the lightest, as factors of its paint.
_TONES = (0.1, 0.17, 0.24, 0.36, 0.52, 0.64, 0.71, 0.77, 0.82, 0.86, 0.91, 0.96, 1.01, 1.06, 1.12, 1.2, 1.4)


@dataclass(frozen=True)
class Scene:
    """Everything that determines a picture.

    Attributes:
        seed: >= 0; chooses the land, the light, the pose, the paint and the places of the clouds.
        kind: the object; None: it is erased and all else stays as it was.
        cloudiness: 0 sunny to 1 overcast. Only the sky depends on it: the land is not relit.
    """

    seed: int
    kind: Kind | None
    cloudiness: float

    def __post_init__(self) -> None:
        if not 0 <= self.cloudiness <= 1:
            raise ValueError(f"cloudiness must be in [0, 1]. Got {self.cloudiness}.")
        if self.seed < 0:
            raise ValueError(f"seed must be >= 0. Got {self.seed}.")


@dataclass(frozen=True)
class Rendering:
    """A picture and its masks, each (256, 256) bool.

    Attributes:
        pixels: (256, 256, 3) uint8 RGB.
        object_mask: where the object shows, at least in part.
        shadow_mask: where its shadow falls. Outside of both masks the object changes no pixel.
        sky_mask: where the sky shows, at least in part. Outside of it the sky changes no pixel.
    """

    pixels: npt.NDArray[np.uint8]
    object_mask: npt.NDArray[np.bool_]
    shadow_mask: npt.NDArray[np.bool_]
    sky_mask: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class _Stage:
    """The places shared by all objects that might stand in a scene."""

    horizon: float
    pose: Pose
    light: Light


def render(scene: Scene) -> Rendering:
    """Draws a scene; the same scene always gives the same pixels."""
    stage = _stage(scene.seed)
    front = paint_foreground(scene.seed, SIZE, stage.pose.foot, stage.light)
    bodies, shadow = [], np.zeros((SIZE, SIZE), np.float32)
    if scene.kind is not None:
        bodies.append(_standing(scene.seed, scene.kind))
        shadow = paint_shadow(stage.pose, stage.light)
    found = compose(Backdrop(scene.seed, scene.cloudiness, stage.horizon, stage.light), bodies, shadow, front)
    shown = found.shown[0] if found.shown else np.zeros((SIZE, SIZE), bool)
    return Rendering(found.pixels, shown, shadow * (1 - front.alpha) > 0, found.sky)


@lru_cache(maxsize=1)  # a scene is drawn under many skies, one after the other
def _standing(seed: int, kind: Kind) -> Layer:
    """Paints the object of a scene; nobody writes to it."""
    stage = _stage(seed)
    front = paint_foreground(seed, SIZE, stage.pose.foot, stage.light)
    return paint_object(seed, kind, stage.pose, stage.light, 1 - front.alpha)


@dataclass(frozen=True)
class Backdrop:
    """The land and the sky of a picture.

    Attributes:
        seed: chooses both, as in `Scene`.
        cloudiness: as in `Scene`.
        horizon: row where the meadow begins, pixels.
        light: the light on the land and on what stands there.
    """

    seed: int
    cloudiness: float
    horizon: float
    light: Light


@dataclass(frozen=True)
class Composition:
    """A composed picture.

    Attributes:
        pixels: (256, 256, 3) uint8 RGB.
        shown: where each body shows, at least in part, (256, 256) bool each.
        sky: where the sky shows, at least in part.
    """

    pixels: npt.NDArray[np.uint8]
    shown: tuple[npt.NDArray[np.bool_], ...]
    sky: npt.NDArray[np.bool_]


def compose(backdrop: Backdrop, bodies: Sequence[Layer], shadow: FloatArray, front: Layer) -> Composition:
    """Lays bodies over a backdrop, the farthest first, and the foreground over them.

    Args:
        backdrop: land and sky.
        bodies: what stands there, unlit.
        shadow: (256, 256), how much of its light the ground has lost.
        front: the foreground.
    """
    light = _lit(backdrop.light)
    land, seen = _land(backdrop.seed, backdrop.horizon, backdrop.light)
    color = land * (1 - shadow)[..., None]
    shown: list[FloatArray] = []
    for body in bodies:
        color = blend(color, body.color * light, body.alpha)
        seen = seen * (1 - body.alpha)
        shown = [*(part * (1 - body.alpha) for part in shown), body.alpha]
    color = blend(color, front.color * light, front.alpha)
    seen = seen * (1 - front.alpha)
    rows = int(backdrop.horizon) + 8
    sky = np.zeros_like(color)
    sky[:rows] = paint_sky(backdrop.seed, backdrop.cloudiness, SIZE, rows)
    # `color` was blended over black: what is missing in it is the sky's share.
    pixels = color + sky * seen[..., None]
    grain = stream(backdrop.seed, "grain").normal(0, 1.3, (SIZE, SIZE, 1)).astype(np.float32)
    picture = np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8)
    return Composition(picture, tuple(part * (1 - front.alpha) > 0 for part in shown), seen > 0)


def _lit(light: Light) -> FloatArray:
    """The factors (3,) by which light changes colors."""
    return np.asarray(scaled(light.tint, light.level), np.float32)


@lru_cache(maxsize=1)  # as _standing
def _land(seed: int, horizon: float, light: Light) -> tuple[FloatArray, FloatArray]:
    """Paints land and trees, over black: their colors, and how much of each pixel they leave to the sky."""
    color = np.zeros((SIZE, SIZE, 3), np.float32)
    seen = np.ones((SIZE, SIZE), np.float32)
    for layer in (paint_land(seed, SIZE, horizon), paint_trees(seed, SIZE, horizon, light)):
        color = blend(color, layer.color * _lit(light), layer.alpha)
        seen *= 1 - layer.alpha
    return color, seen


def _stage(seed: int) -> _Stage:
    """Draws the horizon, the light, and the place and size of whatever stands there."""
    rng = stream(seed, "pose")
    horizon = rng.uniform(0.4, 0.47) * SIZE
    foot = rng.uniform(0.74, 0.82) * SIZE
    area = rng.uniform(0.18, 0.235) * SIZE * SIZE
    pose = Pose(
        x=rng.uniform(0.3, 0.7) * SIZE,
        foot=foot,
        area=area,
        flip=bool(rng.random() < 0.5),
        tilt=float(rng.normal(0, 0.025)),
    )
    return _Stage(horizon, pose, light_of(seed))


def paint_object(seed: int, kind: Kind, pose: Pose, light: Light, free: FloatArray) -> Layer:
    """Paints an object.

    Args:
        seed: chooses its shape and its paint.
        kind: what it is.
        pose: where it stands.
        light: which side of it is lit.
        free: (256, 256), the share of each pixel that nothing before it covers.
    """
    planes = shrink(draw_object(kind, stream(seed, "shape"), pose, SIZE, _FACTOR), _FACTOR)
    lightness, painted, gray = np.moveaxis(planes.color, 2, 0)
    rng = stream(seed, "paint")
    first, second, share = *rng.choice(len(_PAINTS), 2, replace=False), rng.uniform(0, 1)
    base, dark, brown = (mix(a, b, share) for a, b in zip(_PAINTS[first], _PAINTS[second], strict=True))
    jitter = rng.uniform(0.8, 1.12)
    blotches, spots = fractal(rng, (SIZE, SIZE), (9, 9), 2, 0.4), fractal(rng, (SIZE, SIZE), (10, 10), 2, 0.4)
    dirt = fractal(rng, (SIZE, SIZE), (40, 40), 3)
    paint = np.empty((SIZE, SIZE, 3), np.float32)
    paint[:] = scaled(base, jitter)
    paint = blend(paint, scaled(dark, jitter), smoothstep(0.54, 0.58, blotches))
    paint = blend(paint, scaled(brown, jitter), smoothstep(0.62, 0.66, spots))
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    ambient = 1.12 - 0.3 * smoothstep(-70, 0, rows - np.float32(pose.foot))
    across = 1 + 0.08 * light.side * np.clip((columns - pose.x) / 70, -1, 1)
    tone = lightness / 128 * (gray / 110 + (1 - gray / 110) * painted / 255)
    tone = tone * ambient * across * (0.9 + 0.2 * dirt)
    tone = _matched(tone, planes.alpha * free, rng.uniform(0.75, 1.3), rng.uniform(-0.03, 0.07))
    color = paint * tone[..., None]
    return Layer(np.clip(color, 0, 255), planes.alpha)


def _matched(tone: FloatArray, alpha: FloatArray, contrast: float, black: float) -> FloatArray:
    """Gives every object the same share of each tone, so that no histogram tells one kind from another.

    Pixels keep their order from dark to light; only how many there are of each lightness is made alike.
    """
    target = np.float32(black) + np.asarray(_TONES, np.float32) ** np.float32(contrast)
    fine = _specified(tone, alpha, target)
    # Then at half the size, at which a small network sees it: there thin parts have melted into others.
    half = (SIZE // 2, 2, SIZE // 2, 2)
    coverage = alpha.reshape(half).mean((1, 3))
    for _ in range(3):
        coarse = fine.reshape(half).mean((1, 3))
        gain = np.clip(_specified(coarse, coverage, target) / np.maximum(coarse, 0.02), 0.5, 2)
        smooth = Image.fromarray(gain).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        fine = fine * np.asarray(smooth, np.float32)
    return fine


def _specified(tone: FloatArray, alpha: FloatArray, target: FloatArray) -> FloatArray:
    """Maps tones so that those under the object have the quantiles `target`."""
    ranked = np.sort(tone[alpha > 0.5])
    rank = np.searchsorted(ranked, tone) / max(len(ranked), 1)
    return np.interp(rank, np.linspace(0, 1, len(target)), target).astype(np.float32)


def paint_shadow(pose: Pose, light: Light, depth: float = 9) -> FloatArray:
    """A soft pool on the ground under an object's foot, drawn out away from the light; alike for all.

    Args:
        pose: where the object stands.
        light: where the light comes from.
        depth: half the height of the pool, pixels.
    """
    half = 0.85 * np.sqrt(pose.area)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    across = (columns - np.float32(pose.x - light.side * depth)) / np.float32(half)
    pool = 1 - np.hypot(across, (rows - np.float32(pose.foot - 1)) / depth)
    return np.asarray(0.52 * smoothstep(0.0, 0.5, pool), np.float32)
