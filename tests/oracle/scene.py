"""The networks and the picture that Picasso and the other libraries explain: PyTorch and NumPy alone, no Picasso."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

SIDE, CLASSES = 32, 5
X = np.random.default_rng(0).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
"""The picture as the networks read it, (1, channels, height, width)."""
X[0, :, 8:20, 10:24] += 1.5
PHOTO = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
"""A picture of a file, (height, width, channels), read as 0..1 where black matters: it is zero there."""
PHOTO[8:20, 10:24] //= 3


class Plain(nn.Sequential):
    """Convolutions, ReLUs, one max pooling, global pooling, a matrix."""

    def __init__(self) -> None:
        super().__init__(OrderedDict[str, nn.Module]([
            ("conv1", nn.Conv2d(3, 8, 3, padding=1)), ("relu1", nn.ReLU()), ("pool", nn.MaxPool2d(2)),
            ("conv2", nn.Conv2d(8, 12, 3, padding=1)), ("relu2", nn.ReLU()),
            ("mean", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("head", nn.Linear(12, CLASSES)),
        ]))  # fmt: skip


class Flat(nn.Sequential):
    """No global pooling: a matrix of all places, then another one."""

    def __init__(self) -> None:
        super().__init__(OrderedDict[str, nn.Module]([
            ("conv1", nn.Conv2d(3, 6, 5, stride=2, padding=2)), ("relu1", nn.ReLU()), ("pool", nn.MaxPool2d(2)),
            ("flat", nn.Flatten()), ("hidden", nn.Linear(6 * 8 * 8, 16)), ("relu2", nn.ReLU()),
            ("head", nn.Linear(16, CLASSES)),
        ]))  # fmt: skip


class Residual(nn.Module):
    """Batch norms, a sum, a ReLU6; everything a module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1, self.relu1 = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.conv2, self.norm2, self.relu2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6()
        self.conv3, self.norm3, self.relu3 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.mean, self.flat, self.head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.norm1(self.conv1(x)))
        y = self.norm3(self.conv3(self.relu2(self.norm2(self.conv2(x)))))
        return self.head(self.flat(self.mean(self.relu3(x + y))))


NETWORKS: dict[str, Callable[[], nn.Module]] = {"plain": Plain, "flat": Flat, "residual": Residual}


def network(name: str) -> Any:
    """Return a network at rest whose weights NumPy drew, so that every version of PyTorch has the same."""
    made, rng = NETWORKS[name]().eval(), np.random.default_rng(7)
    with torch.no_grad():
        for key, value in made.state_dict(keep_vars=True).items():
            if key.endswith("running_var") or (value.ndim == 1 and key.endswith("weight")):
                drawn = rng.uniform(0.6, 1.6, value.shape)
            elif value.is_floating_point():
                fan = max(1, int(np.prod(value.shape[1:])))
                drawn = rng.normal(size=value.shape) * (2 / fan) ** 0.5 * (1 if value.ndim > 1 else 0.2)
            else:
                continue
            value.copy_(torch.from_numpy(np.asarray(drawn, np.float32)))
    return made.requires_grad_(False)
