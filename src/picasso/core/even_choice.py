"""So many things out of more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def evenly_chosen(items: Sequence[T], most: int) -> Sequence[T]:
    """Return so many things at even distances, or all where there are no more.

    Example:
        >>> evenly_chosen("abcdefgh", 4)
        ['a', 'c', 'e', 'g']
    """
    return items if len(items) <= most else [items[number * len(items) // most] for number in range(most)]
