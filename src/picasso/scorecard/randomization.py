"""Randomization: does a map change when the network forgets what it has learned?"""

from __future__ import annotations

import gc
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from picasso.core.errors import NotSupportedError, PicassoError
from picasso.core.facts import Capability, Sample
from picasso.core.model import Model
from picasso.core.preprocessing import Array
from picasso.core.targets import Target
from picasso.core.tested import Standing, Tested
from picasso.scorecard.method import Method, strength, values_of
from picasso.scorecard.ranks import spearman
from picasso.scorecard.stages import Stages

PICTURES, DRAWS, STEPS = 3, 3, 6
"""Pictures that are explained at most; whole randomizations at least; steps of the cascade at most."""
BINS = 100
"""Of the histogram whose entropy is a map's complexity."""
LIMIT = 0.5
"""A map whose rank correlation with that of a network without memory is above it shows the picture, not the model."""
CASCADE_LIMIT = 0.65
"""The same for the mean over the cascade: guided backpropagation changes only once the very first layer is shuffled."""


@dataclass(frozen=True)
class Shot:
    """A picture that was explained: the model as it answers about it, and the map it has."""

    model: Model
    sample: Sample
    target: Target
    values: Array


@dataclass(frozen=True)
class Randomization:
    """What becomes of a method's maps when the parameters of a model are shuffled.

    Args:
        similarity: Rank correlation of the sizes in a map with those in the map of the shuffled network, over the
            pixels that count in either: 1 where nothing changed, near 0 where the map forgets with the network.
        rise: Efficient MPRT: by which part the map's complexity rises when the network is shuffled; 0 where nothing
            changes. Hedstroem et al. 2024, arXiv:2401.06465.
        before, after: Complexity of the maps (entropy in nats) of the network and of the shuffled one.
        layers: The steps of the cascade, from the output to the input: which layers were shuffled last.
        cascade: The similarity after each step; the last is that of the whole network. Adebayo et al. 2018,
            arXiv:1810.03292.
        pictures: On how many pictures this was found.
        seed: With which the parameters were shuffled.
    """

    similarity: float
    rise: float
    before: float
    after: float
    layers: tuple[str, ...]
    cascade: tuple[float, ...]
    pictures: int
    seed: int

    @property
    def passed(self) -> bool:
        """Whether the map depends on what the network has learned."""
        return self.similarity <= LIMIT and self.along <= CASCADE_LIMIT

    @property
    def along(self) -> float:
        """The mean similarity over the cascade."""
        return float(np.mean(self.cascade))

    @property
    def tested(self) -> Tested:
        """What is said of the method's maps wherever they are shown."""
        return Tested(Standing.PASSED if self.passed else Standing.WARNED, self.similarity)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {**vars(self), "layers": list(self.layers), "cascade": list(self.cascade), "passed": self.passed}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Randomization:
        """Read what `document` wrote."""
        said = {name: document[name] for name in cls.__dataclass_fields__}
        return cls(**{**said, "layers": tuple(said["layers"]), "cascade": tuple(said["cascade"])})


def untestable(model: Model) -> str:
    """Say why a model cannot be randomized, or return ""."""
    if Capability.PARAMETERS not in model.capabilities:
        return f"{model.framework} models do not show their parameters."
    try:
        found = model.parameters()
    except PicassoError as error:
        return error.message
    return "" if found else "The network has no parameters."


def pieces(model: Model, pictures: int) -> int:
    """Return how many maps the test makes of each method."""
    count = min(pictures, PICTURES)
    return max(count, DRAWS) + count * (len(cascade_steps(model)) - 1)


def cascade_steps(model: Model, most: int = STEPS) -> list[tuple[str, tuple[str, ...]]]:
    """Put the parameters into so many steps at most, from the output to the input.

    Returns:
        For each step which layers it adds, and the names of all parameters that are shuffled by then.
    """
    order = {layer.name: place for place, layer in enumerate(model.layers())} if _lists(model) else {}
    layers: dict[str, list[str]] = {}
    for name in model.parameters():
        layers.setdefault(_layer_of(name), []).append(name)
    place, places = -1, dict[str, int]()
    for layer in layers:  # what is not listed runs where its neighbor does
        place = places[layer] = order.get(layer, place)
    ordered = sorted(layers, key=lambda layer: places[layer])[::-1]
    steps, names = [], list[str]()
    for part in np.array_split(np.arange(len(ordered)), min(most, len(ordered))):
        added = [ordered[number] for number in part]
        names += [name for layer in added for name in layers[layer]]
        steps.append((added[0] if len(added) == 1 else f"{added[0]} ... {added[-1]}", tuple(names)))
    return steps


def shuffled(model: Model, names: Sequence[str], seed: int) -> dict[str, Array]:
    """Return parameters with their numbers in another order: each layer keeps its scale, and forgets what it knew.

    Weights get signs that are drawn, too: where those of a layer lean to one side, deconvnet's map of the shuffled
    network would be zero everywhere, which tells nothing. All is drawn for each parameter by its name, so that a
    step of the cascade leaves those before it as they are.
    """
    known = model.parameters()
    made = {}
    for name in names:
        random = np.random.default_rng([seed, zlib.crc32(name.encode())])
        made[name] = random.permutation(known[name].reshape(-1)).reshape(known[name].shape)
        if known[name].ndim > 1:
            made[name] *= random.choice(np.array([-1, 1], np.float32), known[name].shape)
    return made


def complexity(values: Array) -> float:
    """Return the entropy of the histogram of a map's values, in nats: 0 where all are equal.

    References:
        Hedstroem et al. 2024, arXiv:2401.06465, equation 7.
    """
    counts, _ = np.histogram(np.asarray(values, np.float64), BINS)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def alike(first: Array, second: Array) -> float:
    """Return the rank correlation of the sizes in two maps, over the pixels that are not zero in both.

    Beyond what a network looks at for one pixel of its output, every map is zero, however much was shuffled.
    """
    sizes = np.stack([strength(first).reshape(-1), strength(second).reshape(-1)])
    counts = sizes.any(axis=0)
    return spearman(*sizes[:, counts]) if counts.any() else 0.0


def randomize(method: Method, shots: Sequence[Shot], seed: int, stages: Stages) -> Randomization:
    """Shuffle a model's parameters layer by layer, and see what becomes of a method's maps.

    Args:
        method: The method.
        shots: Pictures with the method's maps of them; no more than `PICTURES` are used.
        seed: Of the method, as for the maps at hand, and of the shuffling.
        stages: Told of every map.

    Raises:
        NotSupportedError: The model does not show its parameters, or none of the maps says anything.
    """
    shots = [shot for shot in shots if np.ptp(shot.values)][:PICTURES]
    if not shots:
        raise NotSupportedError("Its maps have one value everywhere, in which nothing can change.")
    first = shots[0].model
    if reason := untestable(first):
        raise NotSupportedError(reason)
    steps = cascade_steps(first)

    def similarity(copies: Model, shot: Shot, said: str) -> tuple[float, float]:
        stages.begin(f"{method.title}: {said}")
        focus = shot.model.focus
        network = copies if focus is None else copies.focused(focus)
        found = values_of(method.explain(network, shot.sample, shot.target, seed, stages))
        stages.end()
        return alike(found, shot.values), complexity(found)

    cascade = []
    for label, names in steps[:-1]:
        copies = _copied(first.whole, names, seed)
        cascade.append(float(np.mean([similarity(copies, shot, f"{label} shuffled")[0] for shot in shots])))
    whole, after, before = [], [], []
    for draw in range(max(DRAWS, len(shots))):
        shot = shots[draw % len(shots)]
        copies = _copied(first.whole, steps[-1][1], seed + draw)
        kept, entropy = similarity(copies, shot, "all layers shuffled")
        whole.append(kept)
        after.append(entropy)
        before.append(complexity(shot.values))
    rises = [(b - a) / a for a, b in zip(before, after, strict=True) if a > 0]
    return Randomization(
        similarity=float(np.mean(whole)),
        rise=float(np.mean(rises)) if rises else 0.0,
        before=float(np.mean(before)),
        after=float(np.mean(after)),
        layers=tuple(label for label, _ in steps),
        cascade=(*cascade, float(np.mean(whole))),
        pictures=len(shots),
        seed=seed,
    )


def _copied(model: Model, names: Sequence[str], seed: int) -> Model:
    """Return a copy of a model with parameters shuffled."""
    # Models refer to themselves: what was prepared for the copies before would stay until memory was looked through.
    gc.collect()
    return model.with_parameters(shuffled(model, names, seed))


def _lists(model: Model) -> bool:
    return Capability.ACTIVATIONS in model.capabilities


def _layer_of(name: str) -> str:
    """Return the layer of a parameter: what stands before the last dot or slash of its name."""
    return name[: max(name.rfind("."), name.rfind("/"), 0)] or name
