"""Networks that can be read as op graphs: the engine computes for them what occluding windows change."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import NotSupportedError
from picasso.core.facts import Facts, Patching, Progress, Quality
from picasso.core.graph import Activation, Graph, Reshape, Softmax
from picasso.core.hooks import ModelFile
from picasso.core.layers.attention import Attention, token_grid
from picasso.core.model import Model, ignore
from picasso.core.preprocessing import Array
from picasso.core.relevance import Relevance, RelevanceRules
from picasso.core.targets import SCORES, Target, seeds
from picasso.models.readout import Readout

if TYPE_CHECKING:
    from picasso.engine.accelerator import Accelerator

Found = TypeVar("Found")

FEWEST_WINDOWS = 16
"""For fewer windows the engine's own comparisons with the network cost more than it saves."""
_NO_TORCH = "The engine runs on PyTorch: pip install 'picasso[torch]'."


CLOSE = 1e-3
"""How far a network's op graph may be from the network itself, as a part of the largest number."""


class _DisagreeError(NotSupportedError):
    """A network's op graph gives something else than the network."""


class AcceleratedModel(Model):
    """A model whose adapter can read it as an op graph.

    Args:
        facts, hooks, name, batch_size: As for every model.
        readout: What the network's own outputs mean.
    """

    def __init__(
        self, facts: Facts, hooks: ModelFile, name: str, batch_size: int | None = None, *, readout: Readout
    ) -> None:
        super().__init__(facts, hooks, name, batch_size)
        self._readout = readout
        self._engines: dict[str, Accelerator] = {}

    @abstractmethod
    def _read_graph(self) -> Graph:
        """Return the network as an op graph, whose outputs are those that the readout reads.

        Raises:
            GraphError: It holds something that the graph has no word for.
        """

    def _version(self) -> object:
        """Return something that is another when the network is another; for live ones."""
        return None

    def _copied(self, parameters: Mapping[str, Array], file: str = "") -> Self:
        made = super()._copied(parameters, file)
        made._engines = {}
        return made

    def close(self) -> None:
        self._engines.clear()
        super().close()

    def graph(self) -> Graph:
        if self._has_torch():
            return self._accelerator().graph()
        whole = self.whole
        assert isinstance(whole, AcceleratedModel)
        return whole._read_graph()

    def _relevance(self, x: Array, targets: Sequence[Target], rules: RelevanceRules) -> Relevance:
        if not self._has_torch():
            raise NotSupportedError("Rules on the network's operations run on PyTorch.", "pip install 'picasso[torch]'")
        from picasso.engine.relevance import share

        def shared(graph: Graph) -> Relevance:
            readout, ends = _before_head(self._readout, graph)

            def cotangents(raw: dict[str, Array]) -> Mapping[str, Array]:
                return readout.pull(raw, seeds(targets, readout.read(raw)))

            found = share(graph, x, rules, ends, cotangents)
            return Relevance(
                self._agreed(x, found.outputs),
                found.values,
                found.shared,
                found.scores,
                found.absorbed,
                found.rules,
                before_head=readout is not self._readout,
            )

        return self._on_graph(shared)

    def _attention(self, x: Array, targets: Sequence[Target], early: bool) -> Attention:
        if not self._has_torch():
            raise NotSupportedError("Attention is read on PyTorch.", "pip install 'picasso[torch]'")
        from picasso.engine.attention import attend

        def cotangents(raw: dict[str, Array]) -> Mapping[str, Array]:
            return self._readout.pull(raw, seeds(targets, self._readout.read(raw)))

        def read(graph: Graph) -> Attention:
            found = attend(graph, x, self._readout.names, cotangents, early)
            grid = token_grid(self.layers(), found.layers)
            return Attention(self._agreed(x, found.outputs), found.layers, found.read, grid)

        return self._on_graph(read)

    def _on_graph(self, follow: Callable[[Graph], Found]) -> Found:
        """Follow the network's op graph; read it anew where it gives something else than the network.

        Numbers that were written into a live network past its framework's count of changes show only here.
        """
        try:
            return follow(self._accelerator().graph())
        except _DisagreeError:
            self.whole._engines.clear()  # type: ignore[attr-defined]  # an accelerated model, too
            return follow(self._accelerator().graph())

    def _agreed(self, x: Array, raw: Mapping[str, Array]) -> dict[str, Array]:
        """Return the network's own outputs for pictures.

        Args:
            x: The pictures.
            raw: What its op graph gives for them.

        Raises:
            _DisagreeError: That is something else.
        """
        outputs, own = self._readout.read(raw), self._outputs(x)
        for name, values in own.items():
            error = float(np.abs(outputs[name] - values).max(initial=0))
            if not error <= CLOSE * float(np.abs(values).max(initial=0)) + 1e-6:
                raise _DisagreeError(
                    f"The network's op graph does not give what the network does: {name} differ by {error:.1e}.",
                    "Choose a method that needs no op graph.",
                )
        return own

    def predict_patched(
        self,
        x: Array,
        boxes: NDArray[np.int64],
        contents: Array,
        progress: Progress = ignore,
        quality: Quality = Quality.EXACT,
    ) -> Array:
        scores, patching = self._by_engine(x, boxes, contents, progress, quality)
        if scores is None:
            scores = super().predict_patched(x, boxes, contents, progress)
        self.patching = patching
        return scores

    def predict_whole(self, x: Array) -> Array:
        if self.facts.frames is not None or self.reads_layer or not self._has_torch():
            return super().predict_whole(x)
        return self._accelerator().whole(x, self.predict, self._scores_of)

    def _by_engine(
        self, x: Array, boxes: NDArray[np.int64], contents: Array, progress: Progress, quality: Quality
    ) -> tuple[Array | None, Patching]:
        def loop(reason: str) -> tuple[None, Patching]:
            return None, Patching(reason=reason, windows=len(boxes))

        if self.facts.frames is not None:
            return loop("The engine does not follow windows through clips.")
        if self.reads_layer:
            return loop("The engine follows windows to the network's outputs, not to a channel of a layer.")
        if len(boxes) < FEWEST_WINDOWS:
            return loop("")
        if not self._has_torch():
            return loop(_NO_TORCH)
        from picasso.engine.accelerator import Asked

        progress(0, len(boxes))
        # A detector's sides of a box stand beside its scores, in pixels.
        parts = () if self.focus is None or self.focus.classes == len(self.labels) else (self.focus.classes,)
        return self._accelerator().scores(
            Asked(x, boxes, contents, self.predict, self._scores_of, progress, quality, parts)
        )

    def _scores_of(self, raw: Mapping[str, Array]) -> Array:
        """Return class scores (n, classes) from the network's own outputs."""
        outputs = self._readout.read(raw)
        return self.class_scores(outputs if self.focus is None else {SCORES: self.focus.read(outputs)})

    def _accelerator(self) -> Accelerator:
        from picasso.engine.accelerator import Accelerator

        whole = self.whole
        assert isinstance(whole, AcceleratedModel)
        # Focused views of a network share one engine.
        if "accelerator" not in self._engines:
            self._engines["accelerator"] = Accelerator(whole._read_graph, whole._version)
        return self._engines["accelerator"]

    def _has_torch(self) -> bool:
        try:
            importlib.import_module("torch")
        except Exception:  # an installation may be broken in any way, and this network need not be PyTorch's
            return False
        return True


def _before_head(readout: Readout, graph: Graph) -> tuple[Readout, dict[str, str]]:
    """Return the values from which relevance starts, by the outputs' names, and what reads them.

    Where a network returns probabilities, what goes into its softmax or sigmoid is shared out: a score.

    Raises:
        NotSupportedError: No softmax or sigmoid makes the probabilities.
    """
    ends = {name: graph.outputs[name] for name in readout.names}
    values = readout.values
    if not values.from_probability:
        return readout, ends
    by_name = graph.by_name
    op = by_name[ends[values.name]]
    while isinstance(op, Reshape):
        op = by_name[op.inputs[0]]
    head = (isinstance(op, Softmax) and not op.log) or (isinstance(op, Activation) and op.function == "sigmoid")
    if not head or len(readout.names) > 1:
        raise NotSupportedError(
            "The network returns probabilities, and no softmax or sigmoid at its end that could be left out.",
            "Give the network without what makes its scores probabilities.",
        )
    before = replace(readout, values=replace(values, from_probability=False))  # type: ignore[type-var]
    return before, {**ends, values.name: op.inputs[0]}
