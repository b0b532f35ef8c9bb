"""Extremal perturbation against autograd, and models whose best part is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.model import Model
from picasso.visualizations.extremal_perturbation import REACH, TEMPERATURE, area_penalty, smooth_maximum, spread_back
from tests.visualizations.perturbed import attribution, curved

PICTURE = np.random.default_rng(0).integers(100, 256, (40, 40, 3)).astype(np.uint8)


def slow_maximum(parameters: torch.Tensor) -> torch.Tensor:
    """Return the mask cell by cell."""
    rows, columns = parameters.shape
    made = []
    for y in range(rows):
        for x in range(columns):
            around = []
            for down in range(-REACH, REACH + 1):
                for across in range(-REACH, REACH + 1):
                    inside = 0 <= y + down < rows and 0 <= x + across < columns
                    there = parameters[y + down, x + across] if inside else parameters.new_zeros(())
                    around.append(there * np.exp(-(down**2 + across**2) / 2))
            values = torch.stack(around)
            made.append((torch.softmax(values / TEMPERATURE, 0) * values).sum())
    return torch.stack(made).reshape(rows, columns)


def test_the_smooth_maximum_and_its_slopes_are_those_of_autograd() -> None:
    random = np.random.default_rng(1)
    parameters, weights = random.random((5, 6)), random.normal(size=(5, 6))
    mask, slopes = smooth_maximum(parameters)
    slow = torch.from_numpy(parameters).requires_grad_()
    expected = slow_maximum(slow)
    np.testing.assert_allclose(mask, expected.detach().numpy(), rtol=1e-9)
    (expected * torch.from_numpy(weights)).sum().backward()
    assert slow.grad is not None
    np.testing.assert_allclose(spread_back(weights[..., None, None] * slopes), slow.grad.numpy(), rtol=1e-8, atol=1e-10)


def test_the_penalty_is_zero_for_a_mask_of_the_area_and_its_gradient_is_that_of_autograd() -> None:
    mask = np.zeros((10, 10))
    mask[2:5, 3:8] = 1
    assert area_penalty(mask, 0.15)[0] == 0
    drawn = np.random.default_rng(0).random((6, 7))
    slow = torch.from_numpy(drawn).requires_grad_()
    wanted = torch.cat([torch.zeros(42 - 13), torch.ones(13)])
    penalty = ((slow.flatten().sort().values - wanted) ** 2).mean()
    penalty.backward()
    found, gradient = area_penalty(drawn, 0.3)
    assert found == pytest.approx(penalty.item())
    assert slow.grad is not None
    np.testing.assert_allclose(gradient, slow.grad.numpy())


class Corner(nn.Module):
    """Scores how bright one square is, and how dark the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = x[:, :, 8:20, 20:32].mean((1, 2, 3)) * self.scale
        return torch.stack([inside * 5, -inside * 5], 1)


def corner() -> Model:
    return picasso.load_model(Corner(), preprocessing=picasso.Preprocessing(size=40), labels=["in", "out"])


def test_the_mask_lies_on_the_only_part_that_matters() -> None:
    found = picasso.explain(
        corner(), PICTURE, "extremal-perturbation", target=0, area=0.09, cells=20, fill="black", cache=False
    ).attributions[0]
    assert found.values[9:19, 21:31].mean() > 0.8
    around = found.values[4:26, 16:36]  # beyond the edge by two cells: no Gaussian is narrower
    assert around.sum() > 0.85 * found.values.sum()
    assert found.values.mean() == pytest.approx(0.09, abs=0.02)
    assert found.sign == "unsigned"
    assert found.baseline == "black"


def test_the_note_says_what_the_part_alone_scores() -> None:
    model = corner()
    found = picasso.explain(
        model, PICTURE, "extremal-perturbation", target=0, area=0.09, cells=20, fill="black", cache=False
    ).attributions[0]
    kept = PICTURE / np.float32(255) * found.values[..., None]
    score = model.predict(kept[None].astype(np.float32))[0, 0]
    assert (
        f"the score is {score:.4g}; of the whole picture it is {found.score:.4g}, of the absent one 0."
        in found.notes[0]
    )
    assert score > 0.65 * found.score


def test_a_larger_area_keeps_at_least_as_much_of_the_score() -> None:
    choices = {"target": 1, "fill": "black", "cells": 8, "iterations": 60}
    small, large = (attribution(curved(), "extremal-perturbation", area=area, **choices) for area in (0.1, 0.6))
    assert large.values.mean() > small.values.mean() + 0.2


def test_it_draws_nothing_and_the_batch_size_changes_nothing() -> None:
    one, other, seeded = (
        attribution(curved(size), "extremal-perturbation", iterations=10, seed=seed).values
        for size, seed in ((2, 0), (32, 0), (2, 5))
    )
    np.testing.assert_array_equal(one, seeded)
    np.testing.assert_allclose(one, other, atol=1e-5)
