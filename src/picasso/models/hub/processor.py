"""Hugging Face's image processors, translated into Picasso's preprocessing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from picasso.core.errors import ModelFileError
from picasso.core.facts import Task
from picasso.core.preprocessing import Preprocessing

_FILTERS = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""By Pillow's number."""
CROPPED = "Where the rest beside the center is odd, transformers may cut one pixel higher or further left than Picasso."
_NAMES = {1: "Lanczos", 4: "box", 5: "Hamming"}


def read_processor(config: Mapping[str, Any], task: Task) -> tuple[Preprocessing, tuple[str, ...]]:
    """Translate what an image processor says of itself (`to_dict`); what cannot be said exactly is noted.

    Args:
        config: Its fields.
        task: What the network does: a detector must see the whole picture, whatever becomes of its aspect.

    Raises:
        ModelFileError: It does not say to what size a picture is brought.
    """
    notes: list[str] = []
    values = _geometry(config, task, notes)
    if values["resize"] == "crop":
        notes.append(CROPPED)
    number = config.get("resample")
    number = 2 if number is None else int(number)
    values["interpolation"] = _FILTERS.get(number, "bicubic")
    if number not in _FILTERS:
        notes.append(f"The library resizes with the filter {_NAMES.get(number, number)}; Picasso with bicubic.")
    factor = float(config.get("rescale_factor") or 1 / 255) if config.get("do_rescale", True) else 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    if config.get("do_normalize", False):
        mean, std = tuple(config.get("image_mean") or mean), tuple(config.get("image_std") or std)
    if config.get("rescale_offset"):  # pixels * factor - 1, before mean and std
        mean = tuple(value + 1 for value in mean)
    if str(config.get("image_processor_type")).startswith("EfficientNet") and config.get("include_top"):
        std = tuple(value**2 for value in config.get("image_std") or (1.0,))  # it divides once more
    values |= {"scale": factor, "mean": mean, "std": std}
    values["color"] = "bgr" if config.get("do_flip_channel_order") else "rgb"
    return Preprocessing.model_validate(values), tuple(notes)


def _geometry(config: Mapping[str, Any], task: Task, notes: list[str]) -> dict[str, Any]:
    """Return size, resize and short_side."""
    crop = _sides(config.get("crop_size")) if config.get("do_center_crop") else None
    size = config.get("size") if config.get("do_resize", True) else None
    exact = _sides(size)
    short = size.get("shortest_edge") if isinstance(size, Mapping) else None
    kind = str(config.get("image_processor_type") or "")
    if short is not None and kind.startswith(("ConvNext", "PoolFormer")):
        # Their `size` is that of the input; the picture is first made larger by the share that is cropped.
        share = float(config.get("crop_pct") or 224 / 256)
        if kind.startswith("ConvNext") and short >= 384:
            return {"size": short, "resize": "stretch"}
        return {"size": short, "resize": "crop", "short_side": math.floor(short / share)}
    if short is not None and kind.startswith("Levit"):
        short = int(256 / 224 * short)
    if exact is not None and crop is None:
        return {"size": _size(exact), "resize": "stretch"}
    if exact is not None and crop is not None:
        if exact != crop or exact[0] != exact[1]:
            notes.append(
                f"The library stretches to {exact[0]} x {exact[1]} and takes the center; Picasso keeps the aspect."
            )
        return {"size": _size(crop), "resize": "crop", "short_side": max(*exact, *crop)}
    if short is not None and crop is not None:
        if short < max(crop):
            notes.append(f"The library pads a short side of {short} with black; Picasso enlarges it.")
        return {"size": _size(crop), "resize": "crop", "short_side": max(short, *crop)}
    if short is not None:
        how = "stretch" if task is Task.DETECTION else "crop"
        what = "stretches it to" if task is Task.DETECTION else "reads the center,"
        notes.append(
            f"The library brings the short side to {short}, the aspect kept; Picasso {what} {short} x {short}."
        )
        return {"size": short, "resize": how}
    if crop is not None:
        return {"size": _size(crop), "resize": "crop"}
    raise ModelFileError(
        "The image processor does not say to what size a picture is brought.",
        "Load the network with its library, and give it to load_model with preprocessing=Preprocessing(size=...).",
    )


def _sides(size: Any) -> tuple[int, int] | None:
    if isinstance(size, int):
        return size, size
    if isinstance(size, Mapping) and size.get("height") and size.get("width"):
        return int(size["height"]), int(size["width"])
    return None


def _size(sides: tuple[int, int]) -> int | tuple[int, int]:
    return sides[0] if sides[0] == sides[1] else sides
