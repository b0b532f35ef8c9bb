"""Pictures made of phases: strengths stay, derivatives are finite differences, and a folder's spectrum is measured."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.synthesis.parametrization import color_mix, waves_of
from picasso.core.synthesis.phases import PhaseParameters, falling_magnitudes, measured_magnitudes

SHAPES = [(6, 8, 3), (7, 5, 3), (5, 6, 1)]


def made_of(shape: tuple[int, int, int], colors: bool = True) -> PhaseParameters:
    return PhaseParameters(falling_magnitudes(shape, 1.0), shape[1], colors, reverse=True)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_derivative_is_that_of_finite_differences(shape: tuple[int, int, int]) -> None:
    made, random = made_of(shape), np.random.default_rng(0)
    parameters, weights = made.start(random), random.normal(size=shape)
    slopes = made.pull(parameters, weights)
    for index in random.permutation(parameters.size)[:60]:
        step = np.zeros(parameters.size)
        step[index] = 1e-5
        high, low = (made.picture(parameters + sign * step.reshape(parameters.shape)) for sign in (1, -1))
        assert slopes.ravel()[index] == pytest.approx(float(((high - low) * weights).sum() / 2e-5), abs=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_wave_keeps_its_strength_whatever_the_phases(shape: tuple[int, int, int]) -> None:
    made = made_of(shape)
    for seed in range(3):
        picture = made.picture(made.start(np.random.default_rng(seed)))
        field = np.log(picture / (1 - picture)) @ np.linalg.inv(color_mix(shape[2], True, True)).T
        np.testing.assert_allclose(np.abs(waves_of(field)), made.magnitudes, atol=1e-9)
        np.testing.assert_allclose(np.square(field).mean(axis=(0, 1)), 1)
        np.testing.assert_allclose(made.picture(made.of(picture)), picture, atol=1e-9)


def test_measured_strengths_are_the_mean_over_pictures() -> None:
    pictures = np.random.default_rng(0).uniform(0.1, 0.9, (2, 12, 16, 3))
    slow = np.zeros((12, 9, 3))
    window = np.hanning(14)[1:-1, None] * np.hanning(18)[1:-1]
    window /= np.sqrt((window**2).mean())
    for picture in pictures:
        field = np.log(picture / (1 - picture))
        for channel in range(3):
            one = field[..., channel]
            slow[..., channel] += np.abs(np.fft.fft2((one - one.mean()) * window)[:, :9]) / np.sqrt(12 * 16) / 2
    np.testing.assert_allclose(measured_magnitudes(pictures, False, False), slow, rtol=1e-6, atol=1e-9)
    turned = measured_magnitudes(pictures[..., ::-1], True, True)
    np.testing.assert_allclose(measured_magnitudes(pictures, True, False), turned, atol=1e-9)


def test_strengths_fall_with_the_frequency() -> None:
    strengths = falling_magnitudes((64, 64, 1), 1.0)[..., 0]
    assert strengths[0, 0] == 0
    assert strengths[0, 2] / strengths[0, 20] == pytest.approx(10)
    assert falling_magnitudes((64, 64, 1), 2.0)[0, 2, 0] / falling_magnitudes((64, 64, 1), 2.0)[
        0, 20, 0
    ] == pytest.approx(100)
