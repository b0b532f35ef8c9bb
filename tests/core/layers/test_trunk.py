"""Layers through which everything flows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import picasso
from benchmarks.networks import NETWORKS
from picasso.core.errors import NotFoundError
from picasso.core.graph import Graph, GraphError
from picasso.core.layers.trunk import bottlenecks, read_layers, trunk_layers

PLAIN = picasso.Preprocessing(size=16)


class Branches(nn.Module):
    """A stem, a residual block, two branches that meet again, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.first, self.second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.after = nn.ReLU()
        self.left, self.right = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 3, 3, padding=1)
        self.joined = nn.Conv2d(5, 6, 1)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = self.after(x + self.second(self.first(x)))
        x = self.joined(torch.cat([self.left(x), self.right(x)], 1))
        return self.head(x.mean((2, 3)))


def test_branches_are_left_out() -> None:
    model = picasso.load_model(Branches(), preprocessing=PLAIN, labels=["a", "b"])
    assert [layer.name for layer in trunk_layers(model)] == ["stem", "after", "joined"]
    assert bottlenecks(model.graph()) == {"stem", "after", "joined", "head"}


def slowly(graph: Graph) -> set[str]:
    """Leave one operation out after another, and look whether an output is still reached."""
    readers = graph.readers()
    of_layer = {op.layer: op.name for op in graph.ops if op.layer}
    found = set()
    for layer, without in of_layer.items():
        reached, waiting = {graph.ops[0].name}, [graph.ops[0].name]
        while waiting:
            for op in readers[waiting.pop()]:
                if op.name not in reached and op.name != without:
                    reached.add(op.name)
                    waiting.append(op.name)
        if reached.isdisjoint(graph.outputs.values()):
            found.add(layer)
    return found


@pytest.mark.parametrize("name", ["squeezenet", "resnet18", "inception", "mobilenetv2"])
def test_it_is_what_leaving_out_shows(name: str) -> None:
    model = picasso.load_model(NETWORKS[name].make(96), preprocessing=picasso.Preprocessing(size=96))
    graph = model.graph()
    assert bottlenecks(graph) == slowly(graph)
    assert len(trunk_layers(model)) >= 3


class Odd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        for name in ("a", "b", "a,b", "a, c"):
            self.add_module(name, nn.Conv2d(3, 3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for part in self.children():
            x = part(x)
        return x.mean((2, 3))


def test_a_comma_may_be_part_of_a_name() -> None:
    model = picasso.load_model(Odd(), preprocessing=PLAIN, labels=["x", "y", "z"])
    assert read_layers(model, "a,b", ()) == ["a,b"]
    assert read_layers(model, "b, a,b", ()) == ["b", "a,b"]
    assert read_layers(model, "b,a", ()) == ["b", "a"]
    with pytest.raises(NotFoundError, match="There is no layer 'd'"):
        read_layers(model, "a, d", ())


def test_without_a_graph_all_layers_with_space_are_taken() -> None:
    model = picasso.load_model(Branches(), preprocessing=PLAIN, labels=["a", "b"])
    model.graph = refuse  # type: ignore[method-assign]
    assert [layer.name for layer in trunk_layers(model)] == [layer.name for layer in model.layers() if layer.spatial]


def refuse() -> Graph:
    raise GraphError("No graph.")
