"""Which of everything that a model relies on wrongly is named."""

from __future__ import annotations

from collections.abc import Sequence

from picasso.auditing.findings import Effect
from picasso.auditing.thresholds import NAMING, PARTS

CUTS = 0.25
"""Share of the picture from which on a rectangle cuts through things; cells and corners are smaller, bands are not."""
MOST_PLACES = 3
"""More are no places but a pattern, which what contains them says better."""


def named_of(effects: Sequence[Effect], likely: int | None = None) -> Effect | None:
    """Return the property that is named: the smallest change that reaches most of the largest drop, or may.

    What is narrower and cannot be told from reaching it is named all the same: what contains it is larger, not truer.
    A property of the object contains none of its surroundings, nor is it contained: only what lies on the side of the
    largest drop is named.

    Where one half of the picture carries next to nothing and the other at least half of it, what hangs on the whole
    background hangs on the other half: then it is what lies in that half that is asked, and what hangs on that half.

    Where nobody has said which region is the object, a region that looks like it is named before a band or a half of
    the picture, which cuts through it, unless another region does as much.

    Args:
        effects: Of everything that was tested, judged.
        likely: Number of the kind of regions that looks like the object, or None.
    """
    suspects = [effect for effect in effects if effect.accused]
    if not suspects:
        return None
    lead = max(suspects, key=lambda one: one.drop.value)
    suspects = [one for one in suspects if one.on_object == lead.on_object]
    named = _smallest(suspects)
    regions = [one for one in _large(suspects) if one.what.region is not None]
    if _cuts(named) and regions and all(one.what.region == likely for one in regions):
        return _smallest(regions)
    half = _half_of(named, suspects, effects)
    return named if half is None else _smallest([one for one in suspects if _inside(one, half)])


def parts_of(named: Effect, effects: Sequence[Effect]) -> tuple[Effect, ...]:
    """Return the places inside of what is named that do together most of what it does and are much smaller, if any.

    A mark that lies now in one corner and now in another is in none of them for more than its share. Taken are those
    that do most for how little they change, without those that are not needed.

    Args:
        named: What is named.
        effects: Of everything that was tested, judged.
    """
    inside = [one for one in effects if one.accused and one is not named and _inside(one, named)]
    most = NAMING * named.drop.value
    chosen: list[Effect] = []
    for one in sorted(inside, key=lambda one: -one.efficiency):
        if _done(chosen) < most and not any(_overlap(one, other) for other in chosen):
            chosen.append(one)
    for one in sorted(chosen, key=lambda one: one.drop.value):
        rest = [other for other in chosen if other is not one]
        chosen = rest if _done(rest) >= most else chosen
    small = sum(part.change for part in chosen) <= PARTS * named.change
    return tuple(chosen) if _done(chosen) >= most and 1 < len(chosen) <= MOST_PLACES and small else ()


def _done(parts: Sequence[Effect]) -> float:
    return sum(part.drop.value for part in parts)


def _smallest(suspects: Sequence[Effect]) -> Effect:
    return min(_large(suspects), key=lambda one: one.change)


def _large(suspects: Sequence[Effect]) -> list[Effect]:
    """Return those that reach most of the largest drop, or may."""
    most = max(effect.drop.value for effect in suspects)
    return [one for one in suspects if one.drop.high >= NAMING * most]


def _half_of(named: Effect, suspects: Sequence[Effect], effects: Sequence[Effect]) -> Effect | None:
    """Return the suspected half of what is named whose other half carries next to nothing, or None."""
    for half in suspects:
        for other in effects:
            most = half.drop.value >= named.drop.value / 2
            bare = other.drop.high < (1 - NAMING) * named.drop.value
            if most and bare and _halves(half, other) and _inside(half, named):
                return half
    return None


def _halves(one: Effect, other: Effect) -> bool:
    """Say whether two properties are rectangles that are the whole picture together."""
    if one.what.box is None or other.what.box is None:
        return False
    (top, left, height, width), (y, x, tall, wide) = one.what.box, other.what.box
    stacked = width == wide == 1 and height + tall == 1 and top + y == max(height, tall)
    beside = height == tall == 1 and width + wide == 1 and left + x == max(width, wide)
    return (stacked and height < 1) or (beside and width < 1)


def _cuts(effect: Effect) -> bool:
    """Say whether a property is a rectangle so large that it cuts through what stands in the picture."""
    return effect.what.box is not None and effect.what.box[2] * effect.what.box[3] >= CUTS


def _inside(one: Effect, other: Effect) -> bool:
    """Say whether a property is a rectangle inside another that is one."""
    if one.what.box is None or other.what.box is None:
        return False
    (top, left, height, width), (y, x, tall, wide) = one.what.box, other.what.box
    least = -1e-9
    return min(top - y, left - x, y + tall - top - height, x + wide - left - width) >= least


def _overlap(one: Effect, other: Effect) -> bool:
    """Say whether two rectangles have more than an edge in common."""
    if one.what.box is None or other.what.box is None:
        return False
    (top, left, height, width), (y, x, tall, wide) = one.what.box, other.what.box
    least = 1e-9
    return min(top + height, y + tall) - max(top, y) > least and min(left + width, x + wide) - max(left, x) > least
