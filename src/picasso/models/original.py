"""Folders of the original Picasso: config.py and model.py, with KerasModel or TFModel."""

from __future__ import annotations


def claims(source: object) -> bool:
    """Say whether this adapter opens the source."""
    return False
