"""What the catalogue's own process does: it imports plug-ins and reads data sets, which the web process never does."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from picasso.core import fitting, registry
from picasso.core.errors import NotFoundError, PicassoError, PictureError, PluginError, SettingsError
from picasso.core.index import pictures_of
from picasso.core.registry import Entry
from picasso.core.visualization import AttributionMethod, Family
from picasso.service.limits import end_with_parent, guard_memory
from picasso.service.masks import mask_in_dataset
from picasso.service.processes import take_environment
from picasso.service.records import Fault

MOST_SKIPPED = 5
MOST_ANSWERED = 32 * 2**20
"""Bytes of the pictures that are handed over in one answer, unless a single one is larger."""


@dataclass(frozen=True)
class Description:
    """A visualization as the web process knows it.

    Args:
        name, title, family, description, formula, pitfalls, references, version, subject: As its class says; title =
            name where it is broken.
        needs: What the model must be able to do.
        attributes: Whether it explains targets with maps.
        settings: JSON schema of its settings.
        defaults: The settings' defaults, JSON.
        origin: "built-in", "package" or "folder".
        file: Its path.
        digest: Of its file and template.
        template: Source of its Jinja template, or "".
        error: The traceback of a broken plug-in, or "".
        takes_clips: Whether it also looks at clips.
    """

    name: str
    title: str
    family: str
    description: str
    formula: str
    pitfalls: tuple[str, ...]
    references: tuple[str, ...]
    needs: tuple[str, ...]
    version: int
    subject: str
    attributes: bool
    settings: dict[str, Any]
    defaults: dict[str, Any]
    origin: str
    file: str
    digest: str
    template: str
    error: str
    takes_clips: bool = False

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Description:
        """Read a description back from JSON."""
        return cls(**raw | {name: tuple(raw[name]) for name in ("pitfalls", "references", "needs")})


@dataclass(frozen=True)
class DatasetCard:
    """A data set as the web process knows it.

    Args:
        pictures: How many it has.
        classes: Its classes, each with how many pictures it has.
        objects: Of how many pictures it is known where the object is.
        columns: What else is known of pictures: "site", "split".
        notes: What a reader should know.
        skipped: How many pictures are none of it.
        reasons: The first of these, and why.
    """

    pictures: int
    classes: tuple[tuple[str, int], ...]
    objects: int
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    skipped: int
    reasons: tuple[str, ...]

    @classmethod
    def read(cls, raw: dict[str, Any]) -> DatasetCard:
        """Read a card back from JSON."""
        lists = {name: tuple(raw[name]) for name in ("columns", "notes", "reasons")}
        return cls(**raw | lists | {"classes": tuple((name, count) for name, count in raw["classes"])})


@dataclass(frozen=True)
class InterventionCard:
    """An intervention as the web process knows it: as its class says."""

    name: str
    title: str
    role: str
    needs: tuple[str, ...]

    @classmethod
    def read(cls, raw: dict[str, Any]) -> InterventionCard:
        """Read a card back from JSON."""
        return cls(**raw | {"needs": tuple(raw["needs"])})


def settle(memory: float | None, environment: dict[str, str]) -> None:
    """Prepare the process: it ends when it takes more memory than it may, in gigabytes, and when the server ends."""
    take_environment(environment)
    guard_memory(memory)
    end_with_parent()


def answer(question: Callable[..., object], *arguments: object) -> str:
    """Answer a question of the web process as JSON: an object of a plug-in's own class would not survive the way.

    Returns:
        {"answer": ...}, or {"fault": ...} where one of Picasso's errors was raised.
    """
    try:
        return json.dumps({"answer": question(*arguments)})
    except PicassoError as error:
        fault = Fault(error.code, str(error.message), str(error.hint))
    except (Exception, SystemExit) as error:
        fault = Fault(PluginError.code, f"It raised {type(error).__name__}: {error}")
    return json.dumps({"fault": asdict(fault)})


def describe_all(folders: tuple[Path, ...]) -> list[dict[str, Any]]:
    """Import all plug-ins and describe them."""
    return [asdict(_describe(name, entry)) for name, entry in registry.visualizations(folders).items()]


def describe_one(folders: tuple[Path, ...], name: str) -> dict[str, Any]:
    """Import one plug-in and describe it."""
    return asdict(_describe(name, registry.visualization(name, folders)))


def describe_interventions() -> list[dict[str, Any]]:
    """Import what audits change pictures with, and describe it; what is broken is left out."""
    kinds = [entry.kind for entry in registry.interventions().values() if entry.kind is not None]
    return [{"name": kind.name, "title": kind.title, "role": kind.role, "needs": sorted(kind.needs)} for kind in kinds]


def describe_dataset(path: str) -> dict[str, Any]:
    """Read a data set, without opening its pictures, and say what is there.

    Raises:
        DatasetError: There is no such data set, or it holds no labelled picture.
    """
    from picasso.core.dataset import read_dataset

    dataset = read_dataset(path)
    skipped = [f"{one.name}: {one.reason}" for one in dataset.skipped[:MOST_SKIPPED]]
    return asdict(
        DatasetCard(
            pictures=len(dataset),
            classes=tuple(dataset.counts.items()),
            objects=sum(one.mask is not None or bool(one.boxes) for one in dataset.examples),
            columns=tuple(dict.fromkeys(name for one in dataset.examples for name in one.columns)),
            notes=dataset.notes,
            skipped=len(dataset.skipped),
            reasons=tuple(skipped),
        )
    )


def read_settings(folders: tuple[Path, ...], name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Validate settings and return them completed, as JSON.

    Raises:
        SettingsError: A value is not allowed.
        PluginError: The visualization is broken.
        NotFoundError: There is none of that name.
    """
    entry = registry.visualization(name, folders)
    return fitting.read_settings(entry, values).model_dump(mode="json")


def broken(name: str, origin: str, file: str, error: str) -> Description:
    """Describe a plug-in that cannot be used."""
    return Description(
        name=name,
        title=name,
        family=Family.OTHERS,
        description="",
        formula="",
        pitfalls=(),
        references=(),
        needs=(),
        version=0,
        subject="pictures",
        attributes=False,
        settings={},
        defaults={},
        origin=origin,
        file=file,
        digest="",
        template="",
        error=error,
    )


def _describe(name: str, entry: Entry) -> Description:
    if entry.kind is None:
        return broken(name, entry.origin, str(entry.path), entry.error)
    kind = entry.kind
    try:
        described = Description(
            name=name,
            title=kind.title,
            family=kind.family,
            description=kind.description(),
            formula=kind.formula,
            pitfalls=tuple(kind.pitfalls),
            references=tuple(kind.references),
            needs=tuple(sorted(str(need) for need in kind.needs)),
            version=kind.version,
            subject=str(kind.subject),
            attributes=issubclass(kind, AttributionMethod),
            settings=kind.settings_type.model_json_schema(),
            defaults=kind.settings_type.read({}).model_dump(mode="json"),
            origin=entry.origin,
            file=str(entry.path),
            digest=entry.digest,
            template=entry.template,
            error="",
            takes_clips=kind.takes_clips,
        )
        json.dumps(asdict(described))
        return described
    except (
        Exception,
        SystemExit,
    ):  # a class that imports and still breaks the contract is listed like one that does not import
        return broken(name, entry.origin, str(entry.path), traceback.format_exc(limit=-8))


def read_examples(source: str, names: list[str]) -> list[dict[str, str]]:
    """Read the files of some pictures of a folder or data set, and the masks of their objects.

    Returns:
        {"data": base64} or {"problem": why not} for each; with "mask", base64 of a PNG, where it is known where the
        object is, and with "note" where that cannot be used. At least the first one, and of the others so many that
        the answer stays small; ask again for the rest.
    """
    dataset = pictures_of(source)
    known = {example.name: example for example in dataset.examples}
    answers: list[dict[str, str]] = []
    size = 0
    for name in names:
        try:
            size += known[name].source.size
            if answers and size > MOST_ANSWERED:
                break
            read = {"data": base64.b64encode(dataset.read(known[name])).decode()}
            mask, note = mask_in_dataset(dataset, known[name])
            if mask is not None:
                read["mask"] = base64.b64encode(mask).decode()
            answers.append(read | ({"note": note} if note else {}))
        except KeyError:
            answers.append({"problem": f"'{name}' is not in {dataset.name} any more."})
        except PictureError as error:
            answers.append({"problem": error.message})
    return answers


def check_label(source: str, picture: str, label: str) -> None:
    """Refuse a label that somebody gives to what is no picture of a folder or data set, or that is none of its classes.

    Args:
        source: The folder or data set.
        picture: The picture's place in it.
        label: The label; "" takes an earlier one back.

    Raises:
        NotFoundError: There is no such picture.
        SettingsError: There is no such class.
    """
    dataset = pictures_of(source)
    if not any(example.name == picture for example in dataset.examples):
        raise NotFoundError(f"There is no picture '{picture[:80]}' in {dataset.name}.", "Label one that is in it.")
    if label and label not in dataset.classes:
        raise SettingsError(
            f"label must be a class of {dataset.name}. Got '{label[:80]}'.",
            f"Its classes: {', '.join(dataset.classes[:20]) or 'none'}.",
        )
