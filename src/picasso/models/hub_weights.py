"""Weights for a named PyTorch network: from a file that a person has, or none at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError
from picasso.models import torch_files
from picasso.models.torch_archive import weights_only

UNTRAINED = "The network is untrained: its weights are random, from a fixed seed."


@contextmanager
def seeded() -> Iterator[None]:
    """Draw random weights that are the same every time, and leave the random numbers of others alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def from_file(build: Callable[[int | None, Mapping[str, Any]], Any], path: Path, source: str) -> tuple[Any, int | None]:
    """Build a network for the weights in a file, with as many classes as they have.

    Args:
        build: Makes the network, untrained, of a number of classes (None: the library's own) for named tensors.
        path: A state dict or safetensors.
        source: The network's name, for messages.

    Returns:
        The network, and its number of classes where it is not the library's own.

    Raises:
        ModelFileError: They are not the weights of this network.
        UnsafeModelError: The file holds pickled objects.
    """
    with weights_only():
        weights = torch_files.read_weights(path)
    with seeded():
        network = build(None, weights)
        wanted = network.state_dict()
        weights = torch_files.without_prefix(weights, wanted)
        classes = classes_of(weights, wanted)
        if classes is not None:
            network = build(classes, weights)
    return torch_files.fill(network, weights, path, f"Are they weights of {source}?"), classes


def classes_of(weights: Mapping[str, Any], wanted: Mapping[str, Any]) -> int | None:
    """Return the number of classes of weights whose classifier has another size than the network's, or None.

    Only a classifier that was trained anew has tensors of the usual names that differ in their first side alone, all
    of them in the same way.
    """
    pairs = [(tuple(weights[key].shape), tuple(wanted[key].shape)) for key in wanted if key in weights]
    sizes = {has[0] for has, usual in pairs if has != usual and has and usual and has[1:] == usual[1:]}
    return int(sizes.pop()) if len(sizes) == 1 else None


def no_weights(source: str, library: str) -> ModelFileError:
    """Return the error for a network that its library has no weights of."""
    return ModelFileError(
        f"{library} publishes no weights of {source}.",
        "Give a file with --weights FILE, or --weights random for an untrained network (in Python weights=...).",
    )
