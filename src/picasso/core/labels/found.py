"""Labels that nobody gave: those in a file beside the model, and ImageNet's for a network of its thousand classes."""

from __future__ import annotations

import ast
import importlib.util
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from picasso.core.errors import LabelsError
from picasso.core.labels.reading import fit_labels, read_labels

_NAMES = (
    *("labels.txt", "labels.csv", "labels.json", "label.txt", "class_names.txt", "class_names.json", "classes.txt"),
    *("classes.json", "class_indices.json", "imagenet_class_index.json", "label_map.pbtxt", "labelmap.txt"),
    *("synset_words.txt", "synset.txt", "names.txt", "class_to_idx.json", "idx_to_class.json", "index_to_name.json"),
    *("id2label.json", "label2id.json", "categories.txt", "imagenet_classes.txt", "coco.names", "obj.names"),
    *("metadata.json", "config.json", "data.yaml"),
)
"""Files that are taken for the labels of a model in the same folder, the surest first."""
_OF_MODEL = (".labels.txt", "_labels.txt", "-labels.txt", ".labels.json", "_labels.json", ".names", ".classes.txt")
"""Ends of files whose names begin with the model's: net.labels.txt for net.onnx."""
_HOLDING = ("config.json", "metadata.json", "data.yaml")
"""Files that may hold much else."""
IMAGENET = "The {count} classes are taken for ImageNet-1k's; give labels if they are not."


def beside(path: Path, classes: int) -> tuple[tuple[str, ...], str, Path] | None:
    """Return the labels in a file beside a model's, a note that says so, and that file; or None.

    Args:
        path: The model's file or folder.
        classes: How many labels there must be: files that hold another number are passed over.
    """
    for candidate in _candidates(path):
        try:
            if candidate.name in _HOLDING and not _holds_labels(candidate):
                continue
            labels, note = fit_labels(read_labels(candidate), classes)
        except (LabelsError, OSError, ValueError):
            continue
        return labels, " ".join(filter(None, (f"Labels were found in {candidate.name}.", note))), candidate
    return None


def imagenet(classes: int) -> tuple[tuple[str, ...], str] | None:
    """Return ImageNet-1k's labels for a network of 1000 classes, or 1001 with the background, and a note; or None.

    The names come from a file of torchvision or timm, where either is installed; neither is imported.
    """
    names = _imagenet() if classes in (1000, 1001) else ()
    if len(names) != 1000:
        return None
    return (names if classes == 1000 else ("background", *names)), IMAGENET.format(count=classes)


def _candidates(path: Path) -> Iterator[Path]:
    folders = [path, path / "assets"] if path.is_dir() else [path.parent]
    own = [path.parent / f"{path.stem}{end}" for end in _OF_MODEL]
    for candidate in (*own, *(folder / name for folder in folders for name in _NAMES)):
        if candidate.is_file() and candidate != path:
            yield candidate


def _holds_labels(path: Path) -> bool:
    """Say whether a configuration holds labels that a person wrote: not the LABEL_0 that is put in where none are."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".json":
        return "names" in text
    value = json.loads(text)
    named = value.get("id2label") or value.get("labels") if isinstance(value, dict) else None
    labels = list(named.values()) if isinstance(named, dict) else named
    return isinstance(labels, list) and not all(str(label).startswith("LABEL_") for label in labels)


@cache
def _imagenet() -> tuple[str, ...]:
    for package, read in (("torchvision", _torchvision), ("timm", _timm)):
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            try:
                names = read(Path(folder))
            except (OSError, ValueError, KeyError, SyntaxError):
                continue
            if len(names) == 1000:
                return names
    return ()


def _torchvision(folder: Path) -> tuple[str, ...]:
    tree = ast.parse((folder / "models" / "_meta.py").read_text(encoding="utf-8"))
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "_IMAGENET_CATEGORIES" for target in statement.targets
        ):
            return tuple(str(name) for name in ast.literal_eval(statement.value))
    return ()


def _timm(folder: Path) -> tuple[str, ...]:
    data = folder / "data" / "_info"
    lines = (data / "imagenet_synset_to_lemma.txt").read_text(encoding="utf-8").splitlines()
    lemmas = dict(line.split("\t", 1) for line in lines if "\t" in line)
    synsets = (data / "imagenet_synsets.txt").read_text(encoding="utf-8").split()
    return tuple(lemmas[synset] for synset in synsets)
