"""Which models the benchmark trains: a fractional design over kinds, strengths, networks, classes and seeds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import count

from picasso.demo.planted.kinds import KINDS

STRENGTHS = (1.0, 0.95, 0.9, 1.0, 0.8, 0.95, 0.9, 0.7)
"""Turns: the weak ties less often, as most models that were given one learn the object instead."""
# Twice as many small networks as others: they train ten times as fast.
NETWORK_TURNS = ("small-cnn", "resnet18", "small-cnn", "tiny-vit")
PAIRS = (
    ("sky", "watermark"),
    ("border", "color-cast"),
    ("object-size", "object-tone"),
    ("background-texture", "co-occurring-object"),
    ("object-position", "high-frequency-noise"),
    ("jpeg", "object-texture"),
)
"""Kinds that are tied at the same time, each pair within one half of the kinds."""


class Sort(StrEnum):
    """What was done to a model.

    planted: its data tied a kind to the class. clean: no data did. innocent: trained without, but audited on data that
    ties one. poor: as innocent, from a fifth of the pictures. random: trained on tied data with labels that go with
    nothing.
    """

    PLANTED = "planted"
    CLEAN = "clean"
    INNOCENT = "innocent"
    POOR = "poor"
    RANDOM = "random"


@dataclass(frozen=True)
class Case:
    """One model and the data that it is audited on.

    Attributes:
        sort: what was done to it.
        kinds: names of the kinds that its data ties; empty for a clean one.
        rho: how strongly, 0.5 to 1.
        classes: how many.
        network: a key of `NETWORKS`.
        seed: of data, weights and order.
    """

    sort: Sort
    kinds: tuple[str, ...]
    rho: float
    classes: int
    network: str
    seed: int

    @property
    def planted(self) -> bool:
        """Whether a wrong reason was given to it."""
        return self.sort is Sort.PLANTED

    @property
    def ties(self) -> dict[str, float]:
        """How its pictures are tied where it is audited."""
        return dict.fromkeys(self.kinds, self.rho)

    @property
    def training_ties(self) -> dict[str, float]:
        """How its pictures are tied where it is trained."""
        return self.ties if self.sort in (Sort.PLANTED, Sort.RANDOM) else {}

    @property
    def seen(self) -> bool | None:
        """Whether its kinds were known while the battery was written; None where none is tied."""
        return all(KINDS[name].seen for name in self.kinds) if self.kinds else None

    @property
    def key(self) -> str:
        """A digest of all of this."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]


def design(planted: int = 150, controls: int = 150) -> tuple[Case, ...]:
    """The cases, planted and controls by turns; a beginning of the design is a smaller design.

    Args:
        planted, controls: how many of each.
    """
    tied = [_tied(number) for number in range(max(planted, controls))]
    made = []
    for number in range(max(planted, controls)):
        if number < planted:
            made.append(tied[number])
        if number < controls:
            made.append(_control(number, tied[number]))
    return tuple(made)


def _tied(number: int) -> Case:
    """Every fifth case ties a pair; from turn to turn of a kind everything else changes, at its own pace."""
    names = tuple(KINDS)
    singles, pairs = number - number // 5, number // 5
    if number % 5 == 4:
        which, turn = pairs % len(PAIRS), pairs // len(PAIRS)
        kinds = PAIRS[which]
    else:
        # Both halves by turns, so that a part of the design has something of each.
        place, turn = singles % len(names), singles // len(names)
        which = place // 2 + len(names) // 2 * (place % 2)
        kinds = (names[which],)
    rho = STRENGTHS[(3 * turn + which) % len(STRENGTHS)]
    network = NETWORK_TURNS[(turn + which) % len(NETWORK_TURNS)]
    classes = 6 if (turn + which // 2) % 3 == 2 else 2
    return Case(Sort.PLANTED, kinds, rho, classes, network, number)


def _control(number: int, twin: Case) -> Case:
    """As its planted twin, but honest: six of ten innocent or clean, a few poor, a few with random labels."""
    sort = (
        Sort.CLEAN,
        Sort.INNOCENT,
        Sort.INNOCENT,
        Sort.CLEAN,
        Sort.POOR,
        Sort.INNOCENT,
        Sort.CLEAN,
        Sort.RANDOM,
        Sort.INNOCENT,
        Sort.CLEAN,
    )[number % 10]
    seed = 1000 + number
    if sort is Sort.CLEAN:
        return Case(sort, (), 0.5, twin.classes, twin.network, seed)
    return Case(sort, twin.kinds, twin.rho, twin.classes, twin.network, seed)


def small() -> tuple[Case, ...]:
    """Four cases for the tests, the fastest that there are."""
    numbers = count(7000)
    return (
        Case(Sort.PLANTED, ("sky",), 1.0, 2, "small-cnn", next(numbers)),
        Case(Sort.INNOCENT, ("sky",), 1.0, 2, "small-cnn", next(numbers)),
        Case(Sort.PLANTED, ("watermark",), 1.0, 2, "small-cnn", next(numbers)),
        Case(Sort.RANDOM, ("border",), 0.9, 2, "small-cnn", next(numbers)),
    )
