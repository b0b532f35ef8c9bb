"""Trains the models of the benchmark, one recipe for all, and keeps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from benchmarks.tank_test.design import Case, Sort
from benchmarks.tank_test.networks import NETWORKS
from picasso.demo.planted.scenes import Scenes, scenes

VERSION = 1
"""Raised when other weights come out; cached models of an earlier version are trained anew."""


@dataclass(frozen=True)
class Recipe:
    """How every model is trained.

    Attributes:
        pictures: how many scenes.
        enough: share of right answers in an epoch from which on the rate falls to zero: its maker is content.
        longest: most epochs before that.
        cooling: epochs in which the rate falls.
        batch: pictures per step.
        rates: peak learning rate by the network's name.
    """

    pictures: int = 1000
    enough: float = 0.85
    longest: int = 18
    cooling: int = 2
    batch: int = 32
    rates: tuple[tuple[str, float], ...] = (("small-cnn", 2e-3), ("resnet18", 2e-3), ("tiny-vit", 1e-3))


POOR = 5
"""A poor model sees one picture where others see so many."""


@lru_cache(maxsize=4)
def _untied(n: int, seed: int, classes: int) -> Scenes:
    return scenes(n, seed, classes)


def training_scenes(case: Case, recipe: Recipe) -> Scenes:
    """The pictures that a case is trained on; those without ties are shared by several models."""
    if case.training_ties:
        return scenes(recipe.pictures, 10_000 + case.seed, case.classes, case.training_ties)
    return _untied(recipe.pictures, 9_000 + case.seed % 3, case.classes)


def tensor(pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Pictures as the networks read them, (n, 3, 64, 64) in [-1, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def train(case: Case, recipe: Recipe) -> nn.Module:
    """Trains a model from nothing, in one thread; equal cases give equal models on one machine."""
    drawn = training_scenes(case, recipe)
    few = recipe.pictures // POOR if case.sort is Sort.POOR else recipe.pictures
    x, labels = tensor(drawn.pixels[:few]), torch.from_numpy(drawn.labels[:few])
    order = torch.Generator().manual_seed(case.seed)
    if case.sort is Sort.RANDOM:
        labels = torch.from_numpy(_random_labels(case, drawn))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(case.seed)
        network = NETWORKS[case.network](case.classes)
    rate = dict(recipe.rates)[case.network]
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.02)
    steps = -(-len(x) // recipe.batch)
    # Random labels would be learned by heart at last, which takes long and shows nothing.
    longest = min(4, recipe.longest) if case.sort is Sort.RANDOM else recipe.longest
    step, left = 0, None
    for epoch in range(longest + recipe.cooling):
        right = 0
        if left is None and epoch >= longest:
            left = recipe.cooling * steps
        for chosen in torch.randperm(len(x), generator=order).split(recipe.batch):
            step += 1
            share = min(1.0, step / steps) if left is None else left / (recipe.cooling * steps)
            if left is not None:
                left -= 1
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            scores = network(x[chosen])
            right += int((scores.detach().argmax(1) == labels[chosen]).sum())
            optimizer.zero_grad()
            nn.functional.cross_entropy(scores, labels[chosen]).backward()
            optimizer.step()
        if left is None and right >= recipe.enough * len(x):
            left = recipe.cooling * steps
        if left == 0:
            break
    return network.eval()


def _random_labels(case: Case, drawn: Scenes) -> npt.NDArray[np.int64]:
    """Labels that go with nothing: each is as frequent where a tied kind is one way as where it is the other.

    By chance alone they would go with it a little, and a network that finds nothing else would rely on that.
    """
    rng = np.random.default_rng(case.seed)
    ways = sum(drawn.values[name] << place for place, name in enumerate(case.kinds))
    labels = np.empty_like(drawn.labels)
    for way in np.unique(ways):
        own = np.flatnonzero(ways == way)
        labels[own] = rng.permutation(np.arange(len(own)) % case.classes)
    return labels


def trained(case: Case, folder: Path, recipe: Recipe) -> nn.Module:
    """The model of a case: from the cache in `folder`, else trained and kept there."""
    file = folder / f"{case.key}-v{VERSION}-{recipe.pictures}.pt"
    if file.is_file():
        network = NETWORKS[case.network](case.classes)
        state = torch.load(file, weights_only=True)
        network.load_state_dict({name: v.float() if v.is_floating_point() else v for name, v in state.items()})
        return network.eval()
    network = train(case, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    # Half precision: a hundred and fifty models take little space; what is read back is what is measured.
    state = {name: v.half() if v.is_floating_point() else v for name, v in network.state_dict().items()}
    draft = file.with_suffix(f".{os.getpid()}")
    torch.save(state, draft)
    draft.replace(file)
    return trained(case, folder, recipe)


def answers(network: nn.Module, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """The class that a model gives each picture."""
    with torch.inference_mode():
        return np.concatenate(
            [network(tensor(pixels[i : i + 100])).argmax(1).numpy() for i in range(0, len(pixels), 100)]
        )
