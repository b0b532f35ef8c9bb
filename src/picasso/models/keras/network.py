"""A Keras model as Picasso runs it: its operations by name, and forward passes in which some of them are replaced."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from picasso.core.facts import ReluRule
from picasso.models.keras.functions import Part, Patch, Site, find_heads, find_relus, identity, patched, ruled_relu

Tap = Callable[[str, Any], Any]
"""Called with a layer's name and its output; what it returns flows on."""
ONLY = "output"
"""Name of the output of a model that has one."""


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
        ends: Of them those whose result is an output of the model, by the output's name.
        relus: How many times a ReLU that a rule can be applied to ran.
    """

    ran: list[tuple[Part, Output | None]] = field(default_factory=list)
    heads: list[Site] = field(default_factory=list)
    ends: dict[str, Site] = field(default_factory=dict)
    relus: int = 0


class Network:
    """A keras.Model that can be run with parts of it replaced, and is put back afterwards.

    Args:
        model: The keras.Model.
        keras: The imported package.

    Attributes:
        place: Which of the model's inputs, as they are counted flat, reads the picture.
        held: What the others get, by place, each of the shape of one entry of a batch.
        reads: Names of the outputs that are wanted; None for all of them.
        head: The softmax or sigmoid that is left out, or None.
        values: What the model's variables are taken to be, each a tensor beside its variable; None for what they are.
    """

    def __init__(self, model: Any, keras: Any) -> None:
        self.model = model
        self.keras = keras
        self.lock = threading.RLock()
        self.parts = tuple(walk(model))
        self._whole = (Part(model.name, model, False), *self.parts)
        self.relus, self.unruled = find_relus(self._whole, keras)
        self.place = 0
        self.held: Mapping[int, Any] = {}
        self.reads: tuple[str, ...] | None = None
        self.head: Site | None = None
        self.values: list[tuple[Any, Any]] | None = None

    def learned(self) -> dict[str, Any]:
        """Return the variables that training changes, frozen ones too, by their layer's name and their own."""
        return {name: variable for name, _, variable in self._learned()}

    def filter_axes(self) -> dict[str, tuple[int, ...]]:
        """Return along which axes of each such variable its filters, or the rows of a matrix, are counted."""
        layers = self.keras.layers
        depthwise = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
        turned = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
        found: dict[str, tuple[int, ...]] = {}
        for name, operation, variable in self._learned():
            kernel = variable.name == "kernel"
            each = variable.name == "depthwise_kernel" or (kernel and isinstance(operation, depthwise))
            found[name] = (-2, -1) if each else (-2,) if kernel and isinstance(operation, turned) else (-1,)
        return found

    def _learned(self) -> Iterator[tuple[str, Any, Any]]:
        """Yield each variable that training changes, with its name and the operation that it belongs to."""
        known = set[str]()
        for part in (*self.parts, self._whole[0]):
            for variable in getattr(part.operation, "_trainable_variables", ()):
                name, count = f"{part.name}/{variable.name}", 1
                while name in known:
                    count += 1
                    name = f"{part.name}/{variable.name}:{count}"
                known.add(name)
                yield name, part.operation, variable

    def state(self) -> list[tuple[Any, Any]]:
        """Return every variable of the model beside its value."""
        return self.values or [(variable, variable.value) for variable in self.model.variables]

    def with_values(self, values: Mapping[int, Any]) -> Network:
        """Return a view of the same model whose variables have these values, by the identity of each."""
        made = copy.copy(self)
        convert = self.keras.ops.convert_to_tensor
        made.values = [(v, convert(np.array(values[id(v)]), dtype=v.dtype)) for v in self.model.variables]
        return made

    def scope(self) -> AbstractContextManager[Any]:
        """Return a context in which the model's variables have this network's own values, where it has any."""
        return nullcontext() if self.values is None else self.keras.StatelessScope(state_mapping=self.values)

    def run(
        self, x: Any, layers: Sequence[str] = (), tap: Tap | None = None, rule: ReluRule = ReluRule.STANDARD
    ) -> dict[str, Any]:
        """Run forward and return the outputs by name, float32 tensors of the backend.

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
                patch(self.head, lambda old: identity)
            if tap is not None:
                self._tap(patch, layers, tap)
            answer = self.named(self._answer(x))
        wanted = answer if self.reads is None else {name: answer[name] for name in self.reads}
        return {name: self.keras.ops.cast(value, "float32") for name, value in wanted.items()}

    def trace(self, x: Any) -> tuple[dict[str, Any], Trace]:
        """Run forward and return the model's own outputs by name, and what ran."""
        trace = Trace()
        results: list[tuple[Site, Any]] = []

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
                    result = old(*args, **kwargs)
                    if site.head is None:
                        trace.relus += 1
                    else:
                        results.append((site, result))
                    return result

                return function

            return wrap

        with patched() as patch:
            for site in (*find_heads(self._whole, self.keras), *self.relus):
                patch(site, noticed(site))
            for part in self.parts:
                if part.listed:
                    patch(Site(part.operation, _call_name(part.operation)), recorded(part))
            answer = self.named(self._answer(x))
        trace.heads = [site for site, _ in results]
        trace.ends = {name: site for name, value in answer.items() for site, result in results if result is value}
        return {name: self.keras.ops.cast(value, "float32") for name, value in answer.items()}, trace

    @property
    def own_code(self) -> tuple[str, ...]:
        """Names of the classes that are not of Keras: what functions their code calls cannot be seen."""
        kinds = (type(part.operation) for part in self._whole)
        known = ("keras", "picasso")
        return tuple(dict.fromkeys(kind.__name__ for kind in kinds if kind.__module__.split(".")[0] not in known))

    @property
    def low_precision(self) -> bool:
        """Whether any part of the model calculates with 16 bits."""
        return any("16" in str(getattr(part.operation, "compute_dtype", "")) for part in self.parts)

    def named(self, answer: Any) -> dict[str, Any]:
        """Return every tensor of real numbers that the model returned, by name: its key, its layer's, its place."""
        names = getattr(self.model, "output_names", None)
        if isinstance(answer, list | tuple) and not hasattr(answer, "_asdict") and len(names or ()) == len(answer) > 1:
            answer = dict(zip(names, answer, strict=True)) if len(set(names)) == len(names) else answer  # type: ignore[arg-type]
        return self._flat(answer, "")

    def _flat(self, answer: Any, prefix: str) -> dict[str, Any]:
        if self.keras.ops.is_tensor(answer):
            real = "float" in self.keras.backend.standardize_dtype(answer.dtype) and len(answer.shape) > 0
            return {prefix or ONLY: answer} if real else {}
        if hasattr(answer, "_asdict"):
            answer = answer._asdict()
        listed = enumerate(answer) if isinstance(answer, list | tuple) else ()
        found: dict[str, Any] = {}
        for key, part in answer.items() if isinstance(answer, dict) else listed:
            found |= self._flat(part, f"{prefix}.{key}" if prefix else str(key))
        return found

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
        """Give the inputs in the structure in which the model takes them."""
        try:
            structure = self.model.input
        except (AttributeError, ValueError):
            # A subclassed model has no declared input; older versions raise ValueError.
            return x
        count = len(self.model.inputs)
        inputs = [x if place == self.place else self._repeated(self.held[place], x) for place in range(count)]
        return self.keras.tree.pack_sequence_as(structure, inputs)

    def _repeated(self, value: Any, x: Any) -> Any:
        """Give a held input once for each picture."""
        ops = self.keras.ops
        return ops.broadcast_to(ops.convert_to_tensor(value)[None], (ops.shape(x)[0], *np.shape(value)))


def call_name(base: str, count: int) -> str:
    """Return the name of a layer's count-th call."""
    return base if count == 1 else f"{base}:{count}"


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
