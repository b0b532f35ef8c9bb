"""What every panel has, and how a panel travels: JSON beside raw arrays."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Panel(ABC):
    """A piece of a result.

    Args:
        id: Its name within the result; a panel yielded again under the same id replaces the earlier one.
        title: Its heading.
        caption: One or two sentences that say how to read it.
    """

    kind: ClassVar[str]
    id: str
    title: str
    caption: str = ""

    @abstractmethod
    def html(self) -> str:
        """Return the panel as static HTML without script, for notebooks and reports."""

    def to_wire(self) -> tuple[dict[str, Any], Arrays]:
        """Split the panel into JSON and raw arrays.

        Returns:
            A dictionary that json.dumps takes, in which every array is {"array": name}, and the arrays by name.
        """
        arrays: Arrays = {}
        wire: dict[str, Any] = {"kind": self.kind}
        for item in dataclasses.fields(self):
            wire[item.name] = _split(getattr(self, item.name), item.name, arrays)
        return wire, arrays


def _split(value: Any, name: str, arrays: Arrays) -> Any:
    if isinstance(value, np.ndarray):
        while name in arrays:  # {"a.b": ...} beside {"a": {"b": ...}}
            name += "'"
        arrays[name] = np.ascontiguousarray(value)
        return {"array": name}
    if isinstance(value, tuple | list):
        return [_split(item, f"{name}.{i}", arrays) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return {str(key): _split(item, f"{name}.{key}", arrays) for key, item in value.items()}
    if isinstance(value, Panel):
        return {"kind": value.kind} | {
            f.name: _split(getattr(value, f.name), f"{name}.{f.name}", arrays) for f in dataclasses.fields(value)
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _split(getattr(value, f.name), f"{name}.{f.name}", arrays) for f in dataclasses.fields(value)}
    if isinstance(value, np.generic):
        return value.item()
    return value
