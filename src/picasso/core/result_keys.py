"""The key under which a result is kept: equal exactly when the same numbers must come out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from picasso.core import registry
from picasso.core.asking import Place
from picasso.core.facts import Task
from picasso.core.model import Model
from picasso.core.pictures.images import Picture
from picasso.core.registry import Entry, Find
from picasso.core.settings import Settings
from picasso.core.sources import pinned
from picasso.core.targets import Target, TargetChoice, make_target
from picasso.core.versions import version


def cache_key(
    model: Model,
    entry: Entry,
    settings: Settings,
    picture: Picture | None,
    targets: Sequence[TargetChoice],
    top: int,
    seed: int,
    place: Place | None = None,
    digest: str = "",
    find: Find = registry.visualization,
) -> str:
    """Return the key under which a result is kept: equal exactly when the same numbers must come out.

    `digest` is the model's, where that is known: of a live network it takes a pass to find out.
    """
    return result_key(
        model=digest or model.digest,
        visualization=(entry.name, entry.digest, entry.load().version),
        settings=pinned(
            type(settings).model_json_schema(), settings.model_dump(mode="json"), lambda name: _stamp(find(name))
        ),
        picture=picture.digest if picture else "",
        targets=[target_key(choice, model.labels, model.facts.columns, model.facts.task) for choice in targets],
        top=top,
        seed=seed,
        at=place.key if place else "",
    )


def _stamp(entry: Entry) -> str:
    """Return what tells a visualization from its earlier versions."""
    return f"{entry.digest} {entry.load().version}"


def target_key(choice: TargetChoice, labels: Sequence[str], columns: int, task: Task) -> str:
    """Return what tells a target from every other one of a model.

    What a segmenter or detector finds is named only once the picture is there, so the choice itself is the key then.

    Raises:
        TargetError: There is no such class.
    """
    if task is Task.CLASSIFICATION:
        return make_target(choice, labels, columns).key
    return choice.key if isinstance(choice, Target) else f"{'label' if isinstance(choice, str) else 'index'} {choice}"


def result_key(
    *,
    model: str,
    visualization: tuple[str, str, int],
    settings: Mapping[str, Any],
    picture: str,
    targets: Sequence[str],
    top: int,
    seed: int,
    at: str = "",
) -> str:
    """Return `cache_key` from what is written down of a model and a visualization, where neither is loaded.

    Args:
        model: The model's digest.
        visualization: Its name, digest and version.
        settings: Validated settings as JSON.
        picture: The picture's digest; "" of the model alone.
        targets: Keys of the chosen targets; empty for the best classes.
        top: How many of the best classes.
        seed: Seed of everything random.
        at: The key of the place that is explained, or "".
    """
    parts = {
        "model": model,
        "visualization": list(visualization),
        "settings": dict(settings),
        "picture": picture,
        "targets": list(targets),
        "top": top if picture and not targets else None,
        "seed": seed,
        "at": at,
        "picasso": version("picasso"),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
