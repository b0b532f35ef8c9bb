"""From effects to the answer, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from picasso.auditing.effects import cleared, in_one_class, least_share, part_of, tested
from picasso.auditing.findings import Effect, Interval, Outcome, Verdict
from picasso.auditing.naming import named_of, parts_of
from picasso.auditing.regions.confirming import Confirmed
from picasso.auditing.report.wording import percent, points, span
from picasso.auditing.thresholds import CLEAR, WEAK
from picasso.core.interventions.intervention import Role
from picasso.scorecard.verdict import listed

MOST_SAID = 3
"""Of what hangs on one class so much is named."""


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
        smallest: The smallest drop that the audit sees about every other time.
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
    parts = ""
    for part in (one for one in counting if part_of(one, right) and not cleared(one)):
        parts += f", {_points(part.drop)} on {part.what.phrase}"
        reasons.append(
            f"{part.what.title}: exchanged alone, it costs {_points(part.drop)} and moves the margin by less than "
            f"{percent(least_share(part.role) or 0)} of what the object does, so it counts as a part of it."
        )
    lopsided = sorted((one for one in open_ones if in_one_class(one)), key=lambda one: -one.drop.value)
    if named is not None:
        later = [
            f"Besides, {_points(one.drop)} hang on {one.what.phrase}, but in pictures of one class alone: that accuses "
            "nobody, and is not cleared."
            for one in lopsided[:MOST_SAID]
        ]
        return _accused(named, parts_of(named, effects), suspects, right, objects, said, smallest, reasons, later)
    clean = right is not None and counting and not open_ones and said.known
    if right is not None and clean and not unasked:
        reasons.append(f"Of everything else that was tested, less than {CLEAR * 100:.0f} points hang on each.")
        return Verdict(
            Outcome.RIGHT_REASON,
            "RIGHT REASON: the object",
            f"{_points(right.drop)} of accuracy hang on the object{parts}, and less than {CLEAR * 100:.0f} on "
            "anything else that was tested.",
            right.drop,
            right.what,
            smallest,
            tuple(reasons),
        )
    if unasked:
        every = sum(one.role.accuses for one in effects) + unasked
        reasons.append(
            f"Only {len(counting)} of {every} properties {'was' if len(counting) == 1 else 'were'} tested, as it was "
            "asked for: what was not tested is not "
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
    if lopsided:
        most = lopsided[0]
        sentence = (
            f"{_points(most.drop)} of accuracy hang on {most.what.phrase}, but in pictures of one class alone: "
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
            f"{_points(right.drop)} of accuracy hang on the object{parts}, and less than {CLEAR * 100:.0f} on anything "
            "else that was asked for. But that is only a part of what an audit tests, so the model is not acquitted."
        )
    else:
        sentence = (
            "Nothing was found on which the model relies wrongly, but these pictures do not suffice to acquit it. A "
            f"drop of {smallest * 100:.0f} points is seen about every other time, a larger one more surely."
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
    parts: Sequence[Effect],
    suspects: Sequence[Effect],
    right: Effect | None,
    objects: Sequence[Effect],
    said: Confirmed,
    smallest: float,
    reasons: list[str],
    later: Sequence[str],
) -> Verdict:
    phrases = [one.what.phrase for one in parts or (named,)]
    said_of = {named.what, *(one.what for one in parts)}
    others = [one for one in sorted(suspects, key=lambda one: -one.drop.value) if one.what not in said_of]
    same = [one.what.phrase for one in others if one.on_object == named.on_object][:MOST_SAID]
    besides = [f"{_points(one.drop)} on {one.what.phrase}" for one in others if one.on_object != named.on_object]
    if same:
        reasons.append(f"It also shows in {listed(same)}.")
    if besides:
        reasons.append(f"Besides, there hang {listed(besides[:MOST_SAID])}.")
    sentence = f"{_points(named.drop)} of accuracy hang on {named.what.phrase}"
    if parts:
        sentence += "; they show most in " + listed([f"{one.what.phrase} ({points(one.drop.value)})" for one in parts])
    if not (said.known or named.what.region in said.other):
        outcome, headline = Outcome.RELIES_ON, f"RELIES ON {listed(phrases)}"
        looks = named.what.region is not None and named.what.region == said.likely
        sentence += ". It looks like the object; whether it is" if looks else ". Whether that is the object"
        sentence += ", only a person can say."
    elif right is None:
        outcome, headline = Outcome.WRONG_REASON, f"WRONG REASON: {listed(phrases)}"
        sentence += ", and the object does not show as a reason." if objects else ". The object was not tested."
    else:
        outcome, headline = Outcome.BOTH, f"BOTH: {listed(['the object', *phrases])}"
        sentence += f"; {_points(right.drop)} hang on the object."
    if named.role is Role.SURFACE:
        sentence += " Its outline and its parts were left as they are: the model knows it by its surface."
    places = tuple(one.what for one in parts)
    return Verdict(outcome, headline, sentence, named.drop, named.what, smallest, (*reasons, *later), places)


def _points(drop: Interval) -> str:
    return f"{points(drop.value)} ({span(drop)})"
