"""The copy of a PyTorch network that gives its gradients faster: they are those of PyTorch itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.errors import ModelFailedError
from picasso.core.facts import INPUT, ReluRule, Rules
from picasso.core.model import Model
from picasso.models.torch.model import TorchModel
from picasso.models.torch.twin import Twin
from tests.models.torch_blocks import NETWORKS, Between, Blocks, Listed, Overheard, Shared, Wrapped

SIDE = 24
X = np.random.default_rng(1).normal(size=(6, SIDE, SIDE, 3)).astype(np.float32)
Gradients = np.ndarray[Any, np.dtype[np.float32]]


def opened(network: nn.Module, **choices: Any) -> Model:
    return picasso.load_model(network, preprocessing=picasso.Preprocessing(size=SIDE), **choices)


def twin(model: Model) -> Twin | None:
    assert isinstance(model, TorchModel)
    return model._twins.get(model._answer) if model._twins else None


def own_gradients(network: nn.Module, columns: tuple[int, ...]) -> Gradients:
    """Return PyTorch's own gradients of columns of the scores, (columns, n, height, width, channels)."""
    x = torch.from_numpy(X).movedim(-1, 1).contiguous().requires_grad_()
    scores = network(x).sum(dim=0)
    rows = [torch.autograd.grad(scores[column], x, retain_graph=True)[0] for column in columns]
    return torch.stack(rows).movedim(2, -1).numpy()


def close(found: Any, wanted: Any, by: float = 3e-6) -> bool:
    return bool(np.abs(found - wanted).max() <= by * np.abs(wanted).max())


@pytest.mark.parametrize("columns", [(1,), (1, 3)])
@pytest.mark.parametrize("make", NETWORKS)
def test_a_network_has_the_gradients_of_pytorch(make: Callable[[], nn.Module], columns: tuple[int, ...]) -> None:
    network = make().eval()
    wanted, model = own_gradients(network, columns), opened(network)
    for _ in range(2):  # what refuses the faster form is asked plainly from then on
        found = model.pullback(X, [model.target(column) for column in columns], swift=True)
        assert close(found.gradients[INPUT], wanted)
        assert np.array_equal(found.values[INPUT], X)
        plain = model.pullback(X, [model.target(column) for column in columns])
        assert close(plain.gradients[INPUT], wanted)


@pytest.mark.parametrize(
    ("make", "changed"),
    [
        (Blocks, {"alone", "mix"}),
        (Shared, set()),
        (Overheard, None),
        (Between, set()),
        (Wrapped, {"alone", "between", "mix", "pair", "pair.0"}),
        (Listed, None),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(36, 3)), None),
    ],
    ids=["folded", "runs twice", "overheard", "changed between", "handed on", "run from a list", "patches alone"],
)
def test_what_can_be_folded_is_and_nothing_else(make: Callable[[], nn.Module], changed: set[str] | None) -> None:
    found = twin(opened(make().eval()))
    assert (None if found is None else set(found.changed)) == changed


def test_the_network_is_left_as_it_is_and_gets_its_pictures_channels_last() -> None:
    network = Blocks().train()
    model = opened(network)
    parts = {name: dict(vars(part)) for name, part in network.named_modules()}
    before = {name: (v.stride(), v.requires_grad) for name, v in network.state_dict(keep_vars=True).items()}
    values = {name: value.clone() for name, value in network.state_dict().items()}
    network.ran.clear()
    model.pullback(X, [model.target(0)], (INPUT, "norm"), swift=True)
    assert network.ran[-1]
    assert {name: dict(vars(part)) for name, part in network.named_modules()} == parts
    assert {name: (v.stride(), v.requires_grad) for name, v in network.state_dict(keep_vars=True).items()} == before
    assert all(torch.equal(value, values[name]) for name, value in network.state_dict().items())
    assert all(part.training and not part._forward_hooks for part in network.modules())


@pytest.mark.parametrize("layer", ["patches", "alone", "norm", "mix", "mixed"])
def test_layers_have_their_own_values_and_gradients(layer: str) -> None:
    network = Blocks().eval()
    kept: list[Any] = []

    def keep(part: Any, args: Any, output: Any) -> Any:
        kept.append(output)
        output.retain_grad()
        return output.clone()

    handle = network.get_submodule(layer).register_forward_hook(keep)
    network(torch.from_numpy(X).movedim(-1, 1)).sum(0)[2].backward()
    handle.remove()
    model = opened(network)
    found = model.pullback(X, [model.target(2)], (layer,), swift=True)
    assert close(found.values[layer], kept[0].detach().movedim(1, -1).numpy())
    assert close(found.gradients[layer][0], kept[0].grad.movedim(1, -1).numpy())


@pytest.mark.parametrize("name", ["mixed", "mix"])
@pytest.mark.parametrize("late", [False, True])
def test_somebody_who_listens_is_heard(name: str, late: bool) -> None:
    network = Blocks().eval()
    model = opened(network)
    if late:
        model.pullback(X, [model.target(1)], swift=True)
    network.get_submodule(name).register_full_backward_hook(lambda part, gave, got: tuple(2 * g for g in gave))
    found = model.pullback(X, [model.target(1)], swift=True)
    assert close(found.gradients[INPUT], own_gradients(network, (1,)))


def test_rules_of_relus_hold_in_the_copy() -> None:
    network = Blocks().eval()
    model = opened(network)
    plain = opened(network)
    assert isinstance(plain, TorchModel)
    plain._twins = None
    rules = Rules(ReluRule.GUIDED)
    found, wanted = (one.pullback(X, [one.target(1)], rules=rules, swift=True) for one in (model, plain))
    assert found.ruled == wanted.ruled > 0
    assert close(found.gradients[INPUT], wanted.gradients[INPUT])


@pytest.mark.parametrize(
    "how", ["in place", "by stealth", "replaced", "another part", "an attribute", "a hook", "a statistic"]
)
def test_a_network_that_changes_gets_another_copy(how: str) -> None:
    network = Blocks().eval()
    model = opened(network)
    model.pullback(X, [model.target(1)], swift=True)
    with torch.no_grad():
        if how == "in place":
            network.mix.weight.mul_(-2)
        elif how == "by stealth":  # no version counts this
            network.mix.weight.data[3] = 0
        elif how == "replaced":
            network.alone.weight.data = -network.alone.weight.data
        elif how == "another part":
            network.mix = nn.Conv2d(8, 8, 1)
        elif how == "an attribute":
            network.end = lambda x: x.flatten(1).flip(1)
        elif how == "a hook":
            network.mix.register_forward_hook(lambda part, args, output: 3 * output)
        else:
            assert network.norm.running_mean is not None
            network.norm.running_mean.add_(0.5)
    found = model.pullback(X, [model.target(1)], swift=True)
    assert close(found.gradients[INPUT], own_gradients(network, (1,)))


def test_other_parameters_have_another_copy() -> None:
    network = Blocks().eval()
    model = opened(network)
    model.pullback(X, [model.target(1)], swift=True)
    other = model.with_parameters({"mix.weight": -network.mix.weight.detach().numpy()})
    with torch.no_grad():
        network.mix.weight.neg_()
    assert close(other.pullback(X, [other.target(1)], swift=True).gradients[INPUT], own_gradients(network, (1,)))


def test_a_network_that_refuses_channels_last_is_not_asked_so_again() -> None:
    network = Blocks(lambda x: x.view(len(x), -1)).eval()
    model = opened(network)
    model.pullback(X[:1], [model.target(0)], swift=True)
    network.ran.clear()
    model.pullback(X[:1], [model.target(0)], swift=True)
    assert network.ran == [False]


def test_what_fails_either_way_says_so_itself() -> None:
    def fail(x: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError("No gradients today")
        return x.flatten(1)

    model = opened(Blocks(fail).eval())
    with pytest.raises(ModelFailedError, match="No gradients today"):
        model.pullback(X[:1], [model.target(0)], swift=True)
