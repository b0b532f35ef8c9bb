"""TensorFlow graphs: SavedModels, checkpoints of TensorFlow 1 with their meta graphs, and frozen graphs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from picasso.core.errors import ModelFailedError, ModelFileError, ModelOutputError, NotSupportedError, PicassoError
from picasso.core.facts import INPUT, Capability, Facts, Layer, Observed, Pullback, Rules, Task
from picasso.core.graph import Graph
from picasso.core.guessing import unknown_layer
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.core.targets import LAYER, Target, layer_read, seeds
from picasso.models import opened
from picasso.models.accelerated import AcceleratedModel
from picasso.models.readout import Readout, find_readout
from picasso.models.tensorflow import files
from picasso.models.tensorflow.engine import ENTRANCE, Engine, as_array
from picasso.models.tensorflow.finding import Entrance, scales_itself
from picasso.models.tensorflow.layers import Listed, list_layers
from picasso.models.tensorflow.op_graph import read_graph
from picasso.models.tensorflow.preparing import Prepared, prepare
from picasso.models.tensorflow.quiet import import_tensorflow, reason, silent
from picasso.models.tensorflow.reading import Read, of_session, read

Shape = tuple[int, int, int]


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: a SavedModel, a meta graph with a checkpoint, or a frozen graph."""
    return isinstance(source, str) and files.find(source) is not None


def open_model(source: str, hooks: ModelFile, options: Options) -> Model:
    """Open a TensorFlow graph.

    Args:
        source: A SavedModel's folder; a meta graph (.meta), a checkpoint's name, or the folder with both; a frozen
            graph (.pb).
        hooks: The user's own choices; an assumed preprocessing is filled in here.
        options: Name, device, batch size; input, output, and what other inputs are held at.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        ModelFileError: A file is damaged, or there is no network that takes a picture.
        UnsafeModelError: The graph reads or writes files, or calls Python.
        ConfigurationError: There is no such input, output or device; or one of several must be chosen.
        ModelOutputError: The network returns nothing that can be explained.
    """
    place = files.find(source)
    assert place is not None, "claimed before"
    return open_place(place, hooks, options)


def open_place(place: files.Place, hooks: ModelFile, options: Options) -> Model:
    """Open a TensorFlow graph that was found."""
    import_tensorflow()
    model = _opened(read(place, options.trust), place.path, place.origin, hooks, options)
    model.files = tuple(file.absolute() for file in place.files)
    return model


def open_session(session: Any, given: str, answer: str, hooks: ModelFile, options: Options) -> Model:
    """Open the graph of a session of TensorFlow 1, with the values that its variables have there.

    Args:
        session: The session.
        given: Name of the tensor that takes the picture.
        answer: Name of the tensor of the answer.
        hooks: The user's own choices.
        options: As for a file.
    """
    found = of_session(session, given, answer)
    origin = hashlib.sha256(found.graph.SerializeToString(deterministic=True)).hexdigest()
    return _opened(found, Path("The session"), origin, hooks, options)


def _opened(found: Read, path: Path, origin: str, hooks: ModelFile, options: Options) -> Model:
    """Open a graph that was read from a path."""
    prepared = prepare(found, path, options)
    engine, shape = _engine(prepared, hooks, options)
    notes = list(prepared.notes)
    if hooks.preprocessing is None and type(hooks).preprocess is ModelFile.preprocess:
        notes.append(_assume(hooks, shape, prepared))
    batch, raw = _ask(engine, prepared, shape, bare=False)
    readout, bare = find_readout(raw, shape, hooks, channels_first=False), False
    head = engine.heads.get(readout.names[0])
    if head is not None and readout.task is not Task.DETECTION and hooks.head in (None, head):
        name = readout.names[0]
        _, inner = _ask(engine, prepared, shape, bare=True)
        readout, bare = find_readout({name: inner[name]}, shape, hooks, inside=head), True
    facts = Facts(
        input_shape=shape,
        columns=readout.columns,
        head=readout.head,
        units=readout.units,
        origin=origin,
        size=prepared.size,
        notes=(*notes, readout.note),
        fixed_batch=batch,
        task=readout.task,
    )
    listed = list_layers(engine, prepared, shape, batch)
    return TensorFlowModel(engine, readout, bare, listed, facts, hooks, options)


class TensorFlowModel(AcceleratedModel):
    """A TensorFlow graph in a session of its own."""

    framework: ClassVar[str] = "TensorFlow"
    pulls_layers: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("tensorflow",)
    capabilities = frozenset(Capability) - {Capability.PARAMETERS}

    def __init__(
        self,
        engine: Engine,
        readout: Readout,
        bare: bool,
        listed: dict[str, Listed],
        facts: Facts,
        hooks: ModelFile,
        options: Options,
    ) -> None:
        super().__init__(facts, hooks, options.name, options.batch_size, readout=readout)
        self._engine = engine
        self._ends = engine.outputs(readout.names, bare)
        self._listed = listed

    def _layers(self) -> tuple[Layer, ...]:
        return tuple(listed.layer for listed in self._listed.values())

    def _outputs(self, x: Array) -> dict[str, Array]:
        return self._readout.read(self._arrays(self._engine.run(self._ends, self._fitting(x))))

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        places = {name: self._place(name) for name in layers}
        values = self._engine.run(places, self._fitting(x))
        return {name: self._outside(name, values[name]) for name in layers}

    def _observed(self, x: Array, layers: Sequence[str]) -> Observed:
        places = {name: self._place(name) for name in layers}
        answer, values = self._engine.run((self._ends, places), self._fitting(x))
        shown = {name: self._outside(name, values[name]) for name in layers}
        return Observed(self._readout.read(self._arrays(answer)), shown)

    def _replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        if layer not in self._listed:
            raise unknown_layer(layer, self._listed)
        place = self._place(layer)
        given = np.moveaxis(values, -1, 1) if self._listed[layer].channels_first else values
        instead = {place: given.astype(place.dtype.as_numpy_dtype)}
        return self._readout.read(self._arrays(self._engine.run(self._ends, self._fitting(x), instead)))

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        places = {name: self._place(name) for name in wrt}
        if INPUT in wrt and not self._engine.floating:
            raise NotSupportedError(
                "This model reads whole numbers: no gradient reaches its input.", "Ask for the gradient at a layer."
            )
        read = layer_read(targets)
        begin = {LAYER: self._place(read)} if read else self._ends
        values, answer = self._engine.run((places, begin), self._fitting(x))
        raw = self._arrays(answer)
        if read:
            outputs = {LAYER: self._outside(read, raw[LAYER])}
            slopes = seeds(targets, outputs)[LAYER]
            cotangents = {LAYER: np.moveaxis(slopes, -1, 2) if self._listed[read].channels_first else slopes}
        else:
            outputs = self._readout.read(raw)
            cotangents = self._readout.pull(raw, seeds(targets, outputs))
        ends = [begin[name] for name in cotangents]
        given, found = self._engine.gradients(ends, list(places.values()), rules.relu)
        if found and all(one is None for one in found):
            raise NotSupportedError(
                "The score does not depend on what was asked for through gradients: the graph stops them.",
                "Choose another layer, or a visualization that needs no gradients.",
            )
        there = {name: one for name, one in zip(wrt, found, strict=True) if one is not None}
        rows = []
        for row in range(len(targets)):
            starts = {one: cotangents[name][row] for one, name in zip(given, cotangents, strict=True)}
            rows.append(self._engine.run(there, x, starts))
        return Pullback(
            outputs=outputs,
            values={name: self._outside(name, values[name]) for name in wrt},
            gradients={
                name: np.stack([self._outside(name, row.get(name, np.zeros_like(values[name]))) for row in rows])
                for name in wrt
            },
            ruled=self._engine.ruled,
        )

    @classmethod
    @contextmanager
    def running(cls, what: str = "The model") -> Iterator[None]:
        with super().running(what):
            try:
                yield
            except PicassoError:
                raise
            except Exception as error:
                if cls.is_out_of_memory(error) or not hasattr(error, "op"):
                    raise
                hint = "Run it outside Picasso to see the whole traceback."
                raise ModelFailedError(f"{what} raised {type(error).__name__}: {reason(error)}.", hint) from error

    @classmethod
    def is_out_of_memory(cls, error: Exception) -> bool:
        return super().is_out_of_memory(error) or type(error).__name__ == "ResourceExhaustedError"

    def _read_graph(self) -> Graph:
        """Return the network as an op graph.

        Raises:
            GraphError: It holds something for which the op graph has no word.
        """
        names = {listed.tensor: name for name, listed in self._listed.items()}
        return read_graph(self._engine, self._ends, names, self.facts.fixed_batch)

    def close(self) -> None:
        self._engine.close()

    def _fitting(self, x: Array) -> Array:
        if x.shape[1:] != self.input_shape:
            wanted, got = (" x ".join(map(str, shape)) for shape in (self.input_shape, x.shape[1:]))
            raise ModelOutputError(f"The model reads pictures of {wanted}. Got {got}.", "Check preprocess().")
        return x

    def _place(self, name: str) -> Any:
        if name == INPUT:
            return self._engine.x
        if name not in self._listed:
            raise unknown_layer(name, self._listed)
        return self._engine.tensor(self._listed[name].tensor)

    def _outside(self, name: str, value: Any) -> Array:
        first = name != INPUT and self._listed[name].channels_first
        return as_array(np.moveaxis(value, 1, -1) if first else value)

    @staticmethod
    def _arrays(values: dict[str, Any]) -> dict[str, Array]:
        return {name: as_array(value) for name, value in values.items()}


def _engine(prepared: Prepared, hooks: ModelFile, options: Options) -> tuple[Engine, Shape]:
    """Make the graph run, with pictures of the size that is declared or found; return the size, too."""
    entrance, declared = prepared.entrance, opened.declared_shape(hooks)
    if declared is not None:
        _check_declared(entrance, declared)
        return _made(prepared, declared, options), declared
    height, width, channels = entrance.size
    if height is not None and width is not None and channels is not None:
        shape = (height, width, channels)
        return _made(prepared, shape, options), shape
    problem = ""
    for many in (3, 1) if channels is None else (channels,):
        for side in opened.PROBE_SIDES:
            shape = (height or side, width or side, many)
            try:
                engine = _made(prepared, shape, options)
                _ask(engine, prepared, shape, bare=False)
            except PicassoError as error:
                problem = problem or error.message
                continue
            prepared.notes.append(f"The input's size was found by trying: {shape[0]} x {shape[1]}, {many} channels.")
            return engine, shape
    raise opened.no_size(problem)


def _check_declared(entrance: Entrance, declared: Shape) -> None:
    same = all(side is None or side == given for side, given in zip(entrance.size, declared, strict=True))
    length = np.prod([side or 0 for side in entrance.size])
    if not same and not (entrance.layout == "flat" and length == np.prod(declared)):
        wanted = " x ".join("any" if side is None else str(side) for side in entrance.size)
        given = " x ".join(map(str, declared))
        raise ModelOutputError(
            f"The model reads pictures of {wanted} (height, width, channels). Got {given}.",
            "Check the size and the color of the preprocessing.",
        )


def _made(prepared: Prepared, shape: Shape, options: Options) -> Engine:
    try:
        return Engine(prepared, shape, options.device)
    except (ValueError, KeyError, TypeError) as error:
        size = " x ".join(map(str, shape))
        raise ModelFileError(
            f"The graph cannot take pictures of {size}: {reason(error)}.", "Declare its size, or save it again."
        ) from error


def _ask(engine: Engine, prepared: Prepared, shape: Shape, bare: bool) -> tuple[int | None, dict[str, Array]]:
    """Run the probe; return the number of pictures that the graph insists on, if any, and its answer."""
    x, batch = opened.probe(shape), prepared.entrance.batch
    ends = engine.outputs(list(prepared.outputs), bare)
    # TensorFlow may drop a change of shape that it takes for needless, so that it runs now and fails later.
    written = batch is not None and any(end.shape.rank and end.shape[0] == batch for end in ends.values())
    with TensorFlowModel.running(), silent():
        if not written:
            try:
                answer = engine.run(ends, x)
                if batch is None or all(len(one) == len(x) for one in answer.values() if one.ndim):
                    return None, TensorFlowModel._arrays(answer)
            except Exception:
                if batch is None:
                    raise
        assert batch is not None
        answers = [engine.run(ends, np.repeat(one[None], batch, axis=0)) for one in x]
    return batch, {name: as_array(np.concatenate([one[name][:1] for one in answers])) for name in ends}


def _assume(hooks: ModelFile, shape: Shape, prepared: Prepared) -> str:
    """Fill in the preprocessing that is assumed, and say so."""
    height, width, channels = shape
    if channels not in (1, 3):
        raise ModelFileError(
            f"The model reads {channels} channels; a picture has 1 or 3.", "Override preprocess() in a model file."
        )
    preprocessing, note = opened.assumed_preprocessing(height if height == width else (height, width), channels)
    why = "reads whole numbers" if prepared.pixels else "begins by scaling them itself"
    if prepared.pixels or scales_itself(prepared.graph, ENTRANCE):
        preprocessing = preprocessing.model_copy(update={"scale": 1.0})
        note = note.replace("scaled to 0..1", f"left at 0..255, since the graph {why}")
    hooks.preprocessing = preprocessing
    return note
