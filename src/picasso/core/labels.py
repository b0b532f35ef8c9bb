"""Class labels in the forms in which people keep them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

from picasso.core.errors import LabelsError

_WORDNET = re.compile(r"^n\d{8}\s+")
"""ImageNet's label files begin each line with an identifier of WordNet."""


def read_labels(source: str | Path | Sequence[str]) -> tuple[str, ...]:
    """Read class labels, in the order of the network's outputs.

    Args:
        source: A list of labels, or a file: one label a line; CSV whose last column is the label; a JSON list; a
            JSON object {"0": "tank", ...} or {"tank": 0, ...}.

    Raises:
        LabelsError: The file cannot be read, or holds no labels.
    """
    if not isinstance(source, str | Path):
        labels = tuple(str(label) for label in source)
    else:
        path = Path(source)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise LabelsError(f"The labels {path} cannot be read: {error}.", "Give a text file.") from None
        labels = _parse(text, path)
    if all(_WORDNET.match(label) for label in labels):
        labels = tuple(_WORDNET.sub("", label) for label in labels)
    if not labels:
        raise LabelsError("There are no labels.", "Give one label for each class.")
    return labels


def check_count(labels: Sequence[str], classes: int) -> None:
    """Refuse labels whose number is not the number of classes.

    Raises:
        LabelsError: The numbers differ.
    """
    if len(labels) != classes:
        raise LabelsError(
            f"There are {len(labels)} labels, but the model has {classes} classes.",
            "Give one label for each class, in the order of the model's outputs.",
        )


def _parse(text: str, path: Path) -> tuple[str, ...]:
    if path.suffix.lower() == ".json" or text.lstrip()[:1] in ("[", "{"):
        try:
            return _from_json(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LabelsError(f"The labels {path.name} are no JSON list or index-to-label object: {error}.") from None
    rows = [line.strip() for line in text.splitlines() if line.strip()]
    if path.suffix.lower() == ".csv":
        cells = [row for row in csv.reader(rows) if row]
        if cells and len(cells[0]) > 1 and not cells[0][0].strip().lstrip("-").isdigit():
            cells = cells[1:]
        return tuple(row[-1].strip() for row in cells)
    return tuple(rows)


def _from_json(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    if not isinstance(value, dict):
        raise TypeError(f"got {type(value).__name__}")
    by_index = {int(key): item for key, item in value.items()} if all(k.isdigit() for k in value) else None
    if by_index is None:
        by_index = {int(index): label for label, index in value.items()}
    if sorted(by_index) != list(range(len(by_index))):
        raise ValueError("the indices must run from 0 without a gap")
    return tuple(str(item[-1] if isinstance(item, list) else item) for _, item in sorted(by_index.items()))
