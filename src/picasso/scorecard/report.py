"""The page of a comparison: one HTML file with everything in it."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from picasso.core.pictures import render
from picasso.scorecard.card import Card, Trust
from picasso.scorecard.fills import FILLS
from picasso.scorecard.ranks import Figure, Numbers
from picasso.scorecard.relevance_gain import Curves

if TYPE_CHECKING:
    from picasso.scorecard.comparison import Comparison, Pictured

SIDE = 224
"""Pictures are drawn at least this large."""
CLIP = 0.005
"""Share of a map's values that may lie beyond the ends of the color scale."""
MARKS = {Trust.YES: "✓", Trust.CARE: "!", Trust.NO: "✗"}
WIDTH, HEIGHT = 220, 96


def page(comparison: Comparison) -> str:
    """Return a comparison as a page that needs no other file and runs no script."""
    from jinja2 import Environment, StrictUndefined

    room = resources.files("picasso.scorecard")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(room.joinpath("report.html").read_text("utf-8"))
    masked = any(card.pointing is not None for card in comparison.cards)
    ends = [_mean_curves(comparison.curves[card.name]) for card in comparison.cards if comparison.curves[card.name]]
    low = min((float(min(c.most.min(), c.least.min())) for c in ends), default=0.0)
    high = max((float(max(c.most.max(), c.least.max())) for c in ends), default=1.0)
    drawn = {
        card.name: [_drawn(_mean_curves(comparison.curves[card.name]), fill, low, high) for fill in range(len(FILLS))]
        for card in comparison.cards
        if comparison.curves[card.name]
    }
    return template.render(
        comparison=comparison,
        style=room.joinpath("report.css").read_text("utf-8"),
        fills=FILLS,
        masked=masked,
        marks=MARKS,
        number=number,
        signed=_signed,
        words=interval,
        shown=[
            (picture, render.data_url(drawn_view(picture)), _maps(picture, comparison))
            for picture in comparison.pictures
            if picture.maps
        ],
        bar=render.data_url(_bar()),
        curves=drawn,
        low=render.format_value(low),
        high=render.format_value(high),
        units=comparison.record["model"]["score_units"],
        size=(WIDTH, HEIGHT),
        cascade=_cascade,
    )


def number(figure: Figure | None, digits: int = 2) -> str:
    """Write a figure with a fixed number of decimals, the minus as a sign; a dash where there is none."""
    return "–" if figure is None else _signed(figure.mean, digits)


def _signed(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")


def interval(figure: Figure | None, digits: int = 2) -> str:
    """Write a figure's interval."""
    if figure is None or figure.low is None or figure.high is None:
        return ""
    return f"{_signed(figure.low, digits)} … {_signed(figure.high, digits)}"


def drawn_view(picture: Pictured) -> Image.Image:
    """Draw what the model saw, with the edge of the mask where one was given."""
    assert picture.view is not None, "only pictures with a view are shown"
    return _outlined(np.asarray(_large(picture.view)), picture)


def _maps(picture: Pictured, comparison: Comparison) -> list[tuple[Card, str, str]]:
    return [(card, render.data_url(image), units) for card, image, units in drawn_maps(picture, comparison)]


def drawn_maps(picture: Pictured, comparison: Comparison) -> list[tuple[Card, Image.Image, str]]:
    """Draw each map over its picture, all on one scale: shares of the map's own largest value; with the mask's edge."""
    assert picture.view is not None, "only pictures with a view are shown"
    made = []
    for card in comparison.cards:
        if card.name in picture.maps:
            values = picture.maps[card.name]
            top = render.shared_limits([values], "signed", CLIP)[1]
            pixels = render.overlay(picture.view, values / np.float32(top), "signed", (-1.0, 1.0), min_side=SIDE)
            made.append((card, _outlined(pixels, picture), picture.units[card.name]))
    return made


def _outlined(pixels: NDArray[np.uint8], picture: Pictured) -> Image.Image:
    """Draw the edge of the picture's mask, where one was given, into a picture that was enlarged by a whole factor."""
    if picture.mask is not None:
        factor = pixels.shape[0] // picture.mask.shape[0]
        inside = picture.mask.repeat(factor, axis=0).repeat(factor, axis=1)
        pixels = render.edged(pixels, inside, max(1, 2 * min(pixels.shape[:2]) // SIDE))
    return render.to_image(pixels)


def _large(view: NDArray[np.uint8]) -> Image.Image:
    factor = max(1, -(-SIDE // min(view.shape[:2])))
    return render.to_image(view).resize((view.shape[1] * factor, view.shape[0] * factor), Image.Resampling.BICUBIC)


def _bar() -> Image.Image:
    ramp = np.linspace(-1, 1, 256, dtype=np.float32)[None].repeat(8, 0)
    return Image.fromarray(render.colorize(ramp, "signed", (-1.0, 1.0)))


def _mean_curves(curves: tuple[Curves, ...]) -> Curves:
    """Return the mean over the pictures; pictures of one model have one grid, so one axis."""
    most, least = (np.mean([getattr(curve, name) for curve in curves], axis=0) for name in ("most", "least"))
    return Curves(curves[0].removed, most, least)


def _drawn(curves: Curves, fill: int, low: float, high: float) -> dict[str, Any]:
    """Return a pair of curves as the paths of a drawing."""
    most, least = (_points(curves.removed, one, low, high) for one in (curves.most[fill], curves.least[fill]))
    join = " ".join
    return {
        "fill": FILLS[fill],
        "most": "M" + join(most),
        "least": "M" + join(least),
        "between": "M" + join([*least, *most[::-1]]) + "Z",
        "gain": _signed(float(curves.gain[fill]), 2),
    }


def _points(across: Numbers, up: Numbers, low: float, high: float) -> list[str]:
    x, y = across * WIDTH, (1 - (up - low) / ((high - low) or 1.0)) * HEIGHT
    return [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]


def _cascade(card: Card) -> str:
    """Return the path of a cascade: 1 at the top, 0 below, the whole network at the right."""
    assert card.randomization is not None, "asked for where there is one"
    values = np.clip(np.array([1.0, *card.randomization.cascade]), 0, 1)
    return "M" + " ".join(_points(np.linspace(0, 1, len(values)), values, 0.0, 1.0))
