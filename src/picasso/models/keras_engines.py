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
        self.compiles = True

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

    def forget(self) -> None:  # noqa: B027 - an eager engine has nothing to forget
        """Drop what was compiled: the network runs otherwise from now on."""

    def _first_compiled(self, compiled: Callable[[], Any], plain: Callable[[], Any]) -> Any:
        """Run compiled; where the model cannot be compiled, run it as it is from then on."""
        if not self.compiles:
            return plain()
        try:
            return compiled()
        except Exception:
            result = plain()
            self.compiles = False
            return result


class TensorFlowEngine(Engine):
    """Compiled forward passes; gradients by tape."""

    def __init__(self, network: Network, device: str | None, spec: tuple[int | None, ...]) -> None:
        super().__init__(network, device, spec)
        self._predict: Any = None

    def forget(self) -> None:
        self._predict = None

    def trace(self, x: Array) -> tuple[Array, Trace]:
        import tensorflow as tf

        with self.ready():
            answer, trace = self.network.trace(tf.constant(x))
            return _array(answer), trace

    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        import tensorflow as tf

        with self.ready():
            tensor = tf.constant(x)
            if not layers:
                if self._predict is None:
                    signature = [tf.TensorSpec((None, *self.spec), tf.float32)]
                    self._predict = tf.function(self.network.run, input_signature=signature, autograph=False)
                scores = self._first_compiled(lambda: self._predict(tensor), lambda: self.network.run(tensor))
                return Passes(_array(scores), {}, {})
            values: dict[str, Any] = {}
            scores = self.network.run(tensor, layers, _keeping(values))
            return Passes(_array(scores), {name: _array(value) for name, value in values.items()}, {})

    def pullback(self, x: Array, weights: Array, wrt: tuple[str, ...], rule: ReluRule) -> Passes:
        import tensorflow as tf

        with self.ready():
            tensor = tf.constant(x)
            values: dict[str, Any] = {INPUT: tensor} if INPUT in wrt else {}
            with tf.GradientTape(persistent=len(weights) > 1, watch_accessed_variables=False) as tape:
                tape.watch(list(values.values()))

                def tap(name: str, value: Any) -> Any:
                    value = tf.identity(value)
                    tape.watch(value)
                    values[name] = value
                    return value

                scores = self.network.run(tensor, wrt, tap, rule)
            sources = [values[name] for name in wrt]
            rows = []
            for row in weights:
                seed = tf.broadcast_to(tf.constant(row), tf.shape(scores))
                rows.append(tape.gradient(scores, sources, seed, unconnected_gradients="zero"))
            gradients = {name: np.stack([_array(row[i]) for row in rows]) for i, name in enumerate(wrt)}
            return Passes(_array(scores), {name: _array(values[name]) for name in wrt}, gradients)


class TorchEngine(Engine):
    """Eager passes; gradients by autograd, all targets at once where the operations permit."""

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
    """Passes compiled for each batch size, layer and rule; all targets in one backward."""

    def __init__(self, network: Network, device: str | None, spec: tuple[int | None, ...]) -> None:
        super().__init__(network, device, spec)
        self._compiled: dict[tuple[Any, ...], Any] = {}

    def forget(self) -> None:
        self._compiled.clear()

    def trace(self, x: Array) -> tuple[Array, Trace]:
        import jax

        found: list[Trace] = []

        def run(state: Any, x: Any) -> Any:
            with self._scope(state):
                answer, trace = self.network.trace(x)
            found.append(trace)
            return answer

        with self.ready():
            answer = self._first_compiled(lambda: jax.jit(run)(self._state(), x), lambda: run(self._state(), x))
            return _array(answer), found[-1]

    def forward(self, x: Array, layers: tuple[str, ...] = ()) -> Passes:
        def run(state: Any, x: Any) -> Any:
            values: dict[str, Any] = {}
            with self._scope(state):
                scores = self.network.run(x, layers, _keeping(values) if layers else None)
            return scores, values

        with self.ready():
            scores, values = self._call((layers,), run, self._state(), x)
            return Passes(_array(scores), {name: _array(value) for name, value in values.items()}, {})

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
            scores, values, found = self._call((wrt, rule), run, self._state(), jnp.asarray(x), jnp.asarray(weights))
            return Passes(
                _array(scores),
                {name: _array(values[name]) for name in wrt},
                {name: _array(found[name]) for name in wrt},
            )

    def _call(self, key: tuple[Any, ...], run: Callable[..., Any], *args: Any) -> Any:
        import jax

        compiled = self._compiled.setdefault(key, jax.jit(run))
        return self._first_compiled(lambda: compiled(*args), lambda: run(*args))

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


def _keeping(values: dict[str, Any]) -> Callable[[str, Any], Any]:
    def tap(name: str, value: Any) -> Any:
        values[name] = value
        return value

    return tap


def _array(value: Any) -> Array:
    return np.array(value, dtype=np.float32)


def _host(value: Any) -> Array:
    array: Array = value.detach().float().cpu().numpy()
    return array
