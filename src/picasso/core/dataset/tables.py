"""A CSV or TSV file that names pictures and their classes."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from picasso.core.dataset.dataset import Dataset, is_box
from picasso.core.dataset.example import Box, Example, Skipped
from picasso.core.dataset.folders import fit_masks, is_picture, unfitting
from picasso.core.dataset.places import Place, natural, unreadable
from picasso.core.dataset.sources import Source, printable
from picasso.core.errors import DatasetError

SUFFIXES = (".csv", ".tsv")
_FILES = (
    *("file", "filename", "filepath", "path", "image", "imagepath", "imagefile", "imagename", "imageid", "imageindex"),
    *("img", "imgpath", "picture", "photo", "name", "id"),
)
"""Headings of a column of file names, the surest first; case and everything but letters and digits left out."""
_LABELS = (
    *("label", "labels", "class", "classname", "classid", "category", "categoryname", "target", "diagnosis", "dx"),
    *("finding", "findinglabels", "species", "y"),
)
"""Headings of a column of classes, the surest first."""
_MASKS = ("mask", "masks", "maskpath", "maskfile", "objectmask", "segmentation", "segmentationpath")
_BOXES = (
    (("left", "top", "width", "height"), False),
    (("x", "y", "width", "height"), False),
    (("x", "y", "w", "h"), False),
    (("xmin", "ymin", "xmax", "ymax"), True),
    (("left", "top", "right", "bottom"), True),
    (("x1", "y1", "x2", "y2"), True),
)
"""Headings of a box, without "box", "bbox" or "roi" before them, and whether the last two are its other corner."""
_PREFIX = re.compile(r"^(?:bbox|box|roi|object)")
_TRIED = 20
"""So many rows are looked at to see whether a table is that of the pictures beside it."""


@dataclass(frozen=True)
class _Columns:
    """What the columns of a table mean, by their numbers."""

    file: int
    label: int | None
    rest: tuple[int, ...]
    mask: int | None
    box: tuple[int, ...]
    corners: bool

    def others(self, head: Sequence[str], row: Sequence[str]) -> dict[str, str]:
        """Return what a row says besides."""
        return {head[number]: row[number] for number in self.rest if number != self.label and row[number]}


def read_table(data: bytes, name: str, place: Place, labels_column: str | None, masks: Place | None) -> Dataset:
    """Read a data set from a table with a heading: a column of file names, one of classes, and whatever else there is.

    Rows of one picture are put together: each may have a box of its own. Further columns are kept as metadata.

    Args:
        data: The file's bytes.
        name: The file's name.
        place: Where the files that it names lie.
        labels_column: Heading of the column of classes; None to find it.
        masks: Masks, each with its picture's name, where the table names none; or None.

    Raises:
        DatasetError: It is no table, a column is missing, or it names no picture that is there.
    """
    head, rows = parse_table(data, name)
    columns = _columns(head, rows, name, labels_column)
    if columns.label is None and len(columns.rest) == 1:
        columns = replace(columns, label=columns.rest[0])
    if columns.label is None:
        raise DatasetError(
            f"No column of {name} is known to hold classes. Its columns: {', '.join(head)}.",
            "Name the column of classes.",
        )
    examples, skipped = _examples(head, rows, columns, place)
    if not examples:
        first = f" The first: {skipped[0].name}: {skipped[0].reason}" if skipped else ""
        raise DatasetError(
            f"{name} names no picture that is there.{first}", "Paths in a table are relative to the table."
        )
    notes = [f"Classes are read from the column '{head[columns.label]}', files from '{head[columns.file]}'."]
    if masks is not None:
        fitting = fit_masks(masks.files, list(examples), masks.name)
        examples |= {key: replace(examples[key], mask=mask) for key, mask in fitting.items()}
        notes += unfitting(masks.files, fitting)
    labels = tuple(sorted({example.label for example in examples.values()}, key=lambda label: (natural(label), label)))
    return Dataset(name, labels, tuple(examples.values()), (*place.skipped, *skipped), tuple(notes))


def parse_table(data: bytes, name: str) -> tuple[list[str], list[list[str]]]:
    """Return the heading and the rows of a table, all of the heading's length.

    Raises:
        DatasetError: It is no table.
    """
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")  # what spreadsheets write on Windows
    lines = text.splitlines(keepends=True)
    first = lines[0] if lines else ""
    delimiter = max("\t" if name.lower().endswith(".tsv") else ",", ";", "\t", key=first.count)
    limit = csv.field_size_limit()
    try:
        if max(map(len, lines), default=0) > limit:
            raise DatasetError(f"{name} is no table: a line has more than {limit} characters.", "Give a CSV file.")
        rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise DatasetError(f"{name} is no table: {error}.", "Give a CSV file.") from None
    if len(rows) < 2 or len(rows[0]) < 2:
        raise DatasetError(
            f"{name} is no table of pictures: it has {max(0, len(rows) - 1)} rows below its heading, and "
            f"{len(rows[0]) if rows else 0} columns.",
            "Give a heading, and a row for each picture with its file and its class.",
        )
    head = [cell or f"column {number}" for number, cell in enumerate(rows[0], 1)]
    return head, [(row + [""] * len(head))[: len(head)] for row in rows[1:]]


def names_pictures(data: bytes, name: str, place: Place, labels_column: str | None) -> bool:
    """Say whether a table surely gives pictures that are there their classes."""
    try:
        head, rows = parse_table(data, name)
        columns = _columns(head, rows, name, labels_column)
    except DatasetError:
        return False
    return columns.label is not None and any(place.find(row[columns.file]) for row in rows[:_TRIED])


def read_metadata(data: bytes, name: str, place: Place) -> dict[Source, dict[str, str]]:
    """Return what a table says of each picture that is there; nothing where it is none of pictures."""
    try:
        head, rows = parse_table(data, name)
        columns = _columns(head, rows, name, None)
    except DatasetError:
        return {}
    found = ((place.find(row[columns.file]), columns.others(head, row)) for row in rows)
    return {source: said for source, said in found if source is not None}


def _columns(head: Sequence[str], rows: Sequence[Sequence[str]], name: str, wanted: str | None) -> _Columns:
    """Find out what the columns mean.

    Raises:
        DatasetError: None holds files, or there is none that is called as was said.
    """
    plain = [re.sub(r"[^a-z0-9]", "", cell.casefold()) for cell in head]
    listed = f"Its columns: {', '.join(head)}."
    named = [number for number in range(len(head)) if _are_pictures([row[number] for row in rows if row[number]])]
    mask = next((number for number in named if plain[number] in _MASKS), None)
    files = [number for number in named if number != mask]
    called = _called(plain, _FILES, range(len(head)))
    # Names may lack their suffix: then the heading has to say what they are.
    file = next((number for number in (*called, *files) if number in files), next(iter(called), None))
    if file is None:
        raise DatasetError(f"No column of {name} holds names of pictures. {listed}", "Add a column 'file'.")
    box, corners = _box_columns(plain)
    rest = [number for number in range(len(head)) if number not in {file, mask, *box}]
    labels = _called(plain, _LABELS, rest)
    if wanted is not None:
        labels = [number for number in rest if head[number].casefold() == wanted.strip().casefold()]
        if not labels:
            raise DatasetError(f"There is no column '{wanted}' in {name}. {listed}", "Name the column of classes.")
    return _Columns(file, labels[0] if labels else None, tuple(rest), mask, box, corners)


def _called(plain: Sequence[str], headings: Iterable[str], among: Sequence[int]) -> list[int]:
    """Return the columns with one of several headings, the surest heading first."""
    return [number for heading in headings for number in among if plain[number] == heading]


def _box_columns(plain: Sequence[str]) -> tuple[tuple[int, ...], bool]:
    """Return the four columns of a box, and whether the last two are its other corner; none where there is no box."""
    bare = [_PREFIX.sub("", heading) or heading for heading in plain]
    for headings, corners in _BOXES:
        if set(headings) <= set(bare):
            return tuple(bare.index(heading) for heading in headings), corners
    return (), False


def _are_pictures(cells: Sequence[str]) -> bool:
    return sum(map(is_picture, cells)) * 2 > len(cells)


def _examples(
    head: Sequence[str], rows: Iterable[Sequence[str]], columns: _Columns, place: Place
) -> tuple[dict[str, Example], list[Skipped]]:
    """Return the examples by name, and the rows that are none."""
    examples: dict[str, Example] = {}
    skipped: list[Skipped] = []
    several: dict[str, set[str]] = {}
    for row in rows:
        name = printable(row[columns.file].replace("\\", "/").removeprefix("./"))
        made = _example(head, row, columns, place, name)
        if isinstance(made, Skipped):
            skipped.append(made)
        elif name not in examples:
            examples[name] = made
        elif examples[name].label != made.label:
            several.setdefault(name, {examples[name].label}).add(made.label)
        else:
            known = examples[name].boxes
            more = tuple(box for box in made.boxes if box not in known)
            examples[name] = replace(examples[name], boxes=known + more)
    for name, labels in several.items():
        del examples[name]
        skipped.append(Skipped(name, f"It is listed under several classes: {', '.join(sorted(labels))}."))
    return examples, skipped


def _example(head: Sequence[str], row: Sequence[str], columns: _Columns, place: Place, name: str) -> Example | Skipped:
    label = "" if columns.label is None else row[columns.label]
    source = place.find(name)
    box = _box([row[number] for number in columns.box], columns.corners)
    if not label:
        return Skipped(name or "a row", "It has no class.")
    if source is None:
        return Skipped(name or "a row", "There is no such file, or several are called so.", label)
    if reason := unreadable(source):
        return Skipped(name, reason, label)
    if isinstance(box, str):
        return Skipped(name, box, label)
    mask: Source | None = None
    if columns.mask is not None and row[columns.mask]:
        mask = place.find(row[columns.mask])
        if mask is None:
            return Skipped(name, f"Its mask is not there: {row[columns.mask]}.", label)
    return Example(name, label, source, mask, () if box is None else (box,), columns.others(head, row))


def _box(cells: Sequence[str], corners: bool) -> Box | str | None:
    """Return a box; None where there is none; why it is none."""
    if not any(cells):
        return None
    try:
        left, top, wide, tall = (float(cell) for cell in cells)
    except ValueError:
        return f"Its box is none: {', '.join(cells)}."
    box = (left, top, wide - left, tall - top) if corners else (left, top, wide, tall)
    return box if is_box(box) else f"Its box is none: {', '.join(cells)}."
