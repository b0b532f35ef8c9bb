"""TensorFlow's operations in op graphs, one by one, against its own answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from picasso.core import graph as g
from tests.models.tensorflow_graphs import tf, v1
from tests.models.tensorflow_op_graphs import HEIGHT, WIDTH, Build, agreed, conv, kinds, numbers, opened

# --- windows --------------------------------------------------------------------------------------------------------

WINDOWS: dict[str, Build] = {
    "same": lambda x: conv(x, strides=2),
    "same, even kernel": lambda x: conv(x, kernel=(4, 2), strides=3),
    "valid": lambda x: conv(x, padding="VALID", strides=2),
    "explicit": lambda x: conv(x, padding=[[0, 0], [2, 1], [0, 3], [0, 0]], strides=2),
    "dilated": lambda x: conv(x, dilations=(2, 3), padding="VALID"),
    "asymmetric": lambda x: conv(conv(x, kernel=(1, 7)), kernel=(7, 1)),
    "grouped": lambda x: conv(conv(x, 6), 4, groups=2),
    "depthwise": lambda x: tf.nn.depthwise_conv2d(x, numbers(3, 3, 3, 2), (1, 2, 2, 1), "SAME"),
    "padded before": lambda x: conv(tf.pad(x, [[0, 0], [1, 2], [3, 0], [0, 0]]), strides=2, padding="VALID"),
    "with bias": lambda x: tf.nn.bias_add(conv(x), numbers(4)),
    "with an added bias": lambda x: conv(x) + numbers(4),
    "normalized": lambda x: v1.nn.fused_batch_norm(
        conv(x), numbers(4), numbers(4), numbers(4), numbers(4, low=0.5), 0.01, is_training=False
    )[0],
}


@pytest.mark.parametrize("case", WINDOWS)
def test_convolutions(tmp_path: Path, case: str) -> None:
    graph = agreed(opened(WINDOWS[case], tmp_path))
    extra = {"normalized": ["Affine"]}.get(case, [])
    convs = 2 if case in ("asymmetric", "grouped") else 1
    assert kinds(graph) == ["Conv"] * convs + extra + ["Transpose"]


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(("height", "width", "stride"), [(22, 28, 2), (21, 27, 2), (31, 40, 3)])
def test_transposed_convolutions(tmp_path: Path, padding: str, height: int, width: int, stride: int) -> None:
    if padding == "VALID":
        height, width = (HEIGHT - 1) * stride + 3 + (height % 2), (WIDTH - 1) * stride + 4

    def build(x: Any) -> Any:
        shape = (tf.shape(x)[0], height, width, 2)
        return tf.nn.conv2d_transpose(x, numbers(3, 4, 2, 3), shape, stride, padding)

    assert kinds(agreed(opened(build, tmp_path))) == ["ConvTranspose", "Transpose"]


@pytest.mark.parametrize("rate", [2, 3])
@pytest.mark.parametrize("depthwise", [False, True])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_convolutions_that_deal_the_map_out(tmp_path: Path, rate: int, depthwise: bool, padding: str) -> None:
    """Networks of old spell a dilated convolution as SpaceToBatchND, a convolution and BatchToSpaceND."""

    def build(x: Any) -> Any:
        out = -(-HEIGHT // rate) * rate - HEIGHT, -(-WIDTH // rate) * rate - WIDTH
        border = rate if padding == "SAME" else 0
        borders = [[border, border + extra] for extra in out]
        dealt = tf.space_to_batch_nd(conv(x, 3, (1, 1)), [rate, rate], borders)
        if depthwise:
            dealt = tf.nn.depthwise_conv2d(dealt, numbers(3, 3, 3, 2), (1, 1, 1, 1), "VALID")
        else:
            dealt = tf.nn.conv2d(dealt, numbers(3, 3, 3, 2), 1, "VALID")
        dealt = tf.nn.relu(dealt + numbers(int(dealt.shape[-1])))
        return tf.batch_to_space(dealt, [rate, rate], [[0, extra] for extra in out])

    graph = agreed(opened(build, tmp_path))
    (dilated,) = [op for op in graph.ops if isinstance(op, g.Conv) and op.dilation == (rate, rate)]
    assert dilated.groups == (3 if depthwise else 1)


def test_the_convolution_alone_takes_the_crops(tmp_path: Path) -> None:
    def build(x: Any) -> Any:
        dealt = tf.space_to_batch_nd(x, [2, 2], [[2, 3], [2, 2]])
        return tf.nn.relu(
            tf.batch_to_space(tf.nn.conv2d(dealt, numbers(3, 3, 3, 2), 1, "VALID"), [2, 2], [[0, 1], [0, 0]])
        )

    graph = agreed(opened(build, tmp_path))
    assert kinds(graph) == ["Conv", "relu", "Transpose"]
    assert [op.padding for op in graph.ops if isinstance(op, g.Conv)] == [(2, 2, 2, 2)]


POOLS: dict[str, Build] = {
    "max, same": lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
    "max, valid": lambda x: tf.nn.max_pool2d(x, (2, 3), (1, 2), "VALID"),
    "mean, same": lambda x: tf.nn.avg_pool2d(x, (3, 4), 2, "SAME"),
    "mean, same, step 1": lambda x: tf.nn.avg_pool2d(x, 3, 1, "SAME"),
    "mean, valid": lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"),
}


@pytest.mark.parametrize("case", POOLS)
def test_poolings(tmp_path: Path, case: str) -> None:
    assert kinds(agreed(opened(POOLS[case], tmp_path))) == ["Pool", "Transpose"]


def test_a_pooling_of_the_whole_map_is_global(tmp_path: Path) -> None:
    def build(x: Any) -> Any:
        pooled = tf.nn.avg_pool2d(conv(x), (HEIGHT, WIDTH), 1, "VALID")
        return tf.squeeze(tf.nn.conv2d(pooled, numbers(1, 1, 4, 5), 1, "SAME"), (1, 2))

    assert kinds(agreed(opened(build, tmp_path))) == ["Conv", "GlobalPool", "Conv", "Reshape"]


def test_local_response(tmp_path: Path) -> None:
    graph = agreed(opened(lambda x: tf.nn.lrn(conv(x, 9), 2, 1.5, 0.3, 0.6), tmp_path))
    assert kinds(graph) == ["Conv", "LocalResponseNorm", "Transpose"]


# --- numbers --------------------------------------------------------------------------------------------------------

FUNCTIONS: dict[str, Build] = {
    "relu": tf.nn.relu,
    "clip": tf.nn.relu6,
    "clip ": lambda x: tf.clip_by_value(x, -0.5, 0.7),
    "clip  ": lambda x: tf.minimum(tf.maximum(x, 0.0), 6.0),
    "relu ": lambda x: tf.maximum(0.0, x),
    "leaky_relu": lambda x: tf.nn.leaky_relu(x, 0.1),
    "leaky_relu ": lambda x: tf.maximum(x, 0.3 * x),
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "sigmoid": lambda x: tf.sigmoid(x) * 1.0,
    "tanh": tf.tanh,
    "softplus": tf.nn.softplus,
    "softsign": tf.nn.softsign,
    "silu": lambda x: x * tf.sigmoid(x),
    "gelu": lambda x: 0.5 * x * (1.0 + tf.math.erf(x / math.sqrt(2))),
    "hard_swish": lambda x: x * (tf.nn.relu6(x + 3.0) * (1 / 6)),
    "hard_sigmoid": lambda x: tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0),
    "square": tf.square,
    "square ": lambda x: x**2.0,
    "abs": tf.abs,
    "exp": tf.exp,
    "gelu ": tf.nn.gelu,
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_functions_of_each_number(tmp_path: Path, case: str) -> None:
    graph = agreed(opened(lambda x: FUNCTIONS[case](conv(x, 4, (1, 1))), tmp_path))
    assert kinds(graph) == ["Conv", case.strip(), "Transpose"]


SUMS: dict[str, tuple[Build, list[str]]] = {
    "old batch norm": (
        lambda x: conv(x) * (1 / np.sqrt(numbers(4, low=0.3) + 0.01)) * numbers(4) + (numbers(4) - numbers(4)),
        ["Conv", "Affine"],
    ),
    "constant first": (lambda x: 1.0 - numbers(3) * x, ["Affine"]),
    "divided": (lambda x: (x - numbers(3)) / numbers(3, low=0.4), ["Affine"]),
    "divided by": (lambda x: numbers(3) / (tf.abs(x) + 1.0), ["abs", "Affine", "reciprocal", "Affine"]),
    "negative": (lambda x: -x, ["Affine"]),
    "a mean picture": (lambda x: conv(x - numbers(1, HEIGHT, WIDTH, 3)), ["Elementwise", "Conv"]),
    "of two": (lambda x: tf.add_n([conv(x), conv(x), conv(x)]), ["Conv"] * 3 + ["Elementwise"] * 2),
    "of a map and a vector": (
        lambda x: conv(x) * tf.sigmoid(tf.reduce_mean(conv(x), (1, 2), keepdims=True)),
        ["Conv", "Conv", "GlobalPool", "sigmoid", "Elementwise"],
    ),
    "prelu": (
        lambda x: tf.nn.relu(x) - numbers(3) * tf.nn.relu(-x),
        ["relu", "Affine", "relu", "Affine", "Elementwise"],
    ),
    "powers": (lambda x: tf.abs(x) ** 1.5, ["abs", "Elementwise"]),
    "nothing": (lambda x: conv(x) * np.ones((1, HEIGHT, WIDTH, 4), np.float32) / 1.0, ["Conv"]),
    "largest of channels": (lambda x: conv(x) * tf.reduce_max(x, 3, keepdims=True), ["Conv", "Reduce", "Elementwise"]),
}


@pytest.mark.parametrize("case", SUMS)
def test_sums_and_products(tmp_path: Path, case: str) -> None:
    build, wanted = SUMS[case]
    made = kinds(agreed(opened(build, tmp_path)))
    assert sorted(made) == sorted([*wanted, "Transpose"])


def _layer_norm(x: Any, axes: tuple[int, ...], shape: tuple[int, ...]) -> Any:
    mean, variance = tf.nn.moments(x, axes, keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, numbers(*shape), numbers(*shape), 1e-3)


def _layer_norm_by_hand(x: Any) -> Any:
    centered = x - tf.reduce_mean(x, -1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centered), -1, keepdims=True)
    return centered / tf.sqrt(variance + 1e-3) * numbers(4) + numbers(4)


def _layer_norm_of_keras(x: Any) -> Any:
    mean, variance = tf.nn.moments(x, (3,), keepdims=True)
    factor = tf.math.rsqrt(variance + 1e-3) * numbers(1, 1, 1, 4)
    return x * factor + (-mean * factor + numbers(1, 1, 1, 4))


NORMS: dict[str, Build] = {
    "as Keras has it": lambda x: _layer_norm_of_keras(conv(x)),
    "channels": lambda x: _layer_norm(conv(x), (3,), (4,)),
    "everything": lambda x: _layer_norm(conv(x), (1, 2, 3), (HEIGHT, WIDTH, 4)),
    "by hand": lambda x: _layer_norm_by_hand(conv(x)),
    "without scale": lambda x: tf.nn.batch_normalization(x, *tf.nn.moments(x, (3,), keepdims=True), None, None, 1e-2),
}


@pytest.mark.parametrize("case", NORMS)
def test_layer_normalization_is_found(tmp_path: Path, case: str) -> None:
    made = kinds(agreed(opened(NORMS[case], tmp_path)))
    assert "LayerNorm" in made
    assert not {"Reduce", "rsqrt", "sqrt", "Elementwise"} & set(made)


def test_layer_normalization_that_is_none_stays_as_it_is(tmp_path: Path) -> None:
    """The variance about another mean, and another scale for the mean."""

    def build(x: Any) -> Any:
        y = conv(x)
        mean, variance = tf.nn.moments(y, (3,), keepdims=True)
        factor = tf.math.rsqrt(variance + 1e-3)
        return y * (factor * numbers(4)) - mean * (factor * numbers(4)) + numbers(4)

    assert "LayerNorm" not in kinds(agreed(opened(build, tmp_path)))


# --- sizes and axes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("corners", "half"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("size", [(22, 28), (7, 9), (33, 20)])
@pytest.mark.parametrize("kind", ["ResizeBilinear", "ResizeNearestNeighbor"])
def test_resizing(tmp_path: Path, kind: str, size: tuple[int, int], corners: bool, half: bool) -> None:
    def build(x: Any) -> Any:
        call = getattr(tf.raw_ops, kind)
        return call(images=x, size=size, align_corners=corners, half_pixel_centers=half)

    assert kinds(agreed(opened(build, tmp_path))) == ["Resize", "Transpose"]


def _attention(x: Any) -> Any:
    """Attend among patches, as transformers of TensorFlow do it."""
    patches = tf.nn.conv2d(x, numbers(4, 4, 3, 8), 4, "VALID")
    tokens = tf.reshape(patches, (-1, 6, 8))
    first = tf.tile(tf.constant(numbers(1, 1, 8)), (tf.shape(x)[0], 1, 1))
    tokens = tf.concat([first, tokens], 1) + numbers(7, 8)
    tokens = _layer_norm(tokens, (2,), (8,))
    whole = tf.reshape(tf.tensordot(tokens, numbers(8, 24), 1) + numbers(24), (-1, 7, 3, 2, 4))
    query, key, value = tf.unstack(whole, axis=2)
    query, key, value = (tf.transpose(one, (0, 2, 1, 3)) for one in (query, key, value))
    weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) * 0.5)
    mixed = tf.reshape(tf.transpose(tf.matmul(weights, value), (0, 2, 1, 3)), (-1, 7, 8))
    tokens += tf.nn.gelu(tf.tensordot(mixed, numbers(8, 8), 1) + numbers(8))
    return tf.matmul(tokens[:, 0], numbers(8, 5))


def _with_einsum(x: Any) -> Any:
    tokens = tf.reshape(tf.nn.conv2d(x, numbers(4, 4, 3, 8), 4, "VALID"), (-1, 6, 8))
    query, key, value = (tf.einsum("abc,cde->abde", tokens, numbers(8, 2, 4)) for _ in range(3))
    weights = tf.nn.softmax(tf.einsum("aecd,abcd->acbe", key, query))
    mixed = tf.einsum("acbe,aecd->abcd", weights, value)
    return tf.einsum("abcd,cde->abe", mixed, numbers(2, 4, 8))[:, -1]


def _shuffle(x: Any) -> Any:
    y = conv(x, 6)
    y = tf.reshape(y, (-1, HEIGHT, WIDTH, 2, 3))
    return conv(tf.reshape(tf.transpose(y, (0, 1, 2, 4, 3)), (-1, HEIGHT, WIDTH, 6)))


AXES: dict[str, Build] = {
    "flattened": lambda x: tf.matmul(tf.reshape(conv(x), (-1, HEIGHT * WIDTH * 4)), numbers(HEIGHT * WIDTH * 4, 5)),
    "flattened by its shape": lambda x: tf.matmul(
        tf.reshape(x, (tf.shape(x)[0], tf.reduce_prod(tf.shape(x)[1:]))), numbers(HEIGHT * WIDTH * 3, 5)
    ),
    "transposed and back": lambda x: tf.transpose(tf.nn.relu(tf.transpose(x, (0, 3, 1, 2))), (0, 2, 3, 1)),
    "transposed": lambda x: tf.transpose(conv(x), (0, 2, 1, 3)),
    "a dense layer at each place": lambda x: tf.nn.relu(tf.tensordot(x, numbers(3, 5), 1) + numbers(5)),
    "joined": lambda x: tf.concat([x, conv(x), tf.reduce_max(x, 3, keepdims=True)], -1),
    "joined with zeros": lambda x: tf.concat([x, tf.zeros_like(x)], 3),
    "split": lambda x: sum(tf.split(conv(x, 6), 3, 3)),
    "split unevenly": lambda x: tf.concat(tf.split(conv(x, 6), [1, 3, 2], 3)[::-1], 3),
    "reversed channels": lambda x: x[..., ::-1],
    "reversed": lambda x: tf.reverse(x, [2]),
    "sliced": lambda x: x[:, 1:-1, ::2, 1:],
    "cut": lambda x: tf.slice(x, (0, 2, 1, 0), (-1, 5, -1, 2)),
    "one row": lambda x: conv(x)[:, 3, :, tf.newaxis],
    "one channel": lambda x: conv(x[..., 1, tf.newaxis]),
    "one place": lambda x: tf.gather(conv(x), 2, axis=1)[:, 4],
    "stacked": lambda x: tf.reduce_sum(tf.stack([x, tf.nn.relu(x)], 1), 1),
    "unstacked": lambda x: tf.stack(tf.unstack(x, axis=3)[:2], 3),
    "repeated": lambda x: tf.repeat(tf.repeat(conv(x), 2, 1), 3, 2),
    "tiled": lambda x: tf.tile(x, (1, 2, 1, 2)),
    "broadcast": lambda x: tf.broadcast_to(tf.reduce_mean(x, (1, 2), keepdims=True), (tf.shape(x)[0], 5, 6, 3)),
    "padded with ones": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 0]], constant_values=1.0),
    "mirrored": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 3], [0, 0]], "REFLECT"),
    "more channels": lambda x: tf.pad(x, [[0, 0], [0, 0], [0, 0], [1, 2]]),
    "depth to space": lambda x: tf.nn.depth_to_space(conv(x, 12), 2),
    "space to depth": lambda x: tf.nn.space_to_depth(x[:, 1:], 2),
    "shuffled": _shuffle,
    "squeezed and excited": lambda x: conv(x) * tf.reshape(tf.sigmoid(tf.reduce_mean(conv(x), (1, 2))), (-1, 1, 1, 4)),
    "mean of rows": lambda x: tf.reduce_mean(conv(x), 1)[:, :, None],
    "sums": lambda x: tf.reduce_sum(conv(x), (1, 2)) + tf.reduce_min(x, (1, 2, 3))[:, None],
    "half precision": lambda x: tf.cast(tf.cast(x, tf.float64) * 2, tf.float32),
    "attention": _attention,
    "einsum": _with_einsum,
    "softmax of channels": lambda x: tf.nn.softmax(conv(x)) * 2.0,
}


@pytest.mark.parametrize("case", AXES)
def test_shapes_and_axes(tmp_path: Path, case: str) -> None:
    agreed(opened(AXES[case], tmp_path))


@pytest.mark.parametrize(
    ("case", "wanted"),
    [
        ("flattened", ["Conv", "Transpose", "Reshape", "Linear"]),
        ("transposed and back", ["relu", "Transpose"]),
        ("a dense layer at each place", ["Conv", "relu", "Transpose"]),
        ("repeated", ["Conv", "Resize", "Resize", "Transpose"]),
        ("reversed channels", ["Slice", "Transpose"]),
        ("squeezed and excited", ["Conv", "Conv", "GlobalPool", "sigmoid", "Reshape", "Elementwise", "Transpose"]),
    ],
)
def test_no_more_is_written_than_needed(tmp_path: Path, case: str, wanted: list[str]) -> None:
    assert kinds(agreed(opened(AXES[case], tmp_path))) == wanted


def test_attention_is_read_in_few_words(tmp_path: Path) -> None:
    made = kinds(agreed(opened(_attention, tmp_path)))
    assert made.count("LayerNorm") == 1
    assert made.count("gelu") == 1
    assert "Reduce" not in made
