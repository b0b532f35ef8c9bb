"""timm's classifiers by name, with the preprocessing and labels of their published weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError, NotSupportedError
from picasso.core.hooks import Head
from picasso.core.preprocessing import Preprocessing
from picasso.models.hub import weights as hub_weights
from picasso.models.hub.fetching import LOCAL, cache_of_torch, fetching, not_fetched, snapshot
from picasso.models.hub.made import RANDOM, Made, fitting, hushed, imported, unknown

_FILTERS = ("nearest", "bilinear", "bicubic")
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_USUAL = 1000
"""Classes of a network that timm has for its features, before its weights tell how many they are for."""


def make(source: str, weights: str | None) -> Made:
    """Make a network of timm.

    Args:
        source: "timm:resnet18", "timm:resnet18.a1_in1k", or from the Hub "timm:hf-hub:timm/resnet18.a1_in1k".
        weights: A file, "random", or None for the published ones.

    Raises:
        ModelFileError: There is no such network, or its weights are not at hand.
        NotSupportedError: It gives features and no class scores.
    """
    timm = imported("timm")
    name = source.partition(":")[2]
    if name.startswith("hf-hub:"):
        wanted = ("config.json", *(_WEIGHTS if weights is None else ()))
        return make_from(
            snapshot(name.removeprefix("hf-hub:"), wanted, f"The files of {source}", LOCAL), source, weights
        )
    architecture, _, tag = name.partition(".")
    with hushed():
        if not timm.is_model(architecture):
            raise unknown(source, architecture, timm.list_models(), "timm")
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
        if tag and tag not in tags:
            raise ModelFileError(f"timm has no weights '{tag}' of {architecture}.", f"It has {', '.join(tags)}.")
        card = timm.get_pretrained_cfg(name)
    overlay: dict[str, Any] = {}
    if weights is None and card is not None and card.hf_hub_id:
        files = (card.hf_hub_filename,) if card.hf_hub_filename else _WEIGHTS
        overlay["file"] = str(_weights_in(snapshot(card.hf_hub_id, files, f"The weights of {source}"), files, source))
    elif weights is None and (card is None or not card.has_weights):
        raise hub_weights.no_weights(source, "timm")
    where = str(card.url or card.hf_hub_id) if card is not None else ""
    return _made(timm, name, source, weights, overlay, where)


def make_from(folder: Path, source: str, weights: str | None) -> Made:
    """Make the network that timm saved in a folder: config.json beside its weights."""
    timm = imported("timm")
    if weights is None and not any((folder / name).is_file() for name in _WEIGHTS):
        raise ModelFileError(f"{source} holds no weights: {' or '.join(_WEIGHTS)}.", "Give them with --weights FILE.")
    return _made(timm, f"local-dir:{folder}", source, weights, {}, str(folder))


def _made(timm: Any, name: str, source: str, weights: str | None, overlay: dict[str, Any], where: str) -> Made:
    def build(classes: int | None, state: Mapping[str, Any]) -> Any:
        with hushed():
            more = {} if classes is None else {"num_classes": classes}
            return timm.create_model(name, pretrained=False, **more)

    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    if weights == RANDOM:
        with hub_weights.seeded():
            network = build(None, {})
        notes = (hub_weights.UNTRAINED,)
    elif weights is not None:
        files = (Path(weights),)
        with hub_weights.seeded():
            # Networks that timm has for their features alone are fine-tuned to classify like all others.
            usual = int(getattr(build(None, {}), "num_classes", 0) or 0) or _USUAL
        network, _ = hub_weights.from_file(build, usual, files[0], source)
    else:
        with fetching(f"The weights of {source}", where, cache_of_torch()), hushed():
            network = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay or None)
    classes = _classes(network, source)
    card = dict(network.pretrained_cfg)
    preprocessing, differing = read_config(timm.data.resolve_model_data_config(network))
    said = f"Preprocessing is that of timm's {card.get('architecture') or name}"
    said += f".{card['tag']}." if card.get("tag") else "."
    labels, unnamed = fitting(_labels(timm, card, classes), classes)
    head = Head.SOFTMAX if classes > 1 else None
    return Made(network, preprocessing, labels, head, (said, *notes, *differing, *unnamed), files)


def _classes(network: Any, source: str) -> int:
    classes = int(getattr(network, "num_classes", 0) or 0)
    if not classes:
        raise NotSupportedError(
            f"{source} gives features and no class scores.", "Choose a network that was trained to classify."
        )
    return classes


def _weights_in(folder: Path, files: Sequence[str], source: str) -> Path:
    found = next((folder / name for name in files if (folder / name).is_file()), None)
    if found is None:
        raise not_fetched(f"The weights of {source}", "huggingface.co", folder, "none of its files is there")
    return found


def read_config(config: Mapping[str, Any]) -> tuple[Preprocessing, tuple[str, ...]]:
    """Translate timm's own data configuration; what cannot be said exactly is noted."""
    channels, height, width = config["input_size"]
    if channels not in (1, 3):
        raise NotSupportedError(f"The network reads {channels} channels; a picture has 1 or 3.")
    share = config.get("crop_pct") or 0.875
    mode = config.get("crop_mode") or "center"
    scaled = math.floor(height / share), math.floor(width / share)
    notes: list[str] = []
    values: dict[str, Any] = {"size": height if height == width else (height, width)}
    if mode == "squash":
        values["resize"] = "stretch"
        if scaled != (height, width):
            notes.append(f"timm stretches to {scaled[0]} x {scaled[1]} and takes the center; Picasso stretches alone.")
    elif mode == "border":
        values["resize"] = "pad"
        notes.append("timm pads with the mean color; Picasso pads with black.")
    else:
        values |= {"resize": "crop", "short_side": max(scaled)}
        if height != width:
            notes.append(
                "The input is no square: the part of the picture that is read may differ from timm's a little."
            )
    how = str(config.get("interpolation") or "bicubic")
    values["interpolation"] = how if how in _FILTERS else "bicubic"
    if how not in _FILTERS:
        notes.append(f"timm resizes with the filter {how}; Picasso with bicubic.")
    values |= {"color": "grey" if channels == 1 else "rgb", "mean": tuple(config["mean"]), "std": tuple(config["std"])}
    return Preprocessing.model_validate(values), tuple(notes)


def _labels(timm: Any, card: Mapping[str, Any], classes: int) -> tuple[str, ...]:
    """Return the names of the classes: those that come with the weights, or ImageNet's where their number says so."""
    names = card.get("label_names") or ()
    if names:
        described = card.get("label_descriptions") or {}
        return tuple(str(described.get(name, name)) for name in names)
    subset = timm.data.infer_imagenet_subset({"num_classes": classes})
    return tuple(timm.data.ImageNetInfo(subset).label_descriptions()) if subset else ()
