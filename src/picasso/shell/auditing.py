"""Audits a model over a data set from the command line, and shows the verdict."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.text import Text

from picasso.auditing.effects import cleared
from picasso.auditing.findings import Effect, Findings, Outcome
from picasso.auditing.moved import Moved, compare_findings, read_audit
from picasso.auditing.report.wording import with_span
from picasso.auditing.running import audit
from picasso.auditing.thresholds import CLEAR
from picasso.core.dataset import read_dataset
from picasso.core.errors import SettingsError
from picasso.core.interventions.intervention import Role
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.registry import home
from picasso.shell import models, output
from picasso.shell.explaining import progress_bars
from picasso.shell.opening import Opening

_COLORS = {
    Outcome.RIGHT_REASON: "bold green",
    Outcome.WRONG_REASON: "bold red",
    Outcome.BOTH: "bold yellow",
    Outcome.RELIES_ON: "bold yellow",
    Outcome.WEAK_MODEL: "bold magenta",
    Outcome.CANNOT_TELL: "bold cyan",
}
_SHOWN = 12
"""Properties of which is said whether they moved."""
_OPEN = 8
"""Properties that are neither relied on nor cleared, of which more are only counted."""
_CLUES = 3
"""Clues that are printed."""
_WORTH_A_POOL = 2
"""Cores from which on several processes are faster than one."""


@dataclass(frozen=True)
class Asked:
    """How audits are done.

    Args:
        opening: How models are opened.
        masks: Folder of the masks of the objects.
        labels_column: Of a table, the heading of its column of classes.
        match: "class=model's class" each.
        confirmed: "region=object" or "region=not-object" each.
        processes: None: one for each core of this computer, or of the cluster.
    """

    opening: Opening
    masks: Path | None
    labels_column: str | None
    match: Sequence[str]
    limit: int
    seed: int
    interventions: Sequence[str]
    confirmed: Sequence[str]
    processes: int | None
    resume: bool
    maps: bool
    regions: bool
    engine: Literal["local", "ray"]
    ray_address: str


def read_words(words: Sequence[str]) -> tuple[str, str]:
    """Return the model and the data set that a command line names.

    Raises:
        SettingsError: There are not two words.
    """
    if len(words) != 2:
        said = f"'{words[0]}' alone" if len(words) == 1 else f"{len(words)} words" if words else "neither"
        raise SettingsError(f"An audit needs a model and a data set. Got {said}.", "picasso audit MODEL DATASET")
    return words[0], words[1]


def run(model: str, source: str, asked: Asked, quiet: bool, counterfactuals: Path | None = None) -> Findings:
    """Audit a model.

    Args:
        model: What to open.
        source: The data set.
        asked: How.
        quiet: Whether no progress is shown.
        counterfactuals: Folder for every picture without what the model relies on, or None.

    Raises:
        PicassoError: As `audit`.
    """
    # Ray tells of dead workers on the standard output, where nothing but the answer belongs.
    console = output.console(stderr=True)
    with progress_bars(console, 1, quiet) as (begin, report), redirect_stdout(sys.stderr):

        def said(done: int, total: int, message: str) -> None:
            begin(message)
            report(done, total, message)

        begin(f"Drawing {source}" if source.startswith("demo:") else f"Reading {source}")
        dataset = read_dataset(
            source,
            masks=asked.masks,
            labels_column=asked.labels_column,
            progress=lambda done, total: report(done, total, ""),
        )
        begin("Opening the model")
        opened, arguments, notes = models.read_opening(model, asked.opening)
        live = load_model(opened, **arguments)
        models.say_assumed(model, live, console, notes)
        return audit(
            live,
            dataset,
            source=opened,
            options=arguments,
            kept=home() / "audits" if asked.resume else None,
            report=said,
            counterfactuals=counterfactuals,
            match=dict(_pair(word, "--match", "class=model's class") for word in asked.match),
            limit=asked.limit,
            seed=asked.seed,
            interventions=tuple(asked.interventions),
            confirmed={name: _is_object(word) for name, word in _pairs(asked.confirmed)},
            processes=(asked.processes or 0) if asked.engine == "ray" else _processes(asked.processes, live),
            maps=asked.maps,
            regions=asked.regions,
            engine=asked.engine,
            ray_address=asked.ray_address,
        )


def _processes(asked: int | None, model: Model) -> int:
    """Return how many processes measure, each with a copy of the model; 0: this one."""
    # A device other than the processor serves one process well, and several badly.
    if not str(getattr(model, "device", "cpu")).startswith("cpu"):
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = asked or cores
    return count if count >= _WORTH_A_POOL else 0


def moved(before: str, after: str, words: Sequence[str], asked: Asked, quiet: bool) -> Moved:
    """Compare two audits: two files, or two models that are audited on one data set.

    Args:
        before, after: Each an audit.json or its folder; with a data set each a model.
        words: The data set, or nothing.
        asked: How models are audited.
        quiet: Whether no progress is shown.

    Raises:
        PicassoError: There are not two of them, or they are not to be compared.
    """
    if not before or not after:
        raise SettingsError("--before and --after belong together.", "Name two audits, or two models and a data set.")
    if len(words) > 1:
        raise SettingsError(f"With --before and --after only the data set is named. Got {len(words)} words.")
    if not words:
        return compare_findings(read_audit(before), read_audit(after))
    return compare_findings(*(run(model, words[0], asked, quiet).document() for model in (before, after)))


def save_moved(found: Moved, folder: Path) -> list[Path]:
    """Write a comparison of two audits as a page and as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    page, document = folder / "moved.html", folder / "moved.json"
    page.write_text(found.html(), "utf-8")
    document.write_text(json.dumps(found.document(), indent=2, ensure_ascii=False), "utf-8")
    return [page, document]


def show_moved(found: Moved, files: Sequence[Path]) -> None:
    """Print whether the evidence moved, and by how much."""
    console = output.console()
    console.print(Text(found.sentence, style="bold"), soft_wrap=True)
    console.print()
    table = output.columns("Property", "Before", "After", "Difference")
    for move in found.moves[:_SHOWN]:
        table.add_row(Text(move.title), with_span(move.before), with_span(move.after), with_span(move.change))
    console.print(table)
    for file in files:
        console.print(str(file), soft_wrap=True, markup=False)


def _pairs(words: Sequence[str]) -> list[tuple[str, str]]:
    return [_pair(word, "--confirm", "region=object") for word in words]


def _pair(word: str, flag: str, form: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise SettingsError(f"{flag} takes {form}. Got '{word}'.")
    return name.strip(), value.strip()


def _is_object(word: str) -> bool:
    if word not in ("object", "not-object"):
        raise SettingsError(f"--confirm takes region=object or region=not-object. Got '{word}'.")
    return word == "object"


def read_outcomes(words: Sequence[str]) -> list[Outcome]:
    """Return the outcomes for which the command fails.

    Raises:
        SettingsError: One is no outcome.
    """
    known = [outcome.value for outcome in Outcome]
    for word in words:
        if word not in known:
            raise SettingsError(f"--fail-on takes one of {', '.join(known)}. Got '{word}'.")
    return [Outcome(word) for word in words]


def show(findings: Findings, files: Sequence[Path]) -> None:
    """Print the verdict, what was measured, and the files."""
    console, verdict = output.console(), findings.verdict
    console.print(Text(verdict.headline, style=_COLORS[verdict.outcome]))
    console.print(Text(verdict.sentence), soft_wrap=True)
    console.print()
    for reason in verdict.reasons:
        console.print(Text(reason), soft_wrap=True)
    console.print()
    table = output.columns("", "Property", "Points of accuracy", "p of the score's fall", "Pictures")
    tested = [one for one in findings.effects if one.pictures]
    shown = [one for one in tested if one.suspect or not one.role.accuses or (one.role.is_part and not cleared(one))]
    open_ones = [one for one in tested if one not in shown and not cleared(one)]
    shown += open_ones[:_OPEN]
    for effect in sorted(shown, key=lambda one: -one.drop.value):
        # It belongs to the fall of the margin and not to the points beside it, so it stands where that counts.
        p = f"{effect.holm:.2g}" if effect.accused else ""
        table.add_row(_mark(effect), Text(effect.what.title), with_span(effect.drop), p, str(effect.pictures))
    console.print(table)
    if (count := len(open_ones) - _OPEN) > 0:
        console.print(Text(f"{count} more {'is' if count == 1 else 'are'} open.", style="dim"))
    if count := len(tested) - len(open_ones) - sum(1 for one in shown if one not in open_ones):
        what = "1 more is cleared" if count == 1 else f"{count} more are cleared"
        on = "it" if count == 1 else "each"
        console.print(Text(f"{what}: less than {CLEAR * 100:.0f} points hang on {on}.", style="dim"))
    telling = [clue for clue in findings.clues if clue.telling]
    for clue in telling[:_CLUES]:
        console.print(Text(f"The files: {clue.sentence}"), soft_wrap=True)
    if (count := len(telling) - _CLUES) > 0:
        what = "1 more clue is" if count == 1 else f"{count} more clues are"
        console.print(Text(f"{what} in the report (--out).", style="dim"))
    for reason in dict.fromkeys(one.reason for one in findings.untested):
        titles = ", ".join(one.title for one in findings.untested if one.reason == reason)
        console.print(Text(f"Not tested: {titles}. {reason}", style="dim"), soft_wrap=True)
    for note in findings.notes:
        console.print(Text(note, style="dim"), soft_wrap=True)
    top = files[0].parent if files else None
    for file in files:
        if file.parent == top:
            console.print(str(file), soft_wrap=True, markup=False)
    for folder, count in Counter(file.parent for file in files if file.parent != top).items():
        what = f"{count // 2} picture{'' if count // 2 == 1 else 's'}"
        console.print(f"{folder}: {what}, each before and after", soft_wrap=True, markup=False)


def _mark(effect: Effect) -> Text:
    if effect.role is Role.OBJECT:
        return Text("✓ the reason" if effect.suspect else "✗ no reason", style="green" if effect.suspect else "red")
    if effect.role is Role.ERASURE:
        return Text("erased", style="dim")
    if effect.suspect:
        return Text("✗ relied on", style="red")
    if effect.role.is_part:
        return Text("of the object", style="dim")
    return Text("open", style="yellow")
