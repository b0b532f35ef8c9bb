"""From what a person names (a folder, a table, a COCO file, an archive, a name) to a data set."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from picasso.core import registry
from picasso.core.dataset import tables
from picasso.core.dataset.coco import looks_like_coco, read_coco
from picasso.core.dataset.dataset import Dataset, Progress
from picasso.core.dataset.folders import read_folder
from picasso.core.dataset.places import Place, list_archive, list_folder
from picasso.core.dataset.sources import Source, file_at
from picasso.core.errors import DatasetError, PictureError

MOST_TABLE = 2**29
"""Bytes of the largest table or COCO file that is read."""
MOST_DOCUMENTS = 20
"""So many JSON files are looked into at most to find the COCO file among them."""
_ANNOTATIONS = "annotations"
"""The folder in which COCO files lie, beside those of the pictures."""
_HINT = "Give a folder with one folder for each class, a CSV file, a COCO file, or a zip archive of one of these."


def read_dataset(
    source: str | Path,
    *,
    masks: str | Path | None = None,
    labels_column: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read a labelled data set; no picture is opened.

    Args:
        source: A folder with one folder for each class, and perhaps a folder "masks" beside them; a CSV or TSV file
            with a column of files, relative to it, and one of classes; a COCO file of instances; a zip archive of one
            of these; or a name, "demo:tanks".
        masks: A folder or zip archive of masks, each with the name of its picture, instead of those that are found.
        labels_column: For a table: the heading of its column of classes, where that is not plain.
        progress: Called while a data set has to be made first, with how much is done and of how much.

    Returns:
        The data set; what is no example is listed in it with the reason.

    Raises:
        DatasetError: There is no such data set, or it holds no labelled picture.

    Example:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp()) / "tank"
        >>> folder.mkdir()
        >>> folder.joinpath("1.png").write_bytes(b"not opened")
        10
        >>> read_dataset(folder.parent).classes
        ('tank',)
    """
    path = Path(source).expanduser()
    try:
        known = path.exists()
    except OSError as error:
        raise DatasetError(f"{source} cannot be read: {error.strerror}.", "Check the path.") from None
    if known:
        return _read(path, masks, labels_column)
    named = str(source)
    return replace(_read(_by_name(named, progress), masks, labels_column), name=named)


def _by_name(source: str, progress: Progress | None) -> Path:
    for opener in registry.openers(registry.GROUP_DATASETS):
        if opener.claims(source):
            folder: Path = opener.open_dataset(source, progress)
            return folder
    raise DatasetError(f"There is no data set {source}.", _HINT)


def _read(path: Path, masks: str | Path | None, labels_column: str | None) -> Dataset:
    given = None if masks is None else _place(Path(masks).expanduser())
    if path.is_dir():
        return _read_place(_place(path), given, labels_column)
    if path.suffix.lower() in (*tables.SUFFIXES, ".json"):
        if (file := file_at(path)) is None:
            raise DatasetError(f"{path} is no file.", _HINT)
        return _read_table(_contents(file, path.name), path.name, _around(path), given, labels_column)
    if zipfile.is_zipfile(path):
        return _read_place(_place(path), given, labels_column)
    raise DatasetError(f"{path} is no data set.", _HINT)


def files_of(source: str | Path) -> Mapping[str, Source]:
    """Return the files that what a person names may be made of, by name; none of them is opened.

    Args:
        source: As for `read_dataset`: those of a folder, those around a table, an archive itself; none where it is a
            name. Any other folder has its files, too.

    Raises:
        DatasetError: A folder cannot be read, or holds too many files.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return list_folder(path).files
    file = file_at(path)
    if file is None:
        return {}
    files: dict[str, Source] = {path.name: file}
    if path.suffix.lower() in (*tables.SUFFIXES, ".json"):
        files |= _around(path).files
    return files


def _around(table: Path) -> Place:
    """List what a table can mean. What lies far below is found by its path alone: it may lie in somebody's home."""
    beside = table.parent
    return list_folder(beside.parent if beside.name == _ANNOTATIONS else beside, 2)


def _place(path: Path) -> Place:
    return list_folder(path) if path.is_dir() else list_archive(path)


def _read_place(place: Place, masks: Place | None, labels_column: str | None) -> Dataset:
    """Read what lies in a folder or an archive: by its table where there is one, else by its folders."""
    found: dict[str, tuple[bytes, Place]] = {}
    for name in _candidates(place):
        data, near = _contents(place.files[name], name), replace(place, start=name.rpartition("/")[0])
        if looks_like_coco(data) if _is_json(name) else tables.names_pictures(data, name, near, labels_column):
            found[name] = data, near
    if len(found) > 1:
        raise DatasetError(f"{place.name} holds several tables: {', '.join(found)}.", "Name the one that is meant.")
    if not found and labels_column is not None:
        raise DatasetError(
            f"{place.name} holds no table of pictures with a column '{labels_column}'.", "Name the table itself."
        )
    if not found:
        return _with_metadata(read_folder(place, masks), place)
    ((name, (data, near)),) = found.items()
    return replace(_read_table(data, name, near, masks, labels_column), name=place.name)


def _with_metadata(dataset: Dataset, place: Place) -> Dataset:
    """Add what tables beside the folders of classes say of the pictures: site, scanner, date."""
    for name in _candidates(place):
        if _is_json(name):
            continue
        near = replace(place, start=name.rpartition("/")[0])
        said = tables.read_metadata(_contents(place.files[name], name), name, near)
        examples = tuple(
            replace(example, columns={**example.columns, **said.get(example.source, {})})
            for example in dataset.examples
        )
        if said:
            note = f"{name} tells more of {sum(example.source in said for example in examples)} pictures."
            dataset = replace(dataset, examples=examples, notes=(*dataset.notes, note))
    return dataset


def _candidates(place: Place) -> list[str]:
    """Return what may be the table: at the root, which archives wrap into one more folder, or in "annotations"."""
    first = {name.split("/")[0] for name in place.files}
    root = f"{min(first)}/" if len(first) == 1 else ""
    folders = (root.rstrip("/"), f"{root}{_ANNOTATIONS}")
    names = [name for name in place.files if name.rpartition("/")[0] in folders]
    found = [name for name in names if name.lower().endswith(tables.SUFFIXES)]
    documents = [name for name in names if _is_json(name)]
    # Many documents are not the data set's: each belongs to a picture.
    return found + (documents if len(documents) <= MOST_DOCUMENTS else [])


def _read_table(data: bytes, name: str, place: Place, masks: Place | None, labels_column: str | None) -> Dataset:
    if _is_json(name):
        return read_coco(data, name, place, masks)
    return tables.read_table(data, name, place, labels_column, masks)


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")


def _contents(file: Source, name: str) -> bytes:
    """Return the bytes of a table.

    Raises:
        DatasetError: They cannot be read.
    """
    try:
        return file.read(MOST_TABLE)
    except PictureError as error:
        raise DatasetError(f"{name} cannot be read: {error.message}", error.hint) from None
