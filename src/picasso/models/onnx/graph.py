"""A graph's steps, and their execution on PyTorch: differentiable, with every value open to be looked at.

Imports PyTorch, so it is imported itself only where a graph is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from picasso.core.errors import ModelFileError
from picasso.core.facts import ReluRule
from picasso.models.onnx import operators as onnx_operators
from picasso.models.onnx import resize as onnx_resize
from picasso.models.onnx import shapes as onnx_shapes
from picasso.models.onnx import windows as onnx_windows
from picasso.models.onnx.operators import Call, Operator
from picasso.models.onnx.reading import OnnxFile, first_line
from picasso.models.torch.functions import watching

OPERATORS: Mapping[str, Operator] = {
    **onnx_operators.OPERATORS,
    **onnx_shapes.OPERATORS,
    **onnx_windows.OPERATORS,
    **onnx_resize.OPERATORS,
}
"""Every operator that can be differentiated, by its name in the format."""
RECTIFIERS = frozenset({"Relu", "Clip", "Max", "ThresholdedRelu"})
"""Operators that are ReLUs for some of their limits."""
_VENDOR = frozenset({"Gelu", "QuickGelu"})
"""Operators of ONNX Runtime's own that mean here what they mean there."""
_MOST_FOLDED = 2**28


@dataclass(frozen=True)
class Step:
    """One node.

    Args:
        name: Its name in the file, or that of its first output.
        kind: Its operator.
        call: Its attributes.
        inputs, outputs: Names of values; "" for those left out.
        operator: How it runs; None for what has no derivative here.
        branches: For an If: what runs where the condition holds, and where not.
    """

    name: str
    kind: str
    call: Call
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operator: Operator | None
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True)
class Branch:
    """A graph within a node: it sees the values around it."""

    steps: tuple[Step, ...]
    outputs: tuple[str, ...]


class Graph:
    """The steps of a file, those of constants done already.

    Args:
        file: The file.
        device: Where it runs.

    Attributes:
        steps: What is left to run, in order.
        constants: Weights, and what follows from them alone, by name.
        problem: Why nothing can be run, or "": operators that have no derivative here, or are used in an unusual way.
    """

    def __init__(self, file: OnnxFile, device: Any) -> None:
        self.device = device
        self.constants = {name: self._tensor(weight) for name, weight in file.weights.items() if _has_type(weight)}
        self._numbers: dict[str, list[Any]] = {}
        steps = self._read(file.proto.graph, file.opset)
        lacking = sorted({step.kind for step in _all(steps) if step.operator is None and not step.branches})
        self.problem = f"these operators have no derivative here: {', '.join(lacking)}" if lacking else ""
        try:
            self.steps = steps if lacking else tuple(self._folded(steps))
        except ModelFileError:
            raise
        except Exception as error:
            self.problem, self.steps = f"PyTorch cannot run it: {first_line(error)}", steps
        self._rests = _rests(self.steps)

    def run(
        self,
        feeds: Mapping[str, Any],
        wanted: Iterable[str],
        taps: Iterable[str] = (),
        rule: ReluRule = ReluRule.STANDARD,
        ruled: list[Any] | None = None,
        shapes: dict[str, tuple[int, ...]] | None = None,
        instead: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Run the steps and return values by name.

        Args:
            feeds: The inputs.
            wanted: Names of values to return.
            taps: Those of them at which backward is to stop: they begin a graph of their own where nothing before
                them needs a gradient.
            rule: How gradients pass ReLUs.
            ruled: Gets an entry for each ReLU that the rule was applied to.
            shapes: Gets the shapes of all floating-point values.
            instead: Values that take the place of those that steps make, by name.
        """
        kept, tapped, instead = set(wanted), set(taps), instead or {}
        values = {**self.constants, **feeds}
        for step, rests in zip(self.steps, self._rests, strict=True):
            for name, value in self.outcome(step, values, rule, ruled):
                if name in tapped and torch.is_grad_enabled() and not value.requires_grad:
                    value = value.detach().requires_grad_()
                values[name] = instead[name].to(value) if name in instead else value
                if shapes is not None and value.is_floating_point():
                    shapes[name] = tuple(value.shape)
            for name in rests:
                if name not in kept:
                    values.pop(name, None)
        return {name: values[name] for name in kept}

    def outcome(
        self, step: Step, values: dict[str, Any], rule: ReluRule, ruled: list[Any] | None
    ) -> list[tuple[str, Any]]:
        """Return what a step makes, by the names of its outputs."""
        if step.branches:
            branch = step.branches[0 if bool(values[step.inputs[0]].any()) else 1]
            inner = dict(values)
            for part in branch.steps:
                inner.update(self.outcome(part, inner, rule, ruled))
            return [(name, inner[own]) for name, own in zip(step.outputs, branch.outputs, strict=True)]
        assert step.operator is not None, "a graph that lacks operators is not run"
        inputs = self._inputs(step, step.operator, values)
        if rule is not ReluRule.STANDARD and step.kind in RECTIFIERS and _any_gradient(inputs):
            with watching(rule, None, ruled):
                made = step.operator.run(step.call, *inputs)
        else:
            made = step.operator.run(step.call, *inputs)
        made = made if isinstance(made, tuple | list) else (made,)
        return [(name, value) for name, value in zip(step.outputs, made, strict=False) if name]

    def _inputs(self, step: Step, operator: Operator, values: Mapping[str, Any]) -> list[Any]:
        """Return a step's inputs: tensors on one device, lists of numbers where it reads those, None where left out."""
        inputs: list[Any] = []
        for place, name in enumerate(step.inputs):
            if not name:
                inputs.append(None)
            elif place not in operator.numbers:
                inputs.append(values[name])
            elif name in self.constants:
                if name not in self._numbers:
                    self._numbers[name] = _listed(self.constants[name])
                inputs.append(self._numbers[name])
            else:
                inputs.append(_listed(values[name]))
        tensors = [value for value in inputs if torch.is_tensor(value)]
        if len({tensor.device for tensor in tensors}) > 1:
            inputs = [value.to(self.device) if torch.is_tensor(value) else value for value in inputs]
        return inputs

    def _read(self, graph: Any, opset: int) -> tuple[Step, ...]:
        return tuple(self._step(node, opset) for node in graph.node)

    def _step(self, node: Any, opset: int) -> Step:
        attributes, branches = {}, []
        for attribute in node.attribute:
            if attribute.HasField("g"):
                inner = {tensor.name: self._tensor(_array(tensor)) for tensor in attribute.g.initializer}
                self.constants |= inner
                branch = Branch(self._read(attribute.g, opset), tuple(value.name for value in attribute.g.output))
                branches.append((attribute.name, branch))
            else:
                attributes[attribute.name] = self._value(attribute)
        known = node.domain in ("", "ai.onnx") or node.op_type in _VENDOR
        both = dict(branches) if node.op_type == "If" else {}
        return Step(
            name=node.name or next(iter(node.output), ""),
            kind=node.op_type,
            call=Call(attributes, opset, sum(bool(name) for name in node.output), self.device),
            inputs=tuple(node.input),
            outputs=tuple(node.output),
            operator=OPERATORS.get(node.op_type) if known else None,
            branches=(both["then_branch"], both["else_branch"]) if len(both) == 2 else (),
        )

    def _value(self, attribute: Any) -> Any:
        import onnx

        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        if isinstance(value, onnx.TensorProto):
            array = _array(value)
            return self._tensor(array) if _has_type(array) else None
        return value

    def _tensor(self, array: Any) -> Any:
        """Return a constant as a tensor; half precision becomes single, and whole numbers stay with the CPU."""
        kind = str(array.dtype)
        if kind in ("float16", "bfloat16"):
            array = array.astype(np.float32)
        elif kind in ("uint16", "uint32", "uint64"):
            array = array.astype(np.int64)
        # A weight that lies in the file's own memory, or has strides that PyTorch has not, is copied.
        tensor = torch.from_numpy(array if array.flags.writeable and array.flags.c_contiguous else array.copy())
        return tensor.to(self.device) if tensor.is_floating_point() else tensor

    def _folded(self, steps: Iterable[Step]) -> Iterable[Step]:
        """Do the steps of constants, and take the right branch of an If whose condition is one."""
        for step in steps:
            if step.branches and step.inputs[0] in self.constants:
                branch = step.branches[0 if bool(self.constants[step.inputs[0]].any()) else 1]
                same = [
                    Step(name, "Identity", replace(step.call, attributes={}), (own,), (name,), OPERATORS["Identity"])
                    for name, own in zip(step.outputs, branch.outputs, strict=True)
                ]
                yield from self._folded((*branch.steps, *same))
            elif not step.branches and all(not name or name in self.constants for name in step.inputs):
                self._check_room(step)
                with torch.no_grad():
                    self.constants.update(self.outcome(step, self.constants, ReluRule.STANDARD, None))
            else:
                yield step

    def _check_room(self, step: Step) -> None:
        """Refuse a product of constants that spreads beyond all bounds."""
        shapes = [self.constants[name].shape for name in step.inputs if name]
        try:
            spread = torch.broadcast_shapes(*shapes).numel()
        except RuntimeError:
            return
        if spread > _MOST_FOLDED:
            onnx_operators.make_room([spread, 2**31])


def dynamic_values(steps: Sequence[Step], start: str) -> set[str]:
    """Return the names of the values that depend on an input."""
    found = {start}
    for step in steps:
        inner = (name for branch in step.branches for part in _all(branch.steps) for name in part.inputs)
        if not found.isdisjoint((*step.inputs, *inner)):
            found.update(step.outputs)
    return found - {""}


def _all(steps: Iterable[Step]) -> Iterable[Step]:
    for step in steps:
        yield step
        for branch in step.branches:
            yield from _all(branch.steps)


def _rests(steps: Sequence[Step]) -> list[list[str]]:
    """Return for each step the values that nobody needs behind it."""
    last: dict[str, int] = {}
    for place, step in enumerate(steps):
        inner = [name for branch in step.branches for part in _all(branch.steps) for name in part.inputs]
        inner += [name for branch in step.branches for name in branch.outputs]
        last |= dict.fromkeys((*step.inputs, *step.outputs, *inner), place)
    rests: list[list[str]] = [[] for _ in steps]
    for name, place in last.items():
        rests[place].append(name)
    return rests


def _any_gradient(inputs: Iterable[Any]) -> bool:
    """Say whether a gradient passes: none does through the arithmetic of sizes."""
    return any(torch.is_tensor(value) and value.requires_grad for value in inputs)


def _listed(tensor: Any) -> list[Any]:
    numbers: list[Any] = tensor.reshape(-1).tolist()
    return numbers


def _array(tensor: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor)


def _has_type(array: Any) -> bool:
    return str(array.dtype) in ("bfloat16", "bool") or array.dtype.kind in "fiu"
