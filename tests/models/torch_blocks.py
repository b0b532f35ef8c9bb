"""Small PyTorch networks of which a copy that folds parts together must not answer otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint


def trained(network: nn.Module) -> nn.Module:
    """Give norms statistics and weights that are not those of the beginning."""
    torch.manual_seed(3)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            if part.running_mean is not None and part.running_var is not None:
                part.running_mean.normal_(0, 0.3)
                part.running_var.uniform_(0.3, 2)
            if part.affine:
                nn.init.uniform_(part.weight, -1.5, 1.5)
                nn.init.normal_(part.bias, 0, 0.3)
    return network


class Blocks(nn.Module):
    """Convolutions with norms, one with filters of one channel each, a pool of many equal numbers, and a sum."""

    def __init__(self, end: Callable[[Any], Any] = lambda x: x.flatten(1)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.alone = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.mix = nn.Conv2d(8, 8, 3, padding=1)
        self.mixed = nn.BatchNorm2d(8, affine=False)
        self.head = nn.Linear(8 * 3 * 3, 5)
        self.end, self.ran = end, list[bool]()
        trained(self)

    def body(self, x: Any) -> Any:
        self.ran.append(x.is_contiguous(memory_format=torch.channels_last))
        x = F.relu6(self.norm(self.alone(self.patches(x))), inplace=True)
        return F.max_pool2d(F.relu(x + self.mixed(self.mix(x))), 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.end(self.body(x)))


class Checkpointed(Blocks):
    """The same, run a second time in the backward pass, with its channels first."""

    def forward(self, x: Any) -> Any:
        return self.head(checkpoint(self.body, x.contiguous(), use_reentrant=False).flatten(1))


class Shared(Blocks):
    """One convolution used twice: before its norm, and alone."""

    def body(self, x: Any) -> Any:
        x = self.patches(x)
        return F.max_pool2d(self.norm(self.mix(x)) + self.mix(F.relu(x)) + self.alone(x), 2)


class Overheard(Blocks):
    """What the convolution returns goes to its norm and elsewhere."""

    def body(self, x: Any) -> Any:
        x = self.patches(x)
        seen = self.mix(x)
        return F.max_pool2d(self.norm(seen) * torch.sigmoid(seen) + self.alone(x), 2)


class Between(Blocks):
    """What the convolution returns is changed in place before the norm gets it."""

    def body(self, x: Any) -> Any:
        x = self.mix(self.alone(self.patches(x)))
        return F.max_pool2d(self.norm(F.relu_(x)), 2)


class Wrapped(Blocks):
    """A part that hands on what a convolution returned, before its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.between, self.pair = nn.Identity(), nn.Sequential(self.mix)

    def body(self, x: Any) -> Any:
        x = self.patches(x)
        return F.max_pool2d(self.norm(self.between(self.alone(x))) + self.mixed(self.pair(x)), 2)


class Listed(Blocks):
    """Parts that are known by a list, too, and run from there."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = [self.patches, self.alone, self.norm, self.mix]

    def body(self, x: Any) -> Any:
        for step in self.steps:
            x = step(x)
        return F.max_pool2d(x, 2)


NETWORKS = [
    Blocks, Checkpointed, Shared, Overheard, Between, Wrapped, Listed, lambda: Blocks(lambda x: x.view(len(x), -1)),
]  # fmt: skip
