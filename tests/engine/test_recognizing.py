"""Views that only put channels in another order are one operation, and no others are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from picasso.core import graph as g
from picasso.engine.occlusion import Engine
from picasso.engine.recognizing import recognized
from tests.engine import reference

SHUFFLES = {
    "channels first": [(2, 3, 4, 5), (1, 0, 2, 3), (6, 4, 5)],
    "channels first, one axis of places": [(3, 2, -1), (1, 0, 2), (6, 4, 5)],
    "channels last": [(1, 2, 0), (4, 5, 2, 3), (0, 1, 3, 2), (4, 5, 6), (2, 0, 1)],
}


def chained(build: g.Builder, name: str, views: list[tuple[int, ...]]) -> str:
    """Write views: the order of the axes where there is one, else another shape."""
    for view in views:
        if sorted(view) == list(range(len(build.shape(name)))):
            name = build.add(g.Transpose, [name], axes=view)
        else:
            name = build.add(g.Reshape, [name], target=view)
    return name


def kinds(graph: g.Graph) -> list[str]:
    return [type(op).__name__ for op in recognized(graph).ops[1:]]


@pytest.mark.parametrize("views", SHUFFLES.values(), ids=SHUFFLES)
def test_a_shuffle_is_another_order_of_channels(views: list[tuple[int, ...]]) -> None:
    build = g.Builder()
    shuffled = chained(build, build.input((6, 4, 5)), views)
    last = build.add(g.Activation, [shuffled], function="relu", layer="act")
    graph = build.graph({"made": last})
    x = np.random.default_rng(0).normal(size=(2, 6, 4, 5)).astype(np.float32)
    one, _ = recognized(graph).ops[1:]
    assert isinstance(one, g.Reorder)
    assert (one.name, one.inputs) == (shuffled, ("input",))
    np.testing.assert_array_equal(reference.run(graph, x)[shuffled], x[:, one.order].astype(np.float64))


def test_several_shuffles_are_recognized_one_by_one_or_as_one() -> None:
    build = g.Builder()
    once = chained(build, build.input((6, 4, 5)), SHUFFLES["channels first"])
    conv = build.add(g.Conv, [once], weight=np.ones((6, 6, 1, 1), np.float32))
    twice = chained(build, conv, SHUFFLES["channels last"] + SHUFFLES["channels first"])
    assert kinds(build.graph({"made": twice})) == ["Reorder", "Conv", "Reorder"]
    flat = build.add(g.Reshape, [twice], target=(-1,))
    assert kinds(build.graph({"made": flat})) == ["Reorder", "Conv", "Reorder", "Reshape"]


def test_what_is_read_on_the_way_stays() -> None:
    build = g.Builder()
    groups = chained(build, build.input((6, 4, 5)), [(2, 3, 4, 5)])
    shuffled = chained(build, groups, SHUFFLES["channels first"][1:])
    assert kinds(build.graph({"made": shuffled, "other": groups})) == ["Reshape", "Transpose", "Reshape"]
    means = build.add(g.Reduce, [groups], function="mean", axes=(1,))
    assert kinds(build.graph({"made": shuffled, "other": means})) == ["Reshape", "Transpose", "Reshape", "Reduce"]


@given(st.data())
def test_whatever_views_there_are_the_numbers_stay_the_same(data: st.DataObject) -> None:
    build = g.Builder()
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=3, max_size=3)))
    name = build.input((shape[0] * 2, *shape[1:]))
    count = math.prod(build.shape(name))
    for _ in range(data.draw(st.integers(1, 6))):
        own = build.shape(name)
        if data.draw(st.booleans()):
            axes = tuple(data.draw(st.permutations(range(len(own)))))
            name = build.add(g.Transpose, [name], axes=axes)
        else:
            back = build.shape("input")
            sides = [side for side in range(1, count + 1) if count % side == 0]
            target = (data.draw(st.sampled_from(sides)), -1)
            swapped = (2, back[0] // 2, *back[1:])
            name = build.add(g.Reshape, [name], target=data.draw(st.sampled_from([back, swapped, own, target])))
    graph = build.graph({"made": build.add(g.Activation, [name], function="negative")})
    x = np.random.default_rng(0).normal(size=(2, *build.shape("input"))).astype(np.float32)
    expected = reference.outputs(graph, x)["made"]
    np.testing.assert_array_equal(reference.outputs(recognized(graph), x)["made"], expected)
    np.testing.assert_array_equal(Engine(graph).run(x)["made"], expected.astype(np.float32))


def test_a_shuffled_map_is_computed_again_in_part() -> None:
    build = g.Builder()
    rng = np.random.default_rng(0)

    def conv(name: str) -> str:
        weight = rng.normal(size=(6, build.shape(name)[0], 3, 3)).astype(np.float32)
        return build.add(g.Conv, [name], weight=weight, padding=(1, 1, 1, 1))

    shuffled = chained(build, conv(build.input((3, 24, 25))), [(2, 3, 24, 25), (1, 0, 2, 3), (6, 24, 25)])
    engine = Engine(build.graph({"made": build.add(g.GlobalPool, [conv(shuffled)], function="mean")}))
    boxes = np.array([(0, 0, 3, 3), (9, 12, 3, 3), (21, 22, 3, 3)])
    plan = engine.plan(boxes)
    assert all(shuffled in chunk.made for chunk in plan.chunks)
    x, contents = rng.normal(size=(1, 3, 24, 25)).astype(np.float32), np.zeros((3, 24, 25), np.float32)
    pictures = np.repeat(x, 3, axis=0)
    for picture, (top, left, height, width) in zip(pictures, boxes, strict=True):
        picture[:, top : top + height, left : left + width] = 0
    found = engine.occluded(engine.base(x), plan, boxes, contents, lambda made: made["made"], lambda *_: None)
    np.testing.assert_allclose(found, engine.run(pictures)["made"], rtol=0, atol=1e-4)
