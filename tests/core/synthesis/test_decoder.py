"""The decoder: exact where a layer keeps everything, and least squares as written out."""

from __future__ import annotations

import numpy as np
import pytest

from picasso.core.synthesis.decoder import PENALTIES, Decoder, Grid

RNG = np.random.default_rng(4)


def pictures(count: int, side: int = 12) -> list[np.ndarray]:
    return [RNG.random((side, side, 3)) for _ in range(count)]


def learned(maps_of, shown: list[np.ndarray], reach: int = 1) -> Decoder:  # type: ignore[no-untyped-def]
    grid = Grid.of(maps_of(shown[0]), shown[0].shape, reach)
    decoder = Decoder(grid, np.random.default_rng(0))
    for number, picture in enumerate(shown):
        decoder.add(maps_of(picture), picture, np.ones(picture.shape, bool), held=number % 4 == 1)
    decoder.solve()
    return decoder


def space_to_depth(picture: np.ndarray) -> np.ndarray:
    """Return blocks of 2 x 2 pixels as channels, mixed by an invertible matrix: nothing is lost."""
    height, width, colors = picture.shape
    cut = (
        picture.reshape(height // 2, 2, width // 2, 2, colors)
        .transpose(1, 3, 4, 0, 2)
        .reshape(-1, height // 2, width // 2)
    )
    return np.float32(np.tensordot(MIX, cut, 1) + 0.3)


MIX = np.linalg.qr(RNG.normal(size=(12, 12)))[0] * 2


def test_what_keeps_everything_is_decoded_exactly() -> None:
    decoder = learned(space_to_depth, pictures(8))
    assert decoder.grid == Grid(6, 6, 12, 2, 3, 1)
    assert decoder.explained == pytest.approx(1, abs=1e-9)
    [picture] = pictures(1)
    np.testing.assert_allclose(decoder.decode(space_to_depth(picture), picture.shape), picture, atol=1e-4)


def test_what_forgets_colors_gives_the_best_guess() -> None:
    def grey(picture: np.ndarray) -> np.ndarray:
        return np.float32(picture.mean(axis=2)[None])

    decoder = learned(grey, pictures(24))
    # The mean of three independent colors tells a third of the variance of each.
    assert decoder.explained == pytest.approx(1 / 3, abs=0.03)
    [picture] = pictures(1)
    made = decoder.decode(grey(picture), picture.shape)
    np.testing.assert_allclose(made, np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2), atol=0.06)


def test_it_is_ridge_regression_as_written_out() -> None:
    shown = pictures(9)
    maps_of = {id(picture): np.float32(RNG.normal(size=(4, 6, 6)) + picture.mean()) for picture in shown}
    decoder = learned(lambda picture: maps_of[id(picture)], shown, reach=3)
    grid, rows, targets = decoder.grid, [], []
    for number, picture in enumerate(shown):
        if number % 4 == 1:
            continue
        wide = np.pad(maps_of[id(picture)], ((0, 0), (1, 1), (1, 1)))
        for row in range(6):
            for column in range(6):
                rows.append(wide[:, row : row + 3, column : column + 3].ravel())
                targets.append(picture[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel())
    x, y = np.array(rows, np.float64), np.array(targets)
    middle, mean = x.mean(axis=0), y.mean(axis=0)
    square = (x - middle).T @ (x - middle)
    penalty = decoder.penalty * np.trace(square) / len(square)
    weights = np.linalg.solve(square + penalty * np.eye(len(square)), (x - middle).T @ (y - mean))
    maps = maps_of[id(shown[0])]
    expected = (grid.features(maps).reshape(36, -1) - middle) @ weights + mean
    found = decoder.decode(maps, shown[0].shape)
    np.testing.assert_allclose(grid.blocks(found).reshape(36, -1), np.clip(expected, 0, 1), atol=1e-6)
    assert decoder.penalty in PENALTIES


def test_noise_explains_nothing_and_the_largest_penalty_is_taken() -> None:
    decoder = learned(lambda _: np.float32(RNG.normal(size=(6, 6, 6))), pictures(12))
    assert decoder.explained < 0.02
    assert decoder.penalty == PENALTIES[-1]


def test_blocks_are_cut_and_joined_again() -> None:
    grid = Grid(4, 3, 5, 2, 3, 1)
    picture = RNG.random((8, 6, 3))
    np.testing.assert_array_equal(grid.joined(grid.blocks(picture), picture.shape), picture)
    assert grid.blocks(picture)[1, 2].tolist() == picture[2:4, 4:6].ravel().tolist()


@pytest.mark.parametrize(
    ("maps", "shape", "side", "reach"),
    [
        ((8, 13, 13), (227, 227, 3), 18, 3),
        ((512, 7, 7), (224, 224, 3), 32, 1),
        ((100, 1, 1), (128, 128, 3), 32, 1),
        ((3, 224, 224), (224, 224, 3), 1, 3),
    ],
)
def test_the_grid_fits_the_layer(
    maps: tuple[int, int, int], shape: tuple[int, int, int], side: int, reach: int
) -> None:
    grid = Grid.of(np.zeros(maps, np.float32), shape, 3)
    assert (grid.side, grid.reach) == (side, reach)


def test_what_padding_adds_is_neither_learned_nor_counted() -> None:
    shown, movable = pictures(12), np.zeros((12, 12, 3), bool)
    movable[2:10] = True
    grid = Grid.of(space_to_depth(shown[0]), shown[0].shape, 1)
    padded, bare = Decoder(grid, np.random.default_rng(0)), Decoder(grid, np.random.default_rng(0))
    noise = np.random.default_rng(1)
    for number, picture in enumerate(shown):
        maps = np.float32(noise.normal(size=(12, 6, 6)))
        maps[:, 0] = maps[:, -1] = 0  # the layer knows the bars
        padded.add(maps, np.where(movable, picture, 0), movable, held=number % 4 == 1)
        bare.add(maps, np.where(movable, picture, 0), np.ones_like(movable), held=number % 4 == 1)
    padded.solve()
    bare.solve()
    assert padded.explained < 0.05
    assert bare.explained > 0.05 or bare.explained > padded.explained


def test_pictures_that_do_not_vary_explain_nothing() -> None:
    decoder = learned(lambda _: np.float32(RNG.normal(size=(6, 6, 6))), [np.full((12, 12, 3), 0.4)] * 8)
    assert np.isnan(decoder.explained)


def test_too_many_features_are_mixed_and_still_decoded() -> None:
    mixer = np.float32(RNG.normal(size=(1500, 12)))

    def wide(picture: np.ndarray) -> np.ndarray:
        return np.tensordot(mixer, space_to_depth(picture), 1)

    decoder = learned(wide, pictures(8))
    assert decoder.mixed
    assert decoder.explained > 0.999
    [picture] = pictures(1)
    np.testing.assert_allclose(decoder.decode(wide(picture), picture.shape), picture, atol=1e-2)
