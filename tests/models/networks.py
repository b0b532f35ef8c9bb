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


class Block(nn.Module):
    """A transformer's block as people write it: normalization first, attention by hand, two residual sums."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.weights = nn.Softmax(-1)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = self.weights(q @ k.transpose(2, 3) / 3)
        x = x + self.proj((weights @ v).transpose(1, 2).reshape(n, t, c))
        return x + self.mlp(self.norm2(x)), weights


class Vit(nn.Module):
    """A small vision transformer; its blocks return tuples.

    Args:
        extra: Class and register tokens before the patches.
        pooled: Whether the mean of the patches is classified, and not the first token.
        stem: Whether a convolution comes before the patches.
    """

    def __init__(self, extra: int = 1, pooled: bool = False, stem: bool = False) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.pooled, self.extra = pooled, extra
        self.stem = nn.Conv2d(3, 3, 3, stride=2, padding=1) if stem else nn.Identity()
        self.patches = nn.Conv2d(3, 12, 3, stride=3)
        self.tokens = nn.Parameter(torch.randn(1, extra, 12))
        self.blocks = nn.ModuleList(Block(12, 2) for _ in range(3))
        self.norm = nn.LayerNorm(12)
        self.head = nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(self.stem(x)).flatten(2).transpose(1, 2)
        x = torch.cat([self.tokens.expand(x.shape[0], -1, -1), x], 1)
        for block in self.blocks:
            x, _ = block(x)
        x = self.norm(x)
        return self.head(x[:, self.extra :].mean(1) if self.pooled else x[:, 0])


def grad_cam_by_hand(network: nn.Module, layer: str, x: torch.Tensor, column: int, lay: object) -> torch.Tensor:
    """Return the Grad-CAM of one layer with a hook and autograd alone.

    Args:
        network: In evaluation mode; it returns scores, or something with `logits`.
        layer: The layer's name.
        x: (n, c, h, w).
        column: The class.
        lay: Lays the layer's tensor out as (n, rows, columns, channels).
    """
    kept: list[torch.Tensor] = []

    def keep(part: nn.Module, given: object, made: object) -> None:
        tensor = made if torch.is_tensor(made) else made[0]  # type: ignore[index]
        tensor.retain_grad()
        kept.append(tensor)

    handle = network.get_submodule(layer).register_forward_hook(keep)
    try:
        answer = network(x.clone().requires_grad_())
    finally:
        handle.remove()
    scores = answer if torch.is_tensor(answer) else answer.logits
    scores[:, column].sum().backward()
    values, slopes = lay(kept[0].detach()), lay(kept[0].grad)  # type: ignore[operator]
    return (values * slopes.mean((1, 2), keepdim=True)).sum(3).clamp(min=0)
