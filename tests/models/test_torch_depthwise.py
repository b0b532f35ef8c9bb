"""Gradients of PyTorch networks in the cheaper form are those of PyTorch itself."""

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
from picasso.core.facts import INPUT
from picasso.core.model import Model
from picasso.models.torch.depthwise import depthwise

SIDE = 24
X = np.random.default_rng(1).normal(size=(6, SIDE, SIDE, 3)).astype(np.float32)


class Apart(nn.Module):
    """Patches, filters of one channel each, and a pool of many equal numbers."""

    def __init__(self, end: Callable[[Any], Any] = lambda x: x.flatten(1)) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.alone = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8 * 3 * 3, 5)
        self.end, self.ran = end, list[bool]()

    def body(self, x: Any) -> Any:
        self.ran.append(x.is_contiguous(memory_format=torch.channels_last))
        return F.max_pool2d(F.relu6(self.norm(self.alone(self.patches(x))), inplace=True), 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.end(self.body(x)))


class Checkpointed(Apart):
    """The same, run a second time in the backward pass, with its channels first."""

    def forward(self, x: Any) -> Any:
        return self.head(checkpoint(self.body, x.contiguous(), use_reentrant=False).flatten(1))


def opened(network: nn.Module, **choices: Any) -> Model:
    return picasso.load_model(network, preprocessing=picasso.Preprocessing(size=SIDE), **choices)


def own_gradients(network: nn.Module, columns: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return PyTorch's own gradients of columns of the scores, (columns, n, height, width, channels)."""
    x = torch.from_numpy(X).movedim(-1, 1).contiguous().requires_grad_()
    scores = network(x).sum(dim=0)
    rows = [torch.autograd.grad(scores[column], x, retain_graph=True)[0] for column in columns]
    return torch.stack(rows).movedim(2, -1).numpy()


def close(found: Any, wanted: Any) -> bool:
    return bool(np.abs(found - wanted).max() <= 1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("columns", [(1,), (1, 3)])
@pytest.mark.parametrize("make", [Apart, Checkpointed, lambda: Apart(lambda x: x.view(len(x), -1))])
def test_a_network_has_the_gradients_of_pytorch(make: Callable[[], nn.Module], columns: tuple[int, ...]) -> None:
    network = make().eval()
    wanted, model = own_gradients(network, columns), opened(network)
    for _ in range(2):  # what refuses the cheaper form is asked plainly from then on
        found = model.pullback(X, [model.target(column) for column in columns])
        assert close(found.gradients[INPUT], wanted)
        assert np.array_equal(found.values[INPUT], X)


def test_filters_of_one_channel_get_channels_last_and_few_pictures() -> None:
    network = Apart().eval()
    model = opened(network)
    before = {name: (value.stride(), value.requires_grad) for name, value in network.state_dict(keep_vars=True).items()}
    model.pullback(X[:1], [model.target(0)])  # the first time its copy is made
    network.ran.clear()
    model.pullback(X, [model.target(0)])
    assert network.ran == [True, True]  # four pictures, and two
    assert {name: (v.stride(), v.requires_grad) for name, v in network.state_dict(keep_vars=True).items()} == before


def test_a_network_that_refuses_channels_last_is_not_asked_so_again() -> None:
    network = Apart(lambda x: x.view(len(x), -1)).eval()
    model = opened(network)
    network.ran.clear()
    for _ in range(2):
        model.pullback(X[:1], [model.target(0)])
    assert network.ran == [True, True, False, False]  # first for its copy


def test_what_fails_either_way_says_so_itself() -> None:
    def fail(x: Any) -> Any:
        if torch.is_grad_enabled():
            raise RuntimeError("No gradients today")
        return x.flatten(1)

    model = opened(Apart(fail).eval())
    with pytest.raises(ModelFailedError, match="No gradients today"):
        model.pullback(X[:1], [model.target(0)])


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([nn.Conv2d(8, 8, 3, groups=8)], True),
        ([nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 5, groups=8), nn.Conv2d(8, 16, 1)], True),
        ([nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3, groups=8)], False),
        ([nn.Conv2d(1, 8, 3)], False),
        ([nn.Linear(3, 3)], False),
    ],
)
def test_networks_of_filters_of_one_channel_are_known(layers: list[nn.Module], said: bool) -> None:
    assert depthwise(nn.Sequential(*layers)) is said
