"""From numbers to plain words: which map to trust here, and which not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from picasso.scorecard.card import Card, Trust
from picasso.scorecard.fills import FILLS

MOST_RESIDUAL = 0.05
"""Share of the score's change by which a map that promises to add up may miss it."""
MOST_REPEAT = 1e-5
"""Difference between two runs with one seed above which they are not the same."""
MOST_SENSITIVE = 1.0
"""Max-sensitivity above which noise that nobody sees changes a map by more than its own size."""


def judged(card: Card) -> Card:
    """Return a method's card with whether to trust it, and why."""
    if card.failed:
        return replace(card, reasons=(card.failed,))
    against, doubts = _against(card), _doubts(card)
    trust = Trust.NO if against else Trust.CARE if doubts else Trust.YES
    good = ("It beats the edge filter, follows what the model has learned, and keeps its numerical contract.",)
    return replace(card, trust=trust, reasons=(*against, *doubts) or good)


def _against(card: Card) -> list[str]:
    """Return what speaks against believing a map at all."""
    found = []
    tested = card.randomization
    if tested is not None and not tested.passed:
        found.append(
            f"It hardly changes when the network's weights are shuffled (similarity {tested.similarity:.2f}, over the "
            f"layers {tested.along:.2f}): it shows the picture more than the model."
        )
    if card.over_sobel is not None and card.over_sobel.mean <= 0:
        found.append("It finds what counts for the score no better than an edge filter (Sobel) that knows no model.")
    if card.gain is not None and card.empty >= card.gain.count:
        found.append("It is zero everywhere.")
    return found


def _doubts(card: Card) -> list[str]:
    """Return what should make a reader careful."""
    found = []
    if card.over_sobel is not None and card.over_sobel.mean > 0:
        if not card.over_sobel.surely_positive:
            found.append("On so few pictures it does not surely beat the edge filter: the interval reaches below zero.")
        lost = [fill for fill, one in zip(FILLS, card.over_sobel_by_fill, strict=True) if one.mean <= 0]
        if lost:
            found.append(f"It beats the edge filter only with some fills, not with {listed(lost)}.")
    if card.patches is not None and card.patches.mean <= 0:
        found.append("It does not rank single patches by what removing them does.")
    if card.randomization is None:
        found.append(f"Untested whether it depends on the model's weights. {card.untested}".strip())
    if card.repeat is not None and card.repeat > MOST_REPEAT:
        found.append(f"Two runs with one seed differ by {card.repeat:.1%} of its largest value.")
    if card.sensitivity is not None and card.sensitivity.mean > MOST_SENSITIVE:
        found.append(f"Noise too faint to see changes it by {card.sensitivity.mean:.1f} times its own size.")
    if card.completeness is not None and card.completeness.mean > MOST_RESIDUAL:
        found.append(f"It misses the sum that it promises by {card.completeness.mean:.0%}.")
    if card.gain is not None and card.left_out:
        count = len(card.left_out) + card.gain.count
        found.append(f"On {len(card.left_out)} of {count} pictures it could not be measured: {card.left_out[0]}")
    if card.gain is not None and 0 < card.empty < card.gain.count:
        found.append(f"On {card.empty} of {card.gain.count} pictures it is zero everywhere.")
    return found


def verdict(
    cards: Sequence[Card], disagreement: float | None, pictures: int, area: float | None = None
) -> tuple[str, ...]:
    """Say in a few sentences which maps to trust here, and where those point.

    Args:
        cards: Of the methods, judged.
        disagreement: See `relevance_gain.disagreement`.
        pictures: How many there were.
        area: The masks' mean share of the picture, where there were masks.
    """
    methods = [card for card in cards if not card.control]
    said = []
    for trust, words in ((Trust.YES, "Trust here"), (Trust.CARE, "Read with care"), (Trust.NO, "Do not trust here")):
        chosen = [card for card in methods if card.trust is trust]
        chosen.sort(key=lambda card: -(card.gain.mean if card.gain else 0))
        if chosen:
            said.append(f"{words}: {listed([card.title for card in chosen])}.")
    if failed := [card.title for card in methods if card.failed]:
        said.append(f"Could not be measured: {listed(failed)}.")
    if not any(card.trust is Trust.YES for card in methods):
        said.append("None of these maps earns trust without reservation.")
    believed = [card for card in methods if card.trust is Trust.YES and card.mass is not None]
    if believed and area is not None:
        masses = [card.mass.mean for card in believed if card.mass is not None]
        inside = sum(masses) / len(masses)
        where = "at the mask" if inside > area else "elsewhere"
        said.append(
            f"Those to trust put {inside:.0%} of what speaks for the target into the mask, which covers {area:.0%} of "
            f"the picture: the model looks {where}."
        )
    if pictures == 1:
        said.append("This holds for one picture only; several give an interval.")
    if disagreement is not None:
        if disagreement == 0:
            said.append("All three fills put the maps in the same order.")
        else:
            said.append(
                f"The fills disagree about {disagreement:.0%} of the pairs of maps, so small differences of relevance "
                "gain decide nothing."
            )
    return tuple(said)


def listed(names: Sequence[str]) -> str:
    """Write names as a sentence does: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
