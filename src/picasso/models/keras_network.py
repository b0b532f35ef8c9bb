"""A Keras model as Picasso runs it: its operations by name, and forward passes in which some of them are replaced."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from picasso.core.hooks import Head
from picasso.core.model import ReluRule

Tap = Callable[[str, Any], Any]
"""Called with a layer's name and its output; what it returns flows on."""


@dataclass(frozen=True, eq=False)
class Part:
    """An operation inside the model.

    Args:
        name: Its path: names joined by "/".
        operation: The keras.Operation, most often a keras.Layer.
        listed: Whether it counts as a layer: not where it sits inside a composite layer of Keras itself.
    """

    name: str
    operation: Any
    listed: bool


@dataclass(frozen=True, eq=False)
class Site:
    """A place where a function is applied: an operation's `call`, or a function kept in one of its attributes.

    Args:
        operation: The operation.
        attribute: "call", or the attribute's name.
        cap: For a ReLU, the value it is cut at, or None.
        head: For a final activation, which it is.
    """

    operation: Any
    attribute: str
    cap: float | None = None
    head: Head | None = None


@dataclass(frozen=True)
class Output:
    """Shape, with the batch, and dtype of a tensor that an operation returned."""

    shape: tuple[int, ...]
    dtype: str


@dataclass
class Trace:
    """What one forward pass showed.

    Args:
        ran: The operations in the order in which they ended, with the shape and the dtype of the tensor that each
            returned; None where it returned several, or something else.
        heads: The softmax and sigmoid functions in the order in which they ran.
    """

    ran: list[tuple[Part, Output | None]] = field(default_factory=list)
    heads: list[Site] = field(default_factory=list)


class Network:
    """A keras.Model that can be run with parts of it replaced, and is put back afterwards.

    Args:
        model: The keras.Model.
        keras: The imported package.
    """

    def __init__(self, model: Any, keras: Any) -> None:
        self.model = model
        self.keras = keras
        self.lock = threading.RLock()
        self.parts = tuple(walk(model))
        self._whole = (Part(model.name, model, False), *self.parts)
        self.relus, self.unruled = find_relus(self._whole, keras)
        self.head: Site | None = None
        self.finish: Callable[[Any], Any] = lambda answer: answer

    def run(
        self, x: Any, layers: Sequence[str] = (), tap: Tap | None = None, rule: ReluRule = ReluRule.STANDARD
    ) -> Any:
        """Run forward and return the class scores, a tensor of the backend.

        Args:
            x: A tensor in the model's own layout.
            layers: Names of layers whose outputs go through `tap`.
            tap: See `Tap`.
            rule: How gradients pass ReLUs.
        """
        with patched() as patch:
            if rule is not ReluRule.STANDARD:
                for site in self.relus:
                    patch(site, partial(ruled_relu, self.keras, rule, site.cap))
            if self.head is not None:
                patch(self.head, lambda old: _identity)
            if tap is not None:
                self._tap(patch, layers, tap)
            answer = self._answer(x)
        return self.finish(self._row(answer))

    def trace(self, x: Any) -> tuple[Any, Trace]:
        """Run forward and return the model's own answer, and what ran."""
        trace = Trace()

        def recorded(part: Part) -> Callable[[Any], Any]:
            def wrap(old: Any) -> Any:
                def call(*args: Any, **kwargs: Any) -> Any:
                    result = old(*args, **kwargs)
                    trace.ran.append((part, self._seen(result)))
                    return result

                return call

            return wrap

        def noticed(site: Site) -> Callable[[Any], Any]:
            def wrap(old: Any) -> Any:
                def function(*args: Any, **kwargs: Any) -> Any:
                    trace.heads.append(site)
                    return old(*args, **kwargs)

                return function

            return wrap

        with patched() as patch:
            for site in find_heads(self._whole, self.keras):
                patch(site, noticed(site))
            for part in self.parts:
                if part.listed:
                    patch(Site(part.operation, _call_name(part.operation)), recorded(part))
            answer = self._answer(x)
        return self._row(answer), trace

    @property
    def own_code(self) -> tuple[str, ...]:
        """Names of the classes that are not of Keras: what functions their code calls cannot be seen."""
        kinds = (type(part.operation) for part in self._whole)
        return tuple(dict.fromkeys(kind.__name__ for kind in kinds if kind.__module__.split(".")[0] != "keras"))

    @property
    def low_precision(self) -> bool:
        """Whether any part of the model calculates with 16 bits."""
        return any("16" in str(getattr(part.operation, "compute_dtype", "")) for part in self.parts)

    def _row(self, answer: Any) -> Any:
        """Return the class scores of an answer, float32 (n, columns)."""
        scores = self.keras.ops.cast(first_scores(answer), "float32")
        sides = tuple(scores.shape[1:])
        if len(sides) != 1 and None not in sides and np.prod(sides) == max(sides, default=1):
            scores = self.keras.ops.reshape(scores, (-1, max(sides, default=1)))
        return scores

    def _seen(self, result: Any) -> Output | None:
        if not self.keras.ops.is_tensor(result):
            return None
        return Output(tuple(result.shape), self.keras.backend.standardize_dtype(result.dtype))

    def _tap(self, patch: Patch, layers: Sequence[str], tap: Tap) -> None:
        """Let the outputs of layers go through the tap; count the calls of each."""
        wanted = set(layers)
        bases = {name.rpartition(":")[0] or name for name in wanted} | wanted
        calls: dict[str, int] = {}
        for part in self.parts:
            if part.listed and part.name in bases:

                def wrap(old: Any, base: str = part.name) -> Any:
                    def call(*args: Any, **kwargs: Any) -> Any:
                        result = old(*args, **kwargs)
                        calls[base] = calls.get(base, 0) + 1
                        name = call_name(base, calls[base])
                        return tap(name, result) if name in wanted else result

                    return call

                patch(Site(part.operation, _call_name(part.operation)), wrap)

    def _answer(self, x: Any) -> Any:
        """Call the model; take back the mark by which Keras remembers that it was ever called."""
        called = vars(self.model).get("_called")
        try:
            return self.model(self._arranged(x), training=False)
        finally:
            if called is not None:
                vars(self.model)["_called"] = called

    def _arranged(self, x: Any) -> Any:
        """Give the input in the structure in which the model takes it."""
        try:
            structure = self.model.input
        except (
            AttributeError,
            ValueError,
        ):  # a subclassed model has no declared input; older versions raise ValueError
            return x
        if isinstance(structure, dict):
            return dict.fromkeys(structure, x)
        return [x] if isinstance(structure, list | tuple) else x


def call_name(base: str, count: int) -> str:
    """Return the name of a layer's count-th call."""
    return base if count == 1 else f"{base}:{count}"


def first_scores(answer: Any) -> Any:
    """Return the first array of class scores where a model answers with several arrays."""
    if not isinstance(answer, dict | list | tuple) or not answer:
        return answer
    parts = list(answer.values()) if isinstance(answer, dict) else list(answer)
    return next((part for part in parts if len(getattr(part, "shape", ())) == 2), parts[0])


def log_probability(keras: Any, head: Head) -> Callable[[Any], Any]:
    """Return what turns a tensor of probabilities into scores: log p for softmax, the log odds for sigmoid."""
    ops = keras.ops

    def softmax(p: Any) -> Any:
        return ops.log(ops.maximum(p, 1e-30))

    def sigmoid(p: Any) -> Any:
        return ops.log(ops.maximum(p, 1e-12)) - ops.log(ops.maximum(1 - p, 1e-12))

    return softmax if head is Head.SOFTMAX else sigmoid


def walk(model: Any) -> Iterator[Part]:
    """Yield every operation inside a model, each once, with its path."""
    seen = {id(model)}

    def inside(parent: Any, path: str, listed: bool) -> Iterator[Part]:
        children = (*getattr(parent, "operations", ()), *getattr(parent, "_layers", ()))
        for child in children:
            if id(child) in seen or type(child).__name__ == "InputLayer":
                continue
            seen.add(id(child))
            name = path + child.name
            yield Part(name, child, listed and not getattr(child, "_remat_mode", None))
            yield from inside(child, name + "/", listed and not _composite(child))

    yield from inside(model, "", True)


def _composite(operation: Any) -> bool:
    """Say whether it is a layer of Keras itself, whose inner layers may run inside a loop, and not a model."""
    kinds = {(base.__module__.split(".")[0], base.__name__) for base in type(operation).__mro__}
    return type(operation).__module__.split(".")[0] == "keras" and ("keras", "Model") not in kinds


def _call_name(operation: Any) -> str:
    return "quantized_call" if getattr(operation, "quantization_mode", None) is not None else "call"


def _identity(x: Any, *args: Any, **kwargs: Any) -> Any:
    return x


def _keras_kinds(operation: Any) -> set[str]:
    return {base.__name__ for base in type(operation).__mro__ if base.__module__.split(".")[0] == "keras"}


def find_heads(parts: Sequence[Part], keras: Any) -> list[Site]:
    """Return every place where a softmax or sigmoid is applied."""
    functions = [
        (function, head)
        for name, head in (("softmax", Head.SOFTMAX), ("log_softmax", Head.SOFTMAX), ("sigmoid", Head.SIGMOID))
        for function in _functions(keras, name)
    ]
    sites = []
    for part in parts:
        kinds = _keras_kinds(part.operation)
        if kinds & {"Softmax", "LogSoftmax", "Sigmoid"}:
            head = Head.SIGMOID if "Sigmoid" in kinds else Head.SOFTMAX
            sites.append(Site(part.operation, "call", head=head))
        for attribute, value in vars(part.operation).items():
            sites += [Site(part.operation, attribute, head=head) for function, head in functions if value is function]
    return sites


def find_relus(parts: Sequence[Part], keras: Any) -> tuple[tuple[Site, ...], tuple[str, ...]]:
    """Return every place where a plain ReLU or ReLU6 is applied, and the names of ReLUs of other kinds."""
    functions = [(f, cap) for name, cap in (("relu", None), ("relu6", 6.0)) for f in _functions(keras, name)]
    sites: list[Site] = []
    unruled: list[str] = []
    for part in parts:
        operation, kinds = part.operation, _keras_kinds(part.operation)
        if "ReLU" in kinds:
            plain = not operation.negative_slope and not operation.threshold
            if plain:
                sites.append(Site(operation, "call", cap=operation.max_value))
            else:
                unruled.append(part.name)
        elif kinds & {"Relu", "Relu6"}:
            sites.append(Site(operation, "call", cap=6.0 if "Relu6" in kinds else None))
        for attribute, value in vars(operation).items():
            sites += [Site(operation, attribute, cap=cap) for function, cap in functions if value is function]
    return tuple(sites), tuple(unruled)


def _functions(keras: Any, name: str) -> list[Any]:
    """Return the functions of that name that Keras and its backend offer as activations."""
    homes = [keras.activations, keras.ops, keras.ops.nn]
    for path in ("tensorflow.nn", "jax.nn", "torch", "torch.nn.functional"):
        module, _, rest = path.partition(".")
        home = sys.modules.get(module)
        for step in rest.split(".") if rest else ():
            home = getattr(home, step, None)
        homes.append(home)
    found = [getattr(home, name, None) for home in homes]
    return [function for function in found if function is not None]


def ruled_relu(keras: Any, rule: ReluRule, cap: float | None, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ReLU whose gradient follows a rule.

    Args:
        keras: The imported package.
        rule: Guided or deconvnet.
        cap: The value it is cut at: the guided rule masks above it, too.
        forward: The ReLU itself.
    """
    ops = keras.ops

    def relu(x: Any) -> Any:
        def gradient(*args: Any, upstream: Any = None) -> Any:
            flow = ops.relu(args[-1] if upstream is None else upstream)
            if rule is not ReluRule.GUIDED:
                return flow
            passing = x > 0 if cap is None else ops.logical_and(x > 0, x < cap)
            return ops.where(passing, flow, ops.zeros_like(flow))

        return forward(x), gradient

    ruled = ops.custom_gradient(relu)
    return lambda x, *args, **kwargs: ruled(x)


Patch = Callable[[Site, Callable[[Any], Any]], None]


@contextmanager
def patched() -> Iterator[Patch]:
    """Replace functions of operations for a while, in this thread only; put all back on the way out.

    Yields:
        A function of a site and of what makes the replacement from what is there.
    """
    owner = threading.get_ident()
    undo: list[tuple[dict[str, Any], str, bool, Any]] = []

    def patch(site: Site, wrap: Callable[[Any], Any]) -> None:
        own, name = vars(site.operation), site.attribute
        old = getattr(site.operation, name)
        new = wrap(old)

        def function(*args: Any, **kwargs: Any) -> Any:
            return (new if threading.get_ident() == owner else old)(*args, **kwargs)

        undo.append((own, name, name in own, own.get(name)))
        own[name] = function

    try:
        yield patch
    finally:
        for own, name, had, old in reversed(undo):
            if had:
                own[name] = old
            else:
                own.pop(name, None)
