"""What a library makes of a name, and what all libraries' openers share: imports, suggestions, quiet."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from picasso.core.errors import ConfigurationError, MissingExtraError, ModelFileError
from picasso.core.guessing import nearest
from picasso.core.hooks import Head
from picasso.core.preprocessing import Preprocessing

RANDOM = "random"
"""The word for an untrained network, in the place of a file of weights."""
_TITLES = {"timm": "timm", "torchvision": "torchvision", "transformers": "Hugging Face's transformers"}


@dataclass(frozen=True)
class Made:
    """What a library made of a name.

    Args:
        network: A torch.nn.Module or a keras.Model.
        preprocessing: How the library turns a picture into its input.
        labels: The library's names of the classes, as many as there are; or none.
        head: What turns scores into probabilities, where the library says so.
        notes: Where the weights come from and what differs from the library, one sentence each.
        files: The local files that it was made from.
    """

    network: Any
    preprocessing: Preprocessing
    labels: tuple[str, ...] = ()
    head: Head | None = None
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def imported(package: str) -> Any:
    """Import timm, torchvision or transformers.

    Raises:
        MissingExtraError: It is not installed.
        ConfigurationError: torchvision, which all three load, was built for another PyTorch.
    """
    for needed in ("torch", package):
        if importlib.util.find_spec(needed) is None:
            raise MissingExtraError(
                f"{_TITLES.get(needed, 'PyTorch')} is not installed.", "Run pip install 'picasso[hub]'."
            )
    if importlib.util.find_spec("torchvision") is not None:
        try:
            with hushed():
                importlib.import_module("torchvision")
        except (ImportError, RuntimeError, AttributeError, OSError) as error:
            said = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
            raise ConfigurationError(
                f"torchvision {metadata.version('torchvision')} cannot be imported beside PyTorch "
                f"{metadata.version('torch')}, for which it was not built: {said}.",
                "Install both from one place: pip install torch torchvision --index-url "
                "https://download.pytorch.org/whl/cpu, or without the index for a GPU.",
            ) from error
    with hushed():
        return importlib.import_module(package)


@contextmanager
def hushed() -> Iterator[None]:
    """Keep to themselves the warnings that the libraries address to their own developers."""
    with warnings.catch_warnings():
        # By module where it warns for itself, by words where the warning is laid at our door.
        warnings.filterwarnings("ignore", module=r"(timm|torchvision|transformers|huggingface_hub|torch)(\..*)?$")
        warnings.filterwarnings("ignore", message=r"(Mapping deprecated model name|The default weight initialization)")
        yield


def unknown(source: str, name: str, known: Collection[str], library: str) -> ModelFileError:
    """Return the error for a name that a library does not have, with the closest that it has."""
    scheme = source.partition(":")[0]
    near = [f"{scheme}:{word}" for word in nearest(name, known)]
    return ModelFileError(f"{library} has no model '{name}'.", f"Did you mean {' or '.join(near)}?" if near else "")


def fitting(labels: Collection[str], classes: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the library's labels where there is one for each class, and a note where there is not."""
    if len(labels) == classes:
        return tuple(labels), ()
    return (), (f"Its {classes} classes have no names of the library's; give labels.",)
