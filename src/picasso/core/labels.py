"""Class labels in the forms in which people keep them."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from picasso.core.errors import LabelsError

_WORDNET = re.compile(r"^n\d{8}\s+")
"""ImageNet's label files begin each line with an identifier of WordNet."""


def read_labels(source: str | Path | Sequence[str] | Mapping[Any, Any]) -> tuple[str, ...]:
    """Read class labels, in the order of the network's outputs.

    Args:
        source: A list of labels; a mapping {0: "tank", ...} or {"tank": 0, ...}; or a file: one label a line; CSV
            whose last column is the label; a JSON list; such a mapping as a JSON object.

    Raises:
        LabelsError: The file cannot be read, or holds no labels.
    """
    if isinstance(source, Mapping):
        try:
            labels = _from_json({str(key): value for key, value in source.items()})
        except (ValueError, TypeError) as error:
            raise LabelsError(f"The labels are no index-to-label mapping: {error}.") from None
    elif not isinstance(source, str | Path):
        labels = tuple(str(label) for label in source)
    else:
        path = Path(source)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise LabelsError(f"The labels {path} cannot be read: {error}.", "Give a text file.") from None
        labels = _parse(text, path)
    if all(_WORDNET.match(label) for label in labels):
        labels = tuple(_WORDNET.sub("", label) for label in labels)
    # JSON may hold halves of characters, which can be neither printed nor saved.
    labels = tuple(label.encode(errors="replace").decode() for label in labels)
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
    # The first label of a text may be "[background]".
    looks_like_json = text.strip()[:1] + text.strip()[-1:] in ("[]", "{}")
    if path.suffix.lower() == ".json" or looks_like_json:
        try:
            return _from_json(json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise LabelsError(f"The labels {path.name} are no JSON list or index-to-label object: {error}.") from None
    rows = [line.strip() for line in text.splitlines() if line.strip()]
    if path.suffix.lower() == ".csv":
        try:
            cells = [row for row in csv.reader(rows) if row]
        except csv.Error as error:
            raise LabelsError(f"The labels {path.name} are no CSV: {error}.") from None
        if cells and len(cells[0]) > 1 and not cells[0][0].strip().lstrip("-").isdigit():
            cells = cells[1:]
        return tuple(row[-1].strip() for row in cells)
    return tuple(rows)


def _from_json(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_last(item) for item in value)
    if not isinstance(value, dict):
        raise TypeError(f"got {type(value).__name__}")
    by_index = {int(key): item for key, item in value.items()} if all(k.isdigit() for k in value) else None
    if by_index is None:
        by_index = {int(index): label for label, index in value.items()}
    if sorted(by_index) != list(range(len(value))):
        raise ValueError("the indices must run from 0 without a gap, each of them once")
    return tuple(_last(item) for _, item in sorted(by_index.items()))


def _last(item: object) -> str:
    """Return a label that may come with identifiers before it: ["n02389026", "sorrel"]."""
    return str(item[-1] if isinstance(item, list | tuple) and item else item)
