"""The demo's small convolutional networks, described once and built in PyTorch or in Keras.

Padding is explicit and symmetric, so that both frameworks compute the same numbers from the same weights.
PyTorch and Keras are imported only when a network is built.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

Weights = Mapping[str, npt.NDArray[np.float32]]
_EPSILON = 1e-5


@dataclass(frozen=True)
class Convolution:
    """A convolution followed by batch normalization and a ReLU.

    Attributes:
        filters: number of channels it gives.
        kernel: side of its kernel, odd, pixels.
        stride: 1 or 2.
    """

    filters: int
    kernel: int = 3
    stride: int = 1


@dataclass(frozen=True)
class Architecture:
    """Convolutions, then the mean over the last map, then one linear layer of logits.

    Attributes:
        size: height and width of the input, pixels.
        channels: 3 for RGB, 1 for gray.
        convolutions: first to last.
        classes: number of logits.
    """

    size: int
    channels: int
    convolutions: tuple[Convolution, ...]
    classes: int


TANKS = Architecture(
    size=128,
    channels=3,
    convolutions=(
        Convolution(16, kernel=5, stride=2),
        Convolution(32, stride=2),
        Convolution(64, stride=2),
        Convolution(80),
        Convolution(96, kernel=1),
    ),
    classes=2,
)
DIGITS = Architecture(
    size=32,
    channels=1,
    convolutions=(Convolution(16, stride=2), Convolution(32, stride=2), Convolution(64), Convolution(64)),
    classes=10,
)


def build_torch(architecture: Architecture) -> torch.nn.Sequential:
    """Builds the network in PyTorch with fresh weights.

    Its layers are named `conv1`, `norm1`, `relu1`, ..., `pool`, `flatten`, `logits`; the input is
    (n, channels, height, width) float32, the output (n, classes) logits.
    """
    from torch import nn

    layers: OrderedDict[str, Any] = OrderedDict()
    channels = architecture.channels
    for number, conv in enumerate(architecture.convolutions, 1):
        layers[f"conv{number}"] = nn.Conv2d(
            channels, conv.filters, conv.kernel, conv.stride, conv.kernel // 2, bias=False
        )
        layers[f"norm{number}"] = nn.BatchNorm2d(conv.filters, eps=_EPSILON)
        layers[f"relu{number}"] = nn.ReLU()
        channels = conv.filters
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    layers["logits"] = nn.Linear(channels, architecture.classes)
    return nn.Sequential(layers)


def load_torch(architecture: Architecture, file: Path) -> torch.nn.Sequential:
    """Builds the network in PyTorch with the weights of a safetensors file, in evaluation mode."""
    from safetensors.torch import load_file

    network = build_torch(architecture)
    network.load_state_dict(load_file(file))
    return network.eval()


def build_keras(architecture: Architecture, weights: Weights) -> Any:
    """Builds the network in Keras with given weights.

    Args:
        architecture: what to build; the layers carry the names they have in PyTorch.
        weights: the arrays of PyTorch's state dict.

    Returns:
        A `keras.Sequential`; its input is (n, height, width, channels), its output (n, classes) logits.
    """
    import keras

    layers: list[Any] = [
        keras.layers.Input((architecture.size, architecture.size, architecture.channels), name="picture")
    ]
    values: dict[str, list[npt.NDArray[np.float32]]] = {}
    for number, conv in enumerate(architecture.convolutions, 1):
        layers.append(keras.layers.ZeroPadding2D(conv.kernel // 2, name=f"pad{number}"))
        layers.append(
            keras.layers.Conv2D(conv.filters, conv.kernel, strides=conv.stride, use_bias=False, name=f"conv{number}")
        )
        layers.append(keras.layers.BatchNormalization(epsilon=_EPSILON, name=f"norm{number}"))
        layers.append(keras.layers.ReLU(name=f"relu{number}"))
        values[f"conv{number}"] = [weights[f"conv{number}.weight"].transpose(2, 3, 1, 0)]
        values[f"norm{number}"] = [
            weights[f"norm{number}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        ]
    layers.append(keras.layers.GlobalAveragePooling2D(name="pool"))
    layers.append(keras.layers.Dense(architecture.classes, name="logits"))
    values["logits"] = [weights["logits.weight"].T, weights["logits.bias"]]
    network = keras.Sequential(layers)
    for name, arrays in values.items():
        network.get_layer(name).set_weights(arrays)
    return network
