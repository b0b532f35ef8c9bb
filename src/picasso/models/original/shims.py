"""What the original Picasso gave to the code of its users: base classes to import, and the libraries of 2017.

Their files say `from picasso.models.keras import KerasModel`, where today an adapter lies. So the names that they
import exist only while their file is imported: `importing` puts them in the place of today's modules, and takes them
away again. Nothing else ever sees them, and Picasso itself never imports them by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

_RESAMPLING = Image.Resampling
PILLOW = {"ANTIALIAS": _RESAMPLING.LANCZOS, "LINEAR": _RESAMPLING.BILINEAR, "CUBIC": _RESAMPLING.BICUBIC}
"""Constants that Pillow 10 took away."""
NUMPY = {"float": float, "int": int, "object": object, "bool": bool}
"""Names of types that NumPy 1.24 took away."""


@dataclass(frozen=True)
class Saved:
    """Where a user's network is saved.

    Args:
        framework: "keras" or "tensorflow".
        folder: The folder that holds its files.
        input: The tensor that takes the pictures, or "".
        output: The tensor of the class probabilities, or "".
    """

    framework: str
    folder: str
    input: str = ""
    output: str = ""


class BaseModel:
    """What a user's class is made of, without the network: that is opened by today's adapters."""

    def __init__(self, *args: Any, top_probs: int = 5, **kwargs: Any) -> None:
        self.top_probs = args[0] if args and isinstance(args[0], int) else top_probs

    def load(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} must override load()")

    @property
    def sess(self) -> Any:
        return getattr(self, "_sess", None)

    @property
    def tf_input_var(self) -> Any:
        return getattr(self, "_tf_input_var", None)

    @property
    def tf_predict_var(self) -> Any:
        return getattr(self, "_tf_predict_var", None)

    def preprocess(self, raw_inputs: Sequence[Any]) -> Any:
        return raw_inputs

    def decode_prob(self, class_probabilities: Any) -> list[list[dict[str, Any]]]:
        """Name each class by its number, best first; probabilities are text, rounded to three places."""
        rows = []
        for probabilities in class_probabilities:
            entries = [{"index": i, "name": str(i), "prob": value} for i, value in enumerate(probabilities)]
            entries.sort(key=itemgetter("prob"), reverse=True)
            rows.append([entry | {"prob": f"{entry['prob']:.3f}"} for entry in entries[: self.top_probs]])
        return rows


class TFModel(BaseModel):
    """A graph of TensorFlow 1: the newest checkpoint and meta graph of a folder."""

    TF_INPUT_VAR: str | None = None
    TF_PREDICT_VAR: str | None = None

    def load(self, data_dir: str, tf_input_var: str | None = None, tf_predict_var: str | None = None) -> None:
        given, probabilities = tf_input_var or self.TF_INPUT_VAR or "", tf_predict_var or self.TF_PREDICT_VAR or ""
        self.picasso_saved = Saved("tensorflow", data_dir, given, probabilities)


class KerasModel(BaseModel):
    """A Keras network: the newest weights of a folder, and the newest architecture, where there is one."""

    def load(self, data_dir: str = "./") -> None:
        self.picasso_saved = Saved("keras", data_dir)


_MODULES: dict[str, dict[str, Any]] = {
    "picasso.models.base": {"BaseModel": BaseModel},
    "picasso.models.keras": {"BaseModel": BaseModel, "KerasModel": KerasModel},
    "picasso.models.tensorflow": {"BaseModel": BaseModel, "TFModel": TFModel},
    "picasso.ml_frameworks": {},
    "picasso.ml_frameworks.model": {"BaseModel": BaseModel, "Model": BaseModel},
    "picasso.ml_frameworks.keras": {},
    "picasso.ml_frameworks.keras.model": {"KerasModel": KerasModel},
    "picasso.ml_frameworks.tensorflow": {},
    "picasso.ml_frameworks.tensorflow.model": {"TFModel": TFModel},
}


@contextmanager
def importing() -> Iterator[None]:
    """Let what is imported meanwhile find the modules of the original Picasso, and then no more."""
    before = {name: sys.modules.get(name) for name in _MODULES}
    attributes: list[tuple[ModuleType, str, Any]] = []
    for name, content in _MODULES.items():
        module = ModuleType(name)
        module.__path__ = []
        module.__dict__.update(content)
        sys.modules[name] = module
    for name in _MODULES:
        parent, _, last = name.rpartition(".")
        above = sys.modules[parent]
        attributes.append((above, last, above.__dict__.get(last)))
        setattr(above, last, sys.modules[name])
    try:
        with libraries():
            yield
    finally:
        for above, last, old in attributes:
            if old is None:
                delattr(above, last)
            else:
                setattr(above, last, old)
        for name, old in before.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old


@contextmanager
def libraries() -> Iterator[None]:
    """Give Pillow and NumPy meanwhile the names that they had in 2017."""
    added: list[tuple[ModuleType, str]] = []
    for module, names in ((Image, PILLOW), (np, NUMPY)):
        for name, value in names.items():
            if name not in vars(module):
                setattr(module, name, value)
                added.append((module, name))
    try:
        yield
    finally:
        for module, name in added:
            vars(module).pop(name, None)  # nested uses end in any order
