"""TensorFlow graphs: SavedModels, and the checkpoints with a meta graph of TensorFlow 1."""

from __future__ import annotations


def claims(source: object) -> bool:
    """Say whether this adapter opens the source."""
    return False
