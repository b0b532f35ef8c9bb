"""The blocks of the usual architectures in Flax, at full size but for some repetitions: it brings no networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen

from tests.matrix.drawn import drawing

CLASSES = 7
SIDE = 224
Act = Callable[[Any], Any]


def _same(x: Any) -> Any:
    return x


class Network(linen.Module):
    """Layers in the order in which the function `body` calls them."""

    body: Callable[[Any], Any]

    @linen.compact
    def __call__(self, x: Any) -> Any:
        return self.body(x)


def _norm(x: Any) -> Any:
    return linen.BatchNorm(use_running_average=True)(x)


def _conv(x: Any, width: int, size: int | tuple[int, int] = 3, stride: int = 1, **given: Any) -> Any:
    sides = (size, size) if isinstance(size, int) else size
    return linen.Conv(width, sides, (stride, stride), **given)(x)


def _block(x: Any, width: int, size: Any = 3, stride: int = 1, act: Act = linen.relu, **given: Any) -> Any:
    return act(_norm(_conv(x, width, size, stride, use_bias=False, **given)))


def _halved(x: Any) -> Any:
    return linen.max_pool(x, (3, 3), (2, 2), "SAME")


def _top(x: Any) -> Any:
    return linen.Dense(CLASSES, name="top")(x.mean((1, 2)))


def _vgg(x: Any) -> Any:
    for width, count in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(count):
            x = linen.relu(_conv(x, width))
        x = linen.max_pool(x, (2, 2), (2, 2))
    x = x.reshape(len(x), -1)
    for _ in range(2):
        x = linen.relu(linen.Dense(512)(x))
    return linen.Dense(CLASSES)(x)


def _basic(x: Any, width: int, stride: int, dilation: int) -> Any:
    y = _block(_block(x, width, 3, stride), width, act=_same)
    return linen.relu(y + (x if x.shape == y.shape else _block(x, width, 1, stride, _same)))


def _bottleneck(x: Any, width: int, stride: int, dilation: int) -> Any:
    y = _block(_block(x, width, 1), width, 3, stride, kernel_dilation=(dilation, dilation))
    y = _block(y, 4 * width, 1, act=_same)
    return linen.relu(y + (x if x.shape == y.shape else _block(x, 4 * width, 1, stride, _same)))


def _residual(x: Any, step: Callable[..., Any], counts: Sequence[int], last: Sequence[tuple[int, int]]) -> Any:
    x = _halved(_block(x, 64, 7, 2))
    for count, width, (stride, dilation) in zip(counts, (64, 128, 256, 512), ((1, 1), (2, 1), *last), strict=True):
        for number in range(count):
            x = step(x, width, stride if number == 0 else 1, dilation)
    return x


_HALVING = ((2, 1), (2, 1))
"""The strides and dilations of the last two stages of a classifier; a segmenter dilates instead."""


def _squeezed(x: Any, width: int, gate: Act = linen.sigmoid, act: Act = linen.relu) -> Any:
    y = act(_conv(x.mean((1, 2), keepdims=True), width, 1))
    return x * gate(_conv(y, x.shape[-1], 1))


def _inverted(x: Any, width: int, wide: int, size: int, stride: int, act: Act, gate: Act | None = None) -> Any:
    y = _block(x, wide, 1, act=act) if wide != x.shape[-1] else x
    y = _block(y, wide, size, stride, act, feature_group_count=wide)
    if gate is not None:
        y = _squeezed(y, max(8, x.shape[-1] // 4), gate, linen.relu if gate is linen.hard_sigmoid else act)
    y = _block(y, width, 1, act=_same)
    return x + y if x.shape == y.shape else y


def _mobile_v2(x: Any) -> Any:
    x = _block(x, 32, 3, 2, linen.relu6)
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for times, width, count, stride in rows:
        for number in range(count):
            x = _inverted(x, width, times * x.shape[-1], 3, stride if number == 0 else 1, linen.relu6)
    return _top(_block(x, 1280, 1, act=linen.relu6))


def _mobile_v3(x: Any) -> Any:
    x = _block(x, 16, 3, 2, linen.hard_swish)
    rows = (
        (3, 16, 16, 0, 1), (3, 64, 24, 0, 2), (3, 72, 24, 0, 1), (5, 72, 40, 1, 2), (5, 120, 40, 1, 1),
        (3, 240, 80, 0, 2), (3, 200, 80, 0, 1), (3, 480, 112, 1, 1), (5, 672, 160, 1, 2), (5, 960, 160, 1, 1),
    )  # fmt: skip
    for place, (size, wide, width, squeezes, stride) in enumerate(rows):
        act, gate = (linen.hard_swish if place > 4 else linen.relu), (linen.hard_sigmoid if squeezes else None)
        x = _inverted(x, width, wide, size, stride, act, gate)
    return _top(_block(x, 960, 1, act=linen.hard_swish))


def _efficient(x: Any) -> Any:
    x = _block(x, 32, 3, 2, linen.silu)
    rows = (
        (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3),
    )  # fmt: skip
    for times, width, count, stride, size in rows:
        for number in range(count):
            first = stride if number == 0 else 1
            x = _inverted(x, width, times * x.shape[-1], size, first, linen.silu, linen.sigmoid)
    return _top(_block(x, 1280, 1, act=linen.silu))


def _squeezenet(x: Any) -> Any:
    x = _halved(linen.relu(_conv(x, 64, 3, 2)))
    for number, width in enumerate((16, 16, 32, 32, 48, 48, 64, 64)):
        y = linen.relu(_conv(x, width, 1))
        x = jnp.concatenate([linen.relu(_conv(y, 4 * width, size)) for size in (1, 3)], axis=-1)
        x = _halved(x) if number in (1, 3) else x
    return linen.relu(_conv(x, CLASSES, 1)).mean((1, 2))


def _dense(x: Any) -> Any:
    x = _halved(_block(x, 64, 7, 2))
    for number, count in enumerate((6, 12, 24, 16)):
        if number:
            x = linen.avg_pool(_conv(linen.relu(_norm(x)), x.shape[-1] // 2, 1), (2, 2), (2, 2))
        for _ in range(count):
            y = _conv(linen.relu(_norm(_block_before(x))), 32)
            x = jnp.concatenate([x, y], axis=-1)
    return _top(linen.relu(_norm(x)))


def _block_before(x: Any) -> Any:
    return _conv(linen.relu(_norm(x)), 128, 1)


def _googlenet(x: Any) -> Any:
    x = _halved(_block(_block(_halved(_block(x, 64, 7, 2)), 64, 1), 192))
    widths = (
        (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128),
        (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
    )  # fmt: skip
    for number, (a, b, c, d, e, f) in enumerate(widths):
        x = _halved(x) if number in (2, 7) else x
        pooled = _block(linen.max_pool(x, (3, 3), (1, 1), "SAME"), f, 1)
        x = jnp.concatenate([_block(x, a, 1), _block(_block(x, b, 1), c), _block(_block(x, d, 1), e), pooled], axis=-1)
    return _top(x)


def _inception(x: Any) -> Any:
    x = _halved(_block(_block(_block(x, 32, 3, 2), 32), 64))
    x = _halved(_block(_block(x, 80, 1), 192))
    x = jnp.concatenate([_halved(x), _block(x, 192, 3, 2)], axis=-1)
    for width in (128, 160, 192):
        y = _block(_block(_block(x, width, 1), width, (1, 7)), 192, (7, 1))
        z = x
        for size, made in ((1, width), ((7, 1), width), ((1, 7), width), ((7, 1), width), ((1, 7), 192)):
            z = _block(z, made, size)
        pooled = _block(linen.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False), 192, 1)
        x = jnp.concatenate([_block(x, 192, 1), y, z, pooled], axis=-1)
    return _top(x)


def _shuffled(x: Any) -> Any:
    n, height, width, channels = x.shape
    return x.reshape(n, height, width, 2, channels // 2).swapaxes(3, 4).reshape(x.shape)


def _shuffle(x: Any) -> Any:
    x = _halved(_block(x, 24, 3, 2))
    for width, count in ((116, 4), (232, 8), (464, 4)):
        half = width // 2
        for number in range(count):
            stride = 2 if number == 0 else 1
            kept, y = (x, x) if number == 0 else jnp.split(x, 2, axis=-1)
            if number == 0:
                kept = _block(kept, x.shape[-1], 3, 2, _same, feature_group_count=x.shape[-1])
                kept = _block(kept, half, 1)
            y = _block(_block(y, half, 1), half, 3, stride, _same, feature_group_count=half)
            x = _shuffled(jnp.concatenate([kept, _block(y, half, 1)], axis=-1))
    return _top(_block(x, 1024, 1))


def _regnet(x: Any, *, squeezes: bool) -> Any:
    x = _block(x, 32, 3, 2)
    for width, count in ((48, 1), (104, 3), (208, 6), (440, 6)):
        for number in range(count):
            stride = 2 if number == 0 else 1
            y = _block(_block(x, width, 1), width, 3, stride, feature_group_count=width // 8)
            y = _block(_squeezed(y, x.shape[-1] // 4) if squeezes else y, width, 1, act=_same)
            x = linen.relu(y + (x if x.shape == y.shape else _block(x, width, 1, stride, _same)))
    return _top(x)


def _convnext(x: Any) -> Any:
    for width, count in ((96, 3), (192, 3), (384, 9), (768, 3)):
        x = linen.LayerNorm()(_conv(x, 96, 4, 4)) if width == 96 else _conv(linen.LayerNorm()(x), width, 2, 2)
        for _ in range(count):
            y = linen.LayerNorm()(_conv(x, width, 7, feature_group_count=width))
            x = x + linen.Dense(width)(linen.gelu(linen.Dense(4 * width)(y)))
    return linen.Dense(CLASSES)(linen.LayerNorm()(x.mean((1, 2))))


def _attended(x: Any, width: int, heads: int) -> Any:
    y = linen.LayerNorm()(x)
    x = x + linen.MultiHeadDotProductAttention(heads)(y, y)
    return x + linen.Dense(width)(linen.gelu(linen.Dense(4 * width)(linen.LayerNorm()(x))))


def _vit(x: Any) -> Any:
    x = _conv(x, 192, 16, 16).reshape(len(x), -1, 192)
    for _ in range(12):
        x = _attended(x, 192, 3)
    return linen.Dense(CLASSES)(linen.LayerNorm()(x).mean(1))


def _swin(x: Any) -> Any:
    x = linen.LayerNorm()(_conv(x, 96, 4, 4))
    for width, count, heads in ((96, 2, 3), (192, 2, 6), (384, 2, 12)):
        x = x if width == 96 else _conv(linen.LayerNorm()(x), width, 2, 2)
        for number in range(count):
            shift = 3 * (number % 2)
            n, high, wide, _ = x.shape
            x = jnp.roll(x, (-shift, -shift), (1, 2))
            x = x.reshape(n, high // 7, 7, wide // 7, 7, width).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 49, width)
            x = _attended(x, width, heads).reshape(n, high // 7, wide // 7, 7, 7, width)
            x = jnp.roll(x.transpose(0, 1, 3, 2, 4, 5).reshape(n, high, wide, width), (shift, shift), (1, 2))
    return _top(linen.LayerNorm()(x))


def _deeplab(x: Any) -> Any:
    n, height, width, _ = x.shape
    x = _residual(x, _bottleneck, (3, 4, 6, 3), ((1, 2), (1, 4)))
    pooled = jnp.broadcast_to(_block(x.mean((1, 2), keepdims=True), 256, 1), (*x.shape[:3], 256))
    parts = [_block(x, 256, 1), *(_block(x, 256, 3, kernel_dilation=(far, far)) for far in (12, 24, 36)), pooled]
    x = _conv(_block(_block(jnp.concatenate(parts, axis=-1), 256, 1), 256), CLASSES, 1)
    return jax.image.resize(x, (n, height, width, CLASSES), "bilinear")


def _unet(x: Any) -> Any:
    passed = []
    for width in (16, 32, 64):
        x = _block(_block(x, width), width)
        passed.append(x)
        x = linen.max_pool(x, (2, 2), (2, 2))
    x = _block(_block(x, 128), 128)
    for width, before in zip((64, 32, 16), passed[::-1], strict=True):
        if width == 32:
            up = _conv(jax.image.resize(x, (*before.shape[:3], x.shape[-1]), "bilinear"), width, 1)
        else:
            up = linen.ConvTranspose(width, (2, 2), (2, 2))(x)
        x = _block(_block(jnp.concatenate([before, up], axis=-1), width), width)
    return _conv(x, CLASSES, 1)


NETWORKS: dict[str, Callable[[Any], Any]] = {
    "VGG16": _vgg,
    "ResNet-18": lambda x: _top(_residual(x, _basic, (2, 2, 2, 2), _HALVING)),
    "ResNet-50": lambda x: _top(_residual(x, _bottleneck, (3, 4, 6, 3), _HALVING)),
    "MobileNetV2": _mobile_v2,
    "SqueezeNet 1.1": _squeezenet,
    "DenseNet121": _dense,
    "GoogLeNet": _googlenet,
    "InceptionV3": _inception,
    "EfficientNet-B0": _efficient,
    "MobileNetV3": _mobile_v3,
    "ShuffleNetV2": _shuffle,
    "RegNetX": lambda x: _regnet(x, squeezes=False),
    "RegNetY": lambda x: _regnet(x, squeezes=True),
    "ConvNeXt-Tiny": _convnext,
    "ViT-Tiny": _vit,
    "Swin-T": _swin,
    "DeepLabV3": _deeplab,
    "U-Net": _unet,
}


def make(name: str) -> tuple[linen.Module, Any]:
    """Return a network and variables drawn at random."""
    network, draw = Network(NETWORKS[name]), drawing()
    shapes = jax.eval_shape(network.init, jax.random.key(0), np.zeros((1, SIDE, SIDE, 3), np.float32))
    return network, jax.tree_util.tree_map_with_path(
        lambda path, leaf: draw(path[-1].key, leaf.shape, math.prod(leaf.shape[:-1])), shapes
    )
