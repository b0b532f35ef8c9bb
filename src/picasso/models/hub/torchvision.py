"""torchvision's networks by name, with the preprocessing and labels of their published weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError, NotSupportedError
from picasso.core.hooks import Head
from picasso.core.preprocessing import Preprocessing
from picasso.models.hub import weights as hub_weights
from picasso.models.hub.fetching import cache_of_torch, fetching
from picasso.models.hub.made import RANDOM, Made, fitting, hushed, imported, unknown

_INTERPOLATIONS = {"nearest": "nearest", "nearest-exact": "nearest", "bilinear": "bilinear", "bicubic": "bicubic"}


def make(source: str, weights: str | None) -> Made:
    """Make a network of torchvision.

    Args:
        source: "torchvision:resnet18", or with one of its published weights "torchvision:resnet50.IMAGENET1K_V1".
        weights: A file, "random", or None for the published ones.

    Raises:
        ModelFileError: There is no such network, or its weights are not at hand.
        NotSupportedError: It reads videos or pairs of pictures, or calculates with whole numbers.
    """
    library = imported("torchvision")
    models = library.models
    name, _, entry = source.partition(":")[2].partition(".")
    name = name.lower()
    if name not in models.list_models():
        raise unknown(source, name, models.list_models(), "torchvision")
    _check_task(models, name)
    published = _entry(models, name, entry)
    categories = tuple(published.meta["categories"])
    builder = models.get_model_builder(name)
    backbone = {"weights_backbone": None} if "weights_backbone" in inspect.signature(builder).parameters else {}

    def build(classes: int, state: Mapping[str, Any]) -> Any:
        kind = inspect.signature(builder).parameters
        more: dict[str, Any] = dict(backbone)
        if "aux_loss" in kind:
            more["aux_loss"] = any("aux_classifier" in key for key in state)
        if name in ("googlenet", "inception_v3"):
            more["init_weights"] = True
            more["aux_logits"] = not state or any("aux" in key.lower() for key in state)
        with hushed():
            return builder(weights=None, progress=False, num_classes=classes, **more)

    said = f"Preprocessing and labels are those of torchvision's {published}."
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    classes = len(categories)
    if weights == RANDOM:
        with hub_weights.seeded():
            network = build(classes, {})
        notes = (hub_weights.UNTRAINED,)
    elif weights is not None:
        files = (Path(weights),)
        network, classes = hub_weights.from_file(build, classes, files[0], source)
    else:
        with fetching(f"The weights of {source}", published.url, cache_of_torch()), hushed():
            network = builder(weights=published, progress=False)
    preprocessing, differing = read_transforms(published.transforms(), network)
    labels, unnamed = fitting(categories, classes)
    detects = name in models.list_models(module=models.detection)
    head = Head.SOFTMAX if classes > 1 and not detects else None
    return Made(network, preprocessing, labels, head, (said, *notes, *differing, *unnamed), files)


def _check_task(models: Any, name: str) -> None:
    """Refuse what reads anything but one picture, or gives no derivatives."""
    refused = {
        "video": "reads videos",
        "optical_flow": "reads pairs of pictures",
        "quantization": "calculates with whole numbers, through which no derivative goes",
    }
    for place, why in refused.items():
        if name in models.list_models(module=getattr(models, place)):
            raise NotSupportedError(f"torchvision:{name} {why}.", f"Try torchvision:{_plain(name)}.")


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


def read_transforms(transforms: Any, network: Any = None) -> tuple[Preprocessing, tuple[str, ...]]:
    """Translate the transforms of published weights; what cannot be said exactly is noted.

    Args:
        transforms: What the weights' `transforms()` returns.
        network: A detector, which resizes pictures itself.
    """
    if not hasattr(transforms, "resize_size"):
        short = min(network.transform.min_size)
        said = f"The network itself brings the short side to {short}; Picasso stretches to {short} x {short}."
        return Preprocessing(size=short), (said,)
    short = int(transforms.resize_size[0])
    notes: tuple[str, ...] = ()
    if not hasattr(transforms, "crop_size"):
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
