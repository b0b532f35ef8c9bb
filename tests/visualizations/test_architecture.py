"""The architecture: names, shapes, parameters and compute as PyTorch itself has them, and what flows where."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import picasso
from picasso.core.diagram import read_network
from picasso.core.diagram.boxes import WHOLE, Box, Role
from picasso.core.errors import NotSupportedError
from picasso.core.model import Model
from picasso.core.panels import Drawing, NetworkGraph
from picasso.core.result import Result
from picasso.testing import check_visualization

SIZE = picasso.Preprocessing(size=(20, 24))


class Residual(nn.Module):
    """Two convolutions, with a way around them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.conv2(self.relu(self.bn(self.conv1(x)))))


class Fire(nn.Module):
    """Two branches, one behind the other in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(8, 4, 1)
        self.left = nn.Conv2d(4, 6, 1)
        self.right = nn.Conv2d(4, 6, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.cat([self.left(x), self.right(x)], 1)


class Small(nn.Module):
    """A stem, blocks, and a head; one dropout, which does nothing at rest, and a layer that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU())
        self.body = nn.Sequential(Residual(8), Residual(8), Fire())
        self.drop = nn.Dropout()
        self.head = nn.Linear(12, 5)
        self.unused = nn.Linear(7, 9)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(self.stem(x)).mean((2, 3))
        return self.head(self.drop(x))


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(3)
    return Small().eval()


@pytest.fixture(scope="module")
def model(network: nn.Module) -> Model:
    return picasso.load_model(network, preprocessing=SIZE, name="small")


@pytest.fixture(scope="module")
def result(model: Model) -> Result:
    found = picasso.explain(model, visualization="architecture", boxes=1000)
    assert isinstance(found, Result)
    return found


@pytest.fixture(scope="module")
def graph(result: Result) -> NetworkGraph:
    (found,) = (panel for panel in result.panels if isinstance(panel, NetworkGraph))
    return found


def names(graph: NetworkGraph, block: str) -> list[str]:
    parent = next((number for number, box in enumerate(graph.boxes) if box.name == block), WHOLE)
    return [box.label for box in graph.boxes if box.parent == parent]


def flows(graph: NetworkGraph, block: str) -> set[tuple[str, str]]:
    """Return what flows inside a block, by labels; "" is its border."""
    number = next((at for at, box in enumerate(graph.boxes) if box.name == block), WHOLE)

    def said(end: int) -> str:
        return "" if end == number else graph.boxes[end].label

    return {(said(arc.source), said(arc.target)) for arc in graph.arcs if arc.block == number}


def test_it_keeps_the_contract() -> None:
    check_visualization("architecture")


def test_steps_lie_in_their_blocks(graph: NetworkGraph) -> None:
    assert names(graph, "") == ["input", "stem", "body", "global mean", "head"]
    assert names(graph, "body") == ["0", "1", "2"]
    assert names(graph, "body.0") == ["conv1", "bn", "relu", "conv2", "add", "relu:2"]
    assert names(graph, "body.2") == ["squeeze", "relu", "left", "right", "concat"]


def test_data_flows_around_what_is_skipped_and_through_both_branches(graph: NetworkGraph) -> None:
    inside = ["conv1", "bn", "relu", "conv2", "add", "relu:2"]
    assert flows(graph, "body.1") == {("", "conv1"), ("", "add"), ("relu:2", "")} | set(pairwise(inside))
    assert flows(graph, "body.2") == {
        ("", "squeeze"), ("squeeze", "relu"), ("relu", "left"), ("relu", "right"), ("left", "concat"),
        ("right", "concat"), ("concat", ""),
    }  # fmt: skip
    assert flows(graph, "") == {("input", "stem"), ("stem", "body"), ("body", "global mean"), ("global mean", "head")}


def test_shapes_parameters_and_compute_are_those_of_pytorch(network: nn.Module, graph: NetworkGraph) -> None:
    """Of every module that runs: its output, seen by a hook, its own parameters, and its multiplications."""
    shapes: dict[str, tuple[int, ...]] = {}
    work: dict[str, int] = {}

    def watch(name: str, module: nn.Module) -> None:
        def seen(_: nn.Module, given: Sequence[torch.Tensor], made: torch.Tensor) -> None:
            shapes[name] = tuple(made.movedim(1, -1).shape[1:])
            if isinstance(module, nn.Conv2d):
                each = module.in_channels // module.groups * module.kernel_size[0] * module.kernel_size[1]
                work[name] = each * made[0].numel()
            if isinstance(module, nn.Linear):
                work[name] = module.in_features * made[0].numel()

        module.register_forward_hook(seen)

    import copy

    watched = copy.deepcopy(network)
    for name, module in watched.named_modules():
        if name:
            watch(name, module)
    watched(torch.zeros(1, 3, 20, 24))
    modules = dict(watched.named_modules())
    checked = 0
    for box in graph.boxes:
        if box.name in modules:
            module = modules[box.name]
            assert box.shape == shapes[box.name]
            assert box.kind == type(module).__name__
            assert box.layer == box.name
            assert box.parameters == sum(values.numel() for values in module.parameters())
            assert box.multiply_adds == sum(
                count for name, count in work.items() if name == box.name or name.startswith(f"{box.name}.")
            )
            checked += 1
    assert checked == len(shapes) - 1  # all but the dropout
    assert sum(box.multiply_adds or 0 for box in graph.boxes if not box.block) == sum(work.values())


def test_what_a_layer_reads_is_what_torch_fx_finds(network: nn.Module, model: Model) -> None:
    """The layers from which each layer's data comes, over operations that are none."""
    traced = torch.fx.symbolic_trace(network)
    calls: dict[str, int] = {}
    named: dict[torch.fx.Node, str] = {}
    for node in traced.graph.nodes:
        if node.op == "call_module" and node.target != "drop":
            calls[node.target] = calls.get(node.target, 0) + 1
            named[node] = node.target if calls[node.target] == 1 else f"{node.target}:{calls[node.target]}"
        elif node.op == "placeholder":
            named[node] = "input"

    def layers_before(node: torch.fx.Node) -> set[str]:
        found: set[str] = set()
        for source in node.all_input_nodes:
            found |= {named[source]} if source in named else layers_before(source)
        return found

    expected = {name: layers_before(node) for node, name in named.items()}
    steps = read_network(model).steps

    def steps_before(number: int) -> set[str]:
        found: set[str] = set()
        for source in steps[number].reads:
            layer = steps[source].layer or (steps[source].name if not steps[source].reads else "")
            found |= {layer} if layer else steps_before(source)
        return found

    drawn = {step.layer or step.name: steps_before(at) for at, step in enumerate(steps) if step.layer or not step.reads}
    assert drawn == expected


def test_what_is_not_drawn_is_said(graph: NetworkGraph) -> None:
    assert graph.elsewhere == 7 * 9 + 9
    assert graph.notes == (
        "1 layer is not drawn, since it changes nothing or is one with another: Dropout.",
        "72 parameters belong to no step that runs for a picture.",
    )


def test_a_layer_that_runs_twice_is_drawn_twice_and_counted_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.fc = nn.Linear(3, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc(self.conv(self.conv(x)).amax((2, 3)))

    found = picasso.explain(picasso.load_model(Twice().eval(), preprocessing=SIZE), visualization="architecture")
    assert isinstance(found, Result)
    graph = found.panels[0]
    assert isinstance(graph, NetworkGraph)
    counted = {box.name: box.parameters for box in graph.boxes if box.layer}
    assert counted == {"conv": 84, "conv:2": 0, "fc": 8}


class Choosing(Small):
    """What it runs depends on what it sees, so that there is no one graph of it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = super().forward(x)
        return answer * 2 if bool((answer > 1e6).any()) else answer


def test_a_model_whose_joints_are_unknown_is_a_chain_that_says_so() -> None:
    opened = picasso.load_model(Choosing().eval(), preprocessing=SIZE)
    found = picasso.explain(opened, visualization="architecture")
    assert isinstance(found, Result)
    graph = found.panels[0]
    assert isinstance(graph, NetworkGraph)
    assert "the order of their execution" in graph.notes[0]
    steps = [number for number, box in enumerate(graph.boxes) if not box.block]
    assert [graph.boxes[number].name for number in steps[:3]] == ["input", "stem.0", "stem.1"]
    assert all(box.multiply_adds is None for box in graph.boxes)
    assert graph.boxes[steps[1]].shape == (10, 12, 8)


def test_what_lets_nobody_look_inside_is_refused(network: nn.Module) -> None:
    def scores(x: np.ndarray) -> np.ndarray:
        return np.stack([x.mean((1, 2, 3)), -x.mean((1, 2, 3))], 1)

    for closed in (scores, torch.jit.trace(network, torch.zeros(1, 3, 20, 24))):
        with pytest.raises(NotSupportedError, match=r"Architecture needs activations, which this .* model lacks"):
            picasso.explain(picasso.load_model(closed, preprocessing=SIZE), visualization="architecture")


def test_a_graph_without_layers_is_drawn_and_neither_is_refused_with_the_reason() -> None:
    class Bare(nn.Module):
        """Functions alone."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(x).mean((2, 3)) @ self.weight.T

    opened = picasso.load_model(Bare().eval(), preprocessing=SIZE)
    assert not opened.layers()
    found = picasso.explain(opened, visualization="architecture")
    assert isinstance(found, Result)
    assert isinstance(found.panels[0], NetworkGraph)
    assert [box.label for box in found.panels[0].boxes][:2] == ["input", "relu"]

    class Neither(Bare):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            answer: torch.Tensor = super().forward(x)
            return answer * 2 if bool((answer > 1e6).any()) else answer

    with pytest.raises(NotSupportedError, match="neither layers nor"):
        picasso.explain(picasso.load_model(Neither().eval(), preprocessing=SIZE), visualization="architecture")


def test_its_files_are_saved(result: Result, graph: NetworkGraph, tmp_path: Path) -> None:
    saved = {path.name: path for path in result.save(tmp_path)}
    assert set(saved) == {
        f"small.architecture.{name}"
        for name in ("graph.svg", "graph.dot", "graph.tex", "to-scale.svg", "html", "json", "npz")
    }
    assert saved["small.architecture.graph.dot"].read_text() == graph.files()["dot"]
    words = "".join(ET.fromstring(saved["small.architecture.graph.svg"].read_text()).itertext())
    for word in ("conv1", "BatchNorm2d", "10 \u00d7 12 \u00d7 8", "add", "concat"):
        assert word in words
    assert "Architecture of small" in result._repr_html_()


def test_the_maps_are_drawn_to_scale_or_not_at_all(model: Model, result: Result) -> None:
    drawing = result.panels[1]
    assert isinstance(drawing, Drawing)
    texts = [element.text for element in ET.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "20 \u00d7 24 \u00d7 3" in texts
    assert "10 \u00d7 12 \u00d7 8" in texts
    alone = picasso.explain(model, visualization="architecture", to_scale=False)
    assert isinstance(alone, Result)
    assert [panel.id for panel in alone.panels] == ["graph"]


def test_real_weights_of_squeezenet_in_three_frameworks_are_one_network(shared_data: Path) -> None:
    """The same eight fire modules: parameters, multiplications and branches, whatever the file calls its layers."""
    folder = shared_data / "squeezenet11"
    found = []
    for file in ("squeezenet11_softmax.keras", "squeezenet11_logits.onnx"):
        opened = picasso.load_model(folder / file, labels=folder / "synset_words.txt")
        shown = picasso.explain(opened, visualization="architecture")
        assert isinstance(shown, Result)
        graph = shown.panels[0]
        assert isinstance(graph, NetworkGraph)
        assert opened.graph().multiply_adds == sum(box.multiply_adds or 0 for box in graph.boxes if not box.block)
        found.append(graph.boxes)
    for boxes in found:
        assert sum(box.parameters or 0 for box in boxes if box.parent == WHOLE) == 1_235_496
        joins = [number for number, box in enumerate(boxes) if box.kind in ("Concatenate", "Concat")]
        assert len(joins) == 8
        assert [boxes[number].shape[-1] for number in joins] == [128, 128, 256, 256, 384, 384, 512, 512]
    convolutions = [[_facts(box) for box in boxes if box.role is Role.CONV] for boxes in found]
    assert convolutions[0] == convolutions[1]
    assert len(convolutions[0]) == 26


def _facts(box: Box) -> tuple[tuple[int, ...], int | None, int | None]:
    return box.shape, box.parameters, box.multiply_adds


def test_where_parameters_are_counted_from_operations_a_difference_is_said(tmp_path: Path) -> None:
    """A file of TensorFlow's counts the mean and the variance of a norm beside its scale and its shift."""
    import keras

    network = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Conv2D(4, 3),
            keras.layers.BatchNormalization(),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, use_bias=False),
        ]
    )
    network.get_layer(index=0).bias.assign(np.arange(1, 5, dtype=np.float32))
    network.export(tmp_path / "saved", verbose=False)
    opened = picasso.load_model(tmp_path / "saved", preprocessing=picasso.Preprocessing(size=12))
    found = picasso.explain(opened, visualization="architecture")
    assert isinstance(found, Result)
    graph = found.panels[0]
    assert isinstance(graph, NetworkGraph)
    counted = sum(box.parameters or 0 for box in graph.boxes if box.parent == WHOLE)
    assert counted == 4 * 27 + 4 + 2 * 4 + 4 * 2
    assert f": {counted}. The model says that it has {opened.facts.size}." in graph.notes[-1]
    assert opened.facts.size == counted + 2 * 4


def test_a_network_of_clips_has_an_architecture() -> None:
    head = (nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 2))
    clips = nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.ReLU(), *head)
    opened = picasso.load_model(clips.eval(), preprocessing=SIZE, frames=4)
    found = picasso.explain(opened, visualization="architecture")
    assert isinstance(found, Result)
    graph = found.panels[0]
    assert isinstance(graph, NetworkGraph)
    assert graph.boxes[0].shape == (4, 20, 24, 3)
    assert [(box.name, box.shape, box.parameters) for box in graph.boxes if box.parameters] == [
        ("0", (4, 20, 24, 4), 4 * 81 + 4), ("4", (2,), 10),
    ]  # fmt: skip
