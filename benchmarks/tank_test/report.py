"""Writes the section of docs/explanation/does-the-audit-work.md that the benchmark fills, with all its losses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.occlusion_page import table
from benchmarks.tank_test import auditing, peers
from benchmarks.tank_test.auditing import ADDED, PICTURES, WRITTEN_DOWN, Mode, changed_thresholds
from benchmarks.tank_test.audits import Audit, audits_of, negative, positive
from benchmarks.tank_test.design import NETWORK_TURNS, STRENGTHS, Case, Sort
from benchmarks.tank_test.losses import losses, missed_goals
from benchmarks.tank_test.measures import Estimate, auroc, bootstrapped, found_at, share, spearman, upper_bound
from benchmarks.tank_test.naming import PLACED, named
from benchmarks.tank_test.records import Record, Records
from benchmarks.tank_test.running import POWER_PICTURES
from benchmarks.tank_test.truth import NEGATIVE, POSITIVE
from picasso.auditing import thresholds
from picasso.demo.planted.kinds import KINDS

BEGIN = "<!-- From here to the next mark written by `make bench-audit`: run it instead of editing. -->"
END = "<!-- Until here written by `make bench-audit`. -->"


def with_section(text: str, section: str) -> str:
    """Return a page with this section between its marks, in the place of an earlier one."""
    before, begun, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError("The page has no marks between which the section belongs.")
    return f"{before}{BEGIN}\n\n{section.strip()}\n\n{END}{after}"


def section(records: Records, cases: Sequence[Case]) -> str:
    """Return the section about these cases, as far as they were measured."""
    return "\n".join(_lines(records, cases))


def _lines(records: Records, cases: Sequence[Case]) -> Iterator[str]:
    truths = {case.key: record for case in cases if (record := records.get(case, "truth")) is not None}
    by_mode = {mode: audits_of(records, cases, truths, f"audit-{mode}") for mode in Mode}
    yield from _models(cases, truths)
    main = by_mode[Mode.MASKS]
    if not any(by_mode.values()):
        yield "No audits were run yet."
        return
    now = {mode: auditing.version(mode) for mode in Mode}
    kept = [(mode, records.get(case, f"audit-{mode}")) for case in cases for mode in Mode]
    if stale := sum(record is not None and now[mode] not in record.version for mode, record in kept):
        yield f"{stale} of these audits were done by an earlier version of the audit."
        yield ""
    yield "### Planted or not"
    yield ""
    yield (
        f"An audit sees {PICTURES} pictures. Audits are ranked by the largest drop of accuracy that is sure, the lower "
        "end of its interval; that of the object's texture or size counts where it is accused. Intervals are of 95 %: "
        "bootstrapped over the models for AUROC and for true positives at 5 % false, exact for shares."
    )
    yield ""
    # Where nobody says what the object is, an honest model relies on something, too, and that is not false.
    judged = {mode: audits for mode, audits in by_mode.items() if mode.judges}
    yield from _ranking(judged)
    yield from _networks(main)
    yield from _peers(audits_of(records, cases, truths, "peers", f" {peers.VERSION}"), main)
    yield from _false_flags(judged)
    yield from _naming(by_mode)
    yield from _strength(main)
    yield from _kinds(by_mode)
    yield from _power(records, cases, truths)
    yield "### Losses"
    yield ""
    yield from list(missed_goals(by_mode, len(cases))) + list(losses(by_mode)) or ["- None in this run."]
    yield ""


def _models(cases: Sequence[Case], truths: dict[str, Record]) -> Iterator[str]:
    yield "### The models"
    yield ""
    rows = []
    for sort in Sort:
        own = [truths[case.key].found for case in cases if case.sort is sort and case.key in truths]
        reliance = np.array([found["reliance"] for found in own])
        if not len(own):
            continue
        rows.append(
            [
                str(sort),
                str(len(own)),
                f"{np.median([found['accuracy'] for found in own]) * 100:.0f} %",
                f"{np.median(reliance):.2f} ({reliance.min():.2f} to {reliance.max():.2f})",
                str(int((reliance >= POSITIVE).sum())),
                str(int(((np.abs(reliance) > NEGATIVE) & (reliance < POSITIVE)).sum())),
                str(int((np.abs(reliance) <= NEGATIVE).sum())),
            ]
        )
    head = ["", "Models", "Accuracy without ties", "Relies on it, in truth", f"at least {POSITIVE:.2f}", "between"]
    yield from table([*head, f"at most {NEGATIVE:.2f}"], rows)
    missing = len(cases) - len(truths)
    if missing:
        yield f"{missing} of the {len(cases)} models of this run are not trained yet, and missing below."
        yield ""
    odd = [
        truths[case.key]
        for case in cases
        if case.key in truths and not case.planted and abs(truths[case.key].found["reliance"]) > NEGATIVE
    ]
    if odd:
        yield (
            f"{len(odd)} controls rely in truth on something by more than {NEGATIVE:.2f}, for or against the class, "
            "though nobody planted it: on random labels it is what happens to go with them. "
            "They are neither positive nor negative below."
        )
        yield ""
    if changed := changed_thresholds():
        yield (
            "**Thresholds that decide verdicts were changed after the second half of the kinds was written, so that it "
            f"is no longer unseen:** {'; '.join(changed)}."
        )
    else:
        yield (
            "The thresholds that decide verdicts are what they were before the second half of the kinds was written: "
            + ", ".join(f"{name} {value:g}" for name, value in WRITTEN_DOWN.items())
            + ". Added since: "
            + ", ".join(f"{name} {getattr(thresholds, name):g}" for name in ADDED)
            + "."
        )
    yield ""


def _ranking(by_mode: dict[Mode, list[Audit]]) -> Iterator[str]:
    rows = []
    for mode, audits in by_mode.items():
        for title, chosen in _halves(audits):
            p, q = [a.score for a in positive(chosen)], [a.score for a in negative(chosen)]
            if p and q:
                rows.append(
                    [
                        str(mode),
                        title,
                        f"{len(p)} + {len(q)}",
                        _estimate(bootstrapped(auroc, p, q)),
                        _estimate(bootstrapped(found_at, p, q)),
                        _share(sum(a.found["flagged"] for a in positive(chosen)), len(p)),
                    ]
                )
    yield from table(["Objects", "Kinds", "Models", "AUROC", "Found at 5 % false", "Flagged"], rows)


def _halves(audits: Sequence[Audit]) -> Iterator[tuple[str, list[Audit]]]:
    """All audits, and those of each half of the kinds; controls without a tie are in both."""
    yield "all", list(audits)
    for title, seen in (("first half", True), ("second half", False)):
        yield title, [audit for audit in audits if audit.case.seen in (None, seen)]


def _named(flagged: Sequence[Audit], most: int) -> str:
    return _share(sum(named(a.case.kinds, a.found, most) for a in flagged), len(flagged))


def _networks(main: Sequence[Audit]) -> Iterator[str]:
    rows = []
    for network in dict.fromkeys(NETWORK_TURNS):
        own = [audit for audit in main if audit.case.network == network]
        p, q = positive(own), negative(own)
        flagged = [audit for audit in p if audit.found["flagged"]]
        if p and q:
            rows.append(
                [
                    network,
                    f"{len(p)} + {len(q)}",
                    _estimate(bootstrapped(auroc, [a.score for a in p], [a.score for a in q])),
                    _share(len(flagged), len(p)),
                    _share(sum(a.found["flagged"] for a in q), len(q)),
                    *(_named(flagged, most) for most in (1, 3)),
                ]
            )
    if rows:
        yield "By network, with masks:"
        yield ""
        head = ["Network", "Models", "AUROC", "Flagged", "Falsely", "Named first", "Among the first three"]
        yield from table(head, rows)


def _peers(compared: Sequence[Audit], main: Sequence[Audit]) -> Iterator[str]:
    if not compared:
        return
    yield "### Against what others do"
    yield ""
    yield (
        "On the same models and the same pictures, with the true masks where a method asks for them. SpRAy is run "
        "with its authors' libraries: relevance by zennit (epsilon for linear layers, z-plus for convolutions; for the "
        "transformer, for which it has no rules, gradient times input), summed over blocks of 4 pixels, CoRelAy's "
        "spectral embedding with 8 neighbors, the largest gap among the first eigenvalues, the most over the answered "
        "classes."
    )
    yield ""
    keys = {audit.case.key for audit in main}
    both = [audit for audit in compared if audit.case.key in keys] if keys else list(compared)
    measured: list[tuple[str, Callable[[Audit], float], Sequence[Audit]]] = []
    if main:
        own = {audit.case.key for audit in both}
        measured.append(("**Picasso, with masks**", lambda a: a.score, [a for a in main if a.case.key in own]))
    measured += [(title, lambda a, name=name: a.found[name], both) for name, title in peers.TITLES.items()]
    rows = []
    for title, score, audits in measured:
        p, q = [score(a) for a in positive(audits)], [score(a) for a in negative(audits)]
        strength = spearman([score(a) for a in audits], [a.reliance for a in audits])
        if p and q:
            figures = [bootstrapped(auroc, p, q), bootstrapped(found_at, p, q), strength]
            rows.append([title, f"{len(p)} + {len(q)}", *map(_estimate, figures)])
    yield from table(["Method", "Models", "AUROC", "Found at 5 % false", "Spearman with the truth"], rows)


def _false_flags(by_mode: dict[Mode, list[Audit]]) -> Iterator[str]:
    yield "### False accusations"
    yield ""
    rows = []
    for mode, audits in by_mode.items():
        for sort in ("all", *(sort for sort in Sort if sort is not Sort.PLANTED)):
            own = [a for a in negative(audits) if sort in ("all", a.case.sort)]
            if own:
                outcomes = [a.found["outcome"] for a in own]
                count = sum(a.found["flagged"] for a in own)
                said = ", ".join(f"{outcomes.count(o)} {o}" for o in dict.fromkeys(sorted(outcomes)))
                bound = f"{upper_bound(count, len(own)) * 100:.0f} %"
                rows.append([str(mode), str(sort), _share(count, len(own)), bound, said])
    yield from table(["Objects", "Controls", "Flagged", "At most (one-sided 95 %)", "What was said"], rows)
    silent = [
        a for a in negative(by_mode[Mode.MASKS]) if a.found["outcome"] == "cannot-tell" and a.found.get("uncleared")
    ]
    often = Counter(name for audit in silent for name in audit.found["uncleared"]).most_common(5)
    if often:
        yield (
            f"Where nothing could be told with masks ({len(silent)} controls), what was not cleared: "
            + ", ".join(f"{name} ({count})" for name, count in often)
            + "."
        )
        yield ""


def _naming(by_mode: dict[Mode, list[Audit]]) -> Iterator[str]:
    yield "### Named rightly"
    yield ""
    yield (
        "Of the planted models that were flagged. For each kind the narrowest properties that hold it were written "
        "down before (`benchmarks/tank_test/naming.py`); regions name a kind by where they lie. The overlap is that of "
        "the pixels that the named property changes with those where the kind shows, for kinds that lie somewhere."
    )
    yield ""
    rows = []
    for mode, audits in by_mode.items():
        for title, chosen in _halves(audits):
            flagged = [a for a in positive(chosen) if a.found["flagged"]]
            if not flagged:
                continue
            overlaps = [
                max(a.found["iou"].get(a.found["ranked"][0], {}).get(kind, 0.0) for kind in a.case.kinds)
                for a in flagged
                if set(a.case.kinds) <= set(PLACED)
            ]
            overlap = f"{np.mean(overlaps):.2f} ({len(overlaps)})" if overlaps else "–"
            rows.append([str(mode), title, _named(flagged, 1), _named(flagged, 3), overlap])
    yield from table(["Objects", "Kinds", "First", "Among the first three", "Overlap, mean IoU (models)"], rows)


def _strength(main: Sequence[Audit]) -> Iterator[str]:
    if not main:
        return
    yield "### How much is relied on"
    yield ""
    planted = [a for a in main if a.case.planted]
    rows = []
    for title, audits in (("all", main), ("planted", planted)):
        truth = [a.reliance for a in audits]
        figures = [spearman([a.said for a in audits], truth), spearman([a.drop for a in audits], truth)]
        again = [a.again for a in audits if a.again is not None]
        itself = _estimate(spearman(again, truth)) if len(again) == len(audits) else "–"
        known = _estimate(spearman([a.known for a in audits], truth)) if len(audits) > len(planted) else "–"
        rows.append([title, str(len(audits)), *map(_estimate, figures), itself, known])
    yield (
        "With masks: Spearman's correlation with the truth of what the audit says hangs on what it accuses, 0 where it "
        "accuses of nothing, and of the largest drop of any property, accused or not. Beside them, how the truth "
        "correlates with itself, measured once more in the same way on other scenes: among honest models it is noise "
        "about 0, which has no order that could be found. And what an audit would come to that knew the truth of every "
        "planted model exactly and acquitted every control."
    )
    yield ""
    head = ["Models", "How many", "What it says", "The largest drop", "The truth, measured again"]
    yield from table([*head, "The truth, with 0 for every control"], rows)
    yield ""
    rows = []
    for rho in sorted(set(STRENGTHS), reverse=True):
        own = [a for a in planted if a.case.rho == rho]
        if own:
            reliance, drop = [a.reliance for a in own], [a.drop for a in own]
            sure = [a for a in own if a.reliance >= POSITIVE]
            found = _share(sum(a.found["flagged"] for a in sure), len(sure))
            rows.append([f"{rho:g}", str(len(own)), f"{np.median(reliance):.2f}", f"{np.median(drop):.2f}", found])
    head = ["Strength of the tie", "Models", "Relied on, in truth", "Largest drop", "Flagged, of those that rely on it"]
    yield from table(head, rows)


def _kinds(by_mode: dict[Mode, list[Audit]]) -> Iterator[str]:
    yield "### Kind by kind"
    yield ""
    yield "Planted models that rely on it in truth: how many there are, were flagged, and were named rightly at once."
    yield ""
    rows = []
    for kinds in [*((name,) for name in KINDS), None]:
        row = [_title(kinds)]
        for audits in by_mode.values():
            own = [a for a in positive(audits) if (a.case.kinds == kinds if kinds else len(a.case.kinds) > 1)]
            flagged = [a for a in own if a.found["flagged"]]
            right = sum(named(a.case.kinds, a.found, 1) for a in flagged)
            row.append(f"{len(own)}, {len(flagged)}, {right}" if own else "–")
        if any(cell != "–" for cell in row[1:]):
            rows.append(row)
    yield from table(["Kind", *(f"Objects: {mode}" for mode in by_mode)], rows)


def _title(kinds: tuple[str, ...] | None) -> str:
    if kinds is None:
        return "Two kinds at once"
    kind = KINDS[kinds[0]]
    return kind.title + ("" if kind.seen else " (second half)")


def _power(records: Records, cases: Sequence[Case], truths: dict[str, Record]) -> Iterator[str]:
    parts = {count: audits_of(records, cases, truths, f"audit-{count}") for count in POWER_PICTURES}
    if not all(parts.values()):
        return
    keys = set.intersection(*({audit.case.key for audit in audits} for audits in parts.values()))
    full = [a for a in audits_of(records, cases, truths, f"audit-{Mode.MASKS}") if a.case.key in keys]
    rows = []
    for count, audits in (*parts.items(), (PICTURES, full)):
        p, q = positive(audits), negative(audits)
        if p and q:
            scores = [a.score for a in p], [a.score for a in q]
            flagged = _share(sum(a.found["flagged"] for a in p), len(p))
            false = _share(sum(a.found["flagged"] for a in q), len(q))
            rows.append([str(count), f"{len(p)} + {len(q)}", _estimate(bootstrapped(auroc, *scores)), flagged, false])
    if rows:
        yield "### How many pictures it takes"
        yield ""
        yield "With masks, on a part of the models, the same for each row."
        yield ""
        yield from table(["Pictures", "Models", "AUROC", "Flagged", "Falsely"], rows)


def _estimate(found: Estimate) -> str:
    return "–" if np.isnan(found.value) else f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _share(count: int, of: int) -> str:
    found = share(count, of)
    return "–" if not of else f"{count} of {of} ({found.low * 100:.0f} to {found.high * 100:.0f} %)"
