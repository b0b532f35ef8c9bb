"""How the tensors of layers lie, found by tracing: channels last in every answer, and maps told from all else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.errors import ModelOutputError
from picasso.core.facts import Layer
from picasso.core.model import Model
from picasso.models.torch.layers import Layout
from picasso.testing import check_model
from tests.models.networks import Plain, Vit, grad_cam_by_hand, seeded

SIZE = picasso.Preprocessing(size=(12, 15))
X = np.random.default_rng(1).normal(size=(3, 12, 15, 3)).astype(np.float32)


def opened(network: nn.Module, size: Any = SIZE) -> Model:
    return picasso.load_model(network.eval(), preprocessing=size)


def first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


def layers_of(model: Model) -> dict[str, Layer]:
    return {layer.name: layer for layer in model.layers()}


class Steps(nn.Module):
    """Modules one after another, and functions between them that are no layers."""

    def __init__(self, *steps: Any) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.steps = steps
        self.parts = nn.ModuleList(step for step in steps if isinstance(step, nn.Module))
        self.fc = nn.LazyLinear(4)
        self(torch.zeros(1, 3, 12, 15))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for step in self.steps:
            x = step(x)
            x = x[0] if isinstance(x, tuple) else x
        return self.fc(x.flatten(1))


class Tupled(nn.Module):
    """Returns what it is given behind something without pictures."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x * 1.0, x


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> dict[str, Any]:
        return {"table": torch.ones(7, 3), "nothing": None, "inner": [x * 2]}


def test_channels_last_inside_a_network_stay_last() -> None:
    # Six rows, six columns and six channels: no shape tells what is what, only the way there.
    network = Steps(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        lambda x: x[..., :6].permute(0, 2, 3, 1),
        nn.LayerNorm(6),
        nn.Linear(6, 6),
        nn.GELU(),
        lambda x: x.permute(0, 3, 1, 2) + 0,
        nn.Identity(),
        nn.Conv2d(6, 6, 1),
    )
    model = opened(network)
    x = first(X)
    with torch.no_grad():
        conv = network.parts[0](x)
        inner = network.parts[3](network.parts[2](network.parts[1](conv[..., :6].permute(0, 2, 3, 1))))
    seen = model.activations(X, ["parts.0", "parts.3", "parts.4", "parts.5"])
    np.testing.assert_allclose(seen["parts.0"], conv.movedim(1, -1).numpy(), atol=1e-6)
    np.testing.assert_allclose(seen["parts.3"], inner.numpy(), atol=1e-6)
    np.testing.assert_allclose(seen["parts.4"], inner.numpy(), atol=1e-6)
    np.testing.assert_allclose(
        seen["parts.5"], network.parts[5](inner.permute(0, 3, 1, 2)).detach().movedim(1, -1).numpy(), atol=1e-6
    )
    assert all(layers_of(model)[f"parts.{i}"].spatial for i in range(6))
    check_model(model)


@pytest.mark.parametrize(
    ("steps", "shape", "spatial"),
    [
        ((lambda x: x.flatten(2), nn.Identity()), (180, 3), True),
        ((lambda x: x.flatten(2).transpose(1, 2), nn.Linear(3, 5)), (180, 5), True),
        ((lambda x: x.flatten(2).permute(2, 0, 1), nn.Linear(3, 5), lambda x: x.transpose(0, 1)), (180, 5), True),
        ((lambda x: x.flatten(2).transpose(1, 2), nn.MultiheadAttention(3, 1).eval), (180, 3), True),
        ((lambda x: x.movedim(1, -1).swapaxes(1, 2), nn.Identity()), (15, 12, 3), True),
        ((nn.Conv2d(3, 4, 3, padding=1), Tupled()), (12, 15, 4), True),
        ((nn.Conv2d(3, 4, 3, padding=1), Pair(), lambda x: x["inner"][0]), (12, 15, 4), True),
        # Windows of 3 x 3, as many for each picture as fit, on the axis of the pictures.
        (
            (
                lambda x: x.reshape(-1, 3, 4, 3, 5, 3).permute(0, 2, 4, 3, 5, 1).reshape(-1, 3, 3, 3),
                nn.Linear(3, 5),
                lambda x: x.reshape(-1, 20, 45),
            ),
            (20, 3, 3, 5),
            False,
        ),
        ((lambda x: x.reshape(-1, 3, 12, 3, 5).permute(0, 2, 1, 3, 4), nn.Identity()), (12, 3, 5, 3), False),
    ],
)
def test_shapes_are_those_of_the_contract(steps: Any, shape: tuple[int, ...], spatial: bool) -> None:
    if not isinstance(steps[-1], nn.Module) and getattr(steps[-1], "__name__", "") == "eval":
        attention = nn.MultiheadAttention(3, 1)

        class Attending(nn.Module):
            def forward(self, x: torch.Tensor) -> Any:
                return attention(x.transpose(0, 1), x.transpose(0, 1), x.transpose(0, 1))

        steps = (steps[0], Attending(), lambda x: x.transpose(0, 1))
    model = opened(Steps(nn.Identity(), *steps))
    part = max(name for name in layers_of(model) if name.startswith("parts."))
    assert layers_of(model)[part].shape == shape
    assert layers_of(model)[part].spatial is spatial
    check_model(model)


def test_interleaved_windows_find_their_pictures() -> None:
    layout = Layout(batch=0, folds=2, interleaved=True, channels=1)
    values = torch.arange(12).reshape(4, 3)
    np.testing.assert_array_equal(layout.arrange(values)[0].numpy(), values[::2].numpy())
    layout = Layout(batch=0, folds=2, channels=1)
    np.testing.assert_array_equal(layout.arrange(values)[0].numpy(), values[:2].numpy())


@pytest.mark.parametrize("extra", [1, 2, 5])
def test_a_transformer_lays_its_tokens_on_the_patches(extra: int) -> None:
    network = Vit(extra=extra)
    model = opened(network)
    layers = layers_of(model)
    assert layers["blocks.1"].grid == (4, 5)
    assert layers["blocks.1"].shape == (20 + extra, 12)
    assert not layers["blocks.1.weights"].spatial, "what attention weighs is no map of the picture"
    assert layers["patches"].shape == (4, 5, 12)
    default = model.default_layer()
    assert default is not None
    assert default.name == "blocks.2.norm1"
    check_model(model)
    result = picasso.explain(model, np.full((12, 15, 3), 99, np.uint8), "grad-cam", target=2)
    x = first(model.preprocess([np.full((12, 15, 3), 99, np.uint8)]))
    expected = grad_cam_by_hand(network, "blocks.2.norm1", x, 2, lambda t: t[:, extra:].reshape(1, 4, 5, 12))
    np.testing.assert_allclose(result.attributions[0].native, expected[0].numpy(), rtol=1e-4, atol=1e-7)


def test_a_transformer_that_takes_the_mean_of_its_patches() -> None:
    network = Vit(extra=1, pooled=True)
    model = opened(network)
    default = model.default_layer()
    assert default is not None
    assert default.name == "norm"
    x = np.random.default_rng(0).normal(size=(1, 12, 15, 3)).astype(np.float32)
    pulled = model.pullback(x, [model.target(1)], ["norm"])
    kept: list[torch.Tensor] = []
    handle = network.norm.register_forward_hook(lambda part, given, made: (made.retain_grad(), kept.append(made))[1])
    network(first(x))[:, 1].sum().backward()
    handle.remove()
    np.testing.assert_allclose(pulled.values["norm"], kept[0].detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(pulled.gradients["norm"][0], kept[0].grad.numpy(), atol=1e-6)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("pooled", [True, False])
def test_the_transformer_of_pytorch_itself_behind_a_linear_embedding(batch_first: bool, pooled: bool) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.embed, self.head = nn.Linear(27, 8), nn.Linear(8, 4)
            block = nn.TransformerEncoderLayer(8, 2, 12, batch_first=batch_first, norm_first=True)
            self.encoder = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x.unfold(2, 3, 3).unfold(3, 3, 3).permute(0, 2, 3, 4, 5, 1).reshape(x.shape[0], 20, 27)
            x = torch.cat([torch.ones(x.shape[0], 1, 8), self.embed(x)], 1)
            x = self.encoder(x) if batch_first else self.encoder(x.transpose(0, 1)).transpose(0, 1)
            return self.head(x[:, 1:].mean(1) if pooled else x[:, 0])

    network = Own().eval()
    model = opened(network)
    default = model.default_layer()
    assert default is not None
    assert default.name == ("encoder.layers.1" if pooled else "encoder.layers.1.norm1")
    assert default.grid == (4, 5)
    check_model(model)
    pulled = model.pullback(X, [model.target(1)], [default.name])
    values, slopes = (
        model.postprocess(part) for part in (pulled.values[default.name], pulled.gradients[default.name][0])
    )
    found = np.maximum((values * slopes.mean((1, 2), keepdims=True)).sum(3), 0)

    def lay(tensor: torch.Tensor) -> torch.Tensor:
        return (tensor if batch_first else tensor.transpose(0, 1))[:, 1:].reshape(3, 4, 5, 8)

    expected = grad_cam_by_hand(network, default.name, first(X), 1, lay).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.max())


def test_a_stem_of_convolutions_before_the_patches() -> None:
    model = opened(Vit(stem=True), picasso.Preprocessing(size=(24, 30)))
    assert layers_of(model)["blocks.0"].grid == (4, 5)
    default = model.default_layer()
    assert default is not None
    assert default.name == "blocks.2.norm1"


def test_an_exported_transformer_finds_the_same_place() -> None:
    network = Vit().eval()
    program = torch.export.export(network, (first(X[:2]),), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    model, live = picasso.load_model(program, preprocessing=SIZE), opened(network)
    default = model.default_layer()
    assert default is not None
    assert (default.kind, default.grid) == ("layer_norm", (4, 5))
    found = model.pullback(X, [model.target(1)], [default.name])
    expected = live.pullback(X, [live.target(1)], ["blocks.2.norm1"])
    np.testing.assert_allclose(found.values[default.name], expected.values["blocks.2.norm1"], atol=1e-5)
    np.testing.assert_allclose(found.gradients[default.name], expected.gradients["blocks.2.norm1"], atol=1e-6)


def test_a_layer_that_knows_no_picture_is_no_layer_of_it() -> None:
    class Table(nn.Module):
        def forward(self) -> torch.Tensor:
            return torch.ones(20, 4)

    class Knowing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.body = Table(), seeded(Plain)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x) + self.table().mean()

    assert "table" not in layers_of(opened(Knowing()))


def test_a_tensor_without_places_is_refused_by_grad_cam() -> None:
    model = opened(Vit())
    with pytest.raises(ModelOutputError, match="a map needs"):
        picasso.explain(model, np.zeros((12, 15, 3), np.uint8), "grad-cam", layer="head")
