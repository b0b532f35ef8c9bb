"""No method holds more than a chunk of perturbed inputs, whatever its settings."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.maps.masking import MASKS_AT_ONCE
from picasso.core.model import Model

SIDE = 48
PICTURE = np.random.default_rng(3).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
INPUT_BYTES = SIDE * SIDE * 3 * 4
BATCH = 8
KINDS = {
    # What is asked for first, and what is many times as much.
    "expected-gradients": ({"samples": 16}, {"samples": 192}),
    "extremal-perturbation": ({"iterations": 10}, {"iterations": 60}),
    "feature-ablation": ({"regions": "grid", "count": 16}, {"regions": "grid", "count": 400}),
    "integrated-gradients": ({"steps": 8, "max_steps": 8}, {"steps": 256, "max_steps": 256}),
    "kernel-shap": ({"samples": 160}, {"samples": 1024}),
    "lime": ({"samples": 64}, {"samples": 1024}),
    "partial-occlusion": ({"window": 16, "stride": 8}, {"window": 16, "stride": 2}),
    "rise": ({"masks": 64}, {"masks": 1024}),
    "score-cam": ({"most": 32}, {"most": 0}),
    "smooth-grad": ({"samples": 16}, {"samples": 192}),
    "sobol": ({"designs": 8, "cells": 4}, {"designs": 64, "cells": 4}),
}


class Striped(nn.Module):
    """A network of many channels and few numbers that notes how many pictures it gets at once."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(3, 256, 8, stride=8)
        self.head = nn.Linear(256, 3)
        self.most = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.most = max(self.most, len(x))
        return self.head(torch.relu(self.narrow(x)).mean(dim=(2, 3)))


def opened() -> tuple[Striped, Model]:
    torch.manual_seed(0)
    network = Striped()
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=SIDE), batch_size=BATCH)
    network.most = 0
    return network, model


def peak(run: Callable[[], Any]) -> int:
    """Return how many bytes of arrays there were at most beyond those that were there before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        run()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_many_samples_take_no_more_memory_than_few(name: str) -> None:
    network, model = opened()
    few, many = KINDS[name]

    def run(settings: dict[str, Any]) -> int:
        return peak(lambda: picasso.explain(model, PICTURE, name, target=0, cache=False, **settings))

    run(few)  # what is read and imported once
    small, large = run(few), run(many)
    assert network.most <= max(MASKS_AT_ONCE, BATCH)
    # Sums, scores and which regions were kept grow with the samples; the pictures themselves would take far more.
    assert large - small < MASKS_AT_ONCE * INPUT_BYTES, f"{large} bytes after {small}"
