"""Adam: gradient descent whose step has the same size for every number, whatever the size of its slopes.

References:
    Kingma and Ba 2014, arXiv:1412.6980.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Wide = NDArray[np.float64]


class Adam:
    """Steps downhill; it remembers the slopes of the steps before.

    Args:
        rate: Size of a step, in the units of what is moved.
        slow, slower: How much of the mean slope, and of the mean square, a step keeps.
    """

    def __init__(self, rate: float, slow: float = 0.9, slower: float = 0.999) -> None:
        self.rate, self._slow, self._slower = rate, slow, slower
        self._mean: Wide | float = 0.0
        self._square: Wide | float = 0.0
        self._count = 0

    def step(self, slopes: Wide) -> Wide:
        """Return what is added, by the slopes of what is to become smaller."""
        self._count += 1
        self._mean = self._slow * self._mean + (1 - self._slow) * slopes
        self._square = self._slower * self._square + (1 - self._slower) * slopes**2
        mean = self._mean / (1 - self._slow**self._count)
        square = self._square / (1 - self._slower**self._count)
        return np.asarray(-self.rate * mean / (np.sqrt(square) + 1e-12))
