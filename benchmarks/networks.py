"""The networks of the benchmark: real architectures with random weights that make them look at the picture."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[np.float32]

ROOT = Path(__file__).resolve().parent.parent
SPREAD = 2.0
"""Standard deviation of the logits over the classes: a softmax that is neither flat nor all on one class."""


@dataclass(frozen=True)
class Goals:
    """By what factor Picasso shall be faster; None where that is only reported.

    Args:
        library: Than Captum, or than Xplique.
        loop: Than a plain batched loop: the sketch that the goals come from ran 16 pictures at once.
        runtime: Than whole forward passes of ONNX Runtime.
    """

    library: float | None = None
    loop: float | None = None
    runtime: float | None = None


@dataclass(frozen=True)
class Network:
    """One network of the benchmark.

    Args:
        title: What the tables call it.
        kind: "torch", "keras" or "onnx": who runs it.
        make: Makes it, for a picture of this side; for a file, returns its path.
        goals: What is to be reached.
        side: Side of its input in pixels.
    """

    title: str
    kind: str
    make: Callable[[int], Any]
    goals: Goals
    side: int = 224


def picture(side: int, seed: int = 0) -> Array:
    """Return a random picture (1, side, side, 3) of mean 0 and deviation 1: blobs of all sizes and some noise."""
    generator = np.random.default_rng(seed)
    x = 0.3 * generator.normal(size=(side, side, 3))
    for cells in (3, 7, 14, 28, 56):
        coarse = generator.normal(size=(cells, cells, 3)).astype(np.float32)
        for channel in range(3):
            blobs = Image.fromarray(coarse[..., channel]).resize((side, side), Image.Resampling.BICUBIC)
            x[..., channel] += np.asarray(blobs)
    return ((x - x.mean()) / x.std())[None].astype(np.float32)


def pictures(side: int, count: int) -> Array:
    return np.concatenate([picture(side, seed) for seed in range(count)])


# --- PyTorch -----------------------------------------------------------------------------------------------------


def _torchvision(name: str, **options: Any) -> Callable[[int], Any]:
    def make(side: int) -> Any:
        from tests.models import torchvision_operators

        torchvision_operators.declare()
        import torchvision

        return _calibrated(lambda: getattr(torchvision.models, name)(weights=None, **options), side)

    return make


def _timm(name: str) -> Callable[[int], Any]:
    def make(side: int) -> Any:
        from tests.models import torchvision_operators

        torchvision_operators.declare()
        import timm

        return _calibrated(lambda: timm.create_model(name, pretrained=False), side)

    return make


def _calibrated(make: Callable[[], Any], side: int) -> Any:
    """Return a network at rest whose batch norms know its activations, and whose answer depends on the picture."""
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm

    torch.manual_seed(0)
    network = make().requires_grad_(False)
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    for norm in norms:
        norm.weight.uniform_(0.7, 1.4)
        norm.bias.uniform_(-0.3, 0.3)
        norm.momentum = None  # the mean of what it sees, not a moving one
    x = torch.from_numpy(np.moveaxis(pictures(side, 8), -1, 1).copy())
    if norms:
        network.train()
        network(x)
    network.eval()
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear | torch.nn.Conv2d)][-1]
    factor = SPREAD / network(x[:2]).std(dim=1).mean()
    last.weight.mul_(factor)
    if last.bias is not None:
        last.bias.mul_(factor)
    return network


# --- Keras -------------------------------------------------------------------------------------------------------


def _keras(name: str) -> Callable[[int], Any]:
    def make(side: int) -> Any:
        import keras

        keras.utils.set_random_seed(0)
        network = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3))
        generator = np.random.default_rng(0)
        norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
        kept = [norm.momentum for norm in norms]
        for norm in norms:
            norm.gamma.assign(generator.uniform(0.7, 1.4, norm.gamma.shape))
            norm.beta.assign(generator.uniform(-0.3, 0.3, norm.beta.shape))
            norm.momentum = 0.0  # its statistics become those of the pictures
        x = pictures(side, 8)
        network(x, training=True)
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
        # The logits are the logarithms of the probabilities, but for a number that all of them share.
        logits = np.log(np.asarray(network(x[:2], training=False)) + 1e-30)
        kernel = network.layers[-1].kernel
        kernel.assign(np.asarray(kernel) * (SPREAD / logits.std(axis=1).mean()))
        return network

    return make


# --- real weights ------------------------------------------------------------------------------------------------


def data() -> Path:
    """Return the folder of real models and pictures: $PICASSO_TEST_DATA, or shared/data beside the checkout."""
    named = os.environ.get("PICASSO_TEST_DATA")
    return Path(named) if named else ROOT.parent / "shared" / "data"


def _file(name: str) -> Callable[[int], Any]:
    def make(side: int) -> Any:
        del side
        path = data() / name
        if not path.is_file():
            raise FileNotFoundError(f"{name} is not in {data().name}/ ($PICASSO_TEST_DATA).")
        return path

    return make


def photograph(network: Network) -> Array:
    """Return a photograph (1, side, side, 3) as the networks with real weights want it."""
    with Image.open(data() / "photos" / "cat.jpg") as opened:
        side = min(opened.size)
        square = opened.convert("RGB").crop((0, 0, side, side)).resize((network.side, network.side))
    x = np.asarray(square, np.float32)
    if "SqueezeNet" in network.title:
        x = x[..., ::-1] - np.array([104, 117, 123], np.float32)
    return np.ascontiguousarray(x[None])


NETWORKS = {
    "vgg16": Network("VGG16", "torch", _torchvision("vgg16"), Goals(13, 10, 8)),
    "resnet18": Network("ResNet-18", "torch", _torchvision("resnet18"), Goals(4, 3.5, 2.6)),
    "resnet50": Network("ResNet-50", "torch", _torchvision("resnet50"), Goals(4.6, 3.6, 2.1)),
    "mobilenetv2": Network("MobileNetV2", "torch", _torchvision("mobilenet_v2"), Goals(5, 6, 1.7)),
    "squeezenet": Network("SqueezeNet 1.1", "torch", _torchvision("squeezenet1_1"), Goals(8, 7)),
    "inception": Network("Inception v3", "torch", _timm("inception_v3"), Goals(4, 3.5)),
    "densenet121": Network("DenseNet-121", "torch", _torchvision("densenet121"), Goals(4, 3.5)),
    "vit": Network("ViT-Tiny", "torch", _timm("vit_tiny_patch16_224"), Goals(1, 1)),
    "swin": Network("Swin-Tiny", "torch", _timm("swin_tiny_patch4_window7_224"), Goals(1, 1)),
    "convnext": Network("ConvNeXt-Tiny", "torch", _timm("convnext_tiny"), Goals(1, 1)),
    "squeezenet-real": Network(
        "SqueezeNet 1.1, real weights", "onnx", _file("squeezenet11/squeezenet11_logits.onnx"), Goals(), 227
    ),
    "mobilenet-real": Network(
        "MobileNet v1 0.25, real weights", "onnx", _file("mobilenet_v1/mobilenet_v1_0.25_128.onnx"), Goals(), 128
    ),
    "keras-mobilenetv2": Network("Keras MobileNetV2", "keras", _keras("MobileNetV2"), Goals(None, 3.5)),
    "keras-resnet50": Network("Keras ResNet50", "keras", _keras("ResNet50"), Goals(None, 2.3)),
}
"""In the order of the tables; Keras last, since TensorFlow is not loaded before."""
