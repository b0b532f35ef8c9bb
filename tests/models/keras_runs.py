"""Opens small Keras models on one backend and keeps what Picasso answers, beside what the backend itself answers.

Run as a program of its own, since a process has one Keras backend:
    KERAS_BACKEND=jax python -m tests.models.keras_runs FOLDER
It reads FOLDER/weights.npz and writes FOLDER/<backend>.npz with arrays named "<case>/<what>", and
FOLDER/<backend>.json with the rest.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import absl.logging
import numpy as np

import picasso
from picasso.core.errors import ModelFailedError, ModelOutputError, NotFoundError, NotSupportedError, PicassoError
from picasso.core.facts import INPUT, ReluRule, Rules
from picasso.core.model import Model
from picasso.models.keras.loading import import_keras, quiet
from tests.models import channel_twins, keras_graphs, video_keras

SIZE = picasso.Preprocessing(size=12)
X = np.random.default_rng(1).normal(size=(3, 12, 12, 3)).astype(np.float32) * 2
COLUMNS = (2, 0)
GIVEN: list[np.ndarray] = []
"""The weights of the network of tests/models/networks.py, in the order of Keras."""
FEW_KINDS = {"tensorflow": ("fused6", "shared", "op", "slope"), "jax": ("fused6", "shared")}
FEW_HEADS = {"tensorflow": ("logits", "layer", "one", "own", "excited"), "jax": ("logits", "layer", "one")}
POLICIES = {"tensorflow": ("mixed_float16",), "jax": ("mixed_bfloat16",)}
FEW_GRAPHS = {"jax": ("unet", "attention")}
BOTH_POLICIES = ("mixed_float16", "mixed_bfloat16")
"""What is tried on the backends on which each model costs compilations; PyTorch tries all."""


def weights(model: Any, seed: int = 5) -> Any:
    """Give a model weights that are the same on every backend."""
    rng = np.random.default_rng(seed)
    values = []
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.path.rpartition("/")[2]
        fan = max(1.0, float(np.prod(shape[:-1])))
        value = rng.uniform(0.5, 2, shape) if "variance" in name else rng.normal(0, 1.5 / np.sqrt(fan), shape)
        values.append(value.astype(np.float32))
    model.set_weights(values)
    return model


def plain(relu: Callable[[str], Callable[[Any], Any]], end: Callable[[Any], Any] | None = None) -> Any:
    """Convolution, batch norm, ReLU, convolution, ReLU, average, dense: as tests/models/networks.py has it."""
    import keras
    from keras import layers

    x = start = keras.Input((12, 12, 3))
    x = layers.Conv2D(6, 3, padding="same", name="conv1")(x)
    x = layers.BatchNormalization(epsilon=1e-5, name="bn")(x)
    x = relu("relu1")(x)
    x = layers.ZeroPadding2D(1, name="pad")(x)
    x = layers.Conv2D(8, 3, strides=2, name="conv2")(x)
    x = relu("relu2")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dense(5, name="fc")(x)
    model = keras.Model(start, x if end is None else end(x))
    model.set_weights(GIVEN)
    return model


def made(makers: dict[str, Callable[[], Any]], names: Sequence[str] | None) -> dict[str, Any]:
    return {name: make() for name, make in makers.items() if names is None or name in names}


def kinds(names: Sequence[str] | None = None) -> dict[str, Any]:
    """The same network with its ReLUs written in the ways in which people write them."""
    import keras
    from keras import layers, ops

    def fused(cap: bool) -> Any:
        name = "relu6" if cap else "relu"
        x = start = keras.Input((12, 12, 3))
        x = layers.Conv2D(6, 3, padding="same", name="conv1")(x)
        x = layers.BatchNormalization(epsilon=1e-5, name="bn")(x)
        x = layers.Activation(name, name="relu1")(x)
        x = layers.ZeroPadding2D(1, name="pad")(x)
        x = layers.Conv2D(8, 3, strides=2, activation=name, name="conv2")(x)
        x = layers.GlobalAveragePooling2D(name="mean")(x)
        model = keras.Model(start, layers.Dense(5, name="fc")(x))
        model.set_weights(GIVEN)
        return model

    one, capped = layers.ReLU(name="one"), layers.ReLU(6, name="capped")
    makers: dict[str, Callable[[], Any]] = {
        "layer": lambda: plain(lambda name: layers.ReLU(name=name)),
        "activation": lambda: plain(lambda name: layers.Activation("relu", name=name)),
        "fused": lambda: fused(False),
        "shared": lambda: plain(lambda name: one),
        "op": lambda: plain(lambda name: ops.relu),
        "function": lambda: plain(lambda name: keras.activations.relu),
        "layer6": lambda: plain(lambda name: layers.ReLU(6.0, name=name)),
        "fused6": lambda: fused(True),
        "shared6": lambda: plain(lambda name: capped),
        "op6": lambda: plain(lambda name: ops.relu6),
        "function6": lambda: plain(lambda name: lambda x: keras.activations.relu(x, max_value=6)),
        "slope": lambda: plain(lambda name: layers.ReLU(negative_slope=0.1, name=name)),
    }
    return made(makers, names)


def heads(names: Sequence[str] | None = None) -> dict[str, Any]:
    """The same network with every end that a classifier has."""
    import keras
    from keras import layers, ops

    def ended(end: Any) -> Any:
        return plain(lambda name: layers.ReLU(name=name), end)

    def dense(units: int, activation: str) -> Any:
        x = start = keras.Input((12, 12, 3))
        x = layers.Conv2D(4, 3, activation="relu")(x)
        x = layers.Dense(units, activation=activation)(layers.Flatten()(x))
        return weights(keras.Model(start, x))

    class Own(keras.Model):
        """A subclassed model that calls its softmax in its own code."""

        def __init__(self) -> None:
            super().__init__()
            self.body = ended(None)

        def call(self, x: Any) -> Any:
            return ops.softmax(self.body(x))

    def own() -> Any:
        model = Own()
        model(np.zeros((1, 12, 12, 3), np.float32))
        return model

    makers: dict[str, Callable[[], Any]] = {
        "logits": lambda: ended(None),
        "activation": lambda: ended(layers.Activation("softmax")),
        "layer": lambda: ended(layers.Softmax()),
        "op": lambda: ended(ops.softmax),
        "function": lambda: ended(keras.activations.softmax),
        "log": lambda: ended(layers.Activation("log_softmax")),
        "reshaped": lambda: ended(lambda x: layers.Flatten()(layers.Softmax()(layers.Reshape((1, 5))(x)))),
        "sigmoid": lambda: ended(layers.Activation("sigmoid")),
        "float": lambda: ended(lambda x: layers.Activation("linear", dtype="float32")(layers.Softmax()(x))),
        "own": own,
        "one": lambda: dense(1, "sigmoid"),
        "many": lambda: dense(4, "sigmoid"),
        "dense": lambda: dense(4, "softmax"),
        "excited": excited,
    }
    return made(makers, names)


def excited() -> Any:
    """Logits behind a sigmoid gate, which is no head."""
    import keras
    from keras import layers

    x = start = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, activation="relu")(x)
    gate = layers.Dense(4, activation="sigmoid", name="gate")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Flatten()(layers.Multiply()([x, gate]))
    return weights(keras.Model(start, layers.Dense(4)(x)))


def nested() -> Any:
    """Transfer learning: a model inside a model, and a layer of one's own with layers inside."""
    import keras
    from keras import layers

    class Block(layers.Layer):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.conv = layers.Conv2D(6, 3, padding="same", name="conv")
            self.relu = layers.ReLU(name="relu")

        def build(self, shape: Any) -> None:
            self.conv.build(shape)

        def call(self, x: Any) -> Any:
            return x + self.relu(self.conv(x))

    start = keras.Input((12, 12, 3))
    x = layers.Conv2D(6, 3, activation="relu", padding="same", name="stem")(start)
    x = layers.MaxPooling2D(name="pool")(x)
    base = keras.Model(start, layers.Conv2D(6, 3, padding="same", name="last")(x), name="base")
    head = keras.Sequential(
        [layers.GlobalAveragePooling2D(name="mean"), layers.Dense(4, "softmax", name="fc")], name="head"
    )
    start = keras.Input((12, 12, 3))
    model = keras.Model(start, head(Block(name="block")(base(start))))
    return weights(model)


def own_gradient(score: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """The gradient of the sum of a score by the backend's own autograd, nothing of Picasso."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        t = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(t)
            total = score(t)
        return np.asarray(tape.gradient(total, t).numpy())
    if backend == "torch":
        import torch

        p = torch.tensor(x, requires_grad=True)
        score(p).sum().backward()
        assert p.grad is not None
        return np.asarray(p.grad.numpy())
    import jax

    return np.asarray(jax.grad(lambda a: score(a).sum())(x))


def raw(model: Any, x: np.ndarray) -> np.ndarray:
    import keras

    answer = model(x, training=False)
    return np.asarray(keras.ops.convert_to_numpy(answer.detach() if hasattr(answer, "detach") else answer))


def opened(model: Any, **choices: Any) -> Model:
    return picasso.load_model(model, **{"preprocessing": SIZE, **choices})


def state(model: Any) -> list[Any]:
    """Everything that an adapter could leave behind in a live model."""
    parts = [model, *model._flatten_layers(include_self=False), *getattr(model, "operations", ())]
    return [(part.name, [(key, id(value)) for key, value in sorted(vars(part).items())]) for part in parts]


class Runs:
    """The cases, and what they gave."""

    def __init__(self, folder: Path) -> None:
        import keras

        self.folder = folder
        self.backend = keras.backend.backend()
        self.arrays: dict[str, np.ndarray] = {}
        self.said: dict[str, Any] = {"backend": self.backend}

    def rules(self) -> None:
        """Every way of writing a ReLU, by every rule."""
        for name, network in kinds(FEW_KINDS.get(self.backend)).items():
            model = opened(network)
            self.arrays[f"{name}/raw"] = raw(network, X)
            self.arrays[f"{name}/scores"] = model.predict(X)
            self.said[f"{name}/layers"] = [(layer.name, layer.kind, list(layer.shape)) for layer in model.layers()]
            self.said[f"{name}/notes"] = list(model.facts.notes)
            targets = [model.target(column) for column in COLUMNS]
            for rule in ReluRule:
                result = model.pullback(X, targets, (INPUT, "conv1"), Rules(rule))
                self.arrays[f"{name}/{rule}/input"] = result.gradients[INPUT]
                self.arrays[f"{name}/{rule}/conv1"] = result.gradients["conv1"]
                self.arrays[f"{name}/{rule}/scores"] = result.outputs["scores"]

    def heads(self) -> None:
        """Every end that a classifier has."""
        for name, network in heads(FEW_HEADS.get(self.backend)).items():
            model = opened(network)
            self.said[f"head/{name}/units"], self.said[f"head/{name}/head"] = model.facts.units, str(model.head)
            self.said[f"head/{name}/labels"] = len(model.labels)
            self.arrays[f"head/{name}/raw"] = raw(network, X)
            self.arrays[f"head/{name}/scores"] = model.outputs(X)["scores"]
            self.arrays[f"head/{name}/probabilities"] = model.probabilities(model.outputs(X)["scores"])

    def autograd(self) -> None:
        """Gradients at the input and at layers beside the backend's own."""
        import keras
        from keras import layers, ops

        network = plain(lambda name: layers.ReLU(name=name), layers.Softmax(name="end"))
        model = opened(network)
        logits = keras.Model(network.input, network.get_layer("fc").output)
        result = model.pullback(X, [model.target(2)], (INPUT, "conv1", "mean"))
        self.arrays["own/input"] = own_gradient(lambda x: logits(x, training=False)[:, 2], X)
        self.arrays["picasso/input"] = result.gradients[INPUT][0]
        for name in ("conv1", "mean"):
            place = network.get_layer(name).output
            value = raw(keras.Model(network.input, place), X)
            tail = keras.Model(place, network.get_layer("fc").output)
            self.arrays[f"own/{name}"] = own_gradient(lambda v, tail=tail: tail(v, training=False)[:, 2], value)
            self.arrays[f"own/{name}/value"] = value
            self.arrays[f"picasso/{name}"] = result.gradients[name][0]
            self.arrays[f"picasso/{name}/value"] = result.values[name]
            self.arrays[f"picasso/{name}/activation"] = model.activations(X, [name])[name]
        code = heads(("own",))["own"]
        model = opened(code)
        self.arrays["own/log"] = own_gradient(lambda x: ops.log(code(x, training=False)[:, 1]), X)
        self.arrays["picasso/log"] = model.pullback(X, [model.target(1)]).gradients[INPUT][0]
        difference = model.pullback(X, [model.target("1 - 3"), model.target(1), model.target(3)]).gradients[INPUT]
        self.arrays["difference"], self.arrays["parts"] = difference[0], difference[1] - difference[2]
        sigmoid = heads(("one",))["one"]
        model = opened(sigmoid)
        both = model.pullback(X, [model.target(0), model.target(1)]).gradients[INPUT]
        self.arrays["class 0"], self.arrays["class 1"] = both

    def nesting(self) -> None:
        """Models in models."""
        network = nested()
        model = opened(network)
        before = state(network)
        self.said["nested/layers"] = [(layer.name, layer.kind, list(layer.shape)) for layer in model.layers()]
        base, block, head = (network.get_layer(name) for name in ("base", "block", "head"))

        def tail(value: Any) -> Any:
            import keras

            z = head.layers[0](block(value, training=False))
            dense = head.layers[1]
            return (keras.ops.matmul(z, dense.kernel) + dense.bias)[:, 1]

        value = raw(base, X)
        result = model.pullback(X, [model.target(1)], ("base/last", "base", "block/relu"))
        self.arrays["nested/own"] = own_gradient(tail, value)
        self.arrays["nested/last"], self.arrays["nested/base"] = (
            result.gradients["base/last"][0],
            result.gradients["base"][0],
        )
        self.arrays["nested/relu"] = result.values["block/relu"]
        self.arrays["nested/relu own"] = np.maximum(raw(block.conv, value), 0)
        self.said["nested/left alone"] = state(network) == before
        dropout = self.passing_through()
        self.arrays["through/before"], self.arrays["through/after"] = dropout

    def passing_through(self) -> tuple[np.ndarray, np.ndarray]:
        """A layer that returns its own input, whose place in the graph is a place of its own."""
        import keras
        from keras import layers

        start = keras.Input((12, 12, 3))
        x = layers.Conv2D(4, 3, name="before")(start)
        x = layers.Add()([x, layers.Dropout(0.5, name="after")(x)])
        network = weights(keras.Model(start, layers.Dense(3)(layers.Flatten()(x))))
        model = opened(network)
        found = model.pullback(X, [model.target(0)], ("before", "after")).gradients
        return found["before"], found["after"]

    def layouts(self) -> None:
        """Channels first, 16 bits, whole numbers, a fixed batch, free sides, inputs in lists and dicts."""
        import keras
        from keras import layers, ops

        first = {"data_format": "channels_first"}
        start = keras.Input((3, 12, 12))
        x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv", **first)(start)
        x = layers.BatchNormalization(axis=1, name="bn")(layers.MaxPooling2D(name="pool", **first)(x))
        x = layers.Dense(4)(layers.GlobalAveragePooling2D(**first)(x))
        network = weights(keras.Model(start, x))
        model = opened(network)
        inside = np.ascontiguousarray(X.transpose(0, 3, 1, 2))
        result = model.pullback(X, [model.target(1)], (INPUT, "pool"))
        self.said["first/layers"] = [(layer.name, list(layer.shape)) for layer in model.layers()]
        self.arrays["first/raw"], self.arrays["first/scores"] = raw(network, inside), model.predict(X)
        self.arrays["first/own"] = own_gradient(lambda v: network(v, training=False)[:, 1], inside)
        self.arrays["first/input"], self.arrays["first/pool"] = result.gradients[INPUT][0], result.gradients["pool"][0]

        for policy in POLICIES.get(self.backend, BOTH_POLICIES):
            usual = keras.config.dtype_policy()
            keras.config.set_dtype_policy(policy)
            try:
                network = plain(lambda name: layers.ReLU(name=name), layers.Activation("softmax", dtype="float32"))
            finally:
                keras.config.set_dtype_policy(usual)
            model = opened(network)
            self.said[f"{policy}/units"] = model.facts.units
            self.arrays[f"{policy}/scores"] = model.predict(X)
            self.arrays[f"{policy}/conv2"] = model.activations(X, ["conv2"])["conv2"]
            self.arrays[f"{policy}/input"] = model.pullback(X, [model.target(2)]).gradients[INPUT][0]

        start = keras.Input((12, 12, 3), dtype="uint8")
        x = layers.Conv2D(4, 3, name="conv")(layers.Rescaling(1 / 255)(start))
        model = picasso.load_model(weights(keras.Model(start, layers.Dense(3)(layers.Flatten()(x)))))
        self.said["whole/scale"] = model.preprocessing.scale
        self.said["whole/refused"] = refused(NotSupportedError, lambda: model.pullback(X, [model.target(0)]))
        self.said["whole/layer"] = bool(model.pullback(X, [model.target(0)], ("conv",)).gradients["conv"].any())

        start = keras.Input(batch_shape=(4, 12, 12, 3))
        x = layers.Reshape((432,))(start)
        x = ops.reshape(ops.reshape(x, (4, 2, 216)), (4, 432))
        model = opened(weights(keras.Model(start, layers.Dense(3)(x))))
        self.said["fixed"] = model.facts.fixed_batch
        self.said["fixed/shapes"] = [
            list(model.predict(np.tile(X, (2, 1, 1, 1))).shape),
            list(model.pullback(X, [model.target(0)]).gradients[INPUT].shape),
        ]

        start = keras.Input((None, None, 3))
        x = layers.GlobalAveragePooling2D()(layers.MaxPooling2D(8)(start))
        model = picasso.load_model(weights(keras.Model(start, layers.Dense(3)(x))))
        self.said["free"] = [list(model.input_shape), list(model.predict(np.zeros((1, 30, 40, 3), np.float32)).shape)]

        start = keras.Input((12, 12, 3), name="picture")
        answer = {"classes": layers.Dense(3)(layers.Flatten()(start))}
        model = opened(weights(keras.Model({"picture": start}, answer)))
        self.said["dict"] = list(model.predict(X).shape)
        self.said["dict/layers"] = [layer.name for layer in model.layers()]

        class Branching(keras.Model):
            """A model whose Python looks at the numbers, so that it cannot be compiled."""

            def __init__(self) -> None:
                super().__init__()
                self.dense = layers.Dense(3)

            def call(self, x: Any) -> Any:
                return self.dense(ops.reshape(x if float(ops.max(x)) < 1e9 else x * 2, (-1, 432)))

        network = Branching()
        network(X)
        model = opened(network)
        self.arrays["branching/scores"], self.arrays["branching/raw"] = model.predict(X), raw(network, X)

    def life(self) -> None:
        """A live model changes, fails, is used by two threads, and is left alone."""
        import keras
        from keras import layers

        class Failing(layers.Layer):
            broken = False

            def call(self, x: Any) -> Any:
                if self.broken:
                    raise RuntimeError("the lamp is out")
                return x * 1.0

        failing = Failing(name="failing")
        network = plain(lambda name: layers.ReLU(name=name), lambda x: layers.Softmax()(failing(x)))
        network.trainable = False
        before = state(network)
        model = opened(network)
        targets = [model.target(0)]
        for rule in ReluRule:
            model.pullback(X, targets, (INPUT, "conv1"), Rules(rule))
        model.activations(X, ["bn"])
        first, digest = model.predict(X), model.digest
        self.said["left alone"] = state(network) == before
        failing.broken = True
        self.said["error"] = refused(
            ModelFailedError, lambda: model.pullback(X, targets, ("fc",), Rules(ReluRule.GUIDED))
        )
        self.said["error/predict"] = refused(ModelFailedError, lambda: opened(network))
        failing.broken = False
        vars(failing).pop("broken")
        self.said["left alone after an error"] = state(network) == before
        self.said["shape"] = refused(ModelOutputError, lambda: model.predict(X[:, :5]))
        self.said["unknown"] = refused(NotFoundError, lambda: model.activations(X, ["conv3"]))
        self.said["unknown wrt"] = refused(NotFoundError, lambda: model.pullback(X, targets, ("relu",)))
        self.arrays["life/first"] = first
        self.arrays["life/again"] = model.predict(X)
        self.said["digest/same"] = model.digest == digest and opened(network).digest == digest
        network.get_layer("fc").set_weights([w * 2 for w in network.get_layer("fc").get_weights()])
        self.said["digest/changed"] = model.digest != digest
        self.arrays["life/changed"] = model.probabilities(model.predict(X))
        self.arrays["life/changed raw"] = raw(network, X)
        self.threads(model)
        model.batch_size = 2
        many = np.tile(X, (3, 1, 1, 1))[:7]
        self.arrays["batches"] = model.predict(many)
        self.arrays["batches/gradient"] = model.pullback(many, targets).gradients[INPUT]
        model.batch_size = 32
        self.arrays["whole"] = model.predict(many)
        self.arrays["whole/gradient"] = model.pullback(many, targets).gradients[INPUT]
        self.said["seeds"] = keras.__version__

    def threads(self, model: Model) -> None:
        """Rules in one thread, plain predictions in another."""
        expected = model.predict(X)
        guided = model.pullback(X, [model.target(0)], rules=Rules(ReluRule.GUIDED)).gradients[INPUT]
        wrong: list[str] = []

        def predict() -> None:
            for _ in range(5):
                if not np.allclose(model.predict(X), expected, atol=1e-6):
                    wrong.append("predict")

        thread = threading.Thread(target=predict)
        thread.start()
        for _ in range(5):
            again = model.pullback(X, [model.target(0)], rules=Rules(ReluRule.GUIDED)).gradients[INPUT]
            if not np.allclose(again, guided, atol=1e-6):
                wrong.append("guided")
        thread.join()
        self.said["threads"] = wrong

    def files(self) -> None:
        """The same network from the files that Keras writes."""
        from keras import layers

        network = plain(lambda name: layers.ReLU(name=name), layers.Softmax())
        absl.logging.set_verbosity(absl.logging.ERROR)
        with quiet():
            network.save(self.folder / f"{self.backend}.keras")
            network.save(self.folder / f"{self.backend}.h5")
        for suffix in ("keras", "h5"):
            model = picasso.load_model(str(self.folder / f"{self.backend}.{suffix}"), preprocessing=SIZE, device="cpu")
            self.arrays[f"file/{suffix}"] = model.predict(X)
            self.said[f"file/{suffix}"] = model.origin()
        self.arrays["file/live"] = opened(network).predict(X)

    def channels(self) -> None:
        channel_twins.write_keras(self.folder, self.backend)

    def graphs(self) -> None:
        """Every layer as an op graph; on TensorFlow the tests read them in their own process."""
        if self.backend != "tensorflow":
            with quiet():
                self.said["graphs"] = keras_graphs.differences(*FEW_GRAPHS.get(self.backend, ()))

    def clips(self) -> None:
        """Models of clips."""
        if self.backend == "torch":
            with quiet():
                self.said["clips"] = video_keras.answers()


def refused(kind: type[PicassoError], call: Callable[[], Any]) -> str:
    """What the error says, or "" where there is none."""
    try:
        call()
    except kind as error:
        return str(error)
    return ""


def main() -> None:
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", "__array__ implementation doesn.t accept a copy keyword", DeprecationWarning)
    folder = Path(sys.argv[1])
    import_keras()
    with np.load(folder / "weights.npz") as given:
        GIVEN[:] = [given[str(i)] for i in range(len(given.files))]
    runs = Runs(folder)
    cases = (runs.rules, runs.heads, runs.autograd, runs.nesting, runs.layouts, runs.life, runs.files, runs.channels)
    for case in (*cases, runs.graphs, runs.clips):
        start = time.process_time()
        try:
            case()
        except Exception:
            runs.said[f"{case.__name__}/failed"] = traceback.format_exc()
        runs.said[f"{case.__name__}/seconds"] = round(time.process_time() - start, 1)
    np.savez(folder / f"{runs.backend}.npz", **runs.arrays)
    (folder / f"{runs.backend}.json").write_text(json.dumps(runs.said))


if __name__ == "__main__":
    main()
