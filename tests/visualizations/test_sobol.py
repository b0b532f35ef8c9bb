"""Sobol indices against closed forms and a slow re-implementation."""

from __future__ import annotations

import numpy as np
import pytest

import picasso
from picasso.core.errors import SettingsError
from picasso.core.maps.sobol_indices import draw_designs, jansen
from picasso.core.model import Model
from tests.visualizations.perturbed import PICTURE, X, attribution, curved, effects, linear, result, scores


def test_an_additive_model_gives_each_cell_its_share_of_the_variance() -> None:
    """f = sum a_i m_i with m_i even on 0..1 has the variance sum a_i^2 / 12, and no cell a hand in another's part."""
    found = attribution(linear(), "sobol", cells=3, designs=1024, fill="black", target="shed", seed=1)
    effect = effects(0, 2)
    rows, columns = np.arange(20) * 3 // 20, np.arange(30) * 3 // 30
    parts = np.bincount((rows[:, None] * 3 + columns).ravel(), effect.ravel())
    assert found.native is not None
    np.testing.assert_allclose(found.native.ravel(), parts**2 / (parts**2).sum(), atol=0.02)
    assert found.native.sum() == pytest.approx(1, abs=0.03)
    assert found.sign == "unsigned"


def ishigami() -> Model:
    """Return a model whose score is Ishigami's function of how bright three of the four cells are."""

    def network(x: np.ndarray) -> np.ndarray:
        cells = [x[:, :4, :4], x[:, :4, 4:], x[:, 4:, :4]]
        a, b, c = ((cell.mean(axis=(1, 2, 3)) * 2 - 1) * np.pi for cell in cells)
        return np.stack([np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a), a * 0], axis=1)

    return picasso.load_model(network, preprocessing=picasso.Preprocessing(size=8), labels=["a", "b"])


def test_ishigamis_function_has_its_known_total_indices() -> None:
    white = np.full((8, 8, 3), 255, np.uint8)
    found = picasso.explain(ishigami(), white, "sobol", cells=2, designs=1024, fill="black", target=0, cache=False)
    native = found.attributions[0].native
    np.testing.assert_allclose(native.ravel(), [0.5576, 0.4424, 0.2437, 0], atol=0.02)
    still = picasso.explain(ishigami(), white, "sobol", cells=2, fill="black", target=1, cache=False).attributions[0]
    assert not still.values.any()
    assert still.notes == ("The score did not move under any mask.",)


def test_a_network_gives_jansens_estimate_over_the_same_designs() -> None:
    found = result(curved(), "sobol", cells=3, designs=16, fill="black", target=3, seed=2)
    first, second = draw_designs(16, 9, 2)
    rows, columns = np.arange(20) * 3 // 20, np.arange(30) * 3 // 30
    labels = rows[:, None] * 3 + columns

    def worth(kept: np.ndarray) -> float:
        return float(scores((X * kept[labels][..., None])[None])[0, 3])

    base = [worth(row) for row in first]
    for cell in range(9):
        total = 0.0
        for row, other, there in zip(first, second, base, strict=True):
            mixed = row.copy()
            mixed[cell] = other[cell]
            total += (there - worth(mixed)) ** 2
        expected = total / (2 * 16 * np.var(base, ddof=1))
        native = found.attributions[0].native
        assert native is not None
        assert native.ravel()[cell] == pytest.approx(expected, rel=2e-3)


def test_the_designs_fill_the_cube_evenly_and_follow_the_seed() -> None:
    first, second = draw_designs(64, 5, 0)
    for design in (first, second):
        for cell in design.T:  # one point in each 64th of every axis
            assert sorted((cell * 64).astype(int)) == list(range(64))
    assert (draw_designs(64, 5, 0)[0] == first).all()
    assert (draw_designs(64, 5, 1)[0] != first).any()


def test_signs_are_those_of_what_covering_a_cell_alone_does() -> None:
    choices = {"cells": 3, "designs": 16, "fill": "black", "target": "shed"}
    plain, signed = attribution(linear(), "sobol", **choices), attribution(linear(), "sobol", signed=True, **choices)
    rows, columns = np.arange(20) * 3 // 20, np.arange(30) * 3 // 30
    parts = np.bincount((rows[:, None] * 3 + columns).ravel(), effects(0, 2).ravel())
    assert plain.native is not None
    assert signed.native is not None
    np.testing.assert_allclose(signed.native.ravel(), plain.native.ravel() * np.sign(parts), atol=1e-6)
    assert signed.sign == "signed"


@pytest.mark.parametrize(("even", "least", "most"), [(False, 0.8, 1.25), (True, 0, 0.5)])
def test_the_standard_error_is_that_over_seeds_of_designs_at_random_and_the_sequence_beats_it(
    even: bool, least: float, most: float
) -> None:
    random = np.random.default_rng(0)
    table = random.normal(size=4)
    truth = table**2 / (table**2).sum()
    pulls = []
    for seed in range(80):
        first, second = draw_designs(64, 4, seed) if even else np.random.default_rng(seed).random((2, 64, 4))
        mixed = np.stack([np.where(np.arange(4) == cell, second, first) for cell in range(4)], axis=1)
        found = jansen(np.concatenate([first[:, None], mixed], axis=1) @ table[:, None])
        pulls.append((found.values[0] - truth) / found.errors[0])
    assert least < np.std(pulls) < most


def test_designs_must_be_a_power_of_two() -> None:
    with pytest.raises(SettingsError, match=r"designs must be a power of two.*Got 33"):
        attribution(linear(), "sobol", designs=33)


def test_seed_and_batch_size() -> None:
    one, same, other = (attribution(curved(8), "sobol", cells=3, designs=8, seed=seed) for seed in (1, 1, 2))
    assert (one.values == same.values).all()
    assert (one.values != other.values).any()
    assert "8 of 8 designs of a scrambled Sobol sequence, seed 1" in one.notes[0]
    batched = attribution(curved(3), "sobol", cells=3, designs=8, seed=1)
    np.testing.assert_allclose(one.values, batched.values, rtol=2e-3, atol=1e-5)
    assert PICTURE.shape == (20, 30, 3)
