"""Small networks that compute the same from the same weights, written in the ways in which people write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Plain(nn.Module):
    """ReLU as a module of its own for each use."""

    def __init__(self, cap: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.relu1: nn.Module = nn.ReLU6() if cap else nn.ReLU()
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.relu2: nn.Module = nn.ReLU6() if cap else nn.ReLU()
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.bn(self.conv1(x)))
        return self.fc(self.relu2(self.conv2(x)).mean((2, 3)))


class Functional(Plain):
    """ReLU as a function."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn(self.conv1(x)))
        return self.fc(torch.relu(self.conv2(x)).mean((2, 3)))


class InPlace(Plain):
    """ReLU in place, the result not even taken."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.conv1(x))
        F.relu(x, inplace=True)
        x = self.conv2(x)
        x.relu_()
        return self.fc(x.mean((2, 3)))


class Shared(Plain):
    """One ReLU module for all uses."""

    def __init__(self) -> None:
        super().__init__()
        self.relu2 = self.relu1


class Clamped(Plain):
    """ReLU written as clamp."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.conv1(x)).clamp(min=0)
        return self.fc(torch.clamp_min(self.conv2(x), 0).mean((2, 3)))


class Threshold(Plain):
    """ReLU written as a threshold, and as a maximum."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.threshold(self.bn(self.conv1(x)), 0, 0)
        x = self.conv2(x)
        return self.fc(torch.maximum(x, torch.zeros(())).mean((2, 3)))


def seeded(kind: type[Plain], **arguments: bool) -> Plain:
    """Return a network with the weights that every kind shares, its batch norm not trivial."""
    torch.manual_seed(3)
    reference = Plain(**arguments)
    with torch.no_grad():
        reference.bn.running_mean.uniform_(-0.5, 0.5)
        reference.bn.running_var.uniform_(0.5, 2)
        reference.bn.weight.uniform_(0.5, 8)
        reference.bn.bias.uniform_(-1, 1)
    network = kind(**arguments)
    network.load_state_dict(reference.state_dict())
    return network
