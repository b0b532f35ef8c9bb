"""The page of an audit: one HTML file with everything in it, that opens with the verdict."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from picasso.auditing import effects, thresholds
from picasso.auditing.findings import Effect, Findings, Outcome, Pair
from picasso.auditing.report import drawing, sections, wording
from picasso.auditing.report.picture_pairs import Drawn, drawn, first_pair
from picasso.core.interventions.intervention import Role

if TYPE_CHECKING:
    from jinja2 import Environment

ROOM = "picasso.auditing.report"
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


def page(findings: Findings) -> str:
    """Return an audit as a page that needs no other file and runs no script."""
    properties = [effect for effect in findings.effects if effect.role is Role.PROPERTY or effect.accused]
    cleared = [effect for effect in properties if state(effect) == "cleared"]
    telling = first_pair(findings)
    reliance = findings.verdict.reliance
    more, heat, fixes, extras = (
        _more(findings, telling),
        _heat(findings),
        _fixes(findings),
        sections.of(findings.extras),
    )
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
            object=[effect for effect in findings.effects if effect not in properties],
            properties=properties,
            heat=heat,
            columns=_columns(findings),
            fixes=fixes,
            extras=extras,
            damage=DAMAGE,
            shares={"surface": thresholds.SURFACE, "size": thresholds.SIZE},
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


@functools.cache
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
    written = (wording.points, wording.percent, wording.span, wording.with_span, wording.signed, wording.plain)
    for word in (*written, wording.chance_of_error, state, sections.kind, sections.keys, drawing.share, drawing.half):
        made.globals[word.__name__] = word
    made.globals["bounds"] = thresholds
    made.filters |= {"kind": sections.kind, "words": sections.words}
    return made


def style() -> str:
    """Return the style of the pages of this room."""
    return resources.files(ROOM).joinpath("report.css").read_text("utf-8")


def state(effect: Effect) -> str:
    """Return what is known of an effect: "suspect", "cleared", or "open" where it is neither."""
    if effect.suspect:
        return "suspect"
    return "cleared" if effects.cleared(effect) else "open"


def detail(findings: Findings) -> str:
    """Return what the headline says beyond the outcome: "the sky" of "WRONG REASON: the sky"."""
    headline, word = findings.verdict.headline, WORDS[findings.verdict.outcome]
    rest = headline[len(word) :] if headline.casefold().startswith(word.casefold()) else headline
    return rest.strip(" :.")


def name_of(record: dict[str, Any], what: str) -> str:
    """Return the name of the model or the data set in a record."""
    part = record.get(what)
    name = part.get("name") if isinstance(part, dict) else part
    return str(name) if name else f"this {TITLES.get(what, what)}"


def _heat(findings: Findings) -> list[Effect]:
    """Return what is broken down by class: the suspects, what one class hangs on, and the object, else the largest."""
    known = [effect for effect in findings.effects if any(drop is not None for drop in effect.by_class)]
    chosen = [effect for effect in known if effect.suspect or effect.falls or effect.role is not Role.PROPERTY]
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
