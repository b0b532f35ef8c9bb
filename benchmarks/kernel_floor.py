"""What the convolutions and matrices of a map take for themselves, each by the fastest kernel that is installed.

Each is called as the executor calls it, on maps of the same size for as many windows, and nothing else is counted: no
copies, sums or activations, no classifier's softmax, no comparison with the network.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.rivals import Boxes
from picasso.core.graph import NO_PADDING, Conv, Graph, Linear
from picasso.engine.fusing import Fused, fuse
from picasso.engine.kernels import LAST, Convolution, Matrix
from picasso.engine.occlusion import Engine
from picasso.engine.plans import Chunk, Plan
from picasso.engine.regions import Sliding
from picasso.engine.steps import Step
from picasso.engine.winograd import FEWEST_TILES, Winograd

_HOPELESS = 1.3
"""A kernel whose first call takes so many times as long as the best is not called again."""


@dataclass(frozen=True)
class Call:
    """A convolution without padding, or a matrix on the last axis, as it is called for one window.

    Args:
        weight: The shape of its weight: (out, in / groups, height, width), or (out, in).
        maps: The shape of what it reads: (in, height, width), or (rows, in).
        stride, dilation, groups: Of a convolution.
    """

    weight: tuple[int, ...]
    maps: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1


@dataclass
class Windows:
    """For how many windows a call is made: at once at most, and in all."""

    at_once: int = 0
    in_all: int = 0


def kernel_floor(graph: Graph, boxes: Boxes) -> float:
    """Return the CPU seconds that the kernels alone take for all windows of a network.

    Equal calls for fewer windows are counted by those for the most.
    """
    found = calls(fuse(graph), Engine(graph).plan(boxes))
    with torch.inference_mode():
        return sum(_least(call, windows.at_once) / windows.at_once * windows.in_all for call, windows in found.items())


def calls(fused: Fused, plan: Plan) -> dict[Call, Windows]:
    """Return what is called for the windows of a plan."""
    shapes = {fused.input: fused.shape, **{step.name: step.shape for step in fused.steps}}
    total = sum(len(chunk.windows) for chunk in plan.chunks)
    found: dict[Call, Windows] = {}
    for chunk in plan.chunks:
        for step in fused.steps:
            if step.multiply_adds:
                windows = found.setdefault(_call(step, chunk, shapes[step.inputs[0]]), Windows())
                # Vectors of all chunks come together in one.
                count = total if math.prod(step.shape[1:]) == 1 else len(chunk.windows)
                windows.at_once = max(windows.at_once, count)
                windows.in_all += len(chunk.windows)
    return found


def _call(step: Step, chunk: Chunk, shape: tuple[int, ...]) -> Call:
    link = step.links[0] if step.links else None
    if link is None:
        ins = step.multiply_adds // math.prod(step.shape)
        return Call((step.shape[-1], ins), (math.prod(step.shape[:-1]), ins))
    rows, columns = link.rows, link.columns
    assert isinstance(rows, Sliding), f"{step.name} is no convolution"
    assert isinstance(columns, Sliding)
    area = rows.kernel * columns.kernel
    ins = step.multiply_adds // (math.prod(step.shape) * area)
    if step.name in chunk.read:
        sides = chunk.read[step.name][0].sides
    else:
        top, left, bottom, right = link.padding
        sides = shape[1] + top + bottom, shape[2] + left + right
    # Of a rectangle and the same on its side one is enough.
    sides = (min(sides), max(sides)) if rows == columns else sides
    strides, dilations = (rows.stride, columns.stride), (rows.dilation, columns.dilation)
    weight = (step.shape[0], ins, rows.kernel, columns.kernel)
    return Call(weight, (shape[0], *sides), strides, dilations, shape[0] // ins)


def _least(call: Call, count: int) -> float:
    """Return the CPU seconds of the fastest kernel, for so many windows at once."""
    least = math.inf
    for kernel in _convolutions(call, count) if len(call.weight) == 4 else _matrices(call, count):
        if _seconds(kernel) < _HOPELESS * least:  # the first call also gets its memory
            least = min(least, _seconds(kernel), _seconds(kernel))
    return least


def _seconds(kernel: Callable[[], Any]) -> float:
    start = time.process_time()
    kernel()
    return time.process_time() - start


def _convolutions(call: Call, count: int) -> Iterator[Callable[[], Any]]:
    x, weight = torch.randn(count, *call.maps), torch.randn(call.weight)
    x_last, weight_last = x.contiguous(memory_format=LAST), weight.contiguous(memory_format=LAST)
    given = (None, call.stride, 0, call.dilation, call.groups)
    named = {"stride": call.stride, "dilation": call.dilation, "groups": call.groups}
    own = Convolution(Conv(name="", inputs=(), shape=(), weight=weight.numpy(), **named), None, torch.float32)
    own(x_last, NO_PADDING)  # packs its weight
    yield lambda: own(x_last, NO_PADDING)
    tiles = count * math.prod(-(-(side - 2) // 4) for side in call.maps[1:])
    if call == Call(call.weight, call.maps) and call.weight[2:] == (3, 3) and tiles >= FEWEST_TILES:
        tiled = Winograd(weight, None)
        yield lambda: tiled(x_last.permute(0, 2, 3, 1))
    yield lambda: torch.nn.functional.conv2d(x_last, weight_last, *given)
    yield lambda: torch.nn.functional.conv2d(x, weight, *given)
    session, fed = _session(call), {"x": x.numpy()}
    yield lambda: session.run(None, fed)


def _session(call: Call) -> Any:
    """Return the convolution as a network of its own in ONNX Runtime."""
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    weight = np.random.default_rng(0).normal(size=call.weight).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=call.stride, dilations=call.dilation, group=call.groups)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in ("x", "y")]
    graph = helper.make_graph([node], "one", ends[:1], ends[1:], [onnx.numpy_helper.from_array(weight, "w")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(made.SerializeToString(), options, ["CPUExecutionProvider"])


def _matrices(call: Call, count: int) -> Iterator[Callable[[], Any]]:
    x, weight = torch.randn(count * call.maps[0], call.maps[1]), torch.randn(call.weight)
    own = Matrix(Linear(name="", inputs=(), shape=(), weight=weight.numpy()), None, torch.float32)
    own(x)
    yield lambda: own(x)
    yield lambda: torch.nn.functional.linear(x, weight)
