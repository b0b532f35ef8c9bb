"""Importing Keras on the backend that is there, quietly, and finding the device."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from picasso.core.errors import ConfigurationError, MissingExtraError

BACKENDS = ("tensorflow", "jax", "torch")
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


def find_device(wanted: str, keras: Any) -> str:
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
        raise ConfigurationError(
            f"The device '{wanted}' cannot be used: {first_line(str(error))}.", "Use cpu."
        ) from None
    return name


@contextmanager
def on_device(device: str | None, keras: Any) -> Iterator[None]:
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


def first_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[0][:300] if lines else "no message"
