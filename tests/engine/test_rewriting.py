"""Rewritten networks answer as before: chained concatenations, and scales left to the convolutions behind a ReLU."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from picasso.core import graph as g
from picasso.engine.occlusion import Engine
from picasso.engine.rewriting import ChannelClip, rewritten
from tests.engine import reference


def dense_block(rng: np.random.Generator, layers: int, padded: bool = False) -> g.Graph:
    """Join all values before each layer, as DenseNet does: norm, ReLU, 1 x 1, 3 x 3."""
    build = g.Builder()
    made = [build.input((5, 11, 9))]
    for _ in range(layers):
        joined = build.add(g.Concat, made) if len(made) > 1 else made[0]
        channels = build.shape(joined)[0]
        scale = rng.normal(size=channels).astype(np.float32)
        x = build.add(g.Affine, [joined], scale=scale, shift=rng.normal(size=channels).astype(np.float32))
        x = build.add(g.Activation, [x], function="relu")
        weight = rng.normal(size=(6, channels, 1, 1)).astype(np.float32)
        padding = (1, 1, 1, 1) if padded else g.NO_PADDING
        x = build.add(g.Conv, [x], weight=weight, bias=rng.normal(size=6).astype(np.float32), padding=padding)
        if padded:
            x = build.add(g.Pad, [x], padding=(-1, -1, -1, -1))
        weight = rng.normal(size=(4, 6, 3, 3)).astype(np.float32) / 7
        made.append(build.add(g.Conv, [x], weight=weight, padding=(1, 1, 1, 1)))
    return build.graph({"out": build.add(g.Concat, made)})


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), layers=st.integers(1, 5), padded=st.booleans())
def test_a_dense_block_answers_as_before(seed: int, layers: int, padded: bool) -> None:
    rng = np.random.default_rng(seed)
    graph = dense_block(rng, layers, padded)
    x = rng.normal(size=(2, 5, 11, 9)).astype(np.float32)
    wanted = reference.outputs(graph, x)["out"]
    assert np.abs(Engine(graph).run(x)["out"] - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_each_value_is_joined_once() -> None:
    ops = rewritten(dense_block(np.random.default_rng(0), 5)).ops
    joins = [op for op in ops if isinstance(op, g.Concat)]
    assert [len(op.inputs) for op in joins] == [2, 2, 2, 2, 2]
    assert sum(isinstance(op, ChannelClip) for op in ops) == 5
    assert not any(isinstance(op, g.Affine) for op in ops)


def test_a_scale_before_padding_stays() -> None:
    ops = rewritten(dense_block(np.random.default_rng(0), 2, padded=True)).ops
    assert not any(isinstance(op, ChannelClip) for op in ops)


def test_a_scale_of_zero_stays() -> None:
    build = g.Builder()
    x = build.input((2, 4, 4))
    scale, shift = np.array([0, 1], np.float32), np.array([3, -1], np.float32)
    x = build.add(g.Activation, [build.add(g.Affine, [x], scale=scale, shift=shift)], function="relu")
    x = build.add(g.Conv, [x], weight=np.ones((1, 2, 1, 1), np.float32))
    graph = build.graph({"out": x})
    assert [type(op) for op in rewritten(graph).ops] == [type(op) for op in graph.ops]


def test_a_relu_that_something_else_reads_stays() -> None:
    build = g.Builder()
    x = build.input((2, 4, 4))
    scale = np.array([2, 1], np.float32)
    x = build.add(g.Activation, [build.add(g.Affine, [x], scale=scale, shift=scale)], function="relu")
    made = build.add(g.Conv, [x], weight=np.ones((2, 2, 1, 1), np.float32))
    graph = build.graph({"out": build.add(g.Elementwise, [made, x], function="add")})
    assert not any(isinstance(op, ChannelClip) for op in rewritten(graph).ops)
