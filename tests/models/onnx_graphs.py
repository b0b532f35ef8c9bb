"""ONNX graphs for the tests of op graphs, and how they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

import picasso
from picasso.core import graph as g
from picasso.core.model import Model
from picasso.models.onnx.opener import OnnxModel
from tests.engine import reference
from tests.models.onnx_files import graph, node, random

Weights = Mapping[str, Any]


def opened(source: onnx.ModelProto | Path, size: tuple[int, int] = (9, 11), channels: int = 4) -> OnnxModel:
    colors: dict[str, Any] = {"color": "values", "bands": channels}
    colors = {1: {"color": "grey"}, 3: {}}.get(channels, colors)
    model = picasso.load_model(source, preprocessing=picasso.Preprocessing(size=size, **colors))
    assert isinstance(model, OnnxModel)
    return model


def read(model: Model, tolerance: float = 1e-5, scale: float = 1.0, middle: float = 0.0) -> g.Graph:
    """Return the op graph of a network after it was compared with the network's own answer."""
    assert isinstance(model, OnnxModel)
    made = model._read_graph()
    count = model.facts.fixed_batch or 2
    x = random(count, *model.input_shape, seed=7) * np.float32(scale) + np.float32(middle)
    answers = model._network.forward(x)
    found = reference.outputs(made, x.transpose(0, 3, 1, 2), torch.float32 if scale == 1 else torch.float64)
    assert found.keys() == model._read.keys()
    for name, value in model._read.items():
        wanted = answers[value]
        assert found[name].shape == wanted.shape
        np.testing.assert_allclose(found[name], wanted, rtol=0, atol=tolerance * np.abs(wanted).max())
    assert {op.layer for op in made.ops} <= {layer.name for layer in model.layers()} | {""}
    return made


def network(
    nodes: Sequence[onnx.NodeProto],
    weights: Weights | None = None,
    size: tuple[int, int] = (9, 11),
    channels: int = 4,
    opset: int = 17,
    flat: bool = True,
) -> onnx.ModelProto:
    """Return a network from `x` (n, channels, *size) to `y`, which is made one row for each picture."""
    end = [node("Flatten", ["y"], ["scores"], "flatten")] if flat else []
    return graph([*nodes, *end], {"x": ["n", channels, *size]}, ["scores" if flat else "y"], weights, opset)


def kinds(made: g.Graph) -> list[str]:
    return [type(op).__name__ + (f":{op.function}" if isinstance(op, g.Activation) else "") for op in made.ops[1:]]


def one(kind: str, *more: str, opset: int = 17, weights: Weights | None = None, **attributes: Any) -> Any:
    """Return the file and op kinds of one node that reads the picture and constants."""
    return network([node(kind, ["x", *more], ["y"], "it", **attributes)], weights, opset=opset)


def sizes(*values: int) -> np.ndarray:
    """Return whole numbers as shapes are given."""
    return np.array(values, np.int64)


W = {"w": random(6, 4, 3, 3, seed=1), "b": random(6, seed=2)}
PLACES = {"c": random(4, 9, 11, seed=1)}
NONE = np.zeros(0, np.float32)
