"""Pictures of which only the phases of the waves are searched for; how strong each wave is, is given and stays.

What makes shapes is where waves meet. With strengths as in photographs no search can pile up the short waves that a
network reacts to and nobody sees anything in.

References:
    Fel et al. 2023, arXiv:2306.06805 (MaCo).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from picasso.core.synthesis.parametrization import (
    FourierParameters,
    Parametrization,
    Wide,
    color_mix,
    logistic,
    sum_of,
    waves_of,
)


@dataclass(frozen=True, eq=False)
class PhaseParameters(Parametrization):
    """The phases of the waves, in radians, (h, w // 2 + 1, c), of a field that the logistic function makes a picture.

    Args:
        magnitudes: How strong each wave is, (h, w // 2 + 1, c), in the colors that are searched.
        width: Of the picture.
        colors: Whether the channels are red, green and blue, and are to be decorrelated.
        reverse: Whether they are in the order blue, green, red.
    """

    magnitudes: Wide
    width: int
    colors: bool = False
    reverse: bool = False

    @cached_property
    def _mix(self) -> Wide:
        return color_mix(self.magnitudes.shape[2], self.colors, self.reverse)

    def start(self, random: np.random.Generator, spread: float = 0.0) -> Wide:
        """Return phases drawn from the whole circle: of waves of these strengths there is no grey."""
        return random.uniform(-np.pi, np.pi, self.magnitudes.shape) + spread * random.normal(size=self.magnitudes.shape)

    def picture(self, parameters: Wide) -> Wide:
        field = sum_of(self.waves(parameters), self.width)
        return logistic(field @ self._mix.T.astype(parameters.dtype))

    def waves(self, parameters: Wide) -> NDArray[Any]:
        """Return the waves, (h, w // 2 + 1, c): of the given strengths, whatever the parameters."""
        turned = np.exp(1j * self._odd(parameters)).astype(np.result_type(parameters.dtype, np.complex64))
        return np.asarray(self.magnitudes.astype(parameters.dtype) * turned)

    def pull(self, parameters: Wide, slopes: Wide, made: Wide | None = None) -> Wide:
        made = self.picture(parameters) if made is None else made
        fields = (slopes.astype(parameters.dtype, copy=False) * made * (1 - made)) @ self._mix.astype(parameters.dtype)
        spectrum, waves = waves_of(fields) * self._twice.astype(parameters.dtype), self.waves(parameters)
        # A wave moves with its phase at a right angle to itself.
        return self._odd(waves.real * spectrum.imag - waves.imag * spectrum.real)

    def of(self, picture: Wide) -> Wide:
        inside = np.clip(picture, 1e-4, 1 - 1e-4)
        fields = np.log(inside / (1 - inside)) @ np.linalg.inv(self._mix).T
        return np.asarray(np.angle(waves_of(fields)))

    @cached_property
    def _twice(self) -> Wide:
        count = np.full((1, self.width // 2 + 1, 1), 2.0)
        count[:, 0] = 1
        if self.width % 2 == 0:
            count[:, -1] = 1
        return count

    def _odd(self, phases: Wide) -> Wide:
        """Return phases as the waves of a real picture have them.

        A wave straight down the picture, of which the half of the spectrum that is kept has both the one and its
        mirror image, has opposite phases in these; the mean color has none.
        """
        phases = phases.copy()
        for column in (0, -1) if self.width % 2 == 0 else (0,):
            mirrored = np.roll(phases[::-1, column], 1, axis=0)
            phases[:, column] = (phases[:, column] - mirrored) / 2
        return phases


def falling_magnitudes(shape: tuple[int, int, int], decay: float) -> Wide:
    """Return strengths that fall with the frequency to a power, such that the field's deviation is 1 in each color.

    Args:
        shape: (h, w, c) of the picture.
        decay: The power; 1 in photographs.
    """
    scale = FourierParameters(shape, decay=decay).scale[..., 0].copy()
    scale[0, 0] = 0  # of the mean color: it stays grey
    power = np.square(scale)
    power[:, 1 : (shape[1] + 1) // 2] *= 2
    return np.asarray(np.repeat(scale / np.sqrt(power.sum() / (shape[0] * shape[1])), shape[2], axis=2))


def measured_magnitudes(pictures: Iterable[Wide], colors: bool, reverse: bool) -> Wide:
    """Return the mean strengths of the waves of pictures, (h, w // 2 + 1, c), in the colors that are searched.

    Args:
        pictures: (h, w, c) in 0..1 each, at least one.
        colors: Whether they are to be decorrelated.
        reverse: Whether they are blue, green and red.
    """
    total, count = np.zeros(()), 0
    for picture in pictures:
        total = total + np.abs(waves_of(_field(picture) @ _unmixed(picture.shape[2], colors, reverse)))
        count += 1
    return np.asarray(total / count)


def _unmixed(channels: int, colors: bool, reverse: bool) -> Wide:
    return np.asarray(np.linalg.inv(color_mix(channels, colors, reverse)).T)


def _field(picture: Wide) -> Wide:
    """Return what the logistic function would have made a picture of, (h, w, c), without its mean."""
    inside = np.clip(picture, 1 / 255, 254 / 255)
    field = np.log(inside / (1 - inside))
    # The edges of a picture meet when it is taken apart into waves: a jump that is none of its own.
    height, width = picture.shape[:2]
    window = np.hanning(height + 2)[1:-1, None, None] * np.hanning(width + 2)[None, 1:-1, None]
    window /= np.sqrt(np.square(window).mean())
    return np.asarray((field - field.mean(axis=(0, 1))) * window)
