"""What tests of adapters share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def quickly_compiled() -> Iterator[None]:
    """Let XLA compile in half the time: what is compared is the numbers, not the speed."""
    import jax

    name = "jax_disable_most_optimizations"
    before = jax.config.read(name)
    jax.config.update(name, True)
    yield
    jax.config.update(name, before)
