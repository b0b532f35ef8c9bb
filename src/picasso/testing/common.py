"""What both suites share: a small model, a trial picture, and how a broken rule is said."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from picasso.core.errors import MissingExtraError, PicassoError
from picasso.core.model import Model
from picasso.core.opening import load_model
from picasso.core.pictures.images import Picture, read_picture
from picasso.core.preprocessing import Array, Preprocessing


def small_model() -> Model:
    """Return a small model for trials: a convolutional network where PyTorch is installed, else a function."""
    preprocessing = Preprocessing(size=(16, 20), mean=(0.5,), std=(0.25,))
    labels = ("tank", "decoy", "sky")
    if importlib.util.find_spec("torch") is None:
        return load_model(_quadrants, preprocessing=preprocessing, labels=labels, name="small")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(6, 8, 3, padding=1),
            torch.nn.BatchNorm2d(8),
            torch.nn.ReLU(inplace=True),
            torch.nn.AdaptiveAvgPool2d((3, 3)),
            torch.nn.Flatten(),
            torch.nn.Dropout(0.5),
            torch.nn.Linear(72, 3),
        )
        # In training mode, as people leave their networks: whoever forgets evaluation mode is found out.
        return load_model(network, preprocessing=preprocessing, labels=labels, name="small", batch_size=64)


def small_transformer() -> Model:
    """Return a small vision transformer for trials, with a class token and patches on a grid of 4 x 5.

    Raises:
        MissingExtraError: PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("The small transformer needs PyTorch.", "Run pip install 'picasso[torch]'.")
    import torch

    class Transformer(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.patches = torch.nn.Conv2d(3, 12, 4, stride=4)
            self.token = torch.nn.Parameter(torch.randn(1, 1, 12))
            self.places = torch.nn.Parameter(torch.randn(1, 21, 12))
            make = torch.nn.TransformerEncoderLayer
            self.blocks = torch.nn.ModuleList(make(12, 2, 24, batch_first=True, norm_first=True) for _ in range(2))
            self.norm, self.head = torch.nn.LayerNorm(12), torch.nn.Linear(12, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.patches(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.places
            for block in self.blocks:
                x = block(x)
            scores: torch.Tensor = self.head(self.norm(x[:, 0]))
            return scores

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        preprocessing = Preprocessing(size=(16, 20), mean=(0.5,), std=(0.25,))
        labels = ("tank", "decoy", "sky")
        return load_model(Transformer(), preprocessing=preprocessing, labels=labels, name="small transformer")


def _quadrants(x: Array) -> Array:
    middle, center = x.shape[1] // 2, x.shape[2] // 2
    parts = (x[:, :middle, :center], x[:, :middle, center:], x[:, middle:])
    return np.stack([part.mean(axis=(1, 2, 3)) for part in parts], axis=1)


def rule(kept: object, subject: str, sentence: str) -> None:
    """Raise where a rule is broken; plain `assert` would be gone under `python -O`."""
    if not kept:
        raise AssertionError(f"{subject}: {sentence}")


def trial_picture(seed: int, height: int, width: int, channels: int | None = None) -> Picture:
    """Return a picture with coarse and fine structure; with `channels`, values of its own in so many."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 200, (5, 7, 3)).repeat(-(-height // 5), 0).repeat(-(-width // 7), 1)
    pixels = coarse[:height, :width] + random.integers(0, 56, (height, width, 3))
    picture = read_picture(pixels.astype(np.uint8), f"trial-{seed}")
    if channels is None:
        return picture
    values = np.repeat(picture.pixels, -(-channels // 3), axis=2)[..., :channels].astype(np.float32)
    return replace(picture, values=values)


def trial_clip(seed: int, height: int, width: int, frames: int) -> Picture:
    """Return a clip whose frames differ."""
    shots = np.stack([trial_picture(1000 * seed + place, height, width).pixels for place in range(frames)])
    return replace(trial_picture(1000 * seed, height, width), clip=shots)


@contextmanager
def untouched(model: Model, subject: str) -> Iterator[None]:
    """Raise when the model is another one afterwards: parameters, digest, modes, flags, hooks, gradients."""
    before = _state(model)
    yield
    after = _state(model)
    for key, value in before.items():
        rule(after[key] == value, subject, f"the model must be left as it was. Changed: {key}.")


def _state(model: Model) -> dict[str, Any]:
    """Return what of a model can be seen from outside, whatever framework it comes from."""
    state: dict[str, Any] = {"files": model.files}
    for network in vars(model).values():
        if callable(getattr(network, "named_modules", None)):
            parts = dict(network.named_modules())
            state["training modes"] = {name: part.training for name, part in parts.items()}
            state["hooks"] = {n: (len(p._forward_hooks), len(p._backward_hooks)) for n, p in parts.items()}
            weights = dict(network.named_parameters())
            state["frozen parameters"] = {name: weight.requires_grad for name, weight in weights.items()}
            state["gradients"] = {name: weight.grad is None for name, weight in weights.items()}
        elif callable(getattr(network, "get_weights", None)):
            state["weights"] = [np.asarray(weight).tobytes() for weight in network.get_weights()]
            layers = getattr(network, "layers", ())
            state["frozen layers"] = [getattr(layer, "trainable", None) for layer in layers]
            state["activations"] = [getattr(layer, "activation", None) for layer in layers]
    # Last: it may ask the model, which is when one that changes itself does so.
    return state | {"digest": model.digest}


def must_raise(kind: type[PicassoError], call: Callable[[], object], name: str, sentence: str) -> None:
    """Raise where a call is not refused with that kind of error."""
    try:
        call()
    except kind:
        return
    except Exception as error:
        raise AssertionError(f"{name}: {sentence} Got {error!r}.") from error
    raise AssertionError(f"{name}: {sentence}")


def close(a: Array, b: Array, tolerance: float = 1e-4) -> bool:
    """Say whether two arrays agree but for rounding, measured by the largest value."""
    scale = max(float(np.abs(b).max(initial=0)), 1e-6)
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=tolerance, atol=tolerance * scale))
