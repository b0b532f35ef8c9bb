"""JAX networks: a function with its parameters, Flax modules (linen and nnx), and their checkpoints."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from picasso.core.errors import ConfigurationError, MissingExtraError, ModelOutputError
from picasso.core.facts import INPUT, Capability, Facts, Layer, Observed, Pullback, Rules
from picasso.core.graph import Graph
from picasso.core.guessing import unknown_layer
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.core.targets import Target, layer_read, seeds
from picasso.models import opened
from picasso.models.accelerated import AcceleratedModel
from picasso.models.jax.engine import Engine
from picasso.models.jax.files import is_checkpoint, read_network
from picasso.models.jax.networks import make_network
from picasso.models.readout import Readout, find_readout


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: (function, parameters), a Flax module, or a checkpoint of one."""
    if isinstance(source, str):
        return is_checkpoint(Path(source))
    if isinstance(source, tuple):
        return len(source) == 2 and callable(source[0]) and not isinstance(source[0], type)
    return _is_of("flax.", source)


def open_model(source: Any, hooks: ModelFile, options: Options) -> Model:
    """Open a JAX network.

    Args:
        source: (function, parameters), (linen module, variables), an nnx module, or the path of a checkpoint.
        hooks: The user's choices.
        options: Device, batch size, factory, name.

    Raises:
        MissingExtraError: JAX is not installed.
        ModelFileError: The checkpoint cannot be read, or does not fit.
    """
    if importlib.util.find_spec("jax") is None:
        raise MissingExtraError("JAX is not installed.", "Install it with: pip install 'picasso[jax]'")
    live = not isinstance(source, str)
    network = make_network(source) if live else read_network(Path(source), options.factory)
    engine = Engine(network, _device(options.device), live)
    notes: list[str] = []
    with Model.running():
        shape = opened.declared_shape(hooks)
        try:
            found = engine.fit(shape)
        except ModelOutputError:
            if not opened.takes_channels(hooks, 1):
                raise
            found = shape = engine.fit(opened.declared_shape(hooks))
        if shape is None:
            shape = found
            notes.append(f"The input's size was found by trying: {shape[0]} x {shape[1]}, {opened.counted(shape[2])}.")
    if engine.channels_first:
        notes.append("The network reads channels first.")
    if hooks.preprocessing is None and type(hooks).preprocess is ModelFile.preprocess:
        hooks.preprocessing, note = opened.assumed_preprocessing(shape[:2], shape[2])
        notes.append(note)
    with Model.running():
        raw, inner = engine.ask(opened.probe(shape))
        readout = find_readout(raw, shape, hooks, options.output, inner, engine.channels_first)
        engine.read = readout.names
        origin = engine.origin()
    facts = Facts(
        input_shape=shape,
        columns=readout.columns,
        head=readout.head,
        units=readout.units,
        origin=origin,
        size=sum(int(np.prod(p.shape)) for p in network.lasting()),
        notes=(*notes, readout.note),
        fixed_batch=engine.fixed_batch,
        task=readout.task,
    )
    return JaxModel(engine, readout, facts, hooks, options)


class JaxModel(AcceleratedModel):
    """A JAX network. A live one is never run itself: it is traced, with its parameters of the moment."""

    framework: ClassVar[str] = "JAX"
    pulls_layers: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("jax", "jaxlib", "flax")
    capabilities = frozenset(Capability) - {Capability.PARAMETERS}

    def __init__(self, engine: Engine, readout: Readout, facts: Facts, hooks: ModelFile, options: Options) -> None:
        super().__init__(facts, hooks, options.name, options.batch_size, readout=readout)
        self.engine = engine

    def origin(self) -> str:
        return self.engine.origin() if self.engine.live else self.facts.origin

    def _layers(self) -> tuple[Layer, ...]:
        with self.running():
            taps = self.engine.taps(self.input_shape)
        return tuple(Layer(tap.name, tap.kind, tap.last_shape) for tap in taps)

    def _outputs(self, x: Array) -> dict[str, Array]:
        return self._readout.read(self.engine.forward(x, ())[0])

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        return dict(self._observed(x, layers).values)

    def _observed(self, x: Array, layers: Sequence[str]) -> Observed:
        self._check_layers(layers)
        outputs, values = self.engine.forward(x, tuple(layers))
        return Observed(self._readout.read(outputs), values)

    def _replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        self._check_layers([layer])
        return self._readout.read(self.engine.replaced(x, layer, values))

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        self._check_layers([name for name in wrt if name != INPUT])
        read = layer_read(targets)
        self._check_layers([read] if read else [])
        raw, values, pull, ruled = self.engine.pullback(x, tuple(wrt), rules.relu, read)
        outputs = raw if read else self._readout.read(raw)
        slopes = seeds(targets, outputs)
        gradients = pull(slopes if read else self._readout.pull(raw, slopes))
        return Pullback(outputs, values, gradients, ruled)

    def _read_graph(self) -> Graph:
        """Return the network as an op graph.

        Raises:
            GraphError: It holds something that the graph has no word for.
        """
        from picasso.models.jax.op_graph import read_graph

        with self.running():
            program, outputs, parameters = self.engine.program(self.input_shape)
            taps = self.engine.taps(self.input_shape)
            return read_graph(program, outputs, parameters, taps, self.engine.channels_first)

    def _check_layers(self, layers: Sequence[str]) -> None:
        known = [layer.name for layer in self.layers()]
        for name in layers:
            if name not in known:
                raise unknown_layer(name, known)

    @classmethod
    def is_out_of_memory(cls, error: Exception) -> bool:
        return super().is_out_of_memory(error) or "RESOURCE_EXHAUSTED" in str(error)


def _device(wanted: str | None) -> Any:
    """Return JAX's device for "cpu", "cuda", "cuda:1", "tpu"; None for its own choice."""
    import jax

    if wanted is None:
        return None
    platform, _, number = wanted.partition(":")
    try:
        return jax.devices({"cuda": "gpu"}.get(platform, platform))[int(number or 0)]
    except (RuntimeError, IndexError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigurationError(f"The device '{wanted}' cannot be used: {reason}.", "Use cpu.") from None


def _is_of(package: str, source: object) -> bool:
    return any(base.__module__.startswith(package) for base in type(source).__mro__)
