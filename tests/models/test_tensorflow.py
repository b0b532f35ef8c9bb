"""TensorFlow graphs in every form, compared with TensorFlow itself."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.errors import ConfigurationError, ModelOutputError, NotFoundError, NotSupportedError
from picasso.core.facts import INPUT, ReluRule, Rules, Task
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.testing import check_model
from tests.models import tensorflow_graphs as graphs
from tests.models.tensorflow_graphs import Array, tf, v1

DIGITS, _ = graphs.digits(5)
PHOTOS = np.random.default_rng(1).uniform(0, 1, (4, 24, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def digits() -> tuple[graphs.DigitNet, Any]:
    return graphs.trained_digits()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, digits: tuple[graphs.DigitNet, Any]) -> Path:
    """A folder with the digits' network in all forms of TensorFlow 1."""
    place = tmp_path_factory.mktemp("tensorflow")
    net, session = digits
    graphs.save_checkpoint(session, place / "checkpoint", step=7)
    graphs.save_frozen(session, ["Softmax"], place / "digits.pb")
    named = {"image": net.x, "keep": net.keep, "training": net.training}
    graphs.save_old_model(session, named, {"scores": net.probabilities}, place / "saved")
    return place


TENSORFLOW_1 = ["checkpoint", "checkpoint/model.ckpt-7", "checkpoint/model.ckpt-7.meta", "digits.pb", "saved"]
TENSORFLOW_1 += ["checkpoint/model.ckpt-7.index", "saved/saved_model.pb"]


@pytest.mark.parametrize("name", TENSORFLOW_1)
def test_tensorflow_1_agrees_with_a_plain_session(folder: Path, digits: tuple[graphs.DigitNet, Any], name: str) -> None:
    model = picasso.load_model(folder / name)
    net, session = digits
    assert model.framework == "TensorFlow"
    assert model.input_shape == (28, 28, 1)
    assert model.head is Head.SOFTMAX
    assert model.facts.units == "logit"
    assert any("held at 1.0" in note for note in model.facts.notes)
    assert any("'is_training' is held at False" in note for note in model.facts.notes)
    with session.graph.as_default():
        column = net.logits[:, 3]
        by_picture, by_layer = v1.gradients(column, [net.x, session.graph.get_tensor_by_name("relu1:0")])
    native = session.run((net.logits, net.probabilities, net.normal, "relu1:0", by_picture, by_layer), net.feed(DIGITS))
    scores = model.predict(DIGITS)
    np.testing.assert_allclose(scores, native[0], atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(model.probabilities(scores), native[1], atol=1e-5)
    _agree(model.activations(DIGITS, ["relu1"])["relu1"], native[3])
    pulled = model.pullback(DIGITS, [model.target(3), model.target(0)], [INPUT, "relu1"])
    _agree(pulled.gradients[INPUT][0], native[4].reshape(DIGITS.shape))
    _agree(pulled.gradients["relu1"][0], native[5])
    _agree(pulled.values["relu1"], native[3])


def _agree(ours: Array, theirs: Array) -> None:
    """Agree to 1e-4 of the largest."""
    assert ours.shape == theirs.shape
    assert np.abs(theirs).max() > 0
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_the_contract_is_kept(folder: Path) -> None:
    model = picasso.load_model(folder / "checkpoint")
    check_model(model)
    kinds = {layer.name: (layer.kind, layer.shape) for layer in model.layers()}
    assert kinds["relu1"] == ("Relu", (14, 14, 4))
    assert kinds["relu2"] == ("Relu6", (7, 7, 6))
    assert kinds["scores"] == ("MatMul", (10,))
    assert model.default_layer() == next(layer for layer in model.layers() if layer.name == "relu2")
    assert model.facts.size > 3000
    # Where it is only dropped, not the side of the condition that is taken, nothing of training is left.
    assert not any("Adam" in name or "cond/Switch" in name for name in kinds)


def test_the_files_are_named_and_digested(folder: Path) -> None:
    model = picasso.load_model(folder / "checkpoint")
    assert {"model.ckpt-7.meta", "model.ckpt-7.index"} <= {file.name for file in model.files}
    assert model.digest == picasso.load_model(folder / "checkpoint" / "model.ckpt-7").digest
    assert model.digest != picasso.load_model(folder / "digits.pb").digest


# --- TensorFlow 2 ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def color() -> graphs.ColorNet:
    net = graphs.ColorNet()
    net(tf.zeros((1, 24, 32, 3)), training=True)
    net(tf.zeros((1, 24, 32, 3)), training=False)
    return net


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, color: graphs.ColorNet) -> Path:
    place = tmp_path_factory.mktemp("saved")
    with graphs.silent():
        tf.saved_model.save(color, str(place / "signed"), signatures=color.serve)
        tf.saved_model.save(color, str(place / "unsigned"), signatures={})
    return place


@pytest.mark.parametrize("name", ["signed", "unsigned", "signed/saved_model.pb"])
def test_a_module_agrees_with_gradient_tape(saved: Path, color: graphs.ColorNet, name: str) -> None:
    model = picasso.load_model(saved / name)
    x = tf.constant(PHOTOS)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        first, scores = color.scores(x)
        column = scores[:, 2]
    batch = PHOTOS[:1] if model.facts.fixed_batch else PHOTOS
    np.testing.assert_allclose(model.predict(PHOTOS), scores.numpy(), atol=1e-5)
    layer = next(layer.name for layer in model.layers() if layer.kind == "Relu")
    assert layer == "relu"
    _agree(model.activations(batch, [layer])[layer], first.numpy()[: len(batch)])
    pulled = model.pullback(PHOTOS, [model.target(2)], [INPUT, layer])
    _agree(pulled.gradients[INPUT][0], tape.gradient(column, x).numpy())
    _agree(pulled.gradients[layer][0], tape.gradient(column, first).numpy())
    check_model(model)


def test_a_saved_model_without_signature_says_so(saved: Path) -> None:
    notes = picasso.load_model(saved / "unsigned").facts.notes
    assert any("serve" in note or "no signature" in note for note in notes)


def test_a_keras_export_agrees_with_keras(tmp_path: Path) -> None:
    import keras

    if keras.backend.backend() != "tensorflow":  # another test has chosen another backend for this process
        keras = importlib.import_module("tf_keras")
    keras.utils.set_random_seed(2)
    layers = keras.layers
    network = keras.Sequential(
        [
            layers.Input((16, 16, 3)),
            layers.Conv2D(6, 3, activation="relu", name="first"),
            layers.BatchNormalization(),
            layers.DepthwiseConv2D(3, name="second"),
            layers.ReLU(6.0),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    x = PHOTOS[:, :16, :16]
    with graphs.silent():
        network.export(str(tmp_path / "exported"))
        inner = keras.Model(network.inputs, network.get_layer("first").output)
        probabilities, first = network.predict(x, verbose=0), inner.predict(x, verbose=0)
    model = picasso.load_model(tmp_path / "exported")
    np.testing.assert_allclose(model.probabilities(model.predict(x)), probabilities, atol=1e-5)
    relu = next(layer.name for layer in model.layers() if layer.kind == "Relu")
    _agree(model.activations(x, [relu])[relu], first)
    check_model(model)


@pytest.mark.parametrize(
    ("step", "scale"),
    [
        (lambda x: x / 255.0, 1),
        (lambda x: x * (1 / 127.5) - 1.0, 1),
        (lambda x: tf.cast(x[..., ::-1], tf.float32) - tf.constant([103.9, 116.8, 123.7]), 1),
        (lambda x: x * 2.0 - 1.0, 1 / 255),
        (lambda x: x - 0.5, 1 / 255),
        (lambda x: x + x, 1 / 255),
        (lambda x: x, 1 / 255),
    ],
)
def test_a_graph_that_scales_its_own_input_gets_pixels_of_255(tmp_path: Path, step: Any, scale: float) -> None:
    def build() -> Any:
        x = v1.placeholder(tf.float32, (None, 16, 16, 3), name="x")
        y = tf.nn.relu(tf.nn.conv2d(step(x), graphs.weights("k", (3, 3, 3, 4)), 1, "SAME"))
        return tf.nn.softmax(tf.matmul(tf.reduce_mean(y, (1, 2)), graphs.weights("d", (4, 3))), name="y")

    path, _, _ = graphs.frozen(build, tmp_path / "scaling.pb")
    model = picasso.load_model(path)
    assert model.preprocessing.scale == pytest.approx(scale)
    assert any("begins by scaling" in note for note in model.facts.notes) == (scale == 1)


# --- the ReLU rules -------------------------------------------------------------------------------------------------


def _slow_rules(x: Array, kernel: Array, dense: Array, column: int, rule: ReluRule) -> Array:
    """Differentiate a score by the picture, number by number: convolution, ReLU6, max(x, 0), mean, weights."""
    rows, columns = x.shape[0] - 2, x.shape[1] - 2
    filters = kernel.shape[3]
    gradient = np.zeros_like(x)
    for row in range(rows):
        for col in range(columns):
            for f in range(filters):
                before = float((x[row : row + 3, col : col + 3] * kernel[..., f]).sum())
                six = min(max(before, 0.0), 6.0)
                passed = dense[f, column] / (rows * columns)
                for inside in (six - 1 > 0, 0 < before < 6):
                    if rule is ReluRule.STANDARD:
                        passed = passed if inside else 0.0
                    else:
                        passed = max(passed, 0.0) if inside or rule is ReluRule.DECONVNET else 0.0
                gradient[row : row + 3, col : col + 3] += passed * kernel[..., f]
    return gradient


@pytest.mark.parametrize("rule", list(ReluRule))
def test_relu_rules_agree_with_a_slow_reimplementation(tmp_path: Path, rule: ReluRule) -> None:
    random = np.random.default_rng(4)
    kernel = random.normal(0, 1.5, (3, 3, 3, 4)).astype(np.float32)
    dense = random.normal(0, 1, (4, 3)).astype(np.float32)

    def build() -> Any:
        x = v1.placeholder(tf.float32, (None, 9, 10, 3), name="x")
        six = tf.nn.relu6(tf.nn.conv2d(x, kernel, 1, "VALID"))
        return tf.matmul(tf.reduce_mean(tf.maximum(six - 1, 0.0), (1, 2)), dense, name="scores")

    path, _, _ = graphs.frozen(build, tmp_path / "rules.pb")
    model = picasso.load_model(path)
    x = PHOTOS[:1, :9, :10] * 3
    pulled = model.pullback(x, [model.target(1)], rules=Rules(relu=rule))
    assert pulled.ruled == 2
    _agree(pulled.gradients[INPUT][0, 0], _slow_rules(x[0], kernel, dense, 1, rule))


# --- what goes in ---------------------------------------------------------------------------------------------------


def _net(x: Any, first: str = "NHWC") -> Any:
    """A small classifier behind any input (n, h, w, c)."""
    channels = x.shape[1] if first == "NCHW" else x.shape[3]
    kernel = graphs.RNG.normal(0, 0.4, (3, 3, channels, 4)).astype(np.float32)
    y = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME", data_format=first), name="relu")
    y = tf.reduce_mean(y, (2, 3) if first == "NCHW" else (1, 2))
    return tf.nn.softmax(tf.matmul(y, graphs.RNG.normal(0, 1, (4, 3)).astype(np.float32)), name="answer")


def _checked(path: Path, **options: Any) -> Model:
    model = picasso.load_model(path, **options)
    check_model(model)
    return model


def test_channels_first_is_turned(tmp_path: Path) -> None:
    def build() -> Any:
        return _net(v1.placeholder(tf.float32, (None, 3, 12, 10), name="x"), "NCHW")

    path, _, _ = graphs.frozen(build, tmp_path / "first.pb")
    model = _checked(path)
    assert model.input_shape == (12, 10, 3)
    assert {layer.name: layer.shape for layer in model.layers()}["relu"] == (12, 10, 4)


def test_bytes_get_gradients_behind_the_cast(tmp_path: Path) -> None:
    def build() -> Any:
        pixels = v1.placeholder(tf.uint8, (None, 12, 10, 3), name="pixels")
        return _net(tf.cast(pixels, tf.float32) / 255.0)

    path, answer, session = graphs.frozen(build, tmp_path / "bytes.pb")
    model = _checked(path)
    assert model.preprocessing.scale == 1.0
    assert any("whole numbers" in note for note in model.facts.notes)
    pixels = (PHOTOS[:, :12, :10] * 255).astype(np.uint8)
    native = session.run(answer, {"pixels:0": pixels})
    np.testing.assert_allclose(model.probabilities(model.predict(pixels.astype(np.float32))), native, atol=1e-5)


def test_bytes_that_stay_bytes_give_no_gradient_at_the_input(tmp_path: Path) -> None:
    def build() -> Any:
        pixels = v1.placeholder(tf.uint8, (None, 12, 10, 3), name="pixels")
        return _net(tf.cast(tf.bitwise.invert(pixels), tf.float32) / 255.0)

    path, answer, session = graphs.frozen(build, tmp_path / "invert.pb")
    model = picasso.load_model(path)
    pixels = (PHOTOS[:, :12, :10] * 255).astype(np.uint8)
    native = session.run(answer, {"pixels:0": pixels})
    np.testing.assert_allclose(model.probabilities(model.predict(pixels.astype(np.float32))), native, atol=1e-5)
    with pytest.raises(NotSupportedError, match="whole numbers"):
        model.pullback(pixels[:1].astype(np.float32), [model.target(0)])
    assert model.pullback(pixels[:1].astype(np.float32), [model.target(0)], ["relu"]).gradients["relu"].any()


@pytest.mark.parametrize("really", [False, True])
def test_a_fixed_batch_is_kept_where_it_is_meant(tmp_path: Path, really: bool) -> None:
    def build() -> Any:
        x = v1.placeholder(tf.float32, (3, 12, 10, 3), name="x")
        y = tf.reshape(_net(x), (3, 3) if really else (-1, 3))
        return tf.identity(y, name="end")

    path, answer, session = graphs.frozen(build, tmp_path / "fixed.pb")
    model = _checked(path)
    assert model.facts.fixed_batch == (3 if really else None)
    native = session.run(answer, {"x:0": PHOTOS[:3, :12, :10]})
    np.testing.assert_allclose(model.probabilities(model.predict(PHOTOS[:3, :12, :10])), native, atol=1e-5)


def test_grey_pictures_without_a_channel(tmp_path: Path) -> None:
    path, _, _ = graphs.frozen(
        lambda: _net(v1.placeholder(tf.float32, (None, 12, 10), name="x")[..., None]), tmp_path / "grey.pb"
    )
    assert _checked(path).input_shape == (12, 10, 1)


def test_a_free_size_is_found_or_declared(tmp_path: Path) -> None:
    path, _, _ = graphs.frozen(
        lambda: _net(v1.placeholder(tf.float32, (None, None, None, 3), name="x")), tmp_path / "free.pb"
    )
    found = picasso.load_model(path)
    assert found.input_shape == (224, 224, 3)
    assert any("found by trying" in note for note in found.facts.notes)
    declared = picasso.load_model(path, preprocessing=picasso.Preprocessing(size=(20, 30)))
    assert declared.input_shape == (20, 30, 3)
    with pytest.raises(ModelOutputError, match="20 x 30 x 3"):
        declared.predict(PHOTOS)


def test_a_size_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path, _, _ = graphs.frozen(
        lambda: _net(v1.placeholder(tf.float32, (None, 12, 10, 3), name="x")), tmp_path / "fit.pb"
    )
    with pytest.raises(ModelOutputError, match="reads pictures of 12 x 10 x 3"):
        picasso.load_model(path, preprocessing=picasso.Preprocessing(size=16))


def test_several_pictures_are_asked_about(tmp_path: Path) -> None:
    def build() -> Any:
        left = v1.placeholder(tf.float32, (None, 12, 10, 3), name="left")
        right = v1.placeholder(tf.float32, (1, 12, 10, 3), name="right")
        return _net(left - 2 * right)

    path, answer, session = graphs.frozen(build, tmp_path / "two.pb")
    with pytest.raises(ConfigurationError, match=r"left:0, right:0.*--input left"):
        picasso.load_model(path)
    held = PHOTOS[:1, :12, :10]
    for name in ("left", "left:0"):
        model = picasso.load_model(path, input=name, hold={"right": held})
        native = session.run(answer, {"left:0": PHOTOS[:, :12, :10], "right:0": held})
        np.testing.assert_allclose(model.probabilities(model.predict(PHOTOS[:, :12, :10])), native, atol=1e-5)
    assert any("'right' is held at zeros" in note for note in picasso.load_model(path, input="left").facts.notes)
    with pytest.raises(ConfigurationError, match="no input 'middle' to hold"):
        picasso.load_model(path, input="left", hold={"middle": 1})
    with pytest.raises(ConfigurationError, match="no input 'lefd'"):
        picasso.load_model(path, input="lefd")


def test_a_tensor_inside_can_be_the_input(tmp_path: Path) -> None:
    def build() -> Any:
        files = v1.placeholder(tf.string, (), name="files")
        picture = tf.io.decode_jpeg(files, channels=3, name="decoded")
        x = tf.expand_dims(tf.image.convert_image_dtype(picture, tf.float32), 0, name="batch")
        return _net(v1.image.resize_bilinear(x, (12, 10), name="small"))

    path, answer, session = graphs.frozen(build, tmp_path / "inside.pb")
    with pytest.raises(picasso.PicassoError, match="no input that takes a picture"):
        picasso.load_model(path)
    model = picasso.load_model(path, input="small")
    native = np.concatenate([session.run(answer, {"small:0": photo[None, :12, :10]}) for photo in PHOTOS])
    np.testing.assert_allclose(model.probabilities(model.predict(PHOTOS[:, :12, :10])), native, atol=1e-5)


def test_what_is_dropped_is_told_from_what_is_kept(tmp_path: Path) -> None:
    for keep in (True, False):

        def build(keep: bool = keep) -> Any:
            x = v1.placeholder(tf.float32, (None, 12, 10, 3))
            amount = v1.placeholder(tf.float32)
            y = v1.nn.dropout(x, keep_prob=amount) if keep else v1.nn.dropout(x, rate=amount)
            return _net(y)

        path, _, _ = graphs.frozen(build, tmp_path / f"{keep}.pb")
        model = picasso.load_model(path)
        assert any(f"held at {1.0 if keep else 0.0}" in note for note in model.facts.notes)
        np.testing.assert_array_equal(model.predict(PHOTOS[:, :12, :10]), model.predict(PHOTOS[:, :12, :10]))


# --- what comes out -------------------------------------------------------------------------------------------------


def _features() -> Any:
    x = v1.placeholder(tf.float32, (None, 12, 10, 3), name="x")
    kernel = graphs.RNG.normal(0, 0.4, (3, 3, 3, 4)).astype(np.float32)
    return tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))


def test_sigmoids_and_logits_are_told_apart(tmp_path: Path) -> None:
    dense = graphs.RNG.normal(0, 1, (4, 3)).astype(np.float32)
    logits = graphs.frozen(lambda: tf.matmul(tf.reduce_mean(_features(), (1, 2)), dense, name="end"), tmp_path / "l.pb")
    model = _checked(logits[0])
    assert (model.head, model.facts.units) == (Head.SOFTMAX, "logit")
    sigmoid = graphs.frozen(
        lambda: tf.sigmoid(tf.matmul(tf.reduce_mean(_features(), (1, 2)), dense), name="end"), tmp_path / "s.pb"
    )
    model = _checked(sigmoid[0])
    assert (model.head, model.facts.units) == (Head.SIGMOID, "logit")
    native = sigmoid[2].run(sigmoid[1], {"x:0": PHOTOS[:, :12, :10]})
    np.testing.assert_allclose(model.probabilities(model.predict(PHOTOS[:, :12, :10])), native, atol=1e-5)


def test_several_answers_are_asked_about(tmp_path: Path) -> None:
    def build() -> Any:
        pooled = tf.reduce_mean(_features(), (1, 2))
        one = tf.nn.softmax(tf.matmul(pooled, graphs.RNG.normal(0, 1, (4, 3)).astype(np.float32)), name="kind")
        other = tf.nn.softmax(tf.matmul(pooled, graphs.RNG.normal(0, 1, (4, 5)).astype(np.float32)), name="color")
        return one, other

    path, (_, other), session = graphs.frozen(build, tmp_path / "two.pb")
    with pytest.raises(ModelOutputError, match="several outputs"):
        picasso.load_model(path)
    model = picasso.load_model(path, output="color:0")
    native = session.run(other, {"x:0": PHOTOS[:, :12, :10]})
    np.testing.assert_allclose(model.probabilities(model.predict(PHOTOS[:, :12, :10])), native, atol=1e-5)
    with pytest.raises(ConfigurationError, match="no output 'colour'"):
        picasso.load_model(path, output="colour")


def test_a_segmenter_keeps_its_logits(tmp_path: Path) -> None:
    def build() -> Any:
        kernel = graphs.RNG.normal(0, 1, (1, 1, 4, 3)).astype(np.float32)
        flat = tf.reshape(tf.nn.conv2d(_features(), kernel, 1, "SAME"), (-1, 3))
        return tf.reshape(tf.nn.softmax(flat), (-1, 12, 10, 3), name="masks")

    path, answer, session = graphs.frozen(build, tmp_path / "masks.pb")
    model = picasso.load_model(path)
    assert model.facts.task is Task.SEGMENTATION
    assert model.facts.units == "logit"
    native = session.run(answer, {"x:0": PHOTOS[:, :12, :10]})
    masks = model.outputs(PHOTOS[:, :12, :10])["masks"]
    np.testing.assert_allclose(model.probabilities(masks), native, atol=1e-5)


def test_what_stops_gradients_says_so(tmp_path: Path) -> None:
    dense = graphs.RNG.normal(0, 1, (4, 3)).astype(np.float32)

    def build() -> Any:
        return tf.matmul(tf.stop_gradient(tf.reduce_mean(_features(), (1, 2))), dense, name="end")

    path, _, _ = graphs.frozen(build, tmp_path / "stop.pb")
    model = picasso.load_model(path)
    with pytest.raises(NotSupportedError, match="does not depend"):
        model.pullback(PHOTOS[:1, :12, :10], [model.target(0)])
    with pytest.raises(NotFoundError, match="no layer 'conv'"):
        model.activations(PHOTOS[:1, :12, :10], ["conv"])


def test_what_the_session_raises_is_one_sentence(tmp_path: Path) -> None:
    def build() -> Any:
        y = tf.reduce_mean(_features(), (1, 2))
        with tf.control_dependencies([tf.debugging.assert_less(y, -1.0, message="no picture is like that")]):
            return tf.debugging.check_numerics(y / (y - y), "infinite inside", name="end")

    path, _, _ = graphs.frozen(build, tmp_path / "raises.pb")
    with pytest.raises(picasso.PicassoError, match="infinite inside") as caught:
        picasso.load_model(path)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_refused(folder: Path) -> None:
    assert picasso.load_model(folder / "digits.pb", device="cpu").framework == "TensorFlow"
    for device in ("cuda:9", "cpu:x", "abacus"):
        with pytest.raises(ConfigurationError, match=f"device '{device}' cannot be used"):
            picasso.load_model(folder / "digits.pb", device=device)


@pytest.mark.parametrize(
    ("groups", "said"), [(8, {}), (4, {"filters": 16}), (8, {"dilation_rate": 2}), (2, {"strides": 2})]
)
def test_convolutions_in_groups_have_gradients(tmp_path: Path, groups: int, said: dict[str, int]) -> None:
    """TensorFlow itself has none on a processor, and Keras hides such layers in functions that must be compiled."""
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":  # another test has chosen another backend for this process
        keras = importlib.import_module("tf_keras")
    keras.utils.set_random_seed(0)
    network = keras.Sequential(
        [
            keras.layers.Input((12, 12, 3)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.Conv2D(**{"filters": 8, "kernel_size": 3, "groups": groups, "padding": "same"} | said),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    with graphs.silent():
        network.export(str(tmp_path / "saved"))
    model = picasso.load_model(tmp_path / "saved", preprocessing=picasso.Preprocessing(size=12))
    x = np.random.default_rng(0).normal(size=(2, 12, 12, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        given = tf.constant(x)
        tape.watch(given)
        score = tf.reduce_sum(network(given)[:, 1])
    theirs = tape.gradient(score, given).numpy()
    ours = model.pullback(x, [model.target(1)]).gradients["input"][0]
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def _standardized() -> Any:
    x = v1.placeholder(tf.float32, (None, 12, 10, 3), name="x")
    return x, _net(tf.ensure_shape(tf.map_fn(tf.image.per_image_standardization, x), (None, 12, 10, 3)))


def test_loops_that_are_functions_have_gradients(tmp_path: Path) -> None:
    (x, answer), session = graphs.in_graph(_standardized)
    path = graphs.save_frozen(session, ["answer"], tmp_path / "loop.pb")
    with session.graph.as_default():
        (gradient,) = v1.gradients(answer.op.inputs[0][:, 1], x)
    with v1.Session(graph=session.graph) as fresh:
        native = fresh.run(gradient, {x: PHOTOS[:, :12, :10]})
    model = picasso.load_model(path)
    assert model.pullback(PHOTOS[:1, :12, :10], [model.target(0)], ["relu"]).gradients["relu"].any()
    _agree(model.pullback(PHOTOS[:, :12, :10], [model.target(1)]).gradients[INPUT][0], native)


def test_loops_of_tensorflow_1_say_that_they_have_none(tmp_path: Path) -> None:
    v1.disable_control_flow_v2()
    try:
        (x, answer), session = graphs.in_graph(_standardized)
    finally:
        v1.enable_control_flow_v2()
    model = picasso.load_model(graphs.save_frozen(session, ["answer"], tmp_path / "loop.pb"))
    native = session.run(answer, {x: PHOTOS[:, :12, :10]})
    np.testing.assert_allclose(model.probabilities(model.predict(PHOTOS[:, :12, :10])), native, atol=1e-5)
    assert not any("while" in layer.name for layer in model.layers())
    with pytest.raises(NotSupportedError, match="it passes a loop of TensorFlow 1"):
        model.pullback(PHOTOS[:1, :12, :10], [model.target(0)])
    assert model.pullback(PHOTOS[:1, :12, :10], [model.target(0)], ["relu"]).gradients["relu"].any()


def test_logits_behind_a_loss_are_found(tmp_path: Path) -> None:
    def build() -> Any:
        scores = tf.matmul(tf.reduce_mean(_features(), (1, 2)), graphs.weights("dense", (4, 3)), name="logits")
        labels = v1.placeholder(tf.float32, (None, 3), name="labels")
        losses = v1.nn.softmax_cross_entropy_with_logits_v2(labels=labels, logits=scores)
        v1.train.GradientDescentOptimizer(0.1).minimize(tf.reduce_mean(losses))
        return scores

    scores, session = graphs.in_graph(build)
    model = picasso.load_model(graphs.save_checkpoint(session, tmp_path / "model"))
    assert "The answer is read from logits." in model.facts.notes
    np.testing.assert_allclose(
        model.predict(PHOTOS[:, :12, :10]), session.run(scores, {"x:0": PHOTOS[:, :12, :10]}), atol=1e-5
    )


class _Bytes(tf.Module):  # type: ignore[misc]
    @tf.function(input_signature=[tf.TensorSpec((1, 12, 10, 3), tf.uint8)])  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        return tf.reduce_mean(tf.cast(x, tf.float32) / 255.0, (1, 2))


def test_a_saved_model_that_reads_the_bytes_of_one_picture(tmp_path: Path) -> None:
    with graphs.silent():
        tf.saved_model.save(_Bytes(), str(tmp_path / "bytes"))
    model = _checked(tmp_path / "bytes")
    assert model.preprocessing.scale == 1.0
    pulled = model.pullback(np.zeros((2, 12, 10, 3), np.float32), [model.target(0)])
    np.testing.assert_allclose(pulled.gradients[INPUT][0, :, :, :, 0], 1 / 255 / 120, rtol=1e-4)
