"""Forward and backward passes of a Keras model on TensorFlow, JAX and PyTorch, from NumPy arrays to NumPy arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np

from picasso.core.facts import INPUT, ReluRule
from picasso.core.preprocessing import Array
from picasso.core.targets import LAYER
from picasso.models.keras.network import Network, Trace

COMPILED_AT_MOST = 32
"""Compiled passes that are kept: a page that asks for layer after layer must not fill the memory."""
_KEPT_BYTES = 2**24
"""Bytes of the largest map, of all pictures together, up to which TensorFlow's backward is fast on a processor."""


Pull = Callable[[dict[str, Array]], dict[str, Array]]
"""Gives the derivatives (targets, n, ...) by outputs of the network, with which backward starts, from the outputs."""


@dataclass(frozen=True)
class Passes:
    """What one pass gave.

    Args:
        outputs: The outputs of the network by name, (n, ...), in its own layout.
        values: The values at each place asked for, in the model's own layout.
        gradients: The gradients there, (targets, n, ...).
    """

    outputs: dict[str, Array]
    values: dict[str, Array]
    gradients: dict[str, Array]


class Engine(ABC):
    """Runs a network on one backend.

    Args:
        network: The network.
        device: Name of the device as Keras has it, or None for the backend's own choice.
        spec: Shape of the input, (height, width, channels) in the model's own order, None where free.
    """

    def __init__(self, network: Network, device: str | None, spec: tuple[int | None, ...]) -> None:
        self.network = network
        self.device = device
        self.spec = spec
        self._compiles = True
        self._compiled: dict[tuple[Any, ...], Any] = {}

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Hold the network for this thread, on its device."""
        with self.network.lock:
            if self.device is None:
                yield
            else:
                with self.network.keras.device(self.device):
                    yield

    @abstractmethod
    def trace(self, x: Array) -> tuple[dict[str, Array], Trace]:
        """Run forward once as the model is; return its outputs by name and what ran."""

    @abstractmethod
    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        """Run forward and return the outputs, and those of layers."""

    @abstractmethod
    def replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        """Return the outputs when a layer returns other values, (n, ...) in the model's own layout."""

    def _with_replaced(self, x: Any, layer: str, values: Any) -> dict[str, Any]:
        ops = self.network.keras.ops
        return self.network.run(x, (layer,), lambda _, value: ops.cast(values, value.dtype))

    @abstractmethod
    def pullback(
        self, x: Array, pull: Pull, count: int, wrt: tuple[str, ...], rule: ReluRule, read: str = ""
    ) -> Passes:
        """Run forward once, and backward to the places asked for.

        Args:
            x: (n, ...) in the model's own layout.
            pull: See `Pull`.
            count: The number of targets.
            wrt: Names of layers, or `INPUT`.
            rule: How gradients pass ReLUs.
            read: The layer at which backward begins: its values are the one output then, `LAYER`; "" for the outputs.
        """

    def backward_bytes(self) -> int | None:
        """Return how many bytes the largest map of all pictures of a backward pass should have at most, or None."""
        return None

    def of(self, network: Network) -> Self:
        """Return an engine of the same kind for another view of the network."""
        return type(self)(network, self.device, self.spec)

    def forget(self) -> None:
        """Drop what was compiled: the network runs otherwise from now on."""
        self._compiled.clear()

    def _run_compiled(self, key: tuple[Any, ...], make: Callable[[], Any], run: Callable[..., Any], *args: Any) -> Any:
        """Run compiled; where the model cannot be compiled, run it as it is from then on."""
        if not self._compiles:
            return run(*args)
        try:
            if key not in self._compiled:
                if len(self._compiled) >= COMPILED_AT_MOST:
                    self.forget()
                self._compiled[key] = make()
            return self._compiled[key](*args)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            result = run(*args)
        self._compiles = False
        return result


class TensorFlowEngine(Engine):
    """Passes compiled once for each layer, rule and number of targets, for batches of any size."""

    _asked: Pull
    _trouble: Exception | None = None

    def backward_bytes(self) -> int | None:
        import tensorflow as tf

        there = self.device.partition(":")[0] if self.device else ""
        on_host = there == "cpu" or (not there and not tf.config.list_logical_devices("GPU"))
        return _KEPT_BYTES if on_host else None

    def trace(self, x: Array) -> tuple[dict[str, Array], Trace]:
        import tensorflow as tf

        with self.ready():
            answer, trace = self.network.trace(tf.constant(x))
            return _arrays(answer), trace

    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        import tensorflow as tf

        def run(x: Any) -> Any:
            values: dict[str, Any] = {}
            with self.network.scope():
                return self.network.run(x, layers, _keeping(values) if layers else None), values

        with self.ready():
            outputs, values = self._call((layers,), run, tf.constant(x))
            return Passes(_arrays(outputs), _arrays(values), {})

    def replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        import tensorflow as tf

        def run(x: Any, values: Any) -> Any:
            return self._with_replaced(x, layer, values)

        with self.ready():
            return _arrays(self._call(("replaced", layer), run, tf.constant(x), tf.constant(values)))

    def pullback(
        self, x: Array, pull: Pull, count: int, wrt: tuple[str, ...], rule: ReluRule, read: str = ""
    ) -> Passes:
        import tensorflow as tf

        # One backward for each target in one graph: measured faster than tiled pictures and than a vectorized map.
        def run(x: Any) -> Any:
            values: dict[str, Any] = {INPUT: x} if INPUT in wrt else {}
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                tape.watch(list(values.values()))

                def tap(name: str, value: Any) -> Any:
                    # A copy, so that a layer that returns its own input has a place of its own.
                    values[name] = tf.identity(value)
                    tape.watch(values[name])
                    return values[name]

                with self.network.scope():
                    outputs = self.network.run(x, _tapped(wrt, read), tap, rule)
                outputs = {LAYER: values[read]} if read else outputs
            sources, ends = [values[name] for name in wrt], list(outputs.values())
            # The graph stops for Python here, so that forward runs once whatever the targets are.
            ask = partial(self._ask, tuple(outputs), count)
            seeds = tf.numpy_function(ask, ends, [tf.float32] * len(ends))
            for seed, end in zip(seeds, ends, strict=True):
                seed.set_shape((count, *end.shape))
            zero = tf.UnconnectedGradients.ZERO
            rows = [
                tape.gradient(ends, sources, [seed[i] for seed in seeds], unconnected_gradients=zero)
                for i in range(count)
            ]
            # Behind a gather a gradient comes as slices; as a tensor all are alike.
            found = [[tf.convert_to_tensor(gradient) for gradient in row] for row in rows]
            return outputs, values, {name: tf.stack([row[i] for row in found]) for i, name in enumerate(wrt)}

        with self.ready():
            self._asked, self._trouble = pull, None
            outputs, values, gradients = self._call((wrt, rule, count, read), run, tf.constant(x))
            if self._trouble is not None:
                raise self._trouble
            return Passes(_arrays(outputs), _arrays(values), _arrays(gradients))

    def _ask(self, names: tuple[str, ...], count: int, *outputs: Array) -> list[Array]:
        """Return the derivatives by all outputs; what is raised is kept, since TensorFlow would change it."""
        raw = dict(zip(names, outputs, strict=True))
        try:
            return list(_complete(self._asked(raw), raw, count).values())
        except Exception as error:
            self._trouble = error
            return [np.zeros((count, *value.shape), np.float32) for value in outputs]

    def _call(self, key: tuple[Any, ...], run: Callable[..., Any], x: Any, *more: Any) -> Any:
        import tensorflow as tf

        def make() -> Any:
            signature = [tf.TensorSpec((None, *self.spec), tf.float32)]
            signature += [tf.TensorSpec((None, *one.shape[1:]), tf.float32) for one in more]
            # The concrete function: TensorFlow warns of retracing where it sees function after function.
            return tf.function(run, input_signature=signature, autograph=False).get_concrete_function()

        return self._run_compiled(key, make, run, x, *more)


class TorchEngine(Engine):
    """Eager passes; gradients by autograd, one backward for each target (batched ones measured no faster)."""

    def trace(self, x: Array) -> tuple[dict[str, Array], Trace]:
        import torch

        with self.ready(), torch.no_grad():
            answer, trace = self.network.trace(self._tensor(x))
            return _hosts(answer), trace

    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        import torch

        values: dict[str, Any] = {}
        with self.ready(), torch.no_grad(), self.network.scope():
            outputs = self.network.run(self._tensor(x), layers, _keeping(values) if layers else None)
            return Passes(_hosts(outputs), _hosts(values), {})

    def replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        import torch

        with self.ready(), torch.no_grad():
            return _hosts(self._with_replaced(self._tensor(x), layer, self._tensor(values)))

    def pullback(
        self, x: Array, pull: Pull, count: int, wrt: tuple[str, ...], rule: ReluRule, read: str = ""
    ) -> Passes:
        import torch

        network = self.network
        with self.ready(), torch.enable_grad():
            # Detached parameters: nothing is recorded before the first place that is asked for.
            mapping = [(variable, value.detach()) for variable, value in network.state()]
            tensor = self._tensor(x)
            values: dict[str, Any] = {}
            if INPUT in wrt:
                values[INPUT] = tensor.requires_grad_()

            def tap(name: str, value: Any) -> Any:
                value = value.view_as(value) if value.requires_grad else value.detach().requires_grad_()
                values[name] = value
                return value

            with network.keras.StatelessScope(state_mapping=mapping):
                outputs = network.run(tensor, _tapped(wrt, read), tap, rule)
            outputs = {LAYER: values[read]} if read else outputs
            raw = _hosts(outputs)
            found = self._gradients(outputs, [values[name] for name in wrt], _complete(pull(raw), raw, count), count)
        gradients = {name: _host(found[i]) for i, name in enumerate(wrt)}
        return Passes(raw, {name: _host(values[name]) for name in wrt}, gradients)

    @staticmethod
    def _gradients(outputs: dict[str, Any], sources: list[Any], seeds: dict[str, Array], count: int) -> list[Any]:
        import torch

        names = [name for name, end in outputs.items() if end.requires_grad]
        if not names:
            return [torch.zeros((count, *source.shape)) for source in sources]
        ends = [outputs[name] for name in names]
        given = [torch.from_numpy(seeds[name]).to(end.device) for name, end in zip(names, ends, strict=True)]
        rows = [
            torch.autograd.grad(
                ends, sources, [one[i] for one in given], retain_graph=i + 1 < count, materialize_grads=True
            )
            for i in range(count)
        ]
        return [torch.stack([row[i] for row in rows]) for i in range(len(sources))]

    def _tensor(self, x: Array) -> Any:
        return self.network.keras.ops.convert_to_tensor(x.copy())


class JaxEngine(Engine):
    """Passes compiled for each batch size, layer and rule; all targets in one backward.

    Small batches are filled up to a power of two, so that few sizes are ever compiled.
    """

    def __init__(self, network: Network, device: str | None, spec: tuple[int | None, ...]) -> None:
        super().__init__(network, device, spec)
        self._largest = 1

    def trace(self, x: Array) -> tuple[dict[str, Array], Trace]:
        found: list[Trace] = []

        def run(state: Any, x: Any) -> Any:
            with self._scope(state):
                answer, trace = self.network.trace(x)
            found.append(trace)
            return answer

        with self.ready():
            self.forget()
            answer = self._call(("trace",), run, self._state(), x)
            return _arrays(answer), found[-1]

    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        def run(state: Any, x: Any) -> Any:
            values: dict[str, Any] = {}
            with self._scope(state):
                outputs = self.network.run(x, layers, _keeping(values) if layers else None)
            return outputs, values

        with self.ready():
            outputs, values = self._call((layers,), run, self._state(), self._filled(x))
            return _cut(Passes(_arrays(outputs), _arrays(values), {}), len(x))

    def replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        def run(state: Any, x: Any, values: Any) -> Any:
            with self._scope(state):
                return self._with_replaced(x, layer, values)

        with self.ready():
            found = self._call(("replaced", layer), run, self._state(), self._filled(x), self._filled(values))
            return {name: value[: len(x)] for name, value in _arrays(found).items()}

    def pullback(
        self, x: Array, pull: Pull, count: int, wrt: tuple[str, ...], rule: ReluRule, read: str = ""
    ) -> Passes:
        import jax
        import jax.numpy as jnp

        inner = tuple(name for name in wrt if name != INPUT)

        def run(state: Any, x: Any) -> Any:
            def answered(free: dict[str, Any]) -> Any:
                values: dict[str, Any] = {INPUT: free[INPUT]} if INPUT in free else {}

                def tap(name: str, value: Any) -> Any:
                    values[name] = value if name not in free else value + free[name]
                    return values[name]

                with self._scope(state):
                    outputs = self.network.run(free.get(INPUT, x), _tapped(inner, read), tap, rule)
                return {LAYER: values[read]} if read else outputs, values

            kinds = jax.eval_shape(lambda: answered({})[1])
            free = {name: jnp.zeros(kinds[name].shape, kinds[name].dtype) for name in inner}
            if INPUT in wrt:
                free[INPUT] = x
            outputs, back, values = jax.vjp(answered, free, has_aux=True)
            return outputs, values, back

        def backward(back: Any, seeds: Any) -> Any:
            return jax.vmap(lambda seed: back(seed)[0])(seeds)

        # Forward and backward are compiled apart: what backward starts with is calculated between them.
        with self.ready():
            outputs, values, back = self._call((wrt, rule, read), run, self._state(), jnp.asarray(self._filled(x)))
            raw = _arrays(outputs)
            found = self._call((wrt, rule, read, "back"), backward, back, _complete(pull(raw), raw, count))
            return _cut(Passes(raw, _arrays(values), _arrays(found)), len(x))

    def _call(self, key: tuple[Any, ...], run: Callable[..., Any], *args: Any) -> Any:
        import jax

        return self._run_compiled(key, lambda: jax.jit(run), run, *args)

    def _filled(self, x: Array) -> Array:
        if not self._compiles:
            return x
        self._largest = max(self._largest, len(x))
        size = min(self._largest, 1 << (len(x) - 1).bit_length())
        return x if size == len(x) else np.concatenate([x, np.repeat(x[-1:], size - len(x), axis=0)])

    def _state(self) -> list[Any]:
        return [value for _, value in self.network.state()]

    @contextmanager
    def _scope(self, state: Sequence[Any]) -> Iterator[None]:
        with self.network.keras.StatelessScope(
            state_mapping=list(zip(self.network.model.variables, state, strict=True))
        ):
            yield


def make_engine(network: Network, device: str | None, spec: tuple[int | None, ...]) -> Engine:
    """Return the engine of the backend on which Keras runs."""
    engines: dict[str, type[Engine]] = {"tensorflow": TensorFlowEngine, "torch": TorchEngine, "jax": JaxEngine}
    return engines[network.keras.backend.backend()](network, device, spec)


def is_out_of_memory(error: Exception) -> bool:
    """Say whether a backend's error means that the device's memory did not suffice."""
    name, text = type(error).__name__, str(error)
    return (
        name in ("ResourceExhaustedError", "OutOfMemoryError", "MemoryError")
        or "RESOURCE_EXHAUSTED" in text
        or "can't allocate memory" in text
    )


def _cut(passes: Passes, count: int) -> Passes:
    """Drop the pictures with which a batch was filled up."""
    return Passes(
        {name: value[:count] for name, value in passes.outputs.items()},
        {name: value[:count] for name, value in passes.values.items()},
        {name: gradient[:, :count] for name, gradient in passes.gradients.items()},
    )


def _tapped(wrt: tuple[str, ...], read: str) -> tuple[str, ...]:
    """Return the places that are noted: those asked for, and the layer at which backward begins."""
    return (*wrt, read) if read and read not in wrt else wrt


def _keeping(values: dict[str, Any]) -> Callable[[str, Any], Any]:
    def tap(name: str, value: Any) -> Any:
        values[name] = value
        return value

    return tap


def _complete(seeds: dict[str, Array], outputs: dict[str, Array], count: int) -> dict[str, Array]:
    """Return derivatives by every output, zeros where none is given."""
    empty = {name: np.zeros((count, *value.shape), np.float32) for name, value in outputs.items()}
    return empty | {name: np.ascontiguousarray(seed, np.float32) for name, seed in seeds.items()}


def _array(value: Any) -> Array:
    return np.array(value, dtype=np.float32)


def _arrays(values: dict[str, Any]) -> dict[str, Array]:
    return {name: _array(value) for name, value in values.items()}


def _host(value: Any) -> Array:
    array: Array = value.detach().float().cpu().numpy()
    return array


def _hosts(values: dict[str, Any]) -> dict[str, Array]:
    return {name: _host(value) for name, value in values.items()}
