"""What the benchmark says against the audit: goals that are missed, and every model that is judged wrongly."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.tank_test.auditing import Mode
from benchmarks.tank_test.audits import Audit, negative, positive
from benchmarks.tank_test.measures import auroc, spearman
from benchmarks.tank_test.naming import named

GOALS = {"auroc": 0.98, "unseen": 0.95, "none": 0.92, "false": 6, "naming": 0.85, "top3": 0.97, "spearman": 0.9}


def missed_goals(by_mode: dict[Mode, list[Audit]], cases: int) -> Iterator[str]:
    main, blind = by_mode[Mode.MASKS], by_mode[Mode.CONFIRMED]
    unseen = [a for a in main if a.case.seen in (None, False)]
    for title, audits, goal in (
        ("AUROC with masks", main, GOALS["auroc"]),
        ("AUROC with masks on the second half of the kinds", unseen, GOALS["unseen"]),
        ("AUROC without masks, once a person says which region is the object,", blind, GOALS["none"]),
    ):
        value = auroc([a.score for a in positive(audits)], [a.score for a in negative(audits)])
        if value < goal:
            yield f"- **{title} is {value:.3f}; the goal is {goal:.2f}.**"
    false = sum(a.found["flagged"] for a in negative(main))
    if false > GOALS["false"]:
        yield f"- **{false} controls are flagged with masks; the goal is {GOALS['false']} of 150 at most.**"
    flagged = [a for a in positive(main) if a.found["flagged"]]
    for title, most, key in (("named first", 1, "naming"), ("named among the first three", 3, "top3")):
        right = sum(named(a.case.kinds, a.found, most) for a in flagged)
        if flagged and right / len(flagged) < GOALS[key]:
            goal = f"the goal is {GOALS[key] * 100:.0f} %"
            yield f"- **Rightly {title}: {right} of {len(flagged)} ({right / len(flagged) * 100:.0f} %); {goal}.**"
    truth = [a.reliance for a in main]
    value = spearman([a.said for a in main], truth, rounds=1).value
    if value < GOALS["spearman"]:
        known = spearman([a.known for a in main], truth, rounds=1).value
        yield (
            f"- **Spearman of what is said with the truth is {value:.2f}; the goal is {GOALS['spearman']}.** "
            f"An audit that knew the truth of planted models and acquitted every control would come to {known:.2f}."
        )
    if len(main) < cases:
        yield f"- {cases - len(main)} of {cases} models of this run were not audited with masks yet."


def losses(by_mode: dict[Mode, list[Audit]]) -> Iterator[str]:
    for mode, audits in by_mode.items():
        for audit in positive(audits):
            if not audit.found["flagged"]:
                said = audit.found["outcome"]
                yield f"- Missed ({mode}): {_words(audit)}; largest drop {audit.drop:.2f}, said {said}."
        # Where nobody says what the object is, an honest model relies on something, too.
        for audit in negative(audits) if mode.judges else ():
            if audit.found["flagged"]:
                yield f"- Falsely flagged ({mode}): {_words(audit)}; named {audit.found['ranked'][0]}."
        for audit in positive(audits):
            if audit.found["flagged"] and not named(audit.case.kinds, audit.found, 3):
                ranked = ", ".join(audit.found["ranked"][:3])
                yield f"- Named otherwise ({mode}): {_words(audit)}; named {ranked}."


def _words(audit: Audit) -> str:
    case = audit.case
    tied = " and ".join(case.kinds) or "nothing tied"
    return (
        f"{case.sort}, {tied}, strength {case.rho:g}, {case.classes} classes, {case.network}, "
        f"number {case.seed % 1000}; in truth {audit.reliance:.2f}"
    )
