"""Distances, filter-normalized directions and the plane of a training, against slow loops and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.learning.parameter_space import (
    filter_normalized,
    layer_distances,
    layer_of,
    moved_along,
    point_digest,
    principal_plane,
)
from picasso.core.preprocessing import Array


def point(seed: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    shapes = {"a.weight": (4, 3, 2, 2), "a.bias": (4,), "b/kernel": (5, 6), "scale": (4,)}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def test_the_layer_of_a_parameter() -> None:
    names = ("block.conv1.weight", "dense/kernel", "0.bias", "scale", "a.b/kernel:2")
    assert [layer_of(name) for name in names] == ["block.conv1", "dense", "0", "scale", "a.b"]


def test_distances_are_those_of_a_slow_loop() -> None:
    here, there = point(0), point(1)
    found = layer_distances(here, there)
    assert list(found) == ["a", "b", "scale"]
    for layer, names in (("a", ("a.weight", "a.bias")), ("b", ("b/kernel",)), ("scale", ("scale",))):
        far = sum(float(x) ** 2 for name in names for x in (here[name] - there[name]).ravel())
        long = sum(float(x) ** 2 for name in names for x in there[name].ravel())
        assert found[layer] == pytest.approx((far / long) ** 0.5, rel=1e-6)
    zero = {name: np.zeros_like(value) for name, value in there.items()}
    assert np.isnan(list(layer_distances(here, zero).values())).all()


@pytest.mark.parametrize("axis", [0, -1])
def test_each_filter_of_a_direction_is_as_long_as_the_networks(axis: int) -> None:
    given = point(2)
    given["a.weight"] = np.moveaxis(given["a.weight"], 0, axis)
    given["b/kernel"][:, 1] = given["b/kernel"][1] = 0
    direction = filter_normalized(given, np.random.default_rng(3), dict.fromkeys(given, (axis,)))
    drawn = np.random.default_rng(3)
    for name, value in given.items():
        random = drawn.standard_normal(value.shape)
        if value.ndim == 1:
            assert not direction[name].any()
            continue
        for number in range(value.shape[axis]):
            own, raw, made = (np.take(array, number, axis).astype(float) for array in (value, random, direction[name]))
            length = sum(float(x) ** 2 for x in own.ravel()) ** 0.5
            np.testing.assert_allclose(made, raw / sum(float(x) ** 2 for x in raw.ravel()) ** 0.5 * length, atol=1e-6)


def test_the_plane_of_a_training_is_that_of_a_singular_value_decomposition() -> None:
    points = [point(seed) for seed in range(5)]
    plane = principal_plane(points)
    matrix = np.array([np.concatenate([(p[n] - points[-1][n]).ravel() for n in p]) for p in points[:-1]], np.float64)
    _, strengths, axes = np.linalg.svd(matrix, full_matrices=False)
    for rank in (0, 1):
        flat = np.concatenate([value.ravel() for value in plane.directions[rank].values()])
        assert abs(flat @ axes[rank]) == pytest.approx(1, abs=1e-5)
        np.testing.assert_allclose(plane.places[:-1, rank], matrix @ flat, atol=1e-4)
        assert plane.explained[rank] == pytest.approx(strengths[rank] ** 2 / (strengths**2).sum(), rel=1e-5)
    assert not plane.places[-1].any()
    assert (plane.places[0] > 0).all()


def test_a_training_along_a_line_lies_on_it() -> None:
    start = point(0)
    points = [{name: value * np.float32(scale) for name, value in start.items()} for scale in (3, 2, 1)]
    plane = principal_plane(points)
    assert plane.explained == pytest.approx((1, 0), abs=1e-6)
    np.testing.assert_allclose(plane.places[:, 0] / plane.places[0, 0], [1, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(plane.places[:, 1], 0, atol=1e-2)


def test_only_what_moves_is_moved() -> None:
    here, axes = point(0), dict.fromkeys(point(0), (0,))
    direction = filter_normalized(here, np.random.default_rng(0), axes)
    assert set(moved_along(here, [direction], [0.5])) == {"a.weight", "b/kernel"}
    assert moved_along(here, [direction], [0.0]) == {}
    twice = moved_along(here, [direction, direction], [0.5, 0.25])
    once = moved_along(here, [direction], [0.75])
    for name in once:
        np.testing.assert_allclose(twice[name], once[name], atol=1e-6)
    assert point_digest(here) != point_digest(direction)
    assert point_digest(here) == point_digest(point(0))
