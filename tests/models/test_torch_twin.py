"""The copy of a PyTorch network that gives its gradients faster: they are those of PyTorch itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

import picasso
from picasso.core.errors import ModelFailedError
from picasso.core.facts import INPUT, ReluRule, Rules
from picasso.core.model import Model
from picasso.models.torch.model import TorchModel
from picasso.models.torch.twin import Twin

SIDE = 24
X = np.random.default_rng(1).normal(size=(6, SIDE, SIDE, 3)).astype(np.float32)
Gradients = np.ndarray[Any, np.dtype[np.float32]]


def trained(network: nn.Module) -> nn.Module:
    """Give norms statistics and weights that are not those of the beginning."""
    torch.manual_seed(3)
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            if part.running_mean is not None and part.running_var is not None:
                part.running_mean.normal_(0, 0.3)
                part.running_var.uniform_(0.3, 2)
            if part.affine:
                nn.init.uniform_(part.weight, -1.5, 1.5)
                nn.init.normal_(part.bias, 0, 0.3)
    return network


class Blocks(nn.Module):
    """Convolutions with norms, one with filters of one channel each, a pool of many equal numbers, and a sum."""

    def __init__(self, end: Callable[[Any], Any] = lambda x: x.flatten(1)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.alone = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.mix = nn.Conv2d(8, 8, 3, padding=1)
        self.mixed = nn.BatchNorm2d(8, affine=False)
        self.head = nn.Linear(8 * 3 * 3, 5)
        self.end, self.ran = end, list[bool]()
        trained(self)

    def body(self, x: Any) -> Any:
        self.ran.append(x.is_contiguous(memory_format=torch.channels_last))
        x = F.relu6(self.norm(self.alone(self.patches(x))), inplace=True)
        return F.max_pool2d(F.relu(x + self.mixed(self.mix(x))), 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.end(self.body(x)))


class Checkpointed(Blocks):
    """The same, run a second time in the backward pass, with its channels first."""

    def forward(self, x: Any) -> Any:
        return self.head(checkpoint(self.body, x.contiguous(), use_reentrant=False).flatten(1))


class Shared(Blocks):
    """One convolution used twice: before its norm, and alone."""

    def body(self, x: Any) -> Any:
        x = self.patches(x)
        return F.max_pool2d(self.norm(self.mix(x)) + self.mix(F.relu(x)) + self.alone(x), 2)


class Overheard(Blocks):
    """What the convolution returns goes to its norm and elsewhere."""

    def body(self, x: Any) -> Any:
        x = self.patches(x)
        seen = self.mix(x)
        return F.max_pool2d(self.norm(seen) * torch.sigmoid(seen) + self.alone(x), 2)


class Between(Blocks):
    """What the convolution returns is changed in place before the norm gets it."""

    def body(self, x: Any) -> Any:
        x = self.mix(self.alone(self.patches(x)))
        return F.max_pool2d(self.norm(F.relu_(x)), 2)


class Wrapped(Blocks):
    """A part that hands on what a convolution returned, before its norm."""

    def __init__(self) -> None:
        super().__init__()
        self.between, self.pair = nn.Identity(), nn.Sequential(self.mix)

    def body(self, x: Any) -> Any:
        x = self.patches(x)
        return F.max_pool2d(self.norm(self.between(self.alone(x))) + self.mixed(self.pair(x)), 2)


class Listed(Blocks):
    """Parts that are known by a list, too, and run from there."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = [self.patches, self.alone, self.norm, self.mix]

    def body(self, x: Any) -> Any:
        for step in self.steps:
            x = step(x)
        return F.max_pool2d(x, 2)


NETWORKS = [
    Blocks, Checkpointed, Shared, Overheard, Between, Wrapped, Listed, lambda: Blocks(lambda x: x.view(len(x), -1)),
]  # fmt: skip


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
