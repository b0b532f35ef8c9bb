"""Single-patch deletion: does the map rank the patches of a picture by what removing each of them really does?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from picasso.core.facts import Progress
from picasso.core.model import Model, ignore
from picasso.core.preprocessing import Array
from picasso.core.targets import Target
from picasso.scorecard.cells import Cells
from picasso.scorecard.fills import FILLS, Fill, Filler, diffused
from picasso.scorecard.ranks import Numbers, spearman

PATCHES = 8
"""Patches a side."""


def patch_drops(
    model: Model,
    remove: Filler,
    target: Target,
    score: float,
    patches: Cells,
    *,
    fills: Sequence[Fill] = FILLS,
    progress: Progress = ignore,
) -> NDArray[np.float64]:
    """Return by how much the target's score falls when each patch is removed alone, (fills, patches).

    They are the same for all maps of a picture.

    Args:
        model: The model.
        remove: Of the picture.
        target: Whose score is watched.
        score: The target's score of the whole picture.
        patches: The patches.
        fills: What takes the place of what is removed.
        progress: Called after each chunk of pictures.
    """
    count = len(patches.boxes)

    def scored(number: int, fill: Fill) -> Array:
        def report(done: int, total: int) -> None:
            progress(number * count + done, len(fills) * count)

        return model.predict_patched(remove.x[None], patches.boxes, _contents(remove, patches, fill), report)

    rows = [np.asarray(target.of_classes(scored(*item)), np.float64) for item in enumerate(fills)]
    return score - np.stack(rows)


def patch_correlation(values: Array, drops: Numbers, patches: Cells) -> NDArray[np.float64]:
    """Return the rank correlation of a map's sums over the patches with what removing each does, (fills,), -1..1.

    Args:
        values: The map, (h, w).
        drops: From `patch_drops`.
        patches: The patches.
    """
    sums = patches.sums(values)
    return np.array([spearman(sums, row) for row in drops])


def _contents(remove: Filler, patches: Cells, fill: Fill) -> Array:
    """Return a picture from which each patch takes what it is filled with when it alone is removed."""
    if fill != "diffusion":
        return remove.mean if fill == "mean" else remove.blur
    made = np.array(remove.x)
    for number, (top, left, tall, wide) in enumerate(patches.boxes):
        # Nothing beyond its rim flows into a patch.
        near = slice(max(0, top - 1), top + tall + 1), slice(max(0, left - 1), left + wide + 1)
        hole = patches.number[near] == number
        made[near][hole] = diffused(remove.x[near], hole)[hole]
    return made
