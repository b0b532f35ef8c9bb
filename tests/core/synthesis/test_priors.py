"""Priors of pictures against finite differences and PyTorch, and Adam against PyTorch's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from picasso.core.pictures.bilateral import bilateral
from picasso.core.synthesis.descent import Adam
from picasso.core.synthesis.priors import alpha_norm, high_frequencies, total_variation

PICTURE = np.random.default_rng(0).random((6, 5, 3))
PRIORS: dict[str, Callable[[np.ndarray], tuple[float, np.ndarray]]] = {
    "variation": total_variation,
    "variation of power 1": lambda picture: total_variation(picture, 1),
    "variation of power 1.5": lambda picture: total_variation(picture, 1.5),
    "alpha": alpha_norm,
    "high frequencies": high_frequencies,
    "alpha 3": lambda picture: alpha_norm(picture, 3),
}


@pytest.mark.parametrize("name", PRIORS)
def test_slopes_are_finite_differences(name: str) -> None:
    slopes = PRIORS[name](PICTURE)[1]
    for index in np.ndindex(PICTURE.shape):
        step = np.zeros_like(PICTURE)
        step[index] = 1e-6
        slow = (PRIORS[name](PICTURE + step)[0] - PRIORS[name](PICTURE - step)[0]) / 2e-6
        assert slopes[index] == pytest.approx(slow, abs=1e-7)


def test_values_are_those_of_the_formula() -> None:
    total = 0.0
    for row in range(6):
        for column in range(5):
            for channel in range(3):
                here = PICTURE[row, column, channel]
                down = PICTURE[row + 1, column, channel] - here if row < 5 else 0
                across = PICTURE[row, column + 1, channel] - here if column < 4 else 0
                total += down**2 + across**2
    assert total_variation(PICTURE)[0] == pytest.approx(total / 30)
    assert alpha_norm(PICTURE)[0] == pytest.approx(float((np.abs(2 * PICTURE - 1) ** 6).sum() / 30))


def test_a_flat_picture_has_no_variation_and_grey_no_alpha_norm() -> None:
    for power in (1, 2):
        value, slopes = total_variation(np.full((4, 4, 3), 0.3), power)
        assert value == 0
        assert not slopes.any()
    assert alpha_norm(np.full((4, 4, 3), 0.5))[0] == 0
    assert alpha_norm(np.ones((4, 4, 3)))[0] == 3


def test_adam_is_that_of_pytorch() -> None:
    random = np.random.default_rng(1)
    ours, theirs = PICTURE.copy(), torch.from_numpy(PICTURE.copy()).requires_grad_()
    adam, torchs = Adam(0.03), torch.optim.Adam([theirs], lr=0.03, eps=1e-12)
    for _ in range(20):
        slopes = random.normal(size=PICTURE.shape) * 10 ** random.uniform(-3, 3)
        ours = ours + adam.step(slopes)
        theirs.grad = torch.from_numpy(slopes)
        torchs.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-10)


def test_of_the_shortest_wave_all_counts_and_of_a_long_one_little() -> None:
    rows, columns = np.mgrid[:8, :16]
    checks = ((rows + columns) % 2 - 0.5)[..., None] + 0.5
    stripes = (columns % 2 - 0.5)[..., None] + 0.5
    long = 0.5 + 0.5 * np.sin(2 * np.pi * columns / 16)[..., None]
    assert high_frequencies(checks)[0] == pytest.approx(0.25 * 2**2 / 2)  # both axes: twice the square of the frequency
    assert high_frequencies(stripes)[0] == pytest.approx(0.25)
    assert high_frequencies(long)[0] == pytest.approx(0.125 / 64)
    assert high_frequencies(np.full((5, 7, 3), 0.3))[0] == pytest.approx(0)


def test_the_blur_is_that_of_its_formula_and_keeps_edges() -> None:
    slow = np.zeros_like(PICTURE)
    for row, column in np.ndindex(6, 5):
        total, weights = np.zeros(3), 0.0
        for down in range(-2, 3):
            for right in range(-2, 3):
                y, x = row + down, column + right  # beyond the edge the picture goes on mirrored
                y, x = (-1 - y if y < 0 else 11 - y if y > 5 else y), (-1 - x if x < 0 else 9 - x if x > 4 else x)
                apart = ((PICTURE[y, x] - PICTURE[row, column]) ** 2).sum()
                weight = np.exp(-apart / (2 * 0.3**2) - (down**2 + right**2) / (2 * 1.2**2))
                total, weights = total + weight * PICTURE[y, x], weights + weight
        slow[row, column] = total / weights
    np.testing.assert_allclose(bilateral(PICTURE, 2, 1.2, 0.3), slow, rtol=1e-10)
    edge = np.where(np.arange(12) < 6, 0.1, 0.9)[None, :, None] * np.ones((12, 1, 3))
    noisy = edge + 0.03 * np.random.default_rng(0).normal(size=edge.shape)
    found = bilateral(noisy)
    assert np.abs(found - edge).max() < 0.06
    assert np.abs(found - edge).std() < 0.5 * np.abs(noisy - edge).std()
