"""What the tests of perturbation methods share: models with a closed form, and games played by brute force."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import torch
from torch import nn

import picasso
from picasso.core.attribution import Attribution
from picasso.core.model import Model
from tests.models.networks import Plain, seeded

RNG = np.random.default_rng(5)
PICTURE = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
PICTURE[4:12, 6:16] //= 3
X = PICTURE / np.float32(255)
WEIGHTS = RNG.normal(size=(20, 30, 3, 4)).astype(np.float32)
PLAIN = picasso.Preprocessing(size=(20, 30))


def linear(**choices: Any) -> Model:
    """Return a model whose scores are a weighted sum of the pixels."""
    return picasso.load_model(
        lambda x: np.tensordot(x, WEIGHTS, 3),
        labels=["tank", "truck", "shed", "boulder"],
        preprocessing=PLAIN,
        **choices,
    )


def effects(absent: Any, target: int) -> np.ndarray:
    """Return what each pixel adds to a linear model's score, (h, w)."""
    return ((X - absent) * WEIGHTS[..., target]).sum(-1)


def curved(batch_size: int | None = None) -> Model:
    """Return a small network with batch norm and ReLUs."""
    return picasso.load_model(seeded(Plain).eval(), preprocessing=PLAIN, batch_size=batch_size)


def network() -> nn.Module:
    """Return the network of `curved`."""
    return seeded(Plain).eval()


def tensor(x: np.ndarray) -> torch.Tensor:
    """Return (h, w, c) or (n, h, w, c) as a batch of channels first."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x if x.ndim == 4 else x[None], -1, 1), np.float32))


def scores(x: np.ndarray) -> np.ndarray:
    """Return the network's scores of (n, h, w, c)."""
    with torch.no_grad():
        return network()(tensor(x)).numpy()


def result(model: Model, name: str, **choices: Any) -> picasso.Result:
    """Explain the picture."""
    found = picasso.explain(model, PICTURE, name, cache=False, **choices)
    assert isinstance(found, picasso.Result)
    return found


def attribution(model: Model, name: str, **choices: Any) -> Attribution:
    """Explain the picture, and return the first map."""
    return result(model, name, **choices).attributions[0]


def shapley(worth: Callable[[frozenset[int]], float], players: int) -> np.ndarray:
    """Return Shapley values by going through all orders of the players."""
    total, orders = np.zeros(players), list(permutations(range(players)))
    known: dict[frozenset[int], float] = {}
    for order in orders:
        there: frozenset[int] = frozenset()
        for player in order:
            more = there | {player}
            for one in (there, more):
                if one not in known:
                    known[one] = worth(one)
            total[player] += known[more] - known[there]
            there = more
    return total / len(orders)
