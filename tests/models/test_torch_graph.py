"""The op graph of PyTorch networks computes what they compute, however they are written, and of real architectures."""

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

from picasso.core import graph as g
from picasso.core.graph import GraphError
from tests.models import torchvision_operators
from tests.models.networks import Clamped, Functional, InPlace, Plain, Shared, Threshold, Vit, seeded
from tests.models.torch_graphs import Run, agreed, kinds, opened, shaken


@pytest.mark.parametrize("kind", [Plain, Functional, InPlace, Shared, Clamped, Threshold])
def test_however_it_is_written_the_graph_is_one(kind: Any) -> None:
    network = seeded(kind)
    graph = agreed(opened(network))
    assert kinds(graph) == ["Conv", "Affine", "Activation", "Conv", "Activation", "GlobalPool", "Linear"]
    layers = [op.layer for op in graph.ops if isinstance(op, g.Conv | g.Linear)]
    assert layers == ["conv1", "conv2", "fc"]
    if kind is Shared:
        assert [op.layer for op in graph.ops if isinstance(op, g.Activation)] == ["relu1", "relu1:2"]
    (conv, *_), (affine, *_) = ([op for op in graph.ops if isinstance(op, one)] for one in (g.Conv, g.Affine))
    assert np.shares_memory(conv.weight, network.conv1.weight.numpy(force=True))
    assert affine.scale.dtype == np.float32


def test_the_users_network_is_left_as_it_was() -> None:
    network = seeded(Plain).train()
    network.conv2.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    model = opened(network)
    calls: list[int] = []
    network.fc.register_forward_hook(lambda *_: calls.append(1))
    agreed(model)
    assert network.training
    assert network.bn.training
    assert [p.requires_grad for p in network.conv2.parameters()] == [False, False]
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.conv1._forward_hooks
    assert not network.conv1._forward_pre_hooks
    assert len(network.fc._forward_hooks) == 1
    assert calls
    loss = network(torch.rand(2, 3, 12, 12)).sum()
    loss.backward()
    assert network.conv1.weight.grad is not None


@pytest.mark.parametrize("head", [nn.Softmax(1), nn.LogSoftmax(1), nn.Sigmoid()])
def test_a_head_at_the_end_is_not_part_of_the_graph(head: nn.Module) -> None:
    graph = agreed(opened(nn.Sequential(seeded(Plain), head)))
    assert isinstance(graph.by_name[next(iter(graph.outputs.values()))], g.Linear)


def test_however_it_is_called() -> None:
    class Held(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.fc = seeded(Plain), nn.Linear(2, 5)

        def forward(self, meta: torch.Tensor, image: torch.Tensor) -> dict[str, Any]:
            return {"logits": self.body(image.permute(0, 3, 1, 2)) + self.fc(meta), "maps": image.mean(-1)}

    agreed(opened(Held(), input="image", hold={"meta": np.array([[1.0, 2.0]])}))
    agreed(opened(Run(lambda x, body: body(torch.stack([*x])) if isinstance(x, list) else x.no, seeded(Plain))))


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_programs_that_were_exported() -> None:
    network = shaken(nn.Sequential(seeded(Plain), nn.LayerNorm(5), nn.Softmax(1)))
    batch = torch.export.Dim.DYNAMIC
    program = torch.export.export(network, (torch.rand(2, 3, 12, 12),), dynamic_shapes=({0: batch},))
    file = io.BytesIO()
    torch.export.save(program, file)
    whole = agreed(opened(program))
    assert "conv2d_1" in {op.layer for op in whole.ops}
    agreed(opened(program.run_decompositions()))


def test_what_is_refused_whole() -> None:
    def refused(network: Any, said: str, **choices: Any) -> None:
        with pytest.raises(GraphError, match=said):
            opened(network, **choices)._read_graph()  # type: ignore[attr-defined]

    refused(torch.jit.script(seeded(Plain)), "TorchScript")
    refused(seeded(Plain).double(), "computes in float64")
    refused(seeded(Plain).bfloat16(), "computes in bfloat16")
    refused(Run(lambda x, body: body(x).squeeze(), seeded(Plain)), "takes 2 pictures at a time")
    refused(Run(lambda x, body: body(x) + torch.randn(len(x), 1), seeded(Plain)), "vary from run to run")
    clips = nn.Sequential(nn.Conv3d(3, 4, 3), nn.AdaptiveAvgPool3d(1), nn.Flatten())
    refused(clips, "reads clips", size=32, frames=4)


def unet() -> nn.Module:
    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.deep = self.block(3, 8), self.block(8, 16)
            self.up, self.out = self.block(24, 8), nn.Conv2d(8, 3, 1)
            self.lift, self.join = nn.ConvTranspose2d(16, 8, 2, stride=2), self.block(16, 8)

        def block(self, before: int, after: int) -> nn.Module:
            return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(inplace=True))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            top = self.down(x)
            deep = self.deep(F.max_pool2d(top, 2))
            up = self.up(torch.cat([F.interpolate(deep, scale_factor=2, mode="bilinear"), top], 1))
            return self.out(self.join(torch.cat([up, self.lift(deep)], 1)))

    return UNet()


def vision(name: str, **choices: Any) -> nn.Module:
    torchvision_operators.declare()
    choices = {"weights": None, **choices}
    return getattr(importlib.import_module("torchvision.models"), name)(**choices)


def swin() -> nn.Module:
    torchvision_operators.declare()
    kinds = importlib.import_module("torchvision.models.swin_transformer")
    return kinds.SwinTransformer([4, 4], 24, [2, 2], [2, 4], [5, 5])


def segmenter(name: str) -> nn.Module:
    torchvision_operators.declare()
    kinds = importlib.import_module("torchvision.models.segmentation")
    return getattr(kinds, name)(weights=None, weights_backbone=None, num_classes=3)


def timm(name: str, **choices: Any) -> nn.Module:
    torchvision_operators.declare()
    return importlib.import_module("timm").create_model(name, pretrained=False, **choices)


def face(name: str, **choices: Any) -> nn.Module:
    torchvision_operators.declare()
    kinds = importlib.import_module("transformers")
    return getattr(kinds, f"{name}ForImageClassification")(getattr(kinds, f"{name}Config")(**choices))


SMALL = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
NETWORKS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "vgg11_bn": (lambda: nn.Sequential(*vision("vgg11_bn").features, nn.Flatten()), 48),
    "resnet18": (lambda: vision("resnet18"), 48),
    "mobilenet_v2": (lambda: vision("mobilenet_v2"), 48),
    "mobilenet_v3_small": (lambda: vision("mobilenet_v3_small"), 48),
    "squeezenet1_1": (lambda: vision("squeezenet1_1"), 48),
    "densenet121": (lambda: vision("densenet121"), 40),
    "googlenet": (lambda: vision("googlenet", transform_input=True, init_weights=False), 48),
    "inception_v3": (lambda: vision("inception_v3", transform_input=True, init_weights=False), 96),
    "efficientnet_b0": (lambda: vision("efficientnet_b0"), 48),
    "regnet": (lambda: vision("regnet_y_400mf"), 48),
    "shufflenet_v2": (lambda: vision("shufflenet_v2_x0_5"), 48),
    "convnext": (lambda: timm("convnext_atto"), 64),
    "vit": (lambda: timm("vit_tiny_patch16_224", img_size=64, depth=3), 64),
    "swin": (lambda: timm("swin_tiny_patch4_window7_224", img_size=64, depths=(1, 2), num_heads=(2, 4)), 64),
    "swin of torchvision": (lambda: swin(), 64),
    "groups": (lambda: timm("resnetv2_50x1_bit"), 48),
    "normalized in groups": (lambda: timm("resnet50_gn", layers=(1, 1, 1, 1)), 48),
    "huggingface resnet": (lambda: face("ResNet", embedding_size=8, layer_type="basic", **SMALL), 48),
    "huggingface mobilenet": (lambda: face("MobileNetV2"), 64),
    "deeplab": (lambda: segmenter("deeplabv3_resnet50"), 32),
    "lraspp": (lambda: segmenter("lraspp_mobilenet_v3_large"), 48),
    "u-net": (unet, 24),
    "tokens": (Vit, 12),
}
LOUD = {"efficientnet_b0": 2.5}
"""Where the picture would hardly reach the answer with the weights of others."""


@pytest.mark.parametrize("name", NETWORKS)
def test_an_architecture(name: str) -> None:
    torch.manual_seed(2)
    make, size = NETWORKS[name]
    choices = {"output": "out"} if name in ("deeplab", "lraspp") else {}
    agreed(opened(shaken(make(), LOUD.get(name, 1.5)), size, **choices))
