"""Where tokens lie, and which layer still tells the answer something about the picture."""

from __future__ import annotations

import pytest

from picasso.core.facts import Layer
from picasso.core.layers.tokens import with_grids


def grids(*shapes: tuple[int, ...], size: tuple[int, int, int] = (32, 48, 3)) -> list[tuple[int, int] | None]:
    layers = [Layer(f"layer {i}", "Layer", shape) for i, shape in enumerate(shapes)]
    return [layer.grid for layer in with_grids(layers, size)]


@pytest.mark.parametrize("extra", [0, 1, 2, 5])
def test_tokens_lie_where_the_patches_were_embedded(extra: int) -> None:
    assert grids((4, 6, 16), (24 + extra, 16)) == [None, (4, 6)]


def test_the_grid_with_the_fewest_extra_tokens_is_taken() -> None:
    assert grids((2, 3, 8), (3, 4, 8), (13, 8)) == [None, None, (3, 4)]
    assert grids((3, 4, 8), (2, 3, 8), (13, 8)) == [None, None, (3, 4)]


def test_merged_patches_lie_on_half_the_sides() -> None:
    assert grids((8, 12, 4), (96, 4), (24, 8), (6, 16)) == [None, (8, 12), (4, 6), (2, 3)]
    assert grids((7, 9, 4), (20, 8)) == [None, (4, 5)], "an odd side is padded before it is halved"


def test_without_a_map_tokens_lie_in_the_proportions_of_the_input() -> None:
    assert grids((25, 8), (26, 8), size=(40, 40, 3)) == [(5, 5), (5, 5)]
    assert grids((24, 8), size=(32, 48, 3)) == [(4, 6)]


def test_queries_of_a_detector_lie_nowhere() -> None:
    assert grids((8, 8, 4), (64, 4), (9, 4), (100, 4), size=(64, 64, 3)) == [None, (8, 8), None, None]


@pytest.mark.parametrize("shape", [(25, 25, 4), (4, 25, 25), (26, 26, 4)])
def test_what_attention_weighs_is_no_map(shape: tuple[int, ...]) -> None:
    tokens = max(shape)
    layers = [Layer("patches", "Conv2D", (5, 5, 8)), Layer("tokens", "Add", (tokens, 8)), Layer("weights", "S", shape)]
    found = with_grids(layers, (40, 40, 3))
    assert found[1].grid == (5, 5)
    assert not found[2].spatial


def test_a_map_of_as_many_rows_as_tokens_stays_one() -> None:
    layers = [Layer("patches", "Conv2D", (4, 4, 8)), Layer("tokens", "Add", (16, 8))]
    convolved = [*layers, Layer("decoded", "Conv2DTranspose", (16, 16, 3))]
    assert with_grids(convolved, (16, 16, 3))[2].spatial
    said = [*layers, Layer("decoded", "Decoder", (16, 16, 3), positions=True)]
    assert with_grids(said, (16, 16, 3))[2].spatial


def test_a_layer_that_is_said_to_be_no_map_gives_no_grid() -> None:
    layers = [Layer("windows", "Linear", (4, 4, 9), positions=False), Layer("tokens", "Add", (17, 9))]
    found = with_grids(layers, (10, 10, 3))
    assert [layer.spatial for layer in found] == [False, True]
    assert found[1].grid == (4, 4), "by the input's proportions, and a class token"
