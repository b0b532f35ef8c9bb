"""Rewritten networks answer as before: maps joined at once, scales left to convolutions, means before or after them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picasso.core import graph as g
from picasso.engine.fusing import fuse
from picasso.engine.occlusion import Engine
from picasso.engine.rewriting import ChannelClip, rewritten
from picasso.engine.steps import Joined
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


def test_a_dense_block_keeps_no_joined_maps_but_those_that_are_read() -> None:
    graph = dense_block(np.random.default_rng(0), 5)
    ops = rewritten(graph).ops
    assert sum(isinstance(op, ChannelClip) for op in ops) == 5
    assert not any(isinstance(op, g.Affine) for op in ops)
    joins = [step for step in fuse(graph).steps if isinstance(step, Joined)]
    assert [len(step.inputs) for step in joins] == [2, 3, 4, 5, 6]


def chained(rng: np.random.Generator) -> g.Graph:
    """Join maps to what was joined before, as Keras writes dense blocks."""
    build = g.Builder()
    x = build.input((3, 8, 7))
    for _ in range(3):
        weight = rng.normal(size=(2, build.shape(x)[0], 3, 3)).astype(np.float32) / 5
        x = build.add(g.Concat, [x, build.add(g.Conv, [x], weight=weight, padding=(1, 1, 1, 1))])
    return build.graph({"out": build.add(g.Concat, [x, x])})


def test_what_is_joined_again_is_joined_at_once() -> None:
    rng = np.random.default_rng(0)
    graph = chained(rng)
    last = rewritten(graph).ops[-1]
    assert len(last.inputs) == 8
    assert sum(isinstance(op, g.Concat) for op in rewritten(graph).ops) == 3  # the third is read by the last alone
    x = rng.normal(size=(2, 3, 8, 7)).astype(np.float32)
    np.testing.assert_allclose(Engine(graph).run(x)["out"], reference.outputs(graph, x)["out"], atol=1e-5)


def pooled(first: str, rng: np.random.Generator, **pool: object) -> g.Graph:
    """A convolution of 1 x 1 and a mean over places, in either order; the fewer channels are those that are made."""
    build = g.Builder()
    x = build.input((6, 9, 8))
    for kind in ("conv", "pool") if first == "conv" else ("pool", "conv"):
        if kind == "pool":
            x = build.add(g.Pool, [x], function="mean", **pool)
        else:
            bias = rng.normal(size=4).astype(np.float32) if first == "conv" else None
            x = build.add(g.Conv, [x], weight=rng.normal(size=(4, 6, 1, 1)).astype(np.float32), bias=bias)
    scale = rng.normal(size=4).astype(np.float32)
    return build.graph({"out": build.add(g.Affine, [x], scale=scale, shift=scale)})


TWO = {"kernel": (2, 2), "stride": (2, 2)}
THREE = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1, 1, 1)}


@pytest.mark.parametrize(
    ("first", "pool", "swapped"),
    [
        ("conv", TWO, True),
        ("conv", {**TWO, "padding": (1, 1, 1, 1)}, False),  # a bias does not reach into the padding
        ("conv", {"kernel": (3, 3), "stride": (1, 1)}, False),
        ("pool", THREE, True),
        ("pool", {**THREE, "counted": (1, 1, 1, 1)}, True),
        ("pool", TWO, False),
        ("pool", {"kernel": (9, 8), "stride": (1, 1)}, False),  # a mean of the whole map leaves one place
    ],
)
def test_a_mean_goes_where_it_leaves_less_to_do(first: str, pool: dict[str, object], swapped: bool) -> None:
    rng = np.random.default_rng(0)
    graph = pooled(first, rng, **pool)
    kinds = [type(op) for op in graph.ops if isinstance(op, g.Conv | g.Pool)]
    found = [type(op) for op in rewritten(graph).ops if isinstance(op, g.Conv | g.Pool)]
    assert found == (kinds[::-1] if swapped else kinds)
    assert rewritten(graph).multiply_adds <= graph.multiply_adds
    x = rng.normal(size=(2, 6, 9, 8)).astype(np.float32)
    np.testing.assert_allclose(Engine(graph).run(x)["out"], reference.outputs(graph, x)["out"], atol=1e-5)


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
