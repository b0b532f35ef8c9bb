"""JAX functions with parameters, and Flax modules, linen and nnx."""

from __future__ import annotations


def claims(source: object) -> bool:
    """Say whether this adapter opens the source."""
    return False
