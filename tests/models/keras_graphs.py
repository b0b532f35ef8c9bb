"""Small Keras networks, each with one thing that the op graph must know, read and run slowly beside Keras itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from picasso.core.graph import Graph
from picasso.models.keras.facts import Entrance, host
from picasso.models.keras.loading import import_keras
from picasso.models.keras.network import Network
from picasso.models.keras.op_graph import read_graph
from tests.engine import reference

SHAPE = (13, 18, 3)
CLOSE = 3e-6
"""The largest difference that rounding makes, as a fraction of the largest number."""
Layer = Callable[[Any], Any]


def randomized(model: Any, variance: float = 1) -> Any:
    """Give everything but kernels numbers that show: batch norm statistics, scales, shifts, biases.

    Args:
        model: The model.
        variance: About which those of batch norms lie: the smaller, the louder what goes through many of them.
    """
    rng = np.random.default_rng(0)
    for variable in model.weights:
        kind, shape = variable.path.rpartition("/")[2], tuple(variable.shape)
        if "variance" in kind or "gamma" in kind or kind == "scale":
            middle = variance if "variance" in kind else 1
            variable.assign((middle * rng.uniform(0.5, 2, shape)).astype(np.float32))
        elif kind in ("mean", "moving_mean", "beta", "bias", "alpha"):
            variable.assign(rng.normal(0, 0.3, shape).astype(np.float32))
    return model


def entrance(model: Any) -> Entrance:
    """Return how pictures enter a model."""
    a, b, c = model.inputs[0].shape[1:] if hasattr(model, "inputs") else SHAPE
    first = c != 3
    return Entrance((b, c, a) if first else (a, b, c), (a, b, c), first, None, True)


def read(model: Any, where: Entrance | None = None) -> Graph:
    """Read a model as it is, with its head."""
    return read_graph(Network(model, import_keras()), where or entrance(model))


def difference(model: Any, size: float = 2, close: float = CLOSE) -> float:
    """Return how far the graph's answers are from the model's own, as a fraction of the largest number.

    Args:
        model: The model.
        size: Deviation of the pictures.
        close: The largest difference that rounding makes; what the picture makes must be far larger.
    """
    where, graph, keras = entrance(model), read(model), import_keras()
    x = np.random.default_rng(1).normal(size=(2, *where.shape)).astype(np.float32) * size
    turned = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    answer = model(keras.ops.convert_to_tensor(turned if where.channels_first else x), training=False)
    own = Network(model, keras).named(answer)
    mine = reference.outputs(graph, turned)
    assert mine.keys() == own.keys()
    worst = 0.0
    for name, value in own.items():
        expected = np.asarray(host(value))
        assert mine[name].shape == expected.shape, (mine[name].shape, expected.shape)
        assert np.ptp(expected, axis=0).max() > 10 * close * np.abs(expected).max(), "it does not depend on the picture"
        worst = max(worst, float(np.abs(mine[name] - expected).max() / np.abs(expected).max()))
    return worst


def _chain(*steps: Layer) -> Any:
    keras = import_keras()
    x = start = keras.Input(SHAPE)
    for step in steps:
        x = step(x)
    return randomized(keras.Model(start, x))


def networks() -> dict[str, Callable[[], Any]]:
    """Return what makes each network, by name."""
    keras = import_keras()
    layers, ops, activations = keras.layers, keras.ops, keras.activations

    def conv(channels: int = 6, side: Any = 3, **settings: Any) -> Any:
        return layers.Conv2D(channels, side, **settings)

    def squeeze(x: Any) -> Any:
        gate = layers.GlobalAveragePooling2D()(x)
        gate = layers.Dense(3, activation="relu")(gate)
        gate = layers.Dense(x.shape[-1], activation="sigmoid")(gate)
        return layers.Multiply()([x, layers.Reshape((1, 1, x.shape[-1]))(gate)])

    def squeeze_kept(x: Any) -> Any:
        gate = conv(3, 1, activation="silu")(layers.GlobalMaxPooling2D(keepdims=True)(x))
        return x * ops.sigmoid(conv(x.shape[-1], 1)(gate))

    def unet(x: Any) -> Any:
        a = conv(4, padding="same", activation="relu")(x)
        b = conv(8, padding="same", strides=2, activation="relu")(a)
        c = conv(8, padding="same", strides=2, activation="relu")(b)
        c = layers.UpSampling2D(2)(c)
        c = layers.Cropping2D(((0, c.shape[1] - b.shape[1]), (c.shape[2] - b.shape[2], 0)))(c)
        b = conv(8, padding="same")(layers.Concatenate()([c, b]))
        up = layers.Conv2DTranspose(4, 3, strides=2, padding="same")(b)
        up = layers.Cropping2D(((0, up.shape[1] - a.shape[1]), (0, up.shape[2] - a.shape[2])))(up)
        return conv(3, 1)(ops.concatenate([up, a], axis=-1))

    def attention(x: Any) -> Any:
        tokens = layers.Reshape((-1, 8))(conv(8, 4, strides=4)(x))
        tokens = tokens + np.random.default_rng(3).normal(size=(1, 12, 8)).astype(np.float32)
        inner = layers.LayerNormalization(epsilon=1e-6)(tokens)
        tokens = layers.Add()([tokens, layers.MultiHeadAttention(2, 3, value_dim=5, dropout=0.1)(inner, inner)])
        inner = layers.Dense(16, activation="gelu")(layers.RMSNormalization()(tokens))
        tokens = layers.Dense(8)(inner) + tokens
        return layers.Dense(5)(layers.GlobalAveragePooling1D()(tokens))

    def spelled_attention(x: Any) -> Any:
        tokens = ops.reshape(conv(8, 4, strides=4)(x), (-1, 12, 8))
        q, k, v = ops.split(layers.Dense(24)(tokens), 3, axis=-1)
        weights = ops.softmax(ops.matmul(q, ops.transpose(k, (0, 2, 1))) / math.sqrt(8), axis=-1)
        return ops.matmul(weights, v)[:, 0]

    def sideways(x: Any) -> Any:
        inner = conv(4, 3)(x)
        return layers.MultiHeadAttention(2, 2)(inner, inner)

    def shuffled(x: Any) -> Any:
        x = layers.Reshape((*x.shape[1:3], 2, 3))(conv(6, 1, groups=3)(x))
        x = layers.Permute((1, 2, 4, 3))(x)
        return conv(4, 3)(layers.Reshape((*x.shape[1:3], 6))(x))

    def indexed(x: Any) -> Any:
        whole = conv(6)(x)
        part = ops.concatenate([whole[:, ::2, 1:-2], ops.flip(whole, axis=2)[:, 1::2, 3:, :][:, [0][0] : 6]], axis=1)
        return ops.stack([part[:, 2, ..., 1], part[:, 4, :, -1]], axis=1)[:, :, None]

    def arithmetic(x: Any) -> Any:
        x = conv(4)(x)
        x = 2 - x * np.array([1, -2, 3, 0.5], np.float32) / 3
        x = ops.maximum(x, -1.5) + ops.minimum(ops.square(x), 2.0) + ops.abs(x) ** 0.5
        x = x - 1 / (1 + ops.exp(-x)) + np.linspace(-1, 1, 11 * 16, dtype=np.float32).reshape(11, 16, 1)
        mean = ops.mean(x, axis=-1, keepdims=True)
        x = layers.Subtract()([x, mean]) + ops.max(x, axis=(1, 2), keepdims=True) * ops.sum(x, axis=1, keepdims=True)
        return layers.Average()([x, layers.Maximum()([x, -x]), layers.Minimum()([x, 0.5 * x])])

    def hard(x: Any) -> Any:
        x = conv(5)(x)
        gate = layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
        return layers.Multiply()([x, gate]) + ops.hard_sigmoid(x) + activations.relu(x, max_value=2.0)

    def padded(x: Any) -> Any:
        x = conv(4, activation="relu")(layers.ZeroPadding2D(((0, 1), (2, 0)))(x))
        x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x))
        x = layers.MaxPooling2D(2, 1)(layers.ZeroPadding2D(1)(conv(4)(x)))
        return ops.pad(x, ((0, 0), (1, 2), (0, 1), (0, 0)), mode="reflect")

    def activated(name: str) -> Layer:
        return lambda x: layers.Activation(name)(conv(4)(x))

    def norm(x: Any) -> Any:
        x = layers.GroupNormalization(3)(conv(6)(x))
        return layers.LayerNormalization(axis=[1, 2, 3])(layers.LayerNormalization()(x))

    resizes = {
        f"resize_{kind}_{side}": [layers.Resizing(*size, interpolation=kind, antialias=anti)]
        for kind in ("bilinear", "nearest", "bicubic")
        for side, size, anti in (("up", (20, 29), False), ("down", (7, 5), False), ("smooth", (7, 5), True))
        if not (anti and kind == "nearest")
    }
    steps: dict[str, Sequence[Layer]] = {
        "same": [conv(padding="same"), conv(4, 4, padding="same", strides=2), conv(4, 2, padding="same", strides=3)],
        "small_kernel": [conv(4, 1, padding="same", strides=2), conv(3, 2, strides=3)],
        "dilated": [conv(4, (3, 2), dilation_rate=(2, 3), padding="same"), conv(4, 3, dilation_rate=2)],
        "grouped": [conv(6, (1, 3), padding="same"), conv(4, (3, 1), groups=2, activation="relu", use_bias=False)],
        "depthwise": [
            layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu6"),
            layers.DepthwiseConv2D((2, 4), strides=2, padding="same", use_bias=False),
        ],
        "separable": [layers.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=2, activation="elu")],
        "transposed": [
            layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(3, (4, 2), strides=(3, 2), padding="same"),
            layers.Conv2DTranspose(3, (2, 3), strides=(3, 2)),
            layers.Conv2DTranspose(2, 1, strides=2, padding="same"),
        ],
        "transposed_more": [layers.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1)],
        "batch_norm": [conv(), layers.BatchNormalization(), conv(), layers.BatchNormalization(scale=False)],
        "batch_norm_vector": [layers.Flatten(), layers.Dense(6), layers.BatchNormalization(center=False)],
        "norms": [norm],
        "pools": [
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.AveragePooling2D((2, 3), (1, 2), padding="same"),
            layers.AveragePooling2D(2),
        ],
        "scaled": [layers.Rescaling([0.5, 2, 1], [1, 0, -1]), layers.Rescaling(0.3, -1), conv()],
        "normalized": [layers.Normalization(mean=[0.3, 0, 1], variance=[1, 2, 3]), conv()],
        "normalized_back": [conv(2), layers.Normalization(mean=0.3, variance=2, invert=True)],
        "relus": [
            conv(),
            layers.ReLU(3.0, negative_slope=0.2),
            layers.LeakyReLU(0.1),
            conv(4, activation=layers.ReLU(negative_slope=0.5)),
            layers.PReLU(shared_axes=[1, 2]),
            layers.ELU(0.7),
        ],
        "resting": [
            layers.RandomFlip(),
            layers.RandomRotation(0.2),
            layers.RandomZoom(0.2),
            layers.RandomTranslation(0.1, 0.1),
            layers.RandomContrast(0.5),
            layers.RandomBrightness(0.5),
            layers.GaussianNoise(1.0),
            layers.SpatialDropout2D(0.5),
            conv(),
            layers.Dropout(0.5),
        ],
        "flattened": [conv(), layers.Flatten(), layers.Dense(4, activation="softmax")],
        "dense_map": [conv(4), layers.Dense(5, activation="gelu"), layers.Softmax(axis=-1), layers.Softmax(axis=1)],
        "squeeze": [conv(), squeeze],
        "squeeze_kept": [conv(), squeeze_kept, squeeze_kept],
        "unet": [unet],
        "attention": [attention],
        "spelled_attention": [spelled_attention],
        "sideways": [sideways],
        "shuffled": [shuffled],
        "indexed": [indexed],
        "arithmetic": [arithmetic],
        "hard": [hard],
        "padded": [padded],
        "up": [layers.UpSampling2D((2, 3)), layers.UpSampling2D(2, interpolation="bilinear")],
        "einsum": [layers.EinsumDense("abcd,de->abce", (None, None, 4), bias_axes="e", activation="relu")],
    }
    words = "relu relu6 sigmoid tanh silu selu softplus softsign elu celu leaky_relu hard_sigmoid hard_silu hard_tanh"
    steps |= {f"function_{name}": [activated(name)] for name in (*words.split(), "mish", "gelu", "log_softmax")}
    chains = steps | resizes
    return {"channels_first": channels_first} | {name: partial(_chain, *chains[name]) for name in chains}


def channels_first() -> Any:
    """A network whose maps have their channels first."""
    keras = import_keras()
    layers, first = keras.layers, {"data_format": "channels_first"}
    x = start = keras.Input((3, 13, 18))
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", **first)(x)
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.MaxPooling2D(2, **first)(layers.ZeroPadding2D(((1, 0), (0, 2)), **first)(x))
    x = layers.UpSampling2D(2, **first)(layers.DepthwiseConv2D(2, **first)(x))
    x = layers.Concatenate(axis=1)([x, layers.AveragePooling2D(3, 1, padding="same", **first)(x)])
    pooled = layers.GlobalAveragePooling2D(**first)(x)
    flat = layers.Flatten(**first)(x)
    last = layers.Flatten()(layers.Permute((2, 3, 1))(x))
    return randomized(
        keras.Model(
            start,
            layers.Dense(4)(layers.Concatenate()([pooled, flat, last, layers.Flatten(data_format="channels_last")(x)])),
        )
    )


def differences(*names: str) -> dict[str, float]:
    """Return the largest difference of each network, or of those named, as a fraction of the largest number."""
    return {name: difference(make()) for name, make in networks().items() if not names or name in names}
