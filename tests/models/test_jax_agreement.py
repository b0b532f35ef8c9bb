"""The same real weights as a PyTorch module and as a Flax module give the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from flax import linen

import picasso
from picasso.core.facts import INPUT, ReluRule, Rules
from picasso.core.model import Model
from picasso.core.pictures.images import read_picture
from tests.models.squeezenet import SqueezeNet
from tests.models.squeezenet_maps import PREPROCESSING


class FlaxFire(linen.Module):
    """Squeeze, then two expansions side by side."""

    squeeze: int
    expand: int

    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.relu(linen.Conv(self.squeeze, (1, 1), name="squeeze1x1")(x))
        one = linen.relu(linen.Conv(self.expand, (1, 1), name="expand1x1")(x))
        three = linen.relu(linen.Conv(self.expand, (3, 3), name="expand3x3")(x))
        return jnp.concatenate([one, three], -1)


class FlaxSqueezeNet(linen.Module):
    """SqueezeNet 1.1 as it is written for Flax, pooling with rounding up."""

    @linen.compact
    def __call__(self, x: Any) -> Any:
        def pool(x: Any) -> Any:
            return linen.max_pool(x, (3, 3), (2, 2), ((0, 1), (0, 1)))

        x = pool(linen.relu(linen.Conv(64, (3, 3), (2, 2), "VALID", name="conv1")(x)))
        sizes = [(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]
        for number, size in enumerate(sizes, 2):
            x = FlaxFire(*size, name=f"fire{number}")(x)
            x = pool(x) if number in (3, 5) else x
        x = linen.relu(linen.Conv(1000, (1, 1), name="conv10")(x))
        return linen.softmax(x.mean((1, 2)))


def from_torch(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Return Flax's parameters from PyTorch's."""
    tree: dict[str, Any] = {}
    for name, tensor in state.items():
        *parents, last = name.split(".")
        inner = tree
        for parent in parents:
            inner = inner.setdefault(parent, {})
        kernel = tensor.ndim == 4
        inner["kernel" if kernel else last] = (tensor.permute(2, 3, 1, 0) if kernel else tensor).numpy()
    return tree


def near(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_squeezenet_with_imagenet_weights_gives_the_same_numbers(shared_data: Path) -> None:
    folder = shared_data / "squeezenet11"
    state = torch.load(folder / "squeezenet11_state_dict.pt", weights_only=True)
    network = SqueezeNet()
    network.load_state_dict(state)
    labels = folder / "synset_words.txt"
    one: Model = picasso.load_model((FlaxSqueezeNet(), from_torch(state)), labels=labels, preprocessing=PREPROCESSING)
    other: Model = picasso.load_model(network, labels=labels, preprocessing=PREPROCESSING)
    assert one.facts.units == "logit"
    x = one.prepare(read_picture(shared_data / "photos" / "cat.jpg")).x
    near(one.predict(x), other.predict(x), 1e-5)
    assert one.decode_prob(one.predict(x))[0][0].label.startswith("Egyptian cat")
    target = other.target("Egyptian cat")
    for rule in (ReluRule.STANDARD, ReluRule.GUIDED):
        found = one.pullback(x, [target], [INPUT, "fire9"], Rules(relu=rule))
        expected = other.pullback(x, [target], [INPUT, "fire9"], Rules(relu=rule))
        for place in (INPUT, "fire9"):
            near(found.gradients[place], expected.gradients[place], 1e-4)
            near(found.values[place], expected.values[place], 1e-4)
        assert found.ruled == expected.ruled or rule is ReluRule.STANDARD
