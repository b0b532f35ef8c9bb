"""Labels that people give to the pictures of a folder beside its own: a second opinion, kept in a table of its own.

The table is a CSV file in Picasso's folder, which shell, Python and page share; a later row takes the place of an
earlier one of the same picture and annotator. Nothing is ever written into the folder of pictures.
"""

from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path

from picasso.core import registry
from picasso.core.dataset import Dataset
from picasso.core.dataset.matching import plain
from picasso.core.errors import SettingsError

HEADINGS = ("picture", "annotator", "label", "when")
LONGEST = 200
"""Letters of a name or label."""

Annotations = dict[str, dict[str, str]]
"""Annotator -> the picture's place in the data set -> label."""


def annotations_file(source: str | Path) -> Path:
    """Return where the labels of a folder or data set are kept."""
    path = Path(source).expanduser()
    name = str(path.absolute()) if path.exists() else str(source)
    return registry.home() / "annotations" / f"{hashlib.sha256(name.encode()).hexdigest()}.csv"


def annotate(source: str | Path, picture: str, annotator: str, label: str) -> None:
    """Keep a label; "" takes an earlier one back.

    Args:
        source: A folder or data set.
        picture: The picture's place in there.
        annotator: Who says so.
        label: A class.

    Raises:
        SettingsError: Nobody is named, or a name is too long.
    """
    if not annotator.strip() or not picture:
        raise SettingsError("annotator must be a name. Got none.", "Say who labels the picture.")
    if max(len(annotator), len(label)) > LONGEST:
        raise SettingsError(f"annotator and label must have at most {LONGEST} letters.")
    file = annotations_file(source)
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = not file.exists()
    with file.open("a", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        if fresh:
            writer.writerow(HEADINGS)
        writer.writerow((picture, annotator.strip(), label, datetime.now(UTC).isoformat(timespec="seconds")))


def read_annotations(source: str | Path) -> Annotations:
    """Return all labels that were given; none where there are none. Damaged rows are left out."""
    found: Annotations = {}
    try:
        with annotations_file(source).open(newline="", encoding="utf-8", errors="replace") as table:
            for row in csv.DictReader(table):
                picture, annotator, label = (row.get(name) or "" for name in HEADINGS[:3])
                if annotator and picture:
                    found.setdefault(annotator, {})[picture] = label
    except OSError:
        return {}
    kept = {who: {picture: label for picture, label in said.items() if label} for who, said in found.items()}
    return {who: said for who, said in kept.items() if said}


def other_labels(dataset: Dataset, source: str | Path) -> Annotations:
    """Return what others say of the pictures: annotators, and columns of the data set that hold its classes alone."""
    classes = {plain(label) for label in dataset.classes}
    columns: Annotations = {}
    for example in dataset.examples:
        for name, value in example.columns.items():
            if value:
                columns.setdefault(name, {})[example.name] = value
    opinions = {name: said for name, said in columns.items() if {plain(value) for value in said.values()} <= classes}
    return opinions | read_annotations(source)
