"""LRP against closed forms, zennit, Captum, and the wrong numbers that Captum gives where it does not see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import LRP
from torch import nn

import picasso
from picasso.core import graph as g
from picasso.core.errors import NotSupportedError
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from picasso.core.relevance import LayerwiseRules, LrpRule
from picasso.engine.executor import Executor, unreached
from picasso.engine.layerwise import Layerwise, by_share, moved
from picasso.visualizations.lrp import COMPOSITES
from tests.models.networks import Functional, InPlace, Plain, Shared, Vit, seeded
from tests.oracle import scene

SIZE = picasso.Preprocessing(size=12, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
PICTURE = np.random.default_rng(2).integers(0, 256, (20, 20, 3)).astype(np.uint8)
X = np.random.default_rng(4).normal(size=(1, 12, 12, 3)).astype(np.float32)
ZENNIT = np.load(Path(__file__).parents[1] / "oracle" / "arrays" / "zennit.npz")
EPSILON = LayerwiseRules(LrpRule.EPSILON, LrpRule.EPSILON, LrpRule.EPSILON, epsilon=1e-9)
pytestmark = pytest.mark.filterwarnings("ignore:Setting (forward|backward)", "ignore:.*requires_grad")


def opened(network: nn.Module, size: int = 12) -> Model:
    preprocessing = SIZE if size == 12 else picasso.Preprocessing(size=size)
    return picasso.load_model(network.eval(), preprocessing=preprocessing)


def parts(network: nn.Module, rules: LayerwiseRules = EPSILON, target: int = 2) -> np.ndarray:
    """Return ours, (channels, height, width)."""
    model = opened(network)
    found = model.relevance(X, [model.target(target)], rules)
    np.testing.assert_allclose(found.unaccounted, 0, atol=1e-4 * np.abs(found.values).sum())
    return np.moveaxis(found.values[0, 0], -1, 0)


def tensor() -> torch.Tensor:
    return torch.from_numpy(np.moveaxis(X, -1, 1).copy())


def by_captum(network: nn.Module, target: int = 2) -> np.ndarray:
    return LRP(network.eval()).attribute(tensor().requires_grad_(), target=target)[0].detach().numpy()


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-4) -> bool:
    return bool(np.abs(a - b).max() <= tolerance * np.abs(b).max())


def test_of_a_linear_network_it_is_weight_times_input() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12 * 12 * 3, 4, bias=False))
    weight = network[1].weight[2].detach().numpy().reshape(3, 12, 12)
    assert close(parts(network), weight * np.moveaxis(X[0], -1, 0), 1e-5)


def test_of_a_hidden_layer_of_relus_without_biases_it_is_gradient_times_input() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(432, 7, bias=False), nn.ReLU(), nn.Linear(7, 4, bias=False))
    model = opened(network)
    gradient = model.pullback(X, [model.target(2)]).gradients["input"][0, 0]
    assert close(parts(network), np.moveaxis(gradient * X[0], -1, 0))


@pytest.mark.parametrize("name", list(scene.NETWORKS))
@pytest.mark.parametrize("composite", [name for name in COMPOSITES if name != "epsilon-plus-box"])
def test_composites_agree_with_zennit(composite: str, name: str) -> None:
    model, x = opened(scene.network(name), scene.SIDE), np.moveaxis(scene.X, 1, -1).copy()
    limits = np.full_like(x[0], -4), np.full_like(x[0], 6)
    found = model.relevance(x, [model.target(2)], LayerwiseRules(*COMPOSITES[composite], limits=limits))
    assert close(found.values[0, 0], ZENNIT[f"{composite}/{name}/2"])


class Pooled(Plain):
    """Its pooling is a module, too, so that Captum sees all."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu1(self.bn(self.conv1(x)))
        return self.fc(self.pool(self.relu2(self.conv2(x))).flatten(1))


def test_it_agrees_with_captum_where_all_is_modules_and_functions_change_nothing() -> None:
    right = by_captum(seeded(Pooled))
    for kind in (Pooled, Plain, Functional, InPlace, Shared):
        assert close(parts(seeded(kind)), right)


@pytest.mark.parametrize(("kind", "unseen"), [(Plain, (g.GlobalPool,)), (Functional, (g.GlobalPool, g.Activation))])
def test_what_captum_does_not_see_it_gets_wrong_and_how(kind: type[Plain], unseen: tuple[type[g.Op], ...]) -> None:
    wrong, right = by_captum(seeded(kind)), parts(seeded(Plain))
    assert not close(wrong, right, 0.5)
    # Unseen operations hand relevance back as if it were a gradient.
    graph = opened(seeded(kind)).graph()
    layerwise = Layerwise(graph, EPSILON, unreached(graph), None, torch.float32)
    rules = layerwise.rules | {one: layerwise._ruled(lambda _: ("as a gradient", moved)) for one in unseen}
    rules[g.Affine] = layerwise._ruled(lambda _: ("by share", by_share(1e-9)))  # Captum folds no batch norm
    x = tensor().requires_grad_()
    (scores,) = Executor(graph, rules, None).outputs(x).values()
    seed = torch.zeros_like(scores)
    seed[0, 2] = scores[0, 2].detach()
    assert close(torch.autograd.grad(scores, x, seed)[0][0].numpy(), wrong)


def test_captum_adds_up_where_it_is_wrong() -> None:
    class Bare(Plain):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = (
                nn.Conv2d(3, 6, 3, bias=False),
                nn.Conv2d(6, 8, 3, bias=False),
            )
            self.fc = nn.Linear(8, 5, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.relu2(self.conv2(self.relu1(self.conv1(x)))).mean((2, 3)))

    torch.manual_seed(2)
    network = Bare()
    wrong, delta = LRP(network.eval()).attribute(tensor().requires_grad_(), target=2, return_convergence_delta=True)
    assert abs(float(delta)) < 1e-5  # adding up proves nothing
    ours = parts(network)
    np.testing.assert_allclose(ours.sum(), float(wrong.sum()), atol=1e-5)
    assert not close(wrong[0].detach().numpy(), ours, 0.5)
    model = opened(network)
    gradient = model.pullback(X, [model.target(2)]).gradients["input"][0, 0]
    assert close(ours, np.moveaxis(gradient * X[0], -1, 0))  # the truth here, see above


def test_the_same_function_built_in_two_ways_may_get_two_maps() -> None:
    class Twice(nn.Module):
        def __init__(self, apart: bool) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.fc, self.apart = nn.Linear(3, 4), apart

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            m = x.mean((2, 3))
            return self.fc(m) if not self.apart else self.fc(m + 5) - 5 * self.fc.weight.sum(1)

    with torch.no_grad():
        x = tensor()
        torch.testing.assert_close(Twice(True)(x), Twice(False)(x))
    assert not close(parts(Twice(True)), parts(Twice(False)), 0.01)


def test_the_visualization_says_what_it_did() -> None:
    model = opened(seeded(Plain))
    result = picasso.explain(model, PICTURE, "lrp", target=1, composite="epsilon-plus")
    assert isinstance(result, picasso.Result)
    attribution = result.attributions[0]
    rules = LayerwiseRules(LrpRule.Z_PLUS, LrpRule.Z_PLUS, LrpRule.EPSILON)
    wanted = model.relevance(SIZE.apply(PICTURE)[None], [model.target(1)], rules)
    np.testing.assert_allclose(attribution.values, wanted.values[0, 0].sum(-1), atol=1e-6)
    assert attribution.convergence_error == pytest.approx(abs(attribution.values.sum() - attribution.score), abs=1e-4)
    assert any("biases" in note for note in attribution.notes)
    assert attribution.units == "logit"
    each = picasso.explain(model, PICTURE, "lrp", target=1, reduction="none").attributions[0]
    np.testing.assert_allclose(each.values.sum(-1), attribution.values, atol=1e-6)


def test_the_box_is_that_of_the_networks_own_black_and_white() -> None:
    model = opened(seeded(Plain))
    result = picasso.explain(model, PICTURE, "lrp", target=1, composite="epsilon-plus-box")
    x = SIZE.apply(PICTURE)
    black, white = (np.broadcast_to(SIZE.apply(np.full((20, 20, 3), shade, np.uint8)), x.shape) for shade in (0, 255))
    rules = LayerwiseRules(LrpRule.Z_BOX, LrpRule.Z_PLUS, LrpRule.EPSILON, limits=(black, white))
    wanted = model.relevance(x[None], [model.target(1)], rules).values[0, 0].sum(-1)
    np.testing.assert_allclose(result.attributions[0].values, wanted, atol=1e-5)


@pytest.mark.parametrize("attention", ["shared", "constant"])
def test_a_transformer_keeps_its_books(attention: Any) -> None:
    model = opened(Vit())
    rules = LayerwiseRules(LrpRule.GAMMA, LrpRule.GAMMA, LrpRule.EPSILON, epsilon=1e-3, attention=attention)
    found = model.relevance(X, [model.target(0), model.target(3)], rules)
    np.testing.assert_allclose(found.unaccounted, 0, atol=1e-4 * np.abs(found.values).sum())
    assert any(kind.startswith("Softmax") for kind in found.rules) == (attention == "shared")


class Probable(Plain):
    """Returns probabilities, made where no head is looked for."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.softmax(super().forward(x), 1).clone()


class Scaled(Probable):
    """Returns probabilities that something follows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 1.0


def test_probabilities_are_explained_before_their_softmax() -> None:
    model = opened(seeded(Probable))
    assert model.facts.units == "log probability"
    found = model.relevance(X, [model.target(2)], EPSILON)
    assert found.before_head
    assert close(np.moveaxis(found.values[0, 0], -1, 0), parts(seeded(Plain)))
    assert found.shared[0, 0] == pytest.approx(float(seeded(Plain).eval()(tensor())[0, 2]), rel=1e-4)
    logits = seeded(Plain).eval()(torch.from_numpy(np.moveaxis(model.prepare(read_picture(PICTURE)).x, -1, 1).copy()))
    for method in ("deeplift", "lrp"):
        attribution = picasso.explain(model, PICTURE, method, target=2).attributions[0]
        assert attribution.score == pytest.approx(float(logits[0, 2]), rel=1e-4)
    assert attribution.units == "logit"
    assert "softmax" in attribution.notes[-1]
    with pytest.raises(NotSupportedError, match="no softmax or sigmoid at its end"):
        picasso.explain(opened(seeded(Scaled)), PICTURE, "lrp")


def test_batches_and_several_targets_change_nothing() -> None:
    model = opened(seeded(Plain))
    x = np.concatenate([X, X[:, ::-1], X[:, :, ::-1]])
    targets = [model.target(0), model.target("3 - 1")]
    whole = model.relevance(x, targets, EPSILON)
    model.batch_size = 2
    again = model.relevance(x, targets, EPSILON)
    assert again.values.shape == (2, 3, 12, 12, 3)
    np.testing.assert_allclose(again.values, whole.values, atol=1e-5)
    np.testing.assert_allclose(again.absorbed["Conv"], whole.absorbed["Conv"], atol=1e-5)
    alone = model.relevance(x[1:2], targets[1:], EPSILON)
    np.testing.assert_allclose(alone.values[0, 0], whole.values[1, 1], atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pytorch_and_onnx_agree(tmp_path: Path) -> None:
    network = seeded(Plain).eval()
    torch.onnx.export(network, (torch.zeros(1, 3, 12, 12),), str(tmp_path / "plain.onnx"), dynamo=False)
    onnx = picasso.load_model(tmp_path / "plain.onnx", preprocessing=SIZE)
    rules = LayerwiseRules(LrpRule.FLAT, LrpRule.Z_PLUS, LrpRule.EPSILON)
    found = onnx.relevance(X, [onnx.target(2)], rules)
    assert close(np.moveaxis(found.values[0, 0], -1, 0), parts(network, rules))


def test_models_that_show_nothing_refuse() -> None:
    model = picasso.load_model(lambda x: x.mean(axis=(1, 2)), preprocessing=SIZE, labels=("r", "g", "b"))
    with pytest.raises(NotSupportedError, match="do not show what they are made of"):
        model.relevance(X, [model.target(0)], EPSILON)
    with pytest.raises(picasso.PicassoError, match="LRP needs relevance, which this function model lacks"):
        picasso.explain(model, PICTURE, "lrp")
