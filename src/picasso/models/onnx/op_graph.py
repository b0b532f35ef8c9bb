"""An ONNX graph as an op graph.

Imports PyTorch, with which constants and sizes are worked out, so it is imported itself only where a graph is opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from picasso.core.facts import ReluRule
from picasso.core.graph import Activation, Graph, GraphError
from picasso.models.onnx import op_arithmetic, op_matrices, op_moves, op_windows
from picasso.models.onnx.graph import Step
from picasso.models.onnx.network import Network, repeated
from picasso.models.onnx.op_views import Value, View, Views, beginning
from picasso.models.onnx.op_windows import Reader

READERS: Mapping[str, Reader] = {
    **op_arithmetic.READERS,
    **op_matrices.READERS,
    **op_moves.READERS,
    **op_windows.READERS,
}
"""What reads each operator that the op graph has a form for, by its name in the format."""
_MOVING = frozenset({"Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"})
"""Operators that whole numbers may pass."""
_PICTURES = 7
"""How many pictures sizes are worked out for where any number goes: one that no other size is a multiple of."""


def read_graph(
    network: Network, read: Mapping[str, str], shape: tuple[int, int, int], batch: int | None, layers: Mapping[str, str]
) -> Graph:
    """Return a network as an op graph.

    Args:
        network: The network.
        read: For each output the name of the value that it is.
        shape: (height, width, channels) of the input.
        batch: The only number of pictures that it takes, or None.
        layers: The layers' names by their values' names.

    Raises:
        GraphError: It has something that the op graph has no form for.
    """
    for step in network.graph.steps:
        if step.operator is None and not step.branches:
            raise GraphError(f"{step.kind} at '{step.name}' has no form in the op graph.")
    if network.graph.problem:
        raise GraphError(f"The network has no op graph: {network.graph.problem}.")
    if network.image.type == "float16":
        raise GraphError(
            f"The network reads '{network.image.name}' in half precision, which the op graph does not have."
        )
    return _Reading(network, batch or _PICTURES, layers).graph(read, shape)


@dataclass
class _Reading:
    """The reading of one network.

    Args:
        network: The network.
        count: How many pictures sizes are worked out for.
        layers: The layers' names by their values' names.
    """

    network: Network
    count: int
    layers: Mapping[str, str]

    def graph(self, read: Mapping[str, str], shape: tuple[int, int, int]) -> Graph:
        """Return the op graph; see `read_graph`."""
        image = self.network.image
        self.on = Views(self.count, Counter(name for step in self.network.graph.steps for name in step.inputs))
        self.on.kind, self.on.node = "The input", image.name
        height, width, channels = shape
        start = beginning(self.on, image.axes, (channels, height, width), image.whole_numbers)
        if image.whole_numbers:
            start = self._rounded(start)
        self.constants: dict[str, Any] = dict(self.network.graph.constants)
        for name, (value, each) in self.network.held.items():
            self.constants[name] = torch.from_numpy(np.ascontiguousarray(repeated(value, each, self.count)))
        self.views: dict[str, View] = {image.name: start}
        self._run(self.network.graph.steps)
        return self.on.build.graph({output: self._ending(output, value) for output, value in read.items()})

    def _rounded(self, view: View) -> View:
        """Make whole numbers of 0..255, as the picture is turned into for networks that read bytes."""
        name = self.on.add(Activation, [view.name], function="clip", low=0.0, high=255.0)
        return View(self.on.add(Activation, [name], function="round"), view.order, view.batch, whole=True)

    def _run(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._read(step)

    def _read(self, step: Step) -> None:
        on, named = self.on, [name for name in step.inputs if name]
        on.kind, on.inputs, on.call = step.kind, step.inputs, step.call
        on.node, on.layer = step.name, next((self.layers[name] for name in step.outputs if name in self.layers), "")
        if any(name not in self.constants and name not in self.views for name in named):
            raise on.refused("it reads what has none")
        if step.branches:
            self._choose(step)
        elif not any(name in self.views for name in named):
            self.constants.update(self.network.graph.outcome(step, self.constants, ReluRule.STANDARD, None))
        elif step.kind in ("Shape", "Size"):
            sides = on.sides(self.views[step.inputs[0]])
            self.constants.update(
                self.network.graph.outcome(
                    step, {step.inputs[0]: torch.empty(sides, device="meta")}, ReluRule.STANDARD, None
                )
            )
        else:
            self._add(step)

    def _choose(self, step: Step) -> None:
        """Read the branch of an If whose condition follows from sizes."""
        if step.inputs[0] not in self.constants:
            raise self.on.refused("it depends on the picture")
        branch = step.branches[0 if bool(self.constants[step.inputs[0]].any()) else 1]
        self._run(branch.steps)
        for name, own in zip(step.outputs, branch.outputs, strict=True):
            if own in self.views:
                self.views[name] = self.views[own]
            else:
                self.constants[name] = self.constants[own]

    def _add(self, step: Step) -> None:
        reader = READERS.get(step.kind)
        if reader is None:
            raise self.on.refused()
        if step.kind not in _MOVING and any(self.views[name].whole for name in step.inputs if name in self.views):
            raise self.on.refused("it computes with whole numbers")
        made = reader(self.on, *(self._value(name) for name in step.inputs))
        found = made if isinstance(made, tuple) else (made,)
        self.views.update(zip(step.outputs, found, strict=False))

    def _value(self, name: str) -> Value | None:
        if not name:
            return None
        return self.views[name] if name in self.views else self.constants[name].detach().cpu().numpy()

    def _ending(self, output: str, value: str) -> str:
        """Return the name of an output's value, whose axes are the network's own."""
        on = self.on
        on.kind, on.node, on.layer = "The output", output, self.layers.get(value, "")
        if value not in self.views:
            raise on.refused("it does not depend on the picture")
        view = on.plain(self.views[value])
        if view.batch != 0 or view.merged or view.whole:
            raise on.refused("its pictures are not on the first axis")
        return view.name
