"""The usual architectures in PyTorch, at full size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.matrix.drawn import drawing
from tests.models.torchvision_operators import declare

declare()
import torchvision.models as zoo  # noqa: E402 (what it imports looks for the operators)
import torchvision.models.segmentation as masks  # noqa: E402

CLASSES = 7
SIDE = 224


class UNet(nn.Module):
    """Down three times, up again by transposed convolutions and by interpolation, beside what was there before."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64, 128)
        self.down = nn.ModuleList(_twice(before, after) for before, after in zip((3, *widths), widths, strict=False))
        self.up = nn.ModuleList([
            nn.ConvTranspose2d(128, 64, 2, 2),
            nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(64, 32, 1)),
            nn.ConvTranspose2d(32, 16, 2, 2),
        ])  # fmt: skip
        self.beside = nn.ModuleList(_twice(2 * width, width) for width in (64, 32, 16))
        self.end = nn.Conv2d(16, CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        passed = []
        for step in self.down:
            x = step(nn.functional.max_pool2d(x, 2) if passed else x)
            passed.append(x)
        for up, beside, before in zip(self.up, self.beside, passed[-2::-1], strict=True):
            x = beside(torch.cat([before, up(x)], 1))
        return self.end(x)


def _twice(before: int, after: int) -> nn.Sequential:
    first, second = nn.Conv2d(before, after, 3, padding=1), nn.Conv2d(after, after, 3, padding=1)
    return nn.Sequential(first, nn.BatchNorm2d(after), nn.ReLU(), second, nn.BatchNorm2d(after), nn.ReLU())


class Masks(nn.Module):
    """The masks alone of a network that returns them by name."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)["out"]


def _vit() -> nn.Module:
    return zoo.VisionTransformer(SIDE, 16, 12, 3, 192, 768, num_classes=CLASSES)


def _deeplab() -> nn.Module:
    return Masks(masks.deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=CLASSES))


def _classifier(make: Callable[..., nn.Module], **given: Any) -> Callable[[], nn.Module]:
    return lambda: make(weights=None, num_classes=CLASSES, **given)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "VGG16": _classifier(zoo.vgg16, init_weights=False),
    "ResNet-18": _classifier(zoo.resnet18),
    "ResNet-50": _classifier(zoo.resnet50),
    "MobileNetV2": _classifier(zoo.mobilenet_v2),
    "SqueezeNet 1.1": _classifier(zoo.squeezenet1_1),
    "DenseNet121": _classifier(zoo.densenet121),
    "GoogLeNet": _classifier(zoo.googlenet, aux_logits=False, init_weights=False),
    "InceptionV3": _classifier(zoo.inception_v3, aux_logits=False, init_weights=False),
    "EfficientNet-B0": _classifier(zoo.efficientnet_b0),
    "MobileNetV3": _classifier(zoo.mobilenet_v3_large),
    "ShuffleNetV2": _classifier(zoo.shufflenet_v2_x1_0),
    "RegNetX": _classifier(zoo.regnet_x_400mf),
    "RegNetY": _classifier(zoo.regnet_y_400mf),
    "ConvNeXt-Tiny": _classifier(zoo.convnext_tiny),
    "ViT-Tiny": _vit,
    "Swin-T": _classifier(zoo.swin_t),
    "DeepLabV3": _deeplab,
    "U-Net": UNet,
}


def make(name: str) -> nn.Module:
    """Return a network with weights drawn at random."""
    network, draw = NETWORKS[name]().eval(), drawing()
    with torch.no_grad():
        for key, value in network.state_dict(keep_vars=True).items():
            if value.is_floating_point():
                drawn = draw(key.rpartition(".")[2], tuple(value.shape), math.prod(value.shape[1:]))
                value.copy_(torch.from_numpy(drawn))
    return network
