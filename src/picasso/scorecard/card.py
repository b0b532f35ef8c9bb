"""The card of one method over the pictures of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from picasso.core.tested import Standing, Tested
from picasso.scorecard.fills import FILLS
from picasso.scorecard.randomization import Randomization
from picasso.scorecard.ranks import Figure


class Trust(StrEnum):
    """Whether to believe a map here."""

    YES = "trust"
    CARE = "with care"
    NO = "do not trust"


@dataclass(frozen=True)
class Card:
    """What was measured of a method, or of a control.

    Args:
        name: Registered name, or the control's.
        title: What people call it.
        control: Whether it is a map that no model had a part in.
        settings: Of the method, as JSON.
        gain: Symmetric relevance gain, the mean of the fills, in the score's units; None where nothing could be
            measured.
        gains: The same for each fill, in the order of FILLS.
        deletion, insertion: Its two parts: mean scores while the most relevant is deleted, and inserted.
        over_sobel: By how much its gain is above that of the edge filter on the same pictures; None for that itself.
        patches: Single-patch deletion: rank correlation, the mean of the fills.
        patches_by_fill: The same for each fill.
        randomization: What became of its maps in a shuffled network; None where that was not tested.
        untested: Why it was not, or "".
        repeat: The largest difference between two runs with one seed, as a share of the largest value.
        sensitivity: Max-sensitivity.
        completeness: The residual, as a share of the change of the score; None where nothing is promised.
        pointing, mass, overlap: Against the mask, where one was given.
        empty: On how many pictures its map was all zero.
        left_out: The pictures on which it could not be measured, each with the reason, where it could on others.
        failed: Why it could be measured on none, or "".
        trust: Whether to believe it here; None for a control.
        reasons: Why, one sentence each, the gravest first.
    """

    name: str
    title: str
    control: bool = False
    settings: dict[str, Any] | None = None
    gain: Figure | None = None
    gains: tuple[Figure, ...] = ()
    deletion: Figure | None = None
    insertion: Figure | None = None
    over_sobel: Figure | None = None
    over_sobel_by_fill: tuple[Figure, ...] = ()
    patches: Figure | None = None
    patches_by_fill: tuple[Figure, ...] = ()
    randomization: Randomization | None = None
    untested: str = ""
    repeat: float | None = None
    sensitivity: Figure | None = None
    completeness: Figure | None = None
    pointing: Figure | None = None
    mass: Figure | None = None
    overlap: Figure | None = None
    empty: int = 0
    left_out: tuple[str, ...] = ()
    failed: str = ""
    trust: Trust | None = None
    reasons: tuple[str, ...] = ()

    @property
    def tested(self) -> Tested | None:
        """What is said of its maps wherever they are shown; None for a control."""
        if self.control:
            return None
        return self.randomization.tested if self.randomization else Tested(Standing.UNTESTED)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""

        def plain(value: object) -> object:
            if isinstance(value, Figure | Randomization):
                return value.document()
            if isinstance(value, tuple):
                by_fill = value and isinstance(value[0], Figure)
                items = [plain(item) for item in value]
                return dict(zip(FILLS, items, strict=True)) if by_fill else items
            return value

        said = {name: plain(value) for name, value in vars(self).items()}
        return said | {"tested": self.tested.document() if self.tested else None}
