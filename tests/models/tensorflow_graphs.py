"""Small networks of TensorFlow 1 and 2 in every form in which they are saved, with what TensorFlow says of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from picasso.models.tensorflow.quiet import import_tensorflow
from picasso.models.tensorflow.quiet import silent as silent

tf = import_tensorflow()
v1 = tf.compat.v1
RNG = np.random.default_rng(7)
Array = np.ndarray[Any, Any]


def digits(count: int) -> tuple[Array, Array]:
    """Return pictures that look a little like ten digits, (n, 28, 28, 1) in 0..1, and their classes."""
    random = np.random.default_rng(3)
    shapes = random.uniform(0, 1, (10, 7, 7)).repeat(4, 1).repeat(4, 2)
    classes = random.integers(0, 10, count)
    pictures = np.clip(shapes[classes] + random.normal(0, 0.2, (count, 28, 28)), 0, 1)
    return pictures[..., None].astype(np.float32), classes


def in_graph(build: Callable[[], Any]) -> tuple[Any, Any]:
    """Build something in a graph of its own; return what was built and a session with its variables."""
    graph = tf.Graph()
    with graph.as_default(), silent():
        v1.set_random_seed(5)
        built = build()
        session = v1.Session()
        session.run(v1.global_variables_initializer())
    return built, session


def weights(name: str, shape: Sequence[int], resource: bool = False) -> Any:
    kind = v1.truncated_normal_initializer(stddev=0.3, seed=len(name))
    return v1.get_variable(name, list(shape), initializer=kind, use_resource=resource)


class DigitNet:
    """A classifier as people wrote them for TensorFlow 1: rows of 784 numbers, labels, dropout, training, summaries."""

    def __init__(self) -> None:
        self.x = v1.placeholder(tf.float32, [None, 784])
        self.labels = v1.placeholder(tf.float32, [None, 10])
        self.keep = v1.placeholder(tf.float32)
        self.training = v1.placeholder(tf.bool, name="is_training")
        pictures = tf.reshape(self.x, [-1, 28, 28, 1])
        first = tf.nn.conv2d(pictures, weights("w1", (5, 5, 1, 4)), 2, "SAME", name="conv1")
        first = tf.nn.relu(first + weights("b1", (4,), resource=True), name="relu1")
        self.normal = self.normalized(first)
        second = tf.nn.relu6(
            tf.nn.conv2d(self.normal, weights("w2", (3, 3, 4, 6), resource=True), 2, "SAME"), name="relu2"
        )
        flat = tf.reshape(second, [-1, 7 * 7 * 6])
        dropped = v1.nn.dropout(flat, keep_prob=self.keep)
        self.logits = tf.matmul(dropped, weights("w3", (7 * 7 * 6, 10)), name="scores")
        self.probabilities = tf.nn.softmax(self.logits, name="Softmax")
        losses = v1.nn.softmax_cross_entropy_with_logits_v2(labels=self.labels, logits=self.logits)
        self.loss = tf.reduce_mean(losses)
        self.step = v1.train.AdamOptimizer(1e-2).minimize(self.loss)
        right = tf.equal(tf.argmax(self.logits, 1), tf.argmax(self.labels, 1))
        v1.summary.scalar("accuracy", tf.reduce_mean(tf.cast(right, tf.float32)))
        v1.summary.histogram("relu2", second)
        v1.summary.merge_all()

    def normalized(self, x: Any) -> Any:
        """Normalize by the batch in training, and by what was kept else: both sides are in the graph."""
        mean, spread = weights("mean", (4,)), tf.abs(weights("spread", (4,))) + 1
        return v1.cond(
            self.training,
            lambda: (x - tf.reduce_mean(x, [0, 1, 2])) / (tf.math.reduce_std(x, [0, 1, 2]) + 1e-3),
            lambda: (x - mean) / spread,
        )

    def feed(self, pictures: Array) -> dict[Any, Any]:
        return {self.x: pictures.reshape(len(pictures), -1), self.keep: 1.0, self.training: False}


def trained_digits() -> tuple[DigitNet, Any]:
    """Return the classifier, trained a little, and its session."""
    net, session = in_graph(DigitNet)
    pictures, classes = digits(256)
    for start in range(0, 256, 32):
        part = slice(start, start + 32)
        feed = {net.x: pictures[part].reshape(-1, 784), net.labels: np.eye(10)[classes[part]]}
        session.run(net.step, {**feed, net.keep: 0.9, net.training: False})
    return net, session


def save_checkpoint(session: Any, folder: Path, name: str = "model.ckpt", step: int | None = None) -> Path:
    """Save a checkpoint and a meta graph; return what the names of their files begin with."""
    folder.mkdir(exist_ok=True, parents=True)
    with session.graph.as_default(), silent():
        return Path(v1.train.Saver().save(session, str(folder / name), global_step=step))


def save_frozen(session: Any, outputs: Sequence[str], path: Path) -> Path:
    with silent():
        frozen = v1.graph_util.convert_variables_to_constants(session, session.graph.as_graph_def(), list(outputs))
    path.write_bytes(frozen.SerializeToString())
    return path


def save_old_model(session: Any, inputs: dict[str, Any], outputs: dict[str, Any], folder: Path) -> Path:
    """Save a SavedModel as TensorFlow 1 did."""
    with session.graph.as_default(), silent():
        v1.saved_model.simple_save(session, str(folder), inputs, outputs)
    return folder


class ColorNet(tf.Module):  # type: ignore[misc, name-defined]
    """A classifier of TensorFlow 2 for color pictures of any size."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(11)
        self.kernel = tf.Variable(random.normal(0, 0.3, (3, 3, 3, 5)), dtype=tf.float32)
        self.depthwise = tf.Variable(random.normal(0, 0.3, (3, 3, 5, 1)), dtype=tf.float32)
        self.dense = tf.Variable(random.normal(0, 0.5, (5, 4)), dtype=tf.float32)

    def scores(self, x: Any) -> tuple[Any, Any]:
        first = tf.nn.relu(tf.nn.conv2d(x, self.kernel, 2, "SAME", name="conv"), name="relu")
        second = tf.nn.depthwise_conv2d(first, self.depthwise, (1, 1, 1, 1), "SAME", name="depthwise")
        return first, tf.reduce_mean(tf.nn.relu6(second), (1, 2)) @ self.dense

    @tf.function  # type: ignore[untyped-decorator]
    def __call__(self, x: Any, training: bool = False) -> Any:
        return tf.nn.softmax(self.scores(x)[1])

    @tf.function(input_signature=[tf.TensorSpec((None, 24, 32, 3), tf.float32, name="photo")])  # type: ignore[untyped-decorator]
    def serve(self, photo: Any) -> dict[str, Any]:
        return {"classes": tf.nn.softmax(self.scores(photo)[1])}


def frozen(build: Callable[[], Any], path: Path) -> tuple[Path, Any, Any]:
    """Freeze a small graph up to the tensors that `build` returns; return the file, the tensors and the session."""
    built, session = in_graph(build)
    ends = built if isinstance(built, tuple | list) else [built]
    return save_frozen(session, [end.op.name for end in ends], path), built, session
