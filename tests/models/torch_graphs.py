"""PyTorch networks with telling weights, and their op graphs compared with what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

import picasso
from picasso.core.graph import Graph
from picasso.core.model import Model
from picasso.models.torch import op_graph
from tests.engine import reference

CLOSE = 1e-4


def shaken(network: nn.Module, loud: float = 1.5) -> nn.Module:
    """Give a network weights with which its answer depends on the picture, and statistics that are not trivial.

    Args:
        network: The network.
        loud: By how much each layer's weights make the variance of its input larger.
    """
    torch.manual_seed(7)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim >= 2:
                parameter.normal_(0, (loud / max(1, parameter[0].numel())) ** 0.5)
            elif name.endswith("bias"):
                parameter.uniform_(-0.3, 0.3)
            else:
                parameter.uniform_(0.7, 1.4)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.uniform_(-0.3, 0.3)
            elif name.endswith("running_var"):
                buffer.uniform_(0.6, 1.6)
    return network.eval()


def pictures(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)


def agree(graph: Graph, x: np.ndarray, expected: dict[str, np.ndarray]) -> None:
    """Compare a graph with a network's own answers to pictures (n, channels, height, width)."""
    found = reference.outputs(graph, x)
    assert found.keys() == expected.keys()
    for name, answer in expected.items():
        size = np.abs(answer).max()
        assert np.abs(answer[0] - answer[1]).max() > 1e-3 * size, "the network hardly looks at the picture"
        np.testing.assert_allclose(found[name], answer, rtol=0, atol=CLOSE * size)


def opened(network: Any, size: int | tuple[int, int] = 12, **choices: Any) -> Model:
    return picasso.load_model(network, preprocessing=picasso.Preprocessing(size=size), **choices)


def agreed(model: Any) -> Graph:
    """Read a model's graph, compare it with the model, and return it."""
    graph = model._read_graph()
    assert isinstance(graph, Graph)
    x = pictures(model.x_shape)
    own = {name: answer.numpy(force=True) for name, answer in model._forward(model._tensor(x)).items()}
    agree(graph, x.transpose(0, 3, 1, 2), own)
    names = {layer.name for layer in model.layers()} | {name for name, _ in model.module.named_modules()}
    assert {op.layer.partition(":")[0] for op in graph.ops} <= {name.partition(":")[0] for name in names}
    return graph


def kinds(graph: Graph) -> list[str]:
    return [type(op).__name__ for op in graph.ops[1:]]


class Run(nn.Module):
    """A function of a picture and of layers as a network."""

    def __init__(self, run: Callable[..., Any], *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.run = run

    def forward(self, x: torch.Tensor) -> Any:
        return self.run(x, *self.layers)


def traced(run: Callable[..., Any] | nn.Module, *layers: nn.Module, shape: tuple[int, ...] = (4, 13, 11)) -> Graph:
    """Read the graph of a function, compare it with the function, and return it."""
    network = shaken(run if isinstance(run, nn.Module) else Run(run, *layers))
    graph = op_graph.read(network, torch.rand(1, *shape), lambda x: {"made": network(x)})
    x = pictures(shape)
    with torch.no_grad():
        answers = [network(torch.from_numpy(one[None])).numpy() for one in x]
    agree(graph, x, {"made": np.concatenate(answers)})
    return graph
