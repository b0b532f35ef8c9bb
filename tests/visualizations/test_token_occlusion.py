"""Token occlusion against networks that run with a token replaced by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError
from tests.engine.test_attention import SIZE, lively, opened
from tests.models.networks import Plain, Vit, seeded
from tests.models.test_onnx_exports import exported

PICTURE = np.random.default_rng(7).integers(0, 256, (12, 12, 3)).astype(np.uint8)


def scores(network: Vit, place: int, fill: str, layer: str) -> np.ndarray:
    """Return the scores where the token of a patch is replaced behind the embedding or a block; -1: of none."""
    x = torch.from_numpy(np.moveaxis(SIZE.apply(PICTURE)[None], -1, 1).copy())

    def without(tokens: torch.Tensor, extra: int) -> torch.Tensor:
        tokens = tokens.clone()
        if place >= 0:
            tokens[:, extra + place] = tokens[:, extra:].mean(1) if fill == "mean" else 0
        return tokens

    with torch.no_grad():
        x = network.patches(x).flatten(2).transpose(1, 2)
        x = without(x, 0) if layer == "patches" else x
        x = torch.cat([network.tokens, x], 1)
        for number, block in enumerate(network.blocks):
            mixed, _ = block(x)
            if layer == f"blocks.{number}.mlp":  # what the block's second part adds, without the sum itself
                added = block.mlp(block.norm2(mixed_before(block, x)))
                mixed = mixed - added + without(added, network.extra)
            x = mixed
        x = network.norm(x)
        return np.asarray(network.head(x[:, network.extra :].mean(1) if network.pooled else x[:, 0])[0])


def mixed_before(block: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what lies between the two sums of a block."""
    n, t, c = x.shape
    q, k, v = block.qkv(block.norm1(x)).reshape(n, t, 3, 2, c // 2).permute(2, 0, 3, 1, 4)
    return x + block.proj(((q @ k.transpose(2, 3) / 3).softmax(-1) @ v).transpose(1, 2).reshape(n, t, c))


@pytest.mark.parametrize("fill", ["mean", "zero"])
@pytest.mark.parametrize("layer", ["", "blocks.1.mlp"])
@pytest.mark.parametrize("pooled", [False, True])
def test_it_is_what_the_score_loses_without_each_token(pooled: bool, layer: str, fill: str) -> None:
    network = lively(extra=2, pooled=pooled)
    found = picasso.explain(opened(network), PICTURE, "token-occlusion", target=[1, "3 - 0"], layer=layer, fill=fill)
    where = layer or "patches"
    whole = scores(network, -1, fill, where)
    drops = np.array([whole - scores(network, place, fill, where) for place in range(16)])
    one, pair = found.attributions
    assert one.native is not None
    assert pair.native is not None
    np.testing.assert_allclose(one.native.ravel(), drops[:, 1], atol=1e-5)
    np.testing.assert_allclose(pair.native.ravel(), drops[:, 3] - drops[:, 0], atol=1e-5)
    assert one.laid == f"4 x 4 tokens of {where}, bilinear between their centers"
    assert one.baseline == ("zero" if fill == "zero" else "the mean of all patches' tokens")


def test_batches_probabilities_and_onnx_agree(tmp_path: Path) -> None:
    network = lively()
    model = opened(network)
    onnx = picasso.load_model(exported(network, tmp_path / "net.onnx", 12), preprocessing=SIZE)
    expected = picasso.explain(model, PICTURE, "token-occlusion", target=2).attributions[0].values
    theirs = picasso.explain(onnx, PICTURE, "token-occlusion", target=2).attributions[0].values
    np.testing.assert_allclose(theirs, expected, atol=1e-5)
    model.batch_size = 5
    again = picasso.explain(model, PICTURE, "token-occlusion", target=2).attributions[0].values
    np.testing.assert_allclose(again, expected, atol=1e-5)
    found = picasso.explain(model, PICTURE, "token-occlusion", target=2, score="probability").attributions[0]
    rows = [model.probabilities(scores(network, place, "mean", "patches"))[2] for place in range(-1, 16)]
    assert found.native is not None
    np.testing.assert_allclose(found.native.ravel(), rows[0] - np.array(rows[1:]), atol=1e-5)
    assert found.units == "change in probability"


def test_what_has_no_tokens_is_refused() -> None:
    with pytest.raises(NotSupportedError, match="No layer of this network has tokens"):
        picasso.explain(opened(seeded(Plain)), PICTURE, "token-occlusion")
    model = opened(lively())
    with pytest.raises(NotFoundError, match="There is no layer 'nowhere'"):
        picasso.explain(model, PICTURE, "token-occlusion", layer="nowhere")
    with pytest.raises(NotSupportedError, match=r"'blocks\.0\.weights' has no tokens of patches"):
        picasso.explain(model, PICTURE, "token-occlusion", layer="blocks.0.weights")


@pytest.mark.parametrize("method", ["token-occlusion", "ablation-cam"])
def test_batches_that_shrink_where_memory_runs_out_lose_nothing(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plenty, scarce = opened(lively()), opened(lively())
    scarce.batch_size = 8
    whole = scarce._replaced

    def replaced(x: np.ndarray, layer: str, values: np.ndarray) -> dict[str, np.ndarray]:
        if len(values) > 3:
            raise MemoryError
        return whole(x, layer, values)

    monkeypatch.setattr(scarce, "_replaced", replaced)
    monkeypatch.setattr(
        type(scarce), "is_out_of_memory", classmethod(lambda cls, error: isinstance(error, MemoryError))
    )
    one, other = (picasso.explain(model, PICTURE, method, target=1, cache=False) for model in (plenty, scarce))
    assert scarce.batch_size < 4
    np.testing.assert_allclose(one.attributions[0].values, other.attributions[0].values, atol=1e-5)
