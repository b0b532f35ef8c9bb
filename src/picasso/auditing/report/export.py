"""The files that an audit is saved as."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import PurePath

from picasso.auditing.findings import Findings, Pair
from picasso.core.interventions.intervention import Pixels
from picasso.core.pictures import render
from picasso.core.result import file_labels, safe_name


def files(findings: Findings) -> dict[str, bytes]:
    """Return all files of an audit by their places in a folder, with "/" between the parts."""
    contents = {
        "audit.html": findings.html().encode(),
        "audit.json": findings.json().encode(),
        "to_fix.csv": to_fix(findings).encode(),
    }
    stems = _stems(findings.pairs)
    digits = len(str(len(findings.pairs)))
    for number, (pair, stem) in enumerate(zip(findings.pairs, stems, strict=True), 1):
        place = f"pairs/{number:0{digits}d}-{stem}.{safe_name(pair.property)}"
        contents[f"{place}.before.png"] = _png(pair.before)
        contents[f"{place}.after.png"] = _png(pair.after)
    return contents


def to_fix(findings: Findings) -> str:
    """Return the pictures to fix as CSV: picture, class, answer, and how far it moves, in typical margins."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["picture", "class", "answer", "moved"])
    for found in findings.to_fix:
        moved = "" if found.moved is None else f"{found.moved:.4f}"
        writer.writerow([_harmless(found.name), findings.classes[found.label], findings.classes[found.answer], moved])
    return text.getvalue()


def _harmless(cell: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in "=+-@\t\r" else cell


def _stems(pairs: Sequence[Pair]) -> list[str]:
    """Return what the file names of each pair begin with: the same for one picture, and another for every other."""
    names = list(dict.fromkeys(pair.name for pair in pairs))
    labels = file_labels([str(PurePath(name).parent / PurePath(name).stem) for name in names])
    own = dict(zip(names, labels, strict=True))
    return [own[pair.name] for pair in pairs]


def _png(pixels: Pixels) -> bytes:
    return render.png(render.to_image(pixels))
