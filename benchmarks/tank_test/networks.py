"""The three networks of the benchmark, for pictures of 64 x 64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import nn


def small_cnn(classes: int) -> nn.Module:
    """Four convolutions and two linear layers that see where things are."""

    def block(before: int, after: int, side: int, stride: int) -> list[nn.Module]:
        return [
            nn.Conv2d(before, after, side, stride, side // 2, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]

    return nn.Sequential(
        *block(3, 24, 5, 2),
        *block(24, 48, 3, 2),
        *block(48, 64, 3, 2),
        *block(64, 96, 3, 1),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(96 * 16, 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )


class Residual(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU()
        self.short: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.short = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def changed(self, x: torch.Tensor) -> torch.Tensor:
        """What the short cut is added to."""
        y: torch.Tensor = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(self.changed(x) + self.short(x))


def resnet18(classes: int, width: int = 16) -> nn.Module:
    """ResNet-18 for small pictures: a stem of 3 x 3 without pooling, and a quarter of the channels."""
    layers: list[nn.Module] = [
        nn.Conv2d(3, width, 3, 2, 1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    before = width
    for stage, stride in enumerate((1, 2, 2, 2)):
        after = width << stage
        layers += [Residual(before, after, stride), Residual(after, after, 1)]
        before = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


class _Attention(nn.Module):
    """A pre-norm block of a transformer, out of plain layers."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, tokens, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).reshape(n, tokens, width))
        return x + self.mlp(self.norm2(x))


class TinyViT(nn.Module):
    """Patches of 8 pixels out of a convolutional stem, three blocks, the mean of the tokens."""

    def __init__(self, classes: int, width: int = 64, depth: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1), nn.GELU(), nn.Conv2d(24, 48, 3, 2, 1), nn.GELU(), nn.Conv2d(48, width, 2, 2)
        )
        self.place = nn.Parameter(torch.randn(1, 64, width) * 0.02)
        self.blocks = nn.Sequential(*(_Attention(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.stem(x).flatten(2).transpose(1, 2) + self.place
        return self.head(self.norm(self.blocks(tokens)).mean(1))


NETWORKS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {"small-cnn": small_cnn, "resnet18": resnet18, "tiny-vit": TinyViT}
)
