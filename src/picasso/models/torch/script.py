"""TorchScript networks behind Picasso's contract."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

from picasso.core.errors import NotFoundError, NotSupportedError
from picasso.core.facts import Capability, Layer, Pullback, ReluRule, Rules
from picasso.core.graph import Graph, GraphError
from picasso.core.preprocessing import Array
from picasso.core.targets import Target
from picasso.models.torch.layers import Layout
from picasso.models.torch.model import TorchModel

_TO_SEE = "Export the network with torch.export as .pt2, or open its module, to see inside."


class ScriptModel(TorchModel):
    """A TorchScript network: it lets nobody look inside, and gives the gradient of its input alone."""

    framework: ClassVar[str] = "TorchScript"
    capabilities = frozenset({Capability.PREDICT, Capability.GRADIENTS})

    def _layers(self) -> tuple[Layer, ...]:
        return ()

    def _layouts(self, layers: Sequence[str]) -> dict[str, Layout]:
        for name in layers:
            raise NotFoundError(f"There is no layer '{name}': TorchScript shows none.", _TO_SEE)
        return {}

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        if rules.relu is not ReluRule.STANDARD:
            raise NotSupportedError(f"A TorchScript network does not let ReLUs follow the rule {rules.relu}.", _TO_SEE)
        return super()._pullback(x, targets, wrt, rules)

    def _read_graph(self) -> Graph:
        raise GraphError("TorchScript lets nobody look inside, so it has no op graph.")

    def _quiet(self) -> AbstractContextManager[Any]:
        import torch

        # What the profiling compiler fuses after some runs gives other roundings than the first ones.
        return torch.jit.optimized_execution(False)  # type: ignore[no-any-return]
