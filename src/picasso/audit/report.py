"""The page of an audit: one HTML file with everything in it, that opens with the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from picasso.audit import drawing, thresholds, wording
from picasso.audit.findings import Effect, Findings, Outcome, Pair
from picasso.core.intervention import Role
from picasso.core.result import safe_name

if TYPE_CHECKING:
    from jinja2 import Environment

ROOM = "picasso.audit"
MOST_PAIRS = 4
"""Pairs shown of each property."""
MOST_PROPERTIES = 5
"""Properties of which pairs are shown: a page with the pictures of more is too heavy to send to anyone."""
MOST_CLEARED = 8
"""Cleared properties that are drawn at once; the others unfold."""
MOST_FIXES = 50
MOST_OPEN = 12
"""Of them shown at once; the others unfold."""
MOST_MOVED = 10
"""Pictures listed where no answer flips."""
MOST_CLASSES = 12
MOST_BARS = 3
MOST_ROWS = 12
DAMAGE = 0.10
"""Accuracy that a change takes by itself, under the sham, from which on a word is said."""

WORDS = {
    Outcome.RIGHT_REASON: "Right reason",
    Outcome.WRONG_REASON: "Wrong reason",
    Outcome.BOTH: "Both",
    Outcome.RELIES_ON: "Relies on",
    Outcome.WEAK_MODEL: "Weak model",
    Outcome.CANNOT_TELL: "Cannot tell",
}
STATES = {"suspect": "relied on", "open": "not cleared", "cleared": "cleared"}
TITLES = {"dataset": "data set"}
SECTIONS = {
    "evidence": (
        "Maps: where the evidence lies",
        "Shares of the attribution, over the methods whose maps depend on the model. "
        "Maps only illustrate; the verdict is from changed pictures.",
    ),
    "clusters": (
        "Clusters: pictures with maps that are alike",
        "A cluster only proposes: it is confirmed where a change of the pictures agrees.",
    ),
}


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
        return "wrong" if self.effect is None or self.effect.role is Role.PROPERTY else "follows"

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
        """CSS that lays an outline where the property lies; "" where it is no rectangle."""
        if self.effect is None or self.effect.what.box is None:
            return ""
        sides = zip(("top", "left", "height", "width"), self.effect.what.box, strict=True)
        return "; ".join(f"{side}: {share * 100:.2f}%" for side, share in sides)


def page(findings: Findings) -> str:
    """Return an audit as a page that needs no other file and runs no script."""
    properties = [effect for effect in findings.effects if effect.role is Role.PROPERTY]
    cleared = [effect for effect in properties if state(effect) == "cleared"]
    telling = first_pair(findings)
    reliance = findings.verdict.reliance
    more, heat, fixes, extras = _more(findings, telling), _heat(findings), _fixes(findings), _extras(findings)
    parts = {
        "why": ("Why", findings.verdict.reasons),
        "suspects": ("Suspects", findings.effects),
        "pairs": ("Pictures", more),
        "classes": ("By class", heat),
        "fix": ("Pictures to fix" if findings.to_fix else "By picture", fixes["listed"]),
        "clues": ("Files", findings.clues),
        **{id: (title.split(":")[0], content) for id, title, _, content in extras},
        "untested": ("Not tested", findings.untested),
        "accuracy": ("Accuracy", sum(findings.counts)),
        "notes": ("Notes", findings.notes),
        "how": ("How to read this", True),
    }
    return (
        environment()
        .get_template("report.html")
        .render(
            findings=findings,
            verdict=findings.verdict,
            style=style(),
            word=WORDS[findings.verdict.outcome],
            detail=detail(findings),
            model=name_of(findings.record, "model"),
            dataset=name_of(findings.record, "dataset"),
            present={id: title for id, (title, content) in parts.items() if content},
            pictures=sum(findings.counts),
            lost=0.0 if reliance is None else min(max(reliance.value, 0.0), findings.accuracy.value),
            first=None if telling is None else drawn(telling, findings),
            more=more,
            axis=drawing.axis(effect.drop for effect in findings.effects),
            tally=_tally(properties),
            ranked=[e for e in properties if state(e) != "cleared"] + cleared[:MOST_CLEARED],
            unfolded=cleared[MOST_CLEARED:],
            object=[effect for effect in findings.effects if effect.role is not Role.PROPERTY],
            properties=properties,
            heat=heat,
            columns=_columns(findings),
            fixes=fixes,
            extras=extras,
            damage=DAMAGE,
            toward=lambda effect: _toward(effect, findings.classes),
        )
    )


def brief(findings: Findings) -> str:
    """Return the verdict, the most telling pair and the suspects as a fragment of HTML for notebooks."""
    telling = first_pair(findings)
    return (
        environment()
        .get_template("brief.html")
        .render(
            findings=findings,
            verdict=findings.verdict,
            word=WORDS[findings.verdict.outcome],
            detail=detail(findings),
            first=None if telling is None else drawn(telling, findings),
        )
    )


def environment() -> Environment:
    """Return what renders the templates of this room, with the words of numbers at hand."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    made = Environment(
        loader=FunctionLoader(lambda name: resources.files(ROOM).joinpath(name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words = (wording.points, wording.percent, wording.span, wording.with_span, wording.signed, wording.plain)
    for word in (*words, wording.chance_of_error, state, kind, keys, share, half):
        made.globals[word.__name__] = word
    made.globals["bounds"] = thresholds
    made.filters |= {"kind": kind, "words": lambda key: str(key).replace("_", " ").replace("-", " ").capitalize()}
    return made


def style() -> str:
    """Return the style of the pages of this room."""
    return resources.files(ROOM).joinpath("report.css").read_text("utf-8")


def state(effect: Effect) -> str:
    """Return what is known of an effect: "suspect", "cleared", or "open" where it is neither."""
    if effect.suspect:
        return "suspect"
    return "cleared" if effect.drop.high < thresholds.CLEAR else "open"


def detail(findings: Findings) -> str:
    """Return what the headline says beyond the outcome: "the sky" of "WRONG REASON: the sky"."""
    headline, word = findings.verdict.headline, WORDS[findings.verdict.outcome]
    rest = headline[len(word) :] if headline.casefold().startswith(word.casefold()) else headline
    return rest.strip(" :.")


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
    boxed = effect is not None and effect.what.box is not None
    return Drawn(
        pair=pair,
        effect=effect,
        before=drawing.shown(pair.before),
        after=drawing.shown(pair.after),
        changed=None if boxed else drawing.changed(pair.before, pair.after),
        own=findings.classes[pair.label],
        said=findings.classes[said],
        says=findings.classes[says],
        sure=(before[said], after[says]),
        bars=tuple(Bar(findings.classes[c], before[c], after[c], c == pair.label) for c in chosen),
    )


def kind(value: Any) -> str:
    """Return how a part of a JSON document is shown: "table", "list", "facts", "picture" or "text"."""
    if isinstance(value, dict):
        return "facts"
    if isinstance(value, list | tuple):
        flat = value and all(isinstance(row, dict) and not any(map(_nested, row.values())) for row in value)
        return "table" if flat else "list"
    return "picture" if isinstance(value, str) and value.startswith("data:image/png;base64,") else "text"


def _nested(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list | tuple) and any(map(_nested, value)))


def keys(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the columns of a table: every key of its rows, in the order in which they come."""
    return list(dict.fromkeys(key for row in rows for key in row))


def share(value: float) -> str:
    """Return a share of a width as percent."""
    return f"{min(max(value, 0.0), 1.0) * 100:.2f}%"


def half(auc: float) -> str:
    """Return where an area under a curve lies on an axis from 0.4 to 1, as percent."""
    return share((auc - 0.4) / 0.6)


def name_of(record: dict[str, Any], what: str) -> str:
    """Return the name of the model or the data set in a record."""
    part = record.get(what)
    name = part.get("name") if isinstance(part, dict) else part
    return str(name) if name else f"this {TITLES.get(what, what)}"


def _extras(findings: Findings) -> list[tuple[str, str, str, Any]]:
    """Return further sections that have content: id, title, note, content."""
    known = [
        (name, *SECTIONS.get(name, (name.replace("_", " ").replace("-", " ").capitalize(), "")))
        for name in findings.extras
    ]
    return [
        (f"extra-{safe_name(n)}", title, note, findings.extras[n]) for n, title, note in known if findings.extras[n]
    ]


def _heat(findings: Findings) -> list[Effect]:
    """Return what is broken down by class: the suspects and the object, else the largest drops."""
    known = [effect for effect in findings.effects if any(drop is not None for drop in effect.by_class)]
    chosen = [effect for effect in known if effect.suspect or effect.role is not Role.PROPERTY]
    return (chosen or known)[:MOST_ROWS]


def _tally(properties: Sequence[Effect]) -> str:
    """Say how many properties were tested, and what came of it."""
    if not properties:
        return ""
    counted = {name: sum(state(effect) == name for effect in properties) for name in ("suspect", "open", "cleared")}
    said = [f"{counted[name]} {word}" for name, word in STATES.items() if counted[name]]
    return f"Tested: {len(properties)}; {', '.join(said)}."


def _toward(effect: Effect, classes: Sequence[str]) -> str:
    """Say which class the answers become most often, where they do."""
    if not effect.toward or max(effect.toward) < thresholds.DROP:
        return ""
    label = max(range(len(effect.toward)), key=effect.toward.__getitem__)
    return f"; {wording.percent(effect.toward[label])} of the answers become {classes[label]}"


def _more(findings: Findings, telling: Pair | None) -> list[tuple[Effect | None, list[Drawn]]]:
    """Return further pairs by property, in the order of the pairs."""
    by_property: dict[str, list[Pair]] = {}
    for pair in findings.pairs:
        if pair is not telling:
            by_property.setdefault(pair.property, []).append(pair)
    chosen = list(by_property.items())[:MOST_PROPERTIES]
    return [(findings.effect(name), [drawn(p, findings) for p in pairs[:MOST_PAIRS]]) for name, pairs in chosen]


def _columns(findings: Findings) -> Sequence[int]:
    """Return the classes that tables have room for: all, or those of the most pictures, in their order."""
    by_count = sorted(range(len(findings.classes)), key=lambda label: -findings.counts[label])
    return sorted(by_count[:MOST_CLASSES])


def _fixes(findings: Findings) -> dict[str, Any]:
    """Return the pictures to list, and the largest move among them."""
    listed = findings.to_fix[:MOST_FIXES] or findings.by_picture[:MOST_MOVED]
    moves = [abs(found.moved) for found in listed if found.moved is not None]
    return {"listed": listed, "top": max(moves, default=0.0) or 1.0, "open": MOST_OPEN}
