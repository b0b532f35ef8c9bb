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
from picasso.core.errors import DatasetError, SettingsError

COLUMNS = ("picture", "annotator", "label", "when")
"""Of the table, which has no row of headings: two processes that begin it would both write one."""
LONGEST = 200
"""Letters of a name or label."""
LONGEST_PLACE = 4096
"""Letters of a picture's place."""

Annotations = dict[str, dict[str, str]]
"""Annotator -> the picture's place in the data set -> label."""


def annotations_file(source: str | Path) -> Path:
    """Return where the labels of a folder or data set are kept."""
    path = Path(source).expanduser()
    try:
        name = str(path.resolve()) if path.exists() else str(source)
    except OSError:  # longer than a path may be
        name = str(source)
    return registry.home() / "annotations" / f"{hashlib.sha256(name.encode()).hexdigest()}.csv"


def annotate(source: str | Path, picture: str, annotator: str, label: str) -> None:
    """Keep a label; "" takes an earlier one back.

    Args:
        source: A folder or data set.
        picture: The picture's place in there.
        annotator: Who says so.
        label: A class.

    Raises:
        SettingsError: Nobody or no picture is named, or a name is too long.
    """
    if not annotator.strip():
        raise SettingsError("annotator must be a name. Got none.", "Say who labels the picture.")
    if not picture or len(picture) > LONGEST_PLACE:
        raise SettingsError(f"picture must be a place of 1 to {LONGEST_PLACE} letters. Got {len(picture)}.")
    if (longest := max(len(annotator), len(label))) > LONGEST:
        raise SettingsError(f"annotator and label must have at most {LONGEST} letters. Got {longest}.")
    file = annotations_file(source)
    file.parent.mkdir(parents=True, exist_ok=True)
    when = datetime.now(UTC).isoformat(timespec="seconds")
    # Half a character, which JSON may hold, cannot be written.
    with file.open("a", newline="", encoding="utf-8", errors="backslashreplace") as table:
        csv.writer(table).writerow((picture, annotator.strip(), label.strip(), when))


def read_annotations(source: str | Path) -> Annotations:
    """Return all labels that were given; none where there are none. Rows that are not whole are left out.

    Raises:
        DatasetError: The table is there and cannot be read.
    """
    found: Annotations = {}
    try:
        with annotations_file(source).open(newline="", encoding="utf-8", errors="replace") as table:
            for row in csv.reader(table):
                if len(row) == len(COLUMNS) and all(row[:2]):
                    picture, annotator, label, _ = row
                    found.setdefault(annotator, {})[picture] = label
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error) as error:
        raise DatasetError(
            f"The labels of {source} cannot be read: {error}.", f"See {annotations_file(source)}."
        ) from None
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
