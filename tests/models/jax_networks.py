"""Small networks written in the ways in which people write them for JAX: linen, nnx, functions in both layouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

Relu = Callable[[Any], Any]


class Block(linen.Module):
    """A residual block with a normalization."""

    features: int
    relu: Relu = linen.relu

    @linen.compact
    def __call__(self, x: Any, train: bool = True) -> Any:
        y = linen.Conv(self.features, (3, 3), name="inner")(x)
        y = linen.BatchNorm(use_running_average=not train)(y)
        return self.relu(x + y)


class Net(linen.Module):
    """A small residual network with dropout, whose call defaults to training."""

    relu: Relu = linen.relu
    end: Callable[[Any], Any] = staticmethod(lambda x: x)

    @linen.compact
    def __call__(self, x: Any, train: bool = True) -> Any:
        x = self.relu(linen.Conv(6, (3, 3))(x))
        x = Block(6, self.relu)(x, train)
        x = linen.max_pool(x, (2, 2), (2, 2))
        x = linen.Dropout(0.5, deterministic=not train)(x)
        return self.end(linen.Dense(5)(x.mean((1, 2))))


class Twice(linen.Module):
    """One module that runs twice, one after the other, and a method of its own."""

    def setup(self) -> None:
        self.conv = linen.Conv(3, (3, 3))
        self.top = linen.Dense(4)

    def features(self, x: Any) -> Any:
        return self.conv(self.conv(x))

    def __call__(self, x: Any) -> Any:
        return self.top(self.features(x).mean((1, 2)))


class Transformer(linen.Module):
    """A small vision transformer with a class token."""

    @linen.compact
    def __call__(self, x: Any, deterministic: bool) -> Any:
        x = linen.Conv(8, (4, 4), (4, 4), name="patches")(x)
        x = x.reshape(len(x), -1, 8)
        token = self.param("token", linen.initializers.normal(1.0), (1, 1, 8))
        x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, 8)), x], axis=1)
        x = x + self.param("places", linen.initializers.normal(1.0), (1, x.shape[1], 8))
        for _ in range(2):
            y = linen.LayerNorm()(x)
            x = x + linen.MultiHeadDotProductAttention(2, dropout_rate=0.1, deterministic=deterministic)(y, y)
            x = x + linen.Dense(8)(linen.gelu(linen.Dense(16)(linen.LayerNorm()(x))))
        return linen.Dense(3)(linen.LayerNorm(name="last")(x)[:, 0])


class Part(nnx.Module):
    """A convolution and a normalization."""

    def __init__(self, inside: int, outside: int, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(inside, outside, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(outside, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return nnx.relu(self.norm(self.conv(x)))


class Nnx(nnx.Module):
    """An nnx network with a list of modules, one of which runs twice, and dropout."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.parts = nnx.List([Part(3, 6, rngs), Part(6, 6, rngs)])
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.top = nnx.Linear(6, 5, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = self.parts[1](self.parts[1](self.parts[0](x)))
        return self.top(self.dropout(x.mean((1, 2))))


def parameters(channels: int = 3) -> dict[str, Any]:
    """Return parameters for `last` and `first`, with a number that is none among them."""
    random = np.random.default_rng(3)
    return {
        "one": {"kernel": random.normal(size=(3, 3, channels, 6)).astype(np.float32) / 4, "stride": 1},
        "two": {"kernel": random.normal(size=(3, 3, 6, 8)).astype(np.float32) / 6, "stride": 2},
        "top": jnp.asarray(random.normal(size=(8, 5)).astype(np.float32)),
    }


def last(parameters: Any, x: Any, relu: Relu = jax.nn.relu) -> Any:
    """Channels last."""
    for name in ("one", "two"):
        part = parameters[name]
        stride = (part["stride"],) * 2
        layout = ("NHWC", "HWIO", "NHWC")
        x = relu(jax.lax.conv_general_dilated(x, part["kernel"], stride, "SAME", dimension_numbers=layout))
    return x.mean((1, 2)) @ parameters["top"]


def first(parameters: Any, x: Any, relu: Relu = jax.nn.relu) -> Any:
    """The same, channels first, each half in a scope of its own."""
    for name in ("one", "two"):
        part = parameters[name]
        stride = (part["stride"],) * 2
        layout = ("NCHW", "HWIO", "NCHW")
        with jax.named_scope(name):
            x = relu(jax.lax.conv_general_dilated(x, part["kernel"], stride, "SAME", dimension_numbers=layout))
    return {"logits": x.mean((2, 3)) @ parameters["top"], "aux": x}


def mixed(module: linen.Module, *more: Any, side: int = 12) -> Any:
    """Return a module's variables, its batch statistics not the trivial ones."""
    variables = started(module, jnp.zeros((1, side, side, 3)), *more)
    random = np.random.default_rng(4)

    def shaken(leaf: Any) -> Any:
        return leaf + 0.3 * np.abs(random.normal(size=leaf.shape)).astype(np.float32)

    return {**variables, "batch_stats": jax.tree_util.tree_map(shaken, variables.get("batch_stats", {}))}


def started(module: linen.Module, x: Any, *more: Any) -> Any:
    """Return a module's first variables; compiled as one, which is far quicker than operation by operation."""
    return jax.jit(lambda key: module.init(key, x, *more))(jax.random.key(1))
