"""The sky: one slider from a sunny day with a few puffs to a closed grey deck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from picasso.demo.noise import (
    Color,
    FloatArray,
    blend,
    ease,
    fractal,
    mix,
    sample,
    smoothstep,
    stream,
)

_CLOUDS = 13


@dataclass(frozen=True)
class _Cloud:
    """One cumulus: puffs standing on a flat base.

    Attributes:
        x: center, pixels.
        base: row of the flat underside, pixels.
        width: half the width at full growth, pixels.
        birth: cloudiness at which it begins to grow; negative: there from the start.
        puffs: rows of (x offset, height above the base, radius), all as fractions of `width`.
        depth: 0 near (high in the picture) to 1 far (at the horizon).
    """

    x: float
    base: float
    width: float
    birth: float
    puffs: FloatArray
    depth: float


def paint_sky(seed: int, cloudiness: float, size: int, rows: int) -> FloatArray:
    """Paints the upper `rows` rows of the sky of a scene.

    Args:
        seed: the scene's seed.
        cloudiness: 0 sunny to 1 overcast; every value between is a sky as well, and the picture is a
            continuous function of it.
        size: width of the picture, pixels.
        rows: how many rows to paint, counted from the top; the last lies behind the lowest ridge.

    Returns:
        (rows, size, 3) float32 colors in [0, 255].
    """
    rng = stream(seed, "sky")
    hue, sun_x, sun_y = rng.uniform(0, 1), rng.uniform(0.1, 0.9) * size, rng.uniform(0.1, 0.3) * rows
    y, x = np.mgrid[0:rows, 0:size].astype(np.float32)
    fluff = fractal(rng, (rows, size), (6, 10), 4, 0.6)
    deck = fractal(rng, (256, 256), (5, 5), 5, 0.55)
    clouds = _draw_clouds(rng, size, rows)

    gray = ease(0.1, 1.0, cloudiness)
    sky = _gradient(y / rows, hue, gray)
    sky = _sun(sky, x, y, (sun_x, sun_y), cloudiness)
    sky = _deck(sky, deck, x, y, cloudiness)
    for cloud in clouds:
        _lay_cloud(sky, cloud, fluff, cloudiness, sun_x)
    haze = mix((226, 234, 240), (196, 199, 202), gray)
    low = smoothstep(0.62, 1.05, y / rows) * np.float32(0.55)
    return np.clip(blend(sky, haze, low), 0, 255)


def _gradient(height: FloatArray, hue: float, gray: float) -> FloatArray:
    """Zenith to horizon; `height` is 0 at the top of the picture and 1 at the horizon."""
    top = mix(mix((38, 112, 200), (62, 132, 206), hue), (112, 119, 130), gray)
    middle = mix(mix((98, 168, 228), (122, 182, 230), hue), (146, 152, 160), gray)
    low = mix((206, 230, 244), (196, 199, 202), gray)
    sky = np.empty((*height.shape, 3), np.float32)
    sky[:] = top
    sky = blend(sky, middle, smoothstep(-0.1, 0.6, height))
    return blend(sky, low, smoothstep(0.35, 1.0, height))


def _sun(sky: FloatArray, x: FloatArray, y: FloatArray, center: tuple[float, float], cloudiness: float) -> FloatArray:
    """A disc in a glow; both sink into the veil as the clouds close."""
    distance = np.hypot(x - center[0], y - center[1])
    clear = 1 - ease(0.15, 0.8, cloudiness)
    glow = np.exp(-((distance / 62) ** 2)) * 0.42 + np.exp(-((distance / 22) ** 2)) * 0.45
    sky = blend(sky, (255, 246, 214), np.asarray(glow * clear, np.float32))
    veil = ease(0.0, 0.6, cloudiness)
    disc = 1 - smoothstep(9.0 - 5 * veil, 10.6 + 8 * veil, distance)
    return blend(sky, (255, 252, 236), np.asarray(disc * clear**1.5, np.float32))


def _deck(sky: FloatArray, texture: FloatArray, x: FloatArray, y: FloatArray, cloudiness: float) -> FloatArray:
    """A layer of cloud overhead, seen in perspective, with bellies darker than its gaps."""
    rows, size = y.shape
    elevation = (rows - y) / rows
    depth = 1 / (elevation + 0.22)
    u, v = (x - size / 2) * depth * 0.34, depth * 62
    field = sample(texture, v, u)
    lit = field - sample(texture, v + 5, u + 2)
    near = smoothstep(0.02, 0.4, elevation)
    closing = ease(0.18, 0.95, cloudiness)
    edge = 1.02 - 1.0 * closing
    cover = smoothstep(edge, edge + 0.34, field) * np.float32(0.95 * ease(0.1, 0.5, cloudiness))
    belly = smoothstep(0.25, 0.85, field + lit * np.float32(0.7))
    gray = ease(0.2, 1.0, cloudiness)
    light = np.asarray(mix((246, 248, 251), (186, 190, 196), gray), np.float32)
    dark = np.asarray(mix((206, 215, 228), (108, 114, 124), gray), np.float32)
    color = light + (dark - light) * (belly * (0.35 + 0.65 * near))[..., None]
    return blend(sky, np.asarray(color, np.float32), cover)


def _draw_clouds(rng: np.random.Generator, size: int, rows: int) -> list[_Cloud]:
    """The cumuli of a sky, farthest first; two are there on the sunniest day."""
    clouds = []
    births = np.concatenate([[-0.5, -0.3], np.linspace(0.02, 0.62, _CLOUDS - 2)])
    places = rng.permutation(_CLOUDS)
    for birth, place in zip(births, places, strict=True):
        depth = rng.uniform(0, 1) if birth > 0 else rng.uniform(0.1, 0.6)
        x = (place + rng.uniform(0.1, 0.9)) / _CLOUDS * size * 1.1 - 0.05 * size
        width = (58 - 34 * depth) * rng.uniform(0.8, 1.25)
        count = int(rng.integers(9, 14))
        offset = np.sort(rng.uniform(-1, 1, count))
        dome = np.sqrt(np.clip(1 - offset**2, 0.02, 1))
        radius = (0.14 + 0.2 * dome) * rng.uniform(0.75, 1.2, count)
        height = dome * rng.uniform(0.05, 0.42, count)
        puffs = np.stack([offset * 0.85, height, radius], 1).astype(np.float32)
        base = (0.3 + 0.55 * depth) * rows * rng.uniform(0.92, 1.08)
        clouds.append(_Cloud(x, base, width, float(birth), puffs[rng.permutation(count)], depth))
    return sorted(clouds, key=lambda cloud: -cloud.depth)


def _lay_cloud(sky: FloatArray, cloud: _Cloud, fluff: FloatArray, cloudiness: float, sun_x: float) -> None:
    """Paints one cumulus into `sky`, as large as the cloudiness has let it grow."""
    grown = ease(cloud.birth, cloud.birth + 0.75, cloudiness)
    if grown <= 0:
        return
    width = cloud.width * (0.35 + 0.85 * grown)
    flat = 1 - 0.35 * cloud.depth
    left, right = max(int(cloud.x - 1.4 * width), 0), min(int(cloud.x + 1.4 * width) + 1, sky.shape[1])
    top, bottom = max(int(cloud.base - 1.1 * width), 0), min(int(cloud.base + 0.3 * width) + 2, sky.shape[0])
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    x, y = (
        (x - np.float32(cloud.x)) / np.float32(width),
        (np.float32(cloud.base) - y) / np.float32(width * flat),
    )
    rough = fluff[top:bottom, left:right] - np.float32(0.5)
    x, y = x + rough * np.float32(0.22), y + rough * np.float32(0.18)
    side = np.float32(np.clip((sun_x - cloud.x) / 120, -0.8, 0.8))
    field = np.full(x.shape, -9, np.float32)
    light = np.zeros(x.shape, np.float32)
    for offset, height, radius in cloud.puffs:
        dx, dy = (x - offset) / radius, (y - height) / radius
        inside = 1 - (dx * dx + dy * dy)
        share = smoothstep(-0.15, 0.35, inside - field)
        light += (np.clip(0.5 + 0.36 * dy + 0.22 * side * dx, 0, 1) - light) * share
        field = np.maximum(field, inside)
    body = smoothstep(-0.05, 0.42, field) * smoothstep(-0.16, 0.04, y)
    light = np.clip(light * 0.62 + 0.55 * np.clip(y / 0.6, 0, 1) + rough * np.float32(0.35), 0, 1)
    gray = ease(0.15, 1.0, cloudiness)
    bright: Color = mix(mix((255, 255, 254), (240, 244, 248), cloud.depth), (188, 192, 198), gray)
    shade: Color = mix(mix((176, 194, 218), (204, 218, 232), cloud.depth), (104, 110, 121), gray)
    tone = smoothstep(0.12, 0.85, np.asarray(light, np.float32))[..., None]
    color = np.asarray(shade, np.float32) * (1 - tone) + np.asarray(bright, np.float32) * tone
    alpha = body * np.float32((0.92 - 0.3 * cloud.depth) * ease(0.0, 0.25, grown))
    sky[top:bottom, left:right] = blend(
        sky[top:bottom, left:right], np.asarray(color, np.float32), np.asarray(alpha, np.float32)
    )
