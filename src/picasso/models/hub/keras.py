"""The networks of keras.applications by name, with their own preprocessing and labels."""

from __future__ import annotations

import inspect
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from picasso.core.errors import ModelFileError
from picasso.core.opening import Options
from picasso.core.preprocessing import Preprocessing
from picasso.models.hub import weights as hub_weights
from picasso.models.hub.fetching import fetching
from picasso.models.hub.made import RANDOM, Made, fitting, unknown
from picasso.models.keras import files as keras_files
from picasso.models.keras import loading as keras_loading
from picasso.models.keras import opening as keras_opening

_CLASSES = 1000
_LABELS = "imagenet_class_index.json"
_DEFAULT_SIDE = 224
"""Where a network takes any size: what its documentation names."""


def make(source: str, weights: str | None) -> Made:
    """Make a network of keras.applications.

    Args:
        source: "keras:VGG16".
        weights: A file, "random", or None for those of ImageNet.

    Raises:
        ModelFileError: There is no such network, or its weights are not at hand.
    """
    keras = keras_loading.import_keras()
    name = source.partition(":")[2]
    constructors = {key: value for key, value in vars(keras.applications).items() if inspect.isfunction(value)}
    named = {key.lower(): key for key in constructors}
    if name.lower() not in named:
        raise unknown(source, name, constructors, "keras.applications")
    name = named[name.lower()]
    home = getattr(keras.applications, constructors[name].__module__.rpartition(".")[2])

    def build(classes: int = _CLASSES) -> Any:
        with _seeded(), keras_loading.quiet():
            return constructors[name](weights=None, classes=classes)

    folder = cache()
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    if weights == RANDOM:
        network, notes = build(), (hub_weights.UNTRAINED,)
    elif weights is not None:
        files = (Path(weights),)
        network = _from_file(build, files[0])
    else:
        with fetching(f"The weights of keras:{name}", "Keras's storage", folder), keras_loading.quiet():
            network = constructors[name](weights="imagenet")
            with suppress(Exception):  # the labels, which are another download, are no reason to fail
                home.decode_predictions(np.zeros((1, _CLASSES)))
    classes = int(network.output_shape[-1])
    known = labels_in(folder)
    labels, unnamed = fitting(known, classes)
    if not known and classes == _CLASSES:
        unnamed = (f"The names of its classes are not in the cache {folder}; give labels.",)
    said = f"Preprocessing is that of keras.applications.{home.__name__.rpartition('.')[2]}, the picture stretched."
    return Made(
        network, read_preprocessing(home, network.input_shape), labels, notes=(said, *notes, *unnamed), files=files
    )


def _from_file(build: Callable[[int], Any], path: Path) -> Any:
    """Build a network with as many classes as the weights in a file have, and load them."""
    network = build(_CLASSES)
    classes = _classes_in(path, network)
    chosen = build(classes) if classes not in (None, _CLASSES) else network
    return keras_opening.open_source(str(path), Options(factory=lambda: chosen)).model


def _classes_in(path: Path, network: Any) -> int | None:
    """Return the number of classes of the weights in a file, or None where it is the network's own.

    The layouts of Keras's files differ, but the shapes in them do not: those that the network does not have are its
    classifier's.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no file of weights {path}.", "Check the path.")
    shapes = Counter(_shapes(path))
    shapes.subtract(tuple(variable.shape) for variable in network.weights)
    sizes = {shape[0] for shape, count in shapes.items() if count > 0 and len(shape) == 1}
    return int(sizes.pop()) if len(sizes) == 1 else None


def _shapes(path: Path) -> list[tuple[int, ...]]:
    import h5py

    found: list[tuple[int, ...]] = []

    def note(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and not name.startswith("optimizer"):
            found.append(tuple(thing.shape))

    archive = keras_files.kind_of(path) is keras_files.Kind.ARCHIVE
    with keras_files.archived_weights(path) if archive else keras_files.opened_hdf5(path) as content:
        content.visititems(note)
    return found


def read_preprocessing(home: ModuleType, shape: tuple[int | None, ...]) -> Preprocessing:
    """Find the preprocessing of a module out from what its preprocess_input makes of black and of each color.

    It is the same straight line for every pixel, of one channel each.

    Args:
        home: One of the modules in keras.applications.
        shape: Of the network's input; None where it takes any size.
    """
    pixels = np.zeros((1, 1, 4, 3))
    pixels[0, 0, [1, 2, 3], [0, 1, 2]] = 255.0
    made = np.asarray(home.preprocess_input(pixels.copy(), data_format="channels_last"), np.float64)[0, 0]
    offset, slopes = made[0], (made[1:] - made[0]) / 255  # slopes: (color of the picture, channel of the network)
    order = slopes.argmax(axis=0).tolist()
    slope = slopes.max(axis=0)
    scale = float(slope[0]) if np.allclose(slope, slope[0], rtol=1e-9) else 1 / 255
    std = scale / slope
    height, width = (side or _DEFAULT_SIDE for side in [side for side in shape[1:] if side != 3][:2])
    return Preprocessing.model_validate(
        {
            "size": height if height == width else (height, width),
            "color": "bgr" if order == [2, 1, 0] else "rgb",
            "scale": scale,
            "mean": _short(-offset * std),
            "std": _short(std),
        }
    )


def _short(numbers: Any) -> tuple[float, ...]:
    """Write numbers without the dust of floating point, and one for all where they are equal."""
    rounded = tuple(float(f"{number + 0.0:.12g}") for number in numbers)
    return rounded[:1] if len(set(rounded)) == 1 else rounded


def cache() -> Path:
    """Return the folder where Keras keeps what it downloads."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def labels_in(folder: Path) -> tuple[str, ...]:
    """Return ImageNet's classes, where Keras has downloaded their names to the folder; else none."""
    try:
        by_index = json.loads((folder / _LABELS).read_text("utf-8"))
        return tuple(str(by_index[str(index)][1]).replace("_", " ") for index in range(len(by_index)))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return ()


@contextmanager
def _seeded() -> Iterator[None]:
    """Let Keras, which draws the seeds of its initializers from Python's random numbers, draw the same every time."""
    before = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(before)
