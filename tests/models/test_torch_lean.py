"""The copy of a PyTorch network that keeps less for the way back: its numbers are the network's, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picasso
from picasso.core.facts import INPUT
from picasso.core.model import Model
from picasso.models.torch.model import TorchModel
from picasso.models.torch.twin import Twin
from tests.models.torch_blocks import NETWORKS, Blocks, Overheard, Shared, trained

SIDE = 24
X = np.random.default_rng(1).normal(size=(3, SIDE, SIDE, 3)).astype(np.float32)


class Stages(nn.Module):
    """All ways for a gradient through a convolution, with ReLUs that are its own, shared or in place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.wide = nn.Sequential(nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.narrow = nn.Sequential(nn.Conv2d(8, 16, 1), nn.BatchNorm2d(16), nn.ReLU6())
        self.alone = nn.Sequential(nn.Conv2d(16, 16, 3, 2, 1, groups=16), nn.BatchNorm2d(16), nn.ReLU6(inplace=True))
        self.strided = nn.Sequential(nn.Conv2d(16, 8, 1, 2, bias=False), nn.BatchNorm2d(8, affine=False))
        self.short = nn.Sequential(nn.Conv2d(16, 8, 3, 2, 1), nn.BatchNorm2d(8))
        self.relu, self.plain = nn.ReLU(), nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Hardtanh(-0.5, 0.7))
        self.before, self.head = nn.Sequential(nn.BatchNorm2d(8), nn.ReLU()), nn.Linear(8, 5)
        trained(self)

    def forward(self, x: Any) -> Any:
        x = self.alone(self.narrow(self.wide(x)))
        x = self.relu(self.strided(x) + self.relu(self.short(x)))
        return self.head(self.before(self.plain(x)).mean((2, 3)))


class Tokens(nn.Module):
    """A transformer's block that is read at its first token alone, or at all."""

    def __init__(self, first: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.inner, self.outer = nn.Conv2d(3, 12, 8, 8), nn.Linear(12, 24), nn.Linear(24, 12)
        self.norm, self.head, self.first = nn.LayerNorm(12), nn.Linear(12, 5), first

    def forward(self, x: Any) -> Any:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + F.scaled_dot_product_attention(x, x, x)
        x = x + self.outer(F.gelu(self.inner(self.norm(x))))
        return self.head(x[:, 0] if self.first else x.mean(1))


def opened(network: nn.Module, side: int = SIDE) -> TorchModel:
    model = picasso.load_model(network, preprocessing=picasso.Preprocessing(size=side))
    assert isinstance(model, TorchModel)
    return model


def copy_of(model: TorchModel) -> Twin | None:
    return model._leans.get(model._slope) if model._leans else None


def own_gradient(network: nn.Module, column: int = 1, x: Any = X) -> Any:
    """Return PyTorch's own gradient of a column of the scores, (n, height, width, channels)."""
    x = torch.from_numpy(x).movedim(-1, 1).contiguous().to(next(network.parameters()).dtype).requires_grad_()
    return torch.autograd.grad(network(x).sum(0)[column], x)[0].movedim(1, -1).numpy()


def close(found: Any, wanted: Any, by: float = 3e-6) -> bool:
    return bool(np.abs(found - wanted).max() <= by * np.abs(wanted).max())


def gradient(model: Model, column: int = 1) -> Any:
    return model.pullback(X, [model.target(column)]).gradients[INPUT][0]


@pytest.mark.parametrize("make", [Stages, Tokens, lambda: Tokens(first=False)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_gradient_is_pytorchs_own(make: Callable[[], nn.Module], dtype: Any) -> None:
    network = make().eval().to(dtype)
    model = opened(network)
    assert copy_of(model) is not None
    found = model.pullback(X, [model.target(1), model.target(3)])
    for row, column in enumerate((1, 3)):
        assert close(found.gradients[INPUT][row], own_gradient(network, column))
    assert close(gradient(model), own_gradient(network))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("make", [Stages, Tokens, Blocks])
def test_its_numbers_are_the_networks_to_the_last_bit(make: Callable[[], nn.Module], last: bool) -> None:
    network = make().eval()
    found = copy_of(opened(network))
    assert found is not None
    x = torch.from_numpy(X).movedim(-1, 1)
    x = x if last else x.contiguous()
    assert torch.equal(found.module(x.requires_grad_()), network(x))


@pytest.mark.parametrize(
    "given",
    [
        {"kernel_size": 7, "stride": 2, "padding": 3},
        {"kernel_size": 5, "stride": (3, 2), "padding": (0, 4)},
        {"kernel_size": 2, "dilation": 2},
        {"kernel_size": 3, "dilation": (1, 3), "padding": 1},
        {"kernel_size": 4, "stride": 4},
        {"kernel_size": (2, 3), "stride": (2, 3)},
        {"kernel_size": 1, "stride": 3},
        {"kernel_size": 1, "padding": 1},
        {"kernel_size": 3, "padding": "same"},
        {"kernel_size": 3, "padding": 1, "padding_mode": "reflect"},
        {"kernel_size": 3, "groups": 3},
    ],
    ids=str,
)
def test_every_convolution_of_a_picture(given: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, **given), nn.BatchNorm2d(6), nn.ReLU(), nn.AdaptiveAvgPool2d(2))
    trained(network.append(nn.Flatten()).append(nn.Linear(24, 4)).eval())
    model = opened(network)
    assert (copy_of(model) is None) == ("padding_mode" in given or given.get("padding") == "same")
    assert close(gradient(model), own_gradient(network))


@pytest.mark.parametrize("side", [8, 16, 17, 40])
@pytest.mark.parametrize("count", [1, 2])
def test_filters_of_one_place_on_small_maps_and_large_ones(side: int, count: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, 1, 1), nn.BatchNorm2d(6), nn.ReLU())
    network.extend([nn.Conv2d(6, 10, 1), nn.BatchNorm2d(10), nn.ReLU(), nn.Conv2d(10, 4, 1), nn.BatchNorm2d(4)])
    trained(network.extend([nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 4)]).eval())
    model = opened(network, side)
    assert copy_of(model) is not None
    x = np.random.default_rng(2).normal(size=(count, side, side, 3)).astype(np.float32)
    found = model.pullback(x, [model.target(1), model.target(2)]).gradients[INPUT]
    assert close(model.pullback(x, [model.target(1)]).gradients[INPUT][0], own_gradient(network, x=x))
    assert all(close(found[row], own_gradient(network, row + 1, x)) for row in range(2))


def test_a_network_without_norms_is_not_copied() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(24, 4)
    ).eval()
    model = opened(network)
    assert copy_of(model) is None
    assert close(gradient(model), own_gradient(network))


def test_parts_are_taken_together_only_where_nothing_else_sees_them() -> None:
    found = copy_of(opened(Stages().eval()))
    assert found is not None
    parts = dict(found.module.named_modules())
    behind = {
        name: [type(one).__name__ for one in part.behind] for name, part in parts.items() if "behind" in vars(part)
    }
    assert behind == {
        "wide.0": ["BatchNorm2d", "ReLU"],
        "narrow.0": ["BatchNorm2d", "ReLU6"],
        "alone.0": ["BatchNorm2d", "ReLU6"],
        "strided.0": ["BatchNorm2d"],
        "short.0": ["BatchNorm2d"],
        "plain.0": ["Hardtanh"],
    }
    assert found.changed == {"plain.0"} | {f"{name}.0" for name in ("wide", "narrow", "alone", "strided", "short")} | {
        f"{name}.1" for name in ("wide", "narrow", "alone")
    }
    assert copy_of(opened(Overheard().eval())) is None
    assert not getattr(copy_of(opened(Shared().eval())), "changed", True)


def test_rows_without_a_gradient_are_left_out_where_there_are_any() -> None:
    for first in (True, False):
        found = copy_of(opened(Tokens(first).eval()))
        assert found is not None
        kinds = {name: type(found.module.get_submodule(name)) is not nn.Linear for name in ("inner", "outer", "head")}
        assert kinds == {"inner": first, "outer": first, "head": False}


@pytest.mark.parametrize("make", NETWORKS)
def test_a_network_has_its_own_gradient_whatever_it_does(make: Callable[[], nn.Module]) -> None:
    network = make().eval()
    model = opened(network)
    for _ in range(2):
        assert close(gradient(model), own_gradient(network))


@pytest.mark.parametrize("layer", ["wide", "wide.1", "narrow.0", "alone", "strided.1", "relu", "plain.0"])
def test_layers_have_their_own_values_and_gradients(layer: str) -> None:
    network = Stages().eval()
    model, plain = opened(network), opened(network)
    plain._leans = None
    found, wanted = (one.pullback(X, [one.target(2)], (layer, INPUT)) for one in (model, plain))
    assert np.array_equal(found.values[layer], wanted.values[layer])
    assert all(close(found.gradients[name], wanted.gradients[name]) for name in (layer, INPUT))


@pytest.mark.parametrize(
    "how",
    [
        "in place",
        "by stealth",
        "replaced",
        "another part",
        "a hook",
        "a statistic",
        "another statistic",
        "eps",
        "thawed",
    ],
)
def test_a_network_that_changes_is_followed(how: str) -> None:
    network = Stages().eval()
    model = opened(network)
    gradient(model)
    conv, norm = network.short[0], network.short[1]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_var is not None
    with torch.no_grad():
        if how == "in place":
            conv.weight.mul_(-2)
        elif how == "by stealth":  # no version counts this
            conv.weight.data[3] = 0
            norm.weight.data[2] = 5
        elif how == "replaced":
            conv.weight.data = -conv.weight.data
        elif how == "another part":
            network.short[1] = nn.Identity()
        elif how == "a hook":
            norm.register_forward_hook(lambda part, args, output: 3 * output)
        elif how == "thawed":
            network.train().requires_grad_(True)
        elif how == "another statistic":
            norm.running_var = 4 * norm.running_var
        elif how == "eps":
            norm.eps = 3.0
        else:
            norm.running_var.mul_(4)
    found = gradient(model)
    assert model._leans is not None
    assert how != "thawed" or model._leans._times == 1
    assert network.training == (how == "thawed")
    assert close(found, own_gradient(network.eval()))


def test_a_network_that_notes_something_in_each_run_is_not_copied_for_ever() -> None:
    class Noting(Stages):
        runs = 0

        def forward(self, x: Any) -> Any:
            self.runs += 1000  # small numbers are one object each
            return super().forward(x)

    network = Noting().eval()
    model, counts = opened(network), list[int]()
    for _ in range(5):
        before = network.runs
        assert close(gradient(model), own_gradient(network))
        counts.append((network.runs - before) // 1000)
    assert counts[0] > counts[-1] == 2  # for the map, and for PyTorch's own gradient


def test_a_way_that_the_probe_did_not_take_is_run_by_the_network_itself() -> None:
    class Turning(Stages):
        def forward(self, x: Any) -> Any:
            if x.abs().max() > 50:
                return super().forward(x) * self.wide[1].weight.sum()
            return super().forward(x)

    network = Turning().eval()
    model = opened(network)
    assert copy_of(model) is not None
    x = 60 * X / np.abs(X).max()
    start = torch.from_numpy(x).movedim(-1, 1).contiguous().requires_grad_()
    (wanted,) = torch.autograd.grad(network(start).sum(0)[1], start)
    assert close(model.pullback(x, [model.target(1)]).gradients[INPUT][0], wanted.movedim(1, -1).numpy())


@pytest.mark.parametrize("as_parameter", [True, False])
def test_a_weight_that_is_made_in_each_run_is_followed(as_parameter: bool) -> None:
    class Making(Stages):
        def forward(self, x: Any) -> Any:
            conv = self.short[0]
            made = self.held * (1 + 10 * x.detach().mean().abs())
            if as_parameter:
                conv._parameters["weight"] = made
            else:
                conv.weight = made
            return super().forward(x)

    network = Making()
    network.held = network.short[0].weight.detach().clone()
    if not as_parameter:
        del network.short[0].weight
    network.eval()
    model, x = opened(network), 2 * X[:1] + 0.5
    found = model.pullback(x, [model.target(1)])
    assert close(found.gradients[INPUT][0], own_gradient(network, x=x))
    with torch.no_grad():
        assert close(found.outputs["scores"], network(torch.from_numpy(x).movedim(-1, 1).contiguous()).numpy())


def test_of_large_maps_few_are_pulled_back_together(monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(Stages().eval())
    model._lies_last = False
    monkeypatch.setattr("picasso.models.torch.model._KEPT_BYTES", 4 * 2 * 16 * 12 * 12)  # two of the largest maps
    assert model._backward_batch() == 2
    seen: list[int] = []
    pulled = model._pullback

    def noted(x: Any, *given: Any) -> Any:
        seen.append(len(x))
        return pulled(x, *given)

    monkeypatch.setattr(model, "_pullback", noted)
    assert close(gradient(model), own_gradient(model.module))
    assert seen == [2, 1]
