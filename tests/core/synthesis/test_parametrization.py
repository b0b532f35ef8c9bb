"""What pictures are made of: derivatives by finite differences, round trips, spectra and colors."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.synthesis.parametrization import COLORS, FourierParameters, Parametrization, PixelParameters, logistic

SHAPES = [(6, 8, 3), (7, 5, 3), (5, 6, 1), (1, 1, 3)]


def kinds(shape: tuple[int, int, int]) -> list[Parametrization]:
    return [
        PixelParameters(shape),
        FourierParameters(shape),
        FourierParameters(shape, colors=True),
        FourierParameters(shape, colors=True, reverse=True, decay=0.5),
        FourierParameters(shape, colors=True, squash=False),
    ]


CASES = [(shape, place) for shape in SHAPES for place in range(5)]


@pytest.mark.parametrize(("shape", "place"), CASES)
def test_the_derivative_is_that_of_finite_differences(shape: tuple[int, int, int], place: int) -> None:
    made, random = kinds(shape)[place], np.random.default_rng(0)
    parameters = made.start(random, 0.2)
    weights = random.normal(size=shape)
    slopes = made.pull(parameters, weights)
    assert slopes.shape == parameters.shape
    for index in random.permutation(parameters.size)[:40]:
        step = np.zeros(parameters.size)
        step[index] = 1e-5
        high, low = (made.picture(parameters + sign * step.reshape(parameters.shape)) for sign in (1, -1))
        slow = float(((high - low) * weights).sum() / 2e-5)
        assert slopes.ravel()[index] == pytest.approx(slow, abs=1e-7)


@pytest.mark.parametrize(("shape", "place"), CASES)
def test_a_picture_goes_in_and_comes_out(shape: tuple[int, int, int], place: int) -> None:
    made = kinds(shape)[place]
    picture = np.random.default_rng(1).uniform(0.01, 0.99, shape)
    np.testing.assert_allclose(made.picture(made.of(picture)), picture, atol=1e-9)
    ends = made.picture(made.of(np.round(picture)))
    np.testing.assert_allclose(ends, np.round(picture), atol=2e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_it_begins_with_grey_and_stays_within_0_and_1(shape: tuple[int, int, int]) -> None:
    for made in kinds(shape):
        np.testing.assert_array_equal(made.picture(made.start(np.random.default_rng(0))), np.full(shape, 0.5))
        far = made.picture(made.bounded(made.start(np.random.default_rng(0), 1000.0)))
        assert far.min() >= -1e-9
        assert far.max() <= 1 + 1e-9


def field(made: FourierParameters, parameters: np.ndarray) -> np.ndarray:
    """Undo the logistic function."""
    picture = made.picture(parameters)
    return np.log(picture / (1 - picture))


@pytest.mark.parametrize("decay", [0.0, 1.0])
def test_noise_makes_a_field_of_its_size_whose_waves_fall_with_the_frequency(decay: float) -> None:
    made = FourierParameters((64, 64, 1), decay=decay)
    fields = np.stack([field(made, made.start(np.random.default_rng(seed), 0.5))[..., 0] for seed in range(50)])
    # Both the real and the imaginary part have this deviation, and each wave appears with its mirror image.
    assert np.sqrt((fields**2).mean()) == pytest.approx(0.5 * np.sqrt(2), rel=0.05)
    power = (np.abs(np.fft.fft2(fields)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(64)[:, None], np.fft.fftfreq(64)[None])
    inner = (frequency > 0.05) & (frequency < 0.45)
    fall = np.polyfit(np.log(frequency[inner]), np.log(power[inner]), 1)[0]
    assert fall == pytest.approx(-2 * decay, abs=0.1)


def test_what_is_not_squashed_is_clipped_and_can_come_back() -> None:
    made = FourierParameters((6, 8, 3), colors=True, squash=False)
    parameters = made.start(np.random.default_rng(0), 3.0)
    free = made.picture(parameters)
    assert free.min() < -0.1
    np.testing.assert_allclose(made.picture(made.bounded(parameters)), np.clip(free, 0, 1), atol=1e-9)
    within = made.start(np.random.default_rng(0), 0.1)
    assert made.bounded(within) is within
    black = made.of(np.zeros((6, 8, 3)))
    assert np.abs(made.pull(black, np.ones((6, 8, 3)))).max() > 1
    assert (
        np.abs(
            FourierParameters((6, 8, 3)).pull(FourierParameters((6, 8, 3)).of(np.zeros((6, 8, 3))), np.ones((6, 8, 3)))
        ).max()
        < 0.01
    )


def test_one_wave_is_a_cosine() -> None:
    """The slow way: the sum of all waves, each at its frequency, its mirror image included."""
    made = FourierParameters((5, 6, 1))
    parameters = np.random.default_rng(2).normal(size=made.start(np.random.default_rng(0)).shape)
    rows, columns = np.mgrid[:5, :6]
    slow = np.zeros((5, 6))
    for down in range(5):
        for across in range(4):
            real, imaginary = parameters[down, across, 0] * made.scale[down, across, 0, 0]
            angle = 2 * np.pi * (down * rows / 5 + across * columns / 6)
            twice = 1 if across in (0, 3) else 2
            slow += twice * (real * np.cos(angle) - imaginary * np.sin(angle)) / np.sqrt(30)
    np.testing.assert_allclose(field(made, parameters)[..., 0], slow, atol=1e-9)


def test_colors_vary_as_in_photographs() -> None:
    made = FourierParameters((48, 48, 3), colors=True)
    fields = np.stack([field(made, made.start(np.random.default_rng(seed), 0.3)) for seed in range(30)])
    found = np.cov(fields.reshape(-1, 3).T)
    expected = COLORS @ COLORS.T
    np.testing.assert_allclose(found / np.trace(found), expected / np.trace(expected), atol=0.03)
    assert (COLORS**2).sum() == pytest.approx(3, abs=0.01)
    axes = COLORS / np.linalg.norm(COLORS, axis=0)
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=2e-3)


def test_blue_green_red_is_red_green_blue_the_other_way_round() -> None:
    one, other = (FourierParameters((8, 8, 3), colors=True, reverse=reverse) for reverse in (False, True))
    parameters = one.start(np.random.default_rng(0), 1.0)
    np.testing.assert_array_equal(one.picture(parameters), other.picture(parameters)[..., ::-1])


def test_the_logistic_function_bears_any_number() -> None:
    values = np.array([-1e9, -1.0, 0.0, 1.0, 1e9])
    np.testing.assert_allclose(logistic(values), [0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1])


@pytest.mark.parametrize("shape", SHAPES)
def test_single_precision_stays_single_and_agrees(shape: tuple[int, int, int]) -> None:
    for made in kinds(shape):
        parameters, slopes = made.start(np.random.default_rng(0), 0.3), np.random.default_rng(1).normal(size=shape)
        single = parameters.astype(np.float32)
        picture, pulled = made.picture(single), made.pull(single, slopes.astype(np.float32))
        assert picture.dtype == pulled.dtype == np.float32
        np.testing.assert_allclose(picture, made.picture(parameters), atol=1e-5)
        np.testing.assert_allclose(pulled, made.pull(parameters, slopes), atol=1e-4)
        np.testing.assert_array_equal(made.pull(single, slopes.astype(np.float32), picture), pulled)
