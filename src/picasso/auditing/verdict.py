"""From effects to the answer, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from picasso.auditing.effects import cleared, in_one_class, part_of, tested
from picasso.auditing.findings import Effect, Interval, Outcome, Verdict
from picasso.auditing.regions.confirming import Confirmed
from picasso.auditing.report.wording import percent, points, span
from picasso.auditing.thresholds import CLEAR, NAMING, SURFACE, WEAK
from picasso.core.intervention import Role
from picasso.scorecard.verdict import listed

CUTS = 0.25
"""Share of the picture from which on a rectangle cuts through things; cells and corners are smaller, bands are not."""
MOST_SAID = 3
"""Of what hangs on one class so much is named."""


def named_of(effects: Sequence[Effect], likely: int | None = None) -> Effect | None:
    """Return the property that is named: the smallest change that reaches most of the largest drop, or may.

    What is narrower and cannot be told from reaching it is named all the same: what contains it is larger, not truer.

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
    named = _smallest(suspects)
    regions = [one for one in _large(suspects) if one.what.region is not None]
    if _cuts(named) and regions and all(one.what.region == likely for one in regions):
        return _smallest(regions)
    half = _half_of(named, suspects, effects)
    return named if half is None else _smallest([one for one in suspects if _inside(one, half)])


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


def judge(
    accuracy: Interval,
    chance: float,
    effects: Sequence[Effect],
    said: Confirmed,
    smallest: float,
    classes: Sequence[str],
    unasked: int = 0,
) -> Verdict:
    """Return the answer of an audit.

    Args:
        accuracy: Of the model on the pictures as they are.
        chance: Accuracy of always saying the most frequent class.
        effects: Of everything that was tested, judged.
        said: What is known of where the object is.
        smallest: The smallest drop that the audit could have seen.
        classes: Their names.
        unasked: How many properties could have been tested, had they been asked for; with any nobody is acquitted.
    """
    objects = [effect for effect in effects if effect.role is Role.OBJECT and tested(effect)]
    right = next((effect for effect in objects if effect.suspect), None)
    named = named_of(effects, said.likely)
    suspects = [one for one in effects if one.accused]
    counting = [one for one in effects if one.role.accuses and tested(one)]
    open_ones = [one for one in counting if not cleared(one) and not part_of(one, right)]
    erased = next((one for one in effects if one.role is Role.ERASURE and tested(one)), None)
    reasons = [
        f"On the pictures as they are the model is right in {percent(accuracy.value)}; chance is {percent(chance)}."
    ]
    if accuracy.low < chance + min(WEAK, (1 - chance) / 2):
        return Verdict(
            Outcome.WEAK_MODEL,
            "WEAK MODEL",
            f"The model is right in {percent(accuracy.value)} of these pictures, not surely better than always saying "
            f"the most frequent class ({percent(chance)}). What it has not learned has no reason to be found.",
            None,
            None,
            smallest,
            (*reasons, "Are these the classes, and is this the preprocessing, that it was trained with?"),
        )
    if objects:
        reasons.append(
            f"Another class's object in the same place costs {_points(objects[0].drop)} of accuracy: "
            + ("it uses the object." if right else "that it uses the object does not show.")
        )
    if erased is not None:
        reasons.append(
            f"Erasing the object, rather than an equal piece of what surrounds it, costs {_points(erased.drop)}."
        )
    alone = ""
    for surface in (one for one in counting if part_of(one, right) and not cleared(one)):
        alone = f", {_points(surface.drop)} on {surface.what.phrase} alone"
        reasons.append(
            f"{surface.what.title}: exchanged alone, outline and parts kept, it costs {_points(surface.drop)}, less "
            f"than {percent(SURFACE)} of what the object does, and counts as a part of it."
        )
    if named is not None:
        return _accused(named, suspects, right, objects, said, smallest, reasons)
    clean = right is not None and counting and not open_ones and said.known
    if right is not None and clean and not unasked:
        reasons.append(f"Of everything else that was tested, less than {CLEAR * 100:.0f} points hang on each.")
        return Verdict(
            Outcome.RIGHT_REASON,
            "RIGHT REASON: the object",
            f"{_points(right.drop)} of accuracy hang on the object{alone}, and less than {CLEAR * 100:.0f} on "
            "anything else that was tested.",
            right.drop,
            right.what,
            smallest,
            tuple(reasons),
        )
    if unasked:
        every = sum(one.role.accuses for one in effects) + unasked
        reasons.append(
            f"Only {len(counting)} of {every} properties were tested, as it was asked for: what was not tested is not "
            "acquitted."
        )
    wide = [one for one in open_ones if one.drop.high >= CLEAR]
    hidden = sorted((one for one in open_ones if one.falls), key=_deepest, reverse=True)
    if wide:
        widest = max(wide, key=lambda one: one.drop.high)
        reasons.append(
            f"{len(wide)} of the properties could still carry {CLEAR * 100:.0f} points or more, above all "
            f"{widest.what.phrase} (at most {widest.drop.high * 100:.1f})."
        )
    for effect in hidden[:MOST_SAID]:
        names = listed([classes[label] for label in effect.falls])
        reasons.append(
            f"In the pictures of {names} surely more than {CLEAR * 100:.0f} points hang on {effect.what.phrase}."
        )
    if not said.known:
        reasons.append("Where the object is was not said, so that nothing can show that it is the reason.")
    elif right is None:
        reasons.append("That the model uses the object was not shown.")
    lopsided = next((one for one in open_ones if in_one_class(one)), None)
    if lopsided is not None:
        sentence = (
            f"{_points(lopsided.drop)} of accuracy hang on {lopsided.what.phrase}, but in pictures of one class alone: "
            "a change that merely looks like another class does that, too, so nobody is accused."
        )
    elif hidden:
        worst = hidden[0]
        label = max(worst.falls, key=lambda one: _fall(worst, one))
        sentence = (
            f"{points(_fall(worst, label))} of accuracy hang on {worst.what.phrase} in the pictures of "
            f"{classes[label]}; over all classes {_points(worst.drop)}. A change that merely looks like another class "
            "does that, too, so nobody is accused, and nobody is acquitted."
        )
    elif right is not None and clean:
        sentence = (
            f"{_points(right.drop)} of accuracy hang on the object{alone}, and less than {CLEAR * 100:.0f} on anything "
            "else that was asked for. But that is only a part of what an audit tests, so the model is not acquitted."
        )
    else:
        sentence = (
            "Nothing was found on which the model relies wrongly, but these pictures do not suffice to acquit it. A "
            f"drop of {smallest * 100:.0f} points or more would probably have been seen."
        )
    return Verdict(
        Outcome.CANNOT_TELL,
        "CANNOT TELL",
        sentence,
        None,
        None,
        smallest,
        tuple(reasons),
    )


def _deepest(effect: Effect) -> float:
    """Return the largest drop in the pictures of a class in which it surely falls."""
    return max(_fall(effect, label) for label in effect.falls)


def _fall(effect: Effect, label: int) -> float:
    return effect.by_class[label] or 0.0


def _accused(
    named: Effect,
    suspects: Sequence[Effect],
    right: Effect | None,
    objects: Sequence[Effect],
    said: Confirmed,
    smallest: float,
    reasons: list[str],
) -> Verdict:
    drop, phrase = _points(named.drop), named.what.phrase
    others = [one.what.phrase for one in sorted(suspects, key=lambda one: -one.drop.value) if one is not named][:3]
    if others:
        reasons.append(f"It also shows in {listed(others)}.")
    sentence = f"{drop} of accuracy hang on {phrase}"
    if not (said.known or named.what.region in said.other):
        outcome, headline = Outcome.RELIES_ON, f"RELIES ON {phrase}"
        looks = named.what.region is not None and named.what.region == said.likely
        sentence += ". It looks like the object; whether it is" if looks else ". Whether that is the object"
        sentence += ", only a person can say."
    elif right is None:
        outcome, headline = Outcome.WRONG_REASON, f"WRONG REASON: {phrase}"
        sentence += ", and the object does not show as a reason." if objects else ". The object was not tested."
    else:
        outcome, headline = Outcome.BOTH, f"BOTH: the object and {phrase}"
        sentence += f"; {_points(right.drop)} hang on the object."
    if named.role is Role.SURFACE:
        sentence += " Its outline and its parts were left as they are: the model knows it by its surface."
    return Verdict(outcome, headline, sentence, named.drop, named.what, smallest, tuple(reasons))


def _points(drop: Interval) -> str:
    return f"{points(drop.value)} ({span(drop)})"
