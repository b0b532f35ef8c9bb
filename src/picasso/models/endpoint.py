"""A model behind an HTTP endpoint that speaks the Open Inference Protocol (KServe v2): a black box."""

from __future__ import annotations


def claims(source: object) -> bool:
    """Say whether this adapter opens the source."""
    return False
