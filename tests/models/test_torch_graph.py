"""The op graph of PyTorch networks computes what they compute, for every operation and for real architectures."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picasso
from picasso.core import graph as g
from picasso.core.graph import Graph, GraphError
from picasso.core.model import Model
from picasso.models.torch import op_graph
from tests.engine import reference
from tests.models import torchvision_operators
from tests.models.networks import Clamped, Functional, InPlace, Plain, Shared, Threshold, Vit, seeded

CLOSE = 1e-4


def shaken(network: nn.Module) -> nn.Module:
    """Give a network weights with which its answer depends on the picture, and statistics that are not trivial."""
    torch.manual_seed(7)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0, (1.5 / max(1, parameter[0].numel())) ** 0.5)
            elif name.endswith("bias"):
                parameter.uniform_(-0.3, 0.3)
            else:
                parameter.uniform_(0.7, 1.4)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.uniform_(-0.3, 0.3)
            elif name.endswith("running_var"):
                buffer.uniform_(0.6, 1.6)
    return network.eval()


def pictures(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)


def agree(graph: Graph, x: np.ndarray, expected: dict[str, np.ndarray]) -> None:
    """Compare a graph with a network's own answers to pictures (n, channels, height, width)."""
    found = reference.outputs(graph, x)
    assert found.keys() == expected.keys()
    for name, answer in expected.items():
        size = np.abs(answer).max()
        assert np.abs(answer[0] - answer[1]).max() > 1e-3 * size, "the network hardly looks at the picture"
        np.testing.assert_allclose(found[name], answer, rtol=0, atol=CLOSE * size)


def opened(network: Any, size: int | tuple[int, int] = 12, **choices: Any) -> Model:
    return picasso.load_model(network, preprocessing=picasso.Preprocessing(size=size), **choices)


def agreed(model: Any) -> Graph:
    """Read a model's graph, compare it with the model, and return it."""
    graph = model._read_graph()
    assert isinstance(graph, Graph)
    x = pictures(model.x_shape)
    own = {name: answer.numpy(force=True) for name, answer in model._forward(model._tensor(x)).items()}
    agree(graph, x.transpose(0, 3, 1, 2), own)
    names = {layer.name for layer in model.layers()} | {name for name, _ in model.module.named_modules()}
    assert {op.layer.partition(":")[0] for op in graph.ops} <= {name.partition(":")[0] for name in names}
    return graph


def kinds(graph: Graph) -> list[str]:
    return [type(op).__name__ for op in graph.ops[1:]]


class Run(nn.Module):
    """A function of a picture and of layers as a network."""

    def __init__(self, run: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.run = run

    def forward(self, x: torch.Tensor) -> Any:
        return self.run(x, *self.layers)


def traced(run: Callable[..., Any] | nn.Module, *layers: nn.Module, shape: tuple[int, ...] = (4, 13, 11)) -> Graph:
    """Read the graph of a function, compare it with the function, and return it."""
    network = shaken(run if isinstance(run, nn.Module) else Run(run, *layers))
    graph = op_graph.read(network, torch.rand(1, *shape), lambda x: {"made": network(x)})
    x = pictures(shape)
    with torch.no_grad():
        answers = [network(torch.from_numpy(one[None])).numpy() for one in x]
    agree(graph, x, {"made": np.concatenate(answers)})
    return graph


C = nn.Conv2d
CONVOLUTIONS = [
    C(4, 6, 3),
    C(4, 6, (1, 5), stride=(2, 1), padding=(0, 2)),
    C(4, 6, (4, 3), padding="same"),
    C(4, 6, (2, 4), padding="same", dilation=(3, 1)),
    C(4, 8, 3, groups=4, padding=1, bias=False),
    C(4, 6, 3, groups=2, padding=2, dilation=2),
    C(4, 6, 3, padding=1, padding_mode="reflect"),
    C(4, 6, 3, padding=(2, 1), padding_mode="replicate"),
    nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, output_padding=1),
    nn.ConvTranspose2d(4, 6, (2, 3), stride=(3, 1), groups=2, bias=False),
    nn.ConvTranspose2d(4, 4, 3, dilation=2, groups=4, padding=(0, 2)),
]
POOLS = [
    nn.MaxPool2d(3, 2),
    nn.MaxPool2d(3, 2, padding=1, ceil_mode=True),
    nn.MaxPool2d((2, 3), (2, 1), ceil_mode=True),
    nn.MaxPool2d(2, dilation=(2, 3)),
    nn.AvgPool2d(3, 2),
    nn.AvgPool2d(3, 2, padding=1),
    nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    nn.AvgPool2d(3, 2, padding=1, ceil_mode=True),
    nn.AvgPool2d((2, 4), 3, ceil_mode=True),
    nn.AvgPool2d(3, 2, ceil_mode=True, count_include_pad=False),
    nn.AdaptiveAvgPool2d(1),
    nn.AdaptiveAvgPool2d((5, 3)),
    nn.AdaptiveAvgPool2d((20, 11)),
    nn.AdaptiveMaxPool2d(1),
    nn.LPPool2d(2, 2),
]
ACTIVATIONS = [
    nn.ReLU(),
    nn.ReLU6(),
    nn.Hardtanh(-0.5, 0.7),
    nn.LeakyReLU(0.2),
    nn.PReLU(),
    nn.PReLU(4),
    nn.RReLU(),
    nn.ELU(0.7),
    nn.SELU(),
    nn.CELU(0.6),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.SiLU(),
    nn.GELU(),
    nn.GELU("tanh"),
    nn.Mish(),
    nn.Softplus(),
    nn.Softsign(),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.Threshold(0, 0),
    nn.Softmax2d(),
    nn.LogSoftmax(1),
    nn.Dropout(),
    nn.Dropout2d(),
]
NORMS = [
    nn.BatchNorm2d(4),
    nn.BatchNorm2d(4, affine=False),
    nn.GroupNorm(2, 4),
    nn.GroupNorm(1, 4, affine=False),
    nn.InstanceNorm2d(4, affine=True),
    nn.InstanceNorm2d(4, track_running_stats=True),
    nn.LayerNorm((4, 13, 11)),
    nn.LayerNorm(11),
    nn.RMSNorm(11),
    nn.LocalResponseNorm(3, 0.4, 0.6, 1.5),
    nn.LocalResponseNorm(2),
]
RESIZES = [
    nn.Upsample(scale_factor=2),
    nn.Upsample((20, 30)),
    nn.Upsample(scale_factor=(1.5, 2.7), mode="nearest-exact"),
    nn.Upsample(scale_factor=2, mode="bilinear"),
    nn.Upsample((7, 29), mode="bilinear", align_corners=True),
    nn.Upsample(scale_factor=(0.6, 1.3), mode="bilinear"),
    nn.Upsample((9, 25), mode="bicubic"),
    nn.PixelShuffle(2),
    nn.ZeroPad2d((1, 0, -2, 3)),
    nn.ConstantPad2d((1, 2, 3, 4), 0.5),
    nn.ReflectionPad2d((1, 2, 0, 3)),
]


@pytest.mark.parametrize(
    "layer",
    [*CONVOLUTIONS, *POOLS, *ACTIVATIONS, *NORMS, *RESIZES],
    ids=lambda layer: str(layer).replace(" ", ""),
)
def test_a_layer(layer: nn.Module) -> None:
    assert "layers.0" in {op.layer for op in traced(lambda x, layer: layer(x * 2) + 0, layer).ops}


def test_pixels_become_channels() -> None:
    traced(nn.PixelUnshuffle(3), shape=(2, 9, 12))
    traced(nn.ChannelShuffle(2))


def _attended(x: Any, attention: nn.Module, **choices: Any) -> Any:
    tokens = x.flatten(2).transpose(1, 2)
    return attention(tokens, tokens, tokens, **choices)[0]


def _relative(x: Any) -> Any:
    """Attention with a mask of yes and no."""
    q = x.reshape(len(x), 2, 2, -1).transpose(2, 3)
    return F.scaled_dot_product_attention(q, q * 0.5, q + 1, (torch.arange(143)[:, None] + torch.arange(143)) % 3 > 0)


def _written_over(x: Any) -> Any:
    y = x * 2
    y.add_(1).clamp_(-1, 3)
    y.copy_(y * x)
    return y


def _windows(x: Any) -> Any:
    """Roll, cut into windows, and put together again, channels last."""
    y = torch.roll(x[:, :, :12, :8].permute(0, 2, 3, 1), (-1, 2), (1, 2))
    y = y.view(len(x), 3, 4, 2, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 4)
    y = y.softmax(1) + y.mean(1, keepdim=True)
    y = y.view(-1, 3, 2, 4, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(-1, 12, 8, 4)
    return torch.roll(y, (1, -2), (1, 2)).permute(0, 3, 1, 2)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[nn.Module, ...]]] = {
    "arithmetic": (lambda x: 3 - (x + 2) * x / 4 + 1 / (x.abs() + 1) - x.neg(), ()),
    "alpha": (lambda x: torch.add(x, x.exp(), alpha=0.5).sub(x.sqrt().nan_to_num() * 0 + x, alpha=2), ()),
    "scaled sums": (lambda x: torch.add(x, x.exp(), alpha=0.5) - torch.sub(2, x, alpha=3), ()),
    "powers": (lambda x: x**2 + (x.abs() + 1) ** 0.5 + (x.abs() + 1) ** -1.5 + 2 ** x.clamp(-1, 1), ()),
    "limits": (lambda x: torch.maximum(x, x * 0.5) - torch.minimum(x, torch.tensor(0.2)) + x.clamp(max=0.1), ()),
    "per channel": (lambda x: (x - torch.tensor([0.1, 0.2, 0.3, 0.4])[:, None, None]) / torch.tensor(0.3), ()),
    "per pixel": (lambda x: x * torch.linspace(-1, 1, 11) + torch.linspace(0, 1, 13)[:, None], ()),
    "squeeze and excite": (lambda x, a, b: x * b(a(x.mean((2, 3), keepdim=True)).relu()).sigmoid(), (C(4, 2, 1), C(2, 4, 1))),
    "excite by linear layers": (lambda x, a: x * a(x.amax((2, 3))).sigmoid()[:, :, None, None].expand_as(x), (nn.Linear(4, 4),)),
    "concat": (lambda x, a, b: torch.cat([a(x), F.max_pool2d(x, 3, 1, 1), b(x), x[:, :1]], 1), (C(4, 2, 1), C(4, 3, 3, padding=1))),
    "concat with constants": (lambda x: torch.cat([x, torch.linspace(0, 1, 11).expand(1, 1, 13, 11)], 1), ()),
    "stack": (lambda x: torch.stack([x, x * 2, x.relu()], 1).flatten(1, 2), ()),
    "split": (lambda x: torch.cat([*x.chunk(3, 1)[::-1], *x.split([3, 1], 1), *x.unbind(1)[1].unsqueeze(1).split(1)], 1), ()),
    "slices": (lambda x: x[:, 1:3, ::2, -4:] + x[:, [1, 3], :7, 3:7] - x[..., 0:1, 0:1], ()),
    "flips": (lambda x: x.flip(2, 3) + x[:, [2, 1, 0, 3]], ()),
    "shortcut with more channels": (lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 1)), ()),
    "reduce": (lambda x: x.sum(1) + x.mean((1, 3)).amax(1, keepdim=True)[..., None] + x.max(1).values + x.mean(), ()),
    "spread": (lambda x: (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True) + x.var(1, keepdim=True), ()),
    "lengths": (lambda x: F.normalize(x, dim=1), ()),
    "global pooling": (lambda x, a: a(x.mean([-1, -2])) + a(F.adaptive_avg_pool2d(x, 1).flatten(1)), (nn.Linear(4, 3),)),
    "repeat": (lambda x: x.repeat(1, 2, 1, 1) * torch.tile(x, (1, 2, 1, 1)), ()),
    "channels last": (
        lambda x, norm, a, b: x + b(F.gelu(a(norm(x.permute(0, 2, 3, 1))))).mul(0.5).permute(0, 3, 1, 2),
        (nn.LayerNorm(4), nn.Linear(4, 7), nn.Linear(7, 4)),
    ),
    "channels last to the end": (
        lambda x: F.pad(x.permute(0, 2, 3, 1)[:, 1::2, ::2], (0, 0, 1, 2, 0, 1)).softmax(-1).mean((1, 2)),
        (),
    ),
    "windows": (_windows, ()),
    "matrices": (lambda x: x @ x.mT + torch.einsum("nchw,ndhw->ncd", x, x)[:, :, :1, None] + x @ torch.eye(11, 13), ()),
    "batch of matrices": (lambda x: torch.bmm(x.flatten(2), x.flatten(2).mT).softmax(-1), ()),
    "attention": (_attended, (nn.MultiheadAttention(4, 2, batch_first=True),)),
    "attention without weights": (lambda x, a: _attended(x, a, need_weights=False), (nn.MultiheadAttention(4, 2, batch_first=True),)),
    "masked attention": (_relative, ()),
    "causal attention": (lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.3), ()),
    "masks": (lambda x: x.masked_fill(torch.eye(13, 11) > 0, 3.0) + torch.where(torch.eye(11)[0] > 0, x, 0.5), ()),
    "rows": (lambda x, a: x * a(x.mean((2, 3))[:, None])[:, 0, :, None, None].sigmoid(), (nn.Conv1d(1, 1, 3, padding=1),)),
    "in place": (_written_over, ()),
    "types": (lambda x: x.float().to(torch.float32).contiguous().detach().clone().type_as(x) * 2, ()),
    "weights that are computed": (lambda x, a: F.conv2d(x, a.weight - a.weight.mean((1, 2, 3), keepdim=True)), (C(4, 5, 3),)),
    "weights that are parametrized": (lambda x, a: a(x), (nn.utils.parametrizations.weight_norm(C(4, 5, 3)),)),
    "tokens": (lambda x, norm: norm(x.flatten(2).mT.flatten(0, 1)).reshape(len(x), -1, 4), (nn.BatchNorm1d(4),)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function(name: str) -> None:
    run, layers = FUNCTIONS[name]
    if name == "alpha":
        with pytest.raises(GraphError, match="aten.nan_to_num at the top of the network has no form"):
            traced(run, *layers)
    else:
        traced(run, *layers)
