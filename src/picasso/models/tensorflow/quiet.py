"""TensorFlow without its chatter, and with what it raises said in one sentence."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from picasso.core.errors import MissingExtraError, ModelFileError, PicassoError
from picasso.models.keras.loading import quiet

_NOISE = re.compile(
    r"\s*(Graph execution error|Detected at node|Node: |File \"|\d+ root error|\(\d+\)|\[\[|Original stack|$)"
)
"""Lines of a message that say where something happened, and not what."""


def import_tensorflow() -> Any:
    """Import TensorFlow.

    Raises:
        MissingExtraError: It is not installed.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError("TensorFlow is not installed.", "Run pip install 'picasso[tensorflow]'.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import tensorflow
    return tensorflow


@contextmanager
def silent() -> Iterator[None]:
    """Keep to itself what TensorFlow logs and warns of meanwhile: mostly that what is old is old."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.FATAL)
    try:
        with quiet():
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what TensorFlow raises over a file into one sentence."""
    try:
        with silent():
            yield
    except PicassoError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"{name} could not be opened: {type(error).__name__}: {reason(error)}.", "Save or copy it again."
        ) from error


def reason(error: Exception) -> str:
    """Return the line of TensorFlow's message that says what happened."""
    text = str(getattr(error, "message", "") or error)
    lines = [line.strip() for line in text.splitlines() if not _NOISE.match(line)]
    return (lines[0] if lines else "no message")[:300].rstrip(".")
