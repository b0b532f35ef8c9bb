"""A drawn scene: an object in a landscape under a sky, and the masks that say which is which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from picasso.demo.landscape import (
    Layer,
    Light,
    light_of,
    paint_foreground,
    paint_land,
    paint_trees,
    shrink,
)
from picasso.demo.noise import Color, FloatArray, blend, fractal, scaled, smoothstep, stream
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
    light = np.asarray(scaled(stage.light.tint, stage.light.level), np.float32)
    color = np.zeros((SIZE, SIZE, 3), np.float32)
    seen = np.ones((SIZE, SIZE), np.float32)
    shown = np.zeros((SIZE, SIZE), np.float32)
    shadow = np.zeros((SIZE, SIZE), np.float32)
    for layer in (
        paint_land(scene.seed, SIZE, stage.horizon),
        paint_trees(scene.seed, SIZE, stage.horizon, stage.light),
    ):
        color = blend(color, layer.color * light, layer.alpha)
        seen *= 1 - layer.alpha
    if scene.kind is not None:
        body, shadow = _object(scene.seed, scene.kind, stage)
        color *= (1 - shadow)[..., None]
        color = blend(color, body.color * light, body.alpha)
        seen *= 1 - body.alpha
        shown = body.alpha
    front = paint_foreground(scene.seed, SIZE, stage.pose.foot, stage.light)
    color = blend(color, front.color * light, front.alpha)
    seen *= 1 - front.alpha
    shown, shadow = shown * (1 - front.alpha), shadow * (1 - front.alpha)
    rows = int(stage.horizon) + 8
    sky = np.zeros_like(color)
    sky[:rows] = paint_sky(scene.seed, scene.cloudiness, SIZE, rows)
    # `color` was blended over black: what is missing in it is the sky's share.
    pixels = color + sky * seen[..., None]
    grain = stream(scene.seed, "grain").normal(0, 1.3, (SIZE, SIZE, 1)).astype(np.float32)
    picture = np.clip(np.rint(pixels + grain), 0, 255).astype(np.uint8)
    return Rendering(picture, shown > 0, shadow > 0, seen > 0)


def _stage(seed: int) -> _Stage:
    """Draws the horizon, the light, and the place and size of whatever stands there."""
    rng = stream(seed, "pose")
    horizon = rng.uniform(0.44, 0.54) * SIZE
    foot = rng.uniform(0.74, 0.86) * SIZE
    area = rng.uniform(0.115, 0.165) * SIZE * SIZE
    pose = Pose(
        x=rng.uniform(0.3, 0.7) * SIZE,
        foot=foot,
        area=area,
        flip=bool(rng.random() < 0.5),
        tilt=float(rng.normal(0, 0.025)),
    )
    return _Stage(horizon, pose, light_of(seed))


def _object(seed: int, kind: Kind, stage: _Stage) -> tuple[Layer, FloatArray]:
    """The painted object, and how much its shadow takes from the ground."""
    planes = shrink(draw_object(kind, stream(seed, "shape"), stage.pose, SIZE, _FACTOR), _FACTOR)
    lightness, painted, gray = np.moveaxis(planes.color, 2, 0)
    rng = stream(seed, "paint")
    base, dark, brown = _PAINTS[int(rng.integers(len(_PAINTS)))]
    jitter = rng.uniform(0.92, 1.1)
    blotches, spots = fractal(rng, (SIZE, SIZE), (9, 9), 2, 0.4), fractal(rng, (SIZE, SIZE), (10, 10), 2, 0.4)
    dirt = fractal(rng, (SIZE, SIZE), (40, 40), 3)
    paint = np.empty((SIZE, SIZE, 3), np.float32)
    paint[:] = scaled(base, jitter)
    paint = blend(paint, scaled(dark, jitter), smoothstep(0.54, 0.58, blotches))
    paint = blend(paint, scaled(brown, jitter), smoothstep(0.62, 0.66, spots))
    fixed = gray[..., None] * np.asarray((0.98, 1.0, 1.04), np.float32)
    color = fixed + (paint - fixed) * (painted / np.float32(255))[..., None]
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    ambient = 1.12 - 0.3 * smoothstep(-70, 0, rows - np.float32(stage.pose.foot))
    across = 1 + 0.08 * stage.light.side * np.clip((columns - stage.pose.x) / 70, -1, 1)
    color *= (lightness / 128 * ambient * across * (0.9 + 0.2 * dirt))[..., None]
    body = Layer(np.clip(color, 0, 255), planes.alpha)
    return body, _shadow(planes.alpha, stage)


def _shadow(alpha: FloatArray, stage: _Stage) -> FloatArray:
    """A soft pool on the ground under the object's foot, drawn out away from the light."""
    foot = stage.pose.foot
    low = np.flatnonzero(alpha[int(foot) - 14 : int(foot) + 4].max(0) > 0.5)
    left, right = (float(low[0]), float(low[-1])) if low.size else (stage.pose.x, stage.pose.x)
    drift = -stage.light.side * 9
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    across = (columns - (left + right) / 2 - drift) / ((right - left) / 2 + 12)
    down = (rows - foot + 1) / 9
    pool = 1 - np.hypot(across, down)
    return np.asarray(0.52 * smoothstep(0.0, 0.5, pool), np.float32)
