"""Draws data sets of planted scenes: pictures, masks, labels, and how every kind of proxy lies in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from picasso.demo.noise import stream
from picasso.demo.planted.kind import SIZE, Mask, Shown, Traits, where
from picasso.demo.planted.kinds import KINDS
from picasso.demo.planted.picture import picture
from picasso.demo.planted.things import THINGS


@dataclass(frozen=True, eq=False)
class Scenes:
    """Pictures and everything that is true of them.

    Attributes:
        pixels: (n, 64, 64, 3) uint8 RGB.
        masks: where the object shows, at least in part, (n, 64, 64) bool.
        labels: the class of each, (n,) int64.
        classes: their names.
        values: by the name of a kind: which of its two ways each picture is, (n,) int64, 0 or 1.
        shown: what shows where, (n, 64, 64) flags of `Shown`.
    """

    pixels: npt.NDArray[np.uint8]
    masks: Mask
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    values: Mapping[str, npt.NDArray[np.int64]]
    shown: npt.NDArray[np.uint8]

    def footprint(self, name: str) -> Mask:
        """Where a kind may show in these pictures, (n, 64, 64); outside of it flipping it changes no pixel."""
        return self._spread(KINDS[name].footprint(self.shown), list(KINDS).index(name))

    def _spread(self, changed: Mask, place: int) -> Mask:
        for later in list(KINDS.values())[place + 1 :]:
            on = self.values[later.name][:, None, None] == 1
            changed = np.where(on, later.spread(changed), changed)
        return changed


def level(label: int, classes: int) -> int:
    """The value that a tied kind has for a class: 0 for the first half of the classes, 1 for the second."""
    return int(2 * label >= classes)


def scenes(
    n: int,
    seed: int,
    classes: int = 2,
    ties: Mapping[str, float] | None = None,
    flipped: Collection[str] = (),
) -> Scenes:
    """Draws scenes in which some kinds of proxies are tied to the class and the others are fair coins.

    Args:
        n: how many; the classes take turns.
        seed: >= 0; equal seeds draw equal scenes.
        classes: how many, 2 to 6.
        ties: by the name of a kind its strength: the share of pictures in which it agrees with the class, 0.5 (says
            nothing) to 1. A kind has two values: with more than two classes it tells one half of them from the other.
        flipped: names of kinds that take their other value in every picture; all else stays as it is.

    Raises:
        ValueError: On a kind that there is not, a strength or a number of classes out of range.
    """
    ties = ties or {}
    if unknown := {*ties, *flipped} - set(KINDS):
        raise ValueError(f"There is no kind {sorted(unknown)[0]!r}; known: {', '.join(KINDS)}.")
    if bad := [strength for strength in ties.values() if not 0.5 <= strength <= 1]:
        raise ValueError(f"A strength must be in [0.5, 1]. Got {bad[0]}.")
    if not 2 <= classes <= len(THINGS):
        raise ValueError(f"classes must be in [2, {len(THINGS)}]. Got {classes}.")
    names = tuple(THINGS)[:classes]
    pixels = np.empty((n, SIZE, SIZE, 3), np.uint8)
    shown = np.empty((n, SIZE, SIZE), np.uint8)
    labels = np.arange(n, dtype=np.int64) % classes
    values = {name: np.empty(n, np.int64) for name in KINDS}
    for i in range(n):
        own = seed * 1_000_003 + i
        streams = {name: stream(own, f"kind {name}") for name in KINDS}
        traits = Traits()
        for name, kind in KINDS.items():
            coin, luck = int(streams[name].random() < 0.5), streams[name].random()
            # Tied in 2 rho - 1 of the pictures and a fair coin in the others, it agrees with the class in rho of all.
            tied = luck < 2 * ties.get(name, 0.5) - 1
            values[name][i] = (level(int(labels[i]), classes) if tied else coin) ^ (name in flipped)
            traits = kind.plan(traits, int(values[name][i]), streams[name])
        drawn, shown[i] = picture(own, names[labels[i]], traits)
        for name, kind in KINDS.items():
            drawn = kind.finish(drawn, int(values[name][i]), streams[name])
        pixels[i] = np.clip(np.rint(drawn), 0, 255)
    return Scenes(pixels, where(shown, Shown.OBJECT), labels, names, values, shown)
