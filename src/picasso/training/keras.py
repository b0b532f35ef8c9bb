"""Checkpoints of a Keras training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from picasso.core.errors import ConfigurationError
from picasso.core.learning.checkpoints import JOURNAL
from picasso.models.keras.loading import import_keras
from picasso.training.board import TensorBoardViews
from picasso.training.journal import Moment, keep, last_epoch


def keras_checkpoints(folder: str | Path, *, every: int = 1, board: TensorBoardViews | None = None) -> Any:
    """Return a Keras callback that saves the weights before the training and after its epochs.

    Args:
        folder: Where checkpoints are collected; it is made. A training that goes on adds to it: its epochs are counted
            from the last one in there, unless `fit` is given an `initial_epoch`.
        every: After how many epochs one is saved; the last always is, also where the training stops early.
        board: Where views of the network are written to each time.

    Returns:
        A keras.callbacks.Callback, for `model.fit(x, y, epochs=10, callbacks=[keras_checkpoints("checkpoints")])`.

    Raises:
        MissingExtraError: Keras is not installed.
        ConfigurationError: `every` is less than 1.
    """
    if every < 1:
        raise ConfigurationError(f"every must be at least 1. Got {every}.")
    place = Path(folder)

    class Saver(import_keras().callbacks.Callback):  # type: ignore[misc]
        """Saves weights."""

        def on_train_begin(self, logs: Any = None) -> None:
            self._before: int | None = None
            self._unsaved: Moment | None = None
            # A training that goes on has its beginning already; a model that was never called has no weights yet.
            if self.model.built and not (place / JOURNAL).exists():
                self._save(Moment(0))

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if self._before is None:
                self._before = 0 if epoch else last_epoch(place)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            done = epoch + 1 + (self._before or 0)
            self._unsaved = Moment(done, metrics=dict(logs or {}))
            over = epoch + 1 == (self.params or {}).get("epochs") or self.model.stop_training
            if done % every == 0 or over:
                self._save(self._unsaved)

        def on_train_end(self, logs: Any = None) -> None:
            # Whoever comes later in the list of callbacks may have stopped the training after the last epoch was here.
            if self._unsaved is not None:
                self._save(self._unsaved)

        def _save(self, moment: Moment) -> None:
            keep(place, moment, ".weights.h5", self.model.save_weights)
            self._unsaved = None
            if board is not None:
                board.write(moment.epoch or 0, moment.metrics)

    return Saver()
