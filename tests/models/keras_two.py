"""Networks of Keras 2, written by tf_keras, the package that Keras 2 lives on in, with what it answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from picasso.models.keras.loading import quiet


def import_two() -> Any:
    """Import tf_keras, quietly."""
    with quiet():
        import tf_keras
    return tf_keras


def seeded(model: Any, seed: int = 3) -> Any:
    """Give a model weights under which nothing vanishes."""
    rng = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        shape = tuple(weight.shape)
        fan = max(1.0, float(np.prod(shape[:-1])))
        spread = "variance" in weight.name or "gamma" in weight.name
        values.append(rng.uniform(0.5, 2, shape) if spread else rng.normal(0, 1.5 / np.sqrt(fan), shape))
    model.set_weights([value.astype(np.float32) for value in values])
    return model


def operations(two: Any) -> Any:
    """TensorFlow functions in a functional model, which Keras 2 wraps in layers."""
    import tensorflow as tf

    layers = two.layers
    start = two.Input((12, 12, 3), name="picture")
    x = layers.Conv2D(4, 3, padding="same", name="conv")(start / 127.5 - 1.0)
    x = tf.nn.relu(x) + 0.5
    x = tf.concat([x, tf.multiply(x, 2.0), tf.maximum(x, 0.7)], -1)
    x = tf.nn.leaky_relu(tf.clip_by_value(x[:, ::2, 1:] - 3 * x[:, 1::2, :-1], -4.0, 4.0), alpha=0.3)
    x = tf.cast(tf.image.resize(x, (6, 6)), tf.float32)
    x = tf.transpose(tf.math.add(3.0, x), [0, 2, 1, 3]) * tf.nn.swish(x[:, :, :, 0:1])
    x = tf.reduce_mean(x, axis=[1, 2], keepdims=True) - tf.reshape(tf.reduce_max(x, axis=(1, 2)), (-1, 1, 1, 12))
    x = tf.tanh(tf.squeeze(x, [1, 2]))
    return two.Model(start, tf.nn.softmax(layers.Dense(3, name="fc")(x)))


def teachable(two: Any) -> Any:
    """A Sequential of two Sequentials, the first of them a small MobileNet, as Teachable Machine exports it."""
    layers = two.layers
    x = start = two.Input((12, 12, 3))
    x = layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad")(x)
    x = layers.Conv2D(4, 3, strides=2, use_bias=False, name="conv1")(x)
    x = layers.ReLU(6.0, name="conv1_relu")(layers.BatchNormalization(name="conv1_bn")(x))
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="conv_dw_1")(x)
    x = layers.ReLU(6.0, name="dw_relu")(layers.BatchNormalization(name="dw_bn")(x))
    mobile = two.Model(start, layers.Conv2D(8, 1, padding="same", name="conv_pw_1")(x), name="mobile")
    first = two.Sequential([mobile, layers.GlobalAveragePooling2D(name="mean")])
    second = two.Sequential([layers.Dense(10, "relu"), layers.Dense(2, "softmax", use_bias=False)])
    model = two.Sequential([first, second])
    model.build((None, 12, 12, 3))
    return model


def transfer(two: Any) -> Any:
    """A frozen base, called without training, and a shared model called twice."""
    layers = two.layers
    start = two.Input((12, 12, 3))
    x = layers.BatchNormalization(name="norm")(layers.Conv2D(4, 3, activation="relu", name="stem")(start))
    base = two.Model(start, x, name="base")
    base.trainable = False
    twice = two.Sequential([layers.Conv2D(4, 3, padding="same", activation="relu", name="again")], name="twice")
    start = two.Input((12, 12, 3))
    x = layers.RandomFlip()(layers.Rescaling(1 / 127.5, offset=-1)(start))
    x = twice(twice(base(x, training=False)))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return two.Model(start, layers.Dense(1, activation="sigmoid", name="fc")(x))


def assorted(two: Any) -> Any:
    """Layers whose settings or formulas have changed since."""
    layers = two.layers
    x = start = two.Input((12, 12, 3))
    x = layers.BatchNormalization(name="norm", momentum=0.9, renorm=True)(x)
    x = layers.SeparableConv2D(5, 3, name="separable", activation="hard_sigmoid")(x)
    x = layers.LeakyReLU(0.2, name="leaky")(x)
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", name="up")(x)
    x = layers.ThresholdedReLU(0.1, name="above")(x)
    x = layers.Concatenate()([layers.AveragePooling2D(4)(x), layers.MaxPooling2D(4)(x)])
    tokens = layers.Reshape((25, 8), name="tokens")(x)
    mixed = layers.MultiHeadAttention(2, 4, name="attention")(tokens, tokens)
    x = layers.LayerNormalization(name="layer_norm")(layers.Add()([tokens, mixed]))
    x = layers.PReLU(shared_axes=[1], name="prelu")(layers.Dense(6, activation="gelu", name="wide")(x))
    return two.Model(start, layers.Dense(4, name="fc")(layers.Flatten()(x)))


def half(two: Any) -> Any:
    """Mixed precision, whose policies Keras 2 writes as objects."""
    two.mixed_precision.set_global_policy("mixed_float16")
    try:
        layers = two.layers
        x = start = two.Input((12, 12, 3))
        x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(x))
        return two.Model(start, layers.Activation("softmax", dtype="float32")(layers.Dense(3)(x)))
    finally:
        two.mixed_precision.set_global_policy("float32")


NETWORKS: dict[str, Callable[[Any], Any]] = {
    "operations": operations,
    "teachable": teachable,
    "transfer": transfer,
    "assorted": assorted,
    "half": half,
}


def write(two: Any, name: str, folder: Path) -> Any:
    """Make a network and write it in every form that Keras 2 has."""
    with quiet():
        model = seeded(NETWORKS[name](two))
        model.save(folder / f"{name}.h5")
        model.save(folder / f"{name}.keras")
        apart = folder / f"{name}-apart"
        apart.mkdir()
        (apart / "model.json").write_text(model.to_json())
        model.save_weights(apart / "model_weights.h5")
    return model


def answers(model: Any, x: np.ndarray, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what a network of Keras 2 answers, and the gradient of one column by its input."""
    import tensorflow as tf

    t = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(t)
        answer = model(t, training=False)
        score = tf.cast(answer[:, column], tf.float32)
    return np.asarray(answer), np.asarray(tape.gradient(score, t))
