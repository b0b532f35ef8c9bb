"""What is known of a model once a worker has opened it, and whether that still holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from picasso.core.fitting import abilities, lacking, stills_only
from picasso.core.model import Model
from picasso.core.names import path_parts
from picasso.service.configuration import ModelSpecification
from picasso.service.plugin_process import Description

_MOST_FILES = 2000
"""Files of a model folder whose times are looked at."""


@dataclass(frozen=True)
class Seen:
    """A file as it was when the model was opened: a change of time or size means opening it again."""

    path: str
    modified: int
    size: int


@dataclass(frozen=True)
class Card:
    """What the page shows of a model. Written by the worker that opened it.

    Args:
        framework: "PyTorch", ...
        input_shape: (height, width, channels).
        labels: One for each class.
        head: "softmax", "sigmoid" or "none".
        score_units: What a score is: "logit", ...
        columns: Number of columns of the network's scores.
        parameters: Their number.
        notes: How these facts were found.
        capabilities: What the model can do, by its layers too.
        preprocessing: The declared preprocessing, or None.
        layers: {"name", "kind", "shape", "spatial"} in the order of execution.
        default_layer: Name of the layer that class activation maps use, or None.
        task: What it answers: "classification", "segmentation" or "detection".
        digest: Of everything that decides what the model answers.
        files: What it was opened from.
        frames: How many frames it reads, where it reads clips; else None.
    """

    framework: str
    input_shape: tuple[int, int, int]
    labels: tuple[str, ...]
    head: str
    score_units: str
    columns: int
    parameters: int
    notes: tuple[str, ...]
    capabilities: tuple[str, ...]
    preprocessing: dict[str, Any] | None
    layers: tuple[dict[str, Any], ...]
    default_layer: str | None
    digest: str
    task: str
    files: tuple[Seen, ...]
    frames: int | None = None

    @classmethod
    def of(cls, model: Model, files: tuple[Seen, ...]) -> Card:
        """Describe an open model."""
        default = model.default_layer()
        preprocessing = model.hooks.preprocessing
        return cls(
            framework=model.framework,
            input_shape=model.input_shape,
            labels=tuple(model.labels),
            head=str(model.head),
            score_units=model.facts.units,
            columns=model.facts.columns,
            parameters=model.facts.size,
            notes=tuple(model.facts.notes),
            capabilities=tuple(sorted(str(capability) for capability in abilities(model))),
            preprocessing=preprocessing.model_dump(mode="json") if preprocessing else None,
            layers=tuple(
                {"name": layer.name, "kind": layer.kind, "shape": list(layer.shape), "spatial": layer.spatial}
                for layer in model.layers()
            ),
            default_layer=default.name if default else None,
            digest=model.digest,
            task=str(model.facts.task),
            files=files,
            frames=model.facts.frames,
        )

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Card:
        """Read a card back from JSON."""
        return cls(**raw | {"labels": tuple(raw["labels"]), "files": tuple(Seen(**file) for file in raw["files"])})

    def fresh(self) -> bool:
        """Say whether the files are still what they were when the model was opened."""
        return look({file.path for file in self.files}) == frozenset(self.files)


def unfit(visualization: Description, card: Card) -> str:
    """Say why a visualization does not fit a model, or return ""."""
    title = visualization.title
    said = lacking(title, visualization.needs, card.capabilities, card.framework)
    return said or stills_only(title, visualization.subject, visualization.takes_clips, card.frames)


def look(paths: Iterable[str]) -> frozenset[Seen]:
    """Return files as they are now; absent ones are left out."""
    return frozenset(seen for path in paths if (seen := _seen(Path(path))) is not None)


def files_of(specification: ModelSpecification) -> set[str]:
    """Return the files that a specification names, as far as they exist."""
    held = [value for value in specification.hold.values() if isinstance(value, str)]
    named = [specification.source, specification.factory or "", specification.weights or "", *held]
    if isinstance(specification.labels, str):
        named.append(specification.labels)
    found: set[str] = set()
    for name in named:
        _, file, _ = path_parts(name)
        if file and Path(file).exists():
            found.update(str(path) for path in _inside(Path(file).absolute()))
    return found


def all_files(specification: ModelSpecification, model: Model) -> set[str]:
    """Return the files that an open model came from."""
    more = (str(inner) for path in model.files for inner in _inside(path))
    return files_of(specification) | set(more)


def _inside(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for count, inner in enumerate(sorted(path.rglob("*"))):
        if count >= _MOST_FILES:
            return
        if inner.is_file():
            yield inner


def _seen(path: Path) -> Seen | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return Seen(str(path), found.st_mtime_ns, found.st_size)
