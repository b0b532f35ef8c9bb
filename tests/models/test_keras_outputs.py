"""Models of Keras with several inputs and outputs, masks, boxes; beside TensorFlow's own gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core.errors import ConfigurationError, ModelFileError, ModelOutputError
from picasso.core.facts import INPUT, Task
from picasso.models.keras.loading import import_keras
from picasso.testing import check_model
from tests.models.keras_runs import weights

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(2).normal(size=(3, 12, 12, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def keras() -> Any:
    return import_keras()


def own_gradient(network: Any, score: Any, x: np.ndarray = X) -> np.ndarray:
    import tensorflow as tf

    t = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(t)
        total = score(network(t, training=False))
    return np.asarray(tape.gradient(total, t))


def close(mine: np.ndarray, expected: np.ndarray, tolerance: float = 1e-5) -> None:
    assert mine.shape == expected.shape
    assert float(np.abs(mine - expected).max()) <= tolerance * float(np.abs(expected).max()) > 0


def body(keras: Any) -> tuple[Any, Any]:
    start = keras.Input((12, 12, 3), name="picture")
    return start, keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(start)


@pytest.mark.parametrize("form", ["dict", "list"])
def test_several_outputs(keras: Any, form: str) -> None:
    layers = keras.layers
    start, x = body(keras)
    mean = layers.GlobalAveragePooling2D()(x)
    kind = layers.Dense(3, "softmax", name="kind")(mean)
    color = layers.Dense(4, "sigmoid", name="color")(mean)
    network = weights(keras.Model(start, {"kind": kind, "color": color} if form == "dict" else [kind, color]))
    with pytest.raises(ModelOutputError, match=r"several outputs: .*kind \(3,\)"):
        picasso.load_model(network, preprocessing=SIZE)
    assert picasso.load_model(network, preprocessing=SIZE, labels=("a", "b", "c", "d")).head == "sigmoid"
    for name, place, head in (("kind", 0, "softmax"), ("color", 1, "sigmoid")):
        model = picasso.load_model(network, preprocessing=SIZE, output=name)
        assert (model.head, model.facts.units) == (head, "logit")
        raw = network(X)
        expected = np.asarray(raw[name] if form == "dict" else raw[place])
        close(model.probabilities(model.predict(X)), expected)
        plain = picasso.load_model(network, preprocessing=SIZE, output=name, head="none")
        mine = plain.pullback(X, [plain.target(1)]).gradients[INPUT][0]
        close(mine, own_gradient(network, lambda a, n=name, p=place: (a[n] if form == "dict" else a[p])[:, 1]), 1e-4)
    with pytest.raises(ConfigurationError, match="no output 'size'"):
        picasso.load_model(network, preprocessing=SIZE, output="size")


def test_masks_and_a_target_of_a_users_own(keras: Any) -> None:
    start, x = body(keras)
    network = weights(keras.Model(start, keras.layers.Conv2D(3, 1, activation="softmax", name="classes")(x)))
    model = picasso.load_model(network, preprocessing=SIZE)
    assert (model.facts.task, model.facts.units, model.facts.columns) == (Task.SEGMENTATION, "logit", 3)
    masks = model.outputs(X)["masks"]
    close(model.probabilities(masks), np.asarray(network(X)))

    class Squares:
        """The sum of squared scores: its derivative depends on what the network answers."""

        index, label, key, layer = 0, "squares", "squares", ""

        def __call__(self, outputs: Any) -> np.ndarray:
            return np.asarray((outputs["masks"] ** 2).sum((1, 2, 3)))

        def cotangents(self, outputs: Any) -> dict[str, np.ndarray]:
            return {"masks": 2 * outputs["masks"]}

    target: Any = Squares()
    conv = network.get_layer("classes")

    def logits(value: Any) -> Any:
        import tensorflow as tf

        inner = network.get_layer("conv")(value)
        return tf.reduce_sum(tf.square(tf.nn.conv2d(inner, conv.kernel, 1, "SAME") + conv.bias))

    import tensorflow as tf

    t = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(t)
        total = logits(t)
    pulled = model.pullback(X, [target, target], (INPUT, "conv"))
    close(pulled.gradients[INPUT][1], np.asarray(tape.gradient(total, t)), 1e-4)
    assert pulled.gradients["conv"].shape == (2, 3, 12, 12, 4)
    assert pulled.ruled == 0

    class Broken(Squares):
        def cotangents(self, outputs: Any) -> dict[str, np.ndarray]:
            raise ConfigurationError("There is no such place.")

    broken: Any = Broken()
    with pytest.raises(ConfigurationError, match="no such place"):
        model.pullback(X, [broken])


def test_boxes(keras: Any) -> None:
    layers = keras.layers
    start, x = body(keras)
    flat = layers.Flatten()(layers.MaxPooling2D(4)(x))
    boxes = layers.Reshape((5, 4), name="boxes")(layers.Dense(20)(flat))
    scores = layers.Activation("sigmoid", name="scores")(layers.Reshape((5, 2))(layers.Dense(10)(flat)))
    network = weights(keras.Model(start, {"boxes": boxes, "scores": scores}))
    model = picasso.load_model(network, preprocessing=SIZE)
    assert model.facts.task is Task.DETECTION
    found, raw = model.outputs(X), network(X)
    assert found["boxes"].shape == (3, 5, 4)
    close(model.probabilities(found["box_scores"]), np.asarray(raw["scores"]), 1e-4)

    class Corner:
        """The left edge of the second box, and its first score."""

        index, label, key, layer = 0, "corner", "corner", ""

        def cotangents(self, outputs: Any) -> dict[str, np.ndarray]:
            made = {name: np.zeros_like(values) for name, values in outputs.items()}
            made["boxes"][:, 1, 0], made["box_scores"][:, 1, 0] = 1, 1
            return made

    target: Any = Corner()
    mine = model.pullback(X, [target]).gradients[INPUT][0]

    def score(answer: Any) -> Any:
        import tensorflow as tf

        p = answer["scores"][:, 1, 0]
        scale = found["boxes"][0, 1, 0] / np.asarray(raw["boxes"])[0, 1, 0]
        return answer["boxes"][:, 1, 0] * scale + tf.math.log(p / (1 - p))

    close(mine, own_gradient(network, score), 1e-4)


def test_several_inputs(keras: Any) -> None:
    layers = keras.layers
    start, x = body(keras)
    age = keras.Input((2,), name="age")
    joined = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), age])
    network = weights(keras.Model({"picture": start, "age": age}, layers.Dense(3)(joined)))
    given = np.array([0.5, -2], np.float32)
    held = picasso.load_model(network, preprocessing=SIZE, hold={"age": given})
    close(held.predict(X), np.asarray(network({"picture": X, "age": np.tile(given, (3, 1))})))
    model = picasso.load_model(network, preprocessing=SIZE)
    close(model.predict(X), np.asarray(network({"picture": X, "age": np.zeros((3, 2), np.float32)})))
    assert any("'age' gets zeros" in note for note in model.facts.notes)
    check_model(model)
    for choices, words in (
        ({"hold": {"weight": 1}}, "no input 'weight' to hold"),
        ({"hold": {"age": [1, 2, 3]}}, "what it is to be held at does not fit"),
        ({"input": "photo"}, "no input 'photo'"),
    ):
        with pytest.raises(ConfigurationError, match=words):
            picasso.load_model(network, preprocessing=SIZE, **choices)  # type: ignore[arg-type]
    other = keras.Input((12, 12, 3), name="other")
    flat = layers.Flatten()(layers.Subtract()([start, other]))
    pair = weights(keras.Model([start, other], layers.Dense(3)(flat)))
    with pytest.raises(ModelFileError, match=r"has 2 inputs: picture .*, other .*Say which"):
        picasso.load_model(pair, preprocessing=SIZE)
    second = picasso.load_model(pair, preprocessing=SIZE, input="other")
    close(second.predict(X), np.asarray(pair([np.zeros_like(X), X])))


def test_tokens_have_a_grid_and_a_default_layer(keras: Any) -> None:
    layers, ops = keras.layers, keras.ops
    start = keras.Input((12, 12, 3))
    x = layers.Reshape((9, 8), name="patches")(layers.Conv2D(8, 4, 4, name="embed")(start))
    x = layers.Concatenate(axis=1, name="tokens")([layers.GlobalAveragePooling1D(keepdims=True)(x), x])
    for block in range(2):
        y = layers.LayerNormalization(name=f"norm{block}")(x)
        x = layers.Add(name=f"block{block}")([x, layers.MultiHeadAttention(2, 4, name=f"attention{block}")(y, y)])
    x = layers.LayerNormalization(name="norm")(x)
    model = picasso.load_model(weights(keras.Model(start, layers.Dense(3)(ops.take(x, 0, axis=1)))), preprocessing=SIZE)
    grids = {layer.name: layer.grid for layer in model.layers()}
    assert grids["block0"] == (3, 3)
    default = model.default_layer()
    assert default is not None
    assert default.name == "norm1"
    check_model(model)


def test_of_large_maps_few_are_pulled_back_together(keras: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start, x = body(keras)
    network = weights(keras.Model(start, keras.layers.Dense(3)(keras.layers.GlobalAveragePooling2D()(x))))
    model = picasso.load_model(network, preprocessing=SIZE)
    monkeypatch.setattr("picasso.models.keras.engines._KEPT_BYTES", 4 * 2 * 12 * 12 * 4)  # two of the largest maps
    monkeypatch.setattr("tensorflow.config.list_logical_devices", lambda kind: [])
    seen, pulled = list[int](), model._pullback

    def noted(x: np.ndarray, *given: Any) -> Any:
        seen.append(len(x))
        return pulled(x, *given)

    monkeypatch.setattr(model, "_pullback", noted)
    found = model.pullback(X, [model.target(1)]).gradients[INPUT][0]
    close(found, own_gradient(network, lambda scores: scores[:, 1]))
    assert seen == [2, 1]
