"""The networks of keras.applications by name, with their own preprocessing and labels."""

from __future__ import annotations

import inspect
import json
import os
import random
import zipfile
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
from picasso.models import hub_weights, keras_loading
from picasso.models.hub_fetching import fetching
from picasso.models.hub_made import RANDOM, Made, fitting, unknown

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
    home = next(
        part
        for part in vars(keras.applications).values()
        if inspect.ismodule(part) and getattr(part, name, None) is constructors[name]
    )

    def build(classes: int = _CLASSES) -> Any:
        with _seeded(), keras_loading.quiet():
            return constructors[name](weights=None, classes=classes)

    cache = _cache()
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    if weights == RANDOM:
        network, notes = build(), (hub_weights.UNTRAINED,)
    elif weights is not None:
        files = (Path(weights),)
        network = _from_file(build, files[0])
    else:
        with fetching(f"The weights of keras:{name}", "Keras's storage", cache), keras_loading.quiet():
            network = constructors[name](weights="imagenet")
            with suppress(Exception):  # the labels, which are another download, are no reason to fail
                home.decode_predictions(np.zeros((1, _CLASSES)))
    classes = int(network.output_shape[-1])
    known = _labels(cache / _LABELS)
    labels, unnamed = fitting(known, classes)
    if not known and classes == _CLASSES:
        unnamed = (f"The names of its classes are not in the cache {cache}; give labels.",)
    said = f"Preprocessing is that of keras.applications.{home.__name__.rpartition('.')[2]}, the picture stretched."
    return Made(network, _preprocessing(home, network), labels, notes=(said, *notes, *unnamed), files=files)


def _from_file(build: Callable[[int], Any], path: Path) -> Any:
    """Build a network with as many classes as the weights in a file have, and load them."""
    network = build(_CLASSES)
    classes = _classes_in(path, network)
    chosen = build(classes) if classes not in (None, _CLASSES) else network
    return keras_loading.load_file(path, Options(factory=lambda: chosen))[0]


def _classes_in(path: Path, network: Any) -> int | None:
    """Return the number of classes of the weights in a file, or None where it is the network's own.

    The layouts of Keras's files differ, but the shapes in them do not: those that the network does not have are its
    classifier's.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no file of weights {path}.", "Check the path.")
    try:
        shapes = Counter(_shapes(path))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None  # whoever loads the file says what is wrong with it
    shapes.subtract(tuple(variable.shape) for variable in network.weights)
    sizes = {shape[0] for shape, count in shapes.items() if count > 0 and len(shape) == 1}
    return int(sizes.pop()) if len(sizes) == 1 else None


def _shapes(path: Path) -> list[tuple[int, ...]]:
    import h5py

    found: list[tuple[int, ...]] = []

    def note(name: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset) and not name.startswith("optimizer"):
            found.append(tuple(thing.shape))

    if keras_loading.is_archive(path):
        with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as inner, h5py.File(inner, "r") as file:
            file.visititems(note)
    else:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    return found


def _preprocessing(home: ModuleType, network: Any) -> Preprocessing:
    """Find the preprocessing of a module out from what its preprocess_input makes of black and of each color.

    It is the same straight line for every pixel, of one channel each.
    """
    pixels = np.zeros((1, 1, 4, 3))
    pixels[0, 0, [1, 2, 3], [0, 1, 2]] = 255.0
    made = np.asarray(home.preprocess_input(pixels.copy(), data_format="channels_last"), np.float64)[0, 0]
    offset, slopes = made[0], (made[1:] - made[0]) / 255  # slopes: (color of the picture, channel of the network)
    order = slopes.argmax(axis=0).tolist()
    slope = slopes.max(axis=0)
    scale = float(slope[0]) if np.allclose(slope, slope[0], rtol=1e-9) else 1 / 255
    std = scale / slope
    height, width = _side(network)
    return Preprocessing.model_validate(
        {
            "size": height if height == width else (height, width),
            "color": "bgr" if order == [2, 1, 0] else "rgb",
            "scale": scale,
            "mean": _short(-offset * std),
            "std": _short(std),
        }
    )


def _side(network: Any) -> tuple[int, int]:
    sides = [side for side in network.input_shape[1:] if side != 3][:2]
    return sides[0] or _DEFAULT_SIDE, sides[1] or _DEFAULT_SIDE


def _short(numbers: Any) -> tuple[float, ...]:
    """Write numbers without the dust of floating point, and one for all where they are equal."""
    rounded = tuple(float(f"{number + 0.0:.12g}") for number in numbers)
    return rounded[:1] if len(set(rounded)) == 1 else rounded


def _cache() -> Path:
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path.home() / ".keras") / "models"


def _labels(path: Path) -> tuple[str, ...]:
    try:
        by_index = json.loads(path.read_text("utf-8"))
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
