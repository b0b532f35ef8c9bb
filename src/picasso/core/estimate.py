"""What a long run will take, said before it starts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from picasso.core.facts import Capability
from picasso.core.maps.masking import MASKS_AT_ONCE
from picasso.core.model import Model
from picasso.core.preprocessing import Array

LONG = 10.0
"""Seconds from which on a run is long."""
FEWEST_STEPS = 32
"""Fewer steps say nothing of the time: each may hold a different number of passes."""
_BACKWARD = 2.5
"""What forward and backward take together, in forward passes."""
_COPIES = 4
"""Of a chunk of pictures: the kept and the absent part, their sum, and what the network is given."""

Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Estimate:
    """What a run is about to take.

    Args:
        passes: Passes through the network.
        seconds: How long they take, about.
        at_once: How many pictures are held at a time at most.
        megabytes: What these take, the network's own activations aside.
    """

    passes: int
    seconds: float
    at_once: int
    megabytes: float

    def __str__(self) -> str:
        long = f"{self.seconds:.0f} s" if self.seconds < 100 else f"{self.seconds / 60:.0f} min"
        return (
            f"about {self.passes:,} passes, some {long}, at most {self.at_once} pictures at a time "
            f"({self.megabytes:.0f} MB)"
        )


class Estimating:
    """Passes progress on, and says once what a long run will take, before its first step.

    Args:
        model: The model.
        x: The picture, (1, ...).
        needs: What the visualization needs; gradients take longer than scores.
        seconds: What the first pass took: an upper bound, since much is made ready then.
        report: Where progress goes.
        announce: Called with the estimate; where nobody listens, the first message of the progress says it.
    """

    def __init__(
        self,
        model: Model,
        x: Array,
        needs: frozenset[Capability],
        seconds: float,
        report: Report,
        announce: Callable[[Estimate], None] | None = None,
    ) -> None:
        self._model, self._x, self._seconds = model, x, seconds
        self._each = _BACKWARD if Capability.GRADIENTS in needs else 1.0
        self._report, self._announce, self._begun = report, announce, False

    def __call__(self, done: int, total: int, message: str = "") -> None:
        if not self._begun and done == 0 and total >= FEWEST_STEPS:
            self._begun = True
            estimate = self._estimate(total)
            if estimate is not None and self._announce is not None:
                self._announce(estimate)
            elif estimate is not None:
                message = f"{message}: {estimate}" if message else str(estimate)
        self._report(done, total, message)

    def _estimate(self, total: int) -> Estimate | None:
        """Return what so many passes take; None where that is not long."""
        if total * self._each * self._seconds < LONG:
            return None
        started = time.perf_counter()
        self._model.predict(self._x)  # warm now: one pass more among many
        seconds = total * self._each * min(self._seconds, time.perf_counter() - started)
        if seconds < LONG:
            return None
        at_once = max(MASKS_AT_ONCE, self._model.batch_size)
        return Estimate(total, seconds, at_once, at_once * _COPIES * self._x.nbytes / 2**20)
