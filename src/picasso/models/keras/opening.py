"""From a file or a live object to a Keras 3 model, its weights in it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from picasso.core.errors import ModelFileError, PicassoError, UnsafeModelError
from picasso.core.opening import Options, load_factory
from picasso.core.preprocessing import Array
from picasso.core.trust import file_digest
from picasso.models.keras import files, mending, weights
from picasso.models.keras.files import Kind
from picasso.models.keras.loading import find_device, first_line, import_keras, on_device, quiet
from picasso.models.keras.safety import WAY_OUT, check_code, check_hdf5, check_shapes, limited

MOST_NUMBERS = 2**31
"""Numbers that a layer may return for one picture, 8 GB."""


@dataclass(frozen=True)
class Found:
    """A model that is ready to run.

    Args:
        model: The keras.Model.
        keras: The imported package.
        device: Where it was put, as Keras names it; None for Keras's own choice.
        live: Whether it is the user's own object.
        origin: Digest of the files; empty for models that have none.
        notes: What was assumed, one sentence each.
        files: The files that it was read from.
    """

    model: Any
    keras: Any
    device: str | None = None
    live: bool = False
    origin: str = ""
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def open_source(source: Any, options: Options) -> Found:
    """Open a file, or take a live model.

    Args:
        source: The path of a .keras archive, an HDF5 file or an architecture in JSON; or a live model.
        options: Device, weights, trust; a factory for a file of weights only.

    Raises:
        ModelFileError: The file is damaged, half a model, or needs code that is not here.
        UnsafeModelError: Opening it would run code that comes with it, or lead to other files.
        ConfigurationError: There is no such device.
    """
    if isinstance(source, str):
        return _open_file(Path(source), options)
    keras = import_keras()
    if not isinstance(source, keras.Model):
        return _converted(source, keras)
    said = "A live Keras model runs where its weights are; the device that was asked for is not used."
    return Found(source, keras, live=True, notes=() if options.device is None else (said,))


def _open_file(path: Path, options: Options) -> Found:
    kind = files.kind_of(path)
    if options.factory is not None:
        return _made(path, kind, options)
    half = path
    if kind is Kind.ARCHITECTURE:
        half = files.find_weights(path, options.weights)
        if not half.is_file() or files.kind_of(half) not in (Kind.WEIGHTS, Kind.WHOLE):
            raise ModelFileError(f"{half} holds no weights of a Keras model.", "Give an .h5 or .hdf5 file.")
    elif kind is Kind.WEIGHTS:
        path = Path(options.weights) if options.weights else files.find_architecture(path)
        if not files.is_architecture(path):
            raise ModelFileError(f"{path} is no architecture of a Keras model.", "Give a .json file.")
    keras = import_keras()
    device = None if options.device is None else find_device(options.device, keras)
    with _reading(path.name), quiet(), on_device(device, keras), _scope(keras):
        if kind is Kind.ARCHIVE:
            model, notes = _from_archive(path, options, keras)
        else:
            model, notes = _from_hdf5(path, half, options, keras)
        check_shapes(model, path.name, MOST_NUMBERS)
    if half == path:
        return Found(model, keras, device, origin=file_digest(path), notes=notes, files=(path,))
    both = hashlib.sha256(f"{file_digest(path)} {file_digest(half)}".encode()).hexdigest()
    notes = (f"The architecture is that of {path.name}, the weights are those of {half.name}.", *notes)
    return Found(model, keras, device, origin=both, notes=notes, files=(path, half))


def _made(path: Path, kind: Kind, options: Options) -> Found:
    """Give what the user's factory makes the weights in a file."""
    keras = import_keras()
    device = None if options.device is None else find_device(options.device, keras)
    if kind is Kind.ARCHITECTURE:
        raise ModelFileError(f"{path.name} is an architecture; with a factory give the weights.", "Give an .h5 file.")
    if kind is Kind.ARCHIVE:
        files.read_archive(path)
    with _reading(path.name), quiet(), on_device(device, keras):
        model = load_factory(options.factory)() if options.factory is not None else None
        if not isinstance(model, keras.Model):
            raise ModelFileError(f"The factory must return a keras.Model. Got a {type(model).__name__}.")
        if kind is Kind.ARCHIVE:
            with _named(path, ".keras") as name:
                model.load_weights(name)
            return Found(model, keras, device, files=(path,))
        with files.opened_hdf5(path) as content:
            check_hdf5(content, path.name)
            notes = _give(model, path, content)
    return Found(model, keras, device, notes=notes, files=(path,))


def read_values(path: Path, model: Any, keras: Any) -> dict[int, Array]:
    """Return what a file holds for each variable of a model, by the variable's identity.

    Keras reads such files only into a model, so the model has other numbers meanwhile; then it is as it was.

    Raises:
        ModelFileError: The file holds no weights, or those of another model.
    """
    kind = files.kind_of(path)
    if kind is Kind.ARCHITECTURE:
        raise ModelFileError(f"{path.name} is an architecture without weights.", "Give an .h5 or .keras file.")
    numbers = keras.ops.convert_to_numpy
    before = [(variable, np.array(numbers(variable))) for variable in model.variables]
    # An optimizer keeps numbers in such files, too, and must not get them.
    optimizer = vars(model).pop("optimizer", None)
    try:
        with _reading(path.name), quiet():
            if kind is Kind.ARCHIVE:
                files.read_archive(path)
                with _named(path, ".keras") as name:
                    model.load_weights(name)
            else:
                with files.opened_hdf5(path) as content:
                    check_hdf5(content, path.name)
                    _give(model, path, content)
        return {id(variable): np.array(numbers(variable)) for variable, _ in before}
    finally:
        for variable, value in before:
            variable.assign(value)
        if optimizer is not None:
            vars(model)["optimizer"] = optimizer


def _give(model: Any, path: Path, content: Any, change: weights.Change | None = None) -> tuple[str, ...]:
    """Give a model the weights in an open HDF5 file, in either layout."""
    group = content.get("model_weights", content)
    if "layer_names" in group.attrs:
        return weights.give_weights(model, weights.saved_layers(group), change)
    with _named(path, ".weights.h5") as name:
        model.load_weights(name)
    return ()


def _from_archive(path: Path, options: Options, keras: Any) -> tuple[Any, tuple[str, ...]]:
    config, version, held = files.read_archive(path)
    if not mending.is_old(config, version):
        holds_code = check_code(config, path, options.trust, keras)
        with limited(keras, held, path.name), _named(path, ".keras") as name:
            return keras.saving.load_model(name, compile=False, safe_mode=not holds_code), ()
    model = _built(mending.mended(config, keras), path, options, keras, held)
    with files.archived_weights(path) as content:
        for layer, arrays in weights.archived_layers(config, model, content):
            saved = weights.Saved(layer.name, tuple((str(place), array) for place, array in enumerate(arrays)))
            weights.give_one(layer, saved)
    return model, (_told(version),)


def _from_hdf5(path: Path, half: Path, options: Options, keras: Any) -> tuple[Any, tuple[str, ...]]:
    """Build a model from the architecture in one file, JSON or HDF5, with the weights in another or the same."""
    with files.opened_hdf5(half) as content:
        held = check_hdf5(content, half.name)
        config, version = files.read_whole(path, content) if path == half else files.read_architecture(path)
        old = mending.is_old(config, version)
        first = version.startswith("1.") or (old and any(f"'{word}'" in str(config) for word in mending.WORDS))
        config = mending.mended(config, keras, first) if old else _complete(config)
        model = _built(config, path, options, keras, held)
        change, note = _layout(model, first, files.text_of(content, "backend"))
        told = (_told(version),) if old else ()
        return model, (*told, *note, *_give(model, half, content, change))


def _layout(model: Any, first: bool, backend: str) -> tuple[weights.Change | None, tuple[str, ...]]:
    """Return how kernels are turned into those of Keras 3, and a note where that was guessed."""
    if not first:
        return (weights.theano_kernels if backend == "theano" else None), ()
    turned = any(getattr(layer, "data_format", "") == "channels_first" for layer in model._flatten_layers())
    note = "The file does not say on what it was trained; its kernels are taken for those of Theano."
    guessed = turned and not backend
    return weights.keras_1_layout(backend == "theano" or guessed), (note,) if guessed else ()


def _told(version: str) -> str:
    return f"The architecture was written by Keras {version or '1 or 2'}, and is said in the words of Keras 3."


def _complete(config: Any) -> Any:
    """Say where the class of a model lives, which Keras 3 leaves out in HDF5 files."""
    if isinstance(config, dict) and "module" not in config:
        kind = config.get("class_name")
        if kind in mending.MODELS:
            name = "Sequential" if kind == "Sequential" else "Model"
            return config | {"module": "keras", "class_name": name, "registered_name": None}
    return config


def _built(config: Any, path: Path, options: Options, keras: Any, held: int) -> Any:
    """Build the model that an architecture declares."""
    holds_code = check_code(config, path, options.trust, keras)
    with limited(keras, held, path.name):
        return keras.saving.deserialize_keras_object(config, safe_mode=not holds_code)


def _converted(source: Any, keras: Any) -> Found:
    """Return a copy in Keras 3 of a live model of Keras 2."""
    hint = "Save it as a TensorFlow SavedModel, and open that."
    try:
        config = json.loads(source.to_json())
    except (NotImplementedError, TypeError, ValueError):
        config = {}
    if config.get("class_name") not in mending.MODELS:
        raise ModelFileError("The model is a subclassed one of Keras 2, which does not say its layers.", hint)
    with _reading("The model of Keras 2"), quiet(), _scope(keras):
        made = mending.mended(config, keras)
        check_code(made, None, (), keras)
        model = keras.saving.deserialize_keras_object(made)
        saved = [
            weights.Saved(
                layer.name,
                tuple(
                    (weight.name, np.asarray(weight))
                    for weight in (*layer.trainable_weights, *layer.non_trainable_weights)
                    if not weights.only_in_training(weight.name)
                ),
            )
            for layer in source.layers
            if layer.weights
        ]
        notes = weights.give_weights(model, saved)
    said = "The model of Keras 2 was copied to Keras 3: what it learns from now on is not seen."
    return Found(model, keras, notes=(said, *notes))


@contextmanager
def _scope(keras: Any) -> Iterator[None]:
    """Let architectures name what the mending puts into them."""
    names: Mapping[str, Any] = mending.scope()
    with keras.saving.custom_object_scope(names):
        yield


@contextmanager
def _named(path: Path, suffix: str) -> Iterator[str]:
    """Give a file under a name of the ending by which Keras goes."""
    if path.name.endswith(suffix):
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="picasso-") as folder:
        copy = Path(folder) / f"model{'.weights.h5' if path.name.endswith('.weights.h5') else suffix}"
        try:
            copy.symlink_to(path.absolute())
        except OSError:  # a system without links
            shutil.copyfile(path, copy)
        yield str(copy)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what Keras raises over a file into one clear sentence."""
    try:
        yield
    except PicassoError:
        raise
    except Exception as error:
        inner: BaseException | None = error
        while inner is not None:
            if isinstance(inner, PicassoError):
                raise inner from None
            inner = inner.__cause__ or inner.__context__
        text = str(error)
        if "unsafe" in text.lower() or "lambda" in text.lower():
            raise UnsafeModelError(f"Opening {name} would run code that comes with it.", WAY_OUT) from error
        if "could not locate" in text.lower() or "unknown layer" in text.lower():
            raise ModelFileError(f"{name} needs code that is not in it: {first_line(text)}", WAY_OUT) from error
        raise ModelFileError(f"{name} could not be opened: {type(error).__name__}: {first_line(text)}") from error
