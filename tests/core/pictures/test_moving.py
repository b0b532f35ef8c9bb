"""Moves of pictures and maps: exact where they can be, else as SciPy and Pillow have it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from picasso.core.facts import Layer
from picasso.core.pictures.moving import Move, map_strides, moved

RNG = np.random.default_rng(12)
SQUARE = RNG.normal(size=(8, 8, 3)).astype(np.float32)
WIDE = RNG.normal(size=(7, 10, 2)).astype(np.float32)


@pytest.mark.parametrize("values", [SQUARE, WIDE], ids=["square", "wide"])
def test_a_shift_by_whole_cells_is_a_roll(values: np.ndarray) -> None:
    wrapped = moved(values, Move.shifted(2, -3), "wrap")
    np.testing.assert_array_equal(wrapped.values, np.roll(values, (2, -3), axis=(0, 1)))
    assert wrapped.exact
    assert wrapped.inside.all()
    edged = moved(values, Move.shifted(2, -3), "edge")
    np.testing.assert_array_equal(edged.values[2:, :-3], values[:-2, 3:])
    np.testing.assert_array_equal(edged.values[:2, 0], values[[0, 0], 3])
    expected = np.zeros(values.shape[:2], bool)
    expected[2:, :-3] = True
    np.testing.assert_array_equal(edged.inside, expected)


def test_what_comes_in_is_what_was_given() -> None:
    black = np.full_like(WIDE, -9)
    found = moved(WIDE, Move.shifted(0, 4), black).values
    assert (found[:, :4] == -9).all()
    np.testing.assert_array_equal(found[:, 4:], WIDE[:, :-4])
    mirrored = moved(WIDE, Move.shifted(0, 4), "reflect").values
    np.testing.assert_array_equal(mirrored, np.pad(WIDE, ((0, 0), (4, 0), (0, 0)), mode="symmetric")[:, :10])


@pytest.mark.parametrize("quarters", [-2, -1, 0, 1, 2, 3])
def test_quarter_turns_of_a_square_hold_its_very_values(quarters: int) -> None:
    found = moved(SQUARE, Move.turned(90 * quarters), "edge")
    np.testing.assert_array_equal(found.values, np.rot90(SQUARE, quarters))
    assert found.exact
    assert found.inside.all()


def test_mirror_images_hold_the_very_values() -> None:
    np.testing.assert_array_equal(moved(WIDE, Move.scaled(1, -1), "edge").values, WIDE[:, ::-1])
    np.testing.assert_array_equal(moved(WIDE, Move.scaled(-1, 1), "edge").values, WIDE[::-1])


@pytest.mark.parametrize("degrees", [-133.0, 17.0, 45.0])
def test_a_turn_is_that_of_scipy(degrees: float) -> None:
    """SciPy's rotation around the middle, bilinear; compared where both read inside of the picture."""
    found = moved(WIDE, Move.turned(degrees), "edge")
    theirs = ndimage.rotate(WIDE.astype(np.float64), degrees, reshape=False, order=1, mode="nearest")
    np.testing.assert_allclose(found.values[found.inside], theirs[found.inside], atol=1e-10)
    assert 0 < found.inside.mean() < 1
    assert not found.exact


@pytest.mark.parametrize("degrees", [30, -75])
def test_a_turn_is_that_of_pillow(degrees: int) -> None:
    picture = RNG.integers(0, 256, (33, 33)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(picture).rotate(degrees, Image.Resampling.BILINEAR))
    found = moved(picture[..., None], Move.turned(degrees), "edge")
    inner = ndimage.binary_erosion(found.inside, iterations=2)
    np.testing.assert_allclose(found.values[inner][:, 0], theirs[inner], atol=0.02)


def test_an_enlargement_is_that_of_scipy() -> None:
    found = moved(WIDE, Move.scaled(1.7, 1.7), "edge")
    middle = np.array([3.0, 4.5, 0])
    theirs = ndimage.affine_transform(
        WIDE.astype(np.float64),
        np.diag([1 / 1.7, 1 / 1.7, 1]),
        middle - middle / [1.7, 1.7, 1],
        order=1,
        mode="nearest",
    )
    np.testing.assert_allclose(found.values, theirs, atol=1e-10)
    assert found.inside.all()


def test_what_shrinks_is_averaged() -> None:
    """At half the size a cell holds the mean of the four that fall in it, not one of them."""
    found = moved(SQUARE, Move.scaled(0.5, 0.5), np.zeros_like(SQUARE)).values
    blocks = SQUARE.astype(np.float64).reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(found[2:6, 2:6], blocks, atol=1e-7)
    assert not found[:2].any()


def test_a_slow_loop_finds_the_same_between_the_cells() -> None:
    found = moved(WIDE, Move.shifted(0.25, -1.5), "edge")
    slow = np.zeros(WIDE.shape)
    for row in range(7):
        for column in range(10):
            y, x = min(max(row - 0.25, 0), 6), min(max(column + 1.5, 0), 9)
            for near_y in range(7):
                for near_x in range(10):
                    weight = max(0, 1 - abs(y - near_y)) * max(0, 1 - abs(x - near_x))
                    slow[row, column] += weight * WIDE[near_y, near_x].astype(np.float64)
    np.testing.assert_allclose(found.values, slow, atol=1e-10)


def test_a_move_on_a_map_is_the_same_move_in_cells() -> None:
    assert Move.shifted(8, -4).on_map((4, 2)) == Move(shift=(2, -2))
    turned = Move.turned(90).on_map((4, 2))  # cells twice as high as wide: a column becomes half as many rows
    np.testing.assert_allclose(turned.inverse, [[0, 0.5], [-2, 0]], atol=1e-12)


def layer(name: str, rows: int, columns: int, kind: str = "Conv2d") -> Layer:
    return Layer(name, kind, (rows, columns, 8))


def test_strides_are_found_where_convolutions_cut_the_border() -> None:
    alexnet = [layer("c1", 55, 55), layer("p1", 27, 27), layer("c2", 27, 27), layer("p2", 13, 13), layer("p3", 6, 6)]
    found = map_strides(alexnet, (224, 224, 3))
    assert found == {"c1": (4, 4), "p1": (8, 8), "c2": (8, 8), "p2": (16, 16), "p3": (32, 32)}
    valid = [layer(f"c{side}", side, side) for side in range(22, 14, -2)]
    assert set(map_strides(valid, (24, 24, 3)).values()) == {(1, 1)}


def test_strides_of_patches_of_enlargements_and_of_vectors() -> None:
    tokens = Layer("block", "Block", (257, 64), grid=(16, 16))
    assert map_strides([tokens], (224, 224, 3)) == {"block": (14, 14)}
    up = [layer("down", 8, 16), layer("up", 16, 32), Layer("fc", "Linear", (10,))]
    assert map_strides(up, (32, 64, 3)) == {"down": (4, 4), "up": (2, 2)}


@pytest.mark.parametrize(
    ("side", "sides", "strides"),
    [
        (32, (30, 15, 13, 6, 4), (1, 2, 2, 4, 4)),
        (28, (24, 12, 8, 4), (1, 2, 2, 4)),
        (299, (149, 147, 147, 73, 71, 35, 17, 8), (2, 2, 2, 4, 4, 8, 16, 32)),
        (160, (80, 40, 20, 10, 5), (2, 4, 8, 16, 32)),
    ],
    ids=["unpadded", "five by five", "inception", "padded"],
)
def test_a_border_that_is_cut_off_is_no_stride(side: int, sides: tuple[int, ...], strides: tuple[int, ...]) -> None:
    found = map_strides([layer(f"{place}", one, one) for place, one in enumerate(sides)], (side, side, 3))
    if side != 28:
        assert [down for down, _ in found.values()] == list(strides)
    else:  # 8 of 12 could be one of two, but not of three
        assert [down for down, _ in found.values()][:2] == [1, 2]


def test_what_holds_nothing_is_not_exact() -> None:
    gone = moved(SQUARE, Move.shifted(0, 8), "edge")
    assert not gone.inside.any()
    assert not gone.exact
