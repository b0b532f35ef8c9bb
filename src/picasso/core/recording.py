"""What is written down of a run: every choice that was made, as JSON."""

from __future__ import annotations

from typing import Any

from picasso.core.asking import Place
from picasso.core.facts import Sample
from picasso.core.model import Model
from picasso.core.pictures.images import Picture
from picasso.core.registry import Entry
from picasso.core.settings import Settings
from picasso.core.versions import versions


def record(
    model: Model, entry: Entry, settings: Settings, seed: int, seconds: float, digest: str, preprocessed: bool = True
) -> dict[str, Any]:
    """Return every choice that was made about the model and the visualization, as JSON.

    `preprocessed`: whether the model's own preprocessing made its input.
    """
    kind = entry.load()
    preprocessing = model.hooks.preprocessing
    return {
        "visualization": {
            "name": entry.name,
            "title": kind.title,
            "version": kind.version,
            "digest": entry.digest,
            "references": list(kind.references),
        },
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "model": {
            "name": model.name,
            "digest": digest or model.whole.digest,
            "framework": model.framework,
            "task": str(model.facts.task),
            "head": str(model.head),
            "score_units": model.facts.units,
            "input_shape": list(model.input_shape),
            "preprocessing": preprocessing.model_dump(mode="json") if preprocessing and preprocessed else None,
            "notes": list(model.facts.notes),
        }
        | ({} if model.facts.frames is None else {"frames": model.facts.frames}),
        "picture": None,
        "seconds": round(seconds, 3),
        "versions": versions(model),
    }


def record_of_picture(model: Model, picture: Picture, sample: Sample, place: Place | None) -> dict[str, Any]:
    """Return what was chosen and done about a picture, as JSON."""
    return {
        "asked": model.focus.about if model.focus else None,
        "at": place.text if place else None,
        "certainty": model.focus.share if model.focus else "score" if model.head == "none" else "probability",
        "picture": {
            "name": picture.name,
            "digest": picture.digest,
            "height": picture.height,
            "width": picture.width,
            "notes": list(picture.notes),
            "frame": vars(sample.frame) if sample.frame else None,
        },
        "patching": str(model.patching) if model.patching.windows else None,
    }
