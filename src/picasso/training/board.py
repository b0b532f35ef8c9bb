"""Views of a network in TensorBoard, while it is trained."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from picasso.core import registry
from picasso.core.errors import MissingExtraError
from picasso.core.explaining import explain
from picasso.core.model import Model
from picasso.core.panels import Curve, Heatmap
from picasso.core.result import Result, image_files, map_files
from picasso.core.visualization import Subject
from picasso.training.journal import Moment

View = str | tuple[str, Mapping[str, Any]]
"""A visualization's name, or its name and its settings."""


class TensorBoardViews:
    """Writes pictures of what a network has learned so far, and its metrics, where TensorBoard finds them.

    Args:
        folder: The log directory.
        model: From `load_model`, of the live network that is trained.
        views: Visualizations; those that look at pictures are given `picture`.
        picture: What these look at: a path, an array, a PIL image.

    Raises:
        MissingExtraError: TensorBoard is not installed.

    Example:
        >>> board = TensorBoardViews("logs", load_model("demo:tank-proxy"), [("filters", {"shown": 16})])
        >>> board.write(1, {"loss": 0.5})
        >>> board.close()
    """

    def __init__(
        self, folder: str | Path, model: Model, views: Sequence[View] = ("filters",), picture: object = None
    ) -> None:
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError:
            raise MissingExtraError("TensorBoard is not installed.", "pip install 'picasso[tensorboard]'") from None
        self._model, self._picture = model, picture
        self._views = [(view, {}) if isinstance(view, str) else view for view in views]
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        # TensorBoard's own writer of files would import TensorFlow, where that is installed.
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}.picasso"
        self._file = (place / name).open("wb")
        self._records = RecordWriter(self._file)
        self._records.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    def write(self, step: int, metrics: Mapping[str, Any] | None = None) -> None:
        """Write the views of the network as it is now.

        Args:
            step: Epochs or steps so far.
            metrics: Loss, accuracy and the like, by name.

        Raises:
            PicassoError: A view cannot be made.
        """
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=f"metrics/{name}", simple_value=number)
            for name, number in Moment(step, metrics=metrics or {}).numbers().items()
        ]
        for name, settings in self._views:
            for title, data in self._pictures(name, settings).items():
                width, height = _size(data)
                image = Summary.Image(encoded_image_string=data, width=width, height=height, colorspace=3)
                values.append(Summary.Value(tag=f"{name}/{title}", image=image))
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        self._records.write(event.SerializeToString())
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _pictures(self, name: str, settings: Mapping[str, Any]) -> dict[str, bytes]:
        """Return the pictures of a visualization as PNG, by name."""
        alone = registry.visualization(name).load().subject is Subject.MODEL
        # What was made of other weights must not be shown again.
        result = explain(self._model, None if alone else self._picture, name, cache=False, **settings)
        assert isinstance(result, Result)
        maps = [panel for panel in result.panels if isinstance(panel, Heatmap)]
        files = map_files(maps) | image_files([panel for panel in result.panels if not isinstance(panel, Curve)])
        return {file.removesuffix(".png"): data for file, data in files.items() if file.endswith(".png")}


def _size(png: bytes) -> tuple[int, int]:
    """Return the width and the height that a PNG says it has."""
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
