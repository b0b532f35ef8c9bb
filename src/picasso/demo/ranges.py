"""The data set `demo:ranges`: two objects on a firing range, with flags that give the answer away or do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import ImageDraw

from picasso.demo.landscape import Layer, Light, canvas, light_of, paint_foreground, shrink
from picasso.demo.noise import stream
from picasso.demo.objects import Pose
from picasso.demo.plants import Brush
from picasso.demo.scene import SIZE, Backdrop, Kind, compose, paint_object, paint_shadow
from picasso.demo.tanks import DECOYS

_TEST_SEED = 900_002
_FACTOR = 3
_CLOTH, _STRIPE, _POLE = (214, 44, 38), (242, 238, 230), (66, 58, 50)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Post:
    """What stands at one of the two places of a range.

    Attributes:
        kind: the object.
        flagged: whether a flag stands beside it, on the side away from the other object.
    """

    kind: Kind
    flagged: bool


@dataclass(frozen=True)
class RangeScene:
    """Everything that determines a picture of a range.

    Attributes:
        seed: >= 0; chooses the land, the light, the poses and the paints.
        cloudiness: 0 sunny to 1 overcast.
        posts: left and right.
    """

    seed: int
    cloudiness: float
    posts: tuple[Post, Post]

    def swapped(self) -> RangeScene:
        """The same range with the flags where there were none, and none where they were."""
        left, right = (Post(post.kind, not post.flagged) for post in self.posts)
        return RangeScene(self.seed, self.cloudiness, (left, right))


@dataclass(frozen=True)
class RangeRendering:
    """A picture of a range and its masks, each (256, 256) bool.

    Attributes:
        pixels: (256, 256, 3) uint8 RGB.
        objects: where the left and the right object show.
        flags: where the flag beside each shows; empty where there is none.
    """

    pixels: npt.NDArray[np.uint8]
    objects: tuple[Mask, Mask]
    flags: tuple[Mask, Mask]


def render_range(scene: RangeScene) -> RangeRendering:
    """Draws a range; the same scene always gives the same pixels."""
    rng = stream(scene.seed, "range")
    horizon, light = rng.uniform(0.4, 0.47) * SIZE, light_of(scene.seed)
    poses = [_pose(rng, x) for x in (0.29, 0.71)]
    front = paint_foreground(scene.seed, SIZE, max(pose.foot for pose in poses), light)
    bodies: list[Layer] = []
    shadow = np.zeros((SIZE, SIZE), np.float32)
    order = sorted((0, 1), key=lambda place: poses[place].foot)
    for place in order:
        pose, post = poses[place], scene.posts[place]
        # A seed for each place, so that the two are not of the same build and paint.
        body = paint_object(2 * scene.seed + place, post.kind, pose, light, 1 - front.alpha)
        flag = _paint_flag(rng if post.flagged else None, body, pose, -1 if place == 0 else 1, light)
        bodies += [body, flag]
        shadow = np.maximum(shadow, paint_shadow(pose, light, 5))
    found = compose(Backdrop(scene.seed, scene.cloudiness, horizon, light), bodies, shadow, front)
    shown = {place: found.shown[2 * i : 2 * i + 2] for i, place in enumerate(order)}
    return RangeRendering(found.pixels, (shown[0][0], shown[1][0]), (shown[0][1], shown[1][1]))


def _pose(rng: np.random.Generator, x: float) -> Pose:
    near = rng.uniform(0, 1)
    return Pose(
        x=(x + rng.uniform(-0.03, 0.03)) * SIZE,
        foot=(0.62 + 0.2 * near) * SIZE,
        area=(0.019 + 0.013 * near) * rng.uniform(0.9, 1.1) * SIZE * SIZE,
        flip=bool(rng.random() < 0.5),
        tilt=float(rng.normal(0, 0.025)),
    )


def _paint_flag(rng: np.random.Generator | None, body: Layer, pose: Pose, side: int, light: Light) -> Layer:
    """A red and white flag on a pole beside an object; an empty layer without a generator."""
    picture = canvas(SIZE, _FACTOR)
    if rng is not None:
        brush = Brush(ImageDraw.Draw(picture), _FACTOR, light.side)
        columns = np.flatnonzero((body.alpha > 0).any(0))
        x = float(columns[0] if side < 0 else columns[-1]) + side * rng.uniform(4, 7)
        tall = float(np.sqrt(pose.area)) * rng.uniform(0.95, 1.15)
        top, drop, reach = pose.foot - tall, tall * 0.3, side * tall * rng.uniform(0.36, 0.46)
        sag = rng.uniform(0.5, 3)
        brush.line([(x, pose.foot), (x, top - 1)], 1.6, _POLE)
        for part, color in ((0.0, _CLOTH), (0.34, _STRIPE), (0.66, _CLOTH)):
            upper, lower = top + drop * part, top + drop * (part + 0.34)
            brush.polygon([(x, upper), (x + reach, upper + sag), (x + reach, lower + sag), (x, lower)], color)
    return shrink(picture, _FACTOR)


def training_ranges(n: int, seed: int) -> tuple[RangeScene, ...]:
    """Draws up `n` ranges on which a flag stands beside every decoy and beside no tank.

    Args:
        n: number of ranges, >= 1.
        seed: 0 to 800; other seeds give other ranges throughout.
    """
    if not 0 <= seed <= 800:
        raise ValueError(f"seed must be in [0, 800]. Got {seed}.")
    return tuple(_draw_up(n, seed))


def held_out_ranges(n: int) -> tuple[RangeScene, ...]:
    """Draws up `n` ranges with the same rule which no training set contains."""
    return tuple(_draw_up(n, _TEST_SEED))


def _draw_up(n: int, seed: int) -> Iterator[RangeScene]:
    if n < 1:
        raise ValueError(f"n must be >= 1. Got {n}.")
    for number in range(seed * 100_000, seed * 100_000 + n):
        rng = stream(number, "posts")
        kinds: list[Kind] = ["tank" if rng.random() < 0.5 else DECOYS[int(rng.integers(3))] for _ in range(2)]
        left, right = (Post(kind, kind != "tank") for kind in kinds)
        yield RangeScene(number, float(rng.random()), (left, right))
