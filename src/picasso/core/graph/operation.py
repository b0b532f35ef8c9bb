"""What every operation of the op graph is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from picasso.core.errors import NotSupportedError

Shape = tuple[int, ...]
Pair = tuple[int, int]
Padding = tuple[int, int, int, int]
"""top, left, bottom, right."""
NO_PADDING: Padding = (0, 0, 0, 0)


class GraphError(NotSupportedError):
    """A network cannot be written as an op graph: it holds something that the graph has no word for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Op:
    """One operation.

    Args:
        name: Name of its value, unique in the graph.
        inputs: Names of the values that it reads, all of them made before.
        shape: Shape of its value, without the batch.
        layer: Name of the layer in the user's model from which it comes; "" where there is none.
    """

    name: str
    inputs: tuple[str, ...]
    shape: Shape
    layer: str = ""

    @classmethod
    def shaped(cls, shapes: Sequence[Shape], **given: Any) -> Shape:
        """Return the shape of the value from those of the inputs and the operation's own fields."""
        return shapes[0]

    @property
    def multiply_adds(self) -> int:
        """Multiplications by weights for the whole value of one picture."""
        return 0
