"""Whether retraining moved the evidence: two audits of the same pictures, one before and one after."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from picasso.auditing.effects import cleared
from picasso.auditing.findings import FORMAT, Effect, Interval, Outcome
from picasso.auditing.report import wording
from picasso.auditing.thresholds import DROP
from picasso.core.errors import PicassoError
from picasso.core.interventions.intervention import Property, Role
from picasso.core.result import as_json

ENDS = {
    Outcome.RIGHT_REASON: "The second model is right for the right reason.",
    Outcome.CANNOT_TELL: "What the second model relies on, its audit cannot tell.",
}
"""What is said of an audit that names nothing."""
OTHER_REGIONS = (
    "Regions are not compared: the two audits did not find the same ones, or do not say which they found, so that "
    "region-1 of one need not be region-1 of the other. Which are found depends on the pictures, their size and the "
    "seed; masks are the same in every audit."
)
"""What is said where both audits looked for regions, and theirs are not known to be the same."""


class AuditsError(PicassoError):
    """Two audits cannot be compared, or what was given is no audit."""

    code = "bad-audits"


class Way(StrEnum):
    """Where the accuracy that hangs on a property went. same: the interval of the difference contains 0."""

    LESS = "less"
    MORE = "more"
    SAME = "same"


class Shift(StrEnum):
    """Whether the evidence moved.

    moved: less hangs on what was named before, the second audit clears it, and nothing is named now. partly: less hangs
    on it, yet something is named, or something of it is surely left. stayed: the interval of the difference contains 0.
    worse: more hangs on it, or something is named now and nothing was before. nothing: neither audit names anything.
    cannot-tell: what was named was not measured again, the second model is too weak to have reasons, or less hangs on
    what was named and it cannot be told whether it is gone.
    """

    MOVED = "moved"
    PARTLY = "partly"
    STAYED = "stayed"
    WORSE = "worse"
    NOTHING = "nothing"
    CANNOT_TELL = "cannot-tell"


@dataclass(frozen=True)
class Move:
    """One property in both audits.

    Args:
        name, title, phrase: Of the property.
        role: What an effect of it says.
        before, after: The accuracy that hung on it, and that hangs on it.
        change: After less before, with the interval of the difference.
        suspect: Whether it counted as relied on, before and after.
        cleared: Whether the second audit clears it; see `effects.cleared`.
        falls: The classes, numbers from 0, in whose own pictures surely more than `DROP` hangs on it after.
    """

    name: str
    title: str
    phrase: str
    role: Role
    before: Interval
    after: Interval
    change: Interval
    suspect: tuple[bool, bool]
    cleared: bool
    falls: tuple[int, ...] = ()

    @property
    def left(self) -> bool:
        """Whether something surely hangs on it after, over all classes or in one of them."""
        return self.after.low > 0 or bool(self.falls)

    @property
    def should_not_matter(self) -> bool:
        """Whether it is a property, or a part of what the object is where one of the models is accused of it."""
        return self.role is Role.PROPERTY or (self.role.accuses and any(self.suspect))

    @property
    def way(self) -> Way:
        """Return whether less or more hangs on it than before."""
        if self.change.high < 0:
            return Way.LESS
        return Way.MORE if self.change.low > 0 else Way.SAME


@dataclass(frozen=True)
class Audited:
    """What a comparison needs to know of each of the two audits; the phrase is of the property that is named, or ""."""

    model: str
    outcome: Outcome
    headline: str
    named: str | None
    phrase: str
    accuracy: Interval
    pictures: int


@dataclass(frozen=True)
class Moved:
    """Whether retraining moved the evidence.

    Args:
        before, after: The two audits.
        dataset: Name of the data set.
        accuracy: Accuracy after less before, with the interval of the difference.
        moves: Of every property that both measured: what one of the audits counts as relied on first, then by how much
            hung or hangs on it.
        only_before, only_after: Titles of the properties that only one of them measured, and of regions that are not
            known to be the same in both.
        note: Why regions are not compared; "" where they are, or one of the audits has none.
        shift: The answer.
        sentence: The same in plain words, with the numbers.
    """

    before: Audited
    after: Audited
    dataset: str
    accuracy: Interval
    moves: tuple[Move, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    note: str
    shift: Shift
    sentence: str

    @property
    def properties(self) -> tuple[Move, ...]:
        """Return the properties that should not matter."""
        return tuple(move for move in self.moves if move.should_not_matter)

    @property
    def object(self) -> tuple[Move, ...]:
        """Return what the object does, its absence, and its parts where neither model is accused of them."""
        return tuple(move for move in self.moves if not move.should_not_matter)

    def document(self) -> dict[str, Any]:
        """Return everything as JSON."""
        document: dict[str, Any] = as_json({"format": FORMAT, **asdict(self)})
        for move, row in zip(self.moves, document["moves"], strict=True):
            row["way"] = move.way
        return document

    def html(self) -> str:
        """Return a page with everything in it: no other file, no script, no request."""
        from picasso.auditing.report.moved_page import page

        return page(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(self.sentence)}</p>"

    def __repr__(self) -> str:
        return f"Moved({self.sentence})"


def read_audit(source: str | Path) -> dict[str, Any]:
    """Read the document of an audit.

    Args:
        source: An `audit.json`, or the folder that holds it.

    Raises:
        AuditsError: There is none, or it is no audit of this format.
    """
    place = Path(source)
    file = place / "audit.json" if place.is_dir() else place
    try:
        document = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise AuditsError(f"{file} cannot be read: {error.strerror}.", "Name the audit.json of an audit.") from error
    except ValueError as error:
        raise AuditsError(f"{file} is not JSON.", "Name the audit.json of an audit.") from error
    return _checked(document, str(file))


def compare_findings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Moved:
    """Compare two audits of the same pictures.

    Args:
        before, after: Documents of audits: `Findings.document()`, or `read_audit("audit.json")`.

    Raises:
        AuditsError: One is no audit of this format, or their classes or pictures differ.

    References:
        Zou and Donner 2008, doi:10.1002/sim.3095, for the interval of a difference from the intervals of both. The two
        are taken as independent; of the same pictures they rather agree, so the interval is too wide, never too narrow.
    """
    old, new = _checked(before, "The first audit"), _checked(after, "The second audit")
    _same("classes", old["classes"], new["classes"])
    _same_pictures(old, new)
    measured = [{e["what"]["name"]: e for e in document["effects"] if e["pictures"]} for document in (old, new)]
    alike = _same_regions(old, new)
    both = [name for name in measured[0] if name in measured[1] and (alike or not _of_region(measured[0][name]))]
    moves = [_move(measured[0][name], measured[1][name]) for name in both]
    moves.sort(key=lambda move: (not any(move.suspect), -max(move.before.value, move.after.value), move.name))
    only = [tuple(effect["what"]["title"] for name, effect in own.items() if name not in both) for own in measured]
    regions = [{name for name, effect in own.items() if _of_region(effect)} for own in measured]
    unlike = set() if alike or not all(regions) else regions[0] | regions[1]
    note = OTHER_REGIONS if unlike else ""
    audits = (_audited(old), _audited(new))
    accuracy = difference(audits[0].accuracy, audits[1].accuracy)
    shift = _shift(*audits, moves)
    said = _sentence(*audits, accuracy, moves, new["classes"], unlike)
    return Moved(*audits, _name(new, "dataset"), accuracy, tuple(moves), only[0], only[1], note, shift, said)


def difference(before: Interval, after: Interval) -> Interval:
    """Return after less before, with an interval made of both intervals (Zou and Donner 2008)."""
    value = after.value - before.value
    down = math.hypot(after.value - after.low, before.high - before.value)
    up = math.hypot(after.high - after.value, before.value - before.low)
    return Interval(value, value - down, value + up)


def _checked(document: Any, name: str) -> dict[str, Any]:
    known = isinstance(document, Mapping) and {"format", "verdict", "classes", "effects", "record"} <= set(document)
    if not known:
        raise AuditsError(f"{name} is not the document of an audit.", "Name the audit.json that an audit wrote.")
    if document["format"] != FORMAT:
        raise AuditsError(
            f"{name} has format {document['format']}, and {FORMAT} is read.", "Audit again with this version."
        )
    return dict(document)


def _same(what: str, before: Any, after: Any) -> None:
    if before != after:
        shown = f": {wording.plain(before)}, and {wording.plain(after)}" if what != "pictures" else ""
        raise AuditsError(
            f"The two audits have different {what}{shown}.",
            "Audit both models on the same data set, with the same seed and limit.",
        )


def _same_pictures(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Refuse audits of different pictures.

    Raises:
        AuditsError: They differ.
    """
    datasets = [document["record"].get("dataset") for document in (before, after)]
    _same("pictures", *(one.get("contents") if isinstance(one, Mapping) else None for one in datasets))
    _same("numbers of pictures", before["counts"], after["counts"])


def _same_regions(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Say whether the same kinds of regions were found: only then does a number mean the same in both audits."""
    regions = [document["record"].get("regions") for document in (before, after)]
    digests = [one.get("digest") if isinstance(one, Mapping) else None for one in regions]
    return bool(digests[0]) and digests[0] == digests[1]


def _of_region(effect: Mapping[str, Any]) -> bool:
    """Say whether an effect is of a kind of region: of what it shows, of its tone, of its being there."""
    return effect["what"].get("region") is not None


def _interval(part: Mapping[str, float]) -> Interval:
    return Interval(part["value"], part["low"], part["high"])


def _move(before: Mapping[str, Any], after: Mapping[str, Any]) -> Move:
    drops, now = (_interval(before["drop"]), _interval(after["drop"])), _effect(after)
    return Move(
        now.what.name,
        now.what.title,
        now.what.phrase,
        now.role,
        *drops,
        difference(*drops),
        (before["suspect"], after["suspect"]),
        cleared(now),
        now.falls,
    )


def _effect(part: Mapping[str, Any]) -> Effect:
    """Return an effect of a document."""
    known = {field.name: part[field.name] for field in fields(Effect) if field.name in part}
    made = {
        "what": Property(**part["what"]),
        "role": Role(part["role"]),
        "drop": _interval(part["drop"]),
        "margin": _interval(part["margin"]),
        "falls": tuple(part.get("falls", ())),
    }
    return Effect(**known | made)


def _name(document: Mapping[str, Any], what: str) -> str:
    part = document["record"].get(what)
    name = part.get("name") if isinstance(part, Mapping) else part
    return str(name) if name else "–"


def _audited(document: Mapping[str, Any]) -> Audited:
    verdict = document["verdict"]
    # What is named in an acquittal is the object: the right reason, and no accusation.
    named = None if verdict["outcome"] == Outcome.RIGHT_REASON else verdict["named"]
    return Audited(
        model=_name(document, "model"),
        outcome=Outcome(verdict["outcome"]),
        headline=verdict["headline"],
        named=named["name"] if named else None,
        phrase=named["phrase"] if named else "",
        accuracy=_interval(document["accuracy"]),
        pictures=sum(document["counts"]),
    )


def _shift(before: Audited, after: Audited, moves: list[Move]) -> Shift:
    first = next((move for move in moves if move.name == before.named), None)
    if after.outcome is Outcome.WEAK_MODEL or (before.named and first is None):
        return Shift.CANNOT_TELL
    if first is None:
        return Shift.WORSE if after.named else Shift.NOTHING
    if first.way is Way.LESS:
        if after.named or (first.left and not first.cleared):
            return Shift.PARTLY
        return Shift.MOVED if first.cleared else Shift.CANNOT_TELL
    return Shift.STAYED if first.way is Way.SAME else Shift.WORSE


def _sentence(
    before: Audited,
    after: Audited,
    accuracy: Interval,
    moves: list[Move],
    classes: Sequence[str],
    unlike: Collection[str],
) -> str:
    """Say what happened to what was relied on before, what is relied on now, and what it cost.

    Args:
        before, after, accuracy, moves: Of the comparison.
        classes: Names of the classes.
        unlike: Names of the regions that are not known to be the same in both audits.
    """
    first = next((move for move in moves if move.name == before.named), None)
    last = next((move for move in moves if move.name == after.named), None)
    said = []
    if first is not None:
        begins = {
            Way.LESS: f"Less hangs on {first.phrase} than before",
            Way.MORE: f"More hangs on {first.phrase} than before",
            Way.SAME: f"What hangs on {first.phrase} did not measurably change",
        }[first.way]
        said.append(f"{begins}: {_from_to(first)}; the difference is {wording.with_span(first.change)}.")
        if first.way is Way.LESS and not first.cleared and last is not first:
            said.append(_what_is_left(first, classes))
    elif before.named:
        why = "which cannot be compared" if before.named in unlike else "which the second audit did not measure"
        said.append(f"The first model relied on {before.phrase}, {why}.")
    if after.outcome is Outcome.WEAK_MODEL:
        said.append("The second model is too weak to have reasons.")
    elif last is None and not after.named:
        said.append(ENDS.get(after.outcome, after.headline))
    elif last is None:
        why = "which cannot be compared" if after.named in unlike else "which was not measured before"
        said.append(f"The second model relies on {after.phrase}, {why}.")
    elif last is first:
        said.append("It is still relied on.")
    else:
        said.append(f"Now the model relies on {last.phrase}: {_from_to(last)}.")
    percents = f"{wording.percent(before.accuracy.value)} before, {wording.percent(after.accuracy.value)} now"
    said.append(f"Accuracy: {percents}; the difference is {wording.with_span(accuracy)}.")
    if before.named in unlike or after.named in unlike:
        said.append(OTHER_REGIONS)
    return " ".join(said)


def _what_is_left(move: Move, classes: Sequence[str]) -> str:
    """Say how much still hangs on what is less relied on, and is not cleared."""
    if move.falls:
        names = " and ".join(f'"{classes[number]}"' for number in move.falls)
        return (
            f"It is not gone: {wording.with_span(move.after)}, are left, "
            f"and surely more than {wording.points(DROP)} in the pictures of {names}."
        )
    if move.left:
        return f"It is not gone: {wording.with_span(move.after)}, are left."
    return f"Whether it is gone these pictures cannot tell: up to {wording.points(move.after.high)} may be left."


def _from_to(move: Move) -> str:
    return f"{wording.points(move.before.value)} of accuracy before, {wording.signed(move.after.value * 100)} now"
