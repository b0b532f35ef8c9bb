"""TensorFlow networks as op graphs, computed slowly, against their own answers; and what has no form there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core import graph as g
from picasso.core.graph import GraphError
from picasso.core.model import Model
from picasso.models.tensorflow.opener import TensorFlowModel
from tests.engine import reference
from tests.models import tensorflow_graphs as graphs
from tests.models.tensorflow_graphs import tf, v1
from tests.models.tensorflow_op_graphs import HEIGHT, WIDTH, Build, agreed, conv, kinds, numbers, opened

# --- networks -------------------------------------------------------------------------------------------------------


def test_channels_first(tmp_path: Path) -> None:
    def build(x: Any) -> Any:
        y = tf.nn.conv2d(x, numbers(3, 3, 3, 4), 2, "SAME", data_format="NCHW")
        y = tf.nn.relu(tf.nn.bias_add(y, numbers(4), data_format="NCHW")) * numbers(4, 1, 1)
        y = tf.nn.max_pool2d(y, 2, 2, "SAME", data_format="NCHW")
        y = v1.nn.fused_batch_norm(
            y, numbers(4), numbers(4), numbers(4), numbers(4, low=0.5), 0.01, "NCHW", is_training=False
        )[0]
        y = tf.concat([y, tf.pad(y, [[0, 0], [0, 0], [1, 1], [1, 1]])[:, :, 1:-1, 1:-1]], 1)
        return tf.matmul(tf.reshape(y, (-1, 8 * 3 * 4)), numbers(8 * 3 * 4, 5))

    graph = agreed(opened(build, tmp_path, (None, 3, HEIGHT, WIDTH)))
    assert kinds(graph)[:4] == ["Conv", "relu", "Affine", "Pool"]
    assert "Transpose" not in kinds(graph)


def _atrous(x: Any, rate: int) -> Any:
    height, width = (int(side) for side in x.shape[1:3])
    extra = -height % rate, -width % rate
    dealt = tf.space_to_batch_nd(x, [rate, rate], [[rate, rate + more] for more in extra])
    dealt = tf.nn.conv2d(dealt, numbers(3, 3, int(x.shape[-1]), 4), 1, "VALID")
    return tf.nn.relu(tf.batch_to_space(dealt, [rate, rate], [[0, more] for more in extra]) * numbers(4) + numbers(4))


def test_a_segmenter_with_dilated_branches(tmp_path: Path) -> None:
    """A stem, branches of several rates and of the whole map, and a mask of the picture's own size."""

    def build(x: Any) -> Any:
        y = tf.nn.relu6(conv(x, 6, strides=2))
        sides = tf.shape(y)[1:3]
        whole = tf.nn.relu(conv(tf.reduce_mean(y, (1, 2), keepdims=True), 4, (1, 1)))
        whole = v1.image.resize_bilinear(whole, sides, align_corners=True)
        y = tf.concat([whole, conv(y, 4, (1, 1)), _atrous(y, 2), _atrous(y, 3)], 3)
        y = tf.nn.bias_add(conv(y, 5, (1, 1)), numbers(5))
        return tf.nn.softmax(v1.image.resize_bilinear(y, tf.shape(x)[1:3], align_corners=True))

    model = opened(build, tmp_path, (None, 33, 45, 3))
    graph = agreed(model)
    made = kinds(graph)
    assert (made.count("Conv"), made.count("Resize"), made.count("Transpose")) == (6, 2, 1)
    assert not {"Softmax", "Pad"} & set(made)
    assert sorted(op.dilation for op in graph.ops if isinstance(op, g.Conv))[-2:] == [(2, 2), (3, 3)]


@pytest.mark.parametrize("size", [1, 4])
def test_a_fixed_batch(tmp_path: Path, size: int) -> None:
    def build(x: Any) -> Any:
        return tf.matmul(tf.reshape(conv(x), (size, HEIGHT * WIDTH * 4)), numbers(HEIGHT * WIDTH * 4, 5))

    model = opened(build, tmp_path, (size, HEIGHT, WIDTH, 3))
    assert model.facts.fixed_batch == size
    agreed(model)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("digits")
    v1.disable_control_flow_v2()  # as in the days of TensorFlow 1
    try:
        net, session = graphs.trained_digits()
    finally:
        v1.enable_control_flow_v2()
    graphs.save_checkpoint(session, place / "checkpoint")
    graphs.save_frozen(session, ["Softmax"], place / "digits.pb")
    named = {"image": net.x, "keep": net.keep, "training": net.training}
    graphs.save_old_model(session, named, {"scores": net.probabilities}, place / "saved")
    return place


@pytest.mark.parametrize("name", ["checkpoint", "digits.pb", "saved"])
def test_a_network_of_tensorflow_1(digits: Path, name: str) -> None:
    """Rows of 784 numbers, dropout, conditions for training and a softmax leave nothing but what predicts."""
    model = picasso.load_model(digits / name)
    graph = agreed(model)
    wanted = ["Conv", "relu", "Affine", "Conv", "clip", "Transpose", "Reshape", "Linear"]
    assert kinds(graph) == wanted
    layers = {layer.name for layer in model.layers()}
    assert {op.layer for op in graph.ops} - {""} <= layers
    values = {op.layer: op for op in graph.ops}
    assert isinstance(values["scores"], g.Linear)
    assert values["relu1"].shape == (4, 14, 14)


def test_an_operation_has_the_value_of_its_layer(digits: Path) -> None:
    model = picasso.load_model(digits / "digits.pb")
    assert isinstance(model, TensorFlowModel)
    graph = model._read_graph()
    x = graphs.digits(2)[0]
    made = reference.run(graph, np.moveaxis(x, 3, 1))
    named = {op.layer: made[op.name] for op in graph.ops if op.layer and not isinstance(op, g.Transpose | g.Reshape)}
    for layer, native in model.activations(x, list(named)).items():
        ours = np.moveaxis(named[layer], 1, -1)
        np.testing.assert_allclose(ours, native, atol=1e-4 * np.abs(native).max())


def test_the_model_is_left_as_it_was(digits: Path) -> None:
    model = picasso.load_model(digits / "digits.pb")
    assert isinstance(model, TensorFlowModel)
    x, _ = graphs.digits(3)
    before, count = model.predict(x), len(model._engine.graph.get_operations())
    model._read_graph()
    assert len(model._engine.graph.get_operations()) == count
    np.testing.assert_array_equal(model.predict(x), before)


def test_a_u_net_of_keras(tmp_path: Path) -> None:
    keras = _keras()
    layers = keras.layers
    x = start = layers.Input((16, 24, 3))
    skips = []
    for width in (4, 8):
        x = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same", activation="relu")(x))
        skips.append(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(8, 3, padding="same", dilation_rate=2, activation="elu")(x)
    x = layers.Concatenate()([layers.Conv2DTranspose(8, 3, 2, padding="same")(x), skips[1]])
    x = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)
    x = layers.Concatenate()([layers.UpSampling2D()(x), skips[0]])
    x = layers.Activation("swish")(layers.SeparableConv2D(6, 3, padding="same")(x))
    x = layers.Conv2D(3, 1)(layers.UpSampling2D(2, interpolation="bilinear")(layers.AveragePooling2D(2)(x)))
    made = kinds(agreed(_exported(keras.Model(start, layers.Softmax()(x)), tmp_path)))
    assert made.count("Transpose") == 1
    assert made.count("Resize") == 3
    assert "silu" in made
    assert "Softmax" not in made


def test_a_mobile_network_of_keras(tmp_path: Path) -> None:
    keras = _keras()
    layers = keras.layers

    def normed(x: Any, limit: bool = True) -> Any:
        x = layers.BatchNormalization()(x)
        return layers.ReLU(6.0)(x) if limit else x

    def inverted(x: Any, width: int, stride: int) -> Any:
        y = normed(layers.Conv2D(2 * x.shape[-1], 1, use_bias=False)(x))
        y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y) if stride == 2 else y
        y = layers.DepthwiseConv2D(3, stride, "valid" if stride == 2 else "same", use_bias=False)(y)
        y = normed(layers.Conv2D(width, 1, use_bias=False)(normed(y)), limit=False)
        return layers.Add()([x, y]) if stride == 1 else y

    start = layers.Input((16, 16, 3))
    x = normed(layers.Conv2D(4, 3, 2, padding="same", use_bias=False)(start))
    x = layers.GlobalAveragePooling2D()(inverted(inverted(x, 6, 2), 6, 1))
    made = kinds(agreed(_exported(keras.Model(start, layers.Dense(7, activation="softmax")(x)), tmp_path / "mobile")))
    assert set(made) == {"Conv", "Affine", "clip", "Elementwise", "GlobalPool", "Linear"}
    assert (made.count("Conv"), made.count("Affine")) == (7, 7)


def _keras() -> Any:
    import importlib

    import keras

    # Another test may have chosen another backend for this process.
    return keras if keras.backend.backend() == "tensorflow" else importlib.import_module("tf_keras")


def _exported(network: Any, path: Path) -> Model:
    """Export a network of Keras, with all that it has learned drawn anew."""
    random = np.random.default_rng(3)
    values = []
    for weight in network.weights:
        name = getattr(weight, "path", weight.name)
        low, high = (0.5, 1.5) if "variance" in name or "gamma" in name else (-0.3, 0.3)
        old = np.asarray(weight)
        values.append(old if old.ndim > 1 else random.uniform(low, high, old.shape))
    network.set_weights(values)
    with graphs.silent():
        network.export(str(path))
    return picasso.load_model(path)


# --- what is refused ------------------------------------------------------------------------------------------------


def _loop(x: Any) -> Any:
    return tf.while_loop(lambda i, y: i < 2, lambda i, y: (i + 1, y * 0.5), (0, x))[1]


def _training(x: Any) -> Any:
    return v1.nn.fused_batch_norm(conv(x), numbers(4), numbers(4), is_training=True)[0]


REFUSED: dict[str, tuple[Build, str]] = {
    "unknown": (lambda x: tf.roll(x, 2, 1), "^Roll at 'Roll' has no form in the op graph"),
    "loop": (_loop, "has no form in the op graph"),
    "condition": (
        lambda x: tf.where(tf.reduce_mean(x) > 0, x, -x),
        "^(Mean|Greater|SelectV2) at '.*' (works across pictures|has no form in the op graph)",
    ),
    "training": (_training, "^FusedBatchNormV3 at '.*' normalizes by the pictures themselves"),
    "whole numbers": (lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32), "from float32 to int32"),
    "noise": (lambda x: x + tf.random.normal((HEIGHT, WIDTH, 3)), "^RandomStandardNormal at .* is not the same each"),
    "dropout": (lambda x: tf.nn.dropout(conv(x), 0.5) * 1.0, "is not the same each time"),
    "pictures among each other": (lambda x: x - tf.reduce_mean(x, 0, keepdims=True), "^Mean at '.*' works across pic"),
    "pictures reversed": (lambda x: tf.reverse(x, [0]), "^ReverseV2 at '.*' works across pictures"),
    "pictures transposed": (
        lambda x: tf.transpose(tf.nn.softmax(tf.transpose(conv(x), (3, 1, 2, 0))), (3, 1, 2, 0)),
        "^Transpose at '.*' moves the pictures' axis",
    ),
    "uneven": (lambda x: tf.gather(x, [0, 2, 1], axis=3), "^GatherV2 at '.*' takes entries in no even order"),
    "sides that depend on the picture": (
        lambda x: x[:, : tf.shape(tf.where(x > 0))[0] % 5 + 3],
        "^(Where|Greater) at '.*' has no form in the op graph",
    ),
    "symmetric border": (lambda x: tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]], "SYMMETRIC"), "^MirrorPad at"),
    "bicubic": (lambda x: tf.image.resize(x, (20, 20), "bicubic"), "^ResizeBicubic at '.*' has no form"),
    "weights from the picture": (
        lambda x: tf.nn.conv2d(x, tf.reshape(x[0, :3, :3], (3, 3, 3, 1)), 1, "SAME"),
        "chooses among pictures",
    ),
    "sums in blocks": (
        lambda x: tf.batch_to_space(tf.space_to_batch_nd(x, [2, 2], [[1, 0], [0, 0]]) + 1.0, [2, 2], [[0, 1], [0, 0]]),
        "mixed with each other",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_word_is_refused(tmp_path: Path, case: str) -> None:
    build, sentence = REFUSED[case]
    model = opened(build, tmp_path)
    assert isinstance(model, TensorFlowModel)
    with pytest.raises(GraphError, match=sentence):
        model._read_graph()
