"""Draws the pictures of the documentation that are results of Picasso: `python docs/make_figures.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import picasso
from picasso.core import render
from picasso.core.panels import Heatmap
from picasso.core.result import Result
from picasso.demo.tanks import held_out_set

FOLDER = Path(__file__).parent / "images"
MODELS = ("demo:tank-proxy", "demo:tank-honest")
HEIGHT, GAP, LINE = 300, 16, 26


def two_models() -> Image.Image:
    """One picture, and what each of the two tank models needs of it: the result that the README's lines give.

    Each map has its own color bar. Scores of two models have no common scale, so that a shared one would say no more.
    """
    drawn = next(iter(held_out_set(1, proxy=True)))
    pictures = [("the picture", Image.fromarray(drawn.pixels))]
    for name in MODELS:
        result = picasso.explain(picasso.load_model(name), drawn.pixels, target="tank")
        assert isinstance(result, Result)
        best = result.predictions[0]
        pictures.append((f"{name}: {best.label} {best.probability:.0%}", _map(result)))
    return _beside(pictures)


def _map(result: Result) -> Image.Image:
    panel = next(panel for panel in result.panels if isinstance(panel, Heatmap))
    return render.overlay_with_bar(panel.picture, panel.values, panel.sign, panel.limits, panel.units)


def _beside(pictures: list[tuple[str, Image.Image]]) -> Image.Image:
    """Lay pictures side by side, equally high, under their titles."""
    font = ImageFont.load_default(15)
    scaled = [
        (title, picture.resize((round(picture.width * HEIGHT / picture.height), HEIGHT), Image.Resampling.LANCZOS))
        for title, picture in pictures
    ]
    width = sum(picture.width for _, picture in scaled) + GAP * (len(scaled) - 1)
    canvas = Image.new("RGB", (width, HEIGHT + LINE), "white")
    draw = ImageDraw.Draw(canvas)
    left = 0
    for title, picture in scaled:
        draw.text((left, LINE // 2), title, (30, 30, 34), font, "lm")
        canvas.paste(picture, (left, LINE))
        left += picture.width + GAP
    return canvas


def main() -> None:
    """Write every picture."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / "two-models.png"
    two_models().save(path, optimize=True)
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
