"""How a picture before and after a change is shown: what was done, what changed, and what it did to the answer."""

from __future__ import annotations

from dataclasses import dataclass

from picasso.auditing.findings import Effect, Findings, Pair
from picasso.auditing.report import drawing, wording
from picasso.core.interventions.intervention import Role

MOST_BARS = 3
"""Classes with a bar, unless the answers and the true class are more."""


@dataclass(frozen=True)
class Bar:
    """The probability of one class, before and after; `own` where it is the picture's class."""

    label: str
    before: float
    after: float
    own: bool


@dataclass(frozen=True)
class Drawn:
    """A pair as it is shown.

    Args:
        pair: The pair.
        effect: Of its property; None where it was not measured.
        before, after: data: URLs.
        changed: data: URL of the difference; None where the place is outlined instead.
        own, said, says: The picture's class, and the answers before and after.
        sure: The probabilities of the two answers.
        bars: Of the classes that matter, the most probable before first.
    """

    pair: Pair
    effect: Effect | None
    before: str
    after: str
    changed: str | None
    own: str
    said: str
    says: str
    sure: tuple[float, float]
    bars: tuple[Bar, ...]

    @property
    def title(self) -> str:
        """Of the property."""
        return self.pair.property if self.effect is None else self.effect.what.title

    @property
    def phrase(self) -> str:
        """Of the property: "the sky"."""
        return self.pair.property if self.effect is None else self.effect.what.phrase

    @property
    def starts(self) -> str:
        """How the answer stands before: "right" or "wrong"."""
        return "right" if self.said == self.own else "wrong"

    @property
    def ends(self) -> str:
        """How it stands after: "right", "wrong", or "follows" where the object is another or gone, and so may it be."""
        if self.says == self.own:
            return "right"
        return "wrong" if self.effect is None or self.effect.role.accuses else "follows"

    @property
    def sentence(self) -> str:
        """What was done, and what it did to the answer."""
        erased = self.effect is not None and self.effect.role is Role.ERASURE
        done = "The object was erased." if erased else f"Only one thing is another picture's: {self.phrase}."
        first, second = map(wording.percent, self.sure)
        if self.said == self.says:
            return f"{done} The answer stays {self.said}: {first} before, {second} after."
        follows = ", as it should" if self.ends == "follows" else ""
        return f"{done} The answer turns from {self.said} ({first}) to {self.says} ({second}){follows}."

    @property
    def outline(self) -> str:
        """CSS that lays an outline where the property lies; "" where it is no rectangle, or the whole picture."""
        box = _box(self.effect)
        if box is None:
            return ""
        sides = zip(("top", "left", "height", "width"), box, strict=True)
        return "; ".join(f"{side}: {share * 100:.2f}%" for side, share in sides)


def _box(effect: Effect | None) -> tuple[float, float, float, float] | None:
    box = None if effect is None else effect.what.box
    return None if box == (0, 0, 1, 1) else box


def first_pair(findings: Findings) -> Pair | None:
    """Return the pair that shows most: the first of the property that is named, else the first of all."""
    named = findings.verdict.named
    of_named = [pair for pair in findings.pairs if named is not None and pair.property == named.name]
    return next(iter([*of_named, *findings.pairs]), None)


def drawn(pair: Pair, findings: Findings) -> Drawn:
    """Return a pair as it is shown."""
    effect = findings.effect(pair.property)
    before, after = pair.probabilities
    said, says = (max(range(len(one)), key=one.__getitem__) for one in (before, after))
    rest = sorted(range(len(before)), key=lambda label: -max(before[label], after[label]))
    chosen = list(dict.fromkeys([pair.label, said, says, *rest]))[: max(MOST_BARS, len({pair.label, said, says}))]
    chosen.sort(key=lambda label: -before[label])
    return Drawn(
        pair=pair,
        effect=effect,
        before=drawing.shown(pair.before),
        after=drawing.shown(pair.after),
        changed=drawing.changed(pair.before, pair.after) if _box(effect) is None else None,
        own=findings.classes[pair.label],
        said=findings.classes[said],
        says=findings.classes[says],
        sure=(before[said], after[says]),
        bars=tuple(Bar(findings.classes[c], before[c], after[c], c == pair.label) for c in chosen),
    )
