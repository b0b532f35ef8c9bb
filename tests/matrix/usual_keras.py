"""The usual architectures in Keras, at full size: those of `keras.applications`, and some by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers

from tests.matrix.drawn import drawing

CLASSES = 7
SIDE = 224


def _application(name: str) -> Callable[[], Any]:
    make = getattr(keras.applications, name)
    return lambda: make(weights=None, input_shape=(SIDE, SIDE, 3), classes=CLASSES)


def _squeezenet() -> Any:
    x = start = layers.Input((SIDE, SIDE, 3))
    x = layers.MaxPooling2D(3, 2)(layers.Conv2D(64, 3, 2, activation="relu")(x))
    for number, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        y = layers.Conv2D(squeezed, 1, activation="relu")(x)
        narrow, wide = (layers.Conv2D(4 * squeezed, size, padding="same", activation="relu")(y) for size in (1, 3))
        x = layers.Concatenate()([narrow, wide])
        if number in (1, 3):
            x = layers.MaxPooling2D(3, 2)(x)
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(CLASSES, 1, activation="relu")(layers.Dropout(0.5)(x)))
    return keras.Model(start, layers.Softmax()(x))


def _twice(x: Any, width: int) -> Any:
    for _ in range(2):
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(x)))
    return x


def _unet() -> Any:
    x = start = layers.Input((SIDE, SIDE, 3))
    passed = []
    for width in (16, 32, 64):
        x = _twice(x, width)
        passed.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = _twice(x, 128)
    for width, before in zip((64, 32, 16), passed[::-1], strict=True):
        up = layers.UpSampling2D(interpolation="bilinear") if width == 32 else layers.Conv2DTranspose(width, 2, 2)
        x = _twice(layers.Concatenate()([before, up(x)]), width)
    return keras.Model(start, layers.Conv2D(CLASSES, 1, activation="softmax")(x))


def _vit() -> Any:
    x = start = layers.Input((SIDE, SIDE, 3))
    x = layers.Reshape((-1, 192))(layers.Conv2D(192, 16, 16, name="patches")(x))
    for _ in range(12):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(3, 64)(y, y)])
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.Dense(192)(layers.Dense(768, activation="gelu")(y))])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(start, layers.Dense(CLASSES)(x))


NETWORKS: dict[str, Callable[[], Any]] = {
    "VGG16": _application("VGG16"),
    "ResNet-50": _application("ResNet50"),
    "MobileNetV2": _application("MobileNetV2"),
    "SqueezeNet 1.1": _squeezenet,
    "DenseNet121": _application("DenseNet121"),
    "InceptionV3": _application("InceptionV3"),
    "Xception": _application("Xception"),
    "NASNetMobile": _application("NASNetMobile"),
    "EfficientNet-B0": _application("EfficientNetB0"),
    "MobileNetV3": _application("MobileNetV3Large"),
    "ConvNeXt-Tiny": _application("ConvNeXtTiny"),
    "ViT-Tiny": _vit,
    "U-Net": _unet,
}


def make(name: str) -> Any:
    """Return a network with weights drawn at random."""
    keras.utils.set_random_seed(0)
    network, draw = NETWORKS[name](), drawing()
    for weight in network.weights:
        path, shape = weight.path, tuple(weight.shape)
        # Each kernel of a depthwise convolution reads one channel alone.
        inputs = math.prod(shape[:2] if any(word in path for word in ("depthwise", "dwconv")) else shape[:-1])
        weight.assign(draw(path.rpartition("/")[2], shape, inputs))
    return network
