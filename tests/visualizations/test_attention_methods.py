"""Attention maps, rollout, gradient-weighted attention and LeGrad against slow loops over what hooks saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import picasso
from picasso.core.attribution import Attribution
from picasso.core.errors import NotSupportedError
from picasso.core.model import Model
from tests.engine.test_attention import SIZE, Written, by_hand, fused, lively, opened
from tests.models.networks import Plain, Vit, seeded
from tests.models.test_onnx_exports import exported

METHODS = ("attention-map", "attention-rollout", "gradient-weighted-attention", "legrad")
PICTURE = np.random.default_rng(7).integers(0, 256, (12, 12, 3)).astype(np.uint8)
COLUMN = 3


def explained(model: Model, method: str, **settings: object) -> Attribution:
    found = picasso.explain(model, PICTURE, method, target=COLUMN, **settings).attributions[0]
    assert found.native is not None
    assert found.native.shape == (4, 4)
    return found


def seen(network: Vit, early: bool = False) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights and gradients of each layer for the picture, (heads, tokens, tokens), by PyTorch alone."""
    both = by_hand(network, COLUMN, early, SIZE.apply(PICTURE)[None])
    return [(weights[0].astype(np.float64), slopes[0].astype(np.float64)) for weights, slopes in both]


def times(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The product of two square matrices, number by number."""
    made = np.zeros_like(a)
    for i in range(len(a)):
        for j in range(len(a)):
            made[i, j] = sum(a[i, k] * b[k, j] for k in range(len(a)))
    return made


def of_patches(network: Vit, matrix: np.ndarray) -> np.ndarray:
    """Return what patches have of the tokens that the head of a network reads."""
    rows = range(network.extra, len(matrix)) if network.pooled else [0]
    tokens = sum(matrix[row] for row in rows) / len(rows)
    return np.asarray(tokens[network.extra :]).reshape(4, 4)


def same(found: Attribution, expected: np.ndarray) -> None:
    assert found.native is not None
    np.testing.assert_allclose(found.native, expected, atol=1e-4 * expected.max())


CASES = {
    "class token": ({}, False),
    "class token, fused": ({}, True),
    "pooled": ({"extra": 2, "pooled": True}, False),
    "pooled without a class token, fused": ({"extra": 0, "pooled": True}, True),
}
"""How a network is built, and whether its attention is fused in the model that is explained."""


def both(case: str) -> tuple[Vit, Model]:
    choices, fuse = CASES[case]
    network = lively(**choices)
    return network, opened(fused(network) if fuse else network)


@pytest.mark.parametrize("case", CASES)
def test_rollout_is_that_of_the_paper(case: str) -> None:
    network, model = both(case)
    rolled = np.eye(16 + network.extra)
    for weights, _ in seen(network):
        half = np.array(
            [[(weights[:, i, j].mean() + (i == j)) / 2 for j in range(len(rolled))] for i in range(len(rolled))]
        )
        rolled = times(half, rolled)
    np.testing.assert_allclose(rolled.sum(axis=1), 1)
    found = explained(model, "attention-rollout")
    same(found, of_patches(network, rolled))
    assert (found.sign, found.units) == ("unsigned", "share of what is mixed")


@pytest.mark.parametrize("heads", ["max", "min"])
def test_rollout_of_other_heads_has_rows_that_sum_to_one(heads: str) -> None:
    network, residual = lively(), 0.2
    rolled = np.eye(17)
    for weights, _ in seen(network):
        mixed = 0.8 * (weights.max(axis=0) if heads == "max" else weights.min(axis=0)) + residual * np.eye(17)
        rolled = times(mixed / mixed.sum(axis=1)[:, None], rolled)
    same(explained(opened(network), "attention-rollout", heads=heads, residual=residual), of_patches(network, rolled))


def test_rollout_of_even_attention_has_a_closed_form() -> None:
    network = Vit()
    with torch.no_grad():
        for block in network.blocks:
            block.qkv.weight[:24].zero_()
            block.qkv.bias[:24].zero_()
    found = explained(opened(network), "attention-rollout")
    # Of three layers an eighth goes past them all; the rest is spread evenly over 17 tokens.
    same(found, np.full((4, 4), (1 - 1 / 8) / 17))
    same(explained(opened(network), "attention-map"), np.full((4, 4), 1 / 17))
    assert found.notes[-1] == "Of all that the tokens have, the class token has 18%, which lies nowhere in the picture."


@pytest.mark.parametrize(
    ("layer", "head", "query"), [(-1, -1, "read"), (0, -1, "class"), (1, 1, "mean"), (-2, 0, "read"), (2, 0, "class")]
)
def test_the_attention_of_one_layer(layer: int, head: int, query: str) -> None:
    network = lively(extra=2, pooled=True)
    weights = seen(network)[layer][0]
    chosen = (weights[0] + weights[1]) / 2 if head < 0 else weights[head]
    rows = {"read": chosen[2:], "class": chosen[:1], "mean": chosen}[query]
    found = explained(opened(network), "attention-map", layer=layer, head=head, query=query)
    same(found, rows.mean(axis=0)[2:].reshape(4, 4))
    assert "knows no class" in found.notes[0]


@pytest.mark.parametrize("case", CASES)
def test_gradient_weighted_attention_is_the_rule_of_the_paper(case: str) -> None:
    network, model = both(case)
    size = 16 + network.extra
    relevance = np.eye(size)
    for weights, slopes in seen(network):
        mean = np.zeros((size, size))
        for head in range(2):
            for i in range(size):
                for j in range(size):
                    mean[i, j] += max(weights[head, i, j] * slopes[head, i, j], 0) / 2
        relevance = relevance + times(mean, relevance)
    expected = of_patches(network, relevance - np.eye(size))
    assert expected.max() > 0
    same(explained(model, "gradient-weighted-attention"), expected)


@pytest.mark.parametrize("last", [0, 2])
@pytest.mark.parametrize("case", CASES)
def test_legrad_is_the_mean_over_layers_heads_and_queries(case: str, last: int) -> None:
    network, model = both(case)
    layers = seen(network, early=True)[-last:]
    expected = np.zeros(16)
    for _, slopes in layers:
        for head in slopes:
            for query in head:
                for patch in range(16):
                    expected[patch] += max(query[network.extra + patch], 0) / (len(layers) * 2 * len(head))
    assert expected.max() > 0
    same(explained(model, "legrad", last=last), expected.reshape(4, 4))


@pytest.mark.parametrize("method", METHODS)
def test_pytorch_and_onnx_agree(tmp_path: Path, method: str) -> None:
    network = lively()
    onnx = picasso.load_model(exported(network, tmp_path / "net.onnx", 12), preprocessing=SIZE)
    found, expected = explained(onnx, method), explained(opened(network), method)
    np.testing.assert_allclose(found.values, expected.values, atol=1e-4 * expected.values.max())


def test_maps_of_targets_differ_where_the_method_knows_the_class() -> None:
    model = opened(lively())
    for method in METHODS:
        one, other = picasso.explain(model, PICTURE, method, target=[0, 3]).attributions
        known = method in ("gradient-weighted-attention", "legrad")
        assert np.array_equal(one.values, other.values) is not known
        assert any("knows no class" in note for note in one.notes) is not known
        assert one.laid == "4 x 4 patches, bilinear between their centers"


@pytest.mark.parametrize("method", METHODS)
def test_networks_without_attention_among_patches_are_refused(method: str) -> None:
    for network, sentence in ((seeded(Plain), "has no attention"), (Written("windows"), "stays within windows")):
        with pytest.raises(NotSupportedError, match=sentence):
            picasso.explain(opened(network), PICTURE, method)
    function = picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=SIZE, labels=("r", "g", "b"))
    with pytest.raises(picasso.PicassoError, match="needs attention, which this function model lacks"):
        picasso.explain(function, PICTURE, method)


@pytest.mark.parametrize(
    ("method", "settings", "sentence"),
    [
        ("attention-map", {"layer": 3}, r"layer must be in -3\.\.2: there are 3 layers of attention\. Got 3"),
        ("attention-map", {"head": 2}, r"head must be in -1\.\.1\. Got 2"),
        ("attention-rollout", {"query": "class"}, "has no class token"),
    ],
)
def test_what_is_not_there_cannot_be_asked_for(method: str, settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(NotSupportedError, match=sentence):
        explained(opened(lively(extra=0, pooled=True)), method, **settings)


def test_queries_that_are_no_tokens_are_shown_and_not_followed() -> None:
    class Pooled(torch.nn.Module):
        """A transformer whose answer is what one learned query takes of the tokens at the end."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = lively(extra=0, pooled=True)
            self.query = torch.nn.Parameter(torch.randn(1, 1, 12))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = self.inner.patches(x).flatten(2).transpose(1, 2)
            for block in self.inner.blocks:
                tokens, _ = block(tokens)
            weights = (self.query @ self.inner.norm(tokens).transpose(1, 2)).softmax(-1)
            taken = weights @ tokens
            return self.inner.head(taken[:, 0])

    network = Pooled().eval()
    model = opened(network)
    x = torch.from_numpy(np.moveaxis(SIZE.apply(PICTURE)[None], -1, 1).copy())
    with torch.no_grad():
        tokens = network.inner.patches(x).flatten(2).transpose(1, 2)
        for block in network.inner.blocks:
            tokens, _ = block(tokens)
        weights = (network.query @ network.inner.norm(tokens).transpose(1, 2)).softmax(-1)
    same(explained(model, "attention-map"), weights[0, 0].reshape(4, 4).numpy())
    for method in METHODS[1:]:
        with pytest.raises(NotSupportedError, match=r"there are 16 tokens, and 1 of what takes|no sum of tokens ends"):
            explained(model, method)
