"""What fits what: a visualization a model, and settings, pictures and targets a visualization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from picasso.core.asking import Place
from picasso.core.errors import PictureError, SettingsError, TargetError
from picasso.core.facts import Capability
from picasso.core.model import Model
from picasso.core.registry import Entry
from picasso.core.settings import Settings
from picasso.core.targets import TargetChoice
from picasso.core.visualization import AttributionMethod, Subject


def read_settings(entry: Entry, values: Mapping[str, Any]) -> Settings:
    """Validate the settings of a visualization.

    Raises:
        SettingsError: A value is not allowed, or there is no such setting.
    """
    return entry.load().settings_type.read(values)


def read_seed(seed: object) -> int:
    """Read a seed: a whole number from 0 on.

    Raises:
        SettingsError: It is none.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise SettingsError(f"seed must be a whole number from 0 on. Got {seed!r}.", "Leave it out, or give 0.")
    return int(seed)


def refuse_subject(title: str, subject: str, pictures: bool, asked: Iterable[object] = ()) -> bool:
    """Say whether a visualization looks at the model alone; refuse pictures there, and none elsewhere.

    Args:
        title, subject: Of the visualization.
        pictures: Whether pictures are given.
        asked: What is asked about a picture: targets, a place.

    Raises:
        PictureError: There are pictures where none is looked at, or there is none.
        TargetError: Something of a picture is asked about, and none is looked at.
    """
    alone = subject == Subject.MODEL
    if alone and pictures:
        raise PictureError(f"{title} looks at the model alone.", "Leave the picture out.")
    if alone and any(asked):
        raise TargetError(f"{title} looks at the model alone: it explains nothing of a picture.", "Leave it out.")
    if not alone and not pictures:
        raise PictureError(f"{title} looks at pictures. Got none.", "Give at least one.")
    return alone


def refuse_class_of_channel(place: Place | None, targets: Sequence[TargetChoice]) -> None:
    """Refuse a class where a channel is explained.

    Raises:
        TargetError: Both were asked for.
    """
    if place is not None and place.channel is not None and targets:
        raise TargetError("A channel of a layer is explained, or a class.", "Leave out one of them.")


def unfit_for_channel(model: Model, entry: Entry) -> str:
    """Say why a visualization cannot explain a channel of a layer by a model that is focused on one, or return ""."""
    kind = entry.load()
    if not issubclass(kind, AttributionMethod):
        return f"{kind.title} explains no channel of a layer: it gives no map."
    absent = sorted(kind.needs - model.capabilities)
    if not absent:
        return ""
    return f"{kind.title} cannot explain a channel of a layer: it needs {', '.join(absent)}, which only classes have."


def missing(model: Model, entry: Entry, abilities: Iterable[str] | None = None) -> str:
    """Say why a visualization does not fit a model, or return "".

    Args:
        model, entry: These two.
        abilities: What the model can do; by default what its adapter says it can.
    """
    kind = entry.load()
    said = lacking(kind.title, kind.needs, model.capabilities if abilities is None else abilities, model.framework)
    return said or stills_only(kind.title, kind.subject, kind.takes_clips, model.facts.frames)


def abilities(model: Model) -> frozenset[Capability]:
    """Return what a model can do, by its layers too: there is no attention among patches where none holds patches."""
    able = model.capabilities
    if Capability.ATTENTION in able and all(layer.grid is None for layer in model.layers()):
        return able - {Capability.ATTENTION}
    return able


def lacking(title: str, needs: Iterable[str], capabilities: Iterable[str], framework: str) -> str:
    """Say what a visualization needs that a model cannot do, or return ""."""
    absent = sorted(set(needs) - set(capabilities))
    for task, who in (("segmentation", "segmenters"), ("detection", "detectors")):
        if task in absent:
            return f"{title} is for {who}, and this {framework} model is none."
    return f"{title} needs {', '.join(absent)}, which this {framework} model lacks." if absent else ""


def stills_only(title: str, subject: str, takes_clips: bool, frames: int | None) -> str:
    """Say that a visualization has to do with still pictures only, and the model reads clips, or return ""."""
    if takes_clips or frames is None:
        return ""
    what = "does not know clips yet" if subject == Subject.MODEL else "looks at still pictures only"
    return f"{title} {what}; this model reads clips of {frames} frames."
