"""Class labels in the forms in which people keep them."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from picasso.core.errors import LabelsError
from picasso.core.labels.formats import from_value, parse

_WORDNET = re.compile(r"^n\d{8}[\s,:]+")
"""ImageNet's label files begin each line with an identifier of WordNet."""
_BACKGROUND = ("background", "__background__", "[background]", "dummy", "???", "bg", "n/a", "unlabeled")
_MOST_BYTES = 2**24


def read_labels(source: str | Path | Sequence[str] | Mapping[Any, Any]) -> tuple[str, ...]:
    """Read class labels, in the order of the network's outputs.

    Args:
        source: A list of labels; a mapping {0: "tank", ...} or {"tank": 0, ...}; or a file. A text has one label a
            line, with an index before or after it or without; CSV a column of labels and perhaps one of indices; JSON
            (or Python, as it prints) a list or such a mapping, also under "id2label", "labels" or "names"; YAML the
            same under "names"; a .pbtxt is a label map of TensorFlow. Identifiers of WordNet are left out.

    Raises:
        LabelsError: The file cannot be read, or holds no labels.
    """
    if isinstance(source, Mapping):
        try:
            labels = from_value({str(key): value for key, value in source.items()})
        except (ValueError, TypeError) as error:
            raise LabelsError(f"The labels are no index-to-label mapping: {error}.") from None
    elif not isinstance(source, str | Path):
        labels = tuple(str(label) for label in source)
    else:
        labels = _parsed(Path(source))
    if all(_WORDNET.match(label) for label in labels):
        labels = tuple(_WORDNET.sub("", label) for label in labels)
    # JSON may hold halves of characters, which can be neither printed nor saved.
    labels = tuple(label.encode(errors="replace").decode() for label in labels)
    if not labels:
        raise LabelsError("There are no labels.", "Give one label for each class.")
    return labels


def fit_labels(labels: Sequence[str], classes: int) -> tuple[tuple[str, ...], str]:
    """Return labels for a number of classes, and a note where the background was added or left out.

    ImageNet has 1000 classes, and many networks a 1001st before them, for the background; label files have either.

    Raises:
        LabelsError: Their number is not the number of classes.
    """
    if len(labels) == 1000 and classes == 1001:
        return ("background", *labels), "1000 labels for 1001 classes: class 0 is taken for the background."
    if len(labels) == classes + 1 and classes > 1 and labels[0].strip().casefold() in _BACKGROUND:
        return tuple(labels[1:]), f"{len(labels)} labels for {classes} classes: the first, '{labels[0]}', is left out."
    check_count(labels, classes)
    return tuple(labels), ""


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


def _parsed(path: Path) -> tuple[str, ...]:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MiB")
        wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if wide else "utf-8-sig")
        if "\0" in text:
            raise ValueError("it is no text")
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LabelsError(f"The labels {path} cannot be read: {said}.", "Give a text file.") from None
    suffix = path.suffix.lower()
    try:
        return parse(text, suffix)
    except csv.Error as error:
        raise LabelsError(f"The labels {path.name} are no CSV: {error}.") from None
    except (ValueError, TypeError, RecursionError) as error:
        kinds = {".yaml": "YAML list or mapping of names", ".yml": "YAML list or mapping of names"}
        kind = kinds.get(suffix, "label map" if suffix == ".pbtxt" else "JSON list or index-to-label object")
        raise LabelsError(f"The labels {path.name} are no {kind}: {error}.") from None
