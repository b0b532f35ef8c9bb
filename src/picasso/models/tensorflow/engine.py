"""Runs one GraphDef: one private graph with one session, gradients and ReLU rules included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from itertools import count
from typing import Any, Protocol

import numpy as np

from picasso.core.errors import ConfigurationError, NotSupportedError
from picasso.core.facts import ReluRule
from picasso.core.hooks import Head
from picasso.core.preprocessing import Array
from picasso.models.tensorflow.finding import Entrance
from picasso.models.tensorflow.nodes import by_name, full, sources, split
from picasso.models.tensorflow.quiet import reason, silent

ENTRANCE = "picasso_entrance"
_RULE: ContextVar[ReluRule] = ContextVar("_RULE", default=ReluRule.STANDARD)
_RULED = {"Relu": b"PicassoRelu", "Relu6": b"PicassoRelu6", "Maximum": b"PicassoMaximum"}
_CONVOLUTION = b"PicassoConvolution"
_HEADS = {"Softmax": Head.SOFTMAX, "LogSoftmax": Head.SOFTMAX, "Sigmoid": Head.SIGMOID}
_PASSING = ("Identity", "IdentityN", "StopGradient", "EnsureShape", "Snapshot")
_NUMBERS = count()
_FUNCTIONS = ("While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase")
_SHAPING = ("Reshape", "Squeeze", "ExpandDims")


class Network(Protocol):
    """What an engine runs; see `tensorflow_preparing.Prepared`."""

    graph: Any
    entrance: Entrance
    outputs: dict[str, str]
    weights: dict[str, Any]


class Engine:
    """A graph that is ready to run.

    Args:
        network: The graph, in which nothing but the picture is fed; its input is the node `ENTRANCE`.
        shape: (height, width, channels) of the picture.
        device: "cpu", "cuda:1" or None for the fastest at hand.

    Attributes:
        heads: The softmax or sigmoid that was found before an output, by the output's name.
        floating: Whether gradients reach the picture.
        ruled: How many ReLUs follow the rules.
    """

    def __init__(self, network: Network, shape: tuple[int, int, int], device: str | None) -> None:
        import tensorflow as tf

        _register()
        self.heads: dict[str, Head] = {}
        self._raw: dict[str, Any] = {}
        self._inner: dict[str, Any] = {}
        self._gradients: dict[Any, Any] = {}
        nodes = by_name(network.graph).values()
        marked = [node.attr["_gradient_op_type"].s for node in nodes if "_gradient_op_type" in node.attr]
        self.ruled = sum(mark in _RULED.values() for mark in marked)
        # The gradient of a condition or loop that is a function changes it, and no second one can be taken.
        changing = any(node.op in _FUNCTIONS for node in nodes)
        (kind,) = (tf.DType(node.attr["dtype"].type) for node in nodes if node.name == ENTRANCE)
        self.floating = kind.is_floating
        self.graph = tf.Graph()
        with self.graph.as_default(), self._placed(device), silent():
            self.x = tf.compat.v1.placeholder(tf.float32, (None, *shape), name="picasso_x")
            given = {f"{ENTRANCE}:0": tf.cast(_laid(self.x, network.entrance.layout, shape), kind)}
            kept = {name: _variable(name, value) for name, value in network.weights.items()}
            given |= {f"{name}:0": read for name, (read, _, _) in kept.items()}
            tf.compat.v1.import_graph_def(_renamed(network.graph) if changing else network.graph, given, name="")
            for name, tensor in network.outputs.items():
                self._raw[name] = self.tensor(tensor)
                self._inner[name], head = _before_head(self._raw[name])
                if head is not None:
                    self.heads[name] = head
        self._another: Callable[[], Engine] | None = (lambda: Engine(network, shape, device)) if changing else None
        self._others: dict[Any, Engine] = {}
        config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
        config.gpu_options.allow_growth = True
        if device == "cpu":
            config.device_count["GPU"] = 0
        # Networks for graphics cards may hold their channels first, which no convolution on a processor takes.
        rewriting = config.graph_options.rewrite_options
        rewriting.cpu_layout_conversion = type(rewriting).NCHW_TO_NHWC
        self.session = tf.compat.v1.Session(graph=self.graph, config=config)
        for name, (_, value, assign) in kept.items():
            self.session.run(assign, {value: network.weights[name]})

    @staticmethod
    def _placed(device: str | None) -> Any:
        """Return a context in which what is made is put on a device."""
        import tensorflow as tf

        if device is None:
            return nullcontext()
        kind, _, number = device.lower().partition(":")
        kind = {"cuda": "GPU", "gpu": "GPU", "cpu": "CPU"}.get(kind, kind)
        there = len(tf.config.list_physical_devices(kind))
        if not (number or "0").isdigit() or int(number or 0) >= there:
            raise ConfigurationError(f"The device '{device}' cannot be used: TensorFlow does not see it.", "Use cpu.")
        return tf.device(f"/{kind}:{number or 0}")

    def tensor(self, name: str) -> Any:
        """Return a tensor of the graph by name."""
        return self.graph.get_tensor_by_name(full(name))

    def outputs(self, names: Sequence[str], bare: bool) -> dict[str, Any]:
        """Return output tensors; `bare`: what goes into the softmax or sigmoid before them."""
        return {name: (self._inner if bare else self._raw)[name] for name in names}

    def run(self, tensors: Any, x: Array, given: Mapping[Any, Array] | None = None) -> Any:
        """Run tensors (a list or dict of them) for pictures, float32 (n, h, w, c)."""
        owner = self._others.get(next(iter(given)).graph, self) if given else self
        return owner.session.run(tensors, {owner.x: x, **(given or {})})

    def gradients(self, ends: Sequence[Any], places: Sequence[Any], rule: ReluRule) -> tuple[list[Any], list[Any]]:
        """Return what takes the derivatives by the ends, and the derivatives by the places; None where there is none.

        Raises:
            NotSupportedError: The graph has an operation without a gradient.
        """
        import tensorflow as tf

        key = tuple(t.name for t in ends), tuple(t.name for t in places), rule
        if key not in self._gradients and self._another is not None:
            other = self._another()
            other._another = None
            self._others[other.graph] = other
            there = [other.tensor(one.name) for one in ends], [other.tensor(one.name) for one in places]
            self._gradients[key] = other.gradients(there[0], there[1], rule)
        if key not in self._gradients:
            with self.graph.as_default(), silent(), _ruling(rule):
                given = [tf.compat.v1.placeholder(end.dtype, end.shape) for end in ends]
                try:
                    found = tf.compat.v1.gradients(list(ends), list(places), grad_ys=given)
                except (LookupError, AttributeError) as error:  # the latter: a loop
                    loop = "it passes a loop of TensorFlow 1"
                    raise NotSupportedError(
                        f"The graph has no gradient: {reason(error) if isinstance(error, LookupError) else loop}.",
                        "Choose a layer behind it, or a visualization without gradients.",
                    ) from error
                # A gradient of a lookup comes as rows.
                found = [None if one is None else tf.convert_to_tensor(one) for one in found]
            self._gradients[key] = given, found
        given, found = self._gradients[key]
        return given, found

    def close(self) -> None:
        for engine in (self, *self._others.values()):
            engine.session.close()


def _renamed(graph: Any) -> Any:
    """Return a copy of a GraphDef whose functions have names of their own.

    The process knows functions by name, and two graphs change the same one in different ways.
    """
    copy = type(graph)()
    copy.CopyFrom(graph)
    number = next(_NUMBERS)
    names = {one.signature.name: f"{one.signature.name}_p{number}" for one in copy.library.function}
    for function in copy.library.function:
        function.signature.name = names[function.signature.name]
    for node in (*copy.node, *(node for function in copy.library.function for node in function.node_def)):
        node.op = names.get(node.op, node.op)
        for value in node.attr.values():
            called = [value.func] if value.HasField("func") else value.list.func if value.HasField("list") else ()
            for one in called:
                one.name = names.get(one.name, one.name)
    for gradient in copy.library.gradient:
        gradient.function_name = names.get(gradient.function_name, gradient.function_name)
        gradient.gradient_func = names.get(gradient.gradient_func, gradient.gradient_func)
    return copy


def _variable(name: str, value: Any) -> tuple[Any, Any, Any]:
    """Make a variable; return what reads it, what takes its value, and what sets it."""
    import tensorflow as tf

    kind = tf.as_dtype(value.dtype)
    handle = tf.raw_ops.VarHandleOp(dtype=kind, shape=value.shape, shared_name=f"picasso/{name}")
    given = tf.compat.v1.placeholder(kind, value.shape)
    return (
        tf.raw_ops.ReadVariableOp(resource=handle, dtype=kind),
        given,
        tf.raw_ops.AssignVariableOp(resource=handle, value=given),
    )


def prepare_gradients(graph: Any) -> None:
    """Mark the ReLUs of a GraphDef, so that their gradients ask for the rule, and unmark everything else.

    Gradients of a user's own are functions of the program that made the graph: only their name is in the file, and
    what they stand for is differentiated instead.
    """
    nodes = by_name(graph)
    for node in graph.node:
        node.attr.pop("_gradient_op_type", None)
        if node.op == "PreventGradient":
            node.op = "Identity"
            node.attr.pop("message", None)
        if node.op in ("Relu", "Relu6") or (node.op == "Maximum" and _zero(node, nodes) is not None):
            node.attr["_gradient_op_type"].s = _RULED[node.op]
        if node.op == "Conv2D":
            node.attr["_gradient_op_type"].s = _CONVOLUTION


def _zero(node: Any, nodes: Mapping[str, Any]) -> int | None:
    """Return which input of a maximum is the number zero, or None."""
    import tensorflow as tf

    for place, tensor in enumerate(sources(node)):
        one = nodes.get(split(tensor)[0])
        while one is not None and one.op == "Identity":
            one = nodes.get(split(sources(one)[0])[0])
        if one is not None and one.op == "Const" and not one.attr["value"].tensor.tensor_shape.dim:
            return place if not tf.make_ndarray(one.attr["value"].tensor).any() else None
    return None


def _laid(x: Any, layout: str, shape: tuple[int, int, int]) -> Any:
    """Lay pictures (n, h, w, c) out as the graph takes them."""
    import tensorflow as tf

    if layout == "first":
        return tf.transpose(x, (0, 3, 1, 2))
    if layout == "flat":
        return tf.reshape(x, (-1, shape[0] * shape[1] * shape[2]))
    return tf.reshape(x, (-1, shape[0], shape[1])) if layout == "grey" else x


def _before_head(tensor: Any) -> tuple[Any, Head | None]:
    """Return what goes into the softmax or sigmoid that makes an output, in the output's shape, and which it is."""
    import tensorflow as tf

    inner, reshaped = tensor, False
    while inner.op.type in (*_PASSING, *_SHAPING):
        reshaped |= inner.op.type in _SHAPING
        inner = inner.op.inputs[inner.value_index if inner.op.type == "IdentityN" else 0]
    head = _HEADS.get(inner.op.type)
    if head is None:
        return tensor, None
    scores = inner.op.inputs[0]
    return tf.reshape(scores, tf.shape(tensor)) if reshaped else scores, head


@contextmanager
def _ruling(rule: ReluRule) -> Iterator[None]:
    token = _RULE.set(rule)
    try:
        yield
    finally:
        _RULE.reset(token)


@cache
def _register() -> None:
    """Tell TensorFlow how gradients pass the ReLUs that are marked. It keeps one such list for the whole process."""
    import tensorflow as tf

    def ruled(gradient: Any, inside: Any) -> Any:
        passed = tf.nn.relu(gradient)
        return tf.where(inside, passed, tf.zeros_like(passed)) if _RULE.get() is ReluRule.GUIDED else passed

    def relu(op: Any, gradient: Any) -> Any:
        if _RULE.get() is ReluRule.STANDARD:
            return tf.raw_ops.ReluGrad(gradients=gradient, features=op.outputs[0])
        return ruled(gradient, op.inputs[0] > 0)

    def relu6(op: Any, gradient: Any) -> Any:
        if _RULE.get() is ReluRule.STANDARD:
            return tf.raw_ops.Relu6Grad(gradients=gradient, features=op.outputs[0])
        return ruled(gradient, (op.inputs[0] > 0) & (op.inputs[0] < 6))

    def maximum(op: Any, gradient: Any) -> Any:
        place = 1 if op.inputs[0].shape.rank == 0 else 0
        x, zero = op.inputs[place], op.inputs[1 - place]
        if _RULE.get() is ReluRule.STANDARD:
            kept = x > zero if place else x >= zero
            passed = tf.where(kept, gradient, tf.zeros_like(gradient))
        else:
            passed = ruled(gradient, x > zero)
        return (None, passed) if place else (passed, None)

    tf.RegisterGradient(_CONVOLUTION.decode())(_convolution_gradient)
    for function, name in ((relu, "Relu"), (relu6, "Relu6"), (maximum, "Maximum")):
        tf.RegisterGradient(_RULED[name].decode())(function)


def _convolution_gradient(op: Any, gradient: Any) -> Any:
    """Pull a convolution back to its input; one in groups group by group, which TensorFlow lacks on a processor."""
    import tensorflow as tf

    x, weights = op.inputs
    names = ("strides", "padding", "explicit_paddings", "data_format", "dilations")
    said = {name: op.get_attr(name) for name in names}
    said |= {name: said[name].decode() for name in ("padding", "data_format")}
    axis = 1 if said["data_format"] == "NCHW" else 3
    groups = (x.shape[axis] or 1) // (weights.shape[2] or 1)
    if groups <= 1:
        size, filters = tf.shape(x), tf.shape(weights)
        return (
            tf.raw_ops.Conv2DBackpropInput(input_sizes=size, filter=weights, out_backprop=gradient, **said),
            tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=filters, out_backprop=gradient, **said),
        )
    size = tf.unstack(tf.shape(x))
    size[axis] = size[axis] // groups
    parts = [
        tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.stack(size), filter=one, out_backprop=flow, **said)
        for one, flow in zip(tf.split(weights, groups, 3), tf.split(gradient, groups, axis), strict=True)
    ]
    return tf.concat(parts, axis), None


def as_array(value: Any) -> Array:
    """Return what the session gave as float32."""
    array: Array = np.ascontiguousarray(value, dtype=np.float32)
    return array
