"""Partition SHAP against closed forms, all orders that keep the halves together, and shap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from picasso.core.maps.regions import lay_grid
from picasso.visualizations.partition_shap import Block, Halving
from tests.oracle import arrays
from tests.oracle.scene import X as SCENE
from tests.oracle.scene import network as scene_network
from tests.visualizations.perturbed import X, attribution, curved, effects, linear, result, scores


def orders(block: Block, columns: int) -> Iterator[tuple[int, ...]]:
    """Yield all orders of a block's cells in which no half is interrupted by its twin."""
    halves = block.halves()
    if halves is None:
        yield (block.top * columns + block.left,)
        return
    for first in orders(halves[0], columns):
        for second in orders(halves[1], columns):
            yield first + second
            yield second + first


def owen(worth: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return Owen values by going through these orders; the worth of each set of cells by the bits of its number."""
    total, count = np.zeros(rows * columns), 0
    for order in orders(Block(0, rows, 0, columns), columns):
        there = 0
        for cell in order:
            total[cell] += worth[there | 1 << cell] - worth[there]
            there |= 1 << cell
        count += 1
    return total / count


def halved(
    worth: np.ndarray, rows: int, columns: int, budget: int = 10**6, most: int = 99
) -> tuple[np.ndarray, Halving]:
    """Play a game by halving."""
    halving = Halving(lay_grid(rows, columns, rows, columns), worth[:1], worth[-1:])
    budget = min(budget, halving.all_evaluations)
    while halving.scored < budget:
        kept = halving.ask(min(most, (budget - halving.scored) // 2))
        halving.tell(worth[(kept * 2 ** np.arange(rows * columns)).sum(axis=1)][:, None])
    return halving.values()[0].ravel(), halving


@given(st.integers(0, 10_000), st.sampled_from([(1, 2), (2, 2), (1, 3), (3, 2), (2, 4)]))
@settings(max_examples=40)
def test_halving_to_the_end_gives_the_owen_values_of_any_game(seed: int, grid: tuple[int, int]) -> None:
    worth = np.random.default_rng(seed).normal(size=2 ** (grid[0] * grid[1]))
    values, halving = halved(worth, *grid)
    np.testing.assert_allclose(values, owen(worth, *grid), atol=1e-9)
    assert halving.open_blocks() == 0
    assert halving.scored == halving.all_evaluations


@given(st.integers(0, 10_000), st.integers(2, 60))
@settings(max_examples=40)
def test_the_values_add_up_whatever_was_halved(seed: int, budget: int) -> None:
    worth = np.random.default_rng(seed).normal(size=2**8)
    values, halving = halved(worth, 2, 4, budget // 2 * 2)
    assert values.sum() == pytest.approx(worth[-1] - worth[0])
    assert halving.scored <= budget


def test_a_linear_model_gives_each_cell_the_sum_of_its_pixels_effects() -> None:
    found = result(linear(), "partition-shap", cells=4, fill="black", target="shed")
    expected = np.bincount(found.arrays["regions"].ravel(), effects(0, 2).ravel())
    np.testing.assert_allclose(found.arrays["region_values"][0], expected, atol=1e-4)
    one = found.attributions[0]
    assert one.notes[0] == "Exact Owen values, from 170 pictures."
    assert one.native is not None
    assert one.native.shape == (4, 4)
    assert one.convergence_error == pytest.approx(0, abs=1e-4)


def test_blocks_that_were_not_halved_share_out_by_area_and_it_is_said() -> None:
    found = result(linear(), "partition-shap", cells=4, evaluations=16, fill="black", target="shed")
    one = found.attributions[0]
    assert one.notes[0].startswith("16 of 170 pictures were scored; ")
    effect = effects(0, 2)
    assert found.arrays["region_values"].sum() == pytest.approx(effect.sum(), abs=1e-3)
    left = found.arrays["region_values"].reshape(4, 4)[:2].sum()
    assert left == pytest.approx(effect[:10].sum(), abs=1e-3) or found.arrays["region_values"].reshape(4, 4)[
        :, :2
    ].sum() == pytest.approx(effect[:, :15].sum(), abs=1e-3)


def test_a_network_gives_the_owen_values_over_all_orders() -> None:
    found = result(curved(), "partition-shap", cells=2, fill="black", target=3)
    labels = found.arrays["regions"]
    kept = (np.arange(16)[:, None] >> np.arange(4) & 1).astype(bool)
    worth = scores(X * kept[:, labels][..., None])[:, 3]
    np.testing.assert_allclose(found.arrays["region_values"][0], owen(worth, 2, 2), atol=1e-4 * np.ptp(worth))


@pytest.mark.parametrize(("side", "budget"), [(4, 240), (4, 62), (8, 200)])
def test_agrees_with_shap(side: int, budget: int) -> None:
    """Where the budget ends early, too: node after node in the order of what each tells."""
    import torch

    net = scene_network("plain")
    regions = lay_grid(32, 32, side, side)

    def worth(kept: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            masks = torch.from_numpy(regions.masks(kept))[:, None]
            return net(torch.from_numpy(SCENE) * masks)[:, [2]].numpy().astype(np.float64)

    ends = worth(np.array([[False] * side**2, [True] * side**2]))
    halving = Halving(regions, ends[0], ends[1])
    # Its budget counts the absent and the whole picture, too.
    while halving.scored < min(budget - 2, halving.all_evaluations):
        halving.tell(worth(halving.ask(1)))
    expected = arrays("shap")[f"partition/{side}/{budget}"]
    np.testing.assert_allclose(halving.values()[0], expected, atol=1e-4 * np.abs(expected).max())


def test_the_batch_size_changes_nothing_and_the_seed_neither() -> None:
    one, other = (attribution(curved(size), "partition-shap", evaluations=100).values for size in (3, 64))
    np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(one).max())
    assert (attribution(curved(3), "partition-shap", evaluations=100, seed=9).values == one).all()
