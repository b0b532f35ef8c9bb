"""Seeded random streams and smooth noise: the raw material of every drawn surface."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

FloatArray = npt.NDArray[np.float32]
Color = tuple[float, float, float]


def stream(seed: int, component: str) -> np.random.Generator:
    """The random stream of one component of one scene.

    Every component draws from a stream of its own, so that adding a number to one changes no other.

    Args:
        seed: the scene's seed, >= 0.
        component: the component's name, such as "sky".
    """
    return np.random.default_rng([seed, zlib.crc32(component.encode())])


def smoothstep(low: float, high: float, values: FloatArray) -> FloatArray:
    """0 below `low`, 1 above `high`, and a smooth cubic between them."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def ease(low: float, high: float, value: float) -> float:
    """`smoothstep` of one number."""
    t = min(max((value - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


def mix(first: Color, second: Color, share: float) -> Color:
    """The color `share` (0 to 1) of the way from `first` to `second`."""
    return (
        first[0] + (second[0] - first[0]) * share,
        first[1] + (second[1] - first[1]) * share,
        first[2] + (second[2] - first[2]) * share,
    )


def scaled(color: Color, factor: float) -> Color:
    """The color made lighter (> 1) or darker (< 1)."""
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def blend(base: FloatArray, color: FloatArray | Color, alpha: FloatArray) -> FloatArray:
    """Lays `color` (h, w, 3 or one color) over `base` (h, w, 3) with coverage `alpha` (h, w) in [0, 1]."""
    layer = np.asarray(color, np.float32)
    return np.asarray(base + (layer - base) * alpha[..., None], np.float32)


def fractal(
    rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int], octaves: int, gain: float = 0.5
) -> FloatArray:
    """Smooth fractal noise that wraps around, about 0.5 on average, mostly within [0, 1].

    Args:
        rng: the stream to draw from.
        shape: (height, width) in pixels.
        cells: (rows, columns) of the coarsest lattice; each octave doubles both.
        octaves: number of lattices added up.
        gain: amplitude of an octave relative to the one before it.
    """
    total = np.zeros(shape, np.float32)
    weight = 1.0
    norm = 0.0
    for octave in range(octaves):
        rows, columns = min(cells[0] << octave, shape[0]), min(cells[1] << octave, shape[1])
        lattice = rng.random((rows, columns), np.float32)
        lattice = lattice.take(range(-2, rows + 2), 0, mode="wrap").take(range(-2, columns + 2), 1, mode="wrap")
        box = (2.0, 2.0, 2.0 + columns, 2.0 + rows)
        smooth = Image.fromarray(lattice).resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box)
        total += np.float32(weight) * np.asarray(smooth, np.float32)
        norm += weight * weight
        weight *= gain
    mean = sum(gain**octave for octave in range(octaves)) / 2
    return np.asarray(0.5 + (total - mean) / np.sqrt(norm) * 0.9, np.float32)


def sample(texture: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """Bilinear look-up in a texture that wraps around; `rows` and `columns` are in texture pixels."""
    height, width = texture.shape
    top, left = np.floor(rows), np.floor(columns)
    down, right = rows - top, columns - left
    y0, x0 = top.astype(np.int64) % height, left.astype(np.int64) % width
    y1, x1 = (y0 + 1) % height, (x0 + 1) % width
    upper = texture[y0, x0] * (1 - right) + texture[y0, x1] * right
    lower = texture[y1, x0] * (1 - right) + texture[y1, x1] * right
    return np.asarray(upper * (1 - down) + lower * down, np.float32)
