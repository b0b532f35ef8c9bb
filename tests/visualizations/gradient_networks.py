"""Networks and a picture that the tests of the gradient methods share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

import picasso
from picasso.core.attribution import Attribution
from picasso.core.model import Model
from tests.models.networks import Plain, seeded

PICTURE = np.random.default_rng(2).integers(0, 256, (40, 40, 3)).astype(np.uint8)
SIZE = picasso.Preprocessing(size=24, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
X = torch.from_numpy(SIZE.apply(PICTURE).transpose(2, 0, 1).copy())[None]
BLACK = torch.from_numpy(SIZE.apply(np.zeros_like(PICTURE)).transpose(2, 0, 1).copy())[None]
WHITE = torch.from_numpy(SIZE.apply(np.full_like(PICTURE, 255)).transpose(2, 0, 1).copy())[None]


class Line(nn.Module):
    """A linear model: each class a weighted sum of all numbers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.fc = nn.Linear(24 * 24 * 3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1))

    def weights(self, target: int) -> np.ndarray:
        """Return a class's weights as the network reads a picture, (h, w, c)."""
        return last(self.fc.weight[target].reshape(3, 24, 24))


class Flat(nn.Module):
    """Saturated: its scores never move."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean((2, 3)).clamp(-5, 0.0001) * 0 + torch.tensor([[2.0, 1.0, 0.0]])


def last(tensor: torch.Tensor) -> np.ndarray:
    """Return (channels, h, w) as an array (h, w, channels)."""
    return tensor.detach().permute(1, 2, 0).numpy()


def opened(network: Any, **options: Any) -> Model:
    return picasso.load_model(network, preprocessing=SIZE, **options)


def explained(network: Any, name: str, target: int = 1, **choices: Any) -> Attribution:
    model = network if isinstance(network, Model) else opened(network)
    result = picasso.explain(model, PICTURE, name, target=target, cache=False, **choices)
    assert isinstance(result, picasso.Result)
    return result.attributions[0]


def gradient(target: int, x: torch.Tensor = X, network: nn.Module | None = None) -> np.ndarray:
    """Return the plain gradient by autograd, (h, w, c)."""
    x = x.clone().requires_grad_()
    made = (seeded(Plain) if network is None else network).eval()
    return last(torch.autograd.grad(made(x)[0, target], x)[0][0])


def agree(found: Any, expected: Any, tolerance: float = 1e-4) -> None:
    """Compare by the largest value."""
    np.testing.assert_allclose(found, expected, atol=tolerance * np.abs(expected).max(), rtol=0)
