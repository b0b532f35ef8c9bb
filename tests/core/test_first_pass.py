"""A picture's scores and the gradients with which a method begins come from one pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core import registry
from picasso.core.errors import TargetError
from picasso.core.facts import INPUT
from picasso.core.first_pass import first_pass
from picasso.core.fitting import read_settings
from picasso.core.inputs import read_inputs
from picasso.core.model import Model
from picasso.core.visualization import AttributionMethod, Context

X = np.random.default_rng(1).normal(size=(1, 12, 12, 3)).astype(np.float32)
SIZE = picasso.Preprocessing(size=12)


class Counting(nn.Module):
    """A small network that counts its passes."""

    def __init__(self, columns: int = 4) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 6, 3, padding=1)
        self.head = nn.Linear(6, columns)
        self.passes = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return self.head(torch.relu(self.maps(x)).mean(dim=(2, 3)))


def opened(columns: int = 4) -> tuple[Counting, Model]:
    torch.manual_seed(2)
    network = Counting(columns)
    model = picasso.load_model(network, preprocessing=SIZE)
    model.layers()  # traced once
    network.passes = 0
    return network, model


@pytest.mark.parametrize("columns", [1, 4])
@pytest.mark.parametrize("places", [(INPUT,), ("maps",)])
def test_the_best_classes_are_found_and_pulled_back_in_one_pass(places: tuple[str, ...], columns: int) -> None:
    network, model = opened(columns)
    first = first_pass(model, X, (), 3, places)
    assert network.passes == 1
    scores = model.predict(X)[0]
    np.testing.assert_allclose(first.scores, scores, atol=1e-6)
    assert first.targets == model.top_targets(scores, 3)
    assert first.pulled is not None
    again = model.pullback(X, first.targets, places)
    for place in places:
        np.testing.assert_allclose(first.pulled.found.gradients[place], again.gradients[place], atol=1e-6)
        np.testing.assert_allclose(first.pulled.found.values[place], again.values[place], atol=1e-6)


def test_without_places_only_the_scores_are_found() -> None:
    network, model = opened()
    first = first_pass(model, X, [model.target(2)], 5)
    assert first.pulled is None
    assert first.targets == [model.target(2)]
    assert network.passes == 1


def test_no_class_at_all_is_refused_as_ever() -> None:
    _, model = opened()
    with pytest.raises(TargetError, match="top must be at least 1"):
        first_pass(model, X, (), 0, (INPUT,))


@pytest.mark.parametrize("name", ["gradient-times-input", "grad-cam", "saliency-map"])
def test_a_map_costs_one_pass_and_the_digest_another(name: str) -> None:
    network, model = opened()
    settings = {"layer": "maps"} if name == "grad-cam" else {}
    picasso.explain(model, X, name, cache=False, **settings)
    assert network.passes == 2


def test_a_kept_result_costs_the_digest_alone() -> None:
    network, model = opened()
    first = picasso.explain(model, X, "saliency-map")
    network.passes = 0
    assert picasso.explain(model, X, "saliency-map")[0] is first[0]
    assert network.passes == 1


def test_a_method_goes_on_with_the_layers_that_the_first_pass_pulled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    network, model = opened()
    entry = registry.visualization("grad-cam")
    kind, settings = entry.load(), read_settings(entry, {})
    assert issubclass(kind, AttributionMethod)
    first = first_pass(model, X, [model.target(1)], 1, kind.begins_with(model, settings))

    def silent(*_: object) -> None:
        """Say nothing."""

    ctx = Context(model, first.targets, first.scores, 0, silent, silent, pulled=first.pulled)
    assert ctx.begun == ("maps",)
    assert Context(model, first.targets, first.scores, 0, silent, silent).begun == ()
    sample = replace(model.prepare(next(read_inputs(model, np.zeros((12, 12, 3), np.uint8))[0])), x=X)
    looked: list[object] = []
    monkeypatch.setattr(type(model), "default_layer", lambda self: looked.append(self))
    (found,) = kind().attribute(ctx, sample, first.targets, settings)
    assert network.passes == 1
    assert not looked
    assert found.laid.startswith("12 x 12 cells of maps")
