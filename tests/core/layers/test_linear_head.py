"""The last linear layer is found by its slopes, and nothing else is taken for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.errors import NotSupportedError
from picasso.core.layers.linear_head import LinearHead, find_linear_head
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.testing import small_transformer

READ = picasso.Preprocessing(size=12, mean=(0.5,), std=(0.25,))


def opened(*layers: nn.Module, classes: int = 3) -> Model:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), *layers)
    for part in network.modules():
        if isinstance(part, nn.Linear):
            part.reset_parameters()
    return picasso.load_model(network, preprocessing=READ, labels=[f"class {k}" for k in range(classes)])


def found(model: Model) -> LinearHead:
    return find_linear_head(
        model, inputs(1)[:, : model.input_shape[0], : model.input_shape[1]], lambda done, total: None
    )


def inputs(count: int) -> Array:
    return np.random.default_rng(3).normal(size=(count, 20, 20, 3)).astype(np.float32)


def weights_of(model: Model) -> Array:
    named = model.parameters()
    (matrix,) = [value for value in named.values() if value.ndim == 2]
    return np.concatenate([matrix, list(named.values())[-1][:, None]], axis=1)


@pytest.mark.parametrize(
    "layers",
    [
        (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)),
        (nn.Flatten(), nn.Linear(5 * 12 * 12, 3)),
        (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(5, 5), nn.Identity()),
    ],
)
def test_it_is_the_networks_own(layers: tuple[nn.Module, ...]) -> None:
    classes = next(part.out_features for part in layers if isinstance(part, nn.Linear))
    model = opened(*layers, classes=classes)
    head = found(model)
    np.testing.assert_allclose(head.weights, weights_of(model), atol=1e-5)
    x = inputs(4)[:, :12, :12]
    codes = model.activations(x, [head.layer])[head.layer].reshape(4, -1)
    assert head.holds(np.concatenate([codes, np.ones((4, 1))], axis=1), model.predict(x))


class Pooling(nn.Module):
    """A network that pools in a function, which is no layer."""

    def __init__(self, power: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head, self.power = nn.Conv2d(3, 6, 3), nn.Linear(6, 1), power

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean((2, 3)) ** self.power)


def test_a_mean_that_is_no_layer_is_seen_and_a_square_is_refused() -> None:
    class Split(Pooling):
        def __init__(self, power: float) -> None:
            super().__init__(power)
            self.fire = nn.ReLU()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.fire(self.conv(x)).mean((2, 3)) ** self.power)

    model = picasso.load_model(Split(1.0), preprocessing=READ, labels=["a", "b"])
    head = found(model)
    assert head.layer == "fire"
    np.testing.assert_allclose(head.weights, weights_of(model), atol=1e-5)
    squared = picasso.load_model(Split(2.0), preprocessing=READ, labels=["a", "b"])
    with pytest.raises(NotSupportedError, match="not made by one linear layer"):
        found(squared)


def test_what_has_no_linear_head_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="give none here"):
        found(picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=READ, labels=["a", "b", "c"]))
    headless = picasso.load_model(
        nn.Sequential(nn.Flatten(), nn.Linear(432, 2)), preprocessing=READ, labels=["a", "b"], head="none"
    )
    with pytest.raises(NotSupportedError, match="Nothing makes probabilities"):
        found(headless)


class Tokens(nn.Module):
    """Normalizes all tokens, and classifies the first."""

    def __init__(self, bent: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.token = nn.Conv2d(3, 8, 6, stride=6), nn.Parameter(torch.randn(1, 1, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
        self.norm, self.bend, self.head = nn.LayerNorm(8), nn.Tanh() if bent else nn.Identity(), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        x = self.norm(self.block(torch.cat([self.token.expand(len(x), -1, -1), patches], 1)))
        return self.head(x[:, 0]) if isinstance(self.bend, nn.Identity) else self.bend(self.head(x[:, 0]))


@pytest.mark.parametrize(
    ("bent", "said"), [(False, "reads the class token of 'norm'"), (True, "not made by one linear")]
)
def test_a_class_token_that_no_layer_gives_alone_is_refused_truly(bent: bool, said: str) -> None:
    model = picasso.load_model(Tokens(bent), preprocessing=READ, labels=["a", "b", "c"])
    with pytest.raises(NotSupportedError, match=said):
        found(model)


def test_a_class_token_behind_a_norm_that_runs_on_it_alone_is_a_code() -> None:
    model = small_transformer()
    x = np.random.default_rng(3).normal(size=(1, 16, 20, 3)).astype(np.float32)
    head = find_linear_head(model, x, lambda done, total: None)
    assert head.layer == "norm"
    assert head.weights.shape == (3, 13)
