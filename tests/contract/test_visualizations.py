"""Every registered visualization keeps the contract, on a live network and, where it fits, on a plain function."""

import numpy as np
import pytest

from picasso.core import registry, runner
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.preprocessing import Array, Preprocessing
from picasso.testing import check_visualization, small_model

NAMES = [name for name, entry in registry.visualizations([]).items() if entry.origin == "built-in"]


def brightness(x: Array) -> Array:
    """Scores of a model that is no network: the brightness of three stripes."""
    return np.stack([part.mean(axis=(1, 2, 3)) for part in np.array_split(x, 3, axis=2)], axis=1) * 5


def function_model() -> Model:
    return load_model(brightness, preprocessing=Preprocessing(size=(16, 20)), labels=("a", "b", "c"))


def test_there_are_visualizations() -> None:
    assert {"partial-occlusion", "saliency-map", "grad-cam", "class-probabilities"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_on_a_network(name: str) -> None:
    check_visualization(name, small_model())


@pytest.mark.parametrize("name", NAMES)
def test_on_a_function_where_it_fits(name: str) -> None:
    model, entry = function_model(), registry.visualization(name, [])
    if reason := runner.missing(model, entry):
        assert entry.load().title in reason
    else:
        check_visualization(name, model)
