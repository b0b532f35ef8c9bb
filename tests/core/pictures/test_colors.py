"""The color maps, judged in CIELAB and OKLab, which are written down here independently."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.pictures.colors import color_map


def linear(colors: np.ndarray) -> np.ndarray:
    srgb = colors / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def cielab(colors: np.ndarray) -> np.ndarray:
    """CIE 1976 L*a*b* for D65, from its definition."""
    to_xyz = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    )
    x, y, z = (linear(colors) @ to_xyz.T / [0.95047, 1.0, 1.08883]).T

    def f(t: np.ndarray) -> np.ndarray:
        return np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)

    return np.stack([116 * f(y) - 16, 500 * (f(x) - f(y)), 200 * (f(y) - f(z))], axis=1)


def oklab_lightness(colors: np.ndarray) -> np.ndarray:
    """The L of OKLab, from sRGB's direction of its matrices (Ottosson 2020)."""
    to_lms = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    return np.cbrt(linear(colors) @ to_lms.T) @ [0.2104542553, 0.7936177850, -0.0040720468]


def test_256_colors_that_are_the_same_object_each_time() -> None:
    for sign in ("signed", "unsigned"):
        colors = color_map(sign)
        assert colors.shape == (256, 3)
        assert colors.dtype == np.uint8
        assert color_map(sign) is colors


def test_the_sequential_map_grows_steadily_lighter() -> None:
    colors = color_map("unsigned").astype(float)
    for lightness in (cielab(colors)[:, 0], oklab_lightness(colors)):
        assert (np.diff(lightness[::2]) > 0).all()
        assert lightness[0] < 0.2 * lightness[-1]
    # Equal steps: a straight line in OKLab, but for rounding to 8 bits.
    steps = oklab_lightness(colors)
    assert np.abs(steps - np.linspace(steps[0], steps[-1], 256)).max() < 0.02


def test_both_arms_of_the_diverging_map_are_equally_light() -> None:
    colors = color_map("signed").astype(float)
    for lightness, slack in ((oklab_lightness(colors), 0.02), (cielab(colors)[:, 0], 7)):
        assert (np.diff(lightness[:128:2]) > 0).all()
        assert (np.diff(lightness[128::2]) < 0).all()
        assert np.abs(lightness - lightness[::-1]).max() < slack


def test_the_middle_of_the_diverging_map_is_neutral_and_its_ends_are_blue_and_red() -> None:
    lab = cielab(color_map("signed").astype(float))
    for middle in (127, 128):
        assert np.hypot(*lab[middle, 1:]) < 3
        assert lab[middle, 0] > 94
    assert np.abs(lab[127] - lab[128]).max() < 4
    red, blue = lab[255], lab[0]
    assert red[1] > 30
    assert blue[2] < -30
    assert np.hypot(*(lab[:100, 1:]).T).min() > 10
    assert np.hypot(*(lab[156:, 1:]).T).min() > 10


@pytest.mark.parametrize("sign", ["signed", "unsigned"])
def test_neighboring_colors_differ_little_and_distant_ones_much(sign: str) -> None:
    lab = cielab(color_map(sign).astype(float))  # type: ignore[arg-type]
    assert np.linalg.norm(np.diff(lab, axis=0), axis=1).max() < 5
    assert np.linalg.norm(lab[32:] - lab[:-32], axis=1).min() > 4


@pytest.mark.parametrize("sign", ["signed", "unsigned"])
def test_no_two_places_of_a_map_share_a_color(sign: str) -> None:
    colors = color_map(sign)  # type: ignore[arg-type]
    assert len(np.unique(colors, axis=0)) >= 250
