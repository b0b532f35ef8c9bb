"""The blocks of the usual architectures in Flax, small: it brings no networks of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen


class _Named(linen.Module):
    classes: int

    def top(self, x: Any) -> Any:
        return linen.Dense(self.classes, name="top")(x.mean((1, 2)) if x.ndim == 4 else x.mean(1))

    def norm(self, x: Any) -> Any:
        return linen.BatchNorm(use_running_average=True)(x)


class Vgg(_Named):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        for features in (8, 16, 16):
            x = linen.relu(linen.Conv(features, (3, 3))(x))
            x = linen.max_pool(x, (2, 2), (2, 2))
        x = linen.relu(linen.Dense(32)(x.reshape(len(x), -1)))
        return linen.Dense(self.classes)(x)


class ResNet(_Named):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.relu(self.norm(linen.Conv(8, (7, 7), (2, 2))(x)))
        for stride in (1, 2):
            y = linen.relu(self.norm(linen.Conv(8, (3, 3), (stride, stride))(x)))
            y = self.norm(linen.Conv(8, (3, 3))(y))
            x = linen.relu(y + linen.Conv(8, (1, 1), (stride, stride))(x))
        return self.top(x)


class DenseNet(_Named):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.Conv(8, (3, 3), (2, 2))(x)
        for _ in range(3):
            y = linen.Conv(6, (3, 3))(linen.relu(self.norm(x)))
            x = jnp.concatenate([x, y], axis=-1)
        return self.top(linen.relu(self.norm(linen.avg_pool(x, (2, 2), (2, 2)))))


def _squeezed(x: Any, act: Callable[[Any], Any]) -> Any:
    y = act(linen.Conv(4, (1, 1))(x.mean((1, 2), keepdims=True)))
    return x * linen.sigmoid(linen.Conv(x.shape[-1], (1, 1))(y))


class Inverted(_Named):
    """Inverted residuals with squeeze and excitation: MobileNetV3 and EfficientNet differ by their activation."""

    act: Callable[[Any], Any] = linen.hard_swish

    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = self.act(self.norm(linen.Conv(8, (3, 3), (2, 2))(x)))
        for _ in range(2):
            y = self.act(self.norm(linen.Conv(24, (1, 1))(x)))
            y = self.act(self.norm(linen.Conv(24, (3, 3), feature_group_count=24)(y)))
            x = x + self.norm(linen.Conv(8, (1, 1))(_squeezed(y, linen.relu)))
        return self.top(x)


class ConvNeXt(_Named):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.LayerNorm()(linen.Conv(12, (4, 4), (4, 4))(x))
        for _ in range(2):
            y = linen.LayerNorm()(linen.Conv(12, (7, 7), feature_group_count=12)(x))
            x = x + linen.Dense(12)(linen.gelu(linen.Dense(24)(y)))
        return self.top(linen.LayerNorm()(x))


def _attended(x: Any, width: int) -> Any:
    y = linen.LayerNorm()(x)
    x = x + linen.MultiHeadDotProductAttention(2)(y, y)
    return x + linen.Dense(width)(linen.gelu(linen.Dense(2 * width)(linen.LayerNorm()(x))))


class ViT(_Named):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.Conv(16, (8, 8), (8, 8), name="patches")(x).reshape(len(x), -1, 16)
        token = self.param("token", linen.initializers.normal(1.0), (1, 1, 16))
        x = jnp.concatenate([jnp.broadcast_to(token, (len(x), 1, 16)), x], axis=1)
        x = x + self.param("places", linen.initializers.normal(1.0), (1, x.shape[1], 16))
        for _ in range(2):
            x = _attended(x, 16)
        return linen.Dense(self.classes)(linen.LayerNorm()(x)[:, 0])


class Swin(_Named):
    """Attention within windows of 4 x 4, the second time shifted."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.Conv(16, (4, 4), (4, 4), name="patches")(x)
        for shift in (0, 2):
            x = jnp.roll(x, (-shift, -shift), (1, 2))
            n, height, width, channels = x.shape
            windows = x.reshape(n, height // 4, 4, width // 4, 4, channels).transpose(0, 1, 3, 2, 4, 5)
            windows = _attended(windows.reshape(-1, 16, channels), channels)
            windows = windows.reshape(n, height // 4, width // 4, 4, 4, channels).transpose(0, 1, 3, 2, 4, 5)
            x = jnp.roll(windows.reshape(n, height, width, channels), (shift, shift), (1, 2))
        return self.top(linen.LayerNorm()(x))


NETWORKS: dict[str, Callable[[int], linen.Module]] = {
    "VGG": Vgg,
    "ResNet": ResNet,
    "DenseNet": DenseNet,
    "MobileNetV3": Inverted,
    "EfficientNet": lambda classes: Inverted(classes, jax.nn.silu),
    "ConvNeXt": ConvNeXt,
    "ViT": ViT,
    "Swin": Swin,
}
