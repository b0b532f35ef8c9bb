"""Measures one network: Picasso and its rivals by turns, in one process, by the time of the processor."""

from __future__ import annotations

import copy
import importlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from benchmarks import rivals
from benchmarks.networks import NETWORKS, Array, Network, photograph, picture
from benchmarks.rivals import Answer, Rival, Scene

T = TypeVar("T")
RIVAL_WINDOWS = 16
"""A rival runs so many windows at least, and is counted up to all of them."""
LOOPED_WINDOWS = 32
"""Where Picasso itself runs whole pictures, it runs so many windows, and is counted up, too."""
ENOUGH = 6.0
"""CPU seconds after which a grid is not repeated any more; once it is in any case."""


@dataclass(frozen=True)
class Windows:
    """A grid of windows of the picture.

    Args:
        side: Of a window, in pixels.
        stride: From one to the next.
    """

    side: int
    stride: int

    def scene(self, x: Array) -> Scene:
        starts = range(0, x.shape[1] - self.side + 1, self.stride)
        boxes = np.array([(top, left, self.side, self.side) for top in starts for left in starts], np.int64)
        return Scene(x, boxes, self.side)


LARGE, SMALL = Windows(32, 16), Windows(16, 8)


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Args:
        grids: The windows.
        repeats: How often each is measured with the first grid; with others once less.
        two_threads: Whether the first grid is measured with two threads as well.
    """

    grids: tuple[Windows, ...] = (LARGE, SMALL)
    repeats: int = 3
    two_threads: bool = True


@dataclass
class Grid:
    """What was measured of Picasso with one grid of windows.

    Args:
        windows: Their number.
        seconds: CPU seconds for all of them, the least of the repeats.
        first: CPU seconds of the first map, with all that is made ready once; None in a loop.
        said: How it was found, in Picasso's own words.
        fast: Whether the engine followed the windows; else whole pictures were run.
        gain: By what factor fewer multiplications.
        floor: CPU seconds that the multiplications alone would take at the machine's rate; None in a loop.
        kernels: Those that its convolutions and matrices take alone, each by the fastest kernel, and the windows that
            the network itself runs for the comparison; None in a loop.
        difference: The largest difference of a probability from that of the network itself or of a rival.
    """

    windows: int
    seconds: float
    first: float | None
    said: str
    fast: bool
    gain: float
    floor: float | None
    kernels: float | None
    difference: float


@dataclass
class Measured:
    """What was measured of a rival.

    Args:
        each: CPU seconds for one whole picture, the least of the repeats.
        batch: With how many pictures at once it ran best.
    """

    each: float
    batch: int


@dataclass
class Row:
    """What was measured of one network.

    Attributes:
        grids: For each grid of windows what was measured of Picasso.
        rivals: What was measured of each rival, by its title.
        two_threads: Seconds on the clock for the first grid with two threads, by title.
        change: By how much the windows change a probability at most.
        rounding: The largest difference of a probability from what the network gives in double precision: of the
            network itself in single precision, and of Picasso; None where nothing computes in double precision.
        notes: What is missing, and why.
    """

    network: Network
    grids: list[Grid] = field(default_factory=list)
    rivals: dict[str, Measured] = field(default_factory=dict)
    two_threads: dict[str, float] = field(default_factory=dict)
    change: float = 0.0
    rounding: tuple[float, float] | None = None
    notes: list[str] = field(default_factory=list)

    def ratio(self, grid: Grid, *titles: str) -> float | None:
        """Return by what factor Picasso is faster than the best of some rivals."""
        each = [self.rivals[title].each for title in titles if title in self.rivals]
        return min(each) * grid.windows / grid.seconds if each else None

    def ratio_within(self, seconds: float | None, grid: Grid, *titles: str) -> float | None:
        """Return by what factor it would be faster if a grid took no longer than that."""
        found = self.ratio(grid, *titles)
        return None if found is None or seconds is None else found * grid.seconds / seconds


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Return CPU seconds of this process, and what was returned."""
    start = time.process_time()
    made = run()
    return time.process_time() - start, made


def opened(made: Any, network: Network) -> Any:
    """Open a network with Picasso."""
    import picasso

    source = made if network.kind != "onnx" else str(made)
    preprocessing = picasso.Preprocessing(size=network.side)
    options = {"device": "cpu"} if network.kind == "torch" else {}
    return picasso.load_model(source, preprocessing=preprocessing, name=network.title, **options)


def photo(network: Network, seed: int = 0) -> Array:
    return photograph(network) if network.kind == "onnx" else picture(network.side, seed)


def patched(model: Any, scene: Scene, every: int = 1) -> Array:
    """Return the scores of the scene's windows, by Picasso."""
    made: Array = model.predict_patched(scene.x, scene.boxes[::every], np.zeros(scene.x.shape[1:], np.float32))
    return made


def stride(model: Any, scene: Scene) -> int:
    """Return 1 where the engine follows the windows; else of how many one is enough, since a loop can be counted up."""
    some = max(1, len(scene.boxes) // LOOPED_WINDOWS)
    patched(model, scene, some)
    return 1 if model.patching.fast else some


def measure(network: Network, effort: Effort, rate: float) -> Row:
    """Measure a network.

    Args:
        network: Which.
        effort: How much.
        rate: Multiplications that the machine's convolutions do in a second.
    """
    row = Row(network)
    made = network.make(network.side)
    scenes = [windows.scene(photo(network)) for windows in effort.grids]
    tried = opened(made, network)
    strides = [stride(tried, scenes[0])]
    strides += [1 if strides == [1] else stride(tried, scene) for scene in scenes[1:]]
    target = int(tried.predict(scenes[0].x)[0].argmax())
    against = _against(network, made, scenes[0], target, row)
    for rival in against:
        rival.tune(timed)
        say(f"    {rival.title}: {rival.batch} at once")
    model = opened(made, network)
    firsts = []
    for scene, step in zip(scenes, strides, strict=True):
        grid, scores = _first(model, scene, step, rate)
        row.grids.append(grid)
        firsts.append(model.probabilities(scores))
    spent = [0.0] * len(scenes)
    answers: dict[str, Answer] = {}
    for turn in range(effort.repeats):
        for number, (scene, step) in enumerate(zip(scenes, strides, strict=True)):
            if turn == 0 and number and effort.repeats > 1:
                continue
            if spent[number] < ENOUGH:
                another = scene.moved(turn + 1)
                seconds, _ = timed(lambda another=another, step=step: patched(model, another, step))
                spent[number] += seconds
                grid = row.grids[number]
                grid.seconds = min(grid.seconds, seconds * grid.windows / len(scene.boxes[::step]))
        for rival in against:
            seconds, answer = timed(lambda rival=rival: rival.run(RIVAL_WINDOWS))
            each = seconds / answer.forwards
            known = row.rivals.get(rival.title)
            row.rivals[rival.title] = Measured(min(each, known.each) if known else each, rival.batch)
            answers[rival.title] = answer
    _compare(model, scenes, strides, firsts, answers, target, row)
    if network.kind == "torch":
        row.rounding = _rounding(made, scenes[0], strides[0], firsts[0])
    if effort.two_threads and network.kind != "keras" and row.grids[0].fast and (os.cpu_count() or 1) > 1:
        _with_two_threads(model, scenes[0], strides[0], against, row)
    return row


def _against(network: Network, made: Any, scene: Scene, target: int, row: Row) -> list[Rival]:
    """Return the rivals of a network, and note who is missing."""
    match network.kind:
        case "torch":
            file = rivals.exported(made, network.side)
            return [
                rivals.LoopOfSixteen(scene, target, made),
                rivals.Loop(scene, target, made, last=False),
                rivals.Loop(scene, target, made, last=True),
                rivals.Captum(scene, target, made),
                rivals.Runtime(scene, target, file, softmax=True),
            ]
        case "onnx":
            return [rivals.Runtime(scene, target, made, softmax="logits" in made.name)]
    found: list[Rival] = [rivals.KerasPredict(scene, target, made)]
    missing = rivals.without_xplique()
    if missing:
        row.notes.append(missing)
    else:
        found.append(rivals.Xplique(scene, target, made))
    return found


def _first(model: Any, scene: Scene, step: int, rate: float) -> tuple[Grid, Array]:
    """Compute a map for the first time, and find the least that it could take; return its scores, too."""
    from benchmarks.kernel_floor import kernel_floor

    seconds, scores = timed(lambda: patched(model, scene, step))
    patching = model.patching
    floor = _multiply_adds(model, scene) / rate if patching.fast else None
    kernels = None
    if patching.fast:
        own = min(timed(lambda: model.predict(scene.x))[0] for _ in range(3))
        kernels = kernel_floor(model.graph(), scene.boxes) + patching.checked * own
    first = seconds if patching.fast else None
    grid = Grid(len(scene.boxes), np.inf, first, str(patching), patching.fast, patching.gain, floor, kernels, 0.0)
    return grid, scores


def _multiply_adds(model: Any, scene: Scene) -> int:
    """Return the multiplications in what each window for itself reaches."""
    from picasso.engine.fusing import fuse
    from picasso.engine.plans import Plan

    fused = fuse(model.graph())
    # One window at a time: no rectangle is larger than its window asks for.
    return Plan(fused, fused.steps, scene.boxes, 1, 0).multiply_adds


def _compare(
    model: Any,
    scenes: list[Scene],
    strides: list[int],
    firsts: list[Array],
    answers: dict[str, Answer],
    target: int,
    row: Row,
) -> None:
    """Compare Picasso's probabilities with those of the rivals, and with those of whole pictures."""
    for number, (scene, step, own, grid) in enumerate(zip(scenes, strides, firsts, row.grids, strict=True)):
        rows = {tuple(box): place for place, box in enumerate(scene.boxes[::step].tolist())}
        base = model.probabilities(model.predict(scene.x))[0, target]
        row.change = max(row.change, float(np.abs(own[:, target] - base).max()))
        some = np.arange(len(scene.boxes))[::step][:: max(1, len(own) // 8)]
        whole = model.probabilities(model.predict(scene.occluded(some)))
        for answer in (Answer(len(some), scene.boxes[some], whole), *(answers.values() if number == 0 else ())):
            places = [rows.get(tuple(box)) for box in answer.boxes.tolist()]
            if None in places:  # other windows than those of the map
                found = model.probabilities(patched(model, replace(scene, boxes=answer.boxes)))
            else:
                found = own[places]
            found = found if answer.probabilities.ndim == 2 else found[:, target]
            grid.difference = max(grid.difference, float(np.abs(found - answer.probabilities).max()))


def _rounding(network: Any, scene: Scene, step: int, probabilities: Array) -> tuple[float, float]:
    """Return how far the network itself and Picasso are from the network in double precision, over some windows."""
    import torch

    some = np.arange(len(probabilities))[:: max(1, len(probabilities) // 16)]
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scene.occluded(some * step), -1, 1)))
    with torch.inference_mode():
        exact = torch.softmax(copy.deepcopy(network).double()(x.double()), 1).numpy()
        own = np.concatenate([torch.softmax(network(part), 1).numpy() for part in x.split(8)])
    return float(np.abs(own - exact).max()), float(np.abs(probabilities[some] - exact).max())


def _with_two_threads(model: Any, scene: Scene, step: int, against: list[Rival], row: Row) -> None:
    """Measure the time on the clock with two threads, the least of three turns."""
    import torch

    torch.set_num_threads(2)
    try:
        contenders: dict[str, tuple[Callable[[], Any], float]] = {
            "Picasso": (lambda: patched(model, scene, step), len(scene.boxes) / len(scene.boxes[::step]))
        }
        for rival in against:
            if isinstance(rival, rivals.LoopOfSixteen | rivals.Captum):
                continue
            if isinstance(rival, rivals.Runtime):
                two = rivals.Runtime(scene, rival.target, rival.path, softmax=False, threads=2)
                two.batch, rival = rival.batch, two
            forwards = rival.run(RIVAL_WINDOWS).forwards
            contenders[rival.title] = (lambda rival=rival: rival.run(RIVAL_WINDOWS), len(scene.boxes) / forwards)
        for _ in range(3):
            for title, (run, factor) in contenders.items():
                start = time.perf_counter()
                run()
                seconds = (time.perf_counter() - start) * factor
                row.two_threads[title] = min(seconds, row.two_threads.get(title, np.inf))
    finally:
        torch.set_num_threads(1)


def in_a_row(network: Network, windows: Windows, count: int = 10) -> list[float]:
    """Return CPU seconds for one picture after the other, from the opened network on."""
    model = opened(network.make(network.side), network)
    scenes = [windows.scene(photo(network, seed)) for seed in range(count)]
    return [timed(lambda scene=scene: patched(model, scene))[0] for scene in scenes]


def convolution_rate() -> float:
    """Return the multiplications that this machine's convolutions do in a second, where they do best."""
    import torch

    best = 0.0
    with torch.inference_mode():
        for channels, side, kernel in ((64, 56, 3), (128, 28, 3), (256, 14, 3), (256, 28, 1), (512, 14, 1)):
            x = torch.randn(16, channels, side, side).contiguous(memory_format=torch.channels_last)
            weight = torch.randn(channels, channels, kernel, kernel).contiguous(memory_format=torch.channels_last)
            for _ in range(5):
                seconds, _made = timed(lambda x=x, w=weight, k=kernel: torch.nn.functional.conv2d(x, w, padding=k // 2))
                best = max(best, 16 * side * side * channels**2 * kernel**2 / seconds)
    return best


def memory(name: str, effort: Effort) -> dict[str, float | None]:
    """Return how much more this process holds at most while it computes maps than the opened network, in MB.

    To be called in a process of its own. PyTorch, which computes the maps of all networks, is loaded before that.

    Args:
        name: Of NETWORKS.
        effort: Says for which windows.

    Returns:
        By the window's side; None where the system does not tell.
    """
    importlib.import_module("picasso.engine.accelerator")
    network = NETWORKS[name]
    model = opened(network.make(network.side), network)
    scenes = [windows.scene(photo(network)) for windows in effort.grids]
    model.predict(scenes[0].x)
    found: dict[str, float | None] = {}
    for scene in scenes:
        before = _status("VmRSS")
        try:
            with open("/proc/self/clear_refs", "w") as peaks:  # noqa: PTH123
                peaks.write("5")  # the peak is counted anew
        except OSError:
            before = None
        # What runs at once is as much with some of the windows as with all.
        patched(model, scene, max(1, len(scene.boxes) // 169))
        peak = _status("VmHWM")
        found[str(scene.window)] = None if before is None or peak is None else peak - before
    return found


def _status(name: str) -> float | None:
    """Return a number of this process in MB, where the system tells."""
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123
            return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024
    except (OSError, StopIteration):
        return None
