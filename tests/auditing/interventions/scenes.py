"""What tests of interventions share: drawn scenes as an audit sees them, and pictures of known numbers."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from picasso.core import registry
from picasso.core.interventions.intervention import Intervention, Pixels, Property, Seen
from picasso.demo.tanks import held_out_set

SIDE = 96
REGIONS = ("the sky at the top", "the ground", "the bright green area")
NAMES = tuple(registry.interventions([]))


def intervention(name: str) -> Intervention:
    return registry.intervention(name, []).load()()


def properties(name: str, size: tuple[int, int] = (SIDE, SIDE)) -> tuple[Property, ...]:
    return tuple(intervention(name).properties(size, REGIONS))


def taken(name: str, to: Seen, source: Seen, which: int = 0) -> Pixels:
    """Return what an intervention makes of its property number `which`."""
    found = intervention(name).take(properties(name, to.size)[which], to, source, np.random.default_rng(0))
    assert found is not None
    return found


@cache
def scenes() -> tuple[Seen, ...]:
    """Return four drawn scenes: tank, decoy, tank, decoy."""
    drawn = held_out_set(4, proxy=True)
    found = []
    for index, (rendering, label) in enumerate(zip(drawn, drawn.labels, strict=True)):
        view = np.asarray(Image.fromarray(rendering.pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
        shown = [
            np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize((SIDE, SIDE), Image.Resampling.BOX)) > 127
            for mask in (rendering.object_mask, rendering.sky_mask)
        ]
        kinds = np.where(shown[1], 0, np.where(view[..., 1] > 110, 2, 1)).astype(np.int64)
        found.append(Seen(str(index), view, int(label), shown[0], kinds))
    return tuple(found)


def textured(seed: int, size: tuple[int, int] = (48, 56), mean: float = 120, spread: float = 12) -> Pixels:
    """Return a picture of smooth noise, far from black and white."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (size[0] // 4, size[1] // 4, 3), np.uint8))
    values = np.asarray(small.resize(size[::-1], Image.Resampling.BICUBIC), np.float64)
    return np.clip(np.rint((values - values.mean()) / values.std() * spread + mean), 0, 255).astype(np.uint8)


def block(size: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """Return a mask that is true in (top, left, height, width), pixels."""
    mask = np.zeros(size, np.bool_)
    mask[box[0] : box[0] + box[2], box[1] : box[1] + box[3]] = True
    return mask


def with_object(view: Pixels, box: tuple[int, int, int, int], color: tuple[int, int, int] = (40, 60, 160)) -> Seen:
    """Return a picture with an object of one color."""
    mask = block(view.shape[:2], box)
    painted = view.copy()
    painted[mask] = color
    return Seen("painted", painted, 0, mask)


@st.composite
def any_seen(draw: Any) -> tuple[Seen, Seen]:
    """Draw two pictures of one size, with masks and regions that may be missing, empty, full or at the edges."""
    size = draw(st.integers(8, 40)), draw(st.integers(8, 40))
    made = []
    for _ in range(2):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        kind = draw(st.sampled_from(("noise", "flat", "black", "white", "texture")))
        view = {
            "noise": rng.integers(0, 256, (*size, 3), np.uint8),
            "flat": np.full((*size, 3), rng.integers(0, 256, 3), np.uint8),
            "black": np.zeros((*size, 3), np.uint8),
            "white": np.full((*size, 3), 255, np.uint8),
            "texture": textured(int(rng.integers(1 << 30)), size),
        }[kind]
        shape = draw(st.sampled_from(("none", "empty", "full", "block", "edge", "specks")))
        top, left = int(rng.integers(size[0] - 4)), int(rng.integers(size[1] - 4))
        mask = {
            "none": None,
            "empty": np.zeros(size, np.bool_),
            "full": np.ones(size, np.bool_),
            "block": block(size, (top, left, 4, 4)),
            "edge": block(size, (0, left, size[0], 3)),
            "specks": rng.random(size) < 0.02,
        }[shape]
        regions = draw(st.sampled_from(("none", "halves", "specks", "one")))
        kinds = {
            "none": None,
            "halves": np.repeat(np.arange(size[0]) * 2 // size[0], size[1]).reshape(size).astype(np.int64),
            "specks": rng.integers(-1, 3, size),
            "one": np.full(size, 1, np.int64),
        }[regions]
        made.append(Seen("any", view, 0, mask, kinds))
    return made[0], made[1]
