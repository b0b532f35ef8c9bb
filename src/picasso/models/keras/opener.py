"""Keras 3 models, from a file or live, on whichever backend Keras runs on: TensorFlow, JAX or PyTorch."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from picasso.core.errors import ModelFailedError, ModelOutputError, NotSupportedError, PicassoError
from picasso.core.facts import INPUT, Capability, Facts, Layer, Observed, Pullback, ReluRule, Rules
from picasso.core.graph import Graph
from picasso.core.guessing import unknown_layer
from picasso.core.hooks import Head, ModelFile
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.preprocessing import Array, Preprocessing
from picasso.core.targets import LAYER, Target, layer_read, seeds
from picasso.core.trust import file_digest
from picasso.models import opened
from picasso.models.accelerated import AcceleratedModel
from picasso.models.keras import facts as finding
from picasso.models.keras import files, training
from picasso.models.keras.engines import Engine, is_out_of_memory, make_engine
from picasso.models.keras.facts import Entrance, Listed
from picasso.models.keras.loading import quiet
from picasso.models.keras.network import Network, Trace
from picasso.models.keras.op_graph import read_graph
from picasso.models.keras.opening import open_source, read_values
from picasso.models.readout import BoxesReadout, Raw, Readout, ScoresReadout, find_readout
from picasso.models.tensorflow.quiet import silent

KERAS_REASON = re.compile(r"\x1b\[1m\s*(\S.*?)\x1b\[0m", re.DOTALL)
"""How Keras marks the reason within the text of an error in a layer."""


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: a Keras file by its ending or content, or a live Keras model."""
    if isinstance(source, str):
        return source.endswith(files.SUFFIXES) or files.is_archive(Path(source)) or _named_json(source)
    return any(
        base.__name__ == "Model" and base.__module__.split(".")[0] in ("keras", "tf_keras")
        for base in type(source).__mro__
    )


def _named_json(source: str) -> bool:
    return source.lower().endswith(".json") and files.is_architecture(Path(source))


def open_model(source: Any, hooks: ModelFile, options: Options) -> Model:
    """Open a Keras file or a live keras.Model.

    Args:
        source: Path of a .keras, HDF5 or JSON file, or the model.
        hooks: The user's own choices; an assumed preprocessing is filled in here.
        options: Name, device and batch size; input, output and what other inputs get; the weights or the factory for
            half a model; trust.

    Raises:
        MissingExtraError: Keras or its backend is not installed.
        ModelFileError: The file is damaged, or no network that reads pictures.
        ModelOutputError: The network returns nothing that can be explained.
        UnsafeModelError: Opening it would run code that comes with it.
        ConfigurationError: There is no such device, input or output.
    """
    found = open_source(source, options)
    keras, model = found.keras, found.model
    network = Network(model, keras)
    entrance = finding.find_entrance(model, network.parts, hooks, options, keras)
    network.place, network.held = entrance.place, entrance.held
    engine = make_engine(network, found.device, entrance.spec)
    notes = [f"Keras {keras.__version__} runs on {keras.backend.backend()}.", *found.notes, *entrance.notes]

    x = opened.probe(entrance.whole)
    x = np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if entrance.channels_first else x
    entrance, raw, trace = _look(engine, entrance, x)
    clips = entrance.frames is not None
    layers = finding.list_layers(trace.ran, entrance.batch or len(x), entrance.channels_first, clips)
    if hooks.preprocessing is None and type(hooks).preprocess is ModelFile.preprocess:
        known = training.teachable(network.parts, entrance.shape)
        notes.append(_assume(hooks, entrance, finding.scales_itself(trace.ran), known))
    readout = _find_readout(engine, entrance, x, raw, trace, hooks, options.output)
    told = training.head_of(model, found.files) if _guessed(readout, network, hooks) else None
    if told is not None:
        hooks.head = told[0]
        readout = find_readout(raw, entrance.shape, hooks, options.output, None, entrance.channels_first)
    said = readout.note if told is None else f"The head is {told[0]}: so says the loss of its training, {told[1]}."
    notes.append(said)
    if network.unruled:
        names = ", ".join(network.unruled[:5])
        notes.append(f"These ReLUs with a slope or a threshold always pass gradients by the standard rule: {names}.")
    if network.own_code:
        names = ", ".join(network.own_code[:5])
        notes.append(f"ReLUs that the code of {names} calls as functions pass gradients by the standard rule.")
    facts = Facts(
        input_shape=entrance.shape,
        columns=readout.columns,
        head=readout.head,
        units=readout.units,
        origin=found.origin or _digest(model),
        size=int(model.count_params()),
        notes=tuple(notes),
        fixed_batch=entrance.batch,
        task=readout.task,
        frames=entrance.frames,
    )
    live = found.live and not options.owned
    made = KerasModel(engine, entrance, readout, layers, trace.relus, live, facts, hooks, options)
    made.files = tuple(file.absolute() for file in found.files)
    return made


class KerasModel(AcceleratedModel):
    """A Keras model. A live one is left exactly as it was found after every call."""

    framework: ClassVar[str] = "Keras"
    pulls_layers: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("keras",)
    capabilities = frozenset(Capability)

    def __init__(
        self,
        engine: Engine,
        entrance: Entrance,
        readout: Readout,
        layers: dict[str, Listed],
        relus: int,
        live: bool,
        facts: Facts,
        hooks: ModelFile,
        options: Options,
    ) -> None:
        super().__init__(facts, hooks, options.name, options.batch_size, readout=readout)
        self._engine = engine
        self._entrance = entrance
        self._listed = layers
        self._relus = relus
        self._live = live

    def origin(self) -> str:
        return _digest(self._engine.network.model) if self._live else self.facts.origin

    def _layers(self) -> tuple[Layer, ...]:
        return tuple(listed.layer for listed in self._listed.values())

    def _outputs(self, x: Array) -> dict[str, Array]:
        return self._readout.read(self._engine.forward(self._inside(x)).outputs)

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        return dict(self._observed(x, layers).values)

    def _observed(self, x: Array, layers: Sequence[str]) -> Observed:
        self._check(layers)
        passes = self._engine.forward(self._inside(x), tuple(name for name in layers if name != INPUT))
        values = {name: x if name == INPUT else self._outside(name, passes.values[name]) for name in layers}
        return Observed(self._readout.read(passes.outputs), values)

    def _replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        if layer not in self._listed:
            raise unknown_layer(layer, self._listed)
        first = self._listed[layer].channels_first
        given = np.ascontiguousarray(np.moveaxis(values, -1, -3)) if first else values
        return self._readout.read(self._engine.replaced(self._inside(x), layer, given))

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        self._check(wrt)
        if INPUT in wrt and not self._entrance.floating:
            raise NotSupportedError(
                "This model reads whole numbers: no gradient reaches its input.", "Ask for the gradient at a layer."
            )

        read = layer_read(targets)
        self._check([read] if read else [])

        def outputs(raw: dict[str, Array]) -> dict[str, Array]:
            return {LAYER: self._outside(read, raw[LAYER])} if read else self._readout.read(raw)

        def pull(raw: dict[str, Array]) -> dict[str, Array]:
            slopes = seeds(targets, outputs(raw))
            if not read:
                return self._readout.pull(raw, slopes)
            first = self._listed[read].channels_first
            return {LAYER: np.moveaxis(slopes[LAYER], -1, -3) if first else slopes[LAYER]}

        passes = self._engine.pullback(self._inside(x), pull, len(targets), tuple(wrt), rules.relu, read)
        return Pullback(
            outputs=outputs(passes.outputs),
            values={name: self._outside(name, passes.values[name]) for name in wrt},
            gradients={name: self._outside(name, passes.gradients[name]) for name in wrt},
            ruled=0 if rules.relu is ReluRule.STANDARD else self._relus,
        )

    def _backward_batch(self) -> int | None:
        kept = self._engine.backward_bytes()
        if kept is None:
            return None
        widest = max((math.prod(listed.layer.shape) for listed in self._listed.values()), default=1)
        return max(1, kept // (4 * widest))

    def parameters(self) -> dict[str, Array]:
        network, found = self._engine.network, dict[str, Array]()
        state = {id(variable): value for variable, value in network.state()}
        for name, variable in network.learned().items():
            found[name] = np.array(finding.host(state[id(variable)]), np.float32)
            found[name].flags.writeable = False
        return found

    def filter_axes(self) -> dict[str, tuple[int, ...]]:
        return self._engine.network.filter_axes()

    def _with_parameters(self, parameters: Mapping[str, Array]) -> Self:
        network = self._engine.network
        values = {id(variable): finding.host(value) for variable, value in network.state()}
        learned = network.learned()
        values |= {id(learned[name]): value for name, value in parameters.items()}
        made = self._copied(parameters)
        with self._engine.ready():
            made._engine = self._engine.of(network.with_values(values))
        made._live = False
        return made

    def _at_checkpoint(self, path: Path) -> Self:
        network = self._engine.network
        with self._engine.ready():
            values = read_values(path, network.model, network.keras)
            made = self._copied({}, file_digest(path))
            made._engine = self._engine.of(network.with_values(values))
        made._live = False
        return made

    def _read_graph(self) -> Graph:
        """Return the network as an op graph.

        Raises:
            GraphError: It holds something that the graph has no word for.
        """
        with self._engine.ready(), self._engine.network.scope():
            return read_graph(self._engine.network, self._entrance)

    @classmethod
    @contextmanager
    def running(cls, what: str = "The model") -> Iterator[None]:
        with super().running(what):
            try:
                yield
            except PicassoError:
                raise
            except Exception as error:
                reason = KERAS_REASON.search(str(error))
                if reason is None or cls.is_out_of_memory(error):
                    raise
                # Keras puts where it happened first, and what happened behind it in bold.
                first = reason[1].strip().splitlines()[0]
                hint = "Run it outside Picasso to see the whole traceback."
                raise ModelFailedError(f"{what} raised {type(error).__name__}: {first}", hint) from error

    @classmethod
    def is_out_of_memory(cls, error: Exception) -> bool:
        return super().is_out_of_memory(error) or is_out_of_memory(error)

    def close(self) -> None:
        self._engine.forget()

    def _inside(self, x: Array) -> Array:
        """Give pictures in the model's own order of axes."""
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if self._entrance.channels_first else x
        # A compiled graph would take any size.
        if any(side is not None and side != got for side, got in zip(self._entrance.spec, x.shape[1:], strict=True)):
            wanted, given = finding.size_text(self._entrance.spec), finding.size_text(x.shape[1:])
            raise ModelOutputError(f"The model reads pictures of {wanted}. Got {given}.", "Check preprocess().")
        return x

    def _outside(self, name: str, array: Array) -> Array:
        first = self._entrance.channels_first if name == INPUT else self._listed[name].channels_first
        return finding.turn(array, first)

    def _check(self, names: Sequence[str]) -> None:
        for name in names:
            if name != INPUT and name not in self._listed:
                raise unknown_layer(name, self._listed)


def _look(engine: Engine, entrance: Entrance, x: Array) -> tuple[Entrance, dict[str, Array], Trace]:
    """Run the probe as the model is; find out whether its batch size is really fixed."""
    # TensorFlow warns of functions that its own convolutions in groups make anew for each call.
    with KerasModel.running(), silent():
        try:
            return replace(entrance, batch=None), *engine.trace(x)
        except Exception:
            if entrance.batch is None:
                raise
        answers = [engine.trace(np.repeat(picture[None], entrance.batch, axis=0)) for picture in x]
        return entrance, _first_rows([answer for answer, _ in answers]), answers[-1][1]


def _first_rows(answers: Sequence[Raw]) -> dict[str, Array]:
    """Join the first pictures of several answers."""
    return {name: np.concatenate([answer[name][:1] for answer in answers]) for name in answers[0]}


def _guessed(readout: Readout, network: Network, hooks: ModelFile) -> bool:
    """Say whether the head of a classifier was neither found nor declared."""
    return (
        isinstance(readout, ScoresReadout) and network.head is None and readout.units == "logit" and hooks.head is None
    )


def _assume(hooks: ModelFile, entrance: Entrance, scales: bool, known: Preprocessing | None) -> str:
    """Fill in the preprocessing that is assumed, and say so."""
    if known is not None:
        hooks.preprocessing = known
        return "Preprocessing was not declared; assumed: that of Teachable Machine, whose layers these are."
    height, width, channels = entrance.shape
    preprocessing, note = opened.assumed_preprocessing(height if height == width else (height, width), channels)
    if scales:
        preprocessing = preprocessing.model_copy(update={"scale": 1.0})
        note = note.replace("scaled to 0..1", "left at 0..255, since the model begins by scaling them itself")
    hooks.preprocessing = preprocessing
    return note


def _find_readout(
    engine: Engine, entrance: Entrance, x: Array, raw: Raw, trace: Trace, hooks: ModelFile, output: str
) -> Readout:
    """Find out what the outputs mean; take the final softmax or sigmoid out of the way where there is one."""
    network = engine.network

    def find(answer: Raw, inside: Head | None) -> Readout:
        return find_readout(answer, entrance.shape, hooks, output, inside, entrance.channels_first)

    readout = find(raw, None)
    network.reads = readout.names
    chosen, name = Head(hooks.head) if hooks.head else None, readout.names[0]
    site = trace.ends.get(name) or (trace.heads[-1] if trace.heads else None)
    # The scores of boxes stay probabilities: without their sigmoid they would look like the logits of a softmax.
    if site is None or site.head is None or chosen not in (None, site.head) or isinstance(readout, BoxesReadout):
        return readout
    network.head = site
    with KerasModel.running():
        if entrance.batch is None:
            before = engine.forward(x).outputs
        else:
            batches = [np.repeat(one[None], entrance.batch, axis=0) for one in x]
            before = _first_rows([engine.forward(batch).outputs for batch in batches])
    rows, answer = (finding.class_rows(found[name], readout) for found in (before, raw))
    if finding.head_fits(site.head, rows, answer, network.low_precision):
        return find({**raw, **before}, site.head)
    network.head = None
    engine.forget()
    return readout


def _digest(model: Any) -> str:
    """Digest a model as it is now: its architecture and its weights."""
    try:
        with quiet():
            config = json.dumps(model.get_config(), sort_keys=True, default=lambda thing: type(thing).__qualname__)
    except Exception:  # a subclassed model need not have a configuration
        config = type(model).__qualname__
    # Keras marks shared objects by their place in memory.
    digest = hashlib.sha256(re.sub(r'"shared_object_id": \d+', "", config).encode())
    for variable in model.weights:
        value = np.ascontiguousarray(finding.host(variable.value))
        digest.update(f"{variable.path} {value.dtype} {value.shape}".encode())
        digest.update(value.view(np.uint8).data)
    return digest.hexdigest()
