"""Opening Keras files without running code that comes with them, and choosing the backend."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from picasso.core.errors import ConfigurationError, MissingExtraError, ModelFileError, PicassoError, UnsafeModelError
from picasso.core.opening import Options, describe, load_factory

BACKENDS = ("tensorflow", "jax", "torch")
SUFFIXES = (".keras", ".h5", ".hdf5")
ARCHIVE = frozenset({"config.json", "model.weights.h5"})
"""What every Keras archive holds."""
UNSAFE = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
"""Layers that hold code, pickles or foreign programs."""
FUNCTION_MODULES = ("keras.activations", "keras.ops", "keras.src.activations", "keras.src.ops")
"""Where the functions live that a file may name; others (a download, say) must not be called by a file."""
WAY_OUT = "Build it in code of your own: give a model file my_model.py:MyModel whose load() returns the built model."
HDF5 = b"\x89HDF"
LOG_LINE = re.compile(rb"WARNING: All log messages before absl::InitializeLog|[IWE]\d{4} \d\d:\d\d:")
_STDERR = threading.RLock()


def import_keras() -> Any:
    """Import Keras 3 on the backend that the environment names, else the first installed.

    Raises:
        MissingExtraError: Keras or its backend is not installed.
        ConfigurationError: KERAS_BACKEND names a backend without gradients, or Keras is older than 3.
    """
    if "keras" not in sys.modules:
        _choose_backend()
    with quiet():
        import keras
    if not hasattr(keras, "StatelessScope"):
        version = getattr(keras, "__version__", "of unknown version")
        raise ConfigurationError(f"Keras {version} is too old.", "Run pip install 'picasso[keras]' for Keras 3.")
    backend = keras.backend.backend()
    if backend not in BACKENDS:
        raise ConfigurationError(f"Keras runs on {backend} here; it must be one of {', '.join(BACKENDS)}.")
    return keras


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to itself what libraries warn of while they are imported or read a file."""
    with warnings.catch_warnings(), _without_log_lines():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _without_log_lines() -> Iterator[None]:
    """Drop the lines that TensorFlow writes when it is first imported, before it reads its own log level.

    They go straight to the file descriptor. What else arrives there meanwhile is handed on afterwards.
    """
    if "tensorflow" in sys.modules or importlib.util.find_spec("tensorflow") is None:
        yield
        return
    with _STDERR, tempfile.TemporaryFile() as kept:
        try:
            screen = os.dup(2)
        except OSError:  # a program without a screen
            yield
            return
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen, 2)
            os.close(screen)
            kept.seek(0)
            for line in kept:
                if not LOG_LINE.match(line):
                    os.write(2, line)


def is_archive(path: Path) -> bool:
    """Say whether a file, whatever its name, is an archive that Keras wrote."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PK\x03\x04":
                return False
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= ARCHIVE
    except (OSError, zipfile.BadZipFile):
        return False


def load_file(path: Path, options: Options) -> tuple[Any, str | None]:
    """Return the keras.Model in a file, and the device on which it was put, as Keras names it.

    Args:
        path: A .keras archive or an HDF5 file of a whole model; with `options.factory` one of weights only.
        options: Whose factory, if any, builds the network that the weights belong to.

    Raises:
        ModelFileError: The file is damaged, holds no whole model, or needs code that is not here.
        UnsafeModelError: Opening it would run code that comes with it.
        ConfigurationError: There is no such device.
    """
    kind = _kind(path)
    config = None if options.factory is not None else _config(path, kind)
    keras = import_keras()
    if config is not None:
        _refuse_code(config, path.name, keras)
    device = None if options.device is None else _device(options.device, keras)
    with _readable(path, kind, config) as name, _reading(path.name), quiet(), _on(device, keras):
        if options.factory is None:
            return keras.saving.load_model(name, compile=False, safe_mode=True), device
        model = load_factory(options.factory)()
        if not isinstance(model, keras.Model):
            raise ModelFileError(f"The factory must return a keras.Model. Got a {type(model).__name__}.")
        model.load_weights(name)
        return model, device


def _device(wanted: str, keras: Any) -> str:
    """Return the device's name as the backend has it, if there is such a device."""
    backend = keras.backend.backend()
    kind, _, number = wanted.lower().partition(":")
    if backend == "torch":
        name = wanted.lower().replace("gpu", "cuda")
    else:
        name = f"{'gpu' if kind == 'cuda' else kind}:{number or 0}"
    try:
        if backend == "tensorflow":
            import tensorflow as tf

            known = [device.name.removeprefix("/device:").lower() for device in tf.config.list_logical_devices()]
            if name not in known:
                raise ValueError(f"there is only {', '.join(known)}")
        with keras.device(name):
            keras.ops.zeros(1)
    except Exception as error:
        raise ConfigurationError(f"The device '{wanted}' cannot be used: {_first(str(error))}.", "Use cpu.") from None
    return name


@contextmanager
def _on(device: str | None, keras: Any) -> Iterator[None]:
    if device is None:
        yield
    else:
        with keras.device(device):
            yield


def _choose_backend() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if importlib.util.find_spec("keras") is None:
        raise MissingExtraError("Keras is not installed.", "Run pip install 'picasso[keras]'.")
    installed = [name for name in BACKENDS if importlib.util.find_spec(name) is not None]
    chosen = os.environ.get("KERAS_BACKEND")
    if not chosen and not installed:
        raise MissingExtraError(
            "Keras needs TensorFlow, JAX or PyTorch, and none is installed.", "Run pip install 'picasso[tensorflow]'."
        )
    if chosen in BACKENDS and chosen not in installed:
        raise MissingExtraError(
            f"KERAS_BACKEND is {chosen}, which is not installed.", f"Run pip install 'picasso[{chosen}]'."
        )
    if chosen and chosen not in BACKENDS:
        raise ConfigurationError(f"KERAS_BACKEND must be one of {', '.join(BACKENDS)}. Got '{chosen}'.")
    os.environ["KERAS_BACKEND"] = chosen or installed[0]


def _kind(path: Path) -> str:
    """Return what the file's content is, "archive" or "hdf5", whatever its name."""
    if path.is_dir():
        raise ModelFileError(f"{path.name} is a folder, not a model file.", "Save the model as one .keras file.")
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}.", "Check the path.")
    what = describe(path)
    with path.open("rb") as file:
        start = file.read(4)
    if start == HDF5:
        return "hdf5"
    if start == b"PK\x03\x04":
        if is_archive(path):
            return "archive"
        if not zipfile.is_zipfile(path):
            raise ModelFileError(
                f"{path.name} is a damaged zip archive; it may be cut short.", "Save or copy it again."
            )
        raise ModelFileError(f"{path.name} is a zip archive, but not one that Keras wrote.")
    if "pickle" in what:
        raise UnsafeModelError(f"{path.name} is {what}: opening it would run code that comes with it.", WAY_OUT)
    raise ModelFileError(
        f"{path.name} is no Keras model: it is {what}.", "Save the model with model.save('name.keras')."
    )


def _config(path: Path, kind: str) -> Any:
    """Return the architecture that the file declares, as plain JSON."""
    if kind == "archive":
        try:
            with zipfile.ZipFile(path) as archive:
                return json.loads(archive.read("config.json"))
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
            raise ModelFileError(f"{path.name} is damaged: its config.json cannot be read.") from error
    if importlib.util.find_spec("h5py") is None:
        raise MissingExtraError("Reading HDF5 files needs h5py.", "Run pip install 'picasso[keras]'.")
    import h5py

    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
            if text is None:
                raise ModelFileError(
                    f"{path.name} is an HDF5 file without a network: it holds weights only, or no Keras model.",
                    "Save the whole model as a .keras file, or say what builds it: factory='my_net.py:make'.",
                )
            return json.loads(text)
    except (OSError, ValueError, TypeError) as error:
        raise ModelFileError(f"{path.name} is damaged; it may be cut short.", "Save or copy it again.") from error


def _refuse_code(config: Any, name: str, keras: Any) -> None:
    """Refuse a declared architecture that names code which Keras itself does not bring."""
    if isinstance(config, list):
        for part in config:
            _refuse_code(part, name, keras)
    if not isinstance(config, dict):
        return
    kind = config.get("class_name")
    if isinstance(kind, str) and kind in UNSAFE:
        what = "a Lambda layer" if "ambda" in kind else f"a {kind}"
        raise UnsafeModelError(f"{name} holds {what}: opening it would run code that comes with it.", WAY_OUT)
    if isinstance(kind, str) and not _known(config, kind, keras):
        registered = config.get("registered_name") or kind
        raise ModelFileError(f"{name} needs code that is not in it: '{registered}' is no part of Keras.", WAY_OUT)
    for key, part in config.items():
        if key != "compile_config":
            _refuse_code(part, name, keras)


def _known(config: dict[str, Any], kind: str, keras: Any) -> bool:
    module = config.get("module")
    registered = config.get("registered_name")
    if isinstance(registered, str) and keras.saving.get_registered_object(registered) is not None:
        return True
    if not isinstance(module, str | None):
        return False
    if kind != "function":
        return module is None or module.split(".")[0] == "keras"
    name = config.get("config")
    if module == "builtins":  # Keras's own functions by their bare names
        homes = (keras.activations, keras.initializers, keras.regularizers, keras.constraints)
        return isinstance(name, str) and any(hasattr(home, name) for home in homes)
    return module is not None and module.startswith(FUNCTION_MODULES)


@contextmanager
def _readable(path: Path, kind: str, config: Any) -> Iterator[str]:
    """Give the file under a name whose ending says what it is, which Keras goes by, and Keras 2's words mended."""
    fitting = (".keras",) if kind == "archive" else SUFFIXES[1:]
    mended = _mended(config) if kind == "hdf5" else config
    if path.name.endswith(fitting) and mended == config:
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="picasso-") as folder:
        # The whole name stays in front: Keras also tells its own weights files by ".weights.h5".
        copy = Path(folder) / (path.name if path.name.endswith(fitting) else f"{path.name}{fitting[0]}")
        shutil.copyfile(path, copy)
        if mended != config:
            import h5py

            with h5py.File(copy, "r+") as file:
                file.attrs["model_config"] = json.dumps(mended)
        yield str(copy)


def _mended(config: Any) -> Any:
    """Say as Keras 3 does what Keras 2 said of a Sequential model: a dict of layers, the first of them an input."""
    if isinstance(config, list):
        return [_mended(part) for part in config]
    if not isinstance(config, dict):
        return config
    mended = {key: _mended(part) for key, part in config.items()}
    inner = mended.get("config")
    if mended.get("class_name") != "Sequential":
        return mended
    if isinstance(inner, list):
        inner = mended["config"] = {"name": "sequential", "layers": inner}
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if not layers or layers[0].get("class_name") == "InputLayer":
        return mended
    shape = layers[0].get("config", {}).pop("batch_input_shape", None)
    if shape is not None:
        entrance = {"batch_shape": shape, "dtype": "float32", "name": "picasso_input"}
        layers.insert(0, {"class_name": "InputLayer", "config": entrance})
    return mended


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what Keras raises over a file into one clear sentence."""
    try:
        yield
    except PicassoError:
        raise
    except Exception as error:
        text = str(error)
        if "unsafe" in text.lower() or "lambda" in text.lower():
            raise UnsafeModelError(f"Opening {name} would run code that comes with it.", WAY_OUT) from error
        if "could not locate" in text.lower() or "unknown layer" in text.lower():
            raise ModelFileError(f"{name} needs code that is not in it: {_first(text)}", WAY_OUT) from error
        raise ModelFileError(f"{name} could not be opened: {type(error).__name__}: {_first(text)}") from error


def _first(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[0][:300] if lines else "no message"
