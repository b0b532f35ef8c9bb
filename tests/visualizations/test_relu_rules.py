"""Deconvnet, guided backpropagation and guided Grad-CAM: slow rules, Captum and its traps, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import Deconvolution, GuidedBackprop, GuidedGradCam, Saliency
from torch import nn

import picasso
from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.facts import ReluRule
from picasso.core.graph import Activation, Builder, Graph, GraphError
from picasso.core.maps.relu_rules import coverage
from picasso.core.model import Model
from tests.models.networks import Clamped, Functional, InPlace, Plain, Shared, Threshold, seeded
from tests.models.test_onnx_exports import exported
from tests.visualizations.gradient_networks import SIZE, Line, X, agree, explained, last, opened

METHODS = {"deconvnet": Deconvolution, "guided-backpropagation": GuidedBackprop}
ALL = (*METHODS, "guided-grad-cam")
pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting (backward|forward).*hooks"),
]
EACH: dict[str, Any] = {"reduction": "none"}


def oracle(kind: type, network: nn.Module, *more: Any, **choices: Any) -> np.ndarray:
    return last(kind(network.eval(), *more).attribute(X.clone().requires_grad_(), target=2, **choices)[0])


@pytest.mark.parametrize("written", [Plain, Functional, InPlace, Shared, Clamped, Threshold])
@pytest.mark.parametrize("name", METHODS)
def test_however_a_relu_is_written_it_agrees_with_captum_on_modules(name: str, written: type[Plain]) -> None:
    expected = oracle(METHODS[name], seeded(Plain))
    agree(explained(seeded(written), name, 2, **EACH).values, expected)


@pytest.mark.parametrize("name", METHODS)
def test_captum_gives_the_plain_gradient_where_relus_are_functions(name: str) -> None:
    """Bit for bit, and without an error. Ours is another map, that of the network with modules."""
    plain = oracle(Saliency, seeded(Functional), abs=False)
    np.testing.assert_array_equal(oracle(METHODS[name], seeded(Functional)), plain)
    ours = explained(seeded(Functional), name, 2, **EACH).values
    assert np.abs(ours - plain).max() > 0.1 * np.abs(plain).max()
    agree(ours, oracle(METHODS[name], seeded(Plain)))


def test_captum_leaves_relu6_alone() -> None:
    network = seeded(Plain, cap=True)
    plain = oracle(Saliency, network, abs=False)
    np.testing.assert_array_equal(oracle(GuidedBackprop, network), plain)
    ours = explained(network, "guided-backpropagation", 2, **EACH).values
    assert np.abs(ours - plain).max() > 0.1 * np.abs(plain).max()
    agree(ours, slow(network, ReluRule.GUIDED, 6.0))


def slow(network: Plain, rule: ReluRule, cap: float = np.inf) -> np.ndarray:
    """Run the network backward by hand."""
    with torch.no_grad():
        before1 = network.eval().bn(network.conv1(X))
        before2 = network.conv2(before1.clamp(0, cap))

    def passed(flow: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
        inside = (before > 0) & (before < cap)
        return flow.clamp(min=0) * (inside if rule is ReluRule.GUIDED else 1)

    flow = network.fc.weight[2][None, :, None, None].expand_as(before2) / before2[0, 0].numel()
    flow = F.conv_transpose2d(passed(flow, before2), network.conv2.weight, stride=2, padding=1, output_padding=1)
    scale = network.bn.weight / (network.bn.running_var + network.bn.eps).sqrt()
    flow = passed(flow, before1) * scale[None, :, None, None]
    return last(F.conv_transpose2d(flow, network.conv1.weight, padding=1)[0])


@pytest.mark.parametrize(("name", "rule"), [("deconvnet", "deconvnet"), ("guided-backpropagation", "guided")])
def test_a_slow_rule_gives_the_same(name: str, rule: str) -> None:
    agree(explained(seeded(Plain), name, 2, **EACH).values, slow(seeded(Plain), ReluRule(rule)))


class Pooled(nn.Module):
    """Max pooling of a picture with ties: all but one corner is zero after the first ReLU."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv, self.relu, self.pool = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        self.fc = nn.Linear(4, 3)
        nn.init.constant_(self.conv.bias, -0.2)
        self.fc.weight.data.abs_()  # so that something comes back through every channel

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.pool(self.relu(self.conv(x))).mean((2, 3)))


def test_the_gradient_of_max_pooling_is_its_switches_with_ties_too() -> None:
    """Unpooling by the places that PyTorch's own pooling names, where most windows are ties of zeros."""
    network = Pooled().eval()
    with torch.no_grad():
        after, places = F.max_pool2d(F.relu(network.conv(X)), 2, return_indices=True)
        assert (after == 0).float().mean() > 0.1, "there are ties"
        flow = network.fc.weight[2][None, :, None, None].expand_as(after) / after[0, 0].numel()
        flow = F.max_unpool2d(flow.contiguous(), places, 2).clamp(min=0)
        expected = last(F.conv_transpose2d(flow, network.conv.weight, padding=1)[0])
    found = explained(network, "deconvnet", 2, **EACH)
    assert expected.any()
    agree(found.values, expected)
    assert any("switches" in note for note in found.notes)


def test_guided_grad_cam_agrees_with_captum() -> None:
    """Captum enlarges by the nearest cell unless told otherwise; Picasso between the cells' centers."""
    network = seeded(Plain).eval()
    for layer in ("conv2", "conv1"):
        expected = oracle(GuidedGradCam, network, getattr(network, layer), interpolate_mode="bilinear")
        assert expected.any()
        agree(explained(network, "guided-grad-cam", 2, layer=layer, **EACH).values, expected)


def test_guided_grad_cam_says_when_nothing_speaks_for_the_class_and_what_layers_do_not_serve() -> None:
    network = seeded(Plain)
    with torch.no_grad():
        network.fc.weight[2] = -network.fc.weight[2].abs() - 0.1
    found = explained(network, "guided-grad-cam", 2)
    assert not found.values.any()
    assert "speaks for the class" in found.notes[0]
    with pytest.raises(NotFoundError, match="conv3"):
        explained(network, "guided-grad-cam", layer="conv3")
    with pytest.raises(picasso.PicassoError, match="needs"):
        explained(network, "guided-grad-cam", layer="fc")


@pytest.mark.parametrize("name", ALL)
def test_training_mode_is_left_and_does_not_matter(name: str) -> None:
    network = seeded(Plain).train()
    agree(explained(network, name).values, explained(seeded(Plain).eval(), name).values)
    assert network.training


def test_half_precision_does_not_know_its_coverage() -> None:
    found = explained(seeded(Plain).half(), "guided-backpropagation", 2, **EACH)
    assert np.corrcoef(found.values.ravel(), slow(seeded(Plain), ReluRule.GUIDED).ravel())[0, 1] > 0.99
    assert any("Coverage not known: 2 ReLUs followed" in note and "float16" in note for note in found.notes)


def test_a_saturated_network_is_said_to_be() -> None:
    network = seeded(Plain)
    with torch.no_grad():
        network.fc.weight[:] = 0
    found = explained(network, "deconvnet")
    assert not found.values.any()
    assert "saturation" in found.notes[0]


@pytest.mark.parametrize("name", ALL)
def test_a_network_without_relus_is_refused(name: str) -> None:
    class Smooth(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(F.gelu(self.conv2(F.silu(self.conv1(x)))).mean((2, 3)))

    with pytest.raises(NotSupportedError, match=r"No ReLU of this network followed the rule.*the plain gradient"):
        explained(seeded(Smooth), name)
    if name != "guided-grad-cam":
        with pytest.raises(NotSupportedError, match="No ReLU"):
            explained(Line(), name)


def test_gates_that_the_rule_does_not_reach_are_said() -> None:
    class Mixed(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(F.gelu(self.conv2(F.relu(self.conv1(x)))).mean((2, 3)))

    found = explained(seeded(Mixed), "guided-backpropagation")
    assert found.notes[-1] == "The rule does not apply to 1 gelu: these pass the plain gradient."


class Hidden(Plain):
    """One of its ReLUs is written as no framework's ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn(self.conv1(x)))
        return self.fc(F.leaky_relu(self.conv2(x), 0.0).mean((2, 3)))


@pytest.mark.parametrize("name", ALL)
def test_a_relu_that_the_rule_has_not_seen_is_named_and_nothing_is_drawn(name: str) -> None:
    with pytest.raises(NotSupportedError, match=r"Only 1 of the 2 ReLUs.*followed the rule.*leaky_relu") as error:
        explained(seeded(Hidden), name)
    assert "framework's own ReLU" in str(error.value)


class Told:
    """A model of which only the graph is asked."""

    framework = "None"

    def __init__(self, *functions: str) -> None:
        self.functions = functions

    def graph(self) -> Graph:
        if not self.functions:
            raise GraphError("It is a riddle.")
        build = Builder()
        name = build.input((3, 4, 4))
        for function in self.functions:
            name = build.add(Activation, [name], function=function, layer=f"layer of {function}", low=0.0, high=6.0)  # type: ignore[arg-type]
        return build.graph({"scores": name})


def told(ruled: int | None, *functions: str) -> tuple[str, ...]:
    model: Any = Told(*functions)
    assert not isinstance(model, Model)
    return coverage(model, ReluRule.GUIDED, ruled)


def test_coverage_is_what_ran_against_what_followed() -> None:
    assert told(2, "relu", "clip") == ("The ReLU rule guided is not the gradient of the score.",)
    assert "does not apply to 1 elu, 2 tanh" in told(1, "relu", "tanh", "elu", "tanh")[1]
    assert "3 ReLUs followed the rule, 1 of them" in told(3, "relu")[1]
    assert "Coverage not known: 4 ReLUs followed" in told(4)[1]
    assert "It is a riddle" in told(4)[1]
    assert "do not count" in told(None, "relu")[1]
    for ruled, functions, said in (
        (0, (), "the plain gradient"),
        (0, ("relu",), "relu in 'layer of relu', none of which was seen"),
        (1, ("relu", "clip"), "Only 1 of the 2 ReLUs"),
    ):
        with pytest.raises(NotSupportedError, match=said):
            told(ruled, *functions)


@pytest.mark.parametrize("name", METHODS)
def test_the_same_in_onnx(name: str, tmp_path: Path) -> None:
    file = picasso.load_model(exported(seeded(Plain).eval(), tmp_path / "net.onnx", 24), preprocessing=SIZE)
    agree(explained(file, name).values, explained(seeded(Plain), name).values)


def test_checkpointed_parts_run_again_without_the_rule_so_that_nothing_is_drawn() -> None:
    from torch.utils.checkpoint import checkpoint

    class Saving(Plain):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = checkpoint(lambda y: F.relu(self.bn(self.conv1(y))), x, use_reentrant=False)
            return self.fc(F.relu(self.conv2(x)).mean((2, 3)))

    with pytest.raises(picasso.PicassoError, match="Checkpoint"):
        explained(seeded(Saving), "guided-backpropagation")


def test_without_max_pooling_a_deconvnet_does_not_depend_on_the_picture_and_says_so() -> None:
    first, other = explained(seeded(Plain), "deconvnet"), opened(seeded(Plain))
    result = picasso.explain(other, np.zeros((30, 30, 3), np.uint8), "deconvnet", target=1)
    assert isinstance(result, picasso.Result)
    agree(result.attributions[0].values, first.values, 1e-5)
    assert first.notes[0].startswith("A grey picture has this same map")
    assert not any("grey picture" in note for note in explained(Pooled(), "deconvnet", 2).notes)
