"""The pairs of pictures that show a finding, and the pictures that it is about."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np

from picasso.auditing.effects import Table
from picasso.auditing.experiment import Experiment
from picasso.auditing.showing import pairs_of, pictures_of
from tests.auditing.making import SKY, effect


def _experiment(labels: list[int]) -> Experiment:
    """Return what is asked of an experiment of which only names and classes matter."""
    examples = [SimpleNamespace(name=f"{number}.png") for number in range(len(labels))]
    return cast(Experiment, SimpleNamespace(gallery=SimpleNamespace(examples=examples, labels=labels)))


def test_only_what_is_answered_rightly_as_it_is_can_flip() -> None:
    table = Table.empty(1, 4, 1)
    # Right under the sham and wrong under the treatment; the last keeps its answer.
    table.margin[0, :, 0] = [(2, -1), (2, -1), (2, -3), (2, 1)]
    found = pictures_of(0, table, range(4), _experiment([0, 1, 1, 0]), np.array([0, 0, 1, 0]), 2.0)
    assert [(one.name, one.flips) for one in found] == [
        ("2.png", True),
        ("0.png", True),
        ("1.png", False),  # of class 1, and answered 0 as it is
        ("3.png", False),
    ]


def test_what_could_be_made_of_no_picture_has_no_pairs_and_warns_of_nothing() -> None:
    table, base = Table.empty(1, 3, 1), np.array([1.0, 2.0, -1.0])
    assert list(pairs_of(_experiment([0, 1, 0]), [(0, effect(SKY, 0.0))], table, base, {})) == []
    table.margin[0, 2, 0] = (1, -1)  # the only one is answered wrongly
    assert list(pairs_of(_experiment([0, 1, 0]), [(0, effect(SKY, 0.0))], table, base, {})) == []
