"""Gradient descent: Adam, whose step has about the same size for every number, and the steepest step of a given size.

References:
    Kingma and Ba 2014, arXiv:1412.6980.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.floating[Any]]


class Descent(ABC):
    """Steps downhill.

    Args:
        rate: Size of a step, in the units of what is moved.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    @abstractmethod
    def step(self, slopes: Wide) -> Wide:
        """Return what is added, by the slopes of what is to become smaller."""


class Adam(Descent):
    """Steps downhill; it remembers the slopes of the steps before.

    Args:
        rate: Size of a step, in the units of what is moved.
        slow, slower: How much of the mean slope, and of the mean square, a step keeps.
    """

    def __init__(self, rate: float, slow: float = 0.9, slower: float = 0.999) -> None:
        super().__init__(rate)
        self._slow, self._slower = slow, slower
        self._mean: Wide | float = 0.0
        self._square: Wide | float = 0.0
        self._count = 0

    def step(self, slopes: Wide) -> Wide:
        self._count += 1
        self._mean = self._slow * self._mean + (1 - self._slow) * slopes
        self._square = self._slower * self._square + (1 - self._slower) * slopes**2
        mean = self._mean / (1 - self._slow**self._count)
        square = self._square / (1 - self._slower**self._count)
        return np.asarray(-self.rate * mean / (np.sqrt(square) + 1e-12))


class Steepest(Descent):
    """The step that goes down most among those of one size, along the slopes of the moment alone.

    Args:
        rate: Size of the step: the root mean square over all numbers (l2), or the largest move of any (linf).
        norm: l2 goes along the slopes; linf moves every number by the rate, against the sign of its slope.
    """

    def __init__(self, rate: float, norm: Literal["l2", "linf"] = "l2") -> None:
        super().__init__(rate)
        self._norm = norm

    def step(self, slopes: Wide) -> Wide:
        if self._norm == "linf":
            return np.asarray(-self.rate * np.sign(slopes))
        size = float(np.sqrt(np.mean(np.square(slopes))))
        return np.asarray(slopes * (-self.rate / size if size > 0 else 0))
