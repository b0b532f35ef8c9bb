"""Perturbation methods give the same for the same network, whatever framework runs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

import picasso
from picasso.core.model import Model
from tests.models.onnx_files import graph, node
from tests.visualizations.perturbed import PLAIN, WEIGHTS, attribution

FLAT = WEIGHTS.transpose(2, 0, 1, 3).reshape(-1, 4)


class Squared(torch.nn.Module):
    """A matrix, and what is positive of it by another one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.from_numpy(FLAT.copy()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x.flatten(1) @ self.weight
        return y + 0.02 * y * torch.relu(y)


def function(x: np.ndarray) -> np.ndarray:
    y = np.tensordot(x, WEIGHTS, 3)
    return y + np.float32(0.02) * y * np.maximum(y, 0)


def in_onnx(folder: Path) -> Model:
    nodes = [
        node("Flatten", ["x"], ["flat"]),
        node("MatMul", ["flat", "w"], ["y"]),
        node("Relu", ["y"], ["positive"]),
        node("Mul", ["y", "positive"], ["square"]),
        node("Mul", ["square", "part"], ["small"]),
        node("Add", ["y", "small"], ["scores"]),
    ]
    made = graph(nodes, {"x": ("n", 3, 20, 30)}, ["scores"], {"w": FLAT, "part": np.float32(0.02)})
    onnx.save(made, folder / "squared.onnx")
    return picasso.load_model(folder / "squared.onnx", preprocessing=PLAIN)


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("rise", {"masks": 64}),
        ("lime", {"samples": 64, "count": 9}),
        ("kernel-shap", {"samples": 100, "count": 9}),
        ("partition-shap", {"cells": 4}),
        ("sobol", {"cells": 3, "designs": 8}),
        ("feature-ablation", {"count": 9}),
        ("extremal-perturbation", {"iterations": 10, "cells": 6}),
    ],
)
def test_a_function_pytorch_and_onnx_agree(name: str, choices: dict[str, Any], tmp_path: Path) -> None:
    torched = picasso.load_model(Squared(), preprocessing=PLAIN)
    expected = attribution(torched, name, target=2, **choices).values
    others = [in_onnx(tmp_path)]
    if name != "extremal-perturbation":  # a plain function gives no gradients
        others.append(picasso.load_model(function, preprocessing=PLAIN))
    for other in others:
        found = attribution(other, name, target=2, **choices).values
        np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
