"""TensorFlow functions in the graphs of Keras 2 models, each written in Keras 3's own operations.

A file names such a function; the name is looked up in the tables below and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from picasso.core.errors import ModelFileError

REGISTERED = "picasso>Operation"
KINDS = frozenset({"TFOpLambda", "SlicingOpLambda"})
"""Classes of Keras 2 whose layers are a call of a TensorFlow function."""
LAYERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "nn.relu": ("ReLU", {}),
    "nn.relu6": ("ReLU", {"max_value": 6.0}),
    "nn.softmax": ("Softmax", {}),
    "nn.sigmoid": ("Activation", {"activation": "sigmoid"}),
    "math.sigmoid": ("Activation", {"activation": "sigmoid"}),
}
"""Functions for which Keras has a layer: their gradients follow rules, and as the last step they are looked through."""
SAME = {f"compat.v1.{name}": name for name in ("transpose", "squeeze", "expand_dims", "reshape", "concat")}
"""Older forms of functions that do the same."""
ARITHMETIC = {"add": "Add", "subtract": "Subtract", "multiply": "Multiply", "truediv": "Divide", "divide": "Divide"}

Function = Callable[[Any, Any, Mapping[str, Any]], Any]


@cache
def _functions() -> dict[str, Function]:
    """Return functions of keras.ops, the first argument and the others by their TensorFlow names."""
    found: dict[str, Function] = {}

    def binary(*names: str, run: Callable[[Any, Any, Any], Any]) -> None:
        for name in names:
            found[name] = lambda ops, x, a: run(ops, x, a["y"])

    def unary(*names: str, run: Callable[[Any, Any], Any]) -> None:
        for name in names:
            found[name] = lambda ops, x, a: run(ops, x)

    def named(*names: str, run: Function) -> None:
        for name in names:
            found[name] = run

    def spread(word: str) -> tuple[str, ...]:
        return f"__operators__.{word}", f"math.{word}", word

    binary(*spread("add"), run=lambda ops, x, y: ops.add(x, y))
    binary(*spread("subtract"), "__operators__.sub", run=lambda ops, x, y: ops.subtract(x, y))
    binary(*spread("multiply"), "__operators__.mul", run=lambda ops, x, y: ops.multiply(x, y))
    binary(*spread("truediv"), *spread("divide"), "realdiv", run=lambda ops, x, y: ops.true_divide(x, y))
    binary(*spread("maximum"), run=lambda ops, x, y: ops.maximum(x, y))
    binary(*spread("minimum"), run=lambda ops, x, y: ops.minimum(x, y))
    binary(*spread("pow"), run=lambda ops, x, y: ops.power(x, y))
    for word in ("tanh", "exp", "log", "sqrt", "rsqrt", "square", "abs", "negative"):
        unary(f"math.{word}", f"nn.{word}", word, run=lambda ops, x, word=word: getattr(ops, word)(x))  # type: ignore[misc]
    unary("identity", "stop_gradient", run=lambda ops, x: x)
    unary("nn.elu", run=lambda ops, x: ops.elu(x))
    unary("math.softplus", "nn.softplus", run=lambda ops, x: ops.softplus(x))
    named("nn.silu", "nn.swish", run=lambda ops, x, a: x * ops.sigmoid(x * a.get("beta", 1.0)))
    named("nn.gelu", run=lambda ops, x, a: ops.gelu(x, approximate=bool(a.get("approximate", False))))
    named("nn.leaky_relu", run=lambda ops, x, a: ops.leaky_relu(x, negative_slope=a.get("alpha", 0.2)))
    named("clip_by_value", run=lambda ops, x, a: ops.clip(x, a["clip_value_min"], a["clip_value_max"]))
    named("nn.bias_add", run=lambda ops, x, a: ops.add(x, ops.convert_to_tensor(a["bias"])))
    named(
        "nn.l2_normalize",
        "math.l2_normalize",
        run=lambda ops, x, a: (
            x * ops.rsqrt(ops.maximum(ops.sum(x * x, axis=_axis(a), keepdims=True), a.get("epsilon", 1e-12)))
        ),
    )
    for word in ("mean", "sum", "max", "min"):
        named(
            f"math.reduce_{word}",
            f"reduce_{word}",
            run=lambda ops, x, a, word=word: getattr(ops, word)(x, axis=_axis(a), keepdims=bool(a.get("keepdims"))),  # type: ignore[misc]
        )
    named("concat", run=lambda ops, x, a: ops.concatenate(x, axis=a["axis"]))
    named("stack", run=lambda ops, x, a: ops.stack(x, axis=a.get("axis", 0)))
    named("math.add_n", run=lambda ops, x, a: sum(x[1:], x[0]))
    named("cast", run=lambda ops, x, a: ops.cast(x, a["dtype"]))
    named("reshape", run=lambda ops, x, a: ops.reshape(x, tuple(a["shape"])))
    named("transpose", run=lambda ops, x, a: ops.transpose(x, axes=a.get("perm")))
    named("expand_dims", run=lambda ops, x, a: ops.expand_dims(x, axis=a["axis"]))
    named("squeeze", run=lambda ops, x, a: ops.squeeze(x, axis=_axis(a)))
    named("reverse", run=lambda ops, x, a: ops.flip(x, axis=_axis(a)))
    named("image.resize", run=_resized)
    named("__operators__.getitem", run=lambda ops, x, a: x[_places(a["slice_spec"])])
    return found


def translated(layer: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the Keras 3 form of a layer that calls a TensorFlow function.

    Args:
        layer: As Keras 2 declares it, with its place in the graph.
        names: Names of the layers of the graph, by which tensors are told from other arguments.

    Raises:
        ModelFileError: The function is not one of those known here.
    """
    config = layer["config"]
    function, name = str(config.get("function")), layer.get("name") or config.get("name")
    function = SAME.get(function, function)
    nodes = layer.get("inbound_nodes") or []
    if (function not in LAYERS and function not in _functions()) or len(nodes) != 1:
        raise ModelFileError(
            f"The layer '{name}' calls TensorFlow's {function}, which has no counterpart here.",
            "Save the model as a TensorFlow SavedModel, and open that.",
        )
    tensors: list[Any] = []
    first, others = arguments(nodes[0], names, tensors)
    others.pop("name", None)
    plain = function in LAYERS and len(tensors) == 1 and set(others) <= {"axis"}
    kind, settings = LAYERS[function] if plain else ("Operation", {"function": function, "first": first})
    settings = settings | ({k: v for k, v in others.items() if v is not None} if plain else {"others": others})
    return {
        "module": "keras.layers" if plain else None,
        "class_name": kind,
        "config": {"name": name, "dtype": "float32", **settings},
        "registered_name": None if plain else REGISTERED,
        "name": name,
        "inbound_nodes": [{"args": [tensors[0] if plain else tensors], "kwargs": {}}],
    }


def arguments(node: Any, names: frozenset[str], tensors: list[Any]) -> tuple[Any, dict[str, Any]]:
    """Read a call as Keras 2 writes it: its first argument and the others by name.

    Args:
        node: [name, call, output, others], or a list of such.
        names: Names of the layers of the graph.
        tensors: Gets each tensor in the form of Keras 3; {"tensor": its number} stands in its place.
    """
    single = isinstance(node[0], str)
    parts = [node] if single else node
    values = [part[2] if part[0] == "_CONSTANT_VALUE" else _filed(list(part[:3]), names, tensors) for part in parts]
    others = dict(parts[0][3]) if len(parts[0]) > 3 else {}
    return values[0] if single else values, {key: _filed(value, names, tensors) for key, value in others.items()}


def _filed(value: Any, names: frozenset[str], tensors: list[Any]) -> Any:
    """Put numbers in the place of the tensors in an argument."""
    if isinstance(value, dict):
        return {key: _filed(part, names, tensors) for key, part in value.items()}
    if not isinstance(value, list):
        return value
    told = len(value) == 3 and isinstance(value[0], str) and value[0] in names
    if told and all(isinstance(part, int) for part in value[1:]):
        history = {"shape": [1], "dtype": "float32", "keras_history": value}
        tensors.append({"class_name": "__keras_tensor__", "config": history})
        return {"tensor": len(tensors) - 1}
    return [_filed(part, names, tensors) for part in value]


@cache
def operation_class() -> Any:
    """Return the layer that stands for a call of a TensorFlow function, made once Keras is there."""
    import keras

    class Operation(keras.layers.Layer):
        """A call of one of the functions above."""

        def __init__(self, function: str, first: Any, others: dict[str, Any], **settings: Any) -> None:
            super().__init__(**settings)
            self.function = function
            self.arithmetic = ARITHMETIC.get(function.rpartition(".")[2], "")
            self.constants = [value for value in (first, others.get("y")) if isinstance(value, int | float)]
            self._template = (first, others)

        def call(self, tensors: Any) -> Any:
            tensors = tensors if isinstance(tensors, list | tuple) else [tensors]
            first, others = self._template
            return _functions()[self.function](keras.ops, put(first, tensors), put(dict(others), tensors))

    return Operation


def put(value: Any, tensors: Any) -> Any:
    """Put the tensors back into an argument."""
    if isinstance(value, Mapping):
        if set(value) == {"tensor"}:
            return tensors[value["tensor"]]
        return {key: put(part, tensors) for key, part in value.items()}
    return [put(part, tensors) for part in value] if isinstance(value, list | tuple) else value


def _axis(a: Mapping[str, Any]) -> Any:
    axis = a.get("axis")
    return tuple(axis) if isinstance(axis, list | tuple) else axis


def _resized(ops: Any, x: Any, a: Mapping[str, Any]) -> Any:
    if a.get("preserve_aspect_ratio"):
        raise ModelFileError("The model resizes and keeps proportions, which has no counterpart here.")
    size = (int(a["size"][0]), int(a["size"][1]))
    return ops.image.resize(
        x, size, interpolation=a.get("method") or "bilinear", antialias=bool(a.get("antialias", False))
    )


def _places(spec: Any) -> Any:
    """Return an index from how Keras 2 writes it."""
    if isinstance(spec, list | tuple):
        return tuple(_places(part) for part in spec)
    if isinstance(spec, Mapping) and set(spec) >= {"start", "stop", "step"}:
        return slice(spec["start"], spec["stop"], spec["step"])
    return Ellipsis if isinstance(spec, Mapping) or spec in ("...", "Ellipsis") else spec
