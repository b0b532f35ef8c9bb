"""The linear layer with which a classifier ends, found by its slopes, whatever framework the network comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.errors import ModelOutputError, NotSupportedError
from picasso.core.facts import Capability, Task
from picasso.core.hooks import Head
from picasso.core.layers.channel_statistics import laid_out
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.statistics.logistic import with_ones
from picasso.core.targets import SCORES, Target

Numbers = NDArray[np.float64]
_TOLERANCE = 1e-3
"""Of slopes and scores that must be equal, relative to the largest."""
_LAYERS = 16
"""So many of the last layers are tried."""
_AT_ONCE = 32
"""Columns whose slopes are asked for at a time."""


@dataclass(frozen=True, eq=False)
class LinearHead:
    """The last linear layer: scores = weights @ (code, 1).

    Args:
        layer: The layer that feeds it; its mean over the places of its map is the code.
        weights: float64 (columns, channels + 1): the last is the bias.
        kind: What makes probabilities of the scores.
    """

    layer: str
    weights: Numbers
    kind: Head

    def scores(self, codes: Numbers) -> Numbers:
        """Return the scores (n, columns) of codes (n, channels + 1), the last of each a one."""
        return np.asarray(codes @ self.weights.T)

    def holds(self, codes: Numbers, scores: Array) -> bool:
        """Say whether the network gives these scores to these codes; of a linear head it does, to rounding."""
        return bool(np.abs(self.scores(codes) - scores).max() <= _TOLERANCE * max(float(np.abs(scores).max()), 1.0))


def find_linear_head(model: Model, x: Array, report: Callable[[int, int], None]) -> LinearHead:
    """Find the layer whose mean goes into one linear layer, and from there into the class scores.

    Of such a layer the slopes of a score by the code are the same for all pictures: they are its weights. Layers are
    tried from the last one, with a picture and with others that are unlike it.

    Args:
        model: A classifier, not focused.
        x: One picture, float32 (1, h, w, c).
        report: Called before each layer with what is done and the total; it may raise CanceledError.

    Raises:
        NotSupportedError: There is no such layer, or nothing makes probabilities of the scores.
    """
    _check(model)
    probes = _probes(x)
    layers = [layer.name for layer in reversed(model.layers())][:_LAYERS]
    for number, layer in enumerate(layers):
        report(number, len(layers))
        head = _behind(model, probes, layer)
        # Behind nothing that the scores depend on, or the scores themselves, perhaps scaled, there is no head.
        if head is not None and head.weights[:, :-1].any() and not _is_diagonal(head.weights[:, :-1]):
            report(len(layers), len(layers))
            return head
    if token := next(filter(lambda layer: _reads_class_token(model, probes, layer), layers), None):
        raise NotSupportedError(
            f"The last linear layer of this network reads the class token of '{token}', and of a layer of tokens only "
            "the patches are kept for each picture.",
            "Give a network in which the class token is the output of a layer of its own, or that pools its patches.",
        )
    raise NotSupportedError(
        f"The scores of this network are not made by one linear layer from the output, or its mean, of any of its last "
        f"{len(layers)} layers.",
        "Where its last layer reads all places of a map, or is no linear layer, none of this can be reckoned.",
    )


def read_linear_head(model: Model, x: Array, layer: str) -> LinearHead:
    """Return the head behind a layer that is known to feed it; its weights may be all zero, as before a training.

    Args:
        model: As for `find_linear_head`.
        x: As there.
        layer: The layer's name.

    Raises:
        NotSupportedError: The scores are not made linearly of that layer.
    """
    _check(model)
    head = _behind(model, _probes(x), layer)
    if head is None:
        raise NotSupportedError(f"The scores of this network are not made linearly of '{layer}' alone.")
    return head


def _check(model: Model) -> None:
    if model.facts.task is not Task.CLASSIFICATION or model.focus is not None:
        raise NotSupportedError("Only a classifier has one head for the whole picture.", "Explain a class.")
    if Capability.GRADIENTS not in model.capabilities or Capability.ACTIVATIONS not in model.capabilities:
        raise NotSupportedError(f"A linear head is found by its slopes, and {model.framework} models give none here.")
    if model.head is Head.NONE:
        raise NotSupportedError("Nothing makes probabilities of this network's scores.", "Declare its head.")


def _probes(x: Array) -> Array:
    """Return a picture and two inputs that are unlike it, (3, h, w, c)."""
    noise = np.random.default_rng(0).normal(size=x.shape).astype(np.float32) * (x.std() or 1)
    return np.concatenate([x, noise, -x])


def _behind(model: Model, probes: Array, layer: str) -> LinearHead | None:
    """Return the head behind a layer, None where there is something else."""
    columns = model.facts.columns
    found: list[Numbers] = []
    for start in range(0, columns, 1 if columns == 1 else _AT_ONCE):
        some = [Target(k, str(k), ((k, 1.0),)) for k in range(start, min(start + _AT_ONCE, columns))]
        pulled = model.pullback(probes, some, [layer])
        try:
            values = laid_out(model, pulled.values[layer])
            slopes = np.stack([laid_out(model, gradient) for gradient in pulled.gradients[layer]]).astype(np.float64)
        except ModelOutputError:
            return None
        # The same at every place, as behind a mean, and the same for every picture.
        places = values.shape[1] * values.shape[2]
        flat = slopes.reshape(len(some), -1, values.shape[-1]) * places
        if np.ptp(flat, axis=1).max() > _TOLERANCE * max(float(np.abs(flat).max()), 1e-30):
            return None
        found.append(flat[:, 0])
    weights, codes = np.concatenate(found), with_ones(values.mean(axis=(1, 2), dtype=np.float64))
    scores = pulled.outputs[SCORES].astype(np.float64)
    bias = scores - codes[:, :-1] @ weights.T
    head = LinearHead(layer, np.concatenate([weights, bias.mean(axis=0)[:, None]], axis=1), model.head)
    return head if head.holds(codes, pulled.outputs[SCORES]) else None


def _reads_class_token(model: Model, probes: Array, layer: str) -> bool:
    """Say whether a linear layer reads the tokens before the patches of a layer, and no patch."""
    grid = next(one.grid for one in model.layers() if one.name == layer)
    if grid is None:
        return False
    slopes = model.pullback(probes, [Target(0, "0", ((0, 1.0),))], [layer]).gradients[layer][0]
    extra = slopes.shape[1] - grid[0] * grid[1]
    token, largest = slopes[:, :extra], float(np.abs(slopes).max())
    if slopes[:, extra:].any() or not token.any():
        return False
    return bool(np.ptp(token, axis=0).max() <= _TOLERANCE * largest)


def _is_diagonal(weights: Numbers) -> bool:
    if weights.shape[0] != weights.shape[1]:
        return False
    return bool(np.abs(weights - np.diag(np.diag(weights))).max() <= _TOLERANCE * np.abs(weights).max())
