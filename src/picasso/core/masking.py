"""The picture behind masks: many perturbed inputs are scored, and never more than a chunk of them is held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from picasso.core.preprocessing import Array
from picasso.core.visualization import Context

MASKS_AT_ONCE = 32
"""Masks that are drawn, laid over the picture and scored together."""


def score_masked(
    ctx: Context, x: Array, absent: Array, masks: Iterable[Array], total: int, done: int = 0
) -> Iterator[tuple[Array, Array]]:
    """Score the picture behind masks, chunk by chunk.

    Args:
        ctx: Whose model is asked, and which is told of the progress.
        x: One picture as the network reads it, (1, h, w, c).
        absent: What is seen where a mask is 0, (h, w, c).
        masks: Chunks of masks, float (n, h, w) between 0 (absent) and 1 (kept), drawn when they are needed; no chunk
            should hold more than `MASKS_AT_ONCE`.
        total: Number of all masks, for the progress.
        done: How many were scored before.

    Yields:
        A chunk of masks, and its class scores float32 (n, classes).
    """
    ctx.progress(done, total, f"{done} of {total} masks")
    for chunk in masks:
        kept = np.asarray(chunk, np.float32)[..., None]
        scores = ctx.model.predict_whole(x * kept + absent * (1 - kept))
        done += len(chunk)
        ctx.progress(done, total, f"{done} of {total} masks")
        yield chunk, scores
