"""A map over the picture, with its color bar."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from picasso.core.attribution import Attribution, strongest_frame
from picasso.core.panels.base import Panel
from picasso.core.pictures import render
from picasso.core.preprocessing import Array, Frame


@dataclass(frozen=True, eq=False, kw_only=True)
class Heatmap(Panel):
    """Values over the pixels that the model saw.

    Args:
        values: float32 (h, w); NaN is hatched.
        picture: What the model saw, uint8 (h, w, 3), of the same size.
        units: Units of a value, for the color bar.
        sign: "signed": diverging colors, zero in the middle; "unsigned": sequential from zero.
        limits: Values of the two ends of the color bar. Maps of one `group` share them.
        clipped: Share of the pixels beyond the limits, 0..1.
        group: Maps of one group are compared and share their color scale.
        rank: Place of the target among the classes, from 0.
        target: The target's label.
        score: The target's unperturbed score.
        probability: The target's probability, where it has one.
        native: The map at the method's own resolution, or None.
        laid: How `native` is laid over the pixels.
        kept: Whether "score - value" is what was left of the score: the page then offers that view.
        frame: Which part of the original picture the model saw, or None.
        notes: What the reader must know, one sentence each.
    """

    kind: ClassVar[str] = "heatmap"
    values: Array
    picture: NDArray[np.uint8]
    units: str
    sign: Literal["signed", "unsigned"]
    limits: tuple[float, float]
    clipped: float = 0.0
    group: str = ""
    rank: int = 0
    target: str = ""
    score: float = 0.0
    probability: float | None = None
    native: Array | None = None
    laid: str = ""
    kept: bool = False
    frame: Frame | None = None
    notes: tuple[str, ...] = ()

    def html(self) -> str:
        image = render.overlay_with_bar(self.picture, self.values, self.sign, self.limits, self.units)
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        return (
            f'<figure style="display:inline-block;margin:0 1em 1em 0"><img alt="{escape(self.title)}" '
            f'src="{render.data_url(image)}"><figcaption>{escape(self.title)}</figcaption>'
            f"{f'<ul>{notes}</ul>' if notes else ''}</figure>"
        )


def heatmaps(
    attributions: list[Attribution],
    view: NDArray[np.uint8],
    frame: Frame | None,
    probabilities: list[float | None],
    clip: float,
    views: NDArray[np.uint8] | None = None,
) -> list[Heatmap]:
    """Turn the attributions of one run into panels that share one color scale; of a clip, its strongest frame.

    Args:
        attributions: One for each target, best class first.
        view: What the model saw, uint8 (h, w, 3).
        frame: Which part of the original picture that is.
        probabilities: One for each attribution, or None.
        clip: Share of all values that may lie beyond the limits, 0..1.
        views: Of a clip what the model saw in each frame, uint8 (frames, h, w, 3).
    """
    flat = [attribution.flat() for attribution in attributions]
    limits = render.shared_limits(flat, attributions[0].sign, clip)
    panels = []
    for rank, (attribution, values) in enumerate(zip(attributions, flat, strict=True)):
        finite = values[np.isfinite(values)]
        clipped = float(np.mean((finite < limits[0]) | (finite > limits[1]))) if finite.size else 0.0
        notes = attribution.notes
        if finite.size and not finite.any():
            notes = ("The map is all zero.", *notes)
        under, native = view if attribution.picture is None else attribution.picture, attribution.native
        if views is not None:
            shown, share = strongest_frame(values)
            notes = (f"Frame {shown + 1} of {len(views)}, which holds the most of the map: {share:.0%}.", *notes)
            values, under, native = values[shown], views[shown], None
        panels.append(
            Heatmap(
                id=f"map-{rank}",
                title=attribution.target.label,
                values=values.astype(np.float32),
                picture=under,
                units=attribution.units,
                sign=attribution.sign,
                limits=limits,
                clipped=clipped,
                group="targets",
                rank=rank,
                target=attribution.target.label,
                score=attribution.score,
                probability=probabilities[rank],
                native=native,
                laid=attribution.laid,
                kept=attribution.drops,
                frame=frame if attribution.picture is None else None,
                notes=notes,
            )
        )
    return panels
