"""What a Keras model keeps of its training that says how its pictures come in and what its answer means."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from picasso.core.hooks import Head
from picasso.core.preprocessing import Preprocessing
from picasso.models.keras import files
from picasso.models.keras.functions import Part

TEACHABLE = re.compile(r"(GlobalAveragePooling2D|dense_Dense)\d+")
"""Ends of the names that Teachable Machine gives the two layers behind its MobileNet."""
QUANTITIES = re.compile(r"mse|mae|msle|mape|logcosh|huber(loss)?|mean(squared|absolute)(logarithmic|percentage)?error")
"""Losses, without their underscores, of networks that answer with a quantity."""
YES_OR_NO = re.compile(r"binary(focal)?crossentropy|bce")
"""Losses of networks that answer for each class apart."""


def teachable(parts: Sequence[Part], shape: tuple[int, int, int]) -> Preprocessing | None:
    """Return how Teachable Machine prepares pictures, where a model is laid out as it exports them."""
    ends = {found[1] for part in parts if (found := TEACHABLE.search(part.name)) and found.end() == len(part.name)}
    if len(ends) < 2 or shape != (224, 224, 3):
        return None
    return Preprocessing(size=224, resize="crop", mean=(0.5,), std=(0.5,))


def head_of(model: Any, sources: Sequence[Path]) -> tuple[Head, str] | None:
    """Return the head that a model's loss speaks of, and the loss; None where it has none, or one of no news.

    Args:
        model: The keras.Model.
        sources: The files that it was read from.
    """
    name = _name(getattr(model, "loss", None) or next(filter(None, map(_kept, sources)), None))
    plain = name.replace("_", "").lower()
    if QUANTITIES.fullmatch(plain):
        return Head.NONE, name
    return (Head.SIGMOID, name) if YES_OR_NO.fullmatch(plain) else None


def _kept(path: Path) -> Any:
    """Return the loss that a file keeps, as Keras wrote it."""
    try:
        kind = files.kind_of(path)
        if kind is files.Kind.ARCHIVE:
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json"))["compile_config"]["loss"]
        if kind is files.Kind.WHOLE:
            with files.opened_hdf5(path) as content:
                settings = json.loads(files.text_of(content, "training_config"))
                return settings.get("loss") or settings["training_config"]["loss"]
    except (KeyError, TypeError, ValueError):
        return None
    return None


def _name(loss: Any) -> str:
    """Return the name of a loss as Keras writes it, or of a live one; "" for several."""
    if isinstance(loss, list | tuple) and len(loss) == 1:
        return _name(loss[0])
    if isinstance(loss, dict):
        if "class_name" in loss:
            return _name(loss["config"] if loss["class_name"] == "function" else loss["class_name"])
        return _name(next(iter(loss.values()))) if len(loss) == 1 else ""
    if isinstance(loss, str):
        return loss
    return str(getattr(loss, "__name__", None) or type(loss).__name__) if loss is not None else ""
