"""The settings of the original Picasso, in all the forms that they had."""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from types import ModuleType
from typing import Any

from picasso.core import registry
from picasso.core.errors import ModelFileError
from picasso.models.keras.loading import quiet
from picasso.models.original import shims

CONFIG = "config.py"
_SAYS_SO = re.compile(rb"^\s*(MODEL_CLS_PATH|MODEL_CLS_NAME|BACKEND_ML|BACKEND_PREPROCESSOR_PATH)\s*=", re.MULTILINE)
_LARGEST = 2**20


@dataclass(frozen=True)
class OldModel:
    """A user's own object of the original Picasso, with its load() called.

    Args:
        user: The object, with preprocess, decode_prob and the like.
        saved: Where its network is saved; None where its own load() made one.
        files: The files of code.
    """

    user: Any
    saved: shims.Saved | None
    files: tuple[Path, ...] = field(default=())


def find_config(source: object) -> Path | None:
    """Return the settings of the original Picasso that a source is or, as a folder, holds; None where it has none."""
    if not isinstance(source, str):
        return None
    path = Path(source)
    try:
        path = path / CONFIG if path.is_dir() else path
        if path.suffix != ".py" or not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        return path if _SAYS_SO.search(path.read_bytes()) else None
    except (OSError, ValueError):
        return None


def open_old(config: Path) -> OldModel:
    """Run the settings and the model's file, make the user's object and let it load.

    Raises:
        ModelFileError: A file or a class is missing, or raised an error.
    """
    config = config.absolute()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with shims.importing(), quiet():
        settings = _settings(_run(config))
        if "MODEL_CLS_NAME" not in settings and "BACKEND_PREPROCESSOR_PATH" in settings:
            return _of_functions(settings, config)
        for name in ("MODEL_CLS_PATH", "MODEL_CLS_NAME"):
            if not isinstance(settings.get(name), str | Path):
                raise ModelFileError(f"{config.name} does not set {name}.", "It says which class of model.py is yours.")
        file = _found(settings["MODEL_CLS_PATH"], config.parent, "MODEL_CLS_PATH")
        module = _run(file)
        kind = getattr(module, str(settings["MODEL_CLS_NAME"]), None)
        if not inspect.isclass(kind):
            raise ModelFileError(f"{file.name} has no class {settings['MODEL_CLS_NAME']}.", "Check MODEL_CLS_NAME.")
        _of_tensorflow_1(module)
        arguments = dict(settings.get("MODEL_LOAD_ARGS") or {})
        if "DATA_DIR" in settings:
            arguments.setdefault("data_dir", settings["DATA_DIR"])
        if "data_dir" in arguments:
            arguments["data_dir"] = str(_found(arguments["data_dir"], config.parent, "data_dir"))
        user = _called(kind.__name__, kind)
        _called(f"{kind.__name__}.load", lambda: _load(user, arguments))
    return OldModel(user, getattr(user, "picasso_saved", None), tuple(dict.fromkeys((config, file))))


def _load(user: Any, arguments: Mapping[str, Any]) -> None:
    """Call the user's load(): where it is their own and builds a graph of TensorFlow 1, in a graph of its own."""
    if type(user).load in (shims.TFModel.load, shims.KerasModel.load):
        user.load(**arguments)
        return
    from picasso.models.tensorflow.quiet import import_tensorflow

    if isinstance(user, shims.KerasModel):
        user.load(**arguments)
        return
    with import_tensorflow().Graph().as_default():
        user.load(**arguments)


def _of_tensorflow_1(module: ModuleType) -> None:
    """Give a module that imported TensorFlow the names of TensorFlow 1, which it was written for."""
    tensorflow = sys.modules.get("tensorflow")
    for name, value in list(vars(module).items()):
        if tensorflow is not None and value is tensorflow:
            setattr(module, name, tensorflow.compat.v1)


def _settings(module: ModuleType) -> dict[str, Any]:
    """Return what a module sets in capitals; where it holds classes of settings, what the last of those sets."""
    plain = {name: value for name, value in vars(module).items() if name.isupper()}
    kinds = [value for value in vars(module).values() if inspect.isclass(value) and value.__module__ == module.__name__]
    if "MODEL_CLS_NAME" in plain or not kinds:
        return plain
    of_classes = [{name: getattr(kind, name) for name in dir(kind) if name.isupper()} for kind in kinds]
    return plain | next((found for found in reversed(of_classes) if "MODEL_CLS_NAME" in found), {})


def _of_functions(settings: Mapping[str, Any], config: Path) -> OldModel:
    """Open the first form of the settings: three functions in files of their own, and no class."""
    found: dict[str, Callable[..., Any]] = {}
    files = [config]
    for role, name in (
        ("PREPROCESSOR", "preprocess"),
        ("POSTPROCESSOR", "postprocess"),
        ("PROB_DECODER", "decode_prob"),
    ):
        if f"BACKEND_{role}_PATH" not in settings:
            continue
        file = _found(settings[f"BACKEND_{role}_PATH"], config.parent, f"BACKEND_{role}_PATH")
        function = getattr(_run(file), str(settings.get(f"BACKEND_{role}_NAME", name)), None)
        if not callable(function):
            raise ModelFileError(f"{file.name} has no function {settings.get(f'BACKEND_{role}_NAME', name)}.")
        found[name] = function
        files.append(file)
    methods = {name: (lambda self, given, call=function: call(given)) for name, function in found.items()}
    framework = "keras" if str(settings.get("BACKEND_ML", "keras")).lower() == "keras" else "tensorflow"
    user = type("Functions", (shims.BaseModel,), methods)()
    folder = str(_found(settings.get("DATA_DIR", "."), config.parent, "DATA_DIR"))
    tensors = [str(settings.get(f"BACKEND_TF_{role}_VAR") or "") for role in ("INPUT", "PREDICT")]
    return OldModel(user, shims.Saved(framework, folder, *tensors), tuple(dict.fromkeys(files)))


def _found(named: Any, folder: Path, setting: str) -> Path:
    """Return the file or folder that a setting names.

    It is looked up beside the settings, where the settings were written on another machine or for another place.
    """
    path = Path(str(named))
    last = PureWindowsPath(str(named)).name
    for candidate in (path if path.is_absolute() else folder / path, path, folder / last):
        if candidate.exists():
            return candidate.absolute()
    raise ModelFileError(f"{setting} names '{named}', and there is no such file or folder.", "Check the settings.")


def _run(file: Path) -> ModuleType:
    try:
        return registry.module_from_file(file, "picasso_models")
    except (Exception, SystemExit) as error:
        raise ModelFileError(
            f"{file} could not be imported: {type(error).__name__}: {error}.",
            "It was written for the original Picasso; look at what it imports.",
        ) from error


def _called(what: str, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"{what}() raised {type(error).__name__}: {error}.") from error
