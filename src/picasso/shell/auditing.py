"""Audits a model over a data set from the command line, and shows the verdict."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.text import Text

from picasso.audit.findings import Effect, Findings, Outcome
from picasso.audit.running import audit
from picasso.audit.thresholds import CLEAR
from picasso.audit.wording import with_span
from picasso.core.dataset import read_dataset
from picasso.core.errors import SettingsError
from picasso.core.intervention import Role
from picasso.core.opening import load_model
from picasso.core.registry import home
from picasso.shell import models, output
from picasso.shell.explaining import progress_bars
from picasso.shell.opening import Opening

if TYPE_CHECKING:
    from picasso.core.dataset import Dataset

_COLORS = {
    Outcome.RIGHT_REASON: "bold green",
    Outcome.WRONG_REASON: "bold red",
    Outcome.BOTH: "bold yellow",
    Outcome.RELIES_ON: "bold yellow",
    Outcome.WEAK_MODEL: "bold magenta",
    Outcome.CANNOT_TELL: "bold cyan",
}
_SHOWN = 12
"""Properties that are listed beside those that count."""
_CLUES = 3
"""Clues that are printed."""
_WORTH_A_POOL = 2
"""Cores from which on several processes are faster than one."""


@dataclass(frozen=True)
class Asked:
    """What is audited, and how.

    Args:
        match: "class=model's class" each.
        confirmed: "region=object" or "region=not-object" each.
        processes: None: one for each core of this computer, or of the cluster.
    """

    match: Sequence[str]
    limit: int
    seed: int
    interventions: Sequence[str]
    confirmed: Sequence[str]
    processes: int | None
    resume: bool
    maps: bool
    engine: Literal["local", "ray"]
    ray_address: str


def read_words(words: Sequence[str]) -> tuple[str, str]:
    """Return the model and the data set that a command line names.

    Raises:
        SettingsError: There are not two words.
    """
    if len(words) != 2:
        raise SettingsError(
            f"An audit needs a model and a data set. Got {len(words)} words.", "picasso audit MODEL DATASET"
        )
    return words[0], words[1]


def read_data(source: str, masks: Path | None, quiet: bool) -> Dataset:
    """Read a data set, with progress where it has to be made first."""
    with progress_bars(output.console(stderr=True), 1, quiet) as (begin, report):
        begin(f"Drawing {source}" if source.startswith("demo:") else f"Reading {source}")

        def said(done: int, total: int) -> None:
            report(done, total, "")

        return read_dataset(source, masks=masks, progress=said)


def run(model: str, opening: Opening, dataset: Dataset, asked: Asked, quiet: bool) -> Findings:
    """Audit a model.

    Raises:
        PicassoError: As `audit`.
    """
    source, arguments, _ = models.read_opening(model, opening)
    processes = asked.processes
    if asked.engine == "ray":
        processes = processes or 0
    elif processes is None:
        cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
        processes = cores or 1
    # A device other than the processor serves one process well, and several badly.
    alone = processes < _WORTH_A_POOL or (arguments.get("device") or "cpu") != "cpu"
    if asked.engine == "local" and alone:
        processes = 0
    # Ray tells of dead workers on the standard output, where nothing but the answer belongs.
    with progress_bars(output.console(stderr=True), 1, quiet) as (begin, report), redirect_stdout(sys.stderr):

        def said(done: int, total: int, message: str) -> None:
            begin(message)
            report(done, total, message)

        begin("Opening the model")
        return audit(
            load_model(source, **arguments),
            dataset,
            source=source,
            options=arguments,
            kept=home() / "audits" if asked.resume else None,
            report=said,
            match=dict(_pair(word, "--match", "class=model's class") for word in asked.match),
            limit=asked.limit,
            seed=asked.seed,
            interventions=tuple(asked.interventions),
            confirmed={name: _is_object(word) for name, word in _pairs(asked.confirmed)},
            processes=processes,
            maps=asked.maps,
            engine=asked.engine,
            ray_address=asked.ray_address,
        )


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
    table = output.columns("", "Property", "Points of accuracy", "p (Holm)", "Pictures")
    shown = [one for one in findings.effects if one.suspect or one.role is not Role.PROPERTY]
    shown += [one for one in findings.effects if one not in shown and one.pictures][:_SHOWN]
    for effect in sorted(shown, key=lambda one: -one.drop.value):
        table.add_row(
            _mark(effect), Text(effect.what.title), with_span(effect.drop), f"{effect.holm:.2g}", str(effect.pictures)
        )
    console.print(table)
    if hidden := sum(1 for one in findings.effects if one not in shown and one.pictures):
        console.print(Text(f"{hidden} more, each with less.", style="dim"))
    telling = [clue for clue in findings.clues if clue.telling]
    for clue in telling[:_CLUES]:
        console.print(Text(f"The files: {clue.sentence}"), soft_wrap=True)
    if len(telling) > _CLUES:
        console.print(Text(f"{len(telling) - _CLUES} more clues are in the report (--out).", style="dim"))
    for one in findings.untested:
        console.print(Text(f"Not tested: {one.title}. {one.reason}", style="dim"), soft_wrap=True)
    for note in findings.notes:
        console.print(Text(note, style="dim"), soft_wrap=True)
    for file in files:
        console.print(str(file), soft_wrap=True, markup=False)


def _mark(effect: Effect) -> Text:
    if effect.role is Role.OBJECT:
        return Text("✓ the reason" if effect.suspect else "✗ no reason", style="green" if effect.suspect else "red")
    if effect.role is Role.ERASURE:
        return Text("erased", style="dim")
    if effect.suspect:
        return Text("✗ relied on", style="red")
    return Text("cleared", style="green") if effect.drop.high < CLEAR else Text("open", style="yellow")
