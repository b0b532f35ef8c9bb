"""An ONNX graph that is fed pictures: forward on ONNX Runtime, and forward and backward on PyTorch.

Imports PyTorch, so it is imported itself only where a graph is opened.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from picasso.core.errors import ConfigurationError, ModelOutputError
from picasso.core.facts import Layer, ReluRule
from picasso.core.hooks import Head
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.models import opened
from picasso.models.onnx.graph import Graph, dynamic_values
from picasso.models.onnx.inputs import ImageInput
from picasso.models.onnx.layers import Place, find_layers
from picasso.models.onnx.reading import OnnxFile, first_line
from picasso.models.onnx.runtime import Runtime

Held = Mapping[str, tuple[NDArray[Any], bool]]
_HEADS = {"Softmax": Head.SOFTMAX, "LogSoftmax": Head.SOFTMAX, "Sigmoid": Head.SIGMOID}
_AFTER_HEADS = ("Identity", "Cast", "Dropout", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
_AT_ONCE = 2**21
"""Numbers of the probe that are run at once; large pictures are run one by one."""
TOLERANCE = 1e-3
"""How far PyTorch may be from ONNX Runtime, as a part of the largest number of an output."""
HALF_TOLERANCE = 2e-2
"""The same for graphs in half precision, of which each rounds in its own places."""


class Network:
    """A graph with its image input chosen.

    Args:
        file: The graph.
        image: The input that reads the picture.
        held: What the other inputs get.
        names: Names of the values that `forward` may be asked for.
        device: Where PyTorch runs.

    Attributes:
        graph: The same on PyTorch.
    """

    def __init__(self, file: OnnxFile, image: ImageInput, held: Held, names: Sequence[str], device: Any) -> None:
        self.file, self.image, self.held, self.device = file, image, held, device
        self.graph = Graph(file, device)  # before the runtime: it refuses constants that are absurdly large
        self._runtime = Runtime(file, names)
        self._open: Runtime | None = None

    def forward(self, x: Array) -> dict[str, NDArray[Any]]:
        """Return the values by name from float32 (n, h, w, c), on ONNX Runtime."""
        return self._runtime(self._feeds(x))

    def run(
        self,
        x: Any,
        wanted: Sequence[str],
        taps: Sequence[str] = (),
        rule: ReluRule = ReluRule.STANDARD,
        ruled: list[Any] | None = None,
        shapes: dict[str, tuple[int, ...]] | None = None,
        instead: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return values by name from a tensor (n, h, w, c), on PyTorch; see `Graph.run`."""
        feeds = {self.image.name: self.image.arrange_tensor(x)}
        for name, (value, each) in self.held.items():
            whole = torch.from_numpy(repeated(value, each, len(x)).astype(_wide(value.dtype)))
            feeds[name] = whole.to(self.device) if whole.is_floating_point() else whole
        return self.graph.run(feeds, wanted, taps, rule, ruled, shapes, instead)

    def values(self, x: Array, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return any values of the graph by name from float32 (n, h, w, c), on ONNX Runtime."""
        if self._open is None:
            self._open = Runtime(self.file, sorted(dynamic_values(self.graph.steps, self.image.name)))
        answers = self._open(self._feeds(x))
        return {name: answers[name] for name in names or answers if name in answers}

    def layers(
        self, shape: tuple[int, int, int], batch: int | None, differentiable: bool
    ) -> dict[str, tuple[Layer, Place]]:
        """Run the network once and return its layers by name, in the order of execution."""
        count = batch or 2  # two, so that what has no row for each picture shows
        x = np.zeros((count, *shape), np.float32)
        dynamic = dynamic_values(self.graph.steps, self.image.name)
        shapes: dict[str, tuple[int, ...]] = {self.image.name: self.image.arrange(x).shape}
        if differentiable:
            with torch.no_grad():
                self.run(torch.from_numpy(x).to(self.device), (), shapes=shapes)
        else:
            shapes |= {name: value.shape for name, value in self.values(x, ()).items() if is_number(value)}
        shapes = {name: shape for name, shape in shapes.items() if name in dynamic}
        axis = {"nchw": 1, "nhwc": 3}.get(self.image.axes)
        return find_layers(self.graph.steps, self.image.name, axis, shapes, count, shape)

    def _feeds(self, x: Array) -> dict[str, NDArray[Any]]:
        held = {name: repeated(value, each, len(x)) for name, (value, each) in self.held.items()}
        return {self.image.name: self.image.arrange(x), **held}

    # --- what is found out when it is opened -----------------------------------------------------------------

    def tried_shape(self) -> tuple[int, int, int]:
        """Find a shape that the network takes, by trying the usual ones."""
        height, width, channels = self.image.sides
        problem = ""
        for count, side in [(c, s) for c in ((channels,) if channels else (3, 1)) for s in opened.PROBE_SIDES]:
            shape = self.image.check((height or side, width or side, count), declared=False)
            try:
                self.forward(np.zeros((self.image.batch or 1, *shape), np.float32))
            except Exception as error:
                problem = problem or first_line(error)
                continue
            return shape
        raise opened.no_size(problem)

    def ask(self, shape: tuple[int, int, int]) -> tuple[Array, dict[str, Array], int | None]:
        """Return the probe, the answers to it, and the only number of pictures that the network takes, or None."""
        x = opened.probe(shape)
        if self.image.whole_numbers:
            x = np.clip(np.round(128 + 40 * x), 0, 255).astype(np.float32)
        with Model.running():
            if self.image.batch is None and self._takes_any_batch(x[:2]):
                count = max(1, min(len(x), _AT_ONCE // math.prod(shape)))
                parts = [as_floats(self.forward(x[start : start + count])) for start in range(0, len(x), count)]
                return x, {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, None
            batch = self.image.batch or 1
            parts = [as_floats(self.forward(np.repeat(one[None], batch, axis=0))) for one in x]
        return x, {name: np.concatenate([part[name][:1] for part in parts]) for name in parts[0]}, batch

    def _takes_any_batch(self, pair: Array) -> bool:
        """Say whether a picture gives the same beside another one: a batch of one may be written into the graph."""
        alone = as_floats(self.forward(pair[1:]))
        try:
            together = as_floats(self.forward(pair))
        except Exception:
            return False
        return all(
            together[name].shape == (2, *one.shape[1:]) and len(one) == 1 and _near(together[name][1:], one)
            for name, one in alone.items()
        )

    def check(self, x: Array, answers: Mapping[str, Array], batch: int | None) -> str:
        """Compare PyTorch's values with ONNX Runtime's and say how far apart they are.

        Raises:
            ModelOutputError: They are too far apart.
        """
        largest = 0.0
        half = any(weight.dtype == np.float16 for weight in self.file.weights.values())
        limit = HALF_TOLERANCE if half else TOLERANCE
        for row in range(2):
            tensor = torch.from_numpy(np.repeat(x[row : row + 1], batch or 1, axis=0)).to(self.device)
            with torch.no_grad():
                found = self.run(tensor, list(answers))
            for name, expected in answers.items():
                got, wanted = found[name][:1].float().cpu().numpy(), expected[row : row + 1]
                if got.shape != wanted.shape:
                    raise ModelOutputError(f"'{name}' has shape {got.shape} instead of {wanted.shape}")
                got, wanted = (part[np.isfinite(wanted)] for part in (got, wanted))
                miss = float(np.abs(got - wanted).max(initial=0)) / max(float(np.abs(wanted).max(initial=0)), 1e-6)
                if not miss <= limit:
                    raise ModelOutputError(f"'{name}' differs from ONNX Runtime's by {miss:.1%}")
                largest = max(largest, miss)
        return f"PyTorch agrees with ONNX Runtime to {largest:.0e} of the largest score on a probe."


def before_head(proto: Any, output: str) -> tuple[str, Head | None]:
    """Return the value that goes into the softmax or sigmoid that makes an output, and its kind; or the output."""
    makers = {name: node for node in proto.graph.node for name in node.output}
    name = output
    while name in makers and makers[name].op_type in _AFTER_HEADS:
        name = makers[name].input[0]
    node = makers.get(name)
    if node is None or node.op_type not in _HEADS:
        return output, None
    return node.input[0], _HEADS[node.op_type]


def chosen_device(wanted: str | None) -> Any:
    """Return the device asked for, or the fastest at hand.

    Raises:
        ConfigurationError: It cannot be used.
    """
    if wanted is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"The device '{wanted}' cannot be used: {first_line(error)}.", "Use cpu.") from None
    return device


def repeated(value: NDArray[Any], each: bool, count: int) -> NDArray[Any]:
    """Return what a held input gets for so many pictures; `each`: one value for each of them."""
    return np.repeat(value[None], count, axis=0) if each else value


def _wide(dtype: np.dtype[Any]) -> Any:
    return np.float32 if dtype == np.float16 else dtype


def as_floats(answers: Mapping[str, NDArray[Any]]) -> dict[str, Array]:
    """Return those answers that are numbers with a picture to each row, as float32."""
    with np.errstate(over="ignore"):  # double precision may hold more; infinite scores are refused elsewhere
        return {
            name: answer.astype(np.float32) for name, answer in answers.items() if is_number(answer) and answer.ndim
        }


def is_number(array: NDArray[Any]) -> bool:
    """Say whether an array holds floating-point numbers."""
    return array.dtype.kind == "f"


def _near(a: Array, b: Array) -> bool:
    size = float(np.nan_to_num(np.abs(b)).max(initial=0))
    return bool(np.allclose(a, b, rtol=0, atol=1e-3 * size + 1e-6, equal_nan=True))
