"""Keras models as op graphs, run slowly beside Keras itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import picasso
from picasso.core import graph as g
from picasso.core.graph import Graph, GraphError
from picasso.models.keras.facts import Entrance
from picasso.models.keras.loading import import_keras
from tests.engine import reference
from tests.models import keras_graphs, keras_two
from tests.models.keras_graphs import CLOSE, SHAPE, difference, randomized, read
from tests.models.keras_runs import FEW_GRAPHS
from tests.models.test_keras import folder as folder

SIDES = {
    "VGG16": 32,
    "ResNet50V2": 64,
    "MobileNetV2": 64,
    "MobileNetV3Small": 96,
    "EfficientNetB0": 64,
    "DenseNet121": 64,
    "InceptionV3": 75,
    "Xception": 71,
    "ConvNeXtTiny": 32,
}
DEEP = 3e-5
"""The largest difference that rounding makes in an architecture of many layers, as a fraction of the largest number."""
VARIANCES = {"EfficientNetB0": 0.2, "MobileNetV2": 0.2, "MobileNetV3Small": 0.01}
"""Where the picture would hardly reach the answer with those of others."""


@pytest.fixture(scope="module")
def keras() -> Any:
    return import_keras()


def kinds(graph: Graph) -> list[str]:
    return [type(op).__name__ for op in graph.ops]


def agrees(model: Any, x: np.ndarray | None = None) -> Graph:
    """Hold an opened model's graph to what the model itself hands to its readout."""
    graph: Graph = model._read_graph()
    x = np.random.default_rng(2).normal(size=(2, *model.input_shape)).astype(np.float32) if x is None else x
    own = model._engine.forward(model._inside(x)).outputs
    mine = reference.outputs(graph, x.transpose(0, 3, 1, 2))
    assert mine.keys() == own.keys()
    for name, expected in own.items():
        assert mine[name].shape == expected.shape
        assert np.ptp(expected, axis=0).max() > 0
        assert np.abs(mine[name] - expected).max() <= CLOSE * np.abs(expected).max()
    return graph


# --- layers and architectures --------------------------------------------------------------------------------


def test_every_layer(keras: Any) -> None:
    found = keras_graphs.differences()
    assert {name: worst for name, worst in found.items() if worst > CLOSE} == {}


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_every_layer_on_other_backends(folder: Path, backend: str) -> None:
    found = json.loads((folder / f"{backend}.json").read_text())["graphs"]
    few = FEW_GRAPHS.get(backend, ())
    assert set(found) == set(few or keras_graphs.networks())
    assert {name: worst for name, worst in found.items() if worst > CLOSE} == {}


@pytest.mark.parametrize("name", SIDES)
def test_architectures(keras: Any, name: str) -> None:
    keras.utils.set_random_seed(0)
    side = SIDES[name]
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(side, side, 3), classes=5, classifier_activation=None)
    model = randomized(model, VARIANCES.get(name, 1))
    assert difference(model, 100, DEEP) < DEEP


def test_channels_first(keras: Any) -> None:
    """Nothing is turned but for the two layers that want the channels last."""
    assert kinds(read(keras_graphs.channels_first())).count("Transpose") == 2


# --- the most telling word -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hard", ["Conv", "Activation:hard_swish", "Activation:hard_sigmoid", "Elementwise:add", "Activation:clip"]),
        ("squeeze_kept", ["Conv", "GlobalPool:max", "Conv", "Activation:silu", "Conv", "Activation:sigmoid"]),
        ("batch_norm", ["Conv", "Affine", "Conv", "Affine"]),
        ("scaled", ["Affine", "Affine", "Conv"]),
        ("dense_map", ["Conv", "Conv", "Activation:gelu"]),
        ("shuffled", ["Conv", "Transpose", "Reshape", "Transpose", "Reshape", "Transpose", "Conv"]),
        ("flattened", ["Conv", "Transpose", "Reshape", "Linear"]),
        ("resting", ["Conv", "Transpose"]),
    ],
)
def test_the_most_specific_operation_is_used(keras: Any, name: str, expected: list[str]) -> None:
    graph = read(keras_graphs.networks()[name]())
    said = [
        f"{type(op).__name__}:{op.function}" if hasattr(op, "function") else type(op).__name__ for op in graph.ops[1:]
    ]
    assert said[: len(expected)] == expected


def test_borders_become_padding_where_that_is_exact(keras: Any) -> None:
    graph = read(keras_graphs.networks()["padded"]())
    convolution, _, pool, _, border, second, last, _ = graph.ops[1:]
    assert isinstance(convolution, g.Conv)
    assert convolution.padding == (0, 2, 1, 0)
    assert isinstance(pool, g.Pool)
    assert pool.padding == (1, 1, 1, 1)
    # Zeros are larger than what comes out of a convolution without a ReLU.
    assert isinstance(border, g.Pad)
    assert isinstance(second, g.Pool)
    assert second.padding == g.NO_PADDING
    assert isinstance(last, g.Pad)
    assert (last.padding, last.mode) == ((1, 0, 2, 1), "reflect")


def test_attention_is_one_operation(keras: Any) -> None:
    graph = read(keras_graphs.networks()["attention"]())
    (attention,) = (op for op in graph.ops if isinstance(op, g.Attention))
    assert attention.scale == pytest.approx(3**-0.5)
    assert attention.shape == (2, 12, 5)


def test_weights_are_not_copied(keras: Any) -> None:
    model = keras_graphs.networks()["same"]()
    first, second = (next(op.weight for op in read(model).ops if isinstance(op, g.Conv)) for _ in range(2))
    assert np.shares_memory(first, second)
    before = first.copy()
    model.layers[1].kernel.assign(model.layers[1].kernel * 0)
    assert np.array_equal(first, before)


# --- as the adapter runs it ----------------------------------------------------------------------------------


def network(keras: Any, end: Callable[[Any], Any]) -> Any:
    layers = keras.layers
    x = start = keras.Input(SHAPE)
    x = layers.BatchNormalization()(layers.Conv2D(5, 3, activation="relu", name="conv")(x))
    return randomized(keras.Model(start, end(x)))


def opened(model: Any, **settings: Any) -> Any:
    return picasso.load_model(model, preprocessing=picasso.Preprocessing(size=SHAPE[:2]), **settings)


HEADS: dict[str, Callable[[Any], Callable[[Any], Any]]] = {
    "dense": lambda k: lambda x: k.layers.Dense(4, activation="softmax", name="fc")(k.layers.Flatten()(x)),
    "activation": lambda k: lambda x: k.layers.Activation("sigmoid")(k.layers.Dense(4)(k.layers.Flatten()(x))),
    "layer": lambda k: lambda x: k.layers.Softmax()(k.layers.Dense(4)(k.layers.GlobalMaxPooling2D()(x))),
    "operation": lambda k: lambda x: k.ops.softmax(k.layers.Dense(4)(k.layers.GlobalMaxPooling2D()(x))),
    "mask": lambda k: lambda x: k.layers.Conv2DTranspose(3, 3, activation="softmax")(x),
    "joined": lambda k: (
        lambda x: k.layers.Flatten()(k.layers.Softmax()(k.layers.Reshape((1, 5))(k.layers.GlobalAveragePooling2D()(x))))
    ),
}


@pytest.mark.parametrize("head", HEADS)
def test_the_head_is_left_out(keras: Any, head: str) -> None:
    model = opened(network(keras, HEADS[head](keras)))
    graph = agrees(model)
    assert model.facts.units == "logit"
    assert not any(isinstance(op, g.Softmax) or getattr(op, "function", "") == "sigmoid" for op in graph.ops)
    assert kinds(graph)[-1] == "Transpose" if head == "mask" else True
    # What is declared to have no head keeps its softmax.
    whole = agrees(opened(network(keras, HEADS[head](keras)), head="none"))
    assert any(isinstance(op, g.Softmax) or getattr(op, "function", "") == "sigmoid" for op in whole.ops)


def test_one_of_several_outputs_and_a_held_input(keras: Any) -> None:
    layers = keras.layers
    picture, place = keras.Input(SHAPE, name="picture"), keras.Input((3,), name="place")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, name="conv")(picture))
    wide = layers.Dense(6, activation="relu")(place)
    x = layers.Concatenate()([x, wide]) * keras.ops.concatenate([wide, wide], axis=-1)
    outputs = {"kind": layers.Dense(3)(x), "color": layers.Dense(4)(x), "both": layers.Add()([wide, wide])}
    model = opened(randomized(keras.Model([picture, place], outputs)), output="color", hold={"place": [1.0, -2, 3]})
    graph = agrees(model)
    assert list(graph.outputs) == ["color"]
    assert len([op for op in graph.ops if isinstance(op, g.Linear)]) == 1


def test_layers_have_the_names_of_the_model(keras: Any) -> None:
    layers = keras.layers
    inner = keras.Sequential([keras.Input((11, 16, 5)), layers.Conv2D(5, 3, padding="same", name="conv")], name="inner")
    shared = layers.Conv2D(5, 1, name="shared")
    block = keras.Sequential([layers.Conv2D(4, 3, name="conv"), layers.ReLU(name="relu")], name="block")
    x = start = keras.Input(SHAPE)
    x = layers.Conv2D(5, 3, name="conv")(x)
    x = shared(inner(shared(inner(x))))
    x = layers.MaxPooling2D(name="pool")(block(x))
    model = opened(randomized(keras.Model(start, layers.Dense(3, name="fc")(layers.Flatten(name="flat")(x)))))
    graph = agrees(model)
    said = [op.layer for op in graph.ops if isinstance(op, g.Conv | g.Activation | g.Pool | g.Linear)]
    known = [layer.name for layer in model.layers()]
    ran = ["conv", "inner/conv", "shared", "inner/conv:2", "shared:2", "block/conv", "block/relu", "pool", "fc"]
    assert said == ran
    assert set(ran) <= set(known)
    shapes = {layer.name: layer.shape for layer in model.layers()}
    for op in graph.ops:
        if isinstance(op, g.Conv):
            assert shapes[op.layer] == (*op.shape[1:], op.shape[0])


def test_sequential_models_and_free_sides(keras: Any) -> None:
    layers = keras.layers
    steps = [layers.Rescaling(1 / 255), layers.Conv2D(4, 3, strides=2, padding="same"), layers.GlobalMaxPooling2D()]
    agrees(opened(randomized(keras.Sequential([keras.Input((None, None, 3)), *steps, layers.Dense(3)]))))


@pytest.mark.parametrize("name", ["operations", "teachable", "transfer"])
def test_models_of_keras_2(keras: Any, name: str) -> None:
    two = keras_two.import_two()
    model = picasso.load_model(
        keras_two.seeded(keras_two.NETWORKS[name](two)), preprocessing=picasso.Preprocessing(size=12)
    )
    agrees(model, np.random.default_rng(4).uniform(0, 200, size=(2, 12, 12, 3)).astype(np.float32) / 50)


# --- what is left alone --------------------------------------------------------------------------------------


def test_the_model_is_left_as_it_was(keras: Any) -> None:
    model = network(keras, HEADS["dense"](keras))

    def seen() -> list[Any]:
        return [
            (layer.name, sorted(vars(layer)), len(layer._inbound_nodes), len(layer._outbound_nodes), layer.trainable)
            for layer in model._flatten_layers()
        ]

    adapter = opened(model)
    before, weights = seen(), model.get_weights()
    graph = agrees(adapter)
    assert seen() == before
    assert all(np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    assert list(adapter._read_graph().outputs) == list(graph.outputs)


def own_layer(keras: Any) -> Any:
    class Twice(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * 2

    return Twice(name="mine")


REFUSED: dict[str, tuple[Callable[[Any], Callable[[Any], Any]], str]] = {
    "own": (own_layer, r"^Twice at 'mine' has no form in the op graph\.$"),
    "lambda": (lambda k: k.layers.Lambda(lambda x: x * 2, name="mine"), r"^Lambda at 'mine' has no form"),
    "threshold": (lambda k: k.layers.ReLU(threshold=0.5, name="above"), r"^A ReLU with a threshold at 'above' has no"),
    "function": (
        lambda k: k.layers.Activation(lambda x: x * 2, name="act"),
        r"^The activation <lambda> at 'act' has no form",
    ),
    "own activation": (lambda k: k.layers.Dense(3, activation=own_layer(k), name="fc"), r"^Twice at 'mine\w*' has no"),
    "squareplus": (lambda k: k.layers.Activation("squareplus", name="act"), r"^The activation squareplus at 'act'"),
    "batch": (lambda k: lambda x: x - k.ops.mean(x, axis=0, keepdims=True), r"^An operation along the batch at "),
    "whole numbers": (lambda k: lambda x: k.ops.cast(k.ops.cast(x, "int32"), "float32"), r"^A cast to int32 at "),
    "floor": (lambda k: lambda x: k.ops.floor(x), r"^Floor at '\w+' has no form"),
    "recurrent": (
        lambda k: lambda x: k.layers.LSTM(3, name="rnn")(k.layers.Reshape((-1, 5))(x)),
        r"^LSTM at 'rnn' has no form",
    ),
    "causal": (
        lambda k: (
            lambda x: k.layers.MultiHeadAttention(1, 2, name="mha")(
                *(k.layers.Reshape((-1, 5))(x),) * 2, use_causal_mask=True
            )
        ),
        r"^Attention with a mask, a gate or its weights at 'mha'",
    ),
    "proportions": (
        lambda k: k.layers.Resizing(7, 7, crop_to_aspect_ratio=True, name="size"),
        r"^Resizing that keeps proportions at 'size'",
    ),
    "half": (lambda k: k.layers.Conv2D(3, 1, dtype="mixed_float16"), r"^A network that calculates with 16 bits has no"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(keras: Any, name: str) -> None:
    make, sentence = REFUSED[name]
    with pytest.raises(GraphError, match=sentence):
        read(network(keras, make(keras)))


def test_models_that_are_code_are_refused(keras: Any) -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = keras.layers.Conv2D(3, 3)

        def call(self, x: Any) -> Any:
            return self.conv(x)

    class Changed(keras.Model):  # type: ignore[misc]
        def call(self, x: Any, training: bool = False) -> Any:
            return super().call(x) * 2

    model = Own()
    model(np.zeros((1, *SHAPE), np.float32))
    with pytest.raises(GraphError, match="The model is a Own, whose own code says how its layers are joined"):
        read(model)
    start = keras.Input(SHAPE)
    with pytest.raises(GraphError, match="The model is a Changed, "):
        read(Changed(start, keras.layers.Conv2D(3, 3)(start)))
    # One inside another is refused by its name, as a layer is.
    with pytest.raises(GraphError, match=r"^Own at 'own\w*' has no form in the op graph\."):
        read(keras.Model(start, model(start)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [({"frames": 4}, "A network of clips"), ({"floating": False}, "A network that reads whole numbers")],
)
def test_inputs_that_are_refused(keras: Any, change: dict[str, Any], sentence: str) -> None:
    given: dict[str, Any] = {
        "shape": SHAPE,
        "spec": SHAPE,
        "channels_first": False,
        "batch": None,
        "floating": True,
    } | change
    with pytest.raises(GraphError, match=f"{sentence} has no form in the op graph"):
        read(network(keras, keras.layers.Flatten()), Entrance(**given))
