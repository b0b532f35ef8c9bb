"""Weights for a named PyTorch network: from a file that a person has, or none at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

from picasso.core.errors import ModelFileError
from picasso.models.torch import files as torch_files
from picasso.models.torch.archive import weights_only
from picasso.models.torch.weights import fill, without_prefix

UNTRAINED = "The network is untrained: its weights are random, from a fixed seed."


@contextmanager
def seeded() -> Iterator[None]:
    """Draw random weights that are the same every time, and leave the random numbers of others alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def from_file(build: Callable[[int, Mapping[str, Any]], Any], usual: int, path: Path, source: str) -> tuple[Any, int]:
    """Build a network for the weights in a file, with as many classes as they have.

    Args:
        build: Makes the network, untrained, of a number of classes for named tensors.
        usual: The number of classes of the library's own weights.
        path: A state dict or safetensors.
        source: The network's name, for messages.

    Returns:
        The network, and its number of classes.

    Raises:
        ModelFileError: They are not the weights of this network.
        UnsafeModelError: The file holds pickled objects.
    """
    with weights_only():
        weights = torch_files.read_weights(path)
    with seeded():
        network = build(usual, weights)
        wanted = network.state_dict()
        weights = without_prefix(weights, wanted)
        classes = classes_of(weights, wanted, usual)
        if classes != usual:
            network = build(classes, weights)
    return fill(network, weights, path, f"Are they weights of {source}?"), classes


def classes_of(weights: Mapping[str, Any], wanted: Mapping[str, Any], usual: int) -> int:
    """Return the number of classes of weights; the usual one where the tensors do not tell of another.

    Only a classifier that was trained anew has tensors of the usual names that differ in their first side alone, by
    the same share: a row for each class, or, in a detector, several.
    """
    pairs = [(tuple(weights[key].shape), tuple(wanted[key].shape)) for key in wanted if key in weights]
    shares = {
        Fraction(has[0] * usual, own[0]) for has, own in pairs if has != own and has and own and has[1:] == own[1:]
    }
    told = shares.pop() if len(shares) == 1 else Fraction(usual)
    return int(told) if told.denominator == 1 and told > 0 else usual


def no_weights(source: str, library: str) -> ModelFileError:
    """Return the error for a network that its library has no weights of."""
    return ModelFileError(
        f"{library} publishes no weights of {source}.",
        "Give a file with --weights FILE, or --weights random for an untrained network (in Python weights=...).",
    )
