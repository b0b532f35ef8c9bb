"""Light and color of a part: measured as by hand, and given to another picture."""

import numpy as np
import pytest

from picasso.core.interventions.tones import (
    MOST_GAIN,
    OFFSET,
    log_chroma,
    luminance,
    moments,
    relit,
    to_pixels,
    with_luminance,
)


def test_luminance_and_moments_are_those_of_a_part() -> None:
    view = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 10, 10]]], np.uint8)
    np.testing.assert_allclose(luminance(view), [[76.245, 149.685], [29.07, 10]], rtol=1e-5)
    mask = np.array([[True, False], [False, True]])
    assert moments(luminance(view), mask) == pytest.approx(((76.245 + 10) / 2, (76.245 - 10) / 2), rel=1e-5)
    assert moments(luminance(view), np.zeros((2, 2), bool)) == (0, 0)


def test_a_cast_is_seen_whatever_the_picture_shows() -> None:
    view = np.random.default_rng(1).uniform(20, 90, (30, 30, 1)).repeat(3, 2)
    cast = to_pixels(((view + OFFSET) * np.array([1.4, 1, 0.7]) - OFFSET).astype(np.float32))
    np.testing.assert_allclose(log_chroma(cast, np.ones((30, 30), bool)), np.log([1.4, 0.7]), atol=0.003)


def test_rounding_is_to_the_nearest_and_clips() -> None:
    np.testing.assert_array_equal(to_pixels(np.array([-3, 1.6, 254.4, 300], np.float32)), [0, 2, 254, 255])


@pytest.mark.parametrize("mean", [40.0, 128.0, 220.0])
def test_a_gain_gives_the_mean_luminance(mean: float) -> None:
    view = np.random.default_rng(1).integers(0, 256, (30, 30, 3)).astype(np.float32)
    mask = np.arange(900).reshape(30, 30) % 3 == 0
    assert luminance(with_luminance(view, mask, mean))[mask].mean() == pytest.approx(mean, abs=0.5)


@pytest.mark.parametrize(("mean", "gain"), [(0.0, 1 / MOST_GAIN), (250.0, MOST_GAIN)])
def test_a_gain_never_hides_what_a_picture_shows(mean: float, gain: float) -> None:
    view = np.full((20, 20, 3), 20, np.float32)
    found = with_luminance(view, np.ones((20, 20), bool), mean)
    assert (found == round(20 * gain)).all()


def test_another_light_keeps_how_bright_the_part_is() -> None:
    view = np.random.default_rng(1).integers(40, 120, (30, 30, 3), np.uint8)
    mask = np.arange(900).reshape(30, 30) % 2 == 0
    found = relit(view, np.array([0.3, 0.0, -0.2]), mask)
    assert luminance(found)[mask].mean() == pytest.approx(luminance(view)[mask].mean(), abs=0.1)
    np.testing.assert_array_equal(relit(view, np.zeros(3), mask), view)
