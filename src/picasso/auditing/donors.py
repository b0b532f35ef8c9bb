"""From which pictures a property is taken: one of the same class for the sham, one of another for the treatment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

TRIES = 3
"""Pairs of donors for each picture: where the first cannot give a property, the next is asked."""


@dataclass(frozen=True)
class Donors:
    """The pictures that one picture takes properties from, in the order in which they are asked.

    Args:
        same: Numbers of pictures of its class, never itself.
        other: Numbers of pictures of other classes, as many. Both are empty where there are none.
    """

    same: tuple[int, ...]
    other: tuple[int, ...]


def draw_donors(labels: Mapping[int, int], seed: int, turn: int = 0) -> dict[int, Donors]:
    """Draw the donors of every picture, by its number.

    The other class is drawn first, every one with equal chance, then the picture in it, so that a frequent class is
    not the treatment of all others.

    Args:
        labels: The class of each audited picture, by its number; at least two classes. No two of them look the same:
            the audit leaves out copies.
        seed: Of what is drawn; each picture's donors depend on it, its number and the turn, and on nothing that was
            drawn before.
        turn: Which of several draws, from 0.
    """
    members = {label: [one for one in labels if labels[one] == label] for label in sorted(set(labels.values()))}
    drawn = {}
    for number, label in labels.items():
        rng = np.random.default_rng((seed, number, turn))
        alike = [int(one) for one in rng.permutation(members[label]) if one != number]
        others = [found for other, found in members.items() if other != label]
        if not alike or not others:
            drawn[number] = Donors((), ())
            continue
        chosen = tuple(int(rng.choice(others[rng.integers(len(others))])) for _ in range(TRIES))
        drawn[number] = Donors(tuple(alike[place % len(alike)] for place in range(TRIES)), chosen)
    return drawn
