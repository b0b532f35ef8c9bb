"""Weights from HDF5 files, given to a Keras 3 model by the names under which they were saved.

Keras 1 and 2 keep them by layer (`layer_names`, `weight_names`); Keras 2's .keras archives by class and number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from picasso.core.errors import ModelFileError
from picasso.core.preprocessing import Array

Change = Callable[[Any, str, Any], Any]
"""Called with a layer, a weight's name and its array; returns the array as Keras 3 keeps it."""
RENAMED: Mapping[str, str] = {
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
    "depthwise_kernel": "kernel",
}
"""Words of Keras 1 and 2 for weights that Keras 3 calls otherwise; in its own names they do no harm."""
CONVOLUTIONS = frozenset({"Conv2D", "Conv2DTranspose"})
REST = re.compile(r"renorm_|moving_stddev|StateVar|seed_generator")
"""Weights of Keras 2 that matter in training alone: of renormalization and of random generators."""


@dataclass(frozen=True)
class Saved:
    """The weights of one layer, or of one model inside the model, by name in the order of saving."""

    layer: str
    weights: tuple[tuple[str, Any], ...]


def saved_layers(group: Any) -> tuple[Saved, ...]:
    """Read the groups that Keras 1 and 2 (and 3, in HDF5 files) write.

    Args:
        group: The open h5py group that has `layer_names`.

    Raises:
        ModelFileError: A weight that it names is not there.
    """
    found = []
    for layer in _texts(group, "layer_names"):
        try:
            inner = group[layer]
            names = [name for name in _texts(inner, "weight_names") if not only_in_training(name)]
            found.append(Saved(layer, tuple((name, inner[name]) for name in names)))
        except KeyError:
            raise ModelFileError(f"The weights of the layer '{layer}' are missing.", "Save the model again.") from None
    return tuple(layer for layer in found if layer.weights)


def only_in_training(name: str) -> bool:
    """Say whether a weight of Keras 2, by its name, has no part in answers."""
    return REST.search(name.rpartition("/")[2]) is not None


def _texts(group: Any, key: str) -> list[str]:
    """Read a list of names, which long ones are split into parts of: key0, key1, ..."""
    parts = [group.attrs[key]] if key in group.attrs else []
    while not parts or f"{key}{len(parts)}" in group.attrs:
        if f"{key}{len(parts)}" not in group.attrs:
            break
        parts.append(group.attrs[f"{key}{len(parts)}"])
    return [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in part]


def give_weights(model: Any, saved: Sequence[Saved], change: Change | None = None) -> tuple[str, ...]:
    """Give a model the weights that were saved; return notes on what was assumed.

    Raises:
        ModelFileError: They are not those of this model.
    """
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    notes: tuple[str, ...] = ()
    if {one.layer for one in saved} >= set(layers):
        pairs = [(layers[one.layer], one) for one in saved if one.layer in layers]
        rest = [one.layer for one in saved if one.layer not in layers]
        notes = (f"Weights of layers that the model does not have were left out: {', '.join(rest[:5])}.",) * bool(rest)
    elif len(layers) == len(saved):
        pairs = list(zip(layers.values(), saved, strict=True))
        notes = ("The layers' names differ from those of the weights, which were given in order.",)
    else:
        absent = [name for name in layers if name not in {one.layer for one in saved}]
        raise ModelFileError(
            f"The weights are those of another model: they hold {len(saved)} layers with weights, "
            f"the architecture has {len(layers)}; there are none for '{absent[0]}'.",
            "Give the weights that belong to this architecture.",
        )
    for layer, one in pairs:
        give_one(layer, one, change)
    return notes


def give_one(layer: Any, saved: Saved, change: Change | None = None) -> None:
    """Give one layer its weights: by name where every name is there once, else in order."""
    variables = [variable for variable in (*layer.trainable_weights, *layer.non_trainable_weights) if _real(variable)]
    inner = {id(v): one for one in _leaves(layer) for v in (*one._trainable_variables, *one._non_trainable_variables)}
    named = _matched(variables, [name for name, _ in saved.weights])
    if named is None and len(variables) != len(saved.weights):
        raise ModelFileError(
            f"The layer '{layer.name}' has {len(variables)} weights; {len(saved.weights)} were saved for it.",
            "Give the weights that belong to this architecture.",
        )
    for place, variable in enumerate(variables):
        name, data = saved.weights[place if named is None else named[place]]
        owner = inner.get(id(variable), layer)
        value = np.asarray(data[()] if hasattr(data, "id") else data)
        _assign(variable, value if change is None else change(owner, name, value), owner.name)


def _real(variable: Any) -> bool:
    return not re.search(r"seed_generator", str(getattr(variable, "path", "")))


def _leaves(layer: Any) -> list[Any]:
    return [layer, *layer._flatten_layers(include_self=False)]


def _matched(variables: Sequence[Any], names: Sequence[str]) -> list[int] | None:
    """Return for each variable the place of its weight by name; None where the names do not tell."""
    for depth in (3, 2, 1):
        places: dict[tuple[str, ...], list[int]] = {}
        for place, name in enumerate(names):
            places.setdefault(_tail(name, depth), []).append(place)
        found = [places.get(_tail(variable.path, depth), []) for variable in variables]
        if all(len(one) == 1 for one in found) and len({one[0] for one in found}) == len(found):
            return [one[0] for one in found]
    return None


def _tail(name: str, depth: int) -> tuple[str, ...]:
    """Return the last parts of a weight's name, without the number of its output."""
    parts = name.partition(":")[0].split("/")[-depth:]
    return (*parts[:-1], RENAMED.get(parts[-1], parts[-1]))


def _assign(variable: Any, value: Array, layer: str) -> None:
    if tuple(variable.shape) != value.shape:
        raise ModelFileError(
            f"The layer '{layer}' has a weight of shape {tuple(variable.shape)}; {value.shape} was saved for it.",
            "Give the weights that belong to this architecture.",
        )
    variable.assign(value)


def archived_layers(config: Mapping[str, Any], model: Any, group: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield layers and their arrays from the weights in a .keras archive of Keras 2.

    It numbers the layers of each class in the order in which the architecture lists them.

    Args:
        config: The architecture as Keras 2 declared it.
        model: The model built from it.
        group: The open h5py group of that model.
    """
    inner = config["config"]
    listed = inner if isinstance(inner, list) else inner["layers"]
    home = "_layer_checkpoint_dependencies" if "_layer_checkpoint_dependencies" in group else "layers"
    made = {layer.name: layer for layer in model.layers}
    counts: dict[str, int] = {}
    for one in listed:
        word = _snake(one["class_name"])
        counts[word] = counts.get(word, -1) + 1
        place = f"{home}/{word}_{counts[word]}" if counts[word] else f"{home}/{word}"
        layer = made.get(one["config"].get("name") or one.get("name"))
        if layer is None or not layer.weights:
            continue
        if place not in group:
            raise ModelFileError(f"The weights of the layer '{layer.name}' are missing.", "Save the model again.")
        if isinstance(one["config"], dict) and "layers" in one["config"]:
            yield from archived_layers(one, layer, group[place])
        else:
            yield from _attributed(layer, group[place])


def _attributed(layer: Any, group: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Yield a layer and the layers in its attributes with their arrays."""
    own = group.get("vars", {})
    if len(own):
        # Behind the four of batch normalization come those of renormalization.
        count = 4 if type(layer).__name__ == "BatchNormalization" else len(own)
        yield layer, [own[str(number)] for number in range(min(count, len(own)))]
    for key in group:
        name = next((name for name in (key, key.lstrip("_"), f"_{key}") if hasattr(layer, name)), None)
        if key != "vars" and len(group[key]):
            if name is None:
                raise ModelFileError(f"The layer '{layer.name}' keeps weights in '{key}', which Keras 3 does not know.")
            yield from _attributed(getattr(layer, name), group[key])


def _snake(name: str) -> str:
    """Return a class's name as Keras 2 turns it into a path: BatchNormalization -> batch_normalization."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def keras_1_layout(theano: bool) -> Change:
    """Return what turns weights of Keras 1 into those of Keras 3.

    Args:
        theano: Whether they were trained on Theano, whose convolutions turn the kernel around.
    """

    def change(layer: Any, name: str, value: Array) -> Array:
        if type(layer).__name__ not in CONVOLUTIONS or value.ndim != 4:
            return value
        if layer.data_format == "channels_first":
            value = value.transpose(2, 3, 1, 0)
        return value[::-1, ::-1] if theano else value

    return change


def theano_kernels(layer: Any, name: str, value: Array) -> Array:
    """Turn the kernels of convolutions that Keras 2 trained on Theano around."""
    return value[::-1, ::-1] if type(layer).__name__ in CONVOLUTIONS and value.ndim == 4 else value
