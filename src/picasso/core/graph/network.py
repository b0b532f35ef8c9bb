"""The op graph itself, and what builds it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np

from picasso.core.graph.maps import Constant, Input
from picasso.core.graph.operation import GraphError, Op, Shape

AnyOp = TypeVar("AnyOp", bound=Op)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network as operations in the order of execution.

    Args:
        ops: The operations; the first is the `Input`.
        outputs: For each output of the network that is read, the name of the value that it is. The value has the axes
            of the network's own answer.
    """

    ops: tuple[Op, ...]
    outputs: Mapping[str, str]

    @property
    def by_name(self) -> dict[str, Op]:
        """The operations by name."""
        return {op.name: op for op in self.ops}

    @property
    def multiply_adds(self) -> int:
        """Multiplications by weights for one picture."""
        return sum(op.multiply_adds for op in self.ops)

    def readers(self) -> dict[str, list[Op]]:
        """Return the operations that read each value."""
        found: dict[str, list[Op]] = {op.name: [] for op in self.ops}
        for op in self.ops:
            for name in op.inputs:
                found[name].append(op)
        return found


@dataclass
class Builder:
    """Collects operations in order; shapes follow from the inputs, names are made unique.

    Example:
        >>> from picasso.core.graph import Conv
        >>> build = Builder()
        >>> x = build.input((3, 8, 8))
        >>> y = build.add(Conv, [x], weight=np.ones((4, 3, 3, 3), np.float32), layer="stem")
        >>> build.shape(y)
        (4, 6, 6)
    """

    ops: list[Op] = field(default_factory=list)
    _shapes: dict[str, Shape] = field(default_factory=dict)

    def input(self, shape: Shape) -> str:
        """Begin with an input (channels, height, width); return its name."""
        return self._append(Input(name="input", inputs=(), shape=shape))

    def constant(self, value: Any, layer: str = "") -> str:
        """Add a constant; return its name."""
        array = np.asarray(value, np.float32)
        return self.add(Constant, [], layer=layer, value=array)

    def add(self, kind: type[AnyOp], inputs: Sequence[str], layer: str = "", name: str = "", **given: Any) -> str:
        """Add an operation; return the name of its value: `name` or the layer's, with a number where that is taken.

        Raises:
            GraphError: Its fields do not fit the shapes of the inputs.
        """
        known = {entry.name for entry in fields(kind)} - {entry.name for entry in fields(Op)}
        if unknown := given.keys() - known:
            raise TypeError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
        try:
            shape = kind.shaped([self._shapes[name] for name in inputs], **given)
        except (ValueError, IndexError, ZeroDivisionError) as error:
            raise GraphError(f"{kind.__name__} at '{layer}' does not fit its inputs: {error}.") from error
        wanted = name or layer or kind.__name__.lower()
        unique, count = wanted, 1
        while unique in self._shapes:
            count += 1
            unique = f"{wanted}:{count}"
        return self._append(kind(name=unique, inputs=tuple(inputs), shape=shape, layer=layer, **given))

    def shape(self, name: str) -> Shape:
        """Return the shape of a value."""
        return self._shapes[name]

    def graph(self, outputs: Mapping[str, str]) -> Graph:
        """Return the graph, without what no output needs."""
        needed, kept = set(outputs.values()), list[Op]()
        for op in reversed(self.ops):
            if op.name in needed or isinstance(op, Input):
                needed.update(op.inputs)
                kept.append(op)
        return Graph(tuple(reversed(kept)), dict(outputs))

    def _append(self, op: Op) -> str:
        self.ops.append(op)
        self._shapes[op.name] = op.shape
        return op.name
