"""What was measured, as JSON lines: one for each case and part, appended as it comes, never measured twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.tank_test.design import Case, Sort


@dataclass(frozen=True)
class Record:
    """One measurement.

    Attributes:
        case: of which model.
        part: "truth", "truth-again", "peers", or "audit-" and how it was done.
        version: of the part; other versions are measured again.
        seconds: of the processor.
        found: what was found, a JSON document.
    """

    case: Case
    part: str
    version: str
    seconds: float
    found: dict[str, Any]


class Records:
    """The records of a folder, after those that are published.

    Args:
        folder: Where `results.jsonl` lies, or will.
        published: A file of records that were published with the page, or None.
    """

    def __init__(self, folder: Path, published: Path | None = None) -> None:
        self.file = folder / "results.jsonl"
        self._known: dict[tuple[str, str], dict[str, Record]] = {}
        for file in (published, self.file):
            for line in file.read_text("utf-8").splitlines() if file is not None and file.is_file() else ():
                try:
                    record = _read(line)
                except (ValueError, KeyError, TypeError):
                    continue  # the last line of a run that was killed
                self._keep(record)

    def get(self, case: Case, part: str, version: str | None = None) -> Record | None:
        """The record of a part of a case of this version; by default the last that there is."""
        records = self._known.get((case.key, part), {})
        return next(reversed(records.values()), None) if version is None else records.get(version)

    def put(self, record: Record) -> None:
        """Keeps a record."""
        self._keep(record)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def _keep(self, record: Record) -> None:
        versions = self._known.setdefault((record.case.key, record.part), {})
        versions.pop(record.version, None)  # so that it is the last
        versions[record.version] = record

    def publish(self, cases: Sequence[Case], file: Path) -> None:
        """Writes the last record of each part of some cases, in their order, one line each."""
        keys = {case.key: place for place, case in enumerate(cases)}
        last = [next(reversed(records.values())) for records in self._known.values()]
        found = [record for record in last if record.case.key in keys]
        found.sort(key=lambda record: (keys[record.case.key], record.part))
        lines = (json.dumps(asdict(record), separators=(",", ":")) + "\n" for record in found)
        file.write_text("".join(lines), "utf-8")


def _read(line: str) -> Record:
    fields = json.loads(line)
    case = fields.pop("case")
    return Record(Case(**case | {"sort": Sort(case["sort"]), "kinds": tuple(case["kinds"])}), **fields)
