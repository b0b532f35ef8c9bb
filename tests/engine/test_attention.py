"""Attention read from op graphs against PyTorch's own autograd, with hooks on the network's softmax."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import picasso
from picasso.core.errors import NotSupportedError
from picasso.core.layers.attention import Attention
from picasso.core.model import Model
from tests.models.networks import Block, Plain, Vit, seeded
from tests.models.test_onnx_exports import exported

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(3).normal(size=(3, 12, 12, 3)).astype(np.float32)


class FusedBlock(Block):
    """The same block with fused attention."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        n, t, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v, scale=1 / 3)
        x = x + self.proj(mixed.transpose(1, 2).reshape(n, t, c))
        return x + self.mlp(self.norm2(x)), x


def lively(**choices: Any) -> Vit:
    """A transformer whose attention is far from even."""
    network = Vit(**choices).eval()
    with torch.no_grad():
        for parameter in network.blocks.parameters():
            parameter.mul_(2)
    return network


def fused(network: Vit) -> Vit:
    """The same network with fused attention."""
    made = Vit(network.extra, network.pooled)
    made.blocks = nn.ModuleList(FusedBlock(12, 2) for _ in network.blocks)
    made.load_state_dict(network.state_dict())
    return made.eval()


def opened(network: nn.Module) -> Model:
    return picasso.load_model(network.eval(), preprocessing=SIZE)


def keep(kept: list[torch.Tensor], part: nn.Module, given: Any, made: torch.Tensor) -> None:
    kept.append(made)


def by_hand(
    network: Vit, column: int, early: bool = False, pictures: np.ndarray = X
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each layer's weights and the gradient of a score by them, with PyTorch alone."""
    found = []
    for stop in range(1, len(network.blocks) + 1) if early else [len(network.blocks)]:
        kept: list[torch.Tensor] = []
        hooks = [block.weights.register_forward_hook(partial(keep, kept)) for block in network.blocks]
        x = torch.from_numpy(np.moveaxis(pictures, -1, 1).copy())
        x = network.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([network.tokens.expand(len(pictures), -1, -1), x], 1)
        for block in network.blocks[:stop]:
            x, _ = block(x)
        x = network.norm(x)
        scores = network.head(x[:, network.extra :].mean(1) if network.pooled else x[:, 0])
        slopes = torch.autograd.grad(scores[:, column].sum(), kept)
        for hook in hooks:
            hook.remove()
        both = [(w.detach().numpy(), slope.numpy()) for w, slope in zip(kept, slopes, strict=True)]
        found += both[-1:] if early else both
    return found


def close(found: Attention, number: int, expected: list[tuple[np.ndarray, np.ndarray]]) -> None:
    assert len(found.layers) == len(expected)
    for layer, (weights, slope) in zip(found.layers, expected, strict=True):
        np.testing.assert_allclose(layer.weights, weights, atol=1e-5)
        np.testing.assert_allclose(layer.gradients[number], slope, atol=1e-4 * np.abs(slope).max())


@pytest.mark.parametrize("way", ["by hand", "fused", "onnx"])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("pooled", [False, True])
def test_weights_and_gradients_are_those_of_pytorch(tmp_path: Path, pooled: bool, early: bool, way: str) -> None:
    network = lively(extra=2, pooled=pooled)
    if way == "onnx":
        model = picasso.load_model(exported(network, tmp_path / "net.onnx", 12), preprocessing=SIZE)
    else:
        model = opened(network if way == "by hand" else fused(network))
    found = model.attention(X, [model.target(1), model.target(4)], early)
    for number, column in enumerate((1, 4)):
        close(found, number, by_hand(network, column, early))
    assert (found.grid, found.tokens, found.extra) == ((4, 4), 18, 2)
    assert found.read.nonzero()[0].tolist() == (list(range(2, 18)) if pooled else [0])
    np.testing.assert_allclose(found.outputs["scores"], model.predict(X), atol=1e-5)


class WrittenNorm(nn.Module):
    """Layer normalization in single operations, the last of which divides."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        off = x - x.mean(-1, keepdim=True)
        return off / (off.pow(2).mean(-1, keepdim=True) + self.norm.eps).sqrt()


def test_a_norm_that_is_written_out_does_not_end_a_block() -> None:
    plain, written = lively(), lively()
    written.norm = WrittenNorm(plain.norm)
    one, other = opened(plain), opened(written)
    np.testing.assert_allclose(other.predict(X), one.predict(X), atol=1e-5)
    first, second = (model.attention(X, [model.target(2)], early=True) for model in (one, other))
    for layer, again in zip(first.layers, second.layers, strict=True):
        np.testing.assert_allclose(again.gradients, layer.gradients, atol=1e-5)


def test_layers_are_called_as_in_the_network() -> None:
    for network, named in ((lively(), ".weights"), (fused(lively()), "")):
        model = opened(network)
        found = model.attention(X[:1], [model.target(0)])
        assert [layer.name for layer in found.layers] == [f"blocks.{place}{named}" for place in range(3)]


@pytest.mark.parametrize("early", [False, True])
def test_several_pictures_and_targets_give_what_each_gives_alone(early: bool) -> None:
    model = opened(lively())
    targets = [model.target(0), model.target(3), model.target("0 - 3")]
    whole = model.attention(X, targets, early)
    model.batch_size = 2
    again = model.attention(X, targets, early)
    alone = model.attention(X[1:2], targets[1:2], early)
    for place, layer in enumerate(whole.layers):
        assert again.layers[place].gradients.shape == (3, 3, 2, 17, 17)
        np.testing.assert_allclose(again.layers[place].weights, layer.weights, atol=1e-5)
        np.testing.assert_allclose(again.layers[place].gradients, layer.gradients, atol=1e-5)
        np.testing.assert_allclose(alone.layers[place].weights[0], layer.weights[1], atol=1e-5)
        np.testing.assert_allclose(alone.layers[place].gradients[0, 0], layer.gradients[1, 1], atol=1e-5)
        pair = layer.gradients[0] - layer.gradients[1]
        np.testing.assert_allclose(layer.gradients[2], pair, atol=1e-5)


def test_a_network_that_ends_in_a_softmax_is_read_before_it() -> None:
    network = lively()
    model, bare = opened(nn.Sequential(network, nn.Softmax(-1))), opened(network)
    assert model.facts.units == "logit"
    found, expected = (one.attention(X, [one.target(2)]) for one in (model, bare))
    assert len(found.layers) == 3
    for one, other in zip(found.layers, expected.layers, strict=True):
        np.testing.assert_allclose(one.gradients, other.gradients, atol=1e-5)


class Written(nn.Module):
    """Attention written by hand in some way, and a pooled head.

    Args:
        way: windows, mixed, turned, one head or channels.
    """

    def __init__(self, way: str) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.way = way
        self.patches, self.qkv = nn.Conv2d(3, 8, 3, stride=3), nn.Linear(8, 24)
        self.mix, self.head = nn.Conv2d(2, 2, 1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        n, t, c = tokens.shape
        if self.way == "windows":
            rows = tokens.reshape(n, 2, 2, 2, 2, c).transpose(2, 3).reshape(n * 4, 4, c)
            q, k, v = self.qkv(rows).reshape(n * 4, 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
            made = ((q @ k.transpose(-1, -2)).softmax(-1) @ v).transpose(1, 2).reshape(n, t, c)
        elif self.way == "channels":
            q, k, v = self.qkv(tokens).chunk(3, -1)
            made = ((q.transpose(1, 2) @ k).softmax(-1) @ v.transpose(1, 2)).transpose(1, 2)
        elif self.way == "one head":
            q, k, v = self.qkv(tokens).chunk(3, -1)
            made = (q @ k.transpose(1, 2) / 3).softmax(-1) @ v
        else:
            q, k, v = self.qkv(tokens).reshape(n, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
            weights = (q @ k.transpose(-1, -2)).softmax(-1)
            if self.way == "mixed":
                made = (self.mix(weights) @ v).transpose(1, 2).reshape(n, t, c)
            else:
                turned = v.transpose(2, 3) @ weights.transpose(2, 3)
                made = turned.permute(0, 3, 1, 2).reshape(n, t, c)
        return self.head((tokens + made).mean(1))


@pytest.mark.parametrize("way", ["one head", "turned"])
def test_attention_is_found_however_it_is_written(way: str) -> None:
    network = Written(way).eval()
    model = opened(network)
    x = torch.from_numpy(np.moveaxis(X, -1, 1).copy())
    with torch.no_grad():
        tokens = network.patches(x).flatten(2).transpose(1, 2)
        q, k, _ = network.qkv(tokens).reshape(3, 16, 3, -1, 8 if way == "one head" else 4).permute(2, 0, 3, 1, 4)
        expected = (q @ k.transpose(-1, -2) / (3 if way == "one head" else 1)).softmax(-1).numpy()
    for early in (False, True):
        (layer,) = model.attention(X, [model.target(0)], early).layers
        np.testing.assert_allclose(layer.weights, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        (lambda: seeded(Plain), "This network has no attention"),
        (lambda: Written("windows"), "stays within windows, 4 of them"),
        (lambda: Written("mixed"), "are mixed among heads before they weigh"),
        (lambda: Written("channels"), "over 8 positions, which are not the patches"),
    ],
)
def test_what_is_no_attention_among_patches_is_refused_with_the_reason(network: Any, sentence: str) -> None:
    model = opened(network())
    for early in (False, True)[: 1 if "positions" in sentence else 2]:
        with pytest.raises(NotSupportedError, match=sentence):
            model.attention(X, [model.target(0)], early)


def test_an_answer_that_reads_no_attention_is_refused() -> None:
    network = lively()
    nn.init.zeros_(network.head.weight)
    model = opened(network)
    with pytest.raises(NotSupportedError, match=r"does not depend on the attention at 'blocks\.2\.weights'"):
        model.attention(X, [model.target(0)])


def test_a_network_without_sums_ends_no_block_early() -> None:
    class Chain(Written):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.patches(x).flatten(2).transpose(1, 2)
            q, k, v = self.qkv(tokens).chunk(3, -1)
            return self.head(((q @ k.transpose(1, 2)).softmax(-1) @ v).mean(1))

    model = opened(Chain(""))
    assert len(model.attention(X, [model.target(0)]).layers) == 1
    with pytest.raises(NotSupportedError, match="no sum of tokens ends a block"):
        model.attention(X, [model.target(0)], early=True)
