"""What a picture that is searched for is made of: its pixels, or waves of decorrelated colors.

Gradient descent moves what it is given. Given pixels it moves each by itself, and makes grain; given waves, long ones
as readily as they occur in photographs, and colors that vary independently there, it finds shapes first.

Parameters in single precision make pictures in single precision, in a fraction of the time.

References:
    Olah, Mordvintsev and Schubert 2017, doi:10.23915/distill.00007 (appendix "Preconditioning and parameterization").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.floating[Any]]
COLORS = np.array(
    [
        [0.997, -0.287, 0.070],
        [0.979, 0.038, -0.164],
        [0.922, 0.269, 0.098],
    ]
)
"""Red, green and blue (rows) of three colors that vary independently of each other in photographs, as they vary there.

The principal axes of log(p / (1 - p)) over the pixels of 127 photographs of animals, people and clothes, p in 0..1,
each scaled by its deviation, so that a row's mean square is 1: brightness, blue against red, green against both.
"""
_WITHIN = 1e-4
"""A picture's black and white are no numbers to the logistic function; they are moved in by so much."""
_CONTRAST = 0.25
"""Where nothing squashes the sum of the waves: what 1 is in the picture, as by the logistic function around grey."""


class Parametrization(ABC):
    """Numbers that are searched, and the picture (h, w, c) in 0..1 that they make."""

    @abstractmethod
    def start(self, random: np.random.Generator, spread: float = 0.0) -> Wide:
        """Return the parameters of middle grey, with noise.

        Args:
            random: Where the noise comes from.
            spread: Its standard deviation, in the parameters' own units.
        """

    @abstractmethod
    def picture(self, parameters: Wide) -> Wide:
        """Return the picture, (h, w, c) in 0..1."""

    @abstractmethod
    def pull(self, parameters: Wide, slopes: Wide, made: Wide | None = None) -> Wide:
        """Return the derivative by the parameters of what has these slopes (h, w, c) by the picture.

        Args:
            parameters: Where.
            slopes: The derivative by the picture.
            made: The picture of these parameters, where it is there already.
        """

    @abstractmethod
    def of(self, picture: Wide) -> Wide:
        """Return parameters of a picture (h, w, c) in 0..1."""

    def bounded(self, parameters: Wide) -> Wide:
        """Return the nearest parameters that make a picture; by default all do."""
        return parameters


@dataclass(frozen=True)
class PixelParameters(Parametrization):
    """Every number of the picture by itself.

    Args:
        shape: (h, w, c).
    """

    shape: tuple[int, int, int]

    def start(self, random: np.random.Generator, spread: float = 0.0) -> Wide:
        return self.bounded(0.5 + spread * random.normal(size=self.shape))

    def picture(self, parameters: Wide) -> Wide:
        return parameters

    def pull(self, parameters: Wide, slopes: Wide, made: Wide | None = None) -> Wide:
        return slopes

    def of(self, picture: Wide) -> Wide:
        return picture

    def bounded(self, parameters: Wide) -> Wide:
        return np.clip(parameters, 0, 1)


@dataclass(frozen=True)
class FourierParameters(Parametrization):
    """Waves, by the real and imaginary part of each, in decorrelated colors.

    A wave's amplitude is its parameter divided by its frequency to the power `decay`: parameters that are all alike
    make a picture with the spectrum of a photograph.

    Args:
        shape: (h, w, c).
        colors: Whether the channels are red, green and blue, and are to be decorrelated.
        reverse: Whether they are in the order blue, green, red.
        decay: How the amplitude falls with the frequency; 1 in photographs, 0 for none.
        squash: Whether the logistic function keeps 0..1. It never leaves them, but hardly moves near black and white:
            what once became black tends to stay so. Else the sum of the waves is the picture, and `bounded` clips it.
    """

    shape: tuple[int, int, int]
    colors: bool = False
    reverse: bool = False
    decay: float = 1.0
    squash: bool = True

    @cached_property
    def scale(self) -> Wide:
        """The amplitude of each wave, (h, w // 2 + 1, 1, 1), such that noise of deviation 1 makes a field of 1."""
        height, width, _ = self.shape
        down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
        # Of the mean color the frequency is 0; it counts as the longest wave.
        frequency = np.maximum(np.hypot(down, across), 1 / max(height, width))
        amplitude = frequency**-self.decay
        power = (amplitude**2 * self._twice).sum() / (height * width)
        return np.asarray(amplitude / np.sqrt(power))[..., None, None]

    @cached_property
    def _twice(self) -> Wide:
        """How many waves of the whole spectrum each of the half that is kept stands for, (w // 2 + 1,)."""
        width = self.shape[1]
        count = np.full(width // 2 + 1, 2.0)
        count[0] = 1
        if width % 2 == 0:
            count[-1] = 1
        return count

    @cached_property
    def _mix(self) -> Wide:
        return color_mix(self.shape[2], self.colors, self.reverse)

    def start(self, random: np.random.Generator, spread: float = 0.0) -> Wide:
        height, width, channels = self.shape
        return spread * random.normal(size=(height, width // 2 + 1, channels, 2))

    def picture(self, parameters: Wide) -> Wide:
        field = self._field(parameters)
        return logistic(field) if self.squash else 0.5 + _CONTRAST * field

    def pull(self, parameters: Wide, slopes: Wide, made: Wide | None = None) -> Wide:
        made = self.picture(parameters) if made is None else made
        slopes = slopes.astype(parameters.dtype, copy=False)
        fields = slopes * (made * (1 - made) if self.squash else _CONTRAST)
        spectrum = waves_of(fields @ self._mix.astype(parameters.dtype))
        return _parts(spectrum) * self._slopes.astype(parameters.dtype)

    def of(self, picture: Wide) -> Wide:
        inside = np.clip(picture, _WITHIN, 1 - _WITHIN)
        field = np.log(inside / (1 - inside)) if self.squash else (picture - 0.5) / _CONTRAST
        fields = field @ np.linalg.inv(self._mix).T
        return np.asarray(_parts(waves_of(fields)) / self.scale)

    def bounded(self, parameters: Wide) -> Wide:
        if self.squash:
            return parameters
        made = self.picture(parameters)
        if made.min() >= 0 and made.max() <= 1:
            return parameters
        return self.of(np.clip(made, 0, 1))

    @cached_property
    def _slopes(self) -> Wide:
        """How the sum of the waves moves with each parameter: a wave of the half stands for its mirror image, too."""
        return np.asarray(self.scale * self._twice[:, None, None])

    def _field(self, parameters: Wide) -> Wide:
        """Return the sum of the waves, (h, w, c)."""
        scaled = np.ascontiguousarray(parameters * self.scale.astype(parameters.dtype))
        waves = scaled.view(np.result_type(parameters.dtype, np.complex64))[..., 0]
        return sum_of(waves, self.shape[1]) @ self._mix.T.astype(parameters.dtype)


def color_mix(channels: int, colors: bool, reverse: bool) -> Wide:
    """Return the network's channels (rows) by the colors that are searched."""
    if not colors or channels != 3:
        return np.eye(channels)
    return COLORS[::-1] if reverse else COLORS


def waves_of(fields: Wide) -> NDArray[Any]:
    """Return the waves (h, w // 2 + 1, c) of which fields (h, w, c) are made, as long together as these."""
    # One channel after the other in memory is several times faster.
    spectrum = np.fft.rfft2(np.ascontiguousarray(np.moveaxis(fields, -1, 0)), norm="ortho")
    return np.moveaxis(spectrum, 0, -1)


def sum_of(waves: NDArray[Any], width: int) -> Wide:
    """Return the fields (h, w, c) of which these are the waves (h, w // 2 + 1, c)."""
    field = np.fft.irfft2(np.ascontiguousarray(np.moveaxis(waves, -1, 0)), s=(len(waves), width), norm="ortho")
    return np.moveaxis(field, 0, -1)


def logistic(values: Wide) -> Wide:
    """Return 1 / (1 + exp(-values)), also where the power is too large to be a number."""
    with np.errstate(over="ignore"):  # an infinite power makes the 0 that is meant
        return np.asarray(1 / (1 + np.exp(-values)))


def _parts(waves: NDArray[Any]) -> Wide:
    return np.stack([waves.real, waves.imag], axis=-1)
