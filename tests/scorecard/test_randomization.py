"""Randomization: what depends on the weights passes, what does not fails; and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from picasso.core import registry
from picasso.core.errors import NotSupportedError
from picasso.core.opening import load_model
from picasso.core.pictures.images import read_picture
from picasso.core.preprocessing import Preprocessing
from picasso.core.settings import Settings
from picasso.scorecard import kept
from picasso.scorecard.comparing import choose_methods
from picasso.scorecard.method import Method, values_of
from picasso.scorecard.randomization import (
    Randomization,
    Shot,
    alike,
    cascade_steps,
    complexity,
    pieces,
    randomize,
    shuffled,
    untestable,
)
from picasso.scorecard.stages import Stages
from tests.core.plugins import drop
from tests.scorecard.making import EDGES, linear, network, picture

QUIET = Stages(lambda done, total, message: None, 1)


def shots(model, method: Method, count: int = 2) -> list[Shot]:
    made = []
    for seed in range(count):
        sample, target = model.prepare(picture(seed)), model.target(0)
        values = values_of(method.explain(model, sample, target, 0, QUIET))
        made.append(Shot(model, sample, target, values))
    return made


@pytest.fixture
def edges(tmp_path: Path) -> Method:
    """A method that never asks the model."""
    drop(tmp_path, EDGES, "edges.py")
    return Method(registry.visualization("edges", [tmp_path]), Settings())


def test_a_map_that_no_weight_had_a_part_in_fails(edges: Method) -> None:
    model = network()
    found = randomize(edges, shots(model, edges), 0, QUIET)
    assert not found.passed
    assert found.similarity == pytest.approx(1)
    assert found.rise == pytest.approx(0)
    assert all(one == pytest.approx(1) for one in found.cascade)


def test_the_gradient_passes() -> None:
    model = network()
    (method,) = choose_methods(model, "saliency-map")
    found = randomize(method, shots(model, method, 3), 0, QUIET)
    assert found.passed
    assert found.similarity < 0.5
    assert len(found.cascade) == len(found.layers) == 3
    assert found == randomize(method, shots(model, method, 3), 0, QUIET)


def test_it_is_what_a_loop_over_copies_says() -> None:
    import scipy.stats

    model = network()
    (method,) = choose_methods(model, "saliency-map")
    given = shots(model, method, 1)
    found = randomize(method, given, 5, QUIET)
    alike = []
    for draw in range(3):
        copies = model.with_parameters(shuffled(model, list(model.parameters()), 5 + draw))
        other = np.abs(copies.pullback(given[0].sample.x, [given[0].target]).gradients["input"][0, 0]).max(axis=-1)
        alike.append(scipy.stats.spearmanr(other.ravel(), given[0].values.ravel()).statistic)
    assert found.similarity == pytest.approx(np.mean(alike), abs=1e-6)
    assert found.cascade[-1] == found.similarity


def test_on_real_weights_the_gradient_passes_and_guided_backpropagation_and_deconvnet_fail(shared_data: Path) -> None:
    import torch

    from tests.models.squeezenet import SqueezeNet

    net = SqueezeNet().eval()
    net.load_state_dict(torch.load(shared_data / "squeezenet11/squeezenet11_state_dict.pt", weights_only=True))
    declared = Preprocessing(size=227, resize="crop", color="bgr", scale=1.0, mean=(104, 117, 123))
    model = load_model(net, preprocessing=declared, name="SqueezeNet")
    sample = model.prepare(read_picture(shared_data / "photos/cat.jpg"))
    target = model.top_targets(model.predict(sample.x)[0], 1)[0]
    for name, passes in (("saliency-map", True), ("guided-backpropagation", False), ("deconvnet", False)):
        (method,) = choose_methods(model, [(name, {})])
        values = values_of(method.explain(model, sample, target, 0, QUIET))
        assert randomize(method, [Shot(model, sample, target, values)], 0, QUIET).passed is passes, name


def test_where_both_maps_are_zero_nothing_is_alike() -> None:
    random = np.random.default_rng(0)
    first, second = (np.pad(random.normal(size=(7, 7)), 30) for _ in range(2))
    inner = scipy.stats.spearmanr(np.abs(first[30:37, 30:37]), np.abs(second[30:37, 30:37]), axis=None).statistic
    assert alike(first, second) == pytest.approx(inner)
    assert alike(first, first) == pytest.approx(1)
    assert alike(first * 0, first * 0) == 0


def test_a_map_that_says_nothing_is_not_tested() -> None:
    model = network()
    (gradient,) = choose_methods(model, ["saliency-map"])
    (shot,) = shots(model, gradient, 1)
    with pytest.raises(NotSupportedError, match="one value everywhere"):
        randomize(gradient, [replace(shot, values=np.zeros_like(shot.values))], 0, QUIET)


def test_shuffling_keeps_what_there_is_and_a_cascade_goes_from_the_output_to_the_input() -> None:
    model = network()
    before = {name: value.copy() for name, value in model.parameters().items()}
    made = shuffled(model, list(before), 0)
    assert all(np.array_equal(np.sort(np.abs(made[n]), None), np.sort(np.abs(before[n]), None)) for n in before)
    assert any(not np.array_equal(made[n], before[n]) for n in before)
    assert [label for label, _ in cascade_steps(model)] == ["6", "3", "0"]
    assert [label for label, _ in cascade_steps(model, most=2)] == ["6 ... 3", "0"]
    assert cascade_steps(model)[-1][1] == ("6.weight", "6.bias", "3.weight", "3.bias", "0.weight", "0.bias")
    assert all(np.array_equal(value, before[name]) for name, value in model.parameters().items())
    assert pieces(model, 2) == 3 + 2 * 2


def test_complexity_is_the_entropy_of_a_histogram() -> None:
    import scipy.stats

    values = np.random.default_rng(0).gamma(1.0, size=(20, 20))
    assert complexity(values) == pytest.approx(scipy.stats.entropy(np.histogram(values, 100)[0]))
    assert complexity(np.ones((3, 3))) == 0


def test_a_model_that_shows_no_parameters_is_not_testable(edges: Method) -> None:
    model = linear()
    assert untestable(model) == "function models do not show their parameters."
    with pytest.raises(NotSupportedError, match="do not show their parameters"):
        randomize(edges, shots(model, edges), 0, QUIET)


def test_what_was_found_is_kept_for_this_model_and_this_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICASSO_HOME", str(tmp_path))
    model = network()
    gradient, other = choose_methods(model, ["saliency-map", ("saliency-map", {"reduction": "sum"})])
    assert kept.read(model, gradient) is None
    found = Randomization(0.25, 0.5, 1.0, 1.5, ("b", "a"), (0.5, 0.25), 2, 0)
    kept.write(model, gradient, found)
    assert kept.read(model, gradient) == found
    assert kept.read(model, other) is None
    assert kept.read(network(1), gradient) is None
    next((tmp_path / "scorecard").iterdir()).write_text("broken")
    assert kept.read(model, gradient) is None
