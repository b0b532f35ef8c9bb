"""A folder for each class, with masks beside them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from picasso.core.dataset.dataset import Dataset
from picasso.core.dataset.example import Example, Skipped
from picasso.core.dataset.places import Place, natural, unreadable
from picasso.core.dataset.sources import Source, composed
from picasso.core.errors import DatasetError
from picasso.core.pictures.images import SUFFIXES

SPLITS = frozenset(
    ("train", "training", "trn", "val", "valid", "validation", "dev", "eval", "test", "testing", "tst", "holdout")
)
"""Names of folders that part a data set, and are no classes."""
MASKS = "masks"
"""The folder that holds masks. One that is called "mask" may be a class."""
OBJECT = "object"
"""The one that is meant where masks have several parts."""


def read_folder(place: Place, masks: Place | None = None) -> Dataset:
    """Read a data set of one folder for each class.

    Args:
        place: What lies there.
        masks: Masks, each with its picture's name, or None for what lies in a folder "masks" beside the classes.

    Raises:
        DatasetError: There are no pictures in folders, or no mask fits any picture.
    """
    pictures = {name: file for name, file in place.files.items() if not _holds_masks(name) and is_picture(name)}
    root = _root(pictures)
    notes = [f"All pictures lie in '{root[:-1]}': the folders in it are the classes."] if root else []
    placed = {name: name.removeprefix(root).split("/") for name in pictures}
    tops = {parts[0] for parts in placed.values() if len(parts) > 1}
    split = bool(tops) and all(top.casefold() in SPLITS for top in tops)
    if split:
        notes.append(f"The data set is split into {', '.join(sorted(tops, key=natural))}: all of it is used.")
    level = 1 if split else 0
    examples, skipped = [], [*place.skipped, *_no_pictures(place, root, level)]
    drawn = _masks(place, masks)
    fitting = fit_masks(drawn, list(pictures), "" if masks is None else masks.name)
    for name, parts in placed.items():
        reason = "It lies in no class's folder." if len(parts) < level + 2 else unreadable(pictures[name])
        if reason:
            skipped.append(Skipped(name, reason, parts[level] if len(parts) >= level + 2 else ""))
            continue
        columns = {"split": parts[0]} if split else {}
        examples.append(Example(name, parts[level], pictures[name], fitting.get(name), columns=columns))
    if not examples:
        raise DatasetError(
            f"{place.name} holds no pictures in folders of classes.",
            "Give a folder with one folder for each class, or a CSV file with a column of files and one of classes.",
        )
    notes += [*_empty_folders(place, root, level), *unfitting(drawn, fitting)]
    labels = tuple(sorted({example.label for example in examples}, key=lambda label: (natural(label), label)))
    return Dataset(place.name, labels, tuple(examples), tuple(skipped), tuple(notes))


def is_picture(name: str) -> bool:
    """Say whether a file is a picture, by how its name ends."""
    return name.lower().endswith(SUFFIXES)


def _root(pictures: Iterable[str]) -> str:
    """Return the folder that all class folders lie in, "set/", or "": archives hold one more around everything."""
    root = ""
    while True:
        inner = [name.removeprefix(root).split("/") for name in pictures]
        # Where pictures lie right below, the folder is a class.
        if len({parts[0] for parts in inner}) != 1 or any(len(parts) < 3 for parts in inner):
            return root
        root += f"{inner[0][0]}/"


def _holds_masks(name: str) -> bool:
    """Say whether a file lies in the folder of masks."""
    return any(folder.casefold() == MASKS for folder in name.split("/")[:-1])


def _no_pictures(place: Place, root: str, level: int) -> list[Skipped]:
    """List the files in the folders of classes that are no pictures."""
    depth = root.count("/") + level + 1
    return [
        Skipped(name, "Its name does not end as a picture's does.")
        for name in place.files
        if name.count("/") >= depth and not is_picture(name) and not _holds_masks(name)
    ]


def _empty_folders(place: Place, root: str, level: int) -> list[str]:
    """Say which folders would be classes if there were a picture in them."""
    depth = root.count("/") + level + 1
    filled = {"/".join(name.split("/")[:depth]) for name in place.files if is_picture(name)}
    empty = [
        folder
        for folder in sorted(place.folders - filled, key=natural)
        if folder.count("/") == depth - 1 and folder.startswith(root) and not _holds_masks(f"{folder}/")
    ]
    return [f"No pictures lie in: {', '.join(empty)}."] if empty else []


def _masks(place: Place, given: Place | None) -> dict[str, Source]:
    """Return the masks by name: those that were given, else those that lie in a folder of masks."""
    if given is None:
        found = {name: file for name, file in place.files.items() if _holds_masks(name) and is_picture(name)}
    else:
        found = {name: file for name, file in given.files.items() if is_picture(name)}
    of_objects = {name: file for name, file in found.items() if OBJECT in name.split("/")[:-1]}
    return of_objects or found


def fit_masks(masks: Mapping[str, Source], pictures: list[str], given: str = "") -> dict[str, Source]:
    """Return the mask of each picture: the one in the same folders, else the only one of its name.

    Args:
        masks: By name.
        pictures: Names of the pictures.
        given: The name of the masks' folder, where somebody gave it.

    Raises:
        DatasetError: The folder was given, and holds no mask of any picture.
    """
    by_end: defaultdict[tuple[str, ...], list[Source]] = defaultdict(list)
    for name, file in masks.items():
        for end in _ends(name):
            by_end[end].append(file)
    # Pictures of one name in several folders share no mask.
    shared = Counter(end for name in pictures for end in _ends(name))
    fitting: dict[str, Source] = {}
    for name in pictures:
        found = next((by_end[end] for end in _ends(name) if shared[end] == 1 and end in by_end), [])
        if len(found) == 1:
            fitting[name] = found[0]
    if given and not fitting:
        raise DatasetError(f"{given} holds no mask of these pictures.", "A mask has the name of its picture.")
    return fitting


def unfitting(masks: Mapping[str, Source], fitting: Mapping[str, Source]) -> list[str]:
    """Say how many masks are of no picture: by their names, or because several pictures are called so.

    Args:
        masks: By name; what is no picture is not counted.
        fitting: What `fit_masks` made of them.
    """
    used = set(fitting.values())
    left = [name for name, file in masks.items() if file not in used and is_picture(name)]
    if not left:
        return []
    fit = "mask files fit" if len(left) > 1 else "mask file fits"
    return [f"{len(left)} {fit} no picture, or several of one name; the first: {left[0]}."]


def _ends(name: str) -> list[tuple[str, ...]]:
    """Return what a mask may share with its picture: the name without suffix, in all its folders, in fewer, in none."""
    *folders, last = composed(name).split("/")
    parts = [folder for folder in folders if folder.casefold() not in (MASKS, OBJECT)] + [
        last.rpartition(".")[0] or last
    ]
    return [tuple(parts[start:]) for start in range(len(parts))]
