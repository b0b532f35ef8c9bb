"""The scene's networks once more, in Keras, with the weights of those in PyTorch: channels last, the same numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tests.oracle.scene import CLASSES, PHOTO, SIDE, X, network

PICTURE = np.ascontiguousarray(X.transpose(0, 2, 3, 1))
"""The picture, (1, height, width, channels)."""
BLACKENED = (PHOTO / np.float32(255))[None]
"""The one whose black is zero."""


def plain() -> Any:
    """Convolutions, ReLUs as layers, one max pooling, global pooling, a matrix."""
    layers = tf.keras.layers
    return tf.keras.Sequential([
        layers.Input((SIDE, SIDE, 3)),
        layers.Conv2D(8, 3, padding="same", name="conv1"), layers.ReLU(name="relu1"), layers.MaxPooling2D(name="pool"),
        layers.Conv2D(12, 3, padding="same", name="conv2"), layers.ReLU(name="relu2"),
        layers.GlobalAveragePooling2D(name="mean"), layers.Dense(CLASSES, name="head"),
    ])  # fmt: skip


def flat() -> Any:
    """No global pooling: a matrix of all places, then another one."""
    layers = tf.keras.layers
    return tf.keras.Sequential([
        layers.Input((SIDE, SIDE, 3)),
        layers.ZeroPadding2D(2), layers.Conv2D(6, 5, strides=2, name="conv1"), layers.ReLU(name="relu1"),
        layers.MaxPooling2D(name="pool"), layers.Permute((3, 1, 2)), layers.Flatten(),
        layers.Dense(16, name="hidden"), layers.ReLU(name="relu2"), layers.Dense(CLASSES, name="head"),
    ])  # fmt: skip


def keras_network(name: str) -> Any:
    """Return a network that answers as that of PyTorch of the same name."""
    source = network(name)
    made = {"plain": plain, "flat": flat}[name]()
    for layer in made.layers:
        if layer.weights:
            part = source.get_submodule(layer.name)
            weight = part.weight.numpy()
            weight = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
            layer.set_weights([weight, part.bias.numpy()])
    return made
