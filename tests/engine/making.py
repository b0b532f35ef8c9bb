"""What random graphs are made with: choices, numbers, and maps that fit each other."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from picasso.core import graph as g


class Making:
    """Builds one graph, a random operation after another."""

    def __init__(self, choose: random.Random) -> None:
        self.choose = choose
        self.numbers = np.random.default_rng(choose.randint(0, 2**16))
        self.build = g.Builder()
        self.maps: list[str] = []

    # --- choices and numbers ---------------------------------------------------------------------------------

    def between(self, low: int, high: int) -> int:
        return self.choose.randint(low, high)

    def pair(self, low: int, high: int) -> g.Pair:
        """Return two numbers, more often than not the same."""
        one = self.between(low, high)
        return (one, one) if self.between(0, 2) else (one, self.between(low, high))

    def normal(self, *shape: int, size: float = 1.0) -> np.ndarray:
        return (self.numbers.normal(size=shape) * size).astype(np.float32)

    def around_one(self, *shape: int) -> np.ndarray:
        return self.numbers.uniform(0.5, 1.5, shape).astype(np.float32)

    # --- values ----------------------------------------------------------------------------------------------

    @property
    def last(self) -> str:
        return self.maps[-1]

    def shape(self, name: str | None = None) -> g.Shape:
        return self.build.shape(name or self.last)

    def add(self, kind: type[g.Op], inputs: list[str], **given: object) -> str:
        return self.build.add(kind, inputs, **given)

    def follow(self, kind: type[g.Op], *others: str, **given: object) -> str:
        """Add a map made of the last one and others."""
        name = self.add(kind, [self.last, *others], **given)
        self.maps.append(name)
        return name

    def earlier(self, fits: Callable[[g.Shape], bool]) -> str | None:
        """Return an earlier map whose shape fits, or None."""
        found = [name for name in self.maps[:-1] if fits(self.shape(name))]
        return self.choose.choice(found) if found else None

    def matched(self, channels: int | None) -> str | None:
        """Return a map of the last one's sides: an earlier one, or one made for it; with as many channels, if given."""
        own = self.shape()
        other = self.earlier(lambda shape: shape[1:] == own[1:] and channels in (None, shape[0]))
        if other is not None and self.between(0, 3):
            return other
        source = self.earlier(lambda shape: shape[1:] == own[1:]) or self.last
        return self.convolved(source, channels or self.between(1, 6), (1, 1))

    def convolved(self, source: str, channels: int, kernel: g.Pair, **given: object) -> str:
        weight = self.normal(channels, self.shape(source)[0], *kernel)
        weight /= np.sqrt(weight[0].size)
        bias = self.normal(channels, size=0.3) if self.between(0, 1) else None
        return self.add(g.Conv, [source], weight=weight, bias=bias, **given)
