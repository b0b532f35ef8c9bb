"""The architectures that people use, with random weights and small inputs, in the frameworks that have them.

They are built by the libraries' own code, but with one or two blocks in most stages and without VGG's hundred million
weights at its end: whoever reads a block reads its copies, too, and most of the time would go into those.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import picasso
from picasso.core.model import Model

NAMES = ("VGG", "ResNet", "DenseNet", "MobileNetV3", "EfficientNet", "ConvNeXt", "ViT", "Swin")
SIDE = 64
CLASSES = 7


def _torch(name: str) -> Any:
    import torch

    torch.manual_seed(0)
    network = _torchvision(name)
    for parameter in network.parameters():
        if not parameter.any():  # torchvision's ViT begins with a head of zeros, through which nothing passes
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def _torchvision(name: str) -> Any:
    import torch
    import torchvision.models as zoo

    if name == "ViT":
        return zoo.VisionTransformer(
            image_size=SIDE, patch_size=8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=CLASSES
        ).eval()
    if name == "Swin":
        return zoo.SwinTransformer(
            patch_size=[4, 4], embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4], num_classes=CLASSES
        ).eval()
    if name == "VGG":
        network = zoo.VGG(zoo.vgg.make_layers(zoo.vgg.cfgs["A"]), CLASSES, init_weights=False)
        network.classifier = torch.nn.Sequential(
            torch.nn.Linear(512 * 7 * 7, 64), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(64, CLASSES)
        )
        return network.eval()
    if name == "EfficientNet":
        # The setting of B0: expansion, kernel, stride, channels before and after, and for each stage one block.
        stages = ((1, 3, 1, 32, 16), (6, 3, 2, 16, 24), (6, 5, 2, 24, 40), (6, 3, 2, 40, 80), (6, 5, 2, 80, 192))
        blocks = [zoo.efficientnet.MBConvConfig(*stage, 1) for stage in stages]
        return zoo.EfficientNet(blocks, dropout=0.2, num_classes=CLASSES).eval()
    makers = {
        "ResNet": zoo.resnet18,
        "DenseNet": lambda weights, **given: zoo.DenseNet(block_config=(2, 2, 2, 2), **given),
        "MobileNetV3": zoo.mobilenet_v3_small,
        "ConvNeXt": lambda weights, **given: zoo.ConvNeXt(
            [zoo.convnext.CNBlockConfig(*sizes, 1) for sizes in ((48, 96), (96, 192), (192, None))], **given
        ),
    }
    return makers[name](weights=None, num_classes=CLASSES).eval()


def _timm(name: str) -> Any:
    import timm
    import torch

    torch.manual_seed(0)
    names = {
        "VGG": "vgg11", "ResNet": "resnet18", "DenseNet": "densenet121", "MobileNetV3": "mobilenetv3_small_050",
        "EfficientNet": "efficientnet_b0", "ConvNeXt": "convnext_atto", "ViT": "vit_tiny_patch16_224",
        "Swin": "swin_tiny_patch4_window7_224",
    }  # fmt: skip
    sized = {
        "DenseNet": {"block_config": (2, 2, 2, 2)},
        "ViT": {"img_size": SIDE, "patch_size": 8, "depth": 2},
        "Swin": {"img_size": SIDE, "window_size": 4, "depths": (2, 2), "num_heads": (2, 4), "embed_dim": 24},
    }
    return timm.create_model(names[name], pretrained=False, num_classes=CLASSES, **sized.get(name, {})).eval()


def _keras(name: str) -> Any:
    import keras
    from keras.src.applications import convnext, densenet, efficientnet, resnet

    keras.utils.set_random_seed(0)
    if name == "ViT":
        return _keras_transformer(keras)
    if name == "VGG":
        base = keras.applications.VGG16(weights=None, input_shape=(SIDE, SIDE, 3), include_top=False)
        x = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(base.output))
        return keras.Model(base.input, keras.layers.Dense(CLASSES, activation="softmax")(x))

    def stages(x: Any) -> Any:
        for number, width in enumerate((64, 128, 256)):
            x = resnet.stack_residual_blocks_v1(x, width, 2, stride1=1 + (number > 0), name=f"conv{number + 2}")
        return x

    makers = {
        "ResNet": partial(resnet.ResNet, stages, preact=False, use_bias=True),
        "DenseNet": partial(densenet.DenseNet, [2, 2, 2, 2]),
        "MobileNetV3": keras.applications.MobileNetV3Small,
        "EfficientNet": partial(efficientnet.EfficientNet, 1.0, 0.2, 224),
        "ConvNeXt": partial(convnext.ConvNeXt, [1, 1, 1, 1], [48, 96, 192, 384]),
    }
    return makers[name](weights=None, input_shape=(SIDE, SIDE, 3), classes=CLASSES)


def _keras_transformer(keras: Any) -> Any:
    layers = keras.layers
    x = inputs = layers.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(32, 8, 8, name="patches")(x)
    x = layers.Reshape((-1, 32))(x)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(2, 16)(y, y)])
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.Dense(32)(layers.Dense(64, activation="gelu")(y))])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(CLASSES)(x))


def _live(make: Callable[[str], Any]) -> Callable[[str, Path], Model]:
    def opened(name: str, folder: Path) -> Model:
        return picasso.load_model(make(name), preprocessing=picasso.Preprocessing(size=SIDE))

    return opened


def _exported(name: str, folder: Path) -> Model:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(_torch(name), (torch.zeros(1, 3, SIDE, SIDE),)), folder / "net.pt2")
    return picasso.load_model(folder / "net.pt2")


def _onnx(name: str, folder: Path) -> Model:
    import torch

    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        # The exporter takes VGG's pooling only where it divides evenly.
        side = 224 if name == "VGG" else SIDE
        torch.onnx.export(_torch(name), (torch.zeros(1, 3, side, side),), str(folder / "net.onnx"), dynamo=False)
    return picasso.load_model(folder / "net.onnx")


def _saved_model(name: str, folder: Path) -> Model:
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        _keras(name).export(folder / "saved", verbose=False)
    return picasso.load_model(folder / "saved", preprocessing=picasso.Preprocessing(size=SIDE))


def _flax(name: str, folder: Path) -> Model:
    import jax
    import numpy as np

    from tests.matrix.flax_networks import NETWORKS

    network = NETWORKS[name](CLASSES)
    variables = network.init(jax.random.key(0), np.zeros((1, SIDE, SIDE, 3), np.float32))
    return picasso.load_model((network, variables), preprocessing=picasso.Preprocessing(size=SIDE))


FRAMEWORKS: dict[str, Callable[[str, Path], Model]] = {
    "PyTorch (torchvision)": _live(_torch),
    "PyTorch (timm)": _live(_timm),
    "exported `.pt2`": _exported,
    "ONNX": _onnx,
    "Keras": _live(_keras),
    "SavedModel": _saved_model,
    "JAX (Flax)": _flax,
}
ABSENT = {
    ("Swin", "Keras"): "Keras has none",
    ("Swin", "SavedModel"): "Keras has none",
}
