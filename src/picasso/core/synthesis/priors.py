"""What is asked of a picture for its own sake, whatever a network says of it: that it is smooth, and near grey.

References:
    Mahendran and Vedaldi 2015, arXiv:1412.0035, sections 3 and 3.1.
    Olah, Mordvintsev and Schubert 2017, doi:10.23915/distill.00007 (frequency penalization).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.floating[Any]]


def total_variation(picture: Wide, power: float = 2.0) -> tuple[float, Wide]:
    """Return how much neighboring pixels differ, and its slopes.

    Args:
        picture: (h, w, c) in 0..1.
        power: Of the length of the step to the neighbors below and on the right; 2 spreads steps, 1 keeps edges.

    Returns:
        The mean over the pixels of the sum over the channels of that power, and the derivative by each number.
    """
    down, across = np.zeros_like(picture), np.zeros_like(picture)
    down[:-1] = np.diff(picture, axis=0)
    across[:, :-1] = np.diff(picture, axis=1)
    square = down**2 + across**2
    pixels = picture.shape[0] * picture.shape[1]
    if power == 2:
        factor = np.full_like(square, 2.0)
    else:  # of no step at all there is no direction
        factor = power * np.where(square > 0, square, 1) ** (power / 2 - 1) * (square > 0)
    down, across = down * factor, across * factor
    slopes = -down - across
    slopes[1:] += down[:-1]
    slopes[:, 1:] += across[:, :-1]
    return float((square ** (power / 2)).sum() / pixels), slopes / pixels


def alpha_norm(picture: Wide, alpha: float = 6.0) -> tuple[float, Wide]:
    """Return how far a picture is from middle grey, and its slopes.

    Args:
        picture: (h, w, c) in 0..1.
        alpha: The power: the larger, the freer are middle tones and the harder black and white are avoided.

    Returns:
        The mean over the pixels of the sum over the channels of abs(2 picture - 1) ** alpha: 1 for each channel that is
        black or white everywhere; and the derivative by each number.
    """
    far = 2 * picture - 1
    pixels = picture.shape[0] * picture.shape[1]
    size = np.abs(far)
    return float((size**alpha).sum() / pixels), 2 * alpha * np.sign(far) * size ** (alpha - 1) / pixels


def high_frequencies(picture: Wide) -> tuple[float, Wide]:
    """Return how much of a picture lies in short waves, and its slopes.

    Args:
        picture: (h, w, c) in 0..1.

    Returns:
        The mean over the pixels of the sum over the channels of the squares of what is left of each wave when it is
        scaled by its frequency, 1 for the shortest along an axis (two pixels); and the derivative by each number.
    """
    height, width = picture.shape[:2]
    down, across = 2 * np.fft.fftfreq(height)[:, None], 2 * np.fft.rfftfreq(width)[None]
    spectrum = np.fft.rfft2(picture, axes=(0, 1)) * (down**2 + across**2)[..., None]
    # The square of a wave's length is its product with the same wave weighed by the square of its frequency.
    weighed = np.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    pixels = height * width
    return float((picture * weighed).sum() / pixels), np.asarray(2 * weighed / pixels, picture.dtype)
