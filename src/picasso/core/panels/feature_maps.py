"""The channels of a layer as a grid of small maps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from picasso.core.panels.base import Panel
from picasso.core.pictures import render
from picasso.core.preprocessing import Array

SIDE, GAP, LINE, COLUMNS = 64, 8, 16, 12
"""Of the contact sheet: longer side of a map, space between maps, height of a line of text, maps in a row."""
WIDE, MOST = 480, 1024
"""How wide the sheet becomes where a few maps have room to be larger, and how large a map that is alone."""
MOSAIC = 4
"""Maps in a row and a column of the small picture that stands for a layer."""
_INK, _PAPER = (30, 30, 34), (255, 255, 255)
INDEX = "index"
"""The order of the channels' numbers."""


@dataclass(frozen=True, eq=False)
class ChannelMeasure:
    """A number for each channel, by which the channels can be ordered, the largest first.

    Args:
        name: What the order is called: "strength".
        title: The same for people.
        units: Units of a value.
        values: float32 (channels,); channels whose value is NaN come last.
    """

    name: str
    title: str
    units: str
    values: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class FeatureMaps(Panel):
    """Every channel of a layer, over the picture that it is looked at through; or every kernel, over none.

    Args:
        values: float32 (channels, rows, columns), in the order of the channels' numbers; or (channels, rows, columns,
            3), whose three numbers are shown as red, green and blue, dark at the low limit and bright at the high one.
        picture: What the model saw, uint8 (h, w, 3); None where the maps lie over no picture.
        layer: The layer's name.
        units: Units of a value, for the color bar.
        sign: "signed": diverging colors, zero in the middle; "unsigned": sequential from zero.
        limits: Values of the two ends of the color bar, which all channels share.
        clipped: Share of the values beyond the limits, 0..1.
        measures: By what the channels can be ordered.
        order: Name of the measure by which they are ordered at first, or `INDEX`.
        sheet: How many channels the static form shows.
        noun: What one of the maps is of.
    """

    kind: ClassVar[str] = "feature-maps"
    values: Array
    picture: NDArray[np.uint8] | None
    layer: str
    units: str
    sign: Literal["signed", "unsigned"]
    limits: tuple[float, float]
    clipped: float = 0.0
    measures: tuple[ChannelMeasure, ...] = ()
    order: str = INDEX
    sheet: int = 48
    noun: Literal["channel", "kernel"] = "channel"

    def ranking(self) -> NDArray[np.intp]:
        """Return the numbers of all channels in their order, (channels,)."""
        return channel_ranking(len(self.values), self.measures, self.order)

    def html(self) -> str:
        named = {measure.name: measure.title.lower() for measure in self.measures}
        shown = min(self.sheet, len(self.values))
        said = f"{shown} of {len(self.values)} {self.noun}s of {self.layer}"
        said += f", ordered by {named.get(self.order, self.order)}"
        said = said if len(self.values) > 1 else f"{self.layer}, one map"
        return (
            f'<h4>{escape(self.title)}</h4><figure style="margin:0"><img style="max-width:100%" alt="{escape(said)}" '
            f'src="{render.data_url(self.contact_sheet())}"><figcaption>{escape(said)}. {escape(self.caption)}'
            "</figcaption></figure>"
        )

    def contact_sheet(self) -> Image.Image:
        """Draw the first `sheet` channels in their order as small maps with their numbers, over the color bar."""
        numbers = self.ranking()[: self.sheet]
        rows, columns = self.values.shape[1:3]
        most = WIDE // max(1, len(numbers))
        if len(self.values) == 1:  # in its own resolution where that is larger
            most = max(most, min(MOST, max(rows, columns)))
        scale = max(SIDE, most) / max(rows, columns)
        size = max(1, round(columns * scale)), max(1, round(rows * scale))
        how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.BOX
        across = min(COLUMNS, max(1, len(numbers)))
        down = -(-len(numbers) // across)
        step = size[0] + GAP, size[1] + LINE + GAP
        width = max(across * step[0] - GAP, 320)
        sheet = Image.new("RGB", (width, down * step[1] + 3 * LINE), _PAPER)
        draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
        for place, number in enumerate(numbers):
            left, top = place % across * step[0], place // across * step[1]
            sheet.paste(render.to_image(self._colors(self.values[number])).resize(size, how), (left, top))
            draw.text((left + size[0] / 2, top + size[1] + LINE / 2), str(number), _INK, font, "mm")
        self._bar(sheet, down * step[1])
        return sheet

    def mosaic(self, side: int) -> NDArray[np.uint8]:
        """Draw the first maps by number, at most `MOSAIC` x `MOSAIC`, about `side` pixels wide."""
        across = min(MOSAIC, math.ceil(math.sqrt(len(self.values))))
        down = min(MOSAIC, len(self.values) // across)
        cell = max(1, side // across - 1)
        sheet = Image.new("RGB", (across * (cell + 1) - 1, down * (cell + 1) - 1), _PAPER)
        for place, values in enumerate(self.values[: across * down]):
            how = Image.Resampling.NEAREST if cell > max(values.shape[:2]) else Image.Resampling.BOX
            small = render.to_image(self._colors(values)).resize((cell, cell), how)
            sheet.paste(small, (place % across * (cell + 1), place // across * (cell + 1)))
        return np.asarray(sheet)

    def _colors(self, values: Array) -> NDArray[np.uint8]:
        """Return a map as a picture, uint8 (rows, columns, 3)."""
        if values.ndim == 3:
            return render.in_colors(values, self.limits)
        return render.colorize(values, self.sign, self.limits)

    def _bar(self, sheet: Image.Image, top: int) -> None:
        """Draw the color bar with its limits and units over the sheet's whole width."""
        draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
        ramp = np.linspace(*self.limits, sheet.width, dtype=np.float32)[None].repeat(LINE - 4, 0)
        ramp = ramp if self.values.ndim == 3 else np.repeat(ramp[..., None], 3, axis=2)
        sheet.paste(render.to_image(self._colors(ramp)), (0, top))
        draw.rectangle((0, top, sheet.width - 1, top + LINE - 5), outline=_INK)
        low, high = self.limits
        for x, value, anchor in ((0, low, "lt"), (sheet.width / 2, (low + high) / 2, "mt"), (sheet.width, high, "rt")):
            draw.text((x, top + LINE), render.format_value(value), _INK, font, anchor)
        draw.text((sheet.width / 2, top + 2 * LINE), self.units, _INK, font, "mt")


def channel_ranking(count: int, measures: tuple[ChannelMeasure, ...], order: str) -> NDArray[np.intp]:
    """Return the numbers of channels, the largest by a measure first; equal ones by number, unknown ones last."""
    found = next((measure for measure in measures if measure.name == order), None)
    if found is None:
        return np.arange(count)
    keys = np.where(np.isnan(found.values), -np.inf, found.values)
    return np.argsort(-keys, kind="stable")
