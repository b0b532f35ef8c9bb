"""Models by name: keras:VGG16, timm:resnet18, torchvision:resnet18, hf:google/vit-base-patch16-224."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from picasso.core import registry
from picasso.core.declared import read_declared
from picasso.core.hooks import ModelFile
from picasso.core.model import Model
from picasso.core.names import scheme_of
from picasso.core.opening import Options
from picasso.models.hub import huggingface as hub_huggingface
from picasso.models.hub.made import Made

_PACKAGES = {"keras": "keras", "timm": "timm", "torchvision": "torchvision", "hf": "transformers"}


def claims(source: object) -> bool:
    """Say whether the source names a network of a library, or is a folder that Hugging Face's save_pretrained wrote."""
    return isinstance(source, str) and (scheme_of(source) in _PACKAGES or hub_huggingface.is_checkpoint(source))


def open_model(source: str, hooks: ModelFile, options: Options) -> Model:
    """Open a network by the name that its library gives it.

    Args:
        source: "keras:VGG16", "timm:resnet18", "torchvision:resnet18", "hf:google/vit-base-patch16-224", or a folder.
        hooks: The user's choices; the library's preprocessing and labels are filled in where there are none.
        options: Among them weights: a file, "random", or None for the library's own.

    Raises:
        MissingExtraError: The library is not installed.
        ModelFileError: There is no such network, or its weights cannot be had.
        NotSupportedError: It is no classifier, segmenter or detector.
    """
    scheme = scheme_of(source) or "hf"
    made = _maker(scheme)(source, options.weights)
    notes = list(made.notes)
    if type(hooks).preprocess is ModelFile.preprocess:
        said = hooks.preprocessing.model_dump(exclude_unset=True) if hooks.preprocessing else {}
        hooks.preprocessing = read_declared(said, made.preprocessing)
        if said and made.preprocessing.model_fields_set - said.keys():
            notes.append(f"Of the preprocessing {', '.join(said)} was given; the rest is the library's own.")
    hooks.labels = hooks.labels or made.labels or None
    hooks.head = hooks.head or made.head
    opener = next(module for module in registry.openers() if module.claims(made.network))
    model: Model = opener.open_model(made.network, hooks, replace(options, weights=None, owned=True))
    release = metadata.version(_PACKAGES[scheme])
    model.facts = replace(
        model.facts,
        # The parameters do not say all: another release of the library may calculate otherwise with them.
        origin=hashlib.sha256(f"{model.facts.origin} {source} {release}".encode()).hexdigest(),
        notes=(*notes, *model.facts.notes),
    )
    model.files = tuple(Path(file).absolute() for file in made.files)
    return model


def _maker(scheme: str) -> Callable[[str, str | None], Made]:
    """Return what makes the networks of a scheme; one module each, read when it is needed."""
    if scheme == "keras":
        from picasso.models.hub import keras as hub_keras

        return hub_keras.make
    if scheme == "timm":
        from picasso.models.hub import timm as hub_timm

        return hub_timm.make
    if scheme == "torchvision":
        from picasso.models.hub import torchvision as hub_torchvision

        return hub_torchvision.make
    return hub_huggingface.make
