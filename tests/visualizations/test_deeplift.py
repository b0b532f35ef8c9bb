"""DeepLIFT against a closed form, Captum, and the wrong numbers that Captum gives where it does not see."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import DeepLift
from torch import nn

import picasso
from picasso.core.errors import NotSupportedError
from picasso.core.facts import INPUT
from picasso.core.model import Model
from picasso.core.relevance import RescaleRule
from tests.models.networks import Functional, InPlace, Plain, Shared, Vit, seeded

SIZE = picasso.Preprocessing(size=12, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
PICTURE = np.random.default_rng(2).integers(0, 256, (20, 20, 3)).astype(np.uint8)
RNG = np.random.default_rng(4)
X = RNG.normal(size=(1, 12, 12, 3)).astype(np.float32)
BASELINE = RNG.normal(size=(12, 12, 3)).astype(np.float32)
# Captum says that it sets hooks.
pytestmark = pytest.mark.filterwarnings("ignore:Setting (forward|backward)", "ignore:.*requires_grad")


def opened(network: nn.Module, **choices: Any) -> Model:
    return picasso.load_model(network.eval(), preprocessing=SIZE, **choices)


def parts(network: nn.Module, target: int = 2) -> np.ndarray:
    """Return ours, (channels, height, width)."""
    model = opened(network)
    found = model.relevance(X, [model.target(target)], RescaleRule(BASELINE))
    np.testing.assert_allclose(found.residual, 0, atol=1e-5)
    return np.moveaxis(found.values[0, 0], -1, 0)


def by_captum(network: nn.Module, target: int = 2) -> tuple[np.ndarray, float]:
    """Return Captum's, and by how much it says itself that it fails to add up."""
    x, baseline = (torch.from_numpy(np.moveaxis(one, -1, 1).copy()) for one in (X, BASELINE[None]))
    found, delta = DeepLift(network.eval()).attribute(
        x.requires_grad_(), baseline.requires_grad_(), target=target, return_convergence_delta=True
    )
    return found[0].detach().numpy(), abs(float(delta))


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-4) -> bool:
    return bool(np.abs(a - b).max() <= tolerance * np.abs(b).max())


def test_of_a_linear_network_it_is_weight_times_difference() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12 * 12 * 3, 4))
    weight = network[1].weight[2].detach().numpy().reshape(3, 12, 12)
    assert close(parts(network), weight * np.moveaxis(X[0] - BASELINE, -1, 0))


def test_of_one_hidden_layer_it_is_the_formula() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(12 * 12 * 3, 7), nn.Tanh(), nn.Linear(7, 4))
    w, v = network[1].weight.detach().numpy(), network[3].weight.detach().numpy()[2]
    flat, flat0 = (np.moveaxis(one, -1, 0).ravel() for one in (X[0], BASELINE))
    z, z0 = (w @ one + network[1].bias.detach().numpy() for one in (flat, flat0))
    multipliers = (v * (np.tanh(z) - np.tanh(z0)) / (z - z0)) @ w
    assert close(parts(network), (multipliers * (flat - flat0)).reshape(3, 12, 12))


@pytest.mark.parametrize("kind", ["relu", "elu", "sigmoid and pool", "batch norm"])
def test_it_agrees_with_captum_where_all_is_modules(kind: str) -> None:
    torch.manual_seed(1)
    between: dict[str, list[nn.Module]] = {
        "relu": [nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU()],
        "elu": [nn.ELU(), nn.Conv2d(6, 6, 3), nn.LeakyReLU(0.1)],
        "sigmoid and pool": [nn.Sigmoid(), nn.Conv2d(6, 6, 3), nn.MaxPool2d(2), nn.Conv2d(6, 6, 1), nn.Softplus()],
        "batch norm": [nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2)],
    }
    body = nn.Sequential(nn.Conv2d(3, 6, 3), *between[kind], nn.Flatten(), nn.LazyLinear(4)).eval()
    with torch.no_grad():
        body(torch.zeros(1, 3, 12, 12))
    found, delta = by_captum(body)
    assert delta < 1e-5
    assert close(parts(body), found)


def test_a_relu_before_a_max_pool_adds_up_here_and_not_in_captum() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(108, 4))
    found, delta = by_captum(network)
    assert delta > 0.01  # its own word for it
    ours = parts(network)  # which adds up
    assert not close(ours, found)


def test_a_functional_relu_is_seen_here_and_not_by_captum() -> None:
    right = by_captum(seeded(Plain))[0]
    for kind in (Plain, Functional, InPlace, Shared):
        assert close(parts(seeded(kind)), right)
    wrong = by_captum(seeded(Functional))[0]
    assert np.abs(wrong - right).max() > 0.1 * np.abs(right).max()
    # What Captum gives is the plain gradient times the difference, as if there were no rule.
    model = opened(seeded(Functional))
    gradient = model.pullback(X, [model.target(2)]).gradients[INPUT][0, 0]
    assert close(np.moveaxis(gradient * (X[0] - BASELINE), -1, 0), wrong, 1e-5)


class Spelled(nn.Module):
    """The function |x| of the pictures' mean, from ReLUs: relu(x) + relu(-x), or with a sum that is zero in between."""

    def __init__(self, detour: bool) -> None:
        super().__init__()
        self.detour = detour

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        m = x.mean((2, 3))[:, :2]
        first, second = m[:, :1], m[:, 1:]
        low = torch.relu(first - second)
        least = first - low if self.detour else torch.minimum(first, second)
        return torch.cat([least, -least], 1)


def test_the_same_function_built_in_two_ways_may_get_two_maps() -> None:
    one, two = (parts(Spelled(detour), 0) for detour in (True, False))
    np.testing.assert_allclose(one.sum(), two.sum(), rtol=1e-4)
    assert not close(one, two, 0.01)


def test_the_visualization_says_what_it_did() -> None:
    model = opened(seeded(Plain))
    result = picasso.explain(model, PICTURE, "deeplift", target=1, baseline="blur")
    assert isinstance(result, picasso.Result)
    attribution = result.attributions[0]
    x = SIZE.apply(PICTURE)
    from picasso.core.maps.baselines import blurred

    wanted = model.relevance(x[None], [model.target(1)], RescaleRule(blurred(x)))
    np.testing.assert_allclose(attribution.values, wanted.values[0, 0].sum(-1), atol=1e-6)
    difference = attribution.score - float(model.predict(blurred(x)[None])[0, 1])
    np.testing.assert_allclose(attribution.values.sum(), difference, atol=1e-5)
    assert attribution.convergence_error is not None
    assert attribution.convergence_error < 1e-5
    assert attribution.baseline == "blur"
    assert attribution.units == "change in logit"
    again = picasso.explain(model, PICTURE, "deeplift", target=1, baseline="uniform", seed=3, cache=False)
    more = picasso.explain(model, PICTURE, "deeplift", target=1, baseline="uniform", seed=3, cache=False)
    np.testing.assert_array_equal(again.attributions[0].values, more.attributions[0].values)


def test_a_picture_that_is_the_baseline_has_nothing_to_tell() -> None:
    result = picasso.explain(opened(seeded(Plain)), np.zeros((20, 20, 3), np.uint8), "deeplift", baseline="black")
    assert not result.attributions[0].values.any()
    assert "is the baseline itself" in result.attributions[0].notes[0]


def test_differences_of_classes_and_binary_networks() -> None:
    model = opened(seeded(Plain))
    a, b, both = (model.target(one) for one in (0, 1, "0 - 1"))
    found = model.relevance(X, [a, b, both], RescaleRule(BASELINE))
    np.testing.assert_allclose(found.values[2], found.values[0] - found.values[1], atol=1e-5)
    binary = opened(nn.Sequential(seeded(Plain), nn.Linear(5, 1)))
    pair = binary.relevance(X, [binary.target(0), binary.target(1)], RescaleRule(BASELINE)).values
    np.testing.assert_allclose(pair[0], -pair[1], atol=1e-6)


def test_a_transformer_adds_up() -> None:
    model = opened(Vit())
    found = model.relevance(X, [model.target(0), model.target(3)], RescaleRule(BASELINE))
    size = np.abs(found.values).sum()
    np.testing.assert_allclose(found.residual, 0, atol=1e-5 * size)
    np.testing.assert_allclose(
        found.shared[:, 0], (model.predict(X) - model.predict(BASELINE[None]))[0, [0, 3]], atol=1e-5
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pytorch_and_onnx_agree(tmp_path: Path) -> None:
    network = seeded(Plain).eval()
    torch.onnx.export(
        network, (torch.zeros(1, 3, 12, 12),), str(tmp_path / "plain.onnx"), dynamo=False, input_names=["x"]
    )
    onnx = picasso.load_model(tmp_path / "plain.onnx", preprocessing=SIZE)
    found = onnx.relevance(X, [onnx.target(2)], RescaleRule(BASELINE))
    assert close(np.moveaxis(found.values[0, 0], -1, 0), parts(network))


def test_what_cannot_be_read_says_why() -> None:
    class Odd(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x.cumsum(3))

    with pytest.raises(NotSupportedError, match="cumsum"):
        picasso.explain(opened(Odd()), PICTURE, "deeplift")
    with pytest.raises(NotSupportedError, match="computes in bfloat16"):
        picasso.explain(opened(seeded(Plain).bfloat16()), PICTURE, "deeplift")
    script = picasso.load_model(torch.jit.trace(seeded(Plain).eval(), torch.zeros(1, 3, 12, 12)), preprocessing=SIZE)
    with pytest.raises(picasso.PicassoError, match="needs relevance, which this TorchScript model lacks"):
        picasso.explain(script, PICTURE, "deeplift")


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(seeded(Plain))
    target = model.target(0)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(NotSupportedError, match="run on PyTorch") as error:
        model.relevance(X, [target], RescaleRule(BASELINE))
    assert "picasso[torch]" in str(error.value.hint)


def test_a_graph_that_is_not_the_network_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, other = opened(seeded(Plain)), opened(Plain())
    monkeypatch.setattr(model, "_read_graph", other._read_graph)  # type: ignore[attr-defined]
    with pytest.raises(NotSupportedError, match="does not give what the network does"):
        model.relevance(X, [model.target(0)], RescaleRule(BASELINE))


def test_weights_that_were_changed_by_stealth_are_read_anew() -> None:
    network = seeded(Plain)
    model = opened(network)
    model.relevance(X, [model.target(0)], RescaleRule(BASELINE))
    with torch.no_grad():
        for weight in network.parameters():
            weight.data.mul_(3)  # no count of versions goes up
    found = model.relevance(X, [model.target(0)], RescaleRule(BASELINE))
    fresh = opened(network).relevance(X, [model.target(0)], RescaleRule(BASELINE))
    np.testing.assert_array_equal(found.values, fresh.values)


def test_a_region_of_a_segmentation_adds_up() -> None:
    torch.manual_seed(3)
    masks = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1))
    model = opened(masks)
    attribution = picasso.explain(model, PICTURE, "deeplift", target=1, at=(2, 3, 6, 5)).attributions[0]
    assert attribution.convergence_error is not None
    assert attribution.convergence_error < 1e-5
    seen = np.argwhere(attribution.values != 0)
    assert seen.size
    assert len(seen) < 12 * 12  # what no pixel of the region reads has nothing
