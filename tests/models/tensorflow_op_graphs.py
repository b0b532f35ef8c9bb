"""Functions of TensorFlow as frozen graphs, and their op graphs compared with what they answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import picasso
from picasso.core import graph as g
from picasso.core.graph import Graph
from picasso.core.model import Model
from picasso.models.tensorflow.opener import TensorFlowModel
from tests.engine import reference
from tests.models import tensorflow_graphs as graphs
from tests.models.tensorflow_graphs import Array, tf, v1

HEIGHT, WIDTH = 11, 14
RANDOM = np.random.default_rng(5)
Build = Callable[[Any], Any]


def numbers(*shape: int, low: float = -1.0, high: float = 1.0) -> Array:
    return RANDOM.uniform(low, high, shape).astype(np.float32)


def opened(build: Build, path: Path, shape: tuple[int | None, ...] = (None, HEIGHT, WIDTH, 3), **options: Any) -> Model:
    """Open a frozen graph of what is built behind a picture."""
    file, _, _ = graphs.frozen(
        lambda: tf.identity(build(v1.placeholder(tf.float32, shape, name="x")), name="end"), path / "graph.pb"
    )
    return picasso.load_model(file, output="end", **options)


def agreed(model: Model) -> Graph:
    """Compare a model's op graph with what it answers itself; return the graph."""
    assert isinstance(model, TensorFlowModel)
    graph = model._read_graph()
    count = model.facts.fixed_batch or 3
    x = np.random.default_rng(1).normal(0.3, 1, (count, *model.input_shape)).astype(np.float32)
    native = {name: np.asarray(value) for name, value in model._engine.run(model._ends, x).items()}
    made = reference.outputs(graph, np.moveaxis(x, 3, 1))
    assert made.keys() == native.keys()
    for name, value in native.items():
        assert made[name].shape == value.shape
        assert np.abs(value).max() > 0
        np.testing.assert_allclose(made[name], value, atol=1e-4 * np.abs(value).max())
    return graph


def kinds(graph: Graph) -> list[str]:
    """Return what the graph does, in order, without the input and constants."""
    return [
        op.function if isinstance(op, g.Activation) else type(op).__name__
        for op in graph.ops
        if not isinstance(op, g.Input | g.Constant)
    ]


def conv(x: Any, out: int = 4, kernel: tuple[int, int] = (3, 3), **options: Any) -> Any:
    given = {"strides": 1, "padding": "SAME"} | options
    groups = given.pop("groups", 1)
    return tf.nn.conv2d(x, numbers(*kernel, x.shape[-1] // groups, out), **given)
