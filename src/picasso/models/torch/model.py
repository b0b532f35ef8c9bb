"""PyTorch networks behind Picasso's contract."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from picasso.core.errors import PicassoError
from picasso.core.facts import INPUT, Capability, Facts, Layer, Observed, Pullback, ReluRule, Rules
from picasso.core.graph import Graph, GraphError
from picasso.core.guessing import unknown_layer
from picasso.core.hooks import ModelFile
from picasso.core.opening import Options
from picasso.core.preprocessing import Array
from picasso.core.targets import LAYER, Target, layer_read, seeds
from picasso.core.trust import file_digest
from picasso.models import opened
from picasso.models.accelerated import AcceleratedModel
from picasso.models.readout import Readout
from picasso.models.torch import functions as torch_functions
from picasso.models.torch import layers as torch_layers
from picasso.models.torch import op_graph
from picasso.models.torch.asking import Asking
from picasso.models.torch.axes import Axes
from picasso.models.torch.depthwise import depthwise
from picasso.models.torch.files import fill, read_weights
from picasso.models.torch.filters import filter_axes
from picasso.models.torch.gradients import pulled
from picasso.models.torch.layers import Layout
from picasso.models.torch.lean import SLOPE, lean_of
from picasso.models.torch.outputs import array, arrays, before_heads, named_outputs
from picasso.models.torch.state import at_rest, copied, digest_of_module, is_out_of_memory, is_quantized, parts_of, rest
from picasso.models.torch.twin import Twins, twin_of

_DIGITS = 4
_FEW = 4
"""Pictures for one backward pass, where fewer are faster."""
_KEPT_BYTES = 2**25
"""Bytes of the largest map for one backward pass: memory of more than that is got from the system anew for each map."""


class TorchModel(AcceleratedModel):
    """A PyTorch network. A live module is left exactly as it was found after every call.

    Args:
        asking: The network, how it is called, and what was found out about that.
        readout: What its outputs mean.
        head_inside: Whether a softmax or sigmoid at its end is taken off.
        facts, hooks, options: As for every model.
        live: Whether the module is the user's own, and may change.
        random: Whether its answers vary from run to run.
    """

    framework: ClassVar[str] = "PyTorch"
    pulls_layers: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    capabilities = frozenset(Capability)

    def __init__(
        self,
        asking: Asking,
        readout: Readout,
        head_inside: bool,
        facts: Facts,
        hooks: ModelFile,
        options: Options,
        live: bool,
        random: bool,
    ) -> None:
        super().__init__(facts, hooks, options.name, options.batch_size, readout=readout)
        self.module = asking.call.module
        self.device = asking.device
        self._asking = asking
        self._head_inside = head_inside
        self._live = live
        self._random = random
        exact = str(asking.dtype) in ("torch.float32", "torch.float64")
        plain = self.device.type == "cpu" and exact and asking.call.lies == "first"
        still = facts.frames is None and not random and not is_quantized(self.module)
        self._twins = Twins(self.module, live, twin_of, shares=False) if plain and still else None
        self._leans = Twins(self.module, live, lean_of, shares=True) if plain and still else None
        self._lies_last = (
            self.device.type == "cpu"
            and asking.call.lies == "first"
            and facts.frames is None
            and depthwise(self.module)
        )
        self._listed: tuple[object, dict[str, tuple[Layer, Layout]]] | None = None
        self._in_order: tuple[dict[str, tuple[Layer, Layout]], tuple[Layer, ...]] | None = None
        if is_quantized(self.module):
            self.capabilities = frozenset({Capability.PREDICT, Capability.ACTIVATIONS})

    def origin(self) -> str:
        if not self._live:
            return self.facts.origin
        digest = hashlib.sha256(digest_of_module(self.module).encode())
        if not self._random:
            # Attributes and hooks change what a network answers, too, and no parameter tells.
            with self.running():
                answers = self._outputs(self._probe(self.facts.fixed_batch or 1))
            for values in answers.values():
                size = float(np.abs(values).max(initial=0)) or 1.0
                digest.update(f"{size:.{_DIGITS}g}".encode() + np.round(values / size, _DIGITS).tobytes())
        return digest.hexdigest()

    def _layers(self) -> tuple[Layer, ...]:
        table = self._table()
        if self._in_order is None or self._in_order[0] is not table:
            self._in_order = table, tuple(layer for layer, _ in table.values())
        return self._in_order[1]

    def _table(self) -> dict[str, tuple[Layer, Layout]]:
        """Return the layers and how their tensors lie, traced again where a live network has other parts now."""
        parts = [(type(part), *part._modules.keys()) for part in parts_of(self.module)] if self._live else None
        if self._listed is None or self._listed[0] != parts:
            fixed = self.facts.fixed_batch
            with self.running():
                found = torch_layers.find_layers(self.module, self.x_shape, fixed, self._trace)
                self._listed = parts, found
        return self._listed[1]

    def _trace(self, count: int, axes: Axes) -> None:
        x = self._tensor(self._probe(count))
        axes[x] = 1
        self._forward(x)

    def _probe(self, count: int) -> Array:
        return np.resize(opened.probe(self.x_shape)[:2], (count, *self.x_shape))

    def _layouts(self, layers: Sequence[str]) -> dict[str, Layout]:
        table = self._table() if layers else {}
        for name in layers:
            if name not in table:
                raise unknown_layer(name, table)
        return {name: table[name][1] for name in layers}

    def _outputs(self, x: Array) -> dict[str, Array]:
        return self._readout.read(arrays(self._forward(self._tensor(x))))

    def _activations(self, x: Array, layers: Sequence[str]) -> dict[str, Array]:
        return self._passed(x, layers)[1]

    def _observed(self, x: Array, layers: Sequence[str]) -> Observed:
        answer, values = self._passed(x, layers)
        return Observed(self._readout.read(arrays(answer)), values)

    def _passed(self, x: Array, layers: Sequence[str]) -> tuple[Any, dict[str, Array]]:
        """Run forward; return the network's own answer and the outputs of layers."""
        layouts, seen = self._layouts(layers), dict[str, Any]()
        with torch_layers.taps(self.module, layouts, seen):
            answer = self._forward(self._tensor(x))
        self._check_ran(layers, seen)
        return answer, {name: array(layouts[name].arrange(seen[name])) for name in layers}

    def _replaced(self, x: Array, layer: str, values: Array) -> dict[str, Array]:
        import torch

        layout = self._layouts([layer])[layer]
        with torch_layers.replacing(self.module, layer, layout, torch.from_numpy(values)) as done:
            answer = self._forward(self._tensor(x))
        self._check_ran([layer], dict.fromkeys(done))
        return self._readout.read(arrays(answer))

    def _pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        asked = rules.relu is ReluRule.STANDARD and self._leans is not None and not self._leans.refused
        if self._leans and asked and (INPUT in wrt or self._leans.late):
            try:
                with self._at_rest():
                    made = self._copy_for(self._leans, self._slope, targets, wrt)
                    if made is not None:
                        return made._pulled(x, targets, wrt, rules, last=self._lies_last)
            except PicassoError:
                raise
            except Exception as error:  # a way through the network that the probe did not take, for example
                if self.is_out_of_memory(error):
                    raise
                self._leans.refused = True
        if self._lies_last:
            try:
                return self._pulled(x, targets, wrt, rules, last=True)
            except RuntimeError as error:  # a network that uses .view() refuses this layout
                if self.is_out_of_memory(error):
                    raise
            found = self._pulled(x, targets, wrt, rules)
            self._lies_last = False
            return found
        return self._pulled(x, targets, wrt, rules)

    def _backward_batch(self) -> int | None:
        if self._lies_last:  # what filters of one channel take is memory: fewer pictures stay in the processor's caches
            return _FEW
        if self.device.type != "cpu" or not self._leans:
            return None
        widest = max((math.prod(layer.shape) for layer, _ in self._table().values()), default=1)
        return max(1, _KEPT_BYTES // (4 * widest))

    def _swift_pullback(self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules) -> Pullback:
        if self._twins is None:
            return self._pullback(x, targets, wrt, rules)
        with self._at_rest():
            made = self._copy_for(self._twins, self._answer, targets, wrt)
            try:
                if made is not None:
                    return made._pulled(x, targets, wrt, rules, last=True)
            except RuntimeError as error:  # a network that uses .view() refuses this layout
                if self.is_out_of_memory(error):
                    raise
        found = self._pullback(x, targets, wrt, rules)
        if made is not None:
            self._twins.refused = True
        return found

    def _copy_for(
        self, twins: Twins, answer: Callable[[Any], dict[str, Array]], targets: Sequence[Target], wrt: Sequence[str]
    ) -> Self | None:
        """Return this model around a copy of its network, or None where some of what is asked is another in it."""
        twin = twins.get(answer)
        layers = {*wrt, layer_read(targets)} - {INPUT, ""}
        if twin is None or not {name.partition(":")[0] for name in layers}.isdisjoint(twin.changed):
            return None
        made = self._standing(twin.module)
        made._listed = (None, self._table()) if layers else None
        return made

    def _at_rest(self) -> AbstractContextManager[Any]:
        """Put the network at rest, too: some of its parts may be known to a copy by other ways than as its own."""
        return at_rest(self.module, frozen=True) if self._live else nullcontext()

    def _standing(self, module: Any) -> Self:
        """Return this model around a copy of its network."""
        made = copy.copy(self)
        made.module, made._live, made._listed = module, False, None
        made._twins = made._leans = None
        made._asking = copy.copy(self._asking)
        made._asking.call = replace(self._asking.call, module=module)
        return made

    def _answer(self, module: Any) -> dict[str, Array]:
        """Return what the network or a copy of it answers to the probe."""
        own = module is self.module
        model = self if own else self._standing(module)
        with self.running(), at_rest(self.module, frozen=False) if self._live else nullcontext():
            return arrays(model._forward(self._tensor(self._probe(self.facts.fixed_batch or 1), last=not own)))

    def _slope(self, module: Any) -> dict[str, Array]:
        """Return the same, and how it moves with the probe: the gradient of all outputs, each weighed otherwise."""
        import torch

        model = self if module is self.module else self._standing(module)
        with self.running(), self._at_rest(), self._quiet(), torch.enable_grad():
            x = self._tensor(self._probe(self.facts.fixed_batch or 1), self._lies_last).requires_grad_()
            answer = model._forward(x.clone(), gradients=True)
            ends = [end for end in answer.values() if end.requires_grad]
            ways = [torch.arange(end.numel()).cos().to(end.dtype).view(end.shape) for end in ends]
            (slope,) = torch.autograd.grad(ends, x, ways)
            return arrays(answer) | {SLOPE: array(slope)}

    def _pulled(
        self, x: Array, targets: Sequence[Target], wrt: Sequence[str], rules: Rules, last: bool = False
    ) -> Pullback:
        """Do what `_pullback` says, with the pictures' channels first or last in memory."""
        import torch

        read = layer_read(targets)
        names = list(dict.fromkeys([*(name for name in wrt if name != INPUT), *([read] if read else [])]))
        layouts, seen = self._layouts(names), dict[str, Any]()
        lies = layouts | {INPUT: Layout(channels=1)}
        start = self._tensor(x, last).requires_grad_(INPUT in wrt)
        # At rest until backward has ended: checkpointed parts of a network run a second time then.
        rest = at_rest(self.module, frozen=True) if self._live else nullcontext()
        taps = torch_layers.taps(self.module, layouts, seen)
        with rest, self._quiet(), taps, torch.enable_grad():
            # A copy goes in, so that a network that begins with an in-place operation leaves the leaf alone.
            ruled: list[Any] = []
            answer = self._forward(start.clone(), rules.relu, gradients=True, ruled=ruled)
            self._check_ran(names, seen)
            places = [start if name == INPUT else seen[name] for name in wrt]
            if read:
                answer = {LAYER: layouts[read].arrange(seen[read])}
                outputs = arrays(answer)
                cotangents = seeds(targets, outputs)
            else:
                raw = arrays(answer)
                outputs = self._readout.read(raw)
                cotangents = self._readout.pull(raw, seeds(targets, outputs))
            gradients = pulled(answer, cotangents, places)
        return Pullback(
            outputs=outputs,
            values={
                name: x if name == INPUT else array(lies[name].arrange(value))
                for name, value in zip(wrt, places, strict=True)
            },
            gradients={
                name: np.stack([array(lies[name].arrange(one)) for one in gradient])
                for name, gradient in zip(wrt, gradients, strict=True)
            },
            ruled=len(ruled),
        )

    def parameters(self) -> dict[str, Array]:
        if Capability.PARAMETERS not in self.capabilities:
            return super().parameters()
        found = {name: array(p) for name, p in self.module.named_parameters() if p.is_floating_point()}
        for value in found.values():
            value.flags.writeable = False
        return found

    def filter_axes(self) -> dict[str, tuple[int, ...]]:
        return filter_axes(self.module)

    def _with_parameters(self, parameters: Mapping[str, Array]) -> Self:
        module = copied(self.module, parameters)
        return self._around(module, self._copied(parameters))

    def _at_checkpoint(self, path: Path) -> Self:
        if Capability.PARAMETERS not in self.capabilities:
            return super()._at_checkpoint(path)
        module = fill(copied(self.module, {}), read_weights(path), path, "Give checkpoints of this very network.")
        rest(module)
        return self._around(module, self._copied({}, file_digest(path)))

    def _around(self, module: Any, made: Self) -> Self:
        """Return a model around another network of the same parts, with copies of its own."""
        made = made._standing(module)
        made._twins, made._leans = self._twins and self._twins.of(module), self._leans and self._leans.of(module)
        return made

    def _version(self) -> object:
        # What replaces a tensor gives it another address, what changes it in place counts its version up.
        tensors = [*self.module.parameters(), *self.module.buffers()] if self._live else []
        return [(tensor.data_ptr(), 0 if tensor.is_inference() else tensor._version) for tensor in tensors]

    def _read_graph(self) -> Graph:
        """Return the network as an op graph.

        Raises:
            GraphError: It holds something that the graph has no word for.
        """
        if is_quantized(self.module):
            raise GraphError("The network computes with quantized numbers; the op graph is of float32.")
        if self.facts.frames is not None:
            raise GraphError("The network reads clips; the op graph is of one picture.")
        if self._random:
            raise GraphError("The network's answers vary from run to run.")
        if self.facts.fixed_batch not in (None, 1):
            raise GraphError(f"The network takes {self.facts.fixed_batch} pictures at a time; the op graph is of one.")
        if self.device.type != "cpu":
            raise GraphError(f"The network is on {self.device}; its op graph is read on the CPU.")
        if (said := str(self._asking.dtype).removeprefix("torch.")) != "float32":
            raise GraphError(f"The network computes in {said}; the op graph is of float32.")
        with self.running():
            return op_graph.read(self.module, self._tensor(self._probe(1)), self._forward)

    @classmethod
    def is_out_of_memory(cls, error: Exception) -> bool:
        return is_out_of_memory(error)

    def _forward(
        self, x: Any, rule: ReluRule = ReluRule.STANDARD, gradients: bool = False, ruled: list[Any] | None = None
    ) -> dict[str, Any]:
        """Run the network and return those of its outputs that are read, by name."""
        import torch

        heads: torch_functions.Heads = []
        with ExitStack() as stack:
            if self._live and not gradients:  # for gradients it is at rest until backward has ended
                stack.enter_context(at_rest(self.module, frozen=False))
            stack.enter_context(self._quiet())
            if not gradients:
                stack.enter_context(torch.no_grad())
            if self._head_inside or rule is not ReluRule.STANDARD:
                noted = heads if self._head_inside else None
                stack.enter_context(torch_functions.watching(rule, noted, ruled))
            answer = named_outputs(self._asking.call(x), self._asking.detections)
        if self._head_inside:
            answer, _ = before_heads(answer, heads)
        return {name: answer[name] for name in self._readout.names}

    def _quiet(self) -> AbstractContextManager[Any]:
        """Return a context in which the network computes as plainly as it can."""
        return nullcontext()

    def _tensor(self, x: Array, last: bool = False) -> Any:
        """Return pictures as a tensor (n, c, h, w), or of clips; in memory so, too, or with their channels last."""
        import torch

        tensor = (
            torch.from_numpy(np.ascontiguousarray(x)).movedim(-1, 1)
            if last
            else torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
        )
        return tensor.to(self.device, self._asking.dtype)

    def _check_ran(self, layers: Sequence[str], seen: dict[str, Any]) -> None:
        for name in layers:
            if name not in seen:
                raise unknown_layer(name, seen)
