"""Audits beside the truth, and which of them count as positive and as negative."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.tank_test.design import Case
from benchmarks.tank_test.records import Record, Records
from benchmarks.tank_test.truth import NEGATIVE, POSITIVE


@dataclass(frozen=True)
class Audit:
    """One audit beside the truth.

    Attributes:
        case: the model.
        reliance: what it relies on in truth.
        again: the same, measured once more on other scenes; None where it was not.
        found: what the audit, or the peers, said.
    """

    case: Case
    reliance: float
    again: float | None
    found: dict[str, Any]

    @property
    def drop(self) -> float:
        """The largest drop of a property."""
        return max((drop[0] for drop in self.found["drops"].values()), default=0.0)

    @property
    def said(self) -> float:
        """What the audit says hangs on something wrong: the largest drop of what it accuses, 0 where of nothing."""
        return max((self.found["drops"][name][0] for name in self.found["ranked"]), default=0.0)

    @property
    def known(self) -> float:
        """What an audit would say that knew the truth of planted models, and acquitted every control."""
        return self.reliance if self.case.planted else 0.0

    @property
    def score(self) -> float:
        """What audits are ranked by: the largest drop that is sure, the lower end of its interval."""
        return max((drop[1] for drop in self.found["drops"].values()), default=0.0)


def audits_of(
    records: Records, cases: Sequence[Case], truths: dict[str, Record], part: str, version: str = ""
) -> list[Audit]:
    """What was measured of a part, in a version that ends so, beside the truth."""
    return [
        Audit(case, truths[case.key].found["reliance"], _again(records, case), record.found)
        for case in cases
        if case.key in truths and (record := records.get(case, part)) is not None and record.version.endswith(version)
    ]


def _again(records: Records, case: Case) -> float | None:
    record = records.get(case, "truth-again")
    return None if record is None else record.found["reliance"]


def positive(audits: Sequence[Audit]) -> list[Audit]:
    return [audit for audit in audits if audit.case.planted and audit.reliance >= POSITIVE]


def negative(audits: Sequence[Audit]) -> list[Audit]:
    return [audit for audit in audits if not audit.case.planted and abs(audit.reliance) <= NEGATIVE]
