"""Fine detail of a picture: what is left of it without its slow changes, and how much of it there is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from picasso.core.interventions.intervention import EDGE, Pixels, Seen
from picasso.core.interventions.pasting import grown
from picasso.core.interventions.tones import Plane, luminance

_LEAST = 0.02
"""Share of a picture that must be background before its detail is measured there."""
_RIPPLE = np.array([1, -2, 1], np.float32)
_BINS = 64
_EDGE = 3
"""Standard deviation of the edge of the window that hides the object, pixels."""


def smoothed(values: Plane, sigma: float) -> Plane:
    """Return values (h, w) or (h, w, c) under a Gaussian, standard deviation in pixels."""
    from scipy import ndimage

    found = values
    for axis in (0, 1):
        found = ndimage.gaussian_filter1d(found, sigma, axis, truncate=3.0)
    return found


def noise_level(view: Pixels, context: NDArray[np.bool_]) -> float | None:
    """Return the standard deviation of a picture's noise where it is flat, in tones; None where too little is seen.

    Reference: Immerkær 1996, Fast Noise Variance Estimation: a mask that neither slopes nor straight edges answer to.
    The median over the flatter half of the background keeps texture out.
    """
    from scipy import ndimage

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


def spectrum(seen: Seen) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return frequencies, cycles per pixel, and the power of a background at them, summed over directions.

    None where too little of it is seen. A window hides the edges of the picture, where frames lie, and the object, so
    softly that it is not taken for detail; a filled background would show the sharpness of the seams.
    """
    from scipy import fft

    height, width = seen.size
    window = np.outer(_bell(height), _bell(width)).astype(np.float32)
    if seen.around.any():
        window *= smoothed((~grown(seen.around, 2 * _EDGE)).astype(np.float32), _EDGE)
    total = float(window.sum())
    if total < _LEAST * height * width:
        return None
    tones = luminance(seen.view)
    mean = float((tones * window).sum()) / total
    power = np.abs(fft.rfft2((tones - np.float32(mean)) * window)) ** 2
    down, right = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    bins = np.minimum((np.hypot(down, right) * 2 * _BINS).astype(int), _BINS - 1)
    # Frequencies beyond half a cycle lie in the corners alone; they count with the last.
    sums = np.bincount(bins.ravel(), power.ravel(), _BINS).astype(np.float64)
    return (np.arange(_BINS) + 0.5) / (2 * _BINS), sums


def _bell(length: int) -> NDArray[np.float64]:
    """Return weights that fall to 0 toward the edges of the middle, float64 (length,); see `Seen.middle`."""
    from scipy.signal import windows

    edge = round(EDGE * length)
    return np.pad(windows.tukey(length - 2 * edge + 2)[1:-1], edge)
