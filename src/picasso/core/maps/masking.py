"""The picture behind masks: many perturbed inputs are scored, and never more than a chunk of them is held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from picasso.core.errors import SettingsError
from picasso.core.maps.baselines import Baseline
from picasso.core.preprocessing import Array
from picasso.core.settings import Settings
from picasso.core.targets import Target
from picasso.core.visualization import Context

MASKS_AT_ONCE = 32
"""Masks that are drawn, laid over the picture and scored together."""
_SKETCHED = (16, 4, 2)
"""A rough map is shown after each of these parts of the work: a sixteenth, a quarter, a half."""
FILL = (
    "What stands for absent: a color, the picture's mean color, its blur, or noise between black and white. Where the "
    "network reads a file's own values: black is the smallest in each channel, white the largest, grey the middle."
)


class ScoreSettings(Settings):
    """What is watched while parts of the picture are taken away."""

    score: Literal["logit", "probability"] = Field(
        "logit", title="Score", description="What is watched: the class score itself, or its probability."
    )


class MaskedSettings(ScoreSettings):
    """What is watched, and what is seen where a mask hides the picture."""

    fill: Baseline = Field("grey", title="Fill", description=FILL)


class Watched:
    """What is watched of the class scores: the targets' scores, or their probabilities.

    Args:
        ctx: The run.
        targets: What is explained.
        score: "logit" or "probability".

    Attributes:
        targets: What is explained.
        units: What is watched, in words.
        whole: What it is for the whole picture, (targets,).

    Raises:
        SettingsError: The model gives no probabilities.
    """

    def __init__(self, ctx: Context, targets: Sequence[Target], score: str) -> None:
        if score == "probability" and ctx.model.head == "none":
            raise SettingsError("score must be logit: the model's head is none, so it gives no probabilities.")
        self._model, self._probability = ctx.model, score == "probability"
        self.targets = tuple(targets)
        self.units = "probability" if self._probability else ctx.model.facts.units
        self.whole = self(ctx.scores)

    def __call__(self, scores: Array) -> NDArray[np.float64]:
        """Return what is watched of class scores (..., classes): float64 (..., targets)."""
        asked = self._model.probabilities(scores) if self._probability else scores
        return np.stack([target.of_classes(asked) for target in self.targets], axis=-1).astype(np.float64)


def score_masked(
    ctx: Context, x: Array, absent: Array, masks: Iterable[Array], total: int, done: int = 0
) -> Iterator[tuple[Array, Array]]:
    """Score the picture behind masks, chunk by chunk.

    Args:
        ctx: Whose model is asked, and which is told of the progress.
        x: One picture as the network reads it, (1, h, w, c), or one clip, (1, frames, h, w, c).
        absent: What is seen where a mask is 0, of the same size without the first axis.
        masks: Chunks of masks, float (n, h, w), of a clip (n, frames, h, w), between 0 (absent) and 1 (kept), drawn
            when they are needed; no chunk should hold more than `MASKS_AT_ONCE`.
        total: Number of all masks, for the progress.
        done: How many were scored before.

    Yields:
        A chunk of masks, and its class scores float32 (n, classes).
    """
    size = max(1, MASKS_AT_ONCE // (x.shape[1] if x.ndim == 5 else 1))
    ctx.progress(done, total, f"{done} of {total} masks")
    for chunk in masks:
        kept = np.asarray(chunk, np.float32)
        # Of clips fewer at once: each is as large as many pictures.
        parts = (kept[start : start + size] for start in range(0, len(kept), size))
        scores = np.concatenate([ctx.model.predict_whole(_behind(part, x[0], absent)) for part in parts])
        done += len(chunk)
        ctx.progress(done, total, f"{done} of {total} masks")
        yield chunk, scores


def _behind(masks: Array, x: Array, absent: Array) -> Array:
    """Return the picture behind each mask, x * mask + absent * (1 - mask).

    In memory it lies channel by channel, so that NumPy works on long rows, and most networks need no copy.
    """
    shown, hidden = (np.ascontiguousarray(np.moveaxis(one, -1, 0)) for one in (x, np.broadcast_to(absent, x.shape)))
    made = np.empty((len(masks), *shown.shape), np.float32)
    for mask, one in zip(masks, made, strict=True):
        np.multiply(mask, shown, out=one)
        one += (1 - mask) * hidden
    return np.moveaxis(made, 1, -1)


def sketch_due(before: int, done: int, total: int) -> bool:
    """Return whether a rough map should be shown now that `done` of `total` are done, and `before` were last time."""
    return done < total and any(before * part < total <= done * part for part in _SKETCHED)


def sampling_note(values: NDArray[Any], errors: NDArray[Any], drawn: str) -> str:
    """Say the standard error of values that were drawn.

    Args:
        values: Of one target, any shape; NaN where nothing is known.
        errors: The standard error of each, of the same shape.
        drawn: What was drawn, "1000 coalitions, seed 0".
    """
    median, most, span = np.nanmedian(errors), np.nanmax(errors), np.nanmax(values) - np.nanmin(values)
    note = f"{drawn}. Standard error of a value by the drawing: {median:.2g} in the median, {most:.2g} at most"
    note += f"; the values span {span:.2g}." if span > 0 else "."
    if np.nanmax(np.abs(values) - 2 * errors) <= 0:
        note += " No value is farther than two standard errors from zero: draw more before you read this map."
    return note
