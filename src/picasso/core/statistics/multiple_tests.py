"""What is corrected for where several questions are tested at once."""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float]) -> list[float]:
    """Return p-values corrected for testing them all, in their order.

    References:
        Holm 1979.
    """
    corrected, so_far = [0.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        so_far = max(so_far, min(1.0, ps[place] * (len(ps) - rank)))
        corrected[place] = so_far
    return corrected
