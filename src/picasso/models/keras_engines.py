"""Forward and backward passes of a Keras model on TensorFlow, JAX and PyTorch, from NumPy arrays to NumPy arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from picasso.core.model import INPUT, ReluRule
from picasso.core.preprocessing import Array
from picasso.models.keras_network import Network, Trace

COMPILED_AT_MOST = 32
"""Compiled passes that are kept: a page that asks for layer after layer must not fill the memory."""


@dataclass(frozen=True)
class Passes:
    """What one pass gave.

    Args:
        scores: (n, columns).
        values: The values at each place asked for, in the model's own layout.
        gradients: The gradients there, (targets, n, ...).
    """

    scores: Array
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
    def trace(self, x: Array) -> tuple[Array, Trace]:
        """Run forward once as the model is; return its answer and what ran."""

    @abstractmethod
    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        """Run forward and return the scores and the outputs of layers."""

    @abstractmethod
    def pullback(self, x: Array, weights: Array, wrt: tuple[str, ...], rule: ReluRule) -> Passes:
        """Run forward, and backward to the places asked for.

        Args:
            x: (n, ...) in the model's own layout.
            weights: (targets, columns), by which each target sums the scores.
            wrt: Names of layers, or `INPUT`.
            rule: How gradients pass ReLUs.
        """

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

    def trace(self, x: Array) -> tuple[Array, Trace]:
        import tensorflow as tf

        with self.ready():
            answer, trace = self.network.trace(tf.constant(x))
            return _array(answer), trace

    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        import tensorflow as tf

        def run(x: Any) -> Any:
            values: dict[str, Any] = {}
            scores = self.network.run(x, layers, _keeping(values) if layers else None)
            return scores, values

        with self.ready():
            scores, values = self._call((layers,), run, tf.constant(x))
            return Passes(_array(scores), _arrays(values), {})

    def pullback(self, x: Array, weights: Array, wrt: tuple[str, ...], rule: ReluRule) -> Passes:
        import tensorflow as tf

        # One backward for each target in one graph: measured faster than tiled pictures and than a vectorized map.
        def run(x: Any, weights: Any) -> Any:
            values: dict[str, Any] = {INPUT: x} if INPUT in wrt else {}
            with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
                tape.watch(list(values.values()))

                def tap(name: str, value: Any) -> Any:
                    # A copy, so that a layer that returns its own input has a place of its own.
                    values[name] = tf.identity(value)
                    tape.watch(values[name])
                    return values[name]

                scores = self.network.run(x, wrt, tap, rule)
            sources = [values[name] for name in wrt]
            seeds = [tf.broadcast_to(weights[i], tf.shape(scores)) for i in range(weights.shape[0])]
            zero = tf.UnconnectedGradients.ZERO
            rows = [tape.gradient(scores, sources, seed, unconnected_gradients=zero) for seed in seeds]
            # Behind a gather a gradient comes as slices; as a tensor all are alike.
            found = [[tf.convert_to_tensor(gradient) for gradient in row] for row in rows]
            return scores, values, {name: tf.stack([row[i] for row in found]) for i, name in enumerate(wrt)}

        with self.ready():
            key = (wrt, rule, len(weights))
            scores, values, gradients = self._call(key, run, tf.constant(x), tf.constant(weights))
            return Passes(_array(scores), _arrays(values), _arrays(gradients))

    def _call(self, key: tuple[Any, ...], run: Callable[..., Any], *args: Any) -> Any:
        import tensorflow as tf

        def make() -> Any:
            signature = [tf.TensorSpec((None, *self.spec), tf.float32), *(tf.TensorSpec(a.shape) for a in args[1:])]
            # The concrete function: TensorFlow warns of retracing where it sees function after function.
            return tf.function(run, input_signature=signature, autograph=False).get_concrete_function()

        return self._run_compiled(key, make, run, *args)


class TorchEngine(Engine):
    """Eager passes; gradients by autograd, one backward for each target (batched ones measured no faster)."""

    def trace(self, x: Array) -> tuple[Array, Trace]:
        import torch

        with self.ready(), torch.no_grad():
            answer, trace = self.network.trace(self._tensor(x))
            return _host(answer), trace

    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        import torch

        values: dict[str, Any] = {}
        with self.ready(), torch.no_grad():
            scores = self.network.run(self._tensor(x), layers, _keeping(values) if layers else None)
            return Passes(_host(scores), {name: _host(value) for name, value in values.items()}, {})

    def pullback(self, x: Array, weights: Array, wrt: tuple[str, ...], rule: ReluRule) -> Passes:
        import torch

        network = self.network
        with self.ready(), torch.enable_grad():
            # Detached parameters: nothing is recorded before the first place that is asked for.
            mapping = [(variable, variable.value.detach()) for variable in network.model.variables]
            tensor = self._tensor(x)
            values: dict[str, Any] = {}
            if INPUT in wrt:
                values[INPUT] = tensor.requires_grad_()

            def tap(name: str, value: Any) -> Any:
                value = value.view_as(value) if value.requires_grad else value.detach().requires_grad_()
                values[name] = value
                return value

            with network.keras.StatelessScope(state_mapping=mapping):
                scores = network.run(tensor, wrt, tap, rule)
            sources = [values[name] for name in wrt]
            rows = torch.from_numpy(weights).to(scores.device)
            seeds = rows[:, None, :].expand(len(weights), *scores.shape)
            found = self._gradients(scores, sources, seeds)
        gradients = {name: _host(found[i]) for i, name in enumerate(wrt)}
        return Passes(_host(scores), {name: _host(values[name]) for name in wrt}, gradients)

    @staticmethod
    def _gradients(scores: Any, sources: list[Any], seeds: Any) -> list[Any]:
        import torch

        if not scores.requires_grad:
            return [torch.zeros((len(seeds), *source.shape)) for source in sources]
        rows = [
            torch.autograd.grad(scores, sources, seed, retain_graph=i + 1 < len(seeds), materialize_grads=True)
            for i, seed in enumerate(seeds)
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

    def trace(self, x: Array) -> tuple[Array, Trace]:

        found: list[Trace] = []

        def run(state: Any, x: Any) -> Any:
            with self._scope(state):
                answer, trace = self.network.trace(x)
            found.append(trace)
            return answer

        with self.ready():
            self.forget()
            answer = self._call(("trace",), run, self._state(), x)
            return _array(answer), found[-1]

    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        def run(state: Any, x: Any) -> Any:
            values: dict[str, Any] = {}
            with self._scope(state):
                scores = self.network.run(x, layers, _keeping(values) if layers else None)
            return scores, values

        with self.ready():
            scores, values = self._call((layers,), run, self._state(), self._filled(x))
            return _cut(Passes(_array(scores), _arrays(values), {}), len(x))

    def pullback(self, x: Array, weights: Array, wrt: tuple[str, ...], rule: ReluRule) -> Passes:
        import jax
        import jax.numpy as jnp

        inner = tuple(name for name in wrt if name != INPUT)

        def run(state: Any, x: Any, weights: Any) -> Any:
            def scored(free: dict[str, Any]) -> Any:
                values: dict[str, Any] = {INPUT: free[INPUT]} if INPUT in free else {}

                def tap(name: str, value: Any) -> Any:
                    values[name] = value if name not in free else value + free[name]
                    return values[name]

                with self._scope(state):
                    scores = self.network.run(free.get(INPUT, x), inner, tap, rule)
                return scores, values

            kinds = jax.eval_shape(lambda: scored({})[1])
            free = {name: jnp.zeros(kinds[name].shape, kinds[name].dtype) for name in inner}
            if INPUT in wrt:
                free[INPUT] = x
            scores, back, values = jax.vjp(scored, free, has_aux=True)
            seeds = jnp.broadcast_to(weights[:, None, :], (len(weights), *scores.shape)).astype(scores.dtype)
            return scores, values, jax.vmap(lambda seed: back(seed)[0])(seeds)

        with self.ready():
            full = jnp.asarray(self._filled(x))
            scores, values, found = self._call((wrt, rule), run, self._state(), full, jnp.asarray(weights))
            return _cut(Passes(_array(scores), _arrays(values), _arrays(found)), len(x))

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
        return [variable.value for variable in self.network.model.variables]

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
        passes.scores[:count],
        {name: value[:count] for name, value in passes.values.items()},
        {name: gradient[:, :count] for name, gradient in passes.gradients.items()},
    )


def _keeping(values: dict[str, Any]) -> Callable[[str, Any], Any]:
    def tap(name: str, value: Any) -> Any:
        values[name] = value
        return value

    return tap


def _array(value: Any) -> Array:
    return np.array(value, dtype=np.float32)


def _arrays(values: dict[str, Any]) -> dict[str, Array]:
    return {name: _array(value) for name, value in values.items()}


def _host(value: Any) -> Array:
    array: Array = value.detach().float().cpu().numpy()
    return array
