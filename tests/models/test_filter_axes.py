"""Filters are the same ones in every framework: of a depthwise kernel and of a transposed one, too."""

from __future__ import annotations

import keras
import numpy as np
import torch
from torch import nn

import picasso
from picasso.core.learning.parameter_space import filter_normalized
from picasso.core.model import Model
from picasso.core.preprocessing import Array

READ = picasso.Preprocessing(size=6, mean=(0.5,), std=(0.25,))
LABELS = ["a", "b", "c"]
TO_TORCH = {"each": (2, 3, 0, 1), "mixed": (3, 2, 0, 1), "larger": (3, 2, 0, 1), "last": (1, 0)}
"""How the axes of a kernel of Keras come in PyTorch, but that a depthwise one has one axis less there."""


def networks() -> tuple[Model, Model]:
    """Return one network in PyTorch and in Keras."""
    torch.manual_seed(0)
    parts = {
        "each": nn.Conv2d(3, 6, 3, groups=3),
        "mixed": nn.Conv2d(6, 5, 1),
        "larger": nn.ConvTranspose2d(5, 4, 2, stride=2),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
        "last": nn.Linear(4, 3),
    }
    made = nn.Sequential()
    for name, part in parts.items():
        made.add_module(name, part)
    same = keras.Sequential([
        keras.Input((6, 6, 3)),
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2, name="each"),
        keras.layers.Conv2D(5, 1, name="mixed"),
        keras.layers.Conv2DTranspose(4, 2, strides=2, name="larger"),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, name="last"),
    ])  # fmt: skip
    for name, order in TO_TORCH.items():
        weight = parts[name].weight.detach().numpy()
        moved = weight.reshape(3, 2, 3, 3) if name == "each" else weight
        same.get_layer(name).set_weights([moved.transpose(np.argsort(order)), parts[name].bias.detach().numpy()])
    return (
        picasso.load_model(made, preprocessing=READ, labels=LABELS, head="softmax"),
        picasso.load_model(same, preprocessing=READ, labels=LABELS, head="softmax"),
    )


def lengths(point: dict[str, Array]) -> dict[str, Array]:
    """Return the length of each filter of the network, by layer, whichever framework its weights are from."""
    found = {}
    for name, order in TO_TORCH.items():
        weight = point[f"{name}.weight"] if f"{name}.weight" in point else point[f"{name}/kernel"].transpose(order)
        filters = weight.reshape(6, 9) if name == "each" else np.moveaxis(weight, name == "larger", 0)
        found[name] = np.linalg.norm(filters.reshape(len(filters), -1), axis=1)
    return found


def test_a_random_direction_is_as_long_as_each_filter_in_both_frameworks() -> None:
    there, here = networks()
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(there.predict(x), here.predict(x), atol=1e-5)  # they are one network
    for model in (there, here):
        direction = filter_normalized(model.parameters(), np.random.default_rng(1), model.filter_axes())
        for name, expected in lengths(dict(there.parameters())).items():
            np.testing.assert_allclose(lengths(direction)[name], expected, rtol=1e-5, err_msg=name)


def test_a_depthwise_transposed_kernel_has_a_filter_for_each_channel() -> None:
    made = nn.Sequential(nn.ConvTranspose2d(3, 6, 2, groups=3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3))
    axes = picasso.load_model(made, preprocessing=READ, labels=LABELS).filter_axes()
    assert axes == {"0.weight": (0, 1), "0.bias": (0,), "3.weight": (0,), "3.bias": (0,)}
