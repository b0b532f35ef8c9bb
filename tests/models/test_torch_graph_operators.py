"""The op graph of PyTorch layers and functions computes what they compute, in the most telling words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from picasso.core import graph as g
from picasso.core.graph import GraphError
from picasso.models.torch import op_graph
from tests.models.torch_graphs import Run, kinds, traced

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


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
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
    "scaled sums": (lambda x: torch.add(x, x.exp(), alpha=0.5) - torch.sub(2, x, alpha=3), ()),
    "powers": (lambda x: x**2 + (x.abs() + 1) ** 0.5 + (x.abs() + 1) ** -1.5 + 2 ** x.clamp(-1, 1), ()),
    "limits": (lambda x: torch.maximum(x, x * 0.5) - torch.min(x, torch.tensor(0.2)) + x.clamp(max=0.1), ()),
    "per channel": (lambda x: (x - torch.tensor([0.1, 0.2, 0.3, 0.4])[:, None, None]) / torch.tensor(0.3), ()),
    "per pixel": (lambda x: x * torch.linspace(-1, 1, 11) + torch.linspace(0, 1, 13)[:, None], ()),
    "squeeze and excite": (
        lambda x, a, b: x * b(a(x.mean((2, 3), keepdim=True)).relu()).sigmoid(),
        (C(4, 2, 1), C(2, 4, 1)),
    ),
    "excite by linear layers": (
        lambda x, a: x * a(x.amax((2, 3))).sigmoid()[:, :, None, None].expand_as(x),
        (nn.Linear(4, 4),),
    ),
    "concat": (
        lambda x, a, b: torch.cat([a(x), F.max_pool2d(x, 3, 1, 1), b(x), x[:, :1]], 1),
        (C(4, 2, 1), C(4, 3, 3, padding=1)),
    ),
    "concat with constants": (lambda x: torch.cat([x, torch.linspace(0, 1, 11).expand(1, 1, 13, 11)], 1), ()),
    "stack": (lambda x: torch.stack([x, x * 2, x.relu()], 1).flatten(1, 2), ()),
    "split": (
        lambda x: torch.cat([*x.chunk(3, 1)[::-1], *x.split([3, 1], 1), *x.unbind(1)[1].unsqueeze(1).split(1)], 1),
        (),
    ),
    "slices": (lambda x: x[:, 1:3, ::2, -4:] + x[:, [1, 3], :7, 3:7] - x[:, 2:3, 0:1, 0:1], ()),
    "flips": (lambda x: x.flip(2, 3) + x[:, [2, 1, 0, 3]], ()),
    "shortcut with more channels": (lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 1)), ()),
    "reduce": (lambda x: x.sum(1) + x.mean((1, 3)).amax(1, keepdim=True)[..., None] + x.max(1).values + x.mean(), ()),
    "spread": (lambda x: (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True) + x.var(1, keepdim=True), ()),
    "lengths": (lambda x: F.normalize(x, dim=1), ()),
    "global pooling": (
        lambda x, a: a(x.mean([-1, -2])) + a(F.adaptive_avg_pool2d(x, 1).flatten(1)),
        (nn.Linear(4, 3),),
    ),
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
    "batch of matrices": (lambda x: torch.bmm(x.flatten(2), x.flatten(2).mT * 0.01).softmax(-1), ()),
    "attention": (_attended, (nn.MultiheadAttention(4, 2, batch_first=True),)),
    "attention without weights": (
        lambda x, a: _attended(x, a, need_weights=False),
        (nn.MultiheadAttention(4, 2, batch_first=True),),
    ),
    "masked attention": (_relative, ()),
    "causal attention": (lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.3), ()),
    "masks": (lambda x: x.masked_fill(torch.eye(13, 11) > 0, 3.0) + torch.where(torch.eye(11)[0] > 0, x, 0.5), ()),
    "rows": (
        lambda x, a: x * a(x.mean((2, 3))[:, None])[:, 0, :, None, None].sigmoid(),
        (nn.Conv1d(1, 1, 3, padding=1),),
    ),
    "in place": (_written_over, ()),
    "types": (lambda x: x.float().to(torch.float32).contiguous().detach().clone().type_as(x) * 2, ()),
    "weights that are computed": (
        lambda x, a: F.conv2d(x, a.weight - a.weight.mean((1, 2, 3), keepdim=True)),
        (C(4, 5, 3),),
    ),
    "weights that are parametrized": (lambda x, a: a(x), (nn.utils.parametrizations.weight_norm(C(4, 5, 3)),)),
    "tokens": (lambda x, norm: norm(x.flatten(2).mT.flatten(0, 1)).reshape(len(x), -1, 4), (nn.BatchNorm1d(4),)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function(name: str) -> None:
    run, layers = FUNCTIONS[name]
    traced(run, *layers)


@pytest.mark.parametrize(
    ("run", "function"),
    [
        (lambda x: x * torch.sigmoid(x), "silu"),
        (lambda x: x * F.relu6(x + 3) / 6, "hard_swish"),
        (lambda x: x * F.hardsigmoid(x), "hard_swish"),
        (lambda x: F.relu6(x + 3) / 6, "hard_sigmoid"),
        (lambda x: x.clamp(min=0), "relu"),
        (lambda x: torch.maximum(x, torch.zeros(())), "relu"),
    ],
)
def test_what_is_spelled_out_is_one_activation(run: Any, function: str) -> None:
    *_, op = traced(run).ops
    assert isinstance(op, g.Activation)
    assert (op.function, op.inputs) == (function, ("input",))


def test_the_most_special_operations_are_written() -> None:
    norm, wide, narrow = nn.LayerNorm(4), nn.Linear(4, 8), nn.Linear(8, 4)
    last = traced(
        lambda x, *layers: layers[2](F.gelu(layers[1](layers[0](x.permute(0, 2, 3, 1))))).permute(0, 3, 1, 2),
        norm,
        wide,
        narrow,
    )
    assert kinds(last) == ["LayerNorm", "Conv", "Activation", "Conv"]
    assert kinds(traced(lambda x, conv: conv(F.pad(x, (1, 2, 0, 1))), C(4, 5, 3, padding=1))) == ["Conv"]
    assert kinds(traced(lambda x: F.adaptive_avg_pool2d(x, (13, 11)).mean((2, 3)))) == ["GlobalPool"]
    assert kinds(traced(lambda x: F.adaptive_avg_pool2d(x[:, :, :12, :10], (6, 5)))) == ["Slice", "Slice", "Pool"]


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (lambda x: x.nan_to_num() * 2, "aten.nan_to_num at 'layers.0' has no form in the op graph."),
        (lambda x: x if x.sum() > 0 else -x, "At 'layers.0' the network decides by its own numbers."),
        (lambda x: x * float(x.mean()), "At 'layers.0' the network decides by its own numbers."),
        (lambda x: x + torch.from_numpy(x.numpy() * 2), "At 'layers.0' the network computes outside PyTorch."),
        (lambda x: x + torch.rand(11), "aten.rand at 'layers.0' has no form in the op graph."),
        (lambda x: F.dropout(x), "aten.dropout at 'layers.0' drops numbers at random."),
        (
            lambda x: F.batch_norm(x, None, None, training=True),
            "aten.batch_norm at 'layers.0' normalizes by the pictures",
        ),
        (lambda x: F.conv2d(x, x[:, :, :3, :3]), "aten.conv2d at 'layers.0' has weights that depend on the picture."),
        (lambda x: x.half().float(), "aten.to at 'layers.0' computes in float16; the op graph is of float32."),
        (lambda x: x.softmax(0), "aten.softmax at 'layers.0' works along the axis of the pictures."),
        (lambda x: F.pad(x, (1, 1, 1, 1), mode="circular"), "aten.pad at 'layers.0' pads in the mode circular."),
        (lambda x: F.conv3d(x[:, :, None], torch.ones(2, 4, 1, 3, 3)), "is not one map for each picture."),
        (lambda x: _half_written(x.clone()), "the network writes into a part of a tensor."),
        (lambda x: x.clone().fill_diagonal_(1) if x.dim() == 2 else x.sum(0).sum(), "has no axis of pictures"),
        (lambda x: 1 / 0, "The network cannot be followed while it runs: division by zero."),
    ],
)
def test_what_has_no_form_is_said(run: Any, said: str) -> None:
    class Part(nn.Module):
        def forward(self, x: Any) -> Any:
            return run(x)

    network = Run(lambda x, part: part(x), Part())
    with pytest.raises(GraphError) as caught:
        op_graph.read(network, torch.rand(1, 4, 13, 11), lambda x: {"made": network(x)})
    assert said in str(caught.value)


def _half_written(x: Any) -> Any:
    x[:, 1] = 0
    return x


def test_what_no_output_needs_may_be_anything() -> None:
    graph = traced(lambda x: (x.nan_to_num(), x.argmax(), x * 2)[2])
    assert kinds(graph) == ["Affine"]
