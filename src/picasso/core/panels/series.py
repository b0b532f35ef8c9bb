"""Panels of the same kind, step by step: a slider on the page, a filmstrip without script."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from picasso.core.panels.bars import Bars
from picasso.core.panels.base import Panel
from picasso.core.panels.curve import Curve
from picasso.core.panels.feature_maps import INDEX, FeatureMaps
from picasso.core.panels.heatmap import Heatmap
from picasso.core.panels.images import Images
from picasso.core.pictures import render

SIDE = 160
"""Longer side of a picture in the filmstrip, in pixels."""
LINE, GAP, ACROSS = 18, 8, 6
_INK, _PAPER = (30, 30, 34), (255, 255, 255)
P = TypeVar("P", bound=Panel)


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a series.

    Args:
        label: What it is called: "epoch 3".
        panels: What is to see there; the same ids at each step.
        picture: What stands for it in the filmstrip, uint8 (h, w, 3); None where nothing of it is a picture.
    """

    label: str
    panels: tuple[Panel, ...]
    picture: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Series(Panel):
    """Steps in their order, one of which is shown at a time.

    Args:
        steps: In their order; none of their panels is a series.
        noun: What one of them is: "checkpoint".
    """

    kind: ClassVar[str] = "series"
    steps: tuple[Step, ...]
    noun: str = "step"

    def html(self) -> str:
        caption = f"<p>{escape(self.caption)}</p>" if self.caption else ""
        strip = self.filmstrip()
        head = f"<h4>{escape(self.title)}</h4>{caption}"
        if strip is not None:
            said = escape(f"{self.title}: {', '.join(step.label for step in self.steps)}", quote=True)
            head += f'<img style="max-width:100%" alt="{said}" src="{render.data_url(strip)}">'
        # The last step is what the others lead to; the rest unfolds.
        return head + "".join(
            f"<details{' open' if number == len(self.steps) and strip is None else ''}>"
            f"<summary>{escape(step.label)}</summary>{''.join(panel.html() for panel in step.panels)}</details>"
            for number, step in enumerate(self.steps, 1)
        )

    def filmstrip(self) -> Image.Image | None:
        """Draw the steps' pictures side by side with their labels; None where there is none."""
        shown = [(step.label, step.picture) for step in self.steps if step.picture is not None]
        if not shown:
            return None
        pictures = [fitted(picture, SIDE) for _, picture in shown]
        width, height = (max(picture.shape[axis] for picture in pictures) for axis in (1, 0))
        across = min(ACROSS, len(shown))
        step = width + GAP, height + LINE + GAP
        size = across * step[0] - GAP, -(-len(shown) // across) * step[1] - GAP
        sheet = Image.new("RGB", size, _PAPER)
        draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
        for place, ((label, _), picture) in enumerate(zip(shown, pictures, strict=True)):
            left, top = place % across * step[0], place // across * step[1]
            sheet.paste(render.to_image(picture), (left, top))
            draw.text((left + width / 2, top + height + LINE / 2), _shortened(label), _INK, font, "mm")
        return sheet


def on_one_scale(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Return the steps with panels of the same id on one scale: colors of maps, axes of curves, full bars.

    And with the picture of each step that shows its first panel so.
    """
    given = list(steps)
    by_id: dict[str, list[Panel]] = {}
    for step in given:
        for panel in step.panels:
            by_id.setdefault(panel.id, []).append(panel)
    scales = {id_: _scale(panels) for id_, panels in by_id.items()}
    made = []
    for step in given:
        panels = tuple(scales[panel.id](panel) for panel in step.panels)
        made.append(Step(step.label, panels, _picture(panels)))
    return tuple(made)


def fitted(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Bring a picture's longer side to so many pixels: sharply where that enlarges."""
    height, width = picture.shape[:2]
    factor = side / max(height, width)
    how = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.BOX
    return np.asarray(
        Image.fromarray(picture).resize((max(1, round(width * factor)), max(1, round(height * factor))), how)
    )


def _scale(panels: Sequence[Panel]) -> Callable[[Panel], Panel]:
    """Return what puts one of these panels on the scale of all of them."""
    maps: Sequence[Heatmap | FeatureMaps] = _all(panels, Heatmap) or _all(panels, FeatureMaps)
    if maps:
        low, high = min(one.limits[0] for one in maps), max(one.limits[1] for one in maps)
        if maps[0].sign == "signed":
            low, high = -max(-low, high), max(-low, high)
        # A kernel keeps its place from step to step, however strong it becomes.
        ordered = {"order": INDEX} if isinstance(maps[0], FeatureMaps) else {}
        return lambda panel: replace(panel, limits=(low, high), **ordered)  # type: ignore[call-arg]
    if curves := _all(panels, Curve):
        ends = [curve.y_limits() for curve in curves]
        span = min(low for low, _ in ends), max(high for _, high in ends)
        return lambda panel: replace(panel, limits=span)  # type: ignore[call-arg]
    if bars := _all(panels, Bars):
        full = max((abs(value) for one in bars for value in (*one.values, one.maximum or 0.0)), default=1.0) or 1.0
        return lambda panel: replace(panel, maximum=full)  # type: ignore[call-arg]
    return lambda panel: panel


def _all(panels: Sequence[Panel], kind: type[P]) -> list[P]:
    """Return the panels where all are of a kind, else none."""
    found = [panel for panel in panels if isinstance(panel, kind)]
    return found if len(found) == len(panels) else []


def _picture(panels: Sequence[Panel]) -> NDArray[np.uint8] | None:
    """Return what stands for a step: the first of its panels that is a picture."""
    for panel in panels:
        if isinstance(panel, Images) and panel.pictures:
            return fitted(panel.pictures[0], SIDE)
        if isinstance(panel, Heatmap):
            return fitted(render.overlay(panel.picture, panel.values, panel.sign, panel.limits), SIDE)
        if isinstance(panel, FeatureMaps):
            return panel.mosaic(SIDE)
    return None


def _shortened(label: str, most: int = 24) -> str:
    return label if len(label) <= most else f"{label[: most - 1]}…"
