"""How pictures that are made for the same thing are kept from being the same picture.

References:
    Olah, Mordvintsev and Schubert 2017, doi:10.23915/distill.00007 (diversity).
    Gatys, Ecker and Bethge 2015, arXiv:1505.07376 (Gram matrices).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from picasso.core.preprocessing import Array
from picasso.core.targets import LAYER, Target

Wide = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Alike(Target):
    """How alike a layer finds a picture to others: the mean cosine between their Gram matrices.

    A Gram matrix says which channels fire together, wherever that is: a texture, not a place.

    Args:
        place: The layer.
        others: The Gram matrices of the others, (others, channels, channels), each of length 1; None where there are
            none yet, to which nothing is alike.
    """

    index: int = 0
    label: str = ""
    terms: tuple[tuple[int, float], ...] = ()
    place: str = ""
    others: Wide | None = None

    @property
    def layer(self) -> str:
        return self.place

    def __call__(self, outputs: Mapping[str, Array]) -> Array:
        if self.others is None:
            return np.zeros(len(outputs[LAYER]), np.float32)
        made = [np.tensordot(self.others, gram(values), 2).mean() for values in outputs[LAYER]]
        return np.asarray(made, np.float32)

    def cotangents(self, outputs: Mapping[str, Array]) -> dict[str, Array]:
        slopes = np.zeros_like(outputs[LAYER])
        if self.others is None:
            return {LAYER: slopes}
        mean = self.others.mean(axis=0)
        for values, out in zip(outputs[LAYER], slopes, strict=True):
            flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
            plain = flat.T @ flat
            length = np.linalg.norm(plain)
            if length > 0:
                # What would only make the matrix longer changes no angle.
                turned = mean - np.vdot(mean, plain) / length**2 * plain
                out[...] = (flat @ (turned + turned.T) / length).reshape(values.shape)
        return {LAYER: slopes}


def gram(values: Array) -> Wide:
    """Return which channels of a layer fire together, (channels, channels) of length 1; zero where nothing fires.

    Args:
        values: A layer's values for one picture, (..., channels).
    """
    flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
    made = flat.T @ flat
    length = float(np.linalg.norm(made))
    return made / length if length > 0 else made
