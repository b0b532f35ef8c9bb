"""torchvision's classifiers and segmenters by name, with the preprocessing and labels of their published weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError, NotSupportedError
from picasso.core.hooks import Head
from picasso.core.preprocessing import Preprocessing
from picasso.models import hub_weights
from picasso.models.hub_fetching import cache_of_torch, fetching
from picasso.models.hub_made import RANDOM, Made, fitting, hushed, imported, unknown

_INTERPOLATIONS = {"nearest": "nearest", "nearest-exact": "nearest", "bilinear": "bilinear", "bicubic": "bicubic"}


def make(source: str, weights: str | None) -> Made:
    """Make a network of torchvision.

    Args:
        source: "torchvision:resnet18", or with one of its published weights "torchvision:resnet50.IMAGENET1K_V1".
        weights: A file, "random", or None for the published ones.

    Raises:
        ModelFileError: There is no such network, or its weights are not at hand.
        NotSupportedError: It reads videos or pairs of pictures, or answers with boxes after suppression.
    """
    library = imported("torchvision")
    models = library.models
    name, _, entry = source.partition(":")[2].partition(".")
    name = name.lower()
    if name not in models.list_models():
        raise unknown(source, name, models.list_models(), "torchvision")
    segments = _check_task(models, name)
    published = _entry(models, name, entry)
    preprocessing, notes = read_transforms(published.transforms(), segments)
    categories = tuple(published.meta["categories"])
    builder = models.get_model_builder(name)
    backbone = {"weights_backbone": None} if "weights_backbone" in inspect.signature(builder).parameters else {}

    def build(classes: int | None, state: Mapping[str, Any]) -> Any:
        kind = inspect.signature(builder).parameters
        more: dict[str, Any] = dict(backbone)
        if "aux_loss" in kind:
            more["aux_loss"] = any("aux_classifier" in key for key in state)
        if name in ("googlenet", "inception_v3"):
            more["init_weights"] = True
            more["aux_logits"] = not state or any("aux" in key.lower() for key in state)
        with hushed():
            return builder(weights=None, progress=False, num_classes=classes or len(categories), **more)

    said = f"Preprocessing and labels are those of torchvision's {published}."
    files: tuple[Path, ...] = ()
    classes: int | None = None
    if weights == RANDOM:
        with hub_weights.seeded():
            network = build(None, {})
        notes = (hub_weights.UNTRAINED, *notes)
    elif weights is not None:
        files = (Path(weights),)
        network, classes = hub_weights.from_file(build, files[0], source)
    else:
        with fetching(f"The weights of {source}", published.url, cache_of_torch()), hushed():
            network = builder(weights=published, progress=False)
    labels, unnamed = fitting(categories, classes or len(categories))
    head = Head.SOFTMAX if (classes or len(categories)) > 1 else None
    return Made(network, preprocessing, labels, head, (said, *notes, *unnamed), files)


def _check_task(models: Any, name: str) -> bool:
    """Say whether a network segments; refuse what neither classifies pictures nor segments them."""
    refused = {
        "detection": "detects with boxes after suppression, through which no derivative goes",
        "video": "reads videos",
        "optical_flow": "reads pairs of pictures",
        "quantization": "calculates with whole numbers, through which no derivative goes",
    }
    for place, why in refused.items():
        if name in models.list_models(module=getattr(models, place)):
            hint = "Try hf:facebook/detr-resnet-50 for a detector." if place == "detection" else ""
            raise NotSupportedError(f"torchvision:{name} {why}.", hint or f"Try torchvision:{_plain(name)}.")
    return name in models.list_models(module=models.segmentation)


def _plain(name: str) -> str:
    return name.removeprefix("quantized_") if name.startswith("quantized_") else "resnet50"


def _entry(models: Any, name: str, entry: str) -> Any:
    """Return the published weights of a name: the library's best, or those asked for."""
    known = models.get_model_weights(name)
    if not entry:
        return known.DEFAULT
    if entry.upper() not in known.__members__:
        raise ModelFileError(
            f"torchvision has no weights '{entry}' of {name}.", f"It has {', '.join(known.__members__)}."
        )
    return known[entry.upper()]


def read_transforms(transforms: Any, segments: bool = False) -> tuple[Preprocessing, tuple[str, ...]]:
    """Translate the transforms of published weights; what cannot be said exactly is noted."""
    short = int(transforms.resize_size[0])
    notes: tuple[str, ...] = ()
    if segments:
        size = short
        notes = (
            f"torchvision brings the short side to {short} and keeps the rest; Picasso reads the center, "
            f"{short} x {short}. Declare another size to see more.",
        )
    else:
        size = int(transforms.crop_size[0])
    return (
        Preprocessing.model_validate(
            {
                "size": size,
                "resize": "crop",
                "short_side": max(short, size),
                "interpolation": _INTERPOLATIONS.get(transforms.interpolation.value, "bicubic"),
                "mean": tuple(transforms.mean),
                "std": tuple(transforms.std),
            }
        ),
        notes,
    )
