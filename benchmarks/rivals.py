"""What Picasso is compared with. Each rival runs some of the windows, once, with one size of batch.

A rival's time for a window depends neither on the window's size nor on how many follow, so that what it takes for all
of them is counted up from some.
"""

from __future__ import annotations

import copy
import importlib.util
import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Array

Boxes = NDArray[np.int64]
CLEARLY = 1.05
"""By what factor a size of batch must be slower than the best for larger ones not to be tried."""
AS_MADE, CHANNELS_LAST = "loop, NCHW", "loop, channels-last"
SIXTEEN = "loop of 16, NCHW"
WARM_UP = 1.0
"""Seconds; what takes less is run a second time, since what comes first would count."""


@dataclass
class Scene:
    """What is occluded.

    Args:
        x: The picture, (1, height, width, channels); windows become 0.
        boxes: All windows, (m, 4).
        window: Side of a window.
    """

    x: Array
    boxes: Boxes
    window: int

    @property
    def side(self) -> int:
        return self.x.shape[1]

    def moved(self, by: int) -> Scene:
        """Return another picture of the same content: what was kept of the last one is of no use for it."""
        return Scene(np.roll(self.x, 8 * by, axis=2), self.boxes, self.window)

    def some(self, count: int) -> NDArray[np.int64]:
        """Return the numbers of some windows, spread over all."""
        return np.unique(np.linspace(0, len(self.boxes) - 1, min(count, len(self.boxes))).astype(np.int64))

    def occluded(self, windows: NDArray[np.int64]) -> Array:
        """Return a picture for each window."""
        made = np.repeat(self.x, len(windows), axis=0)
        for one, (top, left, height, width) in zip(made, self.boxes[windows], strict=True):
            one[top : top + height, left : left + width] = 0
        return made


@dataclass
class Answer:
    """What one run of a rival gave.

    Args:
        forwards: Whole pictures that it ran.
        boxes: Its windows, (n, 4), as far as they can be compared.
        probabilities: Of these windows: all classes (n, classes), or of the target alone (n,).
    """

    forwards: int
    boxes: Boxes
    probabilities: Array


class Rival(ABC):
    """One way of finding the scores of occluded pictures.

    Args:
        scene: What is occluded.
        target: A class.

    Attributes:
        batch: The size of batch with which it runs.
    """

    title: str
    batches: tuple[int, ...] = (8, 16, 32)

    def __init__(self, scene: Scene, target: int) -> None:
        self.scene, self.target = scene, target
        self.batch = self.batches[0]

    @abstractmethod
    def run(self, least: int) -> Answer:
        """Run at least so many windows, if there are so many, in whole batches."""

    def tune(self, timed: Callable[[Callable[[], Answer]], tuple[float, Answer]]) -> None:
        """Find the best size of batch: larger ones are tried until one is clearly slower."""
        best, found = np.inf, self.batch
        for batch in self.batches:
            self.batch = batch
            seconds, answer = timed(lambda: self.run(1))
            if seconds < WARM_UP:
                seconds, answer = timed(lambda: self.run(1))
            rate = seconds / answer.forwards
            if rate > CLEARLY * best:
                break
            if rate < best:
                best, found = rate, batch
        self.batch = found

    def _batches(self, least: int) -> Iterator[NDArray[np.int64]]:
        count = -(-max(least, self.batch) // self.batch) * self.batch
        chosen = self.scene.some(count)
        yield from (chosen[at : at + self.batch] for at in range(0, len(chosen), self.batch))


class Loop(Rival):
    """A plain batched loop in PyTorch.

    Args:
        scene, target: As for every rival.
        network: The network.
        last: Whether it and its pictures lie in memory channels last; else as they are made.
    """

    def __init__(self, scene: Scene, target: int, network: Any, *, last: bool) -> None:
        import torch

        super().__init__(scene, target)
        self.title = CHANNELS_LAST if last else AS_MADE
        self._form = torch.channels_last if last else torch.contiguous_format
        self._network = copy.deepcopy(network).to(memory_format=torch.channels_last) if last else network

    def run(self, least: int) -> Answer:
        import torch

        x = torch.from_numpy(self.scene.x).permute(0, 3, 1, 2)
        found, windows = [], []
        with torch.inference_mode():
            for part in self._batches(least):
                batch = x.repeat(len(part), 1, 1, 1).contiguous(memory_format=self._form)
                for one, (top, left, height, width) in zip(batch, self.scene.boxes[part].tolist(), strict=True):
                    one[:, top : top + height, left : left + width] = 0
                found.append(torch.softmax(self._network(batch), 1).numpy())
                windows.append(part)
        return Answer(sum(map(len, windows)), self.scene.boxes[np.concatenate(windows)], np.concatenate(found))


class LoopOfSixteen(Loop):
    """The loop of the network as it is made, with 16 pictures at once, whatever is best here."""

    batches = (16,)

    def __init__(self, scene: Scene, target: int, network: Any) -> None:
        super().__init__(scene, target, network, last=False)
        self.title = SIXTEEN


class Captum(Rival):
    """Captum's `Occlusion` of the network as it is made, with windows that lie beside each other."""

    title = "Captum"
    batches = (1, 8, 16, 32, 64)

    def __init__(self, scene: Scene, target: int, network: Any) -> None:
        import torch
        from captum.attr import Occlusion

        super().__init__(scene, target)
        self._x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scene.x, -1, 1)))
        self._forward = lambda x: torch.softmax(network(x), 1)
        self._occlusion = Occlusion(self._forward)
        with torch.inference_mode():
            self._base = float(self._forward(self._x)[0, target])

    def run(self, least: int) -> Answer:
        import torch

        sides = _tile(self.scene, max(least, self.batch))
        with torch.inference_mode():
            values = self._occlusion.attribute(
                self._x,
                sliding_window_shapes=(self._x.shape[1], *sides),
                strides=(self._x.shape[1], *sides),
                baselines=0,
                target=self.target,
                perturbations_per_eval=self.batch,
            )
        boxes, drops = _tiles(self.scene, sides, values[0, 0].numpy())
        return Answer(len(boxes) + 1, boxes, self._base - drops)


class Runtime(Rival):
    """Whole forward passes of ONNX Runtime.

    Args:
        scene, target: As for every rival.
        path: The network as a file, or its bytes.
        softmax: Whether probabilities are still to be made of its answers.
        threads: How many it uses.
    """

    title = "ONNX Runtime"
    batches = (1, 8, 16, 32)

    def __init__(self, scene: Scene, target: int, path: Path | bytes, *, softmax: bool, threads: int = 1) -> None:
        import onnxruntime

        super().__init__(scene, target)
        self.path = path
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors
        source = path if isinstance(path, bytes) else str(path)
        self._session = onnxruntime.InferenceSession(source, options, ["CPUExecutionProvider"])
        read = self._session.get_inputs()[0]
        self._name, self._last = read.name, read.shape[-1] == 3
        self._softmax = softmax

    def run(self, least: int) -> Answer:
        found, windows = [], []
        for part in self._batches(least):
            batch = self.scene.occluded(part)
            if not self._last:
                batch = np.ascontiguousarray(np.moveaxis(batch, -1, 1))
            found.append(self._session.run(None, {self._name: batch})[0])
            windows.append(part)
        scores = np.concatenate(found)
        probabilities = _softmax(scores) if self._softmax else scores
        return Answer(sum(map(len, windows)), self.scene.boxes[np.concatenate(windows)], probabilities)


def exported(network: Any, side: int) -> bytes:
    """Return a PyTorch network as an ONNX file."""
    import torch

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, side, side),),
            buffer,
            dynamo=False,
            opset_version=17,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}},
        )
    return buffer.getvalue()


class KerasPredict(Rival):
    """Keras's own `predict`, over all windows."""

    title = "predict"
    batches = (8, 16, 32)

    def __init__(self, scene: Scene, target: int, network: Any) -> None:
        super().__init__(scene, target)
        self._network = network

    def run(self, least: int) -> Answer:
        windows = np.concatenate(list(self._batches(least)))
        found = self._network.predict(self.scene.occluded(windows), batch_size=self.batch, verbose=0)
        return Answer(len(windows), self.scene.boxes[windows], np.asarray(found))


class Xplique(Rival):
    """Xplique's `Occlusion`, with windows that lie beside each other."""

    title = "Xplique"
    batches = (8, 16, 32)

    def __init__(self, scene: Scene, target: int, network: Any) -> None:
        super().__init__(scene, target)
        self._network = network
        self._targets = np.zeros((1, network.output_shape[-1]), np.float32)
        self._targets[0, target] = 1
        self._base = float(network.predict(scene.x, verbose=0)[0, target])

    def run(self, least: int) -> Answer:
        from xplique.attributions import Occlusion

        sides = _tile(self.scene, max(least, self.batch))
        occlusion = Occlusion(
            self._network, patch_size=sides, patch_stride=sides, batch_size=self.batch, occlusion_value=0.0
        )
        values = np.asarray(occlusion(self.scene.x, self._targets))[0, ..., 0]
        boxes, drops = _tiles(self.scene, sides, values)
        return Answer(len(boxes) + 1, boxes, self._base - drops)


def without_xplique() -> str:
    """Say why Xplique cannot be compared; "" where it can."""
    if importlib.util.find_spec("xplique") is None:
        return "Xplique is not installed (pip install xplique)."
    try:
        importlib.import_module("xplique.attributions")
    except Exception as error:
        return f"Xplique {type(error).__name__}: {error}"
    return ""


def _tile(scene: Scene, count: int) -> tuple[int, int]:
    """Return the sides of windows that lie beside each other: as many as are asked for, a power of two."""
    exponent = max(4, int(np.ceil(np.log2(count))))
    return -(-scene.side // 2 ** (exponent // 2)), -(-scene.side // 2 ** (exponent - exponent // 2))


def _tiles(scene: Scene, sides: tuple[int, int], values: Array) -> tuple[Boxes, Array]:
    """Return windows that lie beside each other, and what a map shows in them."""
    starts = [(top, left) for top in range(0, scene.side, sides[0]) for left in range(0, scene.side, sides[1])]
    boxes = [(top, left, *np.minimum(sides, (scene.side - top, scene.side - left)).tolist()) for top, left in starts]
    found = np.array(boxes, np.int64)
    return found, values[found[:, 0], found[:, 1]]


def _softmax(scores: Array) -> Array:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    made: Array = raised / raised.sum(axis=1, keepdims=True)
    return made
