"""Fine detail of a picture: what is left of it without its slow changes, and how much of it there is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from picasso.core.intervention import Pixels, Seen
from picasso.core.tones import Plane, luminance

_LEAST = 0.02
"""Share of a picture that must be background before its noise is measured there."""


def smoothed(values: Plane, sigma: float) -> Plane:
    """Return values (h, w) or (h, w, c) under a Gaussian, standard deviation in pixels."""
    found = values
    for axis in (0, 1):
        found = ndimage.gaussian_filter1d(found, sigma, axis, truncate=3.0)
    return found


def noise_level(view: Pixels, context: NDArray[np.bool_]) -> float | None:
    """Return the standard deviation of a picture's noise where it is flat, in tones; None where too little is seen.

    Reference: Immerkær 1996, Fast Noise Variance Estimation: a mask that neither slopes nor straight edges answer to.
    The median over the flatter half of the background keeps texture out.
    """
    tones = luminance(view)
    answer = ndimage.convolve1d(ndimage.convolve1d(tones, _RIPPLE, 0), _RIPPLE, 1)
    even = ndimage.uniform_filter(tones, 5)
    slopes = ndimage.maximum_filter(even, 3) - ndimage.minimum_filter(even, 3)
    inner = ndimage.minimum_filter(context, 3, mode="constant")
    # What is clipped has no noise left.
    inner &= (tones > 4) & (tones < 251)
    if inner.mean() < _LEAST:
        return None
    flat = inner & (slopes <= np.median(slopes[inner]))
    return float(np.median(np.abs(answer[flat]))) / (0.6745 * 6)


_RIPPLE = np.array([1, -2, 1], np.float32)


def spectrum(plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies, cycles per pixel, and the power of a plane (h, w) at them, summed over directions."""
    height, width = plane.shape
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1]).astype(np.float32)
    mean = float((plane * window).sum() / window.sum())
    power = np.abs(fft.rfft2((plane - mean) * window)) ** 2
    down, right = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    bins = np.minimum((np.hypot(down, right) * 2 * _BINS).astype(int), _BINS - 1)
    # Frequencies beyond half a cycle lie in the corners alone; they count with the last.
    sums = np.bincount(bins.ravel(), power.ravel(), _BINS)
    return (np.arange(_BINS) + 0.5) / (2 * _BINS), sums


_BINS = 64


def sharpness(seen: Seen) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the spectrum of a picture's background; None where its object covers too much."""
    return None if seen.plate is None else spectrum(luminance(seen.plate))
