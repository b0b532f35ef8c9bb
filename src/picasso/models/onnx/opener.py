"""ONNX files, run and differentiated on PyTorch, checked against ONNX Runtime."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from picasso.core.errors import MissingExtraError, NotSupportedError
from picasso.core.facts import INPUT, Capability, Facts, Layer, Observed, Pullback, Rules
from picasso.core.graph import Graph, GraphError
from picasso.core.guessing import unknown_layer
from picasso.core.hooks import Head, ModelFile
from picasso.core.model import Model
from picasso.core.opening import Options
from picasso.core.preprocessing import Array, Preprocessing
from picasso.core.targets import LAYER, Target, layer_read, seeds
from picasso.models import opened
from picasso.models.accelerated import AcceleratedModel
from picasso.models.onnx.inputs import ImageInput, find_image_input, held_inputs
from picasso.models.onnx.layers import Place
from picasso.models.onnx.reading import OnnxFile, first_line, looks_like_onnx, read_onnx, readable
from picasso.models.readout import Readout, find_readout

if TYPE_CHECKING:
    from picasso.models.onnx.network import Network

_OTHERS = (".pb", ".py", ".h5", ".hdf5", ".keras")
"""Endings of files that begin like an ONNX file at times, and are others'."""


def claims(source: object) -> bool:
    """Say whether this adapter opens the source: a file that is ONNX by its name or its content, or a ModelProto."""
    if not isinstance(source, str):
        return type(source).__name__ == "ModelProto" and type(source).__module__.startswith("onnx")
    path = Path(source)
    try:
        return path.suffix.lower() == ".onnx" or (
            path.suffix.lower() not in _OTHERS and path.is_file() and looks_like_onnx(path)
        )
    except OSError:  # no name of a file, or not to be read
        return False


def open_model(source: Any, hooks: ModelFile, options: Options) -> Model:
    """Open an ONNX graph.

    Args:
        source: A path, or an onnx.ModelProto.
        hooks: The user's choices.
        options: Device, batch size, name, and which input and output are meant.

    Raises:
        MissingExtraError: onnx, onnxruntime or PyTorch is not installed.
        ModelFileError: It is no ONNX graph, or damaged, or takes no pictures.
        UnsafeModelError: It needs a library of operators, or files that do not lie beside it.
    """
    for package in ("onnx", "onnxruntime", "torch"):
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(f"{package} is not installed.", "Run pip install 'picasso[onnx]'.")
    from picasso.models.onnx.network import Network, before_head, chosen_device

    name = Path(source).name if isinstance(source, str) else "The ModelProto"
    declared = opened.declared_shape(hooks)
    with readable(name):
        file = read_onnx(source, name)
        image = find_image_input(file.proto, file.weights, options.input, declared)
        if image.axes != "flat" and opened.takes_channels(hooks, image.sides[2]):
            declared = opened.declared_shape(hooks)
        if image.whole_numbers:
            _read_bytes(hooks)
        held, notes = held_inputs(file.proto, image, options.hold)
        ends = {value.name: before_head(file.proto, value.name) for value in file.proto.graph.output}
        names = dict.fromkeys((*ends, *(value for value, _ in ends.values())))
        network = Network(file, image, held, tuple(names), chosen_device(options.device))
    known = declared or (image.sides if None not in image.sides else None)
    if known is None:
        shape = network.tried_shape()
        notes.append(f"The input's size was found by trying: {shape[0]} x {shape[1]}, {opened.counted(shape[2])}.")
    else:
        shape = image.check(known, declared is not None)  # type: ignore[arg-type]
    if hooks.preprocessing is None and type(hooks).preprocess is ModelFile.preprocess:
        hooks.preprocessing, note = _assumed(image, shape)
        notes.append(note)
    x, answers, batch = network.ask(shape)
    if batch is not None and image.batch is None:
        notes.append("The network takes one picture at a time, though the file leaves their number open.")
    raw, inner, values = _outputs_of(answers, ends)
    readout = find_readout(raw, shape, hooks, options.output, inner, channels_first=image.axes != "nhwc")
    read = {name: values[name] for name in readout.names}
    differentiable, said = _compared(network, x, {value: answers[value] for value in read.values()}, batch)
    facts = Facts(
        input_shape=shape,
        columns=readout.columns,
        head=readout.head,
        units=readout.units,
        origin=_digest(file, image, held, readout),
        size=file.size,
        notes=(*notes, readout.note, *said),
        fixed_batch=batch,
        task=readout.task,
    )
    model = OnnxModel(network, readout, read, differentiable, facts, hooks, options)
    model.files = tuple(path.absolute() for path in file.beside)
    return model


class OnnxModel(AcceleratedModel):
    """An ONNX graph: gradients on PyTorch, predictions on the faster of PyTorch and ONNX Runtime."""

    framework: ClassVar[str] = "ONNX"
    pulls_layers: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("onnx", "onnxruntime", "torch")

    def __init__(
        self,
        network: Network,
        readout: Readout,
        read: Mapping[str, str],
        differentiable: bool,
        facts: Facts,
        hooks: ModelFile,
        options: Options,
    ) -> None:
        forward_only = frozenset({Capability.PREDICT, Capability.ACTIVATIONS})
        self.capabilities = frozenset(Capability) - {Capability.PARAMETERS} if differentiable else forward_only
        super().__init__(facts, hooks, options.name, options.batch_size, readout=readout)
        self._network = network
        self._read = dict(read)
        self._differentiable = differentiable
        self._found: dict[str, tuple[Layer, Place]] | None = None

    def _layers(self) -> tuple[Layer, ...]:
        return tuple(layer for layer, _ in self._by_name().values())

    def _outputs(self, x: Array) -> dict[str, Array]:
        if self._on_device:
            import torch

            with torch.no_grad():
                values = self._network.run(self._tensor(x), list(self._read.values()))
            return self._readout.read({name: _array(values[value]) for name, value in self._read.items()})
        from picasso.models.onnx.network import as_floats

        answers = as_floats(self._network.forward(x))
        return self._readout.read({name: answers[value] for name, value in self._read.items()})

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        places = self._places(layers)
        values = self._values(x, [place.value for place in places.values()])
        return {name: place.channels_last(values[place.value]) for name, place in places.items()}

    def _observed(self, x: Array, layers: Sequence[str]) -> Observed:
        places = self._places(layers)
        values = self._values(
            x, list(dict.fromkeys([*(place.value for place in places.values()), *self._read.values()]))
        )
        return Observed(
            self._readout.read({name: values[value] for name, value in self._read.items()}),
            {name: place.channels_last(values[place.value]) for name, place in places.items()},
        )

    def _values(self, x: Array, wanted: Sequence[str]) -> dict[str, Array]:
        """Return values of the graph by name, on PyTorch where it runs there."""
        if self._differentiable:
            import torch

            with torch.no_grad():
                tensors = self._network.run(self._tensor(x), wanted)
            return {name: _array(tensor) for name, tensor in tensors.items()}
        from picasso.models.onnx.network import as_floats

        return as_floats(self._network.values(x, wanted))

    def _replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        import torch

        if not self._differentiable:
            raise NotSupportedError(f"{self.name} lets no layer be replaced: {self.facts.notes[-1]}")
        place = self._places([layer])[layer]
        instead = {place.value: torch.from_numpy(place.as_in_graph(values))}
        with torch.no_grad():
            found = self._network.run(self._tensor(x), list(self._read.values()), instead=instead)
        return self._readout.read({name: _array(found[value]) for name, value in self._read.items()})

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        import torch

        from picasso.models.torch.gradients import pulled

        if not self._differentiable:
            raise NotSupportedError(f"{self.name} gives no gradients: {self.facts.notes[-1]}")
        read = layer_read(targets)
        places = self._places([name for name in wrt if name != INPUT])
        taps = [place.value for place in places.values()]
        ends = {LAYER: self._places([read])[read].value} if read else self._read
        places[INPUT] = Place("", None)
        start = self._tensor(x).requires_grad_(INPUT in wrt)
        ruled: list[Any] = []
        with torch.enable_grad():
            values = self._network.run(start, [*taps, *ends.values()], taps, rules.relu, ruled)
            answer = {name: values[value] for name, value in ends.items()}
            raw = {name: _array(value) for name, value in answer.items()}
            if read:
                place = self._places([read])[read]
                outputs = {LAYER: place.channels_last(raw[LAYER])}
                rows = seeds(targets, outputs)[LAYER]
                cotangents = {LAYER: np.stack([place.as_in_graph(row) for row in rows])}
            else:
                outputs = self._readout.read(raw)
                cotangents = self._readout.pull(raw, seeds(targets, outputs))
            tensors = [start if name == INPUT else values[places[name].value] for name in wrt]
            gradients = pulled(answer, cotangents, tensors)
        return Pullback(
            outputs=outputs,
            values={n: places[n].channels_last(_array(value)) for n, value in zip(wrt, tensors, strict=True)},
            gradients={
                n: np.stack([places[n].channels_last(one) for one in _array(gradient)])
                for n, gradient in zip(wrt, gradients, strict=True)
            },
            ruled=len(ruled),
        )

    def _read_graph(self) -> Graph:
        """Return the network as an op graph."""
        from picasso.models.onnx.op_graph import read_graph

        if not self._differentiable and not self._network.graph.problem:
            raise GraphError("PyTorch does not compute what ONNX Runtime does, so the op graph would not.")
        layers = {place.value: name for name, (_, place) in self._by_name().items()}
        return read_graph(self._network, self._read, self.input_shape, self.facts.fixed_batch, layers)

    @classmethod
    def is_out_of_memory(cls, error: Exception) -> bool:
        import torch

        said = ("can't allocate memory", "Failed to allocate memory", "bad_alloc", "bad allocation")
        return (
            super().is_out_of_memory(error)
            or isinstance(error, torch.OutOfMemoryError)
            or any(part in str(error) for part in said)
        )

    @property
    def _on_device(self) -> bool:
        """Whether PyTorch predicts: it has a faster device than ONNX Runtime."""
        return self._differentiable and self._network.device.type != "cpu"

    def _by_name(self) -> dict[str, tuple[Layer, Place]]:
        if self._found is None:
            with self.running():
                self._found = self._network.layers(self.input_shape, self.facts.fixed_batch, self._differentiable)
        return self._found

    def _places(self, layers: Sequence[str]) -> dict[str, Place]:
        """Return where layers lie, by name; and where the picture lies.

        Raises:
            NotFoundError: There is no such layer.
        """
        known = self._by_name()
        for name in layers:
            if name not in known:
                raise unknown_layer(name, known)
        return {name: known[name][1] for name in layers}

    def _tensor(self, x: Array) -> Any:
        import torch

        return torch.from_numpy(np.array(x)).to(self._network.device)


def _outputs_of(
    answers: Mapping[str, Array], ends: Mapping[str, tuple[str, Head | None]]
) -> tuple[dict[str, Array], Head | None, dict[str, str]]:
    """Return the network's outputs, with what goes into a softmax or sigmoid in the place of what comes out.

    Returns:
        The outputs by name, the head that was taken off, and the name of the value that each output is.
    """
    raw, values = {}, {}
    found: Head | None = None
    for output, (value, head) in ends.items():
        if output not in answers:
            continue
        # Lists of boxes keep their own: what their scores are is judged from the numbers.
        listed = answers[output].ndim == 3 and answers[output].shape[1] > 1 < answers[output].shape[2]
        taken = head is not None and value in answers and not listed
        values[output] = value if taken else output
        raw[output] = answers[values[output]]
        found = head if taken else found
    return raw, found, values


def _compared(
    network: Network, x: Array, answers: Mapping[str, Array], batch: int | None
) -> tuple[bool, tuple[str, ...]]:
    """Say whether PyTorch may differentiate the network, and how that was found."""
    problem, said = network.graph.problem, ""
    if not problem:
        try:
            said = network.check(x, answers, batch)
        except Exception as error:
            problem = f"PyTorch does not give the same: {first_line(error)}"
    if problem:
        return False, (f"No gradients, since {problem}; predictions and layers come from ONNX Runtime.",)
    where = "PyTorch, on its device" if network.device.type != "cpu" else "ONNX Runtime, gradients and layers PyTorch"
    return True, (said, f"Predictions run on {where}.")


def _read_bytes(hooks: ModelFile) -> None:
    """Let the user's preprocessing, where it says nothing of scales, make the 0..255 that a network of bytes reads."""
    said = hooks.preprocessing.model_fields_set if hooks.preprocessing else {"scale"}
    if hooks.preprocessing and not said & {"scale", "mean", "std"}:
        hooks.preprocessing = Preprocessing.model_validate(
            hooks.preprocessing.model_dump(exclude_unset=True) | {"scale": 1.0}
        )


def _assumed(image: ImageInput, shape: tuple[int, int, int]) -> tuple[Preprocessing, str]:
    """Return the preprocessing that is assumed; a network that reads bytes gets bytes."""
    found, note = opened.assumed_preprocessing(shape[:2], shape[2])
    if not image.whole_numbers:
        return found, note
    return found.model_copy(update={"scale": 1.0}), note.replace("scaled to 0..1", "0..255, since it reads bytes")


def _digest(file: OnnxFile, image: ImageInput, held: Mapping[str, tuple[Any, bool]], readout: Readout) -> str:
    """Digest everything that decides what the network answers: the files, and what is fed and read."""
    digest = hashlib.sha256(f"{file.digest}\0{image.name}\0{readout.names}".encode())
    for name, (value, _) in sorted(held.items()):
        digest.update(name.encode() + value.tobytes())
    return digest.hexdigest()


def _array(tensor: Any) -> Array:
    array: Array = np.ascontiguousarray(tensor.detach().float().cpu().numpy())
    return array
