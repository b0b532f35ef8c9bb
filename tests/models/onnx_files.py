"""ONNX graphs written by hand for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Nodes = Sequence[onnx.NodeProto]
node = helper.make_node


def graph(
    nodes: Nodes,
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Sequence[str],
    weights: Mapping[str, Any] | None = None,
    opset: int = 17,
    kind: int = TensorProto.FLOAT,
    functions: Sequence[onnx.FunctionProto] = (),
    domains: Sequence[str] = (),
) -> onnx.ModelProto:
    """Return a model of these nodes; inputs are float32 unless said otherwise, outputs are of types to be inferred."""
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in (weights or {}).items()]
    made = helper.make_graph(
        list(nodes),
        "hand-written",
        [helper.make_tensor_value_info(name, kind, list(dims)) for name, dims in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        constants,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(made, opset_imports=imports, ir_version=8, functions=list(functions))


def random(*shape: int, seed: int = 0) -> np.ndarray:
    """Return normal numbers, float32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def classifier(
    end: Nodes = (),
    size: int = 12,
    channels: int = 3,
    batch: int | str = "n",
    opset: int = 17,
    last: str = "scores",
    extra: Mapping[str, Any] | None = None,
) -> onnx.ModelProto:
    """Return a small network with two convolutions, ReLU and ReLU6: (batch, channels, size, size) to five scores."""
    weights = {
        "w1": random(6, channels, 3, 3, seed=1) / 3,
        "b1": random(6, seed=2) / 4,
        "w2": random(8, 6, 3, 3, seed=3),
        "low": np.float32(0),
        "high": np.float32(6),
        "w3": random(8, 5, seed=4),
        "b3": random(5, seed=5),
    } | dict(extra or {})
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["a"], "conv1", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], ["b"], "relu1"),
        node("Conv", ["b", "w2"], ["c"], "conv2", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Clip", ["c", "low", "high"], ["d"], "relu6"),
        node("GlobalAveragePool", ["d"], ["e"], "pool"),
        node("Flatten", ["e"], ["f"], "flatten"),
        node("Gemm", ["f", "w3", "b3"], ["scores"], "fc"),
    ]
    return graph([*nodes, *end], {"x": [batch, channels, size, size]}, [last], weights, opset)
